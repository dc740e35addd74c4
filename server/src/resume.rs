//! Which sessions there are, which seats they hold, and who may come back for them.
//!
//! A session that asked for it outlives its socket for a grace time, unless it said goodbye: with DISCONNECT, or with the
//! close code of a page that is closed. Its token stays the same for the session's life: a flaky network may lose the
//! answer to a resume, and the next attempt must still find the session.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use dialtone_wire::{RoomId, SessionId};

use crate::topics::ConnId;

/// 128 random bits that are worth a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(u128);

impl Token {
    /// The token that `dice` makes.
    pub(crate) fn from_random(dice: u128) -> Self {
        Self(dice)
    }

    /// Reads 32 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if hex { u128::from_str_radix(text, 16).ok().map(Self) } else { None }
    }

    /// The digits that the client presents.
    pub(crate) fn reveal(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// What a client said about resuming at CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Nothing: the session ends with its socket.
    Nothing,
    /// `resume:new`
    New,
    /// `resume:<token>`; `None` when it has not the form of one.
    Token(Option<Token>),
}

impl Ask {
    /// Reads the `resume` header.
    pub(crate) fn parse(header: Option<&str>) -> Self {
        match header.map(str::trim) {
            None => Self::Nothing,
            Some("new") => Self::New,
            Some(text) => Self::Token(Token::parse(text)),
        }
    }
}

/// The bounds of resuming.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long a seat is kept after its socket is lost; zero: nobody can resume.
    pub(crate) grace: Duration,
    /// How many sessions without a socket are kept at most.
    pub(crate) parked: usize,
    /// In how many rooms a session may be.
    pub(crate) rooms: usize,
}

/// Every session of this process, on a socket or waiting for one. `H` is the way to a connection.
#[derive(Debug)]
pub(crate) struct Sessions<H> {
    bounds: Bounds,
    sessions: HashMap<SessionId, Session<H>>,
    tokens: HashMap<Token, SessionId>,
    parked: BTreeSet<(Instant, SessionId)>,
}

#[derive(Debug)]
struct Session<H> {
    rooms: Vec<RoomId>,
    token: Option<Token>,
    place: Place<H>,
}

#[derive(Debug)]
enum Place<H> {
    Connected(ConnId, H),
    Parked(Instant),
}

/// The answer to [`Sessions::open`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opened<H> {
    /// Who the session is.
    pub(crate) sid: SessionId,
    /// Its token, if it can be resumed.
    pub(crate) token: Option<Token>,
    /// A token was presented and not taken.
    pub(crate) refused: bool,
    /// The connection that the session was still on.
    pub(crate) ousted: Option<H>,
}

impl<H: Clone> Sessions<H> {
    /// No sessions yet.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, sessions: HashMap::new(), tokens: HashMap::new(), parked: BTreeSet::new() }
    }

    /// Opens the session of a connection: an old one when `ask` names it, else a new one from `fresh`.
    pub(crate) fn open(&mut self, conn: ConnId, handle: H, ask: Ask, fresh: (SessionId, Token)) -> Opened<H> {
        let known = match ask {
            Ask::Token(Some(token)) => self.tokens.get(&token).cloned().map(|sid| (token, sid)),
            Ask::Token(None) | Ask::New | Ask::Nothing => None,
        };
        if let Some((token, sid)) = known
            && let Some(session) = self.sessions.get_mut(&sid)
        {
            let ousted = match std::mem::replace(&mut session.place, Place::Connected(conn, handle)) {
                Place::Connected(_, old) => Some(old),
                Place::Parked(until) => {
                    self.parked.remove(&(until, sid.clone()));
                    None
                }
            };
            return Opened { sid, token: Some(token), refused: false, ousted };
        }
        let (sid, token) = fresh;
        let token = (ask != Ask::Nothing && !self.bounds.grace.is_zero()).then_some(token);
        if let Some(token) = token {
            self.tokens.insert(token, sid.clone());
        }
        let place = Place::Connected(conn, handle);
        self.sessions.insert(sid.clone(), Session { rooms: Vec::new(), token, place });
        Opened { sid, token, refused: matches!(ask, Ask::Token(_)), ousted: None }
    }

    /// The connection that a session is on.
    pub(crate) fn handle(&self, sid: &SessionId) -> Option<H> {
        match &self.sessions.get(sid)?.place {
            Place::Connected(_, handle) => Some(handle.clone()),
            Place::Parked(_) => None,
        }
    }

    /// Whether `sid` may take a seat in `room`, as far as the number of its rooms goes.
    pub(crate) fn may_join(&self, sid: &SessionId, room: &RoomId) -> bool {
        let session = self.sessions.get(sid);
        session.is_none_or(|session| session.rooms.len() < self.bounds.rooms || session.rooms.contains(room))
    }

    /// Notes a seat; gives false when the session has ended meanwhile, so that the seat is to be given back.
    pub(crate) fn seated(&mut self, sid: &SessionId, room: RoomId) -> bool {
        let Some(session) = self.sessions.get_mut(sid) else { return false };
        if !session.rooms.contains(&room) {
            session.rooms.push(room);
        }
        true
    }

    /// Notes that a seat was given back.
    pub(crate) fn unseated(&mut self, sid: &SessionId, room: &RoomId) {
        if let Some(session) = self.sessions.get_mut(sid) {
            session.rooms.retain(|r| r != room);
        }
    }

    /// The connection is gone; gives the rooms to leave. None, when the session waits for another socket or has one.
    /// `for_good`: the client said goodbye.
    pub(crate) fn lost(&mut self, now: Instant, conn: ConnId, sid: &SessionId, for_good: bool) -> Vec<RoomId> {
        let Some(session) = self.sessions.get_mut(sid) else { return Vec::new() };
        if !matches!(session.place, Place::Connected(current, _) if current == conn) {
            return Vec::new();
        }
        if session.token.is_none() || for_good || self.parked.len() >= self.bounds.parked {
            return self.end(sid);
        }
        let Some(until) = now.checked_add(self.bounds.grace) else { return self.end(sid) };
        session.place = Place::Parked(until);
        self.parked.insert((until, sid.clone()));
        Vec::new()
    }

    /// When the next grace time is over.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.parked.first().map(|(until, _)| *until)
    }

    /// Ends the sessions whose grace time is over; gives the rooms that each of them leaves.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<(SessionId, Vec<RoomId>)> {
        let mut ended = Vec::new();
        while let Some((until, sid)) = self.parked.first().cloned()
            && until <= now
        {
            self.parked.pop_first();
            let rooms = self.end(&sid);
            ended.push((sid, rooms));
        }
        ended
    }

    fn end(&mut self, sid: &SessionId) -> Vec<RoomId> {
        let Some(session) = self.sessions.remove(sid) else { return Vec::new() };
        if let Some(token) = session.token {
            self.tokens.remove(&token);
        }
        session.rooms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{now, room, sid};

    const GRACE: Duration = Duration::from_secs(30);

    fn sessions(grace: Duration) -> Sessions<&'static str> {
        Sessions::new(Bounds { grace, parked: 2, rooms: 2 })
    }

    fn open(sessions: &mut Sessions<&'static str>, n: u64, ask: Ask) -> Opened<&'static str> {
        let fresh = (sid(&format!("s{n}")), Token::from_random(u128::from(n)));
        sessions.open(ConnId(n), "handle", ask, fresh)
    }

    #[test]
    fn resume_keeps_the_seat_and_the_id() {
        let mut sessions = sessions(GRACE);
        let start = now();
        let opened = open(&mut sessions, 1, Ask::New);
        let token = opened.token.unwrap();
        assert!(sessions.seated(&opened.sid, room("r")));
        assert_eq!(sessions.lost(start, ConnId(1), &opened.sid, false), []);
        assert_eq!(sessions.poll_timeout(), Some(start + GRACE));
        assert_eq!(sessions.handle(&opened.sid), None);

        let again = open(&mut sessions, 2, Ask::Token(Some(token)));
        assert_eq!(again, Opened { sid: sid("s1"), token: Some(token), refused: false, ousted: None });
        assert_eq!(sessions.poll_timeout(), None);
        assert_eq!(sessions.handle_timeout(start + 2 * GRACE), []);
        assert_eq!(sessions.lost(start, ConnId(2), &again.sid, true), [room("r")]);
    }

    #[test]
    fn after_the_grace_time_the_seats_are_given_back_and_the_token_is_worth_nothing() {
        let mut sessions = sessions(GRACE);
        let start = now();
        let opened = open(&mut sessions, 1, Ask::New);
        sessions.seated(&opened.sid, room("r"));
        sessions.lost(start, ConnId(1), &opened.sid, false);
        assert_eq!(sessions.handle_timeout(start + GRACE - Duration::from_millis(1)), []);
        assert_eq!(sessions.handle_timeout(start + GRACE), [(sid("s1"), vec![room("r")])]);
        let again = open(&mut sessions, 2, Ask::Token(opened.token));
        assert_eq!((again.sid, again.refused), (sid("s2"), true));
    }

    #[test]
    fn a_resumed_session_takes_over_from_its_half_dead_socket() {
        let mut sessions = sessions(GRACE);
        let opened = open(&mut sessions, 1, Ask::New);
        sessions.seated(&opened.sid, room("r"));
        let again = open(&mut sessions, 2, Ask::Token(opened.token));
        assert_eq!(again.ousted, Some("handle"));
        assert_eq!(sessions.lost(now(), ConnId(1), &opened.sid, true), [], "the old socket takes nothing with it");
        assert_eq!(sessions.handle(&opened.sid), Some("handle"));
    }

    #[test]
    fn who_did_not_ask_leaves_at_once_and_so_does_everybody_without_grace() {
        for (grace, ask) in [(GRACE, Ask::Nothing), (Duration::ZERO, Ask::New)] {
            let mut sessions = sessions(grace);
            let opened = open(&mut sessions, 1, ask);
            assert_eq!((opened.token, opened.refused), (None, false));
            sessions.seated(&opened.sid, room("r"));
            assert_eq!(sessions.lost(now(), ConnId(1), &opened.sid, false), [room("r")]);
            assert!(!sessions.seated(&opened.sid, room("late")), "a join that comes true too late is undone");
        }
    }

    #[test]
    fn no_more_sessions_are_kept_than_allowed() {
        let mut sessions = sessions(GRACE);
        for n in 1..=3 {
            let opened = open(&mut sessions, n, Ask::New);
            sessions.seated(&opened.sid, room("r"));
            let rooms = sessions.lost(now(), ConnId(n), &opened.sid, false);
            assert_eq!(rooms.len(), usize::from(n == 3));
        }
        assert_eq!(sessions.sessions.len(), 2);
        assert_eq!(sessions.tokens.len(), 2);
    }

    #[test]
    fn a_session_may_be_in_a_few_rooms_only() {
        let mut sessions = sessions(GRACE);
        let opened = open(&mut sessions, 1, Ask::Nothing);
        sessions.seated(&opened.sid, room("a"));
        sessions.seated(&opened.sid, room("b"));
        assert!(!sessions.may_join(&opened.sid, &room("c")));
        assert!(sessions.may_join(&opened.sid, &room("b")));
        sessions.unseated(&opened.sid, &room("a"));
        assert!(sessions.may_join(&opened.sid, &room("c")));
    }

    #[test]
    fn a_token_is_32_digits_and_is_never_logged() {
        let token = Token::from_random(0xabc);
        assert_eq!(Token::parse(&token.reveal()), Some(token));
        for bad in ["", "abc", "+0000000000000000000000000000abc", "zz"] {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
        assert_eq!(format!("{token:?}"), "Token(***)");
        assert_eq!(Ask::parse(Some("new")), Ask::New);
        assert_eq!(Ask::parse(None), Ask::Nothing);
        assert_eq!(Ask::parse(Some("gone")), Ask::Token(None));
    }
}
