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
//! has had its time.

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
}

impl Hasty {
    /// The stack knows the candidates in a description or in a candidate of the far end.
    pub(super) fn signaled(&mut self, text: &str) {
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
        over_relay && check.contains(ATTR_USE_CANDIDATE) && now.saturating_duration_since(first) < PATIENCE
    }

    fn relay_at(&mut self, address: IpAddr) {
        if self.relays.len() < MAX_ADDRESSES {
            self.relays.insert(address);
        }
    }
}

/// The address of a candidate over UDP, and whether it is a relay's (RFC 8839 section 5.1); a name is no address.
fn candidate(line: &str) -> Option<(SocketAddr, bool)> {
    let line = line.trim().trim_start_matches("a=");
    let mut words = line.strip_prefix("candidate:").unwrap_or(line).split_ascii_whitespace().skip(2);
    let is_udp = words.next()?.eq_ignore_ascii_case("udp");
    let (address, port) = (words.nth(1)?.parse().ok()?, words.next()?.parse().ok()?);
    let kind = words.skip_while(|word| *word != "typ").nth(1)?;
    is_udp.then_some((SocketAddr::new(address, port), kind == "relay"))
}

#[cfg(test)]
mod tests {
    use rtc::stun::{
        attributes::AttrType,
        message::{MessageClass, MessageType, Method, TransactionId},
        xoraddr::XorMappedAddress,
    };

    use super::*;

    const RELAY: [u8; 4] = [0, 255, 255, 255];
    const AS_THE_STANDARD_SAYS: [u8; 4] = [110, 255, 255, 255];
    const SERVER: &str = "203.0.113.10:3478";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn after(millis: u64) -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(crate::clock::now) + Duration::from_millis(millis)
    }

    fn message(method: Method, class: MessageClass) -> Message {
        let mut message = Message::new();
        message.typ = MessageType::new(method, class);
        message.transaction_id = TransactionId([7; 12]);
        message.write_header();
        message
    }

    fn check(class: MessageClass, priority: [u8; 4]) -> Vec<u8> {
        let mut message = message(METHOD_BINDING, class);
        message.add(ATTR_PRIORITY, &priority);
        message.raw
    }

    fn with_address(mut message: Message, attribute: AttrType, address: &str) -> Message {
        let address = at(address);
        XorMappedAddress { ip: address.ip(), port: address.port() }.add_to_as(&mut message, attribute).unwrap();
        message
    }

    fn handed_on(from: &str, inner: &[u8]) -> Vec<u8> {
        let mut message = with_address(message(METHOD_DATA, CLASS_INDICATION), ATTR_XOR_PEER_ADDRESS, from);
        message.add(ATTR_DATA, inner);
        message.raw
    }

    #[test]
    fn a_relay_waits_for_its_candidate_and_nobody_else_does() {
        let from = at("203.0.113.10:50000");
        let relay = check(CLASS_REQUEST, RELAY);
        let mut hasty = Hasty::default();
        assert!(hasty.is_too_early(after(0), from, &relay));
        assert!(hasty.is_too_early(after(1999), from, &relay));
        assert!(!hasty.is_too_early(after(2000), from, &relay), "it may never come");
        for other in [
            check(CLASS_REQUEST, [126, 255, 255, 255]),
            check(CLASS_REQUEST, AS_THE_STANDARD_SAYS),
            check(CLASS_REQUEST, [100, 255, 255, 255]),
            check(CLASS_SUCCESS_RESPONSE, RELAY),
            handed_on("192.0.2.1:1", &check(CLASS_REQUEST, [126, 255, 255, 255])),
            vec![0x80; 40],
            Vec::new(),
        ] {
            assert!(!hasty.is_too_early(after(0), at("192.0.2.1:1"), &other));
        }
    }

    #[test]
    fn a_relay_that_was_signaled_waits_no_longer() {
        let relay = check(CLASS_REQUEST, RELAY);
        let mut hasty = Hasty::default();
        for from in ["203.0.113.10:50000", "[2001:db8::10]:50001", "203.0.113.10:50002"] {
            assert!(hasty.is_too_early(after(0), at(from), &relay));
        }
        hasty.signaled("candidate:1 1 UDP 16777215 203.0.113.10 50000 typ relay raddr 10.0.0.2 rport 5000");
        hasty.signaled("v=0\r\na=mid:0\r\na=candidate:2 1 udp 1 2001:db8::10 50001 typ relay\r\n");
        hasty.signaled("candidate:3 1 tcp 1 203.0.113.10 50002 typ host tcptype passive");
        assert!(!hasty.is_too_early(after(1), at("203.0.113.10:50000"), &relay));
        assert!(!hasty.is_too_early(after(1), at("[2001:db8::10]:50001"), &relay));
        assert!(hasty.is_too_early(after(1), at("203.0.113.10:50002"), &relay), "that is another transport");
    }

    #[test]
    fn a_relay_that_comes_through_ours_waits_too() {
        let relay = handed_on("203.0.113.10:50000", &check(CLASS_REQUEST, RELAY));
        let mut hasty = Hasty::default();
        assert!(hasty.is_too_early(after(0), at(SERVER), &relay));
        hasty.signaled("candidate:1 1 udp 1 203.0.113.10 50000 typ relay");
        assert!(!hasty.is_too_early(after(1), at(SERVER), &relay));
    }

    #[test]
    fn what_is_at_the_address_of_a_relay_may_be_one() {
        let (from, check) = (at("203.0.113.10:50000"), check(CLASS_REQUEST, AS_THE_STANDARD_SAYS));
        let allocated = message(METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE);
        let allocated = with_address(allocated, ATTR_XOR_RELAYED_ADDRESS, "203.0.113.10:49152");
        let mut ours = Hasty::default();
        assert!(!ours.is_too_early(after(0), from, &check));
        assert!(!ours.is_too_early(after(0), at(SERVER), &allocated.raw));
        let mut theirs = Hasty::default();
        theirs.signaled("candidate:1 1 udp 1 203.0.113.10 50001 typ relay");
        for mut hasty in [ours, theirs] {
            assert!(hasty.is_too_early(after(0), from, &check));
            assert!(hasty.is_too_early(after(299), from, &check));
            assert!(!hasty.is_too_early(after(300), from, &check));
            assert!(!hasty.is_too_early(after(0), at("203.0.113.11:50000"), &check));
        }
    }

    #[test]
    fn a_way_over_a_relay_is_not_nominated_before_a_direct_one_had_its_time() {
        let (relay, host) = ("203.0.113.10:50000", "192.0.2.7:4000");
        let mut nominating = message(METHOD_BINDING, CLASS_REQUEST);
        nominating.add(ATTR_PRIORITY, &AS_THE_STANDARD_SAYS);
        nominating.add(ATTR_USE_CANDIDATE, &[]);
        let nominating = nominating.raw;
        let through_ours = handed_on(host, &nominating);
        let in_channel = [&[0x40, 0, 0, nominating.len() as u8][..], &nominating].concat();
        let over_relays = [(relay, &nominating), (SERVER, &through_ours), (SERVER, &in_channel)];

        let mut hasty = Hasty::default();
        hasty.signaled("candidate:1 1 udp 1 203.0.113.10 50000 typ relay");
        hasty.signaled("candidate:1 1 udp 1 192.0.2.7 4000 typ host");
        assert!(!hasty.is_too_early(after(0), at(relay), &check(CLASS_REQUEST, AS_THE_STANDARD_SAYS)));
        for (from, datagram) in over_relays {
            assert!(hasty.is_too_early(after(1), at(from), datagram));
            assert!(hasty.is_too_early(after(1999), at(from), datagram));
        }
        assert!(!hasty.is_too_early(after(1), at(host), &nominating), "that is direct");
        for (from, datagram) in over_relays {
            assert!(!hasty.is_too_early(after(2000), at(from), datagram));
        }
    }

    #[test]
    fn a_flood_of_addresses_is_not_remembered_and_the_last_candidate_is() {
        let relay = check(CLASS_REQUEST, RELAY);
        let mut hasty = Hasty::default();
        for port in 1..1000 {
            hasty.is_too_early(after(0), SocketAddr::from(([192, 0, 2, 1], port)), &relay);
            hasty.signaled(&format!("candidate:1 1 udp 1 198.51.{}.{} {port} typ relay", port / 250, port % 250));
        }
        assert_eq!(hasty.first_seen.len(), MAX_ADDRESSES);
        assert_eq!((hasty.signaled.len(), hasty.relays.len()), (MAX_ADDRESSES, MAX_ADDRESSES));
        assert!(hasty.signaled.contains(&(at("198.51.3.249:999"), true)));
    }

    #[test]
    fn nonsense_is_no_candidate() {
        for line in
            ["", "candidate:", "candidate:1 1 udp 1 x.local 5 typ host", "candidate:1 1 udp 1 192.0.2.1 5", "a=mid:0"]
        {
            assert_eq!(candidate(line), None, "{line}");
        }
    }
}
