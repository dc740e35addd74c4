//! Brain: which candidate pairs ICE tries, read off the datagrams that carry its connectivity checks.
//!
//! The stack's statistics know the nominated pair alone: the others, which are what matters when none works, it never
//! writes down (`update_ice_agent_stats` copies one pair). But every check is a STUN Binding request that leaves through
//! a socket, bare or wrapped for a TURN server (RFC 8445 section 7.2.2, RFC 8656 section 3.4), and its answer comes back
//! with the same transaction id.

mod frame;
mod pace;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use rtc::stun::{
    attributes::{
        ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_XOR_PEER_ADDRESS,
        ATTR_XOR_RELAYED_ADDRESS,
    },
    message::{
        CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND,
        METHOD_DATA, METHOD_SEND, Message, Method, TransactionId,
    },
};

pub(super) use self::frame::{Frame, address, decode};
use self::pace::Pace;

/// Pairs remembered; a call has a few dozen.
const MAX_PAIRS: usize = 256;

/// Checks whose answer is waited for; the oldest one is forgotten first.
const MAX_OPEN: usize = 512;

/// Channels and allocations remembered, each.
const MAX_RELAYED: usize = 128;

/// A pair as the sockets see it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Way {
    /// Our socket.
    pub(super) local: SocketAddr,
    /// The TURN server in between.
    pub(super) server: Option<SocketAddr>,
    /// The far end's candidate.
    pub(super) remote: SocketAddr,
}

/// What came of a pair so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tried {
    /// Checks sent.
    pub(super) sent: u64,
    /// Answers that came.
    pub(super) answered: u64,
    /// The last round trip.
    pub(super) rtt: Option<Duration>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Checks {
    tried: BTreeMap<Way, Tried>,
    paces: BTreeMap<Way, Pace>,
    open: VecDeque<(TransactionId, Way, Instant)>,
    /// Our socket, TURN server, channel number: the far end's candidate.
    channels: BTreeMap<(SocketAddr, SocketAddr, u16), SocketAddr>,
    /// Our socket, TURN server: the address it lends.
    relayed: BTreeMap<(SocketAddr, SocketAddr), SocketAddr>,
}

impl Checks {
    /// Whether a datagram may leave: everything but a check that follows the last one on its way too soon.
    ///
    /// The stack asks on every pair in every round, 50 times a second, which on a peer with a few interfaces and relays is
    /// a thousand packets a second; RFC 8445 section 14.3 wants each to wait longer the more were not answered. A check
    /// that nominates is never held back.
    pub(super) fn may_leave(&self, now: Instant, local: SocketAddr, to: SocketAddr, frame: Frame<'_>) -> bool {
        let Some((way, check)) = self.check(local, to, frame, METHOD_SEND) else { return true };
        check.contains(ATTR_USE_CANDIDATE) || self.paces.get(&way).is_none_or(|pace| pace.is_due(now))
    }

    /// Something left.
    pub(super) fn sent(&mut self, now: Instant, local: SocketAddr, to: SocketAddr, frame: Frame<'_>) {
        if let Some((way, check)) = self.check(local, to, frame, METHOD_SEND) {
            self.asked(now, way, &check);
        } else if let Frame::Stun(bytes) = frame
            && let Some(message) = decode(bytes)
            && (message.typ.method, message.typ.class) == (METHOD_CHANNEL_BIND, CLASS_REQUEST)
        {
            let number = message.get(ATTR_CHANNEL_NUMBER).ok();
            let number = number.and_then(|value| Some(u16::from_be_bytes([*value.first()?, *value.get(1)?])));
            if let (Some(number), Some(remote)) = (number, address(&message, ATTR_XOR_PEER_ADDRESS)) {
                insert(&mut self.channels, (local, to, number), remote);
            }
        }
    }

    /// The check in a datagram, and its way: a Binding request with a priority; without one it is a question to a STUN
    /// server. `wrapped`: what a TURN server is given or gives it in.
    fn check(&self, local: SocketAddr, far: SocketAddr, frame: Frame<'_>, wrapped: Method) -> Option<(Way, Message)> {
        let (way, message) = match frame {
            Frame::Stun(bytes) => {
                let message = decode(bytes)?;
                if (message.typ.method, message.typ.class) == (wrapped, CLASS_INDICATION) {
                    let remote = address(&message, ATTR_XOR_PEER_ADDRESS)?;
                    (Way { local, server: Some(far), remote }, decode(&message.get(ATTR_DATA).ok()?)?)
                } else {
                    (Way { local, server: None, remote: far }, message)
                }
            }
            Frame::Channel(number, bytes) => {
                let remote = *self.channels.get(&(local, far, number))?;
                (Way { local, server: Some(far), remote }, decode(bytes)?)
            }
        };
        let is_request = (message.typ.method, message.typ.class) == (METHOD_BINDING, CLASS_REQUEST);
        (is_request && message.contains(ATTR_PRIORITY)).then_some((way, message))
    }

    /// Something came.
    pub(super) fn received(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, frame: Frame<'_>) {
        if let Some((way, _)) = self.check(local, from, frame, METHOD_DATA) {
            if let Some(pace) = self.paces.get_mut(&way) {
                pace.triggered();
            }
            return;
        }
        let bytes = match frame {
            Frame::Stun(bytes) | Frame::Channel(_, bytes) => bytes,
        };
        let Some(message) = decode(bytes) else { return };
        let (method, class) = (message.typ.method, message.typ.class);
        if method == METHOD_DATA && class == CLASS_INDICATION {
            if let Some(inner) = message.get(ATTR_DATA).ok().and_then(|data| decode(&data)) {
                self.answered(now, &inner);
            }
        } else if method == METHOD_ALLOCATE && class == CLASS_SUCCESS_RESPONSE {
            if let Some(relayed) = address(&message, ATTR_XOR_RELAYED_ADDRESS) {
                insert(&mut self.relayed, (local, from), relayed);
            }
        } else {
            self.answered(now, &message);
        }
    }

    /// The pairs, with the address that a TURN server lends to those through one.
    pub(super) fn tried(&self) -> Vec<(Way, Tried, Option<SocketAddr>)> {
        let relayed = |way: &Way| self.relayed(way.local, way.server?);
        self.tried.iter().map(|(way, tried)| (*way, *tried, relayed(way))).collect()
    }

    /// The address that a TURN server lends to one of our sockets.
    pub(super) fn relayed(&self, local: SocketAddr, server: SocketAddr) -> Option<SocketAddr> {
        self.relayed.get(&(local, server)).copied()
    }

    /// Whether a check of ours from this socket was answered by this address, or through this TURN server.
    pub(super) fn is_proved(&self, local: SocketAddr, far: SocketAddr) -> bool {
        self.tried
            .iter()
            .any(|(way, tried)| way.local == local && way.server.unwrap_or(way.remote) == far && tried.answered > 0)
    }

    fn asked(&mut self, now: Instant, way: Way, check: &Message) {
        if self.tried.len() >= MAX_PAIRS && !self.tried.contains_key(&way) {
            return;
        }
        self.tried.entry(way).or_default().sent += 1;
        self.paces.entry(way).or_default().went(now);
        if self.open.len() == MAX_OPEN {
            self.open.pop_front();
        }
        self.open.push_back((check.transaction_id, way, now));
    }

    fn answered(&mut self, now: Instant, message: &Message) {
        if message.typ.method != METHOD_BINDING || message.typ.class != CLASS_SUCCESS_RESPONSE {
            return;
        }
        let Some(index) = self.open.iter().rposition(|(id, ..)| *id == message.transaction_id) else {
            return;
        };
        if let Some((_, way, asked)) = self.open.remove(index)
            && let Some(tried) = self.tried.get_mut(&way)
        {
            tried.answered += 1;
            tried.rtt = Some(now.saturating_duration_since(asked));
        }
    }
}

fn insert<K: Ord>(map: &mut BTreeMap<K, SocketAddr>, key: K, value: SocketAddr) {
    if map.len() < MAX_RELAYED || map.contains_key(&key) {
        map.insert(key, value);
    }
}
