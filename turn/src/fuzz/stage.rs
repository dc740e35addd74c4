//! Two cores over one ledger, the steps of a dialogue between them and their clients, one step at a time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::cast::{self, CLIENTS, Cast, Options, worker_of};
use super::hands::{Hands, How, Mood};
use super::model::Model;
use super::packets::Entrance;
use super::reached::Reached;
use super::requests::{Asked, some_payload};
use super::script::{Harm, Kind, Script, Step};
use crate::config::Config;
use crate::metrics::Counters;
use crate::relay::{Core, Ledger, Now, RelayId, Setup};
use crate::stun::Method;

const SEED: [u8; 32] = [7; 32];
/// Packets between the cores that may be under way.
const MAIL: usize = 16;
/// What a step of time takes, in milliseconds.
const TIMES: [u64; 16] = [
    1, 1, 1_000, 1_000, 5_000, 5_000, 10_000, 10_000, 29_000, 30_000, 31_000, 60_000, 299_000, 300_000, 600_000,
    3_601_000,
];

pub(super) struct Stage {
    pub(super) cast: Cast,
    pub(super) config: Arc<Config>,
    /// By how many bytes an answer to somebody unknown may be longer than its request.
    pub(super) growth: usize,
    pub(super) cores: [Core; 2],
    pub(super) ledger: Arc<Ledger>,
    pub(super) now: Now,
    pub(super) hands: Hands,
    pub(super) model: Model,
    pub(super) reached: Reached,
    /// The newest one of each client, empty before the first.
    pub(super) nonces: [Vec<u8>; CLIENTS],
    /// Of reservations, in the order they were given.
    pub(super) tokens: Vec<[u8; 8]>,
    pub(super) transactions: u32,
    pub(super) counters: [Arc<Counters>; 2],
    /// Packets from one core to the other that are under way.
    pub(super) mail: VecDeque<Parcel>,
}

/// A packet from one core to the other.
pub(super) struct Parcel {
    pub(super) worker: usize,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: Vec<u8>,
}

/// Why outputs came.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause<'a> {
    Request(&'a Asked),
    /// A socket of this opening is there, or is not to be had.
    Opening {
        asked: &'a Asked,
        id: usize,
    },
    Gone(usize),
    Time,
    End,
}

/// Granted, or refused with a code.
pub(super) type Verdict = Result<(), u16>;

impl Stage {
    pub(super) fn new(options: Options, now: Instant) -> Self {
        let cast = Cast::new(options);
        let config = Arc::new(cast.config());
        let ledger = Arc::new(Ledger::new(&config, &SEED, now));
        let counters = [Arc::new(Counters::default()), Arc::new(Counters::default())];
        let core = |worker: u8| {
            Core::new(Setup {
                config: Arc::clone(&config),
                listen: cast.listen.to_vec(),
                seed: SEED,
                now,
                counters: Arc::clone(&counters[usize::from(worker)]),
                ledger: Arc::clone(&ledger),
                worker,
            })
        };
        let cores = [core(0), core(1)];
        let growth = cast::growth(&config);
        assert!(growth <= 92, "a stranger's answer may be {growth} bytes longer than his request");
        Self {
            cast,
            config,
            growth,
            cores,
            ledger,
            now: Now { mono: now, unix: UNIX_EPOCH + Duration::from_secs(1_000_000) },
            hands: Hands::default(),
            model: Model::default(),
            reached: Reached::default(),
            nonces: Default::default(),
            tokens: Vec::new(),
            transactions: 0,
            counters,
            mail: VecDeque::new(),
        }
    }

    pub(super) fn play(mut self, script: Script<'_>) -> Reached {
        for step in script {
            self.reached.steps += 1;
            self.run(&step);
            self.check_books();
        }
        let reached = self.reached.clone();
        self.end();
        self.fill();
        reached
    }

    fn run(&mut self, step: &Step<'_>) {
        match step.kind {
            Kind::Request(method) => self.request(step, method),
            Kind::Send | Kind::ChannelData | Kind::Raw => {
                let asked = self.datagram(step);
                self.deliver(step, asked);
            }
            Kind::Peer => self.peer_sends(step),
            Kind::Time => {
                self.pass(Duration::from_millis(TIMES[usize::from(step.a) % TIMES.len()]));
                if step.b & 1 == 0 {
                    self.time_out();
                }
            }
            Kind::Gone => self.leave(step.client),
            Kind::Drain => self.ledger.set_draining(step.a.is_multiple_of(4)),
            Kind::Mood => self.hands.mood = Mood::of(step.a),
            Kind::Settle => {
                if !self.hands.pending.is_empty() {
                    let place = usize::from(step.a) % self.hands.pending.len();
                    let pending = self.hands.pending.swap_remove(place);
                    self.reached.late += 1;
                    self.settle(&pending, How::of(step.b));
                }
            }
            Kind::Mail => self.open_mail(),
        }
    }

    /// As clients do it: the first request gets a nonce, and a stale one is replaced.
    pub(super) fn request(&mut self, step: &Step<'_>, method: Method) {
        if method != Method::Binding && self.nonces[step.client].is_empty() {
            let first = self.write_first(step.client);
            self.send(&first);
        }
        let asked = self.write(step, method);
        let is_known = asked.user.is_some();
        let mut verdict = self.deliver(step, asked);
        if step.harm == Harm::None && verdict == Some(Err(438)) {
            let again = self.write(step, method);
            verdict = self.send(&again);
            assert_ne!(verdict, Some(Err(438)), "a nonce was stale at once");
        }
        let is_refused = step.harm == Harm::None && is_known && verdict == Some(Err(401));
        assert!(!is_refused, "the right password was refused");
    }

    /// Sends a datagram, in whatever state it arrives; returns the last answer.
    fn deliver(&mut self, step: &Step<'_>, mut asked: Asked) -> Option<Verdict> {
        step.spoil(&mut asked.bytes);
        let verdict = self.send(&asked);
        if step.harm == Harm::Twice { self.send(&asked) } else { verdict }
    }

    fn send(&mut self, asked: &Asked) -> Option<Verdict> {
        let worker = worker_of(asked.client);
        let decision = self.cores[worker].route(self.now, self.cast.clients[asked.client], &asked.bytes);
        self.judge_up(asked, decision);
        self.outputs(worker, Cause::Request(asked))
    }

    /// To one of a client's relay sockets, or to one that is nobody's.
    fn peer_sends(&mut self, step: &Step<'_>) {
        let from = self.peer(step.b);
        let payload = some_payload(step.c);
        let tenant = self.model.tenants.get(&step.client).filter(|_| step.a < 0xe0);
        let place = tenant.and_then(|tenant| tenant.places.get(usize::from(step.a) % tenant.places.len()));
        let odd = RelayId { slot: u32::from(step.a & 7), generation: u32::from(step.c & 3) };
        let relay = place.map_or(odd, |place| place.relay);
        let worker = worker_of(step.client);
        let decision = self.cores[worker].handle_peer(self.now.mono, relay, from, payload);
        self.judge_down(worker, Entrance::Socket(relay), from, payload, decision);
    }

    /// A packet for the other core goes there, sooner or later.
    pub(super) fn post(&mut self, parcel: Parcel) {
        if self.hands.mood == Mood::Late && self.mail.len() < MAIL {
            self.mail.push_back(parcel);
        } else {
            self.hand_over(&parcel);
        }
    }

    pub(super) fn open_mail(&mut self) {
        if let Some(parcel) = self.mail.pop_front() {
            self.hand_over(&parcel);
        }
    }

    fn hand_over(&mut self, parcel: &Parcel) {
        let Parcel { worker, from, to, payload } = parcel;
        let decision = self.cores[*worker].handle_sibling(self.now.mono, *from, *to, payload);
        self.judge_down(*worker, Entrance::Inside(*to), *from, payload, decision);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.unix += time;
    }

    pub(super) fn time_out(&mut self) {
        let now = self.now.mono;
        for worker in 0..self.cores.len() {
            self.cores[worker].handle_timeout(now);
            self.outputs(worker, Cause::Time);
            let next = self.cores[worker].poll_timeout();
            assert!(next.is_none_or(|next| next > now), "a timeout that is over");
            let mut parked = self.hands.parked.values().filter(|parked| parked.worker == worker);
            assert!(parked.all(|parked| parked.expires > now), "a reservation outlives its time");
        }
    }

    fn leave(&mut self, client: usize) {
        let worker = worker_of(client);
        let mut openings = self.model.openings.values();
        let waits = openings.any(|opening| opening.asked.client == client && !opening.abandoned);
        self.reached.abandoned += u64::from(waits);
        self.model.abandon(|other| other == client);
        self.cores[worker].client_gone(self.now.mono, self.cast.clients[client]);
        self.outputs(worker, Cause::Gone(client));
        assert!(!self.model.tenants.contains_key(&client), "an allocation outlives its connection");
    }
}
