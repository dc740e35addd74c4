//! STUN and TURN urls (RFC 7064, RFC 7065), parsed before the stack sees them.
//!
//! The stack refuses one bad url by failing the whole connection with words like "invalid transport protocol type",
//! and skips a TCP or TLS url with a log line. Here both become an error that names the url and what to write instead.

use std::{fmt, net::Ipv6Addr};

use rtc::peer_connection::configuration::RTCIceServer;

use super::{IceServer, RtcConfig, RtcError};

/// Of STUN and TURN over UDP (RFC 7064 section 3.2, RFC 7065 section 3.2).
const DEFAULT_PORT: u16 = 3478;

/// Why a STUN or TURN url cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IceUrlError {
    /// Not a STUN or TURN url at all.
    #[error("{url:?} is not an ICE server url; expected stun:HOST:PORT or turn:HOST:PORT?transport=udp")]
    Scheme {
        /// The url as given.
        url: String,
    },
    /// TCP or TLS to the server.
    #[error(
        "{url:?} asks for {over}, which this peer does not support yet; use turn:HOST:PORT?transport=udp (or stun:HOST:PORT)"
    )]
    NotOverUdp {
        /// The url as given.
        url: String,
        /// `TCP` or `TLS`.
        over: &'static str,
    },
    /// Something other than `transport=...` behind the question mark.
    #[error("{url:?} ends with ?{query}; expected ?transport=udp or nothing")]
    Query {
        /// The url as given.
        url: String,
        /// What stood behind the question mark.
        query: String,
    },
    /// No usable host name or address.
    #[error("{url:?} has no usable host; expected a name, an IPv4 address or an IPv6 address in brackets, without //")]
    Host {
        /// The url as given.
        url: String,
    },
    /// The port is no number from 1 to 65535.
    #[error("{url:?} has the port {port:?}; expected a number from 1 to 65535")]
    Port {
        /// The url as given.
        url: String,
        /// What stood where the port belongs.
        port: String,
    },
    /// A TURN server without user name or password.
    #[error(
        "{url:?} needs a user name and a credential; a TURN server answers nobody without them (RFC 8656 section 5)"
    )]
    Credentials {
        /// The url as given.
        url: String,
    },
}

impl IceServer {
    /// Whether any url of the servers begins so: `stun` or `turn`, with TLS or without.
    pub(crate) fn any_named(servers: &[Self], scheme: &str) -> bool {
        servers.iter().flat_map(|server| &server.urls).any(|url| url.starts_with(scheme))
    }

    /// Splits a list as handed out by a server, which mostly names each TURN server once more over TCP and TLS, into
    /// the servers this peer can use and the reasons against the rest.
    #[must_use]
    pub fn keep_usable(servers: &[Self]) -> (Vec<Self>, Vec<IceUrlError>) {
        let mut usable = Vec::new();
        let mut refused = Vec::new();
        for server in servers {
            let mut urls = Vec::new();
            for url in &server.urls {
                match parse(url, server) {
                    Ok(_) => urls.push(url.clone()),
                    Err(reason) => refused.push(reason),
                }
            }
            if !urls.is_empty() {
                usable.push(Self { urls, ..server.clone() });
            }
        }
        (usable, refused)
    }
}

/// Where a url leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServerUrl {
    /// A TURN server, else one for STUN alone.
    pub(crate) relay: bool,
    /// Name or address, an IPv6 address without its brackets.
    pub(crate) host: String,
    /// Port, 3478 where none is given.
    pub(crate) port: u16,
}

impl ServerUrl {
    /// Takes a url apart.
    ///
    /// # Errors
    /// The same that a [`Peer`](super::Peer) refuses.
    pub(crate) fn parse(url: &str, server: &IceServer) -> Result<Self, IceUrlError> {
        let text = parse(url, server)?;
        let (relay, address) = match text.strip_prefix("turn:") {
            Some(rest) => (true, rest.split('?').next().unwrap_or(rest)),
            None => (false, text.strip_prefix("stun:").unwrap_or(&text)),
        };
        let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
        };
        let port = port.and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT);
        Ok(Self { relay, host: host.to_owned(), port })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { relay, host, port } = self;
        let scheme = if *relay { "turn" } else { "stun" };
        if host.contains(':') { write!(f, "{scheme}:[{host}]:{port}") } else { write!(f, "{scheme}:{host}:{port}") }
    }
}

/// The servers of a configuration in the stack's own type.
pub(super) fn ice_servers(config: &RtcConfig) -> Result<Vec<RTCIceServer>, RtcError> {
    let mut has_turn = false;
    let mut servers = Vec::new();
    for server in &config.ice_servers {
        let mut urls = Vec::new();
        for url in &server.urls {
            let url = parse(url, server)?;
            has_turn |= url.starts_with("turn:");
            urls.push(url);
        }
        servers.push(RTCIceServer {
            urls,
            username: server.username.clone().unwrap_or_default(),
            credential: server.credential.clone().unwrap_or_default(),
        });
    }
    if config.relay_only && !has_turn {
        return Err(RtcError::RelayWithoutTurn);
    }
    Ok(servers)
}

/// One url in the form the stack takes: scheme in lower case, and no query where it means nothing.
fn parse(url: &str, server: &IceServer) -> Result<String, IceUrlError> {
    let text = url.trim();
    let owned = || url.to_owned();
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(IceUrlError::Scheme { url: owned() });
    };
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "stun" | "turn" => {}
        "stuns" | "turns" => {
            return Err(IceUrlError::NotOverUdp { url: owned(), over: "TLS" });
        }
        _ => return Err(IceUrlError::Scheme { url: owned() }),
    }

    let (address, query) = match rest.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (rest, None),
    };
    match query.map(str::to_ascii_lowercase).as_deref() {
        // A stun: url has no query by the book, but lists in the wild write one.
        None | Some("transport=udp") => {}
        Some("transport=tcp") => {
            return Err(IceUrlError::NotOverUdp { url: owned(), over: "TCP" });
        }
        Some(_) => {
            return Err(IceUrlError::Query { url: owned(), query: query.unwrap_or_default().to_owned() });
        }
    }

    check_address(url, address)?;
    if scheme == "stun" {
        return Ok(format!("stun:{address}"));
    }
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if !given(&server.username) || !given(&server.credential) {
        return Err(IceUrlError::Credentials { url: owned() });
    }
    Ok(format!("turn:{address}?transport=udp"))
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn check_address(url: &str, address: &str) -> Result<(), IceUrlError> {
    let bad_host = || IceUrlError::Host { url: url.to_owned() };
    let port = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(bad_host)?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(bad_host());
        }
        match rest.strip_prefix(':') {
            Some(port) => Some(port),
            None if rest.is_empty() => None,
            None => return Err(bad_host()),
        }
    } else {
        let (host, port) = match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        };
        let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(bad_host());
        }
        port
    };
    match port {
        Some(port) if !port.parse::<u16>().is_ok_and(|port| port != 0) => {
            Err(IceUrlError::Port { url: url.to_owned(), port: port.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> IceServer {
        IceServer {
            urls: vec![url.to_owned()],
            username: Some("alice".to_owned()),
            credential: Some("secret".to_owned()),
        }
    }

    fn parsed(url: &str) -> Result<String, IceUrlError> {
        parse(url, &server(url))
    }

    #[test]
    fn usable_urls_are_taken_in_one_form() {
        for (given, taken) in [
            ("stun:a.example", "stun:a.example"),
            ("STUN:a.example:3478", "stun:a.example:3478"),
            ("stun:a.example?transport=udp", "stun:a.example"),
            ("turn:192.0.2.1:3478", "turn:192.0.2.1:3478?transport=udp"),
            ("turn:[2001:db8::1]:3478?transport=UDP", "turn:[2001:db8::1]:3478?transport=udp"),
            ("turn:[2001:db8::1]", "turn:[2001:db8::1]?transport=udp"),
        ] {
            assert_eq!(parsed(given).as_deref(), Ok(taken), "{given}");
        }
    }

    #[test]
    fn tcp_and_tls_are_refused_with_a_way_out() {
        for url in
            ["turns:a.example", "turn:a.example?transport=tcp", "turns:a.example:443?transport=tcp", "stuns:a.example"]
        {
            let reason = parsed(url).unwrap_err();
            assert!(matches!(reason, IceUrlError::NotOverUdp { .. }), "{url}");
            assert!(reason.to_string().contains("transport=udp"), "{reason}");
        }
    }

    #[test]
    fn each_fault_has_its_own_reason() {
        assert!(matches!(parsed("http://a.example"), Err(IceUrlError::Scheme { .. })));
        assert!(matches!(parsed("a.example"), Err(IceUrlError::Scheme { .. })));
        assert!(matches!(parsed("turn:a.example?transport"), Err(IceUrlError::Query { .. })));
        for url in ["turn:", "turn://a.example", "turn:[::1", "turn:[a]:1", "turn:[::1]x"] {
            assert!(matches!(parsed(url), Err(IceUrlError::Host { .. })), "{url}");
        }
        for url in ["turn:a.example:", "turn:a.example:0", "turn:a.example:65536", "turn:::1"] {
            assert!(parsed(url).is_err(), "{url}");
        }
        assert!(matches!(parse("turn:a.example", &IceServer::default()), Err(IceUrlError::Credentials { .. })));
    }

    #[test]
    fn a_mixed_list_keeps_what_can_be_used() {
        let mixed = IceServer {
            urls: vec!["turn:a.example?transport=udp".to_owned(), "turns:a.example".to_owned()],
            ..server("")
        };
        let (usable, refused) = IceServer::keep_usable(&[mixed, server("turns:b.example")]);
        assert_eq!(usable, [server("turn:a.example?transport=udp")]);
        assert_eq!(refused.len(), 2);
    }

    #[test]
    fn a_credential_does_not_reach_a_log() {
        assert!(!format!("{:?}", server("turn:a.example")).contains("secret"));
    }

    #[test]
    fn a_url_is_taken_apart_and_written_in_full() {
        for (given, relay, host, port, written) in [
            ("stun:a.example", false, "a.example", 3478, "stun:a.example:3478"),
            ("TURN:a.example:99?transport=udp", true, "a.example", 99, "turn:a.example:99"),
            ("turn:[2001:db8::1]", true, "2001:db8::1", 3478, "turn:[2001:db8::1]:3478"),
            ("stun:[2001:db8::1]:5", false, "2001:db8::1", 5, "stun:[2001:db8::1]:5"),
        ] {
            let url = ServerUrl::parse(given, &server(given)).unwrap();
            assert_eq!(url, ServerUrl { relay, host: host.to_owned(), port }, "{given}");
            assert_eq!(url.to_string(), written);
        }
        assert!(ServerUrl::parse("turns:a.example", &server("")).is_err());
    }

    #[test]
    fn relay_only_needs_a_turn_server() {
        let config =
            RtcConfig { relay_only: true, ice_servers: vec![server("stun:a.example")], ..RtcConfig::default() };
        assert!(matches!(ice_servers(&config), Err(RtcError::RelayWithoutTurn)));
    }
}
