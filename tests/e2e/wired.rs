//! A call whose media goes through a relay, over a wire that a test can impair.

use dialtone_tests::{Call, Fate, Impair, Packet, Program, Running, peer_cli};

use crate::PLAIN;

/// A signaling server, a relay, and the wire between the relay and its clients. What is declared first ends first.
pub(crate) struct Wired {
    pub(crate) wire: Impair,
    url: String,
    turn: String,
    _relay: Program,
    _server: Program,
}

impl Wired {
    /// `rule` says what becomes of each datagram between a peer and the relay.
    pub(crate) fn new(rule: impl FnMut(&Packet) -> Fate + Send + 'static) -> Self {
        let (relay, address) = Program::turn(["--user", "alice:wonder"]);
        let (server, url) = Program::server(PLAIN);
        let wire = Impair::to(address.parse().unwrap(), rule);
        let turn = format!("turn:{}?transport=udp", wire.address());
        Self { wire, url, turn, _relay: relay, _server: server }
    }

    /// Places a call, with its report on standard output.
    pub(crate) fn call(&self, options: &[&str]) -> Call {
        peer_cli(self.args(&["--json"]).into_iter().chain(options.iter().map(|option| (*option).to_owned())))
    }

    /// Starts a call.
    pub(crate) fn start(&self, options: &[&str]) -> Running {
        Running::start(self.args(options))
    }

    /// One socket for each peer, so that the wire has one client for each: they are told apart by the order in which
    /// they come, which is not that of their names.
    fn args(&self, options: &[&str]) -> Vec<String> {
        let fixed =
            ["call", "--relay-only", "--bind", "127.0.0.1:0", "--ice-user", "alice", "--ice-password", "wonder"];
        let places = ["--server", self.url.as_str(), "--ice", self.turn.as_str()];
        fixed.iter().chain(&places).chain(options).map(|arg| (*arg).to_owned()).collect()
    }
}
