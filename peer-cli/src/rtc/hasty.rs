//! Brain: checks from a relay that come before anybody has said that there is one.
//!
//! A check from an address that was not signaled makes a peer-reflexive candidate (RFC 8445 section 7.3.1.3), and the
//! stack ranks that above any other but a host's, pairs it with every candidate of ours, and keeps it so when the true
//! candidate comes. When it is a relay of the far end, the call ends up there though a direct path would have worked a
//! moment later. So such a check waits until the candidate was signaled; it is repeated. That costs nothing, because a
//! pair with a relay is nominated after two seconds at the earliest.
//!
//! A relay is told by the priority in its check, which some stacks make that of a relayed candidate, whose type counts
//! nothing (section 5.1.2.2). Where it is that of a peer-reflexive one, as section 7.1.1 asks, the address tells: relays
//! of one server share it, and ours or one that was signaled is known. A NAT may have that address too, so this is a
//! guess, and waits less.
//!
//! A check may come bare, or in what our own relay hands on. One in a channel comes from an address that the stack knows,
//! since it has bound the channel.
//!
//! The same goes for checks that nominate a way over a relay: browsers nominate what works first and go over to something
//! better later, but the stack stays with the first pair that it is led to. Such a check has to wait until a direct way
//! has had its time: longer where a check has come directly, because that way will do. Chromium, which nominates the first
//! relay at once, tries ways over relays first, one each 48 ms, and comes to the direct ones after some two seconds. Where
//! the far end has told nothing but relays there is nothing to wait for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use rtc::stun::{
    attributes::{ATTR_DATA, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS},
    message::{
        CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING, METHOD_DATA, Message,
    },
};

use super::checks::{Frame, address, decode};

/// How long a relay waits for its candidate, and after the first check of the far end to be nominated by it: as long as
/// the stack waits before it nominates one.
const PATIENCE: Duration = Duration::from_secs(2);
/// How soon after the first check of the far end one has nominated a relay that does not wait by itself.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The patience with it.
const PATIENCE_WITH_THE_HASTY: Duration = Duration::from_secs(3);
/// How long after the first check that came directly a relay waits to be nominated: until the far end has heard our answer
/// on that way and nominates it, which a busy browser takes its time for.
const PATIENCE_FOR_DIRECT: Duration = Duration::from_secs(1);
/// How long what may be a relay waits.
const PATIENCE_IN_DOUBT: Duration = Duration::from_millis(300);
/// Addresses remembered, of each kind; a check from one that has no room does not wait.
const MAX_ADDRESSES: usize = 64;
/// Preferences of the types of candidates (section 5.1.2.2).
const RELAYED: u8 = 0;
const PEER_REFLEXIVE: u8 = 110;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Hasty {
    /// Restarts bring new ones all the time, so the oldest one is forgotten first.
    signaled: VecDeque<(SocketAddr, bool)>,
    relays: BTreeSet<IpAddr>,
    first_seen: BTreeMap<SocketAddr, Instant>,
    first_check: Option<Instant>,
    first_direct: Option<Instant>,
    /// The far end has told a candidate that is no relay, by address or by name.
    has_direct: bool,
    /// It has nominated a relay at once.
    is_hasty: bool,
}

impl Hasty {
    /// The stack knows the candidates in a description or in a candidate of the far end.
    pub(super) fn signaled(&mut self, text: &str) {
        self.has_direct |= text.lines().any(|line| kind(line).is_some_and(|kind| kind != "relay"));
        for (address, is_relay) in text.lines().filter_map(candidate) {
            if !self.signaled.contains(&(address, is_relay)) {
                self.signaled.truncate(MAX_ADDRESSES - 1);
                self.signaled.push_front((address, is_relay));
            }
            if is_relay {
                self.relay_at(address.ip());
            }
        }
    }

    /// Whether a datagram is a check that has to wait.
    pub(super) fn is_too_early(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        // Nearly everything that comes is media.
        let (bytes, in_channel) = match Frame::of(datagram) {
            Some(Frame::Stun(bytes)) => (bytes, false),
            Some(Frame::Channel(_, bytes)) => (bytes, true),
            None => return false,
        };
        let Some(message) = decode(bytes) else { return false };
        match (message.typ.method, message.typ.class) {
            (METHOD_BINDING, CLASS_REQUEST) if in_channel => self.nominates_too_early(now, &message, true),
            (METHOD_BINDING, CLASS_REQUEST) => self.must_wait(now, from, &message, false),
            _ if in_channel => false,
            (METHOD_DATA, CLASS_INDICATION) => {
                let inner = message.get(ATTR_DATA).ok().and_then(|data| decode(&data));
                let from = address(&message, ATTR_XOR_PEER_ADDRESS);
                from.zip(inner).is_some_and(|(from, inner)| {
                    (inner.typ.method, inner.typ.class) == (METHOD_BINDING, CLASS_REQUEST)
                        && self.must_wait(now, from, &inner, true)
                })
            }
            (METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE) => {
                if let Some(ours) = address(&message, ATTR_XOR_RELAYED_ADDRESS) {
                    self.relay_at(ours.ip());
                }
                false
            }
            _ => false,
        }
    }

    fn must_wait(&mut self, now: Instant, from: SocketAddr, check: &Message, relayed: bool) -> bool {
        let is_relay = relayed || self.signaled.contains(&(from, true));
        if self.nominates_too_early(now, check, is_relay) {
            return true;
        }
        if self.signaled.iter().any(|(address, _)| *address == from) {
            return false;
        }
        let priority = check.get(ATTR_PRIORITY).ok();
        // The highest byte is the preference of the type.
        let patience = match priority.as_deref().and_then(<[u8]>::first) {
            Some(&RELAYED) => PATIENCE,
            Some(&PEER_REFLEXIVE) if self.relays.contains(&from.ip()) => PATIENCE_IN_DOUBT,
            Some(_) | None => return false,
        };
        if self.first_seen.len() >= MAX_ADDRESSES && !self.first_seen.contains_key(&from) {
            return false;
        }
        let first = *self.first_seen.entry(from).or_insert(now);
        let waits = now.saturating_duration_since(first) < patience;
        tracing::trace!(%from, relayed, ?priority, waits, "a check from an address that was not signaled");
        waits
    }

    fn nominates_too_early(&mut self, now: Instant, check: &Message, over_relay: bool) -> bool {
        // Without a priority it is no check, but a question to a STUN server.
        if !check.contains(ATTR_PRIORITY) {
            return false;
        }
        let first = *self.first_check.get_or_insert(now);
        if !over_relay {
            self.first_direct.get_or_insert(now);
            return false;
        }
        if !check.contains(ATTR_USE_CANDIDATE) || !self.has_direct {
            return false;
        }
        let is_within = |since, patience| now.saturating_duration_since(since) < patience;
        self.is_hasty |= is_within(first, AT_ONCE);
        let patience = if self.is_hasty { PATIENCE_WITH_THE_HASTY } else { PATIENCE };
        is_within(first, patience) || self.first_direct.is_some_and(|direct| is_within(direct, PATIENCE_FOR_DIRECT))
    }

    fn relay_at(&mut self, address: IpAddr) {
        if self.relays.len() < MAX_ADDRESSES {
            self.relays.insert(address);
        }
    }
}

/// The type of a candidate; no other line has one.
fn kind(line: &str) -> Option<&str> {
    line.split_ascii_whitespace().skip_while(|word| *word != "typ").nth(1)
}

/// The address of a candidate over UDP, and whether it is a relay's (RFC 8839 section 5.1); a name is no address.
fn candidate(line: &str) -> Option<(SocketAddr, bool)> {
    let line = line.trim().trim_start_matches("a=");
    let mut words = line.strip_prefix("candidate:").unwrap_or(line).split_ascii_whitespace().skip(2);
    let is_udp = words.next()?.eq_ignore_ascii_case("udp");
    let (address, port) = (words.nth(1)?.parse().ok()?, words.next()?.parse().ok()?);
    let is_relay = kind(line)? == "relay";
    is_udp.then_some((SocketAddr::new(address, port), is_relay))
}

#[cfg(test)]
mod tests;
