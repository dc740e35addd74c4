//! The cast of every dialogue: the relay as it is set up, its clients, who they say they are, and their peers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use super::script::Claim;
use crate::auth::{Secret, rest_credentials};
use crate::config::Config;
use crate::policy::{self, Policy};
use crate::relay::{ClientAddr, Transport};

/// How many clients there are.
pub(super) const CLIENTS: usize = 8;
/// Of all users together.
pub(super) const MAX_ALLOCATIONS: usize = 6;
/// Of one user, and of one source.
pub(super) const MAX_ALLOCATIONS_EACH: usize = 3;
pub(super) const MAX_PERMISSIONS: usize = 4;
pub(super) const MAX_CHANNELS: usize = 3;
pub(super) const REALM: &str = "dialtone";
/// Two users with three clients each, who can fill the whole relay.
pub(super) const FILLERS: [usize; MAX_ALLOCATIONS] = [0, 1, 4, 2, 5, 7];

const PASSWORD: &str = "pw";
const SECRET: &str = "shared";
const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// The peers of all clients, but for those that are relayed addresses of this relay.
pub(super) static PEERS: [SocketAddr; 20] = [
    v4([198, 51, 100, 20], 7000),
    v4([198, 51, 100, 20], 7001),
    v4([198, 51, 100, 21], 7000),
    v4([192, 0, 2, 77], 9),
    v4([198, 51, 100, 22], 0),
    v6([0x2001, 0xdb8, 5, 0, 0, 0, 0, 1], 7000),
    v6([0x2001, 0xdb8, 5, 0, 0, 0, 0, 2], 7000),
    // What nobody may reach.
    v4([127, 0, 0, 1], 80),
    v4([0, 0, 0, 0], 80),
    v4([10, 9, 9, 9], 80),
    v4([169, 254, 169, 254], 80),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 80),
    v6([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], 80),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 1], 80),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0x0a00, 1], 80),
    v6([0x2002, 0x7f00, 1, 0, 0, 0, 0, 1], 80),
    // The relay itself, in several spellings.
    v4([10, 0, 0, 1], 3478),
    v4([203, 0, 113, 9], 443),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 3478),
    v6([0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7109], 443),
];

/// How the relay is set up: one bit each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options(pub(super) u8);

impl Options {
    /// Its IPv4 address is a private one, and the world sees another.
    fn is_behind_nat(self) -> bool {
        self.0 & 0x01 != 0
    }

    fn has_alternates(self) -> bool {
        self.0 & 0x02 != 0
    }

    pub(super) fn has_caps(self) -> bool {
        self.0 & 0x0c == 0x0c
    }

    fn is_nameless(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// Every socket that is still wanted at the end is opened before the relay stops, not after it.
    pub(super) fn settles_first(self) -> bool {
        self.0 & 0x20 != 0
    }
}

#[derive(Debug)]
pub(super) struct Cast {
    pub(super) options: Options,
    pub(super) clients: [ClientAddr; CLIENTS],
    /// IPv4 first.
    pub(super) listen: [SocketAddr; 2],
    policy: Policy,
}

/// A name and its password.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: String,
    /// Whom the relay knows by them, if it does.
    pub(super) user: Option<&'static str>,
}

impl Cast {
    pub(super) fn new(options: Options) -> Self {
        let ip = if options.is_behind_nat() { PRIVATE } else { PUBLIC };
        let listen = [SocketAddr::new(ip, 3478), SocketAddr::new(SIX, 3478)];
        let client = |transport, remote: SocketAddr| {
            let local = if remote.is_ipv4() { listen[0] } else { listen[1] };
            ClientAddr { transport, remote, local }
        };
        let clients = [
            client(Transport::Udp, v4([192, 0, 2, 1], 4000)),
            client(Transport::Udp, v4([192, 0, 2, 1], 4001)),
            client(Transport::Tcp, v4([192, 0, 2, 2], 4000)),
            client(Transport::Tls, v4([192, 0, 2, 3], 4000)),
            client(Transport::Udp, v6([0x2001, 0xdb8, 1, 0, 0, 0, 0, 1], 4000)),
            client(Transport::Udp, v6([0x2001, 0xdb8, 1, 0, 0, 0, 0, 2], 4000)),
            client(Transport::Tcp, v6([0x2001, 0xdb8, 2, 0, 0, 0, 0, 1], 4000)),
            // It is also a peer of the others.
            client(Transport::Udp, v4([198, 51, 100, 20], 7000)),
        ];
        Self { options, clients, listen, policy: Policy::default() }
    }

    pub(super) fn config(&self) -> Config {
        let mut config = Config { listen: self.listen.to_vec(), realm: REALM.to_owned(), ..Config::default() };
        for name in ["alice", "bob"] {
            config.credentials.users.insert(name.to_owned(), PASSWORD.to_owned());
        }
        config.credentials.secrets.extend(Secret::new(SECRET));
        config.limits.max_allocations = MAX_ALLOCATIONS;
        config.limits.max_allocations_per_user = MAX_ALLOCATIONS_EACH;
        config.limits.max_allocations_per_ip = MAX_ALLOCATIONS_EACH;
        config.limits.permissions_per_allocation = MAX_PERMISSIONS;
        config.limits.channels_per_allocation = MAX_CHANNELS;
        if self.options.is_behind_nat() {
            config.public_ip = vec![PUBLIC];
        }
        if self.options.has_alternates() {
            config.alternate_server = vec![v4([203, 0, 113, 200], 3478)];
        }
        if self.options.has_caps() {
            config.limits.max_bitrate = 100_000;
            config.limits.max_total_bitrate = 200_000;
        }
        if self.options.is_nameless() {
            config.software.clear();
        }
        config
    }

    /// How peers see a socket of the relay.
    pub(super) fn seen(&self, local: SocketAddr) -> SocketAddr {
        let is_hidden = self.options.is_behind_nat() && local.is_ipv4();
        if is_hidden { SocketAddr::new(PUBLIC, local.port()) } else { local }
    }

    /// True for the relay's own addresses.
    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        ip == PUBLIC || self.listen.iter().any(|listen| listen.ip() == ip)
    }

    /// True when no packet may come from there or go there, except from one allocation to another.
    pub(super) fn refuses(&self, ip: IpAddr) -> bool {
        !self.policy.allows(ip) || policy::spellings(ip).any(|ip| self.is_own(ip))
    }

    /// Which of the clients has this address.
    pub(super) fn client(&self, address: ClientAddr) -> usize {
        let place = self.clients.iter().position(|client| *client == address);
        place.unwrap_or_else(|| panic!("nobody is at {address:?}"))
    }

    pub(super) fn login(&self, client: usize, claim: Claim, unix: SystemTime) -> Login {
        match (claim, client) {
            (Claim::Own, 0 | 1) => fixed("alice"),
            (Claim::Own, 2 | 5 | 7) => fixed("bob"),
            (Claim::Own, 4) => timed("alice", unix),
            (Claim::Own, _) => timed("carol", unix),
            (Claim::Other, 0 | 1 | 4) => fixed("bob"),
            (Claim::Other, _) => fixed("alice"),
            (Claim::WrongPassword, _) => Login { password: "wrong".to_owned(), user: None, ..fixed("alice") },
            (Claim::Nobody, _) => Login { user: None, ..fixed("mallory") },
        }
    }
}

/// By how many bytes an answer to somebody unknown may be longer than its request: 401 or 438, the realm, and a nonce
/// (13 characters of cookie, 8 of time and 32 of HMAC). A refusal with a longer reason (400, 420) has neither realm nor
/// nonce, and a Binding success only one address; FINGERPRINT is there when the request has it. The relay's name is in
/// none of them.
pub(super) fn growth(config: &Config) -> usize {
    attribute(4 + "Unauthorized".len()) + attribute(config.realm.len()) + attribute(13 + 8 + 32)
}

/// Which worker the system gives a client's packets to.
pub(super) fn worker_of(client: usize) -> usize {
    client % 2
}

fn fixed(name: &'static str) -> Login {
    Login { name: name.to_owned(), password: PASSWORD.to_owned(), user: Some(name) }
}

fn timed(user: &'static str, unix: SystemTime) -> Login {
    let (name, password) = rest_credentials(SECRET, user, Duration::from_secs(600), unix);
    Login { name, password, user: Some(user) }
}

/// Bytes of an attribute with `length` bytes in its value.
fn attribute(length: usize) -> usize {
    4 + length.next_multiple_of(4)
}

const fn v4(ip: [u8; 4], port: u16) -> SocketAddr {
    let [a, b, c, d] = ip;
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port)
}

const fn v6(segments: [u16; 8], port: u16) -> SocketAddr {
    let [a, b, c, d, e, f, g, h] = segments;
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), port)
}
