//! Blocks of addresses, for `cidr`.

use std::net::IpAddr;

/// An address block, in either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    /// Its address as bits, mapped IPv4 kept in its own family.
    base: u128,
    /// How many leading bits count, out of `width`.
    bits: u32,
    /// 32 or 128.
    width: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fe80::/10`, or a single address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let (base, width) = bits_of(address.trim().parse().ok()?);
        let bits = match bits {
            Some(bits) => bits.trim().parse().ok().filter(|bits| *bits <= width)?,
            None => width,
        };
        Some(Self { base, bits, width })
    }

    /// True when the text is an address within the block. IPv4 mapped into IPv6 counts as IPv4.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let Ok(address) = text.trim().parse::<IpAddr>() else { return false };
        let (mut bits, mut width) = bits_of(address);
        if self.width == 32
            && let IpAddr::V6(six) = address
            && let Some(four) = six.to_ipv4_mapped()
        {
            (bits, width) = bits_of(IpAddr::V4(four));
        }
        if width != self.width {
            return false;
        }
        let free = self.width - self.bits;
        bits.checked_shr(free) == self.base.checked_shr(free)
    }
}

fn bits_of(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(four) => (u128::from(u32::from(four)), 32),
        IpAddr::V6(six) => (u128::from(six), 128),
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.width == 32 {
            write!(f, "{}/{}", std::net::Ipv4Addr::from(self.base as u32), self.bits)
        } else {
            write!(f, "{}/{}", std::net::Ipv6Addr::from(self.base), self.bits)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn blocks_of_both_families() {
        for (block, address, held) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "fe80::1", true),
            ("fe80::/10", "fe80::1%eth0", false),
            ("fe80::/10", "febf::1", true),
            ("192.168.1.7", "192.168.1.7", true),
            ("192.168.1.7", "host", false),
        ] {
            let network = Network::parse(block).map(|network| network.holds(address));
            assert_eq!(network, Some(held), "{address} in {block}");
        }
        assert!(Network::parse("10.0.0.0/33").is_none());
        assert!(Network::parse("10.0.0/8").is_none());
    }
}
