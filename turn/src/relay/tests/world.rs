//! Brains with hands that open imaginary sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::super::*;
use super::client::Client;
use crate::auth::Secret;

/// The relay of most tests: at 203.0.113.1 with one worker, three allocations, two for each user.
pub(super) struct World {
    pub(super) cores: Vec<Core>,
    pub(super) counters: Vec<Arc<Counters>>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) now: Now,
    /// Where clients come to.
    pub(super) ip: IpAddr,
    pub(super) next_port: u16,
    /// Families of which no socket is to be had.
    pub(super) failing: Vec<(Family, OpenFailure)>,
    /// Relay sockets by worker.
    pub(super) open: BTreeMap<(usize, RelayId), SocketAddr>,
    /// Reserved sockets.
    pub(super) parked: BTreeMap<[u8; 8], SocketAddr>,
    pub(super) closed: Vec<RelayId>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::at("203.0.113.1")
    }

    pub(super) fn at(ip: &str) -> Self {
        Self::with(ip, |_| {})
    }

    pub(super) fn with(ip: &str, edit: impl FnOnce(&mut Config)) -> Self {
        Self::build(&[ip], 1, edit)
    }

    pub(super) fn build(ips: &[&str], workers: u8, edit: impl FnOnce(&mut Config)) -> Self {
        let listen: Vec<SocketAddr> = ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 3478)).collect();
        let mut config = Config { listen: listen.clone(), ..Config::default() };
        for name in ["alice", "bob"] {
            config.credentials.users.insert(name.to_owned(), "pw".to_owned());
        }
        config.credentials.secrets.extend(Secret::new("shared"));
        config.limits.max_allocations = 3;
        config.limits.max_allocations_per_user = 2;
        edit(&mut config);
        let now = Now { mono: base(), unix: UNIX_EPOCH + Duration::from_secs(1000) };
        let config = Arc::new(config);
        let seed = [7; 32];
        let ledger = Arc::new(Ledger::new(&config, &seed, now.mono));
        let counters: Vec<_> = (0..workers).map(|_| Arc::new(Counters::default())).collect();
        let setup = |(worker, counters): (u8, &Arc<Counters>)| Setup {
            config: Arc::clone(&config),
            listen: listen.clone(),
            seed,
            now: now.mono,
            counters: Arc::clone(counters),
            ledger: Arc::clone(&ledger),
            worker,
        };
        Self {
            cores: (0..workers).zip(&counters).map(setup).map(Core::new).collect(),
            counters,
            ledger,
            now,
            ip: listen[0].ip(),
            next_port: 50_001,
            failing: Vec::new(),
            open: BTreeMap::new(),
            parked: BTreeMap::new(),
            closed: Vec::new(),
        }
    }

    pub(super) fn advance(&mut self, seconds: u64) {
        self.advance_by(Duration::from_secs(seconds));
    }

    pub(super) fn advance_by(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.unix += time;
    }

    /// What one datagram or frame leads to; a request leads to outputs.
    pub(super) fn route<'a>(&mut self, client: &Client, bytes: &'a [u8]) -> Decision<'a> {
        self.cores[client.worker].route(self.now, client.address, bytes)
    }

    pub(super) fn outputs(&mut self, client: &Client, bytes: &[u8]) -> Vec<Output> {
        assert_eq!(self.route(client, bytes), Decision::Done);
        self.drain(client.worker)
    }

    pub(super) fn drain(&mut self, worker: usize) -> Vec<Output> {
        std::iter::from_fn(|| self.cores[worker].poll_output()).collect()
    }

    /// Carries out what is wanted, and returns the one message that goes back to the client.
    pub(super) fn send(&mut self, client: &Client, bytes: &[u8]) -> Vec<u8> {
        let mut answers = self.answers(client, bytes);
        assert_eq!(answers.len(), 1, "one answer");
        answers.remove(0)
    }

    pub(super) fn answers(&mut self, client: &Client, bytes: &[u8]) -> Vec<Vec<u8>> {
        assert_eq!(self.route(client, bytes), Decision::Done);
        let sent = self.complete(client.worker);
        assert!(sent.iter().all(|(to, _)| *to == client.address));
        sent.into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// Ends what has expired, at every worker.
    pub(super) fn time_out(&mut self) {
        for worker in 0..self.cores.len() {
            self.cores[worker].handle_timeout(self.now.mono);
            assert_eq!(self.complete(worker), vec![]);
        }
    }

    pub(super) fn complete(&mut self, worker: usize) -> Vec<(ClientAddr, Vec<u8>)> {
        let mut sent = Vec::new();
        while let Some(output) = self.cores[worker].poll_output() {
            match output {
                Output::Send { to, bytes } => sent.push((to, bytes)),
                Output::OpenRelaySocket { relay, bind, port, .. } => self.open_socket(worker, relay, bind, port),
                Output::AdoptRelaySocket { relay, token } => {
                    let local = self.parked.remove(&token).unwrap();
                    self.open.insert((worker, relay), local);
                    self.cores[worker].allocation_opened(self.now.mono, relay, local);
                }
                Output::DropReserved { token } => {
                    self.parked.remove(&token);
                }
                Output::CloseRelaySocket { relay } => {
                    self.open.remove(&(worker, relay)).unwrap();
                    self.closed.push(relay);
                }
            }
        }
        sent
    }

    fn open_socket(&mut self, worker: usize, relay: RelayId, bind: IpAddr, hint: PortHint) {
        let failing = self.failing.iter().find(|(family, _)| *family == Family::of(bind));
        if let Some((_, failure)) = failing {
            self.cores[worker].allocation_failed(self.now.mono, relay, *failure);
            return;
        }
        if hint != PortHint::Any {
            self.next_port = self.next_port.next_multiple_of(2);
        }
        let local = SocketAddr::new(bind, self.next_port);
        self.next_port += 1;
        if let PortHint::EvenAndNext { token } = hint {
            self.parked.insert(token, SocketAddr::new(bind, self.next_port));
            self.next_port += 1;
        }
        self.open.insert((worker, relay), local);
        self.cores[worker].allocation_opened(self.now.mono, relay, local);
    }

    /// What the first allocation's client gets when `peer` sends to it.
    pub(super) fn down(&mut self, peer: SocketAddr, payload: &[u8]) -> Option<(ClientAddr, Vec<u8>)> {
        framed(self.cores[0].handle_peer(self.now.mono, id(0), peer, payload))
    }
}

/// The whole frame for a client.
pub(super) fn framed(decision: Decision<'_>) -> Option<(ClientAddr, Vec<u8>)> {
    match decision {
        Decision::ToClient { to, head, payload, padding } => {
            let mut bytes = head.as_bytes().to_vec();
            bytes.extend_from_slice(payload);
            bytes.resize(bytes.len() + padding, 0);
            Some((to, bytes))
        }
        Decision::Done => None,
        Decision::ToPeer { .. } | Decision::ToSibling { .. } => panic!("down is not up"),
    }
}

/// The id of the first socket in a slot.
pub(super) fn id(slot: u32) -> RelayId {
    RelayId { slot, generation: 0 }
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn base() -> Instant {
    Instant::now()
}
