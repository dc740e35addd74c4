//! A call whose media goes through a relay, over a wire that a test can impair.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use dialtone_tests::{Bound, Call, Deed, Fate, Impair, Meddler, Packet, Passing, Program, Running, peer_cli};
use dialtone_wire::stomp::Frame;

/// The peers as the wire numbers them ([`Packet::client`]).
pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;

/// What they are called, by these numbers; the two of a `call` bear these names by themselves.
const NAMES: [&str; 2] = ["alice", "bob"];

/// Between the relay and who makes its logins.
const SECRET: &str = "north";

/// A signaling server, a relay, and the wire between the relay and its clients. What is declared first ends first.
///
/// The signaling server tells each peer its own entrance to the wire, so it is fixed before a call whose packets are
/// whose: those of alice have the number [`ALICE`], those of bob have [`BOB`].
pub(crate) struct Wired {
    pub(crate) wire: Impair,
    signaling: Meddler,
    _relay: Program,
    _server: Program,
}

impl Wired {
    /// `rule` says what becomes of each datagram between a peer and the relay.
    pub(crate) fn new(rule: impl FnMut(&Packet) -> Fate + Send + 'static) -> Self {
        let (relay, address) = Program::turn(["--secret", SECRET]);
        let wire = Impair::to(address.parse().unwrap(), NAMES.len(), rule);
        let entrances = [ALICE, BOB].map(|client| wire.address(client));
        let turn = format!("turn:{}?transport=udp", entrances[ALICE]);
        let (server, url) =
            Program::server(["--turn-url", turn.as_str(), "--turn-secret", SECRET, "--ice-without-login"]);
        let signaling = Meddler::before(&url, show_each_its_own(entrances));
        Self { wire, signaling, _relay: relay, _server: server }
    }

    /// Places a call between alice and bob in one process, with its report on standard output.
    pub(crate) fn call(&self, options: &[&str]) -> Call {
        peer_cli(self.args(&["call", "--json"], options))
    }

    /// Starts such a call.
    pub(crate) fn start(&self, options: &[&str]) -> Running {
        Running::start(self.args(&["call"], options))
    }

    /// Places a call between two processes. Gives what alice has to report, and what bob has; each reports of what came
    /// to it.
    pub(crate) fn join(&self, options: &[&str]) -> [Call; 2] {
        let args = |name: &str| self.args(&["join", "wired", "--name", name, "--json"], options);
        let alice = Running::start(args(NAMES[ALICE]));
        let bob = Running::partner(args(NAMES[BOB]));
        [alice.wait(), bob.wait()]
    }

    /// One socket for each peer, so that it makes one allocation.
    fn args(&self, command: &[&str], options: &[&str]) -> Vec<String> {
        let url = self.signaling.url();
        let path = ["--server", &url, "--relay-only", "--bind", "127.0.0.1:0"];
        [command, &path, options].concat().into_iter().map(str::to_owned).collect()
    }
}

/// Puts its own entrance of the wire into what the server tells a peer, which has said its name when it joined.
fn show_each_its_own(entrances: [SocketAddr; 2]) -> impl FnMut(&Passing<'_>) -> Deed + Send + 'static {
    let mut clients = BTreeMap::new();
    move |passing| {
        if passing.is_sent_to("/join") {
            let name = passing.json()["displayName"].clone();
            let client = NAMES.iter().position(|known| name == *known);
            clients.insert(passing.connection, client.expect("the peers of a wire are alice and bob"));
            return Deed::Pass;
        }
        let is_about_the_peer = passing.frame.headers.get("destination") == Some("/user/queue/me");
        match clients.get(&passing.connection) {
            Some(&client) if is_about_the_peer && passing.bound == Bound::ToClient => {
                let told = String::from_utf8(passing.frame.body.to_vec()).unwrap();
                let own = told.replace(&entrances[ALICE].to_string(), &entrances[client].to_string());
                Deed::Replace(vec![Frame { body: own.into(), ..passing.frame.clone() }])
            }
            Some(_) | None => Deed::Pass,
        }
    }
}
