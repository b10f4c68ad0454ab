//! Other names under which sources carry what Sigma's taxonomy names.
//!
//! Rules are written in the words of one product: W3C logs for web and proxy rules, Sysmon for
//! Windows. A row says that events of some log source carry a Sigma field under another name.
//! The event's own name always counts as well.

use std::borrow::Cow;

use model::LogSource;

use crate::leaves::ARGUMENTS;

/// Which part of a value a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// Of a URL or request target: what stands before `?`, without scheme and host.
    Path,
    /// Of a URL or request target: what stands after `?`.
    Query,
    /// Of a URL or request target: the last path segment's ending, without its dot.
    Extension,
    /// Of a path: `\` and what stands after the last separator, so that `\cmd.exe` fits.
    File,
}

impl Part {
    /// The part of a text; `None` when it has no such part.
    pub(crate) fn of(self, text: &str) -> Option<Cow<'_, str>> {
        match self {
            Part::Whole => Some(Cow::Borrowed(text)),
            Part::Path => Some(Cow::Borrowed(path(text))),
            Part::Query => text.split_once('?').map(|(_, query)| Cow::Borrowed(query)),
            Part::Extension => {
                let last = path(text).rsplit('/').next()?;
                last.rsplit_once('.').map(|(_, ending)| Cow::Borrowed(ending))
            }
            Part::File => {
                let file = text.rsplit(['\\', '/']).next()?;
                Some(Cow::Owned(format!("\\{file}")))
            }
        }
    }
}

fn path(text: &str) -> &str {
    let before = text.split_once('?').map_or(text, |(before, _)| before);
    match before.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => before,
    }
}

/// Rows that hold for some log sources.
struct Rows {
    product: &'static str,
    category: &'static str,
    service: &'static str,
    /// Sigma's name, the event's name, the part.
    names: &'static [(&'static str, &'static str, Part)],
}

use Part::{Extension, File, Path, Query, Whole};

const ALL: &[Rows] = &[
    // Windows events as other shippers spell them.
    Rows {
        product: "windows",
        category: "",
        service: "",
        names: &[
            ("EventID", "winlog.event_id", Whole),
            ("EventID", "event.code", Whole),
            ("Provider_Name", "winlog.provider_name", Whole),
            ("Provider_Name", "ProviderName", Whole),
            ("Provider_Name", "SourceName", Whole),
            ("Channel", "winlog.channel", Whole),
            ("Computer", "winlog.computer_name", Whole),
            ("Computer", "ComputerName", Whole),
            ("Computer", "Hostname", Whole),
            ("ComputerName", "Computer", Whole),
            ("Message", "RenderingInfo.Message", Whole),
            ("SubjectAccountName", "SubjectUserName", Whole),
        ],
    },
    // Process creation as the Security log has it (pySigma, windows-audit pipeline).
    Rows {
        product: "windows",
        category: "process_creation",
        service: "security",
        names: &[
            ("Image", "NewProcessName", Whole),
            ("ParentImage", "ParentProcessName", Whole),
            ("User", "SubjectUserName", Whole),
            ("LogonId", "SubjectLogonId", Whole),
            ("IntegrityLevel", "MandatoryLabel", Whole),
        ],
    },
    // The audit log of Linux. The title of a process is its command line, cut at 128 bytes.
    Rows {
        product: "linux",
        category: "process_creation",
        service: "auditd",
        names: &[
            ("Image", "exe", Whole),
            ("CommandLine", ARGUMENTS, Whole),
            ("CommandLine", "proctitle", Whole),
            ("CurrentDirectory", "cwd", Whole),
            ("User", "AUID", Whole),
            ("User", "UID", Whole),
            ("LogonId", "ses", Whole),
            ("ProcessId", "pid", Whole),
            ("ParentProcessId", "ppid", Whole),
        ],
    },
    Rows {
        product: "linux",
        category: "file_event",
        service: "auditd",
        names: &[
            ("Image", "exe", Whole),
            ("TargetFilename", "records.name", Whole),
            ("TargetFilename", "name", Whole),
        ],
    },
    Rows {
        product: "linux",
        category: "network_connection",
        service: "auditd",
        names: &[
            ("Image", "exe", Whole),
            ("DestinationIp", "laddr", Whole),
            ("DestinationPort", "lport", Whole),
            ("User", "AUID", Whole),
        ],
    },
    // CrowdStrike FDR.
    Rows {
        product: "",
        category: "process_creation",
        service: "",
        names: &[
            ("Image", "ImageFileName", Whole),
            ("ParentImage", "ParentBaseFileName", File),
            ("GrandParentImage", "GrandParentBaseFileName", File),
            ("User", "UserName", Whole),
        ],
    },
    Rows {
        product: "",
        category: "dns_query",
        service: "",
        names: &[
            ("QueryName", "DomainName", Whole),
            ("QueryName", "query", Whole),
            ("Image", "ContextBaseFileName", File),
        ],
    },
    Rows {
        product: "",
        category: "network_connection",
        service: "",
        names: &[
            ("DestinationIp", "RemoteAddressIP4", Whole),
            ("DestinationIp", "RemoteAddressIP6", Whole),
            ("DestinationPort", "RemotePort", Whole),
            ("SourceIp", "LocalAddressIP4", Whole),
            ("SourcePort", "LocalPort", Whole),
            ("Image", "ContextBaseFileName", File),
        ],
    },
    Rows {
        product: "",
        category: "file_event",
        service: "",
        names: &[
            ("TargetFilename", "TargetFileName", Whole),
            ("Image", "ContextBaseFileName", File),
        ],
    },
    // Web servers: common, combined, Zeek, Suricata, Cloudflare, AWS load balancers.
    Rows { product: "", category: "webserver", service: "", names: WEB },
    Rows { product: "", category: "proxy", service: "", names: WEB },
    Rows { product: "zeek", category: "", service: "http", names: WEB },
    Rows { product: "", category: "dns", service: "", names: DNS },
    Rows { product: "", category: "firewall", service: "", names: FLOW },
    Rows { product: "", category: "", service: "netflow", names: FLOW },
    Rows {
        product: "gcp",
        category: "",
        service: "",
        names: &[
            ("gcp.audit.method_name", "protoPayload.methodName", Whole),
            ("data.protoPayload.methodName", "protoPayload.methodName", Whole),
            ("data.protoPayload.serviceName", "protoPayload.serviceName", Whole),
            ("data.protoPayload.logName", "logName", Whole),
            ("data.protoPayload.resource.type", "resource.type", Whole),
            (
                "data.protoPayload.authorizationInfo.permission",
                "protoPayload.authorizationInfo.permission",
                Whole,
            ),
            (
                "data.protoPayload.authorizationInfo.granted",
                "protoPayload.authorizationInfo.granted",
                Whole,
            ),
        ],
    },
];

const WEB: &[(&str, &str, Part)] = &[
    ("cs-method", "method", Whole),
    ("cs-method", "http.http_method", Whole),
    ("cs-method", "ClientRequestMethod", Whole),
    ("sc-status", "status", Whole),
    ("sc-status", "status_code", Whole),
    ("sc-status", "http.status", Whole),
    ("sc-status", "EdgeResponseStatus", Whole),
    ("sc-status", "elb_status_code", Whole),
    ("c-ip", "client", Whole),
    ("c-ip", "id.orig_h", Whole),
    ("c-ip", "src_ip", Whole),
    ("c-ip", "ClientIP", Whole),
    ("dst_ip", "id.resp_h", Whole),
    ("dst_ip", "dest_ip", Whole),
    ("cs-host", "vhost", Whole),
    ("cs-host", "host", Whole),
    ("cs-host", "http.hostname", Whole),
    ("cs-host", "ClientRequestHost", Whole),
    ("cs-host", "r-dns", Whole),
    ("cs-username", "user", Whole),
    ("cs-cookie", "cs(Cookie)", Whole),
    ("cs-referer", "referer", Whole),
    ("cs-referer", "referrer", Whole),
    ("cs-referer", "cs(Referer)", Whole),
    ("cs-referer", "http.http_refer", Whole),
    ("cs-referer", "ClientRequestReferer", Whole),
    ("cs-user-agent", "user_agent", Whole),
    ("cs-user-agent", "cs(User-Agent)", Whole),
    ("cs-user-agent", "c-useragent", Whole),
    ("cs-user-agent", "http.http_user_agent", Whole),
    ("cs-user-agent", "ClientRequestUserAgent", Whole),
    ("c-useragent", "user_agent", Whole),
    ("c-useragent", "cs(User-Agent)", Whole),
    ("c-useragent", "cs-user-agent", Whole),
    ("c-useragent", "http.http_user_agent", Whole),
    ("c-useragent", "ClientRequestUserAgent", Whole),
    ("cs-uri", "target", Whole),
    ("cs-uri", "uri", Whole),
    ("cs-uri", "http.url", Whole),
    ("cs-uri", "ClientRequestURI", Whole),
    ("c-uri", "target", Whole),
    ("c-uri", "uri", Whole),
    ("c-uri", "http.url", Whole),
    ("c-uri", "ClientRequestURI", Whole),
    ("c-uri", "request_url", Whole),
    ("cs-uri-stem", "target", Path),
    ("cs-uri-stem", "uri", Path),
    ("cs-uri-stem", "http.url", Path),
    ("cs-uri-stem", "ClientRequestPath", Whole),
    ("cs-uri-stem", "request_url", Path),
    // SigmaHQ's web rules look for paths in the query: the whole target counts as one.
    ("cs-uri-query", "target", Whole),
    ("cs-uri-query", "uri", Whole),
    ("cs-uri-query", "http.url", Whole),
    ("cs-uri-query", "ClientRequestURI", Whole),
    ("cs-uri-query", "request_url", Whole),
    ("c-uri-query", "cs-uri-query", Whole),
    ("c-uri-query", "target", Query),
    ("c-uri-query", "uri", Query),
    ("c-uri-query", "http.url", Query),
    ("c-uri-query", "ClientRequestURI", Query),
    ("c-uri-extension", "target", Extension),
    ("c-uri-extension", "uri", Extension),
    ("c-uri-extension", "http.url", Extension),
    ("c-uri-extension", "cs-uri-stem", Extension),
    ("c-uri-extension", "ClientRequestURI", Extension),
];

const DNS: &[(&str, &str, Part)] = &[
    ("query", "QueryName", Whole),
    ("query", "query_name", Whole),
    ("query", "dns.rrname", Whole),
    ("query", "dns.query.rrname", Whole),
    ("query", "DomainName", Whole),
    ("record_type", "qtype_name", Whole),
    ("record_type", "query_type", Whole),
    ("record_type", "dns.rrtype", Whole),
    ("answer", "answers", Whole),
    ("answer", "answers.Rdata", Whole),
    ("answer", "dns.answers.rdata", Whole),
];

const FLOW: &[(&str, &str, Part)] = &[
    ("src_ip", "id.orig_h", Whole),
    ("src_ip", "srcaddr", Whole),
    ("src_ip", "ClientIP", Whole),
    ("dst_ip", "id.resp_h", Whole),
    ("dst_ip", "dest_ip", Whole),
    ("dst_ip", "dstaddr", Whole),
    ("dst_port", "id.resp_p", Whole),
    ("dst_port", "dest_port", Whole),
    ("dst_port", "dstport", Whole),
    ("destination.port", "id.resp_p", Whole),
    ("destination.port", "dest_port", Whole),
    ("destination.port", "dstport", Whole),
    ("action", "Action", Whole),
];

/// The other names of a field in events of a log source.
pub(crate) fn of(field: &str, logsource: &LogSource) -> impl Iterator<Item = (&'static str, Part)> {
    let fits = |wanted: &str, is: &Option<std::sync::Arc<str>>| {
        wanted.is_empty() || is.as_deref() == Some(wanted)
    };
    ALL.iter()
        .filter(move |rows| {
            fits(rows.product, &logsource.product)
                && fits(rows.category, &logsource.category)
                && fits(rows.service, &logsource.service)
        })
        .flat_map(|rows| rows.names)
        .filter(move |(name, _, _)| name.eq_ignore_ascii_case(field))
        .map(|(_, other, part)| (*other, *part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_targets() {
        let url = "https://h/a/b.PHP?x=/c.d";
        assert_eq!(Path.of(url).as_deref(), Some("/a/b.PHP"));
        assert_eq!(Query.of(url).as_deref(), Some("x=/c.d"));
        assert_eq!(Extension.of(url).as_deref(), Some("PHP"));
        assert_eq!(Extension.of("/a.b/c"), None);
        assert_eq!(Path.of("https://h").as_deref(), Some("/"));
        assert_eq!(Query.of("/a"), None);
        assert_eq!(File.of(r"C:\x\cmd.exe").as_deref(), Some(r"\cmd.exe"));
        assert_eq!(File.of("cmd.exe").as_deref(), Some(r"\cmd.exe"));
    }

    #[test]
    fn rows_hold_for_their_log_source_alone() {
        let security = LogSource::new("windows", "process_creation", "security");
        let names: Vec<_> = of("image", &security).map(|(name, _)| name).collect();
        assert_eq!(names, ["NewProcessName", "ImageFileName"]);
        let sysmon = LogSource::new("windows", "process_creation", "sysmon");
        assert!(of("Image", &sysmon).all(|(name, _)| name != "NewProcessName"));
        assert_eq!(of("cs-method", &sysmon).count(), 0);
    }
}
