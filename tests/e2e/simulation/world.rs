//! Peers, connections, one server, and a clock that jumps from event to event.

mod checks;
mod parts;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone_peer::call::{self, Call, EndReason, IceState, Patience, Phase, RtcCommand, RtcEvent};
use dialtone_peer::signaling::{self, Conversation};
use dialtone_server::Config;
use dialtone_server::simulation::{Link, Node, Said};
use dialtone_wire::stomp::{Command, Decoder, Frame, Limits};
use dialtone_wire::{RoomId, SessionId};

use super::engine::Engine;
use super::referee::{Deed, Referee, Told};
use parts::{Dice, frame};

const ROOM: &str = "r";
const SIGNALS: &str = "/topic/rooms/r/signal";
/// The slowest message takes this long.
const SLOWEST: u64 = 400;
/// A server notices within this time that a connection is gone.
const NOTICED_WITHIN: u64 = 8_000;
/// How long a pair that nothing happens to may take from READY to media.
const CONNECTS_WITHIN: Duration = Duration::from_secs(20);
/// Two failures of a path, as an engine notices that nothing comes any more.
const GONE_QUIET: [(Duration, RtcEvent); 2] =
    [(Duration::from_secs(5), RtcEvent::Disconnected), (Duration::from_secs(25), RtcEvent::Failed)];

/// Something that is planned to happen to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// It dials and joins.
    Start(usize),
    /// Its connection breaks; it dials again after `away`.
    Cut { peer: usize, away: Duration },
    /// It leaves in good order.
    HangUp(usize),
    /// Its process is gone.
    Crash(usize),
}

#[derive(Debug)]
enum Event {
    Act(Act),
    /// A dialled connection is made.
    Open(usize),
    ToServer {
        line: usize,
        bytes: Bytes,
    },
    ToClient {
        line: usize,
        said: Said,
    },
    /// The server learns that a connection is gone.
    Lost(usize),
    /// An engine reports; void when media flows over another link than `link` by then.
    Engine {
        peer: usize,
        event: RtcEvent,
        link: Option<u32>,
    },
    /// Two engines have found their path.
    Path {
        offerer: usize,
        answerer: usize,
        number: u32,
    },
}

/// A connection, for as long as anybody remembers it.
struct Line {
    peer: usize,
    link: Link,
    client_open: bool,
    server_open: bool,
    sid: Option<SessionId>,
    listens: bool,
    reader: Decoder,
    /// When the last message of each direction arrives: the next one does not overtake it.
    up: Instant,
    down: Instant,
}

struct Peer {
    call: Option<Call>,
    conversation: Option<Conversation>,
    engine: Engine,
    line: Option<usize>,
    ended: Option<EndReason>,
    /// Nothing of it runs any more.
    gone: bool,
    phases: Vec<(Duration, Phase)>,
    /// When something was first done to it that a call need not survive.
    disturbed: Option<Instant>,
    engine_busy_until: Instant,
}

/// Two members met.
#[derive(Debug)]
struct Pairing {
    at: Instant,
    peers: [usize; 2],
}

/// All of it.
pub(crate) struct World {
    seed: u64,
    dice: Dice,
    start: Instant,
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    node: Node,
    referee: Referee,
    lines: Vec<Line>,
    peers: Vec<Peer>,
    pairings: Vec<Pairing>,
}

impl World {
    /// An empty room on a server with this grace time. Everything that is rolled follows from `seed`.
    pub(crate) fn new(seed: u64, grace: Duration) -> Self {
        dialtone_tests::busy();
        #[expect(clippy::disallowed_methods, reason = "one real instant to count from")]
        let start = Instant::now();
        let config = Config { resume_grace: grace, ..Config::embedded() };
        Self {
            seed,
            dice: Dice(seed),
            start,
            now: start,
            events: BTreeMap::new(),
            planned: 0,
            node: Node::new(config),
            referee: Referee::new(grace),
            lines: Vec::new(),
            peers: Vec::new(),
            pairings: Vec::new(),
        }
    }

    /// Plans an act, `after` from now.
    pub(crate) fn plan(&mut self, after: Duration, act: Act) {
        self.push(self.now + after, Event::Act(act));
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.next_deadline().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            let due = self.events.first_key_value().is_some_and(|((at, _), _)| *at <= self.now);
            let event = if due { self.events.pop_first() } else { None };
            match event {
                Some((_, event)) => self.handle(event),
                None => self.handle_timeouts(),
            }
        }
        self.now = until;
    }

    /// Everybody who is still in a call leaves in good order.
    pub(crate) fn everybody_hangs_up(&mut self) {
        for peer in 0..self.peers.len() {
            self.handle(Event::Act(Act::HangUp(peer)));
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Act(Act::Start(peer)) => {
                while self.peers.len() <= peer {
                    self.peers.push(Peer::new(self.peers.len(), self.now));
                }
                self.open(peer);
            }
            Event::Act(Act::Cut { peer, away }) => self.cut(peer, away),
            Event::Act(Act::HangUp(peer)) => self.hang_up(peer),
            Event::Act(Act::Crash(peer)) => self.crash(peer),
            Event::Open(peer) => self.open(peer),
            Event::ToServer { line, bytes } => self.reach_server(line, bytes),
            Event::ToClient { line, said } => self.reach_client(line, said),
            Event::Lost(line) => self.lost(line),
            Event::Engine { peer, event, link } => {
                let p = &mut self.peers[peer];
                let stale = link.is_some_and(|link| link != p.engine.links);
                if let Some(call) = p.call.as_mut().filter(|_| !stale && p.ended.is_none() && !p.gone) {
                    call.handle_rtc(self.now, event);
                    self.drain(peer);
                }
            }
            Event::Path { offerer, answerer, number } => self.path(offerer, answerer, number),
        }
    }

    fn handle_timeouts(&mut self) {
        let now = self.now;
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
            self.settle(vec![Deed::TimePasses]);
        }
        for line in 0..self.lines.len() {
            let due = self.lines[line].server_open && self.lines[line].link.poll_timeout().is_some_and(|at| at <= now);
            if due {
                self.lines[line].link.handle_timeout(now);
                self.settle(Vec::new());
            }
        }
        for peer in 0..self.peers.len() {
            let p = &mut self.peers[peer];
            if p.deadline().is_none_or(|at| at > now) {
                continue;
            }
            if let Some(call) = p.call.as_mut().filter(|_| p.ended.is_none()) {
                call.handle_timeout(now);
            }
            self.drain(peer);
            if let Some(conversation) = self.peers[peer].conversation.as_mut() {
                conversation.handle_timeout(now);
            }
            self.drain(peer);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let lines = self.lines.iter().filter(|line| line.server_open).filter_map(|line| line.link.poll_timeout());
        let peers = self.peers.iter().filter_map(Peer::deadline);
        lines.chain(peers).chain(event).chain(self.node.poll_timeout()).min()
    }

    /// A connection is made, and the conversation begins or goes on.
    fn open(&mut self, peer: usize) {
        if self.peers[peer].gone || self.peers[peer].line.is_some() {
            return;
        }
        let dice = [self.dice.wide(), self.dice.wide()];
        let link = self.node.connect(self.now, dice).expect("there is room for a connection");
        self.peers[peer].line = Some(self.lines.len());
        self.lines.push(Line {
            peer,
            link,
            client_open: true,
            server_open: true,
            sid: None,
            listens: false,
            reader: Decoder::new(Limits::default()),
            up: self.now,
            down: self.now,
        });
        let now = self.now;
        let p = &mut self.peers[peer];
        p.call
            .get_or_insert_with(|| Call::new(now, Patience { wait: Duration::from_secs(120), ..Patience::default() }));
        let room = RoomId::parse(ROOM).unwrap();
        p.conversation.get_or_insert_with(|| Conversation::new("h".to_owned(), room, None)).handle_open(now);
        self.drain(peer);
    }

    fn cut(&mut self, peer: usize, away: Duration) {
        self.disturb(peer);
        if self.break_line(peer) {
            self.dial_again(peer, away);
        }
    }

    /// The client knows that its connection is gone. Who is leaving anyway does not come back.
    fn dial_again(&mut self, peer: usize, after: Duration) {
        let p = &mut self.peers[peer];
        p.gone |= p.ended.is_some();
        if let Some(conversation) = p.conversation.as_mut() {
            conversation.handle_closed();
        }
        self.drain(peer);
        self.push(self.now + after, Event::Open(peer));
    }

    fn hang_up(&mut self, peer: usize) {
        self.disturb(peer);
        let Some(p) = self.peers.get_mut(peer).filter(|p| !p.gone && p.ended.is_none()) else { return };
        if let Some(call) = p.call.as_mut() {
            call.hang_up();
            self.drain(peer);
        }
    }

    fn crash(&mut self, peer: usize) {
        self.disturb(peer);
        self.break_line(peer);
        if let Some(p) = self.peers.get_mut(peer) {
            p.gone = true;
            p.engine.crash();
            self.go_quiet(peer);
        }
    }

    fn disturb(&mut self, peer: usize) {
        let now = self.now;
        if let Some(p) = self.peers.get_mut(peer) {
            p.disturbed.get_or_insert(now);
        }
    }

    /// The client's end breaks; the server notices later. Gives whether there was a connection.
    fn break_line(&mut self, peer: usize) -> bool {
        let Some(line) = self.peers.get_mut(peer).and_then(|p| p.line.take()) else { return false };
        self.lines[line].client_open = false;
        let noticed = self.now + self.dice.millis(NOTICED_WITHIN);
        self.push(noticed, Event::Lost(line));
        true
    }

    fn reach_server(&mut self, line: usize, bytes: Bytes) {
        if !self.lines[line].server_open {
            return;
        }
        let deeds = self.lines[line].deeds(bytes.clone());
        self.lines[line].link.handle_bytes(self.now, bytes);
        self.settle(deeds);
    }

    fn reach_client(&mut self, line: usize, said: Said) {
        if !self.lines[line].client_open {
            return;
        }
        let peer = self.lines[line].peer;
        match said {
            Said::Message(bytes) => {
                if let Some(conversation) = self.peers[peer].conversation.as_mut() {
                    conversation.handle_bytes(self.now, bytes);
                }
                self.drain(peer);
            }
            // Its heart-beats are sign enough that the client lives.
            Said::Ping => {}
            Said::Close(_) => {
                self.lines[line].client_open = false;
                self.peers[peer].line = None;
                self.dial_again(peer, Duration::from_millis(200));
            }
        }
    }

    fn lost(&mut self, line: usize) {
        if !std::mem::replace(&mut self.lines[line].server_open, false) {
            return;
        }
        self.lines[line].link.handle_lost(&self.node, self.now);
        let sid = self.lines[line].sid.clone();
        let deed = sid.filter(|sid| !self.is_elsewhere(sid)).map(Deed::Lost);
        self.settle(deed.into_iter().collect());
    }

    fn is_elsewhere(&self, sid: &SessionId) -> bool {
        self.lines.iter().any(|line| line.server_open && line.sid.as_ref() == Some(sid))
    }

    /// Lets the server say all that it has to say, has it judged, and sends it on its way.
    fn settle(&mut self, mut deeds: Vec<Deed>) {
        let mut said: Vec<(usize, Said, Option<Frame>)> = Vec::new();
        loop {
            let count = said.len();
            for (at, line) in self.lines.iter_mut().enumerate().filter(|(_, line)| line.server_open) {
                said.extend(line.link.take(&self.node, self.now).into_iter().map(|word| {
                    let frame = if let Said::Message(bytes) = &word { frame(bytes) } else { None };
                    (at, word, frame)
                }));
            }
            if said.len() == count {
                break;
            }
        }
        for (at, word, frame) in &said {
            if let Some(frame) = frame.as_ref().filter(|frame| frame.command == Command::Connected) {
                let sid = SessionId::parse(frame.headers.get("session").unwrap()).unwrap();
                deeds.push(Deed::Resume(sid.clone()));
                self.lines[*at].sid = Some(sid);
            }
            if let Some(frame) = frame.as_ref().filter(|frame| frame.command == Command::Error) {
                panic!("our own client is told {frame:?}");
            }
            if let Said::Close(code) = word {
                self.lines[*at].server_open = false;
                let sid = self.lines[*at].sid.clone();
                match (code, sid.filter(|sid| !self.is_elsewhere(sid))) {
                    (1000, Some(sid)) => deeds.push(Deed::Leave(sid)),
                    (1001, Some(sid)) => deeds.push(Deed::Lost(sid)),
                    (1000 | 1001 | 1008, _) => {}
                    (other, _) => panic!("the server closes with {other}"),
                }
            }
        }
        let told = self.lines.iter().enumerate().map(|(at, line)| Told {
            sid: line.sid.as_ref(),
            listens: line.listens,
            open: line.server_open,
            frames: said.iter().filter(|(to, ..)| *to == at).filter_map(|(_, _, frame)| frame.as_ref()).collect(),
        });
        let told: Vec<_> = told.filter(|told| told.open || !told.frames.is_empty()).collect();
        if self.referee.judge(self.now, &deeds, &told) {
            let whose = |sid: &SessionId| self.lines.iter().rev().find(|l| l.sid.as_ref() == Some(sid)).map(|l| l.peer);
            let peers: Vec<_> = self.referee.members().iter().filter_map(whose).collect();
            let peers = peers.try_into().expect("both members have been seen");
            self.pairings.push(Pairing { at: self.now, peers });
        }
        for (line, word, _) in said {
            let at = (self.now + self.dice.millis(SLOWEST)).max(self.lines[line].down);
            self.lines[line].down = at;
            self.push(at, Event::ToClient { line, said: word });
        }
    }

    /// Does what a peer's brains want done, one output after the other: the call's first, as its hands do.
    fn drain(&mut self, peer: usize) {
        loop {
            if let Some(output) = self.peers[peer].call.as_mut().and_then(Call::poll_output) {
                self.call_output(peer, output);
            } else if let Some(output) = self.peers[peer].conversation.as_mut().and_then(Conversation::poll_output) {
                self.conversation_output(peer, output);
            } else {
                return;
            }
        }
    }

    fn call_output(&mut self, peer: usize, output: call::Output) {
        let now = self.now;
        let p = &mut self.peers[peer];
        match output {
            call::Output::Send(signal) => {
                if let Some(conversation) = p.conversation.as_mut() {
                    conversation.send(signal);
                }
            }
            call::Output::Rtc(command) => self.engine(peer, command),
            call::Output::Progress(phase) => p.phases.push((now.saturating_duration_since(self.start), phase)),
            call::Output::Leave => {}
            call::Output::Ended(reason) => {
                p.ended = Some(reason);
                if let Some(conversation) = p.conversation.as_mut() {
                    conversation.leave(now);
                }
            }
        }
    }

    fn conversation_output(&mut self, peer: usize, output: signaling::Output) {
        let p = &mut self.peers[peer];
        match output {
            signaling::Output::Transmit(bytes) => {
                let Some(line) = p.line else { return };
                let at = (self.now + self.dice.millis(SLOWEST)).max(self.lines[line].up);
                self.lines[line].up = at;
                self.push(at, Event::ToServer { line, bytes });
            }
            signaling::Output::Event(event) => {
                if let Some(call) = p.call.as_mut().filter(|_| p.ended.is_none()) {
                    call.handle_server(self.now, event);
                }
            }
            signaling::Output::Connected { .. } | signaling::Output::IceServers(_) => {}
            signaling::Output::Done => {
                p.gone = true;
                self.break_line(peer);
            }
            signaling::Output::Broken(error) => panic!("peer {peer} is told by its server: {error}: {self}"),
        }
    }

    fn engine(&mut self, peer: usize, command: RtcCommand) {
        let closes = command == RtcCommand::Close;
        let reaction = self.peers[peer].engine.command(command);
        for event in reaction.events {
            self.report(peer, event);
        }
        if let Some((answerer, number)) = reaction.agreed {
            let at = self.now + self.dice.millis(100);
            self.push(at, Event::Path { offerer: peer, answerer, number });
        }
        if closes {
            self.go_quiet(peer);
        }
    }

    /// An engine reports in order, and takes its time.
    fn report(&mut self, peer: usize, event: RtcEvent) {
        let at = self.peers[peer].engine_busy_until.max(self.now) + self.dice.millis(20);
        self.peers[peer].engine_busy_until = at;
        self.push(at, Event::Engine { peer, event, link: None });
    }

    /// Descriptions are exchanged: media flows, if both ends are still there and mean each other.
    fn path(&mut self, offerer: usize, answerer: usize, number: u32) {
        if self.peers[offerer].engine.is_closed() || !self.peers[answerer].engine.agrees(offerer, number) {
            return;
        }
        for (peer, partner) in [(offerer, answerer), (answerer, offerer)] {
            self.peers[peer].engine.link(partner);
            for event in
                [RtcEvent::IceState(IceState::Checking), RtcEvent::IceState(IceState::Connected), RtcEvent::Connected]
            {
                self.report(peer, event);
            }
        }
    }

    /// Nothing comes from `peer` any more, which its partner notices.
    fn go_quiet(&mut self, peer: usize) {
        let Some(partner) = self.peers[peer].engine.last_partner() else { return };
        if self.peers[partner].engine.partner() == Some(peer) {
            let link = Some(self.peers[partner].engine.links);
            for (after, event) in GONE_QUIET {
                self.push(self.now + after, Event::Engine { peer: partner, event, link });
            }
        }
    }

    fn push(&mut self, at: Instant, event: Event) {
        self.planned += 1;
        self.events.insert((at, self.planned), event);
    }
}
