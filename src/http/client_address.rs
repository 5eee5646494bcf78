//! The address of the client that sent a request, also through trusted proxies.
//!
//! The address of the connection is that of the last proxy. Proxies report the others in `X-Forwarded-For` or
//! `Forwarded` (RFC 7239); each appends the address that it received the request from. A client can send
//! these headers itself, so only what a trusted proxy appended counts: the client is the right-most address
//! that is not a trusted proxy.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::{Payload, RequestHead},
    http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR},
};
use ipnet::IpNet;

use super::HttpState;

/// The address of the client that sent a request. An IPv4 address that is mapped to IPv6 is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// This machine, for commands that have no other client.
    pub const LOCAL: Self = Self(IpAddr::V4(Ipv4Addr::LOCALHOST));

    /// The address of the client whose request has this head.
    pub fn of(head: &RequestHead, state: Option<&HttpState>) -> Self {
        // A Unix socket has no address: its client is a program on this machine.
        let peer = head.peer_addr.map_or(Self::LOCAL.0, |peer| peer.ip().to_canonical());
        let is_local = head.peer_addr.is_none();
        Self(state.map_or(peer, |state| state.trusted_proxies.client_of(peer, is_local, head.headers())))
    }

    /// The address for purposes of fairness. Usually, one client has all addresses of an IPv6 network of 64
    /// bits, so these count as one: its first address.
    pub fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        }
    }
}

impl FromRequest for ClientAddress {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request.head(), request.app_data())))
    }
}

/// The proxies whose reports are used: `TRUSTED_PROXIES`, and those that connect to the Unix socket, which only a proxy
/// is allowed to do.
#[derive(Debug)]
pub struct TrustedProxies {
    networks: Box<[IpNet]>,
    has_warned: AtomicBool,
}

impl TrustedProxies {
    /// Builds the list from the setting.
    pub fn new(networks: &[IpNet]) -> Self {
        Self { networks: networks.into(), has_warned: AtomicBool::new(false) }
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that `peer` sent with these headers. `is_local` if it came over a Unix socket.
    fn client_of(&self, peer: IpAddr, is_local: bool, headers: &HeaderMap) -> IpAddr {
        if !is_local && !self.contain(peer) {
            self.warn_once(peer, headers);
            return peer;
        }
        // If both headers are present, `X-Forwarded-For` counts. Nearly all proxies write it and pass on a
        // `Forwarded` that the client has sent; the other way round is rare.
        let (name, address): (_, fn(&str) -> Option<IpAddr>) = if headers.contains_key(X_FORWARDED_FOR) {
            (X_FORWARDED_FOR, node)
        } else {
            (FORWARDED, forwarded_for)
        };
        let lines: Vec<_> =
            headers.get_all(name).map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
        let mut client = peer;
        for element in lines.iter().rev().flat_map(|line| from_right(line, ',')) {
            // Without an address in the report of a trusted proxy, its own address is the last that is known.
            let Some(reported) = address(element) else { break };
            client = reported;
            if !self.contain(client) {
                break;
            }
        }
        client
    }

    /// Warns of a header that is ignored although the sender is probably a proxy: requests of clients from
    /// the internet do not come from private addresses.
    fn warn_once(&self, peer: IpAddr, headers: &HeaderMap) {
        let sent = |name: &HeaderName| headers.contains_key(name);
        if !self.has_warned.load(Relaxed)
            && is_private(peer)
            && let Some(header) = [X_FORWARDED_FOR, FORWARDED].into_iter().find(sent)
            && !self.has_warned.swap(true, Relaxed)
        {
            tracing::warn!(
                proxy = %peer, header = header.as_str(),
                "a forwarding header is ignored: if this address is a proxy, add it to TRUSTED_PROXIES"
            );
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// The elements of a list, the last one first, without empty ones. A separator inside a quoted string does
/// not count. Reading from the right makes sure that an unbalanced quote, which a client sent, cannot hide
/// the element that a proxy appended.
fn from_right(list: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    let elements = iter::from_fn(move || {
        let list = rest?;
        let split = last_unquoted(list, separator).and_then(|at| list.split_at_checked(at));
        let (before, element) = split.map_or((None, list), |(before, element)| (Some(before), element));
        rest = before;
        Some(element.trim_start_matches(separator).trim())
    });
    elements.filter(|element| !element.is_empty())
}

fn last_unquoted(list: &str, separator: char) -> Option<usize> {
    let mut is_quoted = false;
    for (at, found) in list.rmatch_indices(['"', separator]) {
        if found == "\"" {
            let before = list.get(..at).unwrap_or_default();
            let backslashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
            is_quoted ^= backslashes % 2 == 0;
        } else if !is_quoted {
            return Some(at);
        }
    }
    None
}

/// The address in the parameter `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut value = None;
    for parameter in from_right(element, ';') {
        let (name, text) = parameter.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") && value.replace(text.trim()).is_some() {
            return None;
        }
    }
    let value = value?;
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    node(&quoted.unwrap_or(value).replace('\\', ""))
}

/// The address of a node: an IP address, with or without a port. IPv6 is in brackets if a port follows. `None`
/// for `unknown`, an obfuscated identifier, and anything else.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        (IpAddr::V6(address.parse().ok()?), port)
    } else {
        let (address, port) = text.split_at_checked(text.find(':')?)?;
        (IpAddr::V4(address.parse().ok()?), port)
    };
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then(|| address.to_canonical())
}

/// Whether this is a port, or an obfuscated one such as `_port1`.
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(name) => {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    /// What stands for a client of the Unix socket.
    const SOCKET: &str = "127.0.0.1";

    fn client(peer: &str, headers: &[(HeaderName, &str)]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        TrustedProxies::new(&networks).client_of(peer.parse().unwrap(), peer == SOCKET, &map).to_string()
    }

    fn by_list(value: &str) -> String {
        client(PROXY, &[(X_FORWARDED_FOR, value)])
    }

    fn by_forwarded(value: &str) -> String {
        client(PROXY, &[(FORWARDED, value)])
    }

    #[test]
    fn the_client_is_the_right_most_address_that_is_not_a_trusted_proxy() {
        for (value, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("1.2.3.4, 203.0.113.7", "203.0.113.7"),
            ("203.0.113.7,10.1.1.1 ,\t10.2.2.2", "203.0.113.7"),
            ("1.2.3.4, 203.0.113.7, 10.1.1.1", "203.0.113.7"),
            ("2001:db8::9, fd00::5", "2001:db8::9"),
            (", ,203.0.113.7,", "203.0.113.7"),
            // All are trusted: the first one is the client.
            ("10.9.9.9, 10.1.1.1", "10.9.9.9"),
            ("", PROXY),
            (" , ", PROXY),
        ] {
            assert_eq!(by_list(value), address, "{value:?}");
        }
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_of_64_bits_count_as_one() {
        for (address, network) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
            ("192.0.2.77", "192.0.2.77"),
        ] {
            assert_eq!(ClientAddress(address.parse().unwrap()).network().to_string(), network);
        }
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_sends() {
        for header in [X_FORWARDED_FOR, FORWARDED] {
            for value in ["1.2.3.4", "for=1.2.3.4", "10.0.0.1"] {
                assert_eq!(client("198.51.100.2", &[(header.clone(), value)]), "198.51.100.2");
                assert_eq!(client("192.168.0.2", &[(header.clone(), value)]), "192.168.0.2");
            }
        }
        assert_eq!(client(PROXY, &[]), PROXY);
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        for (value, address) in [
            ("203.0.113.7:4711", "203.0.113.7"),
            ("203.0.113.7:_hidden", "203.0.113.7"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:443", "2001:db8::9"),
            ("2001:DB8::9", "2001:db8::9"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:1", "203.0.113.7"),
            // A mapped address of a trusted proxy is that proxy.
            ("203.0.113.7, ::ffff:10.3.3.3", "203.0.113.7"),
        ] {
            assert_eq!(by_list(value), address, "{value:?}");
        }
    }

    #[test]
    fn a_report_without_an_address_ends_the_search_at_the_proxy_that_made_it() {
        for report in [
            "unknown",
            "_gazonk",
            "localhost",
            "203.0.113.7:",
            "203.0.113.7:http",
            "203.0.113.7:123456",
            "203.0.113",
            "203.0.113.256",
            "0x7f000001",
            "[2001:db8::9",
            "2001:db8::9]:1",
            "[203.0.113.7]:1",
            "fe80::1%eth0",
            "a\"b",
            "ü",
        ] {
            assert_eq!(by_list(&format!("1.2.3.4, {report}, 10.1.1.1")), "10.1.1.1", "{report:?}");
            assert_eq!(by_list(&format!("1.2.3.4, {report}")), PROXY, "{report:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_defines_it() {
        for (value, address) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=203.0.113.7; Proto=https;by=10.0.0.1", "203.0.113.7"),
            ("proto=http;FOR=\"203.0.113.7:4711\"", "203.0.113.7"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8:cafe::17]\", for=10.1.1.1", "2001:db8:cafe::17"),
            ("for=1.2.3.4, for=203.0.113.7;host=\"a,b;c\", for=10.1.1.1", "203.0.113.7"),
            (r#"for=203.0.113.7;host="a\",for=1.2.3.4""#, "203.0.113.7"),
            (r#"for="203\.0.113.7""#, "203.0.113.7"),
            ("for=203.0.113.7;", "203.0.113.7"),
            // Without an address.
            ("for=1.2.3.4, for=unknown", PROXY),
            ("for=1.2.3.4, for=\"_SEVKISEK\"", PROXY),
            ("for=1.2.3.4, proto=https", PROXY),
            ("for=1.2.3.4, for=5.6.7.8;for=9.9.9.9", PROXY),
            ("for=1.2.3.4, for", PROXY),
            ("203.0.113.7", PROXY),
        ] {
            assert_eq!(by_forwarded(value), address, "{value:?}");
        }
    }

    #[test]
    fn an_unbalanced_quote_of_a_client_does_not_hide_what_the_proxy_appended() {
        for sent in ["for=\"", "for=\"1.2.3.4", "\"", "for=1.2.3.4;host=\"\\", "for=\"x\\\""] {
            assert_eq!(by_forwarded(&format!("{sent}, for=203.0.113.7")), "203.0.113.7", "{sent:?}");
            let quoted = format!("{sent}, for=\"[2001:db8::9]\";proto=http");
            assert_eq!(by_forwarded(&quoted), "2001:db8::9", "{sent:?}");
            assert_eq!(by_list(&format!("{sent}, 203.0.113.7")), "203.0.113.7", "{sent:?}");
        }
    }

    #[test]
    fn the_client_of_a_unix_socket_is_a_trusted_proxy() {
        for (value, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("1.2.3.4, 203.0.113.7", "203.0.113.7"),
            // Another local program is not trusted.
            ("1.2.3.4, 127.0.0.1", "127.0.0.1"),
            ("203.0.113.7, 10.1.1.1", "203.0.113.7"),
            ("unix:", SOCKET),
            ("", SOCKET),
        ] {
            assert_eq!(client(SOCKET, &[(X_FORWARDED_FOR, value)]), address, "{value:?}");
        }
        assert_eq!(client(SOCKET, &[]), SOCKET);
        assert_eq!(client(SOCKET, &[(FORWARDED, "for=203.0.113.7")]), "203.0.113.7");
    }

    #[test]
    fn several_lines_form_one_list() {
        for header in [X_FORWARDED_FOR, FORWARDED] {
            let lines = ["1.2.3.4, 5.6.7.8", "203.0.113.7, 10.1.1.1", "10.2.2.2"];
            let lines = lines.map(|line| if header == FORWARDED { with_for(line) } else { line.to_owned() });
            let headers: Vec<_> = lines.iter().map(|line| (header.clone(), line.as_str())).collect();
            assert_eq!(client(PROXY, &headers), "203.0.113.7");
        }
    }

    fn with_for(list: &str) -> String {
        list.split(", ").map(|address| format!("for={address}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn of_both_headers_x_forwarded_for_counts() {
        let headers = [(FORWARDED, "for=1.2.3.4"), (X_FORWARDED_FOR, "203.0.113.7")];
        assert_eq!(client(PROXY, &headers), "203.0.113.7");
        assert_eq!(client(PROXY, &[(FORWARDED, "for=1.2.3.4"), (X_FORWARDED_FOR, "unknown")]), PROXY);
    }

    #[test]
    fn a_header_as_long_as_a_request_allows_is_read() {
        for unit in ["10.1.1.1,", "\",", "\\\"", ",", "for=10.1.1.1,", ";"] {
            let value = unit.repeat(100_000 / unit.len());
            by_list(&value);
            by_forwarded(&value);
        }
    }
}
