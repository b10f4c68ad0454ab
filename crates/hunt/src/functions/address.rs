//! Functions on IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::ScalarUDF;

use super::kit::{Arguments, Plain, texts};

pub(crate) fn functions() -> Vec<ScalarUDF> {
    vec![
        Plain { name: "cidr_match", takes: texts(2), gives: DataType::Boolean, body: cidr_match }
            .udf(),
        Plain {
            name: "is_private_ip",
            takes: texts(1),
            gives: DataType::Boolean,
            body: is_private_ip,
        }
        .udf(),
    ]
}

fn cidr_match(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let addresses = arguments.text(0)?;
    let matched: BooleanArray = match arguments.constant(1) {
        Some(None) => vec![None; addresses.len()].into(),
        Some(Some(text)) => {
            let Some(networks) = Networks::read(text) else {
                return plan_err!("`{text}` is not a network such as 10.0.0.0/8 or fd00::/8");
            };
            Arguments::map_text(&addresses, |a| {
                Some(read_address(a).is_some_and(|a| networks.hold(a)))
            })
        }
        None => {
            // A column of networks: neighbouring rows often say the same.
            let column = arguments.text(1)?;
            let mut last: Option<(&str, Option<Networks>)> = None;
            addresses
                .iter()
                .zip(column.iter())
                .map(|(address, text)| {
                    let (address, text) = (address?, text?);
                    if last.as_ref().is_none_or(|(known, _)| *known != text) {
                        last = Some((text, Networks::read(text)));
                    }
                    let networks = last.as_ref()?.1.as_ref()?;
                    Some(read_address(address).is_some_and(|address| networks.hold(address)))
                })
                .collect()
        }
    };
    Ok(Arc::new(matched))
}

fn is_private_ip(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let addresses = arguments.text(0)?;
    let answer: BooleanArray =
        Arguments::map_text(&addresses, |text| read_address(text).map(is_private));
    Ok(Arc::new(answer))
}

/// One or several networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Reads networks between commas or spaces; an address alone is a network of one.
    fn read(text: &str) -> Option<Self> {
        let mut networks = Self { v4: Vec::new(), v6: Vec::new() };
        for part in text.split([',', ' ', ';']).filter(|part| !part.is_empty()) {
            let (address, length) = match part.split_once('/') {
                Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
                None => (part, None),
            };
            match address.parse::<IpAddr>().ok()? {
                IpAddr::V4(v4) => networks.add_v4(v4, length.unwrap_or(32))?,
                IpAddr::V6(v6) => {
                    let length = length.unwrap_or(128);
                    match v6.to_ipv4_mapped() {
                        Some(v4) if length >= 96 => networks.add_v4(v4, length - 96)?,
                        _ => {
                            let hosts = 128_u32.checked_sub(length)?;
                            let mask = u128::MAX.checked_shl(hosts).unwrap_or(0);
                            networks.v6.push((u128::from(v6) & mask, mask));
                        }
                    }
                }
            }
        }
        (!networks.v4.is_empty() || !networks.v6.is_empty()).then_some(networks)
    }

    fn add_v4(&mut self, address: Ipv4Addr, length: u32) -> Option<()> {
        let hosts = 32_u32.checked_sub(length)?;
        let mask = u32::MAX.checked_shl(hosts).unwrap_or(0);
        self.v4.push((u32::from(address) & mask, mask));
        Some(())
    }

    fn hold(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => {
                let bits = u32::from(v4);
                self.v4.iter().any(|(network, mask)| bits & mask == *network)
            }
            IpAddr::V6(v6) => {
                let bits = u128::from(v6);
                self.v6.iter().any(|(network, mask)| bits & mask == *network)
            }
        }
    }
}

/// Reads an address; IPv4 mapped into IPv6 is IPv4. Sources write brackets, zones and ports.
pub(crate) fn read_address(text: &str) -> Option<IpAddr> {
    if let Some(v4) = read_v4(text.as_bytes()) {
        return Some(IpAddr::V4(v4));
    }
    if !text.contains([':', '.']) {
        return None;
    }
    let text = text.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    let bare = bare.split('%').next()?;
    match bare.parse().ok()? {
        IpAddr::V6(v6) => Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)),
        v4 @ IpAddr::V4(_) => Some(v4),
    }
}

/// The common case, several times faster than the standard library's reader: digits and dots alone,
/// no leading zeros.
fn read_v4(bytes: &[u8]) -> Option<Ipv4Addr> {
    if bytes.len() > 15 {
        return None;
    }
    let (mut address, mut part, mut digits, mut dots) = (0_u32, 0_u32, 0, 0);
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                if digits > 0 && part == 0 {
                    return None;
                }
                part = part * 10 + u32::from(byte - b'0');
                digits += 1;
                if part > 255 {
                    return None;
                }
            }
            b'.' if digits > 0 && dots < 3 => {
                address = address << 8 | part;
                (part, digits) = (0, 0);
                dots += 1;
            }
            _ => return None,
        }
    }
    (dots == 3 && digits > 0).then(|| Ipv4Addr::from(address << 8 | part))
}

/// True for addresses that belong to nobody outside. Those that are set aside for documentation are
/// not among them: examples and exercises use them as strangers.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
                || a >= 240
        }
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_multicast()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    fn holds(networks: &str, address: &str) -> bool {
        Networks::read(networks).unwrap().hold(read_address(address).unwrap())
    }

    #[test]
    fn networks_hold_their_addresses() {
        assert!(holds("10.3.0.0/16", "10.3.255.1"));
        assert!(!holds("10.3.0.0/16", "10.4.0.1"));
        assert!(holds("10.3.0.0/16", "::ffff:10.3.0.9"));
        assert!(holds("::ffff:10.3.0.0/112", "10.3.0.9"));
        assert!(holds("0.0.0.0/0", "255.1.2.3"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:DB8:1::1"));
        assert!(holds("192.0.2.7", "192.0.2.7"));
        assert!(holds("10.0.0.0/8, fd00::/8", "fd12::1"));
        assert!(holds("10.0.0.0/8", "[::ffff:10.1.1.1]:443"));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "x", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert_eq!(Networks::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_of_every_spelling() {
        let v4 = Some(IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4)));
        for text in ["1.2.3.4", "1.2.3.4:80", " 1.2.3.4 ", "::ffff:1.2.3.4"] {
            assert_eq!(read_address(text), v4, "{text}");
        }
        for text in ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "host", "1..2.3", "é.1"] {
            assert_eq!(read_address(text), None, "{text}");
        }
        assert!(read_address("fe80::1%eth0").is_some());
    }

    #[test]
    fn private_addresses() {
        for text in [
            "10.0.0.1",
            "172.31.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "fd00::1",
            "fe80::1",
            "::1",
            "::ffff:192.168.1.1",
            "0.1.2.3",
        ] {
            assert!(is_private(read_address(text).unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1",
            "203.0.113.7",
            "::ffff:8.8.8.8",
        ] {
            assert!(!is_private(read_address(text).unwrap()), "{text}");
        }
    }
}
