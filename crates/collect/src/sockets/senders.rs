//! Who sends: from a peer's address or certificate to the sender that the configuration knows.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use super::tls::Identity;
use crate::Tag;

/// What the configuration says of a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Its id: short.
    pub id: Arc<str>,
    /// The source definition that its records are read with, where the configuration names one.
    pub definition: Option<Arc<str>>,
    /// What is said of everything that it sends.
    pub tags: Arc<[Tag]>,
    /// Events a second that are taken from it.
    pub rate_limit: Option<u64>,
    /// False when nothing is taken from it.
    pub enabled: bool,
}

impl Sender {
    /// A sender of which nothing but its id is known.
    pub fn named(id: impl Into<Arc<str>>) -> Self {
        let tags = Arc::new([]);
        Self { id: id.into(), definition: None, tags, rate_limit: None, enabled: true }
    }
}

/// By what a sender is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Its address is in this range.
    Network(Network),
    /// Its certificate has this name, as a DNS name or as common name. `*.example.com` is any one
    /// label in front of `.example.com`. Letters match in either case.
    Certificate(Arc<str>),
    /// Its certificate has this SHA-256 fingerprint.
    Fingerprint([u8; 32]),
}

/// The senders of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Senders {
    /// Who is known, and by what. A certificate says more than an address, its whole name more than one
    /// with a star, a smaller range more than a larger; among equals the first wins.
    pub known: Vec<(Known, Sender)>,
    /// Everybody else; none when they are turned away.
    pub others: Option<Sender>,
}

impl Senders {
    /// The one sender of a listener that everybody may use.
    pub fn all(sender: Sender) -> Self {
        Self { known: Vec::new(), others: Some(sender) }
    }

    /// Who a peer is; none when it is nobody that may send. One that is shut off is nobody, whatever wider
    /// range it is in.
    pub fn of(&self, peer: IpAddr, identity: Option<&Identity>) -> Option<&Sender> {
        let peer = peer.to_canonical();
        let weight = |known: &Known| match known {
            Known::Network(network) if network.contains(peer) => Some(network.prefix),
            Known::Certificate(name) if identity?.has_name(name) => {
                Some(u8::MAX - if name.starts_with("*.") { 2 } else { 1 })
            }
            Known::Fingerprint(print) if identity?.fingerprint == *print => Some(u8::MAX),
            _ => None,
        };
        let known = self.known.iter().rev().filter_map(|(k, sender)| Some((weight(k)?, sender)));
        let closest = known.max_by_key(|(weight, _)| *weight).map(|(_, sender)| sender);
        closest.or(self.others.as_ref()).filter(|sender| sender.enabled)
    }
}

/// A range of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address. What stands behind the prefix says
/// nothing and is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// As IPv6, in which an IPv4 address is a mapped one.
    bits: u128,
    /// Leading bits that must be equal, of 128.
    prefix: u8,
    four: bool,
}

/// Text that is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no range of addresses (10.0.0.0/8, 2001:db8::/32, 192.0.2.7)")]
pub struct NetworkError(String);

impl Network {
    /// True when the address is in the range. An IPv4 address is the same when it is mapped.
    pub fn contains(&self, address: IpAddr) -> bool {
        let alike = bits(address) & mask(self.prefix) == self.bits;
        alike && self.four == address.to_canonical().is_ipv4()
    }
}

fn mask(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

fn bits(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(four) => four.to_ipv6_mapped().to_bits(),
        IpAddr::V6(six) => six.to_bits(),
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.chars().take(80).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| error())?;
        let address = address.to_canonical();
        let (whole, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix = prefix.map_or(Ok(whole), |p| p.trim().parse::<u8>().map_err(|_| error()))?;
        if prefix > whole {
            return Err(error());
        }
        let (four, prefix) = (address.is_ipv4(), before + prefix);
        Ok(Self { bits: bits(address) & mask(prefix), prefix, four })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.bits);
        match self.four {
            // `0.0.0.0/0` has no bits that would tell it from IPv6.
            true => {
                let address = Ipv4Addr::from_bits(self.bits as u32);
                write!(f, "{address}/{}", self.prefix - 96)
            }
            false => write!(f, "{address}/{}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn id<'s>(senders: &'s Senders, peer: &str, identity: Option<&Identity>) -> Option<&'s str> {
        senders.of(peer.parse().unwrap(), identity).map(|sender| &*sender.id)
    }

    #[test]
    fn ranges() {
        let ten: Network = "10.0.0.0/8".parse().unwrap();
        assert!(ten.contains("10.255.0.1".parse().unwrap()));
        assert!(ten.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        assert!(!ten.contains("2001:db8::1".parse().unwrap()));
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
        let six: Network = "2001:db8::/33".parse().unwrap();
        assert!(six.contains("2001:db8:7fff::1".parse().unwrap()));
        assert!(!six.contains("2001:db8:8000::1".parse().unwrap()));
        let everything: Network = "::/0".parse().unwrap();
        assert!(everything.contains("fe80::1".parse().unwrap()));
        for (text, told) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), told);
        }
        for wrong in ["10.0.0.0/33", "10.0.0/8", "::/129", "x", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_closest_wins() {
        let network = |text: &str| Known::Network(text.parse().unwrap());
        let senders = Senders {
            known: vec![
                (network("10.0.0.0/8"), Sender::named("inside")),
                (network("10.1.0.0/16"), Sender::named("branch")),
                (network("10.1.0.0/16"), Sender::named("branch again")),
                (Known::Certificate("*.Example.com".into()), Sender::named("named")),
                (Known::Certificate("db.example.com".into()), Sender::named("to the letter")),
                (Known::Fingerprint([7; 32]), Sender::named("printed")),
            ],
            others: None,
        };
        let named = Identity::new(vec!["host.example.com".to_owned()], [0; 32]);
        let printed = Identity::new(vec!["host.example.com".to_owned()], [7; 32]);
        let other = Identity::new(vec!["a.b.example.com".to_owned()], [0; 32]);
        assert_eq!(id(&senders, "10.2.0.1", None), Some("inside"));
        assert_eq!(id(&senders, "::ffff:10.1.0.1", None), Some("branch"));
        assert_eq!(id(&senders, "10.1.0.1", Some(&named)), Some("named"));
        let exact = Identity::new(vec!["DB.example.com".to_owned()], [0; 32]);
        assert_eq!(id(&senders, "10.1.0.1", Some(&exact)), Some("to the letter"));
        assert_eq!(id(&senders, "192.0.2.1", Some(&printed)), Some("printed"));
        assert_eq!(id(&senders, "192.0.2.1", Some(&other)), None);
        let mut open = Senders { others: Some(Sender::named("anybody")), ..senders };
        assert_eq!(id(&open, "192.0.2.1", None), Some("anybody"));
        // One that is shut off does not come in by a wider range, nor as anybody.
        open.known[1].1.enabled = false;
        assert_eq!(id(&open, "10.1.0.1", None), None);
        assert_eq!(id(&open, "10.1.0.1", Some(&named)), Some("named"));
        assert_eq!(id(&open, "10.2.0.1", None), Some("inside"));
    }
}
