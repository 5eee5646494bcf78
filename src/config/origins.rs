//! The web origins that may call the API, and the text that a browser sends for each (RFC 6454, section 6.2).

use url::{Host, Url};

/// The web origins whose pages may call the API: `BACKEND_CORS_ORIGINS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin.
    Any,
    /// These origins.
    Listed(Vec<Origin>),
}

impl Origins {
    /// Whether the list contains `origin`, the value of a request's header.
    pub fn contain(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|listed| listed.matches(origin)),
        }
    }
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One origin as a browser sends it, or `null`, which browsers send for pages without an origin.
    Exact(String),
    /// All subdomains of a host, at any depth, but not the host itself.
    Subdomains {
        /// What the origin starts with: `https://`.
        scheme: String,
        /// What it ends with: `.example.com:8443`.
        suffix: String,
    },
}

impl Origin {
    /// Parses an entry. A default port is removed and an international domain is encoded, as browsers do.
    ///
    /// # Errors
    /// For an entry that can never match, with a sentence that names it.
    pub fn parse(entry: &str) -> Result<Self, String> {
        if entry == "null" {
            return Ok(Self::Exact(entry.to_owned()));
        }
        // The rest of the entry is validated as an origin of its own.
        let host = entry.replacen("://*.", "://", 1);
        if host.contains('*') {
            return Err(format!(
                "the origin {entry:?} is ignored: `*` can only be its first label, as in https://*.example.com"
            ));
        }
        let origin = canonical(&host).filter(|origin| origin.as_written).ok_or_else(|| never_sent(entry))?;
        if host == entry {
            return Ok(Self::Exact(origin.text));
        }
        match origin.text.split_once("://") {
            Some((scheme, host)) if origin.has_subdomains => {
                Ok(Self::Subdomains { scheme: format!("{scheme}://"), suffix: format!(".{host}") })
            }
            _ => Err(format!(
                "the origin {entry:?} is ignored: `*.` needs http or https and a domain such as example.com"
            )),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Subdomains { scheme, suffix } => {
                let labels = origin.strip_prefix(scheme).and_then(|rest| rest.strip_suffix(suffix));
                labels.is_some_and(|labels| labels.split('.').all(is_label))
            }
        }
    }
}

/// Whether `text` can be one label of a host that a browser sends. Everything else, `/` and `@` above all,
/// could move the suffix out of the host.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

struct Canonical {
    /// The origin as a browser sends it.
    text: String,
    /// Whether the entry is the same, except for a default port or the encoding of an international domain.
    as_written: bool,
    /// Whether the host is a domain that can have subdomains.
    has_subdomains: bool,
}

/// The origin of the pages at the URL `entry`; `None` if none of them has one.
fn canonical(entry: &str) -> Option<Canonical> {
    let url = Url::parse(entry).ok()?;
    let (scheme, host) = (url.scheme(), url.host_str().filter(|host| !host.is_empty())?);
    let is_web = ["http", "https"].contains(&scheme);
    // No page comes from the other schemes of the URL standard. A browser knows the rest from an extension or
    // an application, such as `capacitor://localhost`.
    if !is_web && ["file", "ftp", "ws", "wss"].contains(&scheme) {
        return None;
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let written = entry.strip_prefix(&format!("{scheme}://")).unwrap_or_default();
    let (written_host, written_port) = match written.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (written, None),
    };
    let same_port = written_port
        .is_none_or(|written| url.port_or_known_default().is_some_and(|port| port.to_string() == written));
    let is_encoded = is_web
        && !written_host.is_ascii()
        && !written_host.contains(|c: char| c.is_ascii_uppercase() || "/\\?#@%".contains(c));
    let is_lower_case = !host.contains(|c: char| c.is_ascii_uppercase());
    Some(Canonical {
        text: format!("{scheme}://{host}{port}"),
        as_written: same_port && (written_host == host || is_encoded) && is_lower_case,
        has_subdomains: match url.host() {
            // No site has a whole top-level domain, except for this one.
            Some(Host::Domain(domain)) => is_web && (domain.contains('.') || domain == "localhost"),
            _ => false,
        },
    })
}

fn never_sent(entry: &str) -> String {
    let star = if entry.contains("://*.") { "*." } else { "" };
    let right = canonical(&entry.replacen("://*.", "://", 1))
        .map(|origin| origin.text.replacen("://", &format!("://{star}"), 1))
        .filter(|right| right != entry && Origin::parse(right).is_ok());
    match right {
        Some(right) => format!("no browser sends the origin {entry:?}, so it is ignored; write {right:?}"),
        None => format!(
            "no browser sends the origin {entry:?}, so it is ignored; an origin is scheme://host:port without \
             a path"
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(entry: &str) -> String {
        match Origin::parse(entry) {
            Ok(Origin::Exact(origin)) => origin,
            other => panic!("{entry}: {other:?}"),
        }
    }

    #[test]
    fn an_origin_as_a_browser_sends_it_is_taken_unchanged() {
        for origin in [
            "http://localhost:3000",
            "https://blog.example",
            "https://blog.example.",
            "http://[::1]:8080",
            "http://127.0.0.1",
            "http://https.example:443",
            "https://xn--mnchen-3ya.example:8443",
            "https://my_host",
            "app://x",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "null",
        ] {
            assert_eq!(exact(origin), origin);
        }
    }

    #[test]
    fn a_default_port_is_removed_and_an_international_domain_encoded() {
        for (entry, origin) in [
            ("https://blog.example:443", "https://blog.example"),
            ("http://blog.example:80", "http://blog.example"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://münchen.example", "https://xn--mnchen-3ya.example"),
            ("https://münchen.example:443", "https://xn--mnchen-3ya.example"),
            ("http://bücher.münchen.example:8080", "http://xn--bcher-kva.xn--mnchen-3ya.example:8080"),
            ("https://ドメイン.テスト", "https://xn--eckwd4c7c.xn--zckzah"),
        ] {
            assert_eq!(exact(entry), origin, "{entry}");
        }
    }

    #[test]
    fn an_entry_that_no_browser_sends_is_refused_by_name_and_with_the_right_spelling() {
        for (entry, right) in [
            ("http://a/", "http://a"),
            ("http://a/app", "http://a"),
            ("http://a?", "http://a"),
            ("http://a#top", "http://a"),
            ("http:a", "http://a"),
            ("http:\\\\a", "http://a"),
            (" http://a", "http://a"),
            ("HTTP://a", "http://a"),
            ("http://A.example", "http://a.example"),
            ("https://MÜNCHEN.example", "https://xn--mnchen-3ya.example"),
            ("http://a:", "http://a"),
            ("http://a:080", "http://a"),
            ("http://a:08080", "http://a:8080"),
            ("http://user@a", "http://a"),
            ("http://127.1", "http://127.0.0.1"),
            ("http://127.0.0.01", "http://127.0.0.1"),
            ("http://0x7f.0.0.1", "http://127.0.0.1"),
            ("http://2130706433", "http://127.0.0.1"),
            ("http://[::0001]", "http://[::1]"),
            ("http://[::FFFF:7F00:1]", "http://[::ffff:7f00:1]"),
            ("http://ex%61mple.com", "http://example.com"),
            ("https://*.Example.com", "https://*.example.com"),
            ("https://*.example.com/", "https://*.example.com"),
            ("https://*.example.com:0443", "https://*.example.com"),
        ] {
            let error = Origin::parse(entry).unwrap_err();
            let expected =
                format!("no browser sends the origin {entry:?}, so it is ignored; write {right:?}");
            assert_eq!(error, expected);
            Origin::parse(right).unwrap();
        }
        for entry in [
            "",
            "Null",
            "localhost:3000",
            "http://",
            "http://a b",
            "http://a:65536",
            "http://a:-1",
            "//a",
            "a",
            "https://xn--a",
            "http://256.0.0.1",
            "ws://a",
            "ftp://a",
            "file:///a",
            "data:text/plain,a",
            "app://",
            "app://X",
            "blob:https://a/b",
            "https://*.127.1",
        ] {
            let error = Origin::parse(entry).unwrap_err();
            assert!(error.contains(&format!("{entry:?}")) && !error.contains("; write"), "{error}");
        }
    }

    #[test]
    fn a_star_is_the_first_label_of_a_domain() {
        for entry in [
            "https://*",
            "https://*:443",
            "https://a.*.example",
            "https://*a.example",
            "https://a*.example",
            "https://*.*.example.com",
            "*.example.com",
            "*://example.com",
            "https://*.com",
            "https://*.127.0.0.1",
            "https://*.[::1]",
            "app://*.example.com",
            "https://*.",
            "https://example.com:*",
        ] {
            let error = Origin::parse(entry).unwrap_err();
            assert!(error.contains(&format!("{entry:?}")), "{error}");
        }
    }

    #[test]
    fn a_star_matches_subdomains_at_any_depth_and_nothing_else() {
        let listed = ["https://*.example.com", "http://*.localhost:3000", "https://*.münchen.example:443"];
        let origins =
            Origins::Listed(listed.into_iter().map(|entry| Origin::parse(entry).unwrap()).collect());
        for origin in [
            "https://a.example.com",
            "https://a.b-c.d_e.example.com",
            "https://xn--mnchen-3ya.example.com",
            "http://app.localhost:3000",
            "https://a.xn--mnchen-3ya.example",
        ] {
            assert!(origins.contain(origin), "{origin}");
        }
        for origin in [
            "https://example.com",
            "https://.example.com",
            "https://a..example.com",
            "http://a.example.com",
            "https://a.example.com:443",
            "https://a.example.com:8443",
            "https://a.example.com.evil.example",
            "https://evilexample.com",
            "https://A.example.com",
            "https://evil.example/.example.com",
            "https://evil.example#.example.com",
            "https://evil.example\\.example.com",
            "https://user@.example.com",
            "https://evil.example:80.example.com",
            "https://*.example.com",
            "http://app.localhost",
            "null",
            "",
        ] {
            assert!(!origins.contain(origin), "{origin}");
        }
    }

    /// Texts that resemble entries.
    fn entries() -> impl Strategy<Value = String> {
        let scheme = prop_oneof!["https?", "(HTTP|ws|app|file|chrome-extension)", "[a-z+.-]{1,4}"];
        let host = prop_oneof![
            "[a-zA-Z0-9._-]{1,12}",
            "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}",
            "0x[0-9a-f]{1,4}",
            "\\[[0-9a-fA-F:]{2,8}\\]",
            "\\PC{1,6}",
            "(\\*\\.)?[a-zäöü]{1,5}\\.[a-z]{2,3}",
        ];
        let rest = prop_oneof![Just(String::new()), ":[0-9]{0,6}", ":(80|443)", "[/?#@:%\\\\][a-z]{0,3}"];
        (scheme, "://|:|//", host, rest)
            .prop_map(|(scheme, colon, host, rest)| scheme + &colon + &host + &rest)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// The `url` crate computes origins as browsers do.
        #[test]
        fn every_accepted_origin_is_the_origin_of_a_page(entry in entries()) {
            match Origin::parse(&entry) {
                Ok(Origin::Exact(origin)) if entry.starts_with("http") => {
                    let page = Url::parse(&origin).unwrap().join("/a/page").unwrap();
                    prop_assert_eq!(page.origin().ascii_serialization(), origin);
                }
                Ok(Origin::Exact(origin)) => {
                    let page = Url::parse(&origin).unwrap();
                    prop_assert!(origin.is_ascii() && page.host_str().is_some());
                    prop_assert!(!origin.contains(|c: char| c.is_ascii_uppercase()));
                }
                Ok(Origin::Subdomains { scheme, suffix }) => {
                    let origin = format!("{scheme}a{suffix}");
                    let page = Url::parse(&origin).unwrap().join("/a/page").unwrap();
                    prop_assert_eq!(page.origin().ascii_serialization(), origin);
                }
                Err(error) => {
                    let quoted = format!("{entry:?}");
                    prop_assert!(error.contains(&quoted));
                }
            }
        }

        /// Pages of every origin can be admitted, by the text that their browser sends.
        #[test]
        fn the_origin_of_every_page_is_accepted(entry in "https?://[a-z0-9.-]{1,12}(:[0-9]{1,5})?") {
            if let Ok(page) = Url::parse(&entry) {
                let origin = page.origin().ascii_serialization();
                prop_assert_eq!(Origin::parse(&origin), Ok(Origin::Exact(origin)));
            }
        }
    }
}
