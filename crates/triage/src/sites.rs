//! The organisation's own web sites: what they are asked for is told by who serves them.

use model::Vantage;

/// From where a source definition's events see the web.
pub fn vantage(source: &str) -> Vantage {
    match source {
        "aws_elb"
        | "aws_s3_access"
        | "aws_waf"
        | "cloudflare_firewall"
        | "cloudflare_http"
        | "iis_w3c"
        | "web_access"
        | "web_error" => Vantage::Site,
        "suricata_eve" | "zeek_http" => Vantage::Wire,
        _ => Vantage::Other,
    }
}
