//! The organisation's own web sites: what they are asked for is told by who serves them.

/// Source definitions whose events are requests to the organisation's own sites.
const SERVED: [&str; 8] = [
    "aws_elb",
    "aws_s3_access",
    "aws_waf",
    "cloudflare_firewall",
    "cloudflare_http",
    "iis_w3c",
    "web_access",
    "web_error",
];

/// Whether the events of a source definition are requests to the organisation's own sites: the domains
/// in them are its own, whatever was done to them.
pub fn is_served(source: &str) -> bool {
    SERVED.contains(&source)
}
