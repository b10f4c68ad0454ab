//! What proofs deliver: sshd, sudo, web servers, CloudTrail and Sysmon as their senders write them, made
//! from a seed, so that two runs deliver the same bytes. Each event carries a number of its own, by which
//! it is found again.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::now;
use crate::Dice;

/// What a stream is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// sshd, sudo and Sysmon in the envelopes of Splunk's HEC.
    Hec,
    /// A web server's access log, for `/api/v1/ingest`.
    Web,
    /// CloudTrail, an object a line, for `/api/v1/ingest`.
    Cloud,
    /// sshd and sudo as rsyslog forwards them, for RELP.
    Relp,
    /// The same for syslog over TCP.
    Syslog,
}

/// The events of one sender.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Where random choices begin.
    pub seed: u64,
    /// The sender, up to 27: part of each event's number.
    pub sender: u8,
    /// How it is written.
    pub way: Way,
    /// When the first event happens, in microseconds since 1970.
    pub began: i64,
    /// Microseconds between two events.
    pub step: i64,
    /// One event of so many makes an alert of its own. 0: none does.
    pub attacks: u64,
}

/// What stands before an event's number.
pub(super) const MARK: &str = "wfid-";
/// Numbers of a sender.
pub(super) const NUMBERS: u64 = 100_000_000;
/// In each stretch of so many events of a shell somebody guesses a password until it is right.
const GUESSING: u64 = 4096;

impl Stream {
    /// Streams that begin now, of so many events a second each.
    pub fn several(seed: u64, ways: &[Way], rate: u64, attacks: u64) -> Vec<Self> {
        let (began, step) = (now(), (1_000_000 / rate.max(1)).max(1) as i64);
        let stream =
            |(sender, way): (u8, &Way)| Self { seed, sender, way: *way, began, step, attacks };
        (0..).zip(ways).map(stream).collect()
    }

    /// When an event happens, in microseconds since 1970.
    pub fn at(&self, number: u64) -> i64 {
        self.began + number as i64 * self.step
    }

    /// Which alert of its own an event makes.
    pub fn attack(&self, number: u64) -> Option<u64> {
        let nth = number.checked_rem(self.attacks)?;
        (nth == self.attacks / 2).then(|| number / self.attacks)
    }

    /// The number of an event among those of all senders.
    pub(super) fn global(&self, number: u64) -> u64 {
        u64::from(self.sender) * NUMBERS + number
    }

    /// The entity that the alert of an attack names, as it is written there.
    pub(super) fn entity(&self, number: u64, attack: u64) -> String {
        let (s, k) = (self.sender, attack);
        match self.made(number) {
            Made::Web => format!("100.{}.{}.{}", 64 + s, (k >> 8) & 255, k & 255),
            Made::Cloud => format!("op-{s:02}{k:06}"),
            Made::Shell => format!("node-{s:02}{k:06}"),
            Made::Windows => format!("ws-{s:02}{k:06}.corp.example"),
        }
    }

    /// Writes an event and a line feed.
    pub(super) fn write(&self, number: u64, out: &mut String) {
        let mut dice = Dice(self.seed ^ self.global(number).wrapping_mul(0x9e37_79b9));
        let event = Event {
            id: format!("{MARK}{:010}", self.global(number)),
            at: Timestamp::from_microsecond(self.at(number)).unwrap_or_default(),
            attack: self.attack(number).map(|k| self.entity(number, k)),
        };
        match (self.way, self.made(number)) {
            (Way::Hec, Made::Windows) => {
                event.envelope("XmlWinEventLog", out);
                event.windows(&mut dice, out);
                out.push('}');
            }
            (Way::Hec, _) => {
                event.envelope("linux_secure", out);
                let mut line = String::new();
                event.shell(self, number, &mut dice, &mut line);
                let _ = write!(out, "{}}}", serde_json::Value::from(line));
            }
            (_, Made::Web) => event.web(&mut dice, out),
            (_, Made::Cloud) => event.cloud(&mut dice, out),
            (Way::Relp | Way::Syslog, _) => {
                let _ = write!(out, "<{}>", if event.attack.is_some() { 85 } else { 38 });
                event.shell(self, number, &mut dice, out);
            }
            (Way::Web | Way::Cloud, _) => {}
        }
        out.push('\n');
    }

    fn made(&self, number: u64) -> Made {
        match self.way {
            Way::Web => Made::Web,
            Way::Cloud => Made::Cloud,
            Way::Hec if number % 2 == 1 => Made::Windows,
            Way::Hec | Way::Relp | Way::Syslog => Made::Shell,
        }
    }
}

/// What an event is of.
enum Made {
    Web,
    Cloud,
    Shell,
    Windows,
}

/// What all kinds have.
struct Event {
    id: String,
    at: Timestamp,
    /// The entity of its alert, when it makes one.
    attack: Option<String>,
}

fn one<'a>(dice: &mut Dice, all: &[&'a str]) -> &'a str {
    all.get(dice.below(all.len() as u64) as usize).copied().unwrap_or_default()
}

const PEOPLE: [&str; 8] =
    ["deploy", "mhalloran", "ana", "jlindqvist", "backup", "rkumar", "svc-ci", "tfischer"];
const PAGES: [&str; 6] = ["/", "/orders", "/api/stock", "/login", "/assets/app.js", "/account"];
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
];
const CALLS: [(&str, &str); 6] = [
    ("ec2.amazonaws.com", "DescribeInstances"),
    ("s3.amazonaws.com", "GetBucketLocation"),
    ("sts.amazonaws.com", "GetCallerIdentity"),
    ("ec2.amazonaws.com", "DescribeSecurityGroups"),
    ("monitoring.amazonaws.com", "GetMetricData"),
    ("ecs.amazonaws.com", "DescribeTasks"),
];
const PROGRAMS: [(&str, &str); 4] = [
    ("C:\\\\Windows\\\\System32\\\\svchost.exe", "svchost.exe -k netsvcs -p"),
    (
        "C:\\\\Program Files\\\\Google\\\\Chrome\\\\Application\\\\chrome.exe",
        "chrome.exe --type=utility",
    ),
    ("C:\\\\Windows\\\\System32\\\\taskhostw.exe", "taskhostw.exe"),
    ("C:\\\\Program Files\\\\Microsoft Office\\\\root\\\\Office16\\\\OUTLOOK.EXE", "OUTLOOK.EXE"),
];

impl Event {
    fn envelope(&self, sourcetype: &str, out: &mut String) {
        let micros = self.at.as_microsecond();
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000 / 1_000);
        let _ = write!(out, r#"{{"time":{seconds}.{rest:03},"sourcetype":"{sourcetype}","event":"#);
    }

    fn web(&self, dice: &mut Dice, out: &mut String) {
        let time = self.at.strftime("%d/%b/%Y:%H:%M:%S +0000");
        let (id, agent) = (&self.id, one(dice, &AGENTS));
        let _ = match &self.attack {
            Some(address) => write!(
                out,
                "{address} - - [{time}] \"GET /download?file=../../etc/passwd&ref={id} HTTP/1.1\" 200 1873 \"-\" \"{agent}\""
            ),
            None => write!(
                out,
                "203.0.113.{} - - [{time}] \"GET {}?ref={id} HTTP/1.1\" 200 {} \"-\" \"{agent}\"",
                dice.below(200) + 1,
                one(dice, &PAGES),
                dice.below(40_000),
            ),
        };
    }

    fn cloud(&self, dice: &mut Dice, out: &mut String) {
        let time = self.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        let calm = CALLS.get(dice.below(CALLS.len() as u64) as usize).copied().unwrap_or_default();
        let (user, (service, call), only_reads) = match &self.attack {
            Some(user) => (user.as_str(), ("cloudtrail.amazonaws.com", "StopLogging"), false),
            None => (one(dice, &PEOPLE), calm, true),
        };
        let id = &self.id;
        let _ = write!(
            out,
            concat!(
                r#"{{"eventVersion":"1.11","userIdentity":{{"type":"IAMUser","principalId":"AIDAEXAMPLE","#,
                r#""arn":"arn:aws:iam::111122223333:user/{user}","accountId":"111122223333","#,
                r#""userName":"{user}"}},"eventTime":"{time}","eventSource":"{service}","#,
                r#""eventName":"{call}","awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.{address}","#,
                r#""userAgent":"aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0","#,
                r#""requestParameters":{{"name":"brightwater-main"}},"responseElements":null,"#,
                r#""requestID":"{id}","eventID":"{a:08x}-3589-4390-b954-{b:012x}","readOnly":{only_reads},"#,
                r#""eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","#,
                r#""eventCategory":"Management"}}"#
            ),
            user = user,
            time = time,
            service = service,
            call = call,
            address = dice.below(50) + 1,
            id = id,
            a = dice.below(1 << 32),
            b = dice.below(1 << 48),
            only_reads = only_reads,
        );
    }

    fn shell(&self, stream: &Stream, number: u64, dice: &mut Dice, out: &mut String) {
        let time = self.at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ");
        let (id, pid, port) = (&self.id, dice.below(60_000) + 300, dice.below(28_000) + 32_768);
        let (address, who) = (dice.below(200) + 1, one(dice, &PEOPLE));
        let web = dice.below(12) + 1;
        let in_stretch = number % GUESSING;
        let _ = if let Some(host) = &self.attack {
            write!(
                out,
                "{time} {host} sudo[{pid}]: www-data : TTY=unknown ; PWD=/var/www ; USER=root ; COMMAND=/usr/bin/find /srv/{id}"
            )
        } else if (1000..1026).contains(&in_stretch) {
            // A host to which nothing else happens.
            let host = format!("bastion-{:02}{:05}", stream.sender, number / GUESSING);
            if in_stretch < 1025 {
                write!(
                    out,
                    "{time} {host} sshd[{pid}]: Failed password for invalid user {id} from 192.0.2.77 port {port} ssh2"
                )
            } else {
                write!(
                    out,
                    "{time} {host} sshd[{pid}]: Accepted password for {id} from 192.0.2.77 port {port} ssh2"
                )
            }
        } else {
            match dice.below(3) {
                0 => write!(
                    out,
                    "{time} web-{web} sshd[{pid}]: Accepted publickey for {who} from 203.0.113.{address} port {port} ssh2: ED25519 SHA256:{id}"
                ),
                1 => write!(
                    out,
                    "{time} web-{web} sshd[{pid}]: Connection closed by authenticating user {id} 203.0.113.{address} port {port} [preauth]"
                ),
                _ => write!(
                    out,
                    "{time} web-{web} sudo[{pid}]: {who} : TTY=pts/0 ; PWD=/home/{who} ; USER=root ; COMMAND=/usr/bin/systemctl status {id}"
                ),
            }
        };
    }

    fn windows(&self, dice: &mut Dice, out: &mut String) {
        let calm = PROGRAMS.get(dice.below(PROGRAMS.len() as u64) as usize).copied();
        let (image, line) = match self.attack {
            Some(_) => (
                "C:\\\\Windows\\\\System32\\\\vssadmin.exe",
                "vssadmin.exe delete shadows /all /quiet",
            ),
            None => calm.unwrap_or_default(),
        };
        let usual = format!("ws-{}.corp.example", dice.below(40) + 1);
        let who = one(dice, &PEOPLE);
        let _ = write!(
            out,
            concat!(
                r#"{{"EventTime":"{time}","Hostname":"{host}","SourceName":"Microsoft-Windows-Sysmon","#,
                r#""Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1,"RecordNumber":{record},"#,
                r#""ExecutionProcessID":1412,"UtcTime":"{utc}","ProcessGuid":"{{{a:08x}-11aa-6920-5102-000000001f00}}","#,
                r#""ProcessId":{pid},"Image":"{image}","FileVersion":"10.0.26100.1","Product":"{id}","#,
                r#""Company":"Microsoft Corporation","CommandLine":"{line}","CurrentDirectory":"C:\\Windows\\","#,
                r#""User":"CORP\\{who}","LogonId":"0x5f2a1","IntegrityLevel":"Medium","#,
                r#""Hashes":"SHA256={a:064x}","ParentProcessId":4004,"ParentImage":"C:\\Windows\\System32\\services.exe","#,
                r#""ParentCommandLine":"services.exe"}}"#
            ),
            time = self.at.strftime("%Y-%m-%d %H:%M:%S"),
            utc = self.at.strftime("%Y-%m-%d %H:%M:%S.%3f"),
            host = self.attack.as_deref().unwrap_or(&usual),
            record = dice.below(1 << 30),
            a = dice.below(1 << 32),
            pid = dice.below(9_000) + 1_000,
            image = image,
            id = self.id,
            line = line,
            who = who,
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_runs_deliver_the_same_and_every_event_has_its_number_once() {
        for way in [Way::Hec, Way::Web, Way::Cloud, Way::Relp, Way::Syslog] {
            let (seed, began, step) = (7, 1_795_000_000_000_000, 250);
            let stream = Stream { seed, sender: 3, way, began, step, attacks: 10 };
            for number in 0..40 {
                let (mut first, mut second) = (String::new(), String::new());
                stream.write(number, &mut first);
                stream.write(number, &mut second);
                assert_eq!(first, second);
                let id = format!("{MARK}{:010}", 300_000_000 + number);
                assert_eq!(first.matches(&id).count(), 1, "{first}");
                assert_eq!(first.matches(MARK).count(), 1, "{first}");
                assert_eq!(first.lines().count(), 1, "{first}");
                let attack = stream.attack(number).map(|k| stream.entity(number, k));
                assert_eq!(attack.is_some(), number % 10 == 5);
                assert!(attack.is_none_or(|entity| first.contains(&entity)), "{first}");
                if matches!(way, Way::Hec | Way::Cloud) {
                    let _sound: serde_json::Value = serde_json::from_str(&first).unwrap();
                }
            }
        }
    }
}
