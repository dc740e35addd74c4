//! Brain: checks from a relay that come before anybody has said that there is one.
//!
//! A check from an address that was not signaled makes a peer-reflexive candidate (RFC 8445 section 7.3.1.3), and the
//! stack ranks that above any other but a host's. When it is a relay of the far end whose candidate is still on its way,
//! the call ends up on the relay though a direct path would have worked a moment later. The stacks that show it give it
//! away: the priority in their check is that of a relayed candidate, whose type counts nothing (section 5.1.2.2). Such an
//! address has to wait until its candidate will have come; the check is repeated.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rtc::stun::{
    attributes::ATTR_PRIORITY,
    message::{CLASS_REQUEST, METHOD_BINDING, Message, is_stun_message},
};

/// How long signaling may take.
const PATIENCE: Duration = Duration::from_millis(300);
/// Addresses remembered; whatever comes after these does not wait.
const MAX_ADDRESSES: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Hasty {
    first_seen: BTreeMap<SocketAddr, Instant>,
}

impl Hasty {
    /// Whether a datagram is a check that has to wait.
    pub(super) fn is_too_early(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        if !is_check_of_relay(datagram) {
            return false;
        }
        if self.first_seen.len() >= MAX_ADDRESSES && !self.first_seen.contains_key(&from) {
            return false;
        }
        let first = *self.first_seen.entry(from).or_insert(now);
        now.saturating_duration_since(first) < PATIENCE
    }
}

fn is_check_of_relay(datagram: &[u8]) -> bool {
    // Nearly everything that comes is media.
    if !matches!(datagram, [0, 1, ..]) || !is_stun_message(datagram) {
        return false;
    }
    let mut message = Message::new();
    if message.unmarshal_binary(datagram).is_err() {
        return false;
    }
    let is_request = (message.typ.method, message.typ.class) == (METHOD_BINDING, CLASS_REQUEST);
    // The highest byte is the preference of the type.
    is_request && message.get(ATTR_PRIORITY).is_ok_and(|priority| priority.first() == Some(&0))
}

#[cfg(test)]
mod tests {
    use rtc::stun::message::{CLASS_SUCCESS_RESPONSE, MessageClass, MessageType, TransactionId};

    use super::*;

    fn check(class: MessageClass, priority: [u8; 4]) -> Vec<u8> {
        let mut message = Message::new();
        message.typ = MessageType::new(METHOD_BINDING, class);
        message.transaction_id = TransactionId([7; 12]);
        message.write_header();
        message.add(ATTR_PRIORITY, &priority);
        message.raw
    }

    #[test]
    fn a_relay_waits_for_its_candidate_and_nobody_else_does() {
        let start = crate::clock::now();
        let from = "203.0.113.10:50000".parse().unwrap();
        let relay = check(CLASS_REQUEST, [0, 255, 255, 255]);
        let mut hasty = Hasty::default();
        assert!(hasty.is_too_early(start, from, &relay));
        assert!(hasty.is_too_early(start + Duration::from_millis(299), from, &relay));
        assert!(!hasty.is_too_early(start + Duration::from_millis(300), from, &relay));
        for other in [
            check(CLASS_REQUEST, [100, 255, 255, 255]),
            check(CLASS_SUCCESS_RESPONSE, [0, 255, 255, 255]),
            vec![0x80; 40],
            Vec::new(),
        ] {
            assert!(!hasty.is_too_early(start, "192.0.2.1:1".parse().unwrap(), &other));
        }
    }

    #[test]
    fn a_flood_of_addresses_is_not_remembered() {
        let start = crate::clock::now();
        let relay = check(CLASS_REQUEST, [0, 1, 1, 1]);
        let mut hasty = Hasty::default();
        for port in 1..1000 {
            hasty.is_too_early(start, SocketAddr::from(([192, 0, 2, 1], port)), &relay);
        }
        assert_eq!(hasty.first_seen.len(), MAX_ADDRESSES);
    }
}
