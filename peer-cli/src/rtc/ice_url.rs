//! STUN and TURN urls (RFC 7064, RFC 7065), parsed before the stack sees them.
//!
//! The stack refuses one bad url by failing the whole connection with words like "invalid transport protocol type",
//! and skips a TCP or TLS url with a log line. Here the first becomes an error that names the url and what to write
//! instead, and the second a server behind [`turn_stream`](super::turn_stream).

use std::{fmt, net::Ipv6Addr, sync::Arc};

use rtc::peer_connection::configuration::RTCIceServer;

use super::{
    IceServer, RtcConfig, RtcError,
    turn_stream::{Streams, Target},
};

/// Of STUN and TURN over UDP and TCP, and over TLS (RFC 7064 section 3.2, RFC 7065 section 3.2).
const DEFAULT_PORT: u16 = 3478;
const DEFAULT_PORT_TLS: u16 = 5349;

/// Why a STUN or TURN url cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IceUrlError {
    /// Not a STUN or TURN url at all.
    #[error("{url:?} is not an ICE server url; expected stun:HOST:PORT or turn:HOST:PORT?transport=udp")]
    Scheme {
        /// The url as given.
        url: String,
    },
    /// STUN over TCP or TLS: it could only tell the address of a TCP connection, which media cannot use.
    #[error("{url:?} asks for STUN over {over}, which tells nothing about UDP; use stun:HOST:PORT")]
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
                match ServerUrl::parse(url, server) {
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

/// What carries the messages between us and a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    /// Datagrams.
    Udp,
    /// A bare stream.
    Tcp,
    /// A stream whose certificate is checked.
    Tls,
}

/// Where a url leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServerUrl {
    /// A TURN server, else one for STUN alone.
    pub(crate) relay: bool,
    /// Name or address, an IPv6 address without its brackets.
    pub(crate) host: String,
    /// Port; where none is given 3478, over TLS 5349.
    pub(crate) port: u16,
    /// UDP for every STUN server.
    pub(crate) over: Over,
}

impl ServerUrl {
    /// Takes a url apart.
    ///
    /// # Errors
    /// The same that a [`Peer`](super::Peer) refuses.
    pub(crate) fn parse(url: &str, server: &IceServer) -> Result<Self, IceUrlError> {
        let owned = || url.to_owned();
        let Some((scheme, rest)) = url.trim().split_once(':') else {
            return Err(IceUrlError::Scheme { url: owned() });
        };
        let (relay, secure) = match scheme.to_ascii_lowercase().as_str() {
            "stun" => (false, false),
            "stuns" => (false, true),
            "turn" => (true, false),
            "turns" => (true, true),
            _ => return Err(IceUrlError::Scheme { url: owned() }),
        };

        let (address, query) = match rest.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (rest, None),
        };
        // A stun: url has no query by the book, but lists in the wild write one.
        let over = match query.map(str::to_ascii_lowercase).as_deref() {
            // Over UDP this would be DTLS, which hardly any server speaks; browsers, too, take TLS (RFC 7065 section 3.1).
            None | Some("transport=tcp") if secure => Over::Tls,
            None | Some("transport=udp") if !secure => Over::Udp,
            Some("transport=tcp") => Over::Tcp,
            Some(_) | None => {
                return Err(IceUrlError::Query { url: owned(), query: query.unwrap_or_default().to_owned() });
            }
        };
        match over {
            Over::Tcp if !relay => return Err(IceUrlError::NotOverUdp { url: owned(), over: "TCP" }),
            Over::Tls if !relay => return Err(IceUrlError::NotOverUdp { url: owned(), over: "TLS" }),
            Over::Udp | Over::Tcp | Over::Tls => {}
        }

        let (host, port) = host_and_port(url, address)?;
        let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        if relay && !(given(&server.username) && given(&server.credential)) {
            return Err(IceUrlError::Credentials { url: owned() });
        }
        let port = port.unwrap_or(if secure { DEFAULT_PORT_TLS } else { DEFAULT_PORT });
        Ok(Self { relay, host, port, over })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { relay, host, port, over } = self;
        let scheme = match (relay, over) {
            (false, _) => "stun",
            (true, Over::Udp | Over::Tcp) => "turn",
            (true, Over::Tls) => "turns",
        };
        let query = if *over == Over::Tcp { "?transport=tcp" } else { "" };
        if host.contains(':') {
            write!(f, "{scheme}:[{host}]:{port}{query}")
        } else {
            write!(f, "{scheme}:{host}:{port}{query}")
        }
    }
}

/// The servers of a configuration in the stack's own type, and those that it has to find behind a stream.
pub(super) fn ice_servers(config: &RtcConfig) -> Result<(Vec<RTCIceServer>, Streams), RtcError> {
    let mut streams = Streams::default();
    let mut has_turn = false;
    let mut servers = Vec::new();
    for server in &config.ice_servers {
        let mut urls = Vec::new();
        for url in &server.urls {
            let parsed = ServerUrl::parse(url, server)?;
            has_turn |= parsed.relay;
            let target = |tls| Target { host: parsed.host.clone(), port: parsed.port, tls };
            urls.push(match parsed.over {
                Over::Udp if parsed.relay => {
                    streams.beside_udp();
                    format!("{parsed}?transport=udp")
                }
                Over::Udp => parsed.to_string(),
                Over::Tcp => streams.add(target(None)),
                Over::Tls => {
                    let roots = config.tls.as_ref().ok_or_else(|| RtcError::NoRoots { url: url.clone() })?;
                    streams.add(target(Some(Arc::clone(roots))))
                }
            });
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
    Ok((servers, streams))
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`, the brackets taken off.
fn host_and_port(url: &str, address: &str) -> Result<(String, Option<u16>), IceUrlError> {
    let bad_host = || IceUrlError::Host { url: url.to_owned() };
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(bad_host)?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(bad_host());
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
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
        (host, port)
    };
    let number = |port: &str| match port.parse::<u16>() {
        Ok(number) if number != 0 => Ok(number),
        Ok(_) | Err(_) => Err(IceUrlError::Port { url: url.to_owned(), port: port.to_owned() }),
    };
    Ok((host.to_owned(), port.map(number).transpose()?))
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
        ServerUrl::parse(url, &server(url)).map(|url| url.to_string())
    }

    #[test]
    fn usable_urls_are_taken_and_written_in_one_form() {
        for (given, taken) in [
            ("stun:a.example", "stun:a.example:3478"),
            ("STUN:a.example:99", "stun:a.example:99"),
            ("stun:a.example?transport=udp", "stun:a.example:3478"),
            ("turn:192.0.2.1:3478", "turn:192.0.2.1:3478"),
            ("turn:[2001:db8::1]:5?transport=UDP", "turn:[2001:db8::1]:5"),
            ("turn:[2001:db8::1]", "turn:[2001:db8::1]:3478"),
            ("turn:a.example?transport=tcp", "turn:a.example:3478?transport=tcp"),
            ("turns:a.example", "turns:a.example:5349"),
            ("turns:a.example:443?transport=tcp", "turns:a.example:443"),
        ] {
            assert_eq!(parsed(given).as_deref(), Ok(taken), "{given}");
        }
    }

    #[test]
    fn stun_over_a_stream_is_refused_with_a_way_out() {
        for url in ["stuns:a.example", "stun:a.example?transport=tcp"] {
            let reason = parsed(url).unwrap_err();
            assert!(matches!(reason, IceUrlError::NotOverUdp { .. }), "{url}");
            assert!(reason.to_string().contains("stun:HOST:PORT"), "{reason}");
        }
    }

    #[test]
    fn each_fault_has_its_own_reason() {
        assert!(matches!(parsed("http://a.example"), Err(IceUrlError::Scheme { .. })));
        assert!(matches!(parsed("a.example"), Err(IceUrlError::Scheme { .. })));
        assert!(matches!(parsed("turn:a.example?transport"), Err(IceUrlError::Query { .. })));
        assert!(matches!(parsed("turns:a.example?transport=udp"), Err(IceUrlError::Query { .. })));
        for url in ["turn:", "turn://a.example", "turn:[::1", "turn:[a]:1", "turn:[::1]x"] {
            assert!(matches!(parsed(url), Err(IceUrlError::Host { .. })), "{url}");
        }
        for url in ["turn:a.example:", "turn:a.example:0", "turn:a.example:65536", "turn:::1"] {
            assert!(parsed(url).is_err(), "{url}");
        }
        let nobody = IceServer::default();
        assert!(matches!(ServerUrl::parse("turn:a.example", &nobody), Err(IceUrlError::Credentials { .. })));
        assert!(ServerUrl::parse("stun:a.example", &nobody).is_ok());
    }

    #[test]
    fn a_mixed_list_keeps_what_can_be_used() {
        let mixed = IceServer { urls: vec!["turns:a.example".to_owned(), "stuns:a.example".to_owned()], ..server("") };
        let (usable, refused) = IceServer::keep_usable(&[mixed, server("turnx:b.example")]);
        assert_eq!(usable, [server("turns:a.example")]);
        assert_eq!(refused.len(), 2);
    }

    #[test]
    fn a_credential_does_not_reach_a_log() {
        assert!(!format!("{:?}", server("turn:a.example")).contains("secret"));
    }

    #[test]
    fn relay_only_needs_a_turn_server_and_tls_needs_roots() {
        let config = |url: &str| RtcConfig { relay_only: true, ice_servers: vec![server(url)], ..RtcConfig::default() };
        assert!(matches!(ice_servers(&config("stun:a.example")), Err(RtcError::RelayWithoutTurn)));
        assert!(matches!(ice_servers(&config("turns:a.example")), Err(RtcError::NoRoots { .. })));
    }

    #[test]
    fn the_stack_finds_a_server_behind_a_stream_at_an_address_of_ours() {
        let config = RtcConfig {
            ice_servers: vec![server("turn:a.example?transport=tcp"), server("turn:a.example")],
            ..RtcConfig::default()
        };
        let (servers, streams) = ice_servers(&config).unwrap();
        assert!(!streams.is_empty());
        let urls: Vec<&str> = servers.iter().flat_map(|server| &server.urls).map(String::as_str).collect();
        assert_eq!(urls, ["turn:turn-stream.invalid:1?transport=udp", "turn:a.example:3478?transport=udp"]);
    }
}
