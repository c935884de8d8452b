//! Which addresses a request may reach, depending on who named the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who named the host of a request, and therefore which addresses it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// An object's own spec names the host: every address but link-local and metadata ones.
    Named,
    /// An answer names the host (a challenge, a redirect, a link): public addresses alone, so that nobody can point
    /// us at the inside of the cluster's network.
    Referred,
    /// The metadata service of the machine or of the pod, asked for the identity that a cloud gives: link-local and metadata
    /// addresses, the inside of the network, and never a proxy. No object and no answer can name such a host.
    Metadata,
}

/// What kind of network an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Reachable from everywhere.
    Public,
    /// Loopback, private, shared and unique-local ranges, and the reserved rest.
    Private,
    /// Link-local, multicast, unspecified, and the clouds' metadata services: never a registry or a Git server.
    Forbidden,
}

/// Metadata services outside the link-local ranges: Alibaba Cloud, Azure's wire server, Oracle's alias.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The metadata service of AWS over IPv6, and Google's.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

impl AddressClass {
    /// The class of `address`; an IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4) counts as itself.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [a, b, c, _] = address.octets();
        if a == 0
            || address.is_link_local()
            || address.is_multicast()
            || address.is_broadcast()
            || METADATA_V4.contains(&address)
        {
            return Self::Forbidden;
        }
        let shared = a == 100 && (64..128).contains(&b);
        let benchmark = a == 198 && (b == 18 || b == 19);
        let protocol = a == 192 && b == 0 && c == 0;
        if address.is_loopback()
            || address.is_private()
            || address.is_documentation()
            || shared
            || benchmark
            || protocol
            || a >= 240
        {
            return Self::Private;
        }
        Self::Public
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if let Some(inner) = embedded_v4(address) {
            return Self::of_v4(inner);
        }
        let first = address.segments()[0];
        let link_local = first & 0xffc0 == 0xfe80;
        let site_local = first & 0xffc0 == 0xfec0;
        if address.is_unspecified() || address.is_multicast() || link_local || METADATA_V6.contains(&address)
        {
            return Self::Forbidden;
        }
        let unique_local = first & 0xfe00 == 0xfc00;
        if address.is_loopback() || unique_local || site_local || first & 0xe000 != 0x2000 {
            return Self::Private;
        }
        Self::Public
    }
}

impl Reach {
    /// Whether a host that was named this way may have `address`.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        match AddressClass::of(address) {
            AddressClass::Public => self != Self::Metadata,
            AddressClass::Private => self != Self::Referred,
            AddressClass::Forbidden => self == Self::Metadata,
        }
    }
}

/// The IPv4 address that an IPv6 address stands for, when there is one.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    let octets = address.octets();
    let quad = |at: usize| {
        let bytes: [u8; 4] = octets.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes))
    };
    match address.segments() {
        // 64:ff9b::/96, NAT64 (RFC 6052), and ::/96, the deprecated compatible form.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => quad(12),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => quad(12),
        // 2002::/16, 6to4 (RFC 3056).
        [0x2002, ..] => quad(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("140.82.112.33", true, true)]
    #[case("2606:4700::1111", true, true)]
    #[case("127.0.0.1", true, false)]
    #[case("10.1.2.3", true, false)]
    #[case("172.31.0.1", true, false)]
    #[case("192.168.1.1", true, false)]
    #[case("100.64.0.1", true, false)]
    #[case("::1", true, false)]
    #[case("fd12::1", true, false)]
    #[case("::ffff:10.0.0.1", true, false)]
    #[case("64:ff9b::a00:1", true, false)]
    #[case("2002:a00:1::", true, false)]
    #[case("169.254.169.254", false, false)]
    #[case("::ffff:169.254.169.254", false, false)]
    #[case("64:ff9b::a9fe:a9fe", false, false)]
    #[case("2002:a9fe:a9fe::1", false, false)]
    #[case("fe80::1", false, false)]
    #[case("fd00:ec2::254", false, false)]
    #[case("100.100.100.200", false, false)]
    #[case("168.63.129.16", false, false)]
    #[case("0.0.0.0", false, false)]
    #[case("::", false, false)]
    #[case("224.0.0.1", false, false)]
    #[case("255.255.255.255", false, false)]
    fn an_address_is_reached_only_as_far_as_its_namer_is_trusted(
        #[case] address: IpAddr,
        #[case] named: bool,
        #[case] referred: bool,
    ) {
        assert_eq!(
            (Reach::Named.allows(address), Reach::Referred.allows(address)),
            (named, referred)
        );
        // What may be reached from everywhere is no metadata service.
        assert_eq!(Reach::Metadata.allows(address), !referred);
    }
}
