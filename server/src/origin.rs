//! Which web pages may connect: the `Origin` header of a handshake (RFC 6454, RFC 6455 section 10.2).

use std::fmt;
use std::str::FromStr;

/// Who may connect. A request without an `Origin` header does not come from a browser and always passes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// Pages from the host and port that the request itself names.
    #[default]
    SameOrigin,
    /// Pages from these origins, and from the host and port that the request itself names: the server's own page, and what
    /// Spring lets in whatever its list says.
    List(Vec<Origin>),
    /// Every page.
    Any,
}

/// A scheme, a host and a port, such as `https://call.example:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// A text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an origin is a scheme, a host and perhaps a port, such as https://call.example:8443, and not {found:?}")]
pub struct InvalidOrigin {
    /// The text, cut at 100 characters.
    pub found: String,
}

impl Origins {
    /// Whether a request with these `Origin` and `Host` headers may pass.
    pub(crate) fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        let listed = match self {
            Self::Any => return true,
            Self::List(list) => list.as_slice(),
            Self::SameOrigin => &[],
        };
        origin
            .parse::<Origin>()
            .is_ok_and(|origin| listed.contains(&origin) || host.is_some_and(|host| origin.is_at(host)))
    }
}

impl Origin {
    /// Whether a `Host` header names the same host and port; the scheme is not known behind a proxy.
    fn is_at(&self, host: &str) -> bool {
        split(host, default_port(&self.scheme)).is_some_and(|(host, port)| host == self.host && port == self.port)
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let parse = || {
            let (scheme, rest) = text.trim().split_once("://")?;
            let scheme = scheme.to_ascii_lowercase();
            let plain = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
            let (host, port) = split(rest, default_port(&scheme)).filter(|_| plain)?;
            Some(Self { scheme, host, port })
        };
        parse().ok_or_else(|| InvalidOrigin { found: text.chars().take(100).collect() })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

fn default_port(scheme: &str) -> u16 {
    match scheme {
        "https" | "wss" => 443,
        _ => 80,
    }
}

/// Host and port of an authority; an IPv6 address stands in brackets.
fn split(authority: &str, default: u16) -> Option<(String, u16)> {
    let end_of_host = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.get(end_of_host..)?.rfind(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(end_of_host + colon);
            (host, port.get(1..)?.parse().ok()?)
        }
        None => (authority, default),
    };
    let bad = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '@' | ',' | '*');
    (!host.is_empty() && !host.contains(bad)).then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_origin_compares_host_and_port_with_the_ones_of_the_request() {
        let same = Origins::SameOrigin;
        for (origin, host, allowed) in [
            (Some("http://a.example:8080"), Some("a.example:8080"), true),
            (Some("https://a.example"), Some("a.example"), true),
            (Some("https://A.example"), Some("a.EXAMPLE:443"), true),
            (Some("http://[::1]:80"), Some("[::1]"), true),
            (Some("http://a.example"), Some("a.example:8080"), false),
            (Some("http://evil.example"), Some("a.example"), false),
            (Some("null"), Some("a.example"), false),
            (Some("http://a.example"), None, false),
            (None, Some("a.example"), true),
        ] {
            assert_eq!(same.allow(origin, host), allowed, "{origin:?} {host:?}");
        }
    }

    #[test]
    fn a_list_admits_what_is_on_it_beside_the_pages_of_the_server() {
        let list = Origins::List(vec!["https://call.example".parse().unwrap()]);
        assert!(list.allow(Some("https://call.example:443"), Some("signal.example")));
        assert!(list.allow(Some("https://signal.example"), Some("signal.example")));
        assert!(!list.allow(Some("http://call.example"), Some("signal.example")));
        assert!(!list.allow(Some("https://call.example.evil"), Some("signal.example")));
        assert!(!list.allow(Some("null"), None));
        assert!(list.allow(None, None));
        assert!(Origins::Any.allow(Some("null"), None));
    }

    #[test]
    fn what_is_not_an_origin_is_told() {
        for bad in ["", "*", "call.example", "https://", "https://a/b", "https://a:x", "https://*.example", "://a"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
