//! Where the server listens: on a port of addresses, or on a Unix socket.

use std::fmt;
use std::path::PathBuf;

/// What a path of a Unix socket begins with.
const UNIX: &str = "unix:";

/// The addresses that the server listens on: `HOST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A host name or an IP address, whose port is `PORT`.
    Name(String),
    /// The path of a Unix socket, instead of a port.
    Unix(PathBuf),
}

impl Host {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.strip_prefix(UNIX) {
            None if text.trim().is_empty() => Err("is empty"),
            None => Ok(Self::Name(text.to_owned())),
            Some(path) if path.trim().is_empty() => Err("has no path after unix:"),
            Some(path) => Ok(Self::Unix(path.into())),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Unix(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_follows_the_prefix_of_unix_sockets() {
        for path in ["/run/byline/byline.sock", "byline.sock", "/a b", "unix:"] {
            let text = format!("unix:{path}");
            assert_eq!(Host::parse(&text), Ok(Host::Unix(path.into())));
            assert_eq!(Host::parse(&text).unwrap().to_string(), text);
        }
        for name in ["127.0.0.1", "::1", "localhost", "/run/byline.sock", "Unix:/run/byline.sock", "unix"] {
            assert_eq!(Host::parse(name), Ok(Host::Name(name.to_owned())));
        }
    }

    #[test]
    fn an_empty_host_or_path_is_an_error() {
        for text in ["", " ", "unix:", "unix: "] {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
    }
}
