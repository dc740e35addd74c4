//! DTLS alerts, read off the datagrams of the handshake.
//!
//! The stack answers a fatal alert and goes on waiting, without a word to anybody; and when the far end closes the
//! connection in the middle of the handshake, it calls that connected. But what is said before there are keys is said
//! in the clear (RFC 6347 section 4.1, RFC 5246 section 7.2), bare or wrapped for a TURN server.

use std::sync::atomic::{AtomicBool, Ordering};

use rtc::stun::{
    attributes::ATTR_DATA,
    message::{Message, is_stun_message},
};

use crate::call::RtcEvent;

/// Content type of an alert (RFC 5246 section 6.2.1).
const ALERT: u8 = 21;

/// Level of an alert after which its sender goes no further (RFC 5246 section 7.2).
const FATAL: u8 = 2;

/// What one side says about the handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Alert {
    /// It has failed, for this reason (RFC 5246 section 7.2.2).
    Fatal(u8),
    /// Its sender closes the connection (RFC 5246 section 7.2.1).
    Closed,
}

impl Alert {
    /// The first alert in the clear that a datagram carries. Media, which is nearly everything, is known by its first
    /// byte to have none (RFC 7983).
    pub(super) fn of(datagram: &[u8]) -> Option<Self> {
        match datagram {
            [20..=63, ..] => in_records(datagram),
            // ChannelData (RFC 8656 section 12.4).
            [0x40..=0x4f, _, high, low, data @ ..] => in_records(data.get(..length(*high, *low))?),
            // A Send or a Data indication (RFC 8656 section 11).
            [0x00, 0x16 | 0x17, ..] if is_stun_message(datagram) => {
                let mut message = Message::new();
                message.unmarshal_binary(datagram).ok()?;
                in_records(&message.get(ATTR_DATA).ok()?)
            }
            _ => None,
        }
    }
}

/// Goes through the records of a datagram: type, version, epoch, number, length (RFC 6347 section 4.1). An alert in the
/// clear is told by its length: encryption adds to the two bytes.
fn in_records(mut bytes: &[u8]) -> Option<Alert> {
    while let [kind, 0xfe, 0xfd | 0xff, _, _, _, _, _, _, _, _, high, low, rest @ ..] = bytes {
        let (content, following) = rest.split_at_checked(length(*high, *low))?;
        match (*kind, content) {
            (ALERT, [_, 0]) => return Some(Alert::Closed),
            (ALERT, [FATAL, reason]) => return Some(Alert::Fatal(*reason)),
            _ => bytes = following,
        }
    }
    None
}

fn length(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high, low]))
}

/// How far the handshake of a connection has come, as its alerts and the stack tell it. The first word counts.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    done: AtomicBool,
    broken: AtomicBool,
}

impl Handshake {
    /// The stack says that DTLS is up; whether that can be true.
    pub(super) fn finish(&self) -> bool {
        let can_be = !self.broken.load(Ordering::Acquire);
        self.done.fetch_or(can_be, Ordering::AcqRel);
        can_be
    }

    /// An alert passed in the clear; what there is to tell about it. After the handshake such an alert is old or
    /// forged.
    pub(super) fn alert(&self, by_us: bool, alert: Alert) -> Option<RtcEvent> {
        if self.done.load(Ordering::Acquire) || (by_us && alert == Alert::Closed) {
            return None;
        }
        let first = !self.broken.swap(true, Ordering::AcqRel);
        match alert {
            Alert::Fatal(reason) if first => Some(RtcEvent::DtlsAlert { by_us, alert: name(reason) }),
            // Whoever closes in good order says why over the signaling.
            Alert::Fatal(_) | Alert::Closed => None,
        }
    }
}

/// As the RFCs call it (RFC 5246 section 7.2, RFC 8446 section 6).
fn name(reason: u8) -> String {
    let name = match reason {
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        116 => "certificate_required",
        other => return format!("number {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use rtc::stun::message::{CLASS_INDICATION, METHOD_DATA, METHOD_SEND, MessageType};

    use super::*;

    fn record(kind: u8, epoch: u8, content: &[u8]) -> Vec<u8> {
        let header = [kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1, 0, content.len() as u8];
        [&header[..], content].concat()
    }

    fn alert(level: u8, reason: u8) -> Vec<u8> {
        record(21, 0, &[level, reason])
    }

    #[test]
    fn an_alert_is_found_alone_and_behind_other_records() {
        assert_eq!(Alert::of(&alert(2, 42)), Some(Alert::Fatal(42)));
        assert_eq!(Alert::of(&alert(1, 0)), Some(Alert::Closed));
        let flight = [record(22, 0, &[11; 200]), record(20, 0, &[1]), alert(2, 40)].concat();
        assert_eq!(Alert::of(&flight), Some(Alert::Fatal(40)));
        let mut of_dtls_1_0 = alert(2, 70);
        of_dtls_1_0[2] = 0xff;
        assert_eq!(Alert::of(&of_dtls_1_0), Some(Alert::Fatal(70)));
    }

    #[test]
    fn an_alert_is_found_in_what_goes_through_a_relay() {
        let channel = |data: &[u8]| [&[0x40, 0x01, 0, data.len() as u8][..], data, &[0; 3]].concat();
        assert_eq!(Alert::of(&channel(&alert(2, 42))), Some(Alert::Fatal(42)));
        assert_eq!(Alert::of(&channel(&[0x80; 40])), None);
        for method in [METHOD_SEND, METHOD_DATA] {
            let mut message = Message::new();
            message.typ = MessageType::new(method, CLASS_INDICATION);
            message.write_header();
            message.add(ATTR_DATA, &alert(2, 46));
            assert_eq!(Alert::of(&message.raw), Some(Alert::Fatal(46)));
        }
    }

    #[test]
    fn warnings_secrets_media_and_damage_are_no_alerts() {
        let encrypted = record(21, 1, &[7; 26]);
        let torn = &alert(2, 42)[..14];
        let warning = alert(1, 90);
        let media = [0x80; 40];
        for datagram in [&encrypted[..], torn, &warning, &media, &[21], &[21; 40], &[0x40, 1, 0, 200, 21], &[]] {
            assert_eq!(Alert::of(datagram), None, "{datagram:?}");
        }
    }

    #[test]
    fn a_fatal_alert_is_told_once_with_who_sent_it() {
        let handshake = Handshake::default();
        let told = RtcEvent::DtlsAlert { by_us: true, alert: "bad_certificate".to_owned() };
        assert_eq!(handshake.alert(true, Alert::Fatal(42)), Some(told));
        assert_eq!(handshake.alert(false, Alert::Fatal(42)), None, "its echo");
        assert!(!handshake.finish());
        let told = RtcEvent::DtlsAlert { by_us: false, alert: "number 200".to_owned() };
        assert_eq!(Handshake::default().alert(false, Alert::Fatal(200)), Some(told));
    }

    #[test]
    fn a_far_end_that_closes_in_the_handshake_is_not_connected() {
        let handshake = Handshake::default();
        assert_eq!(handshake.alert(false, Alert::Closed), None);
        assert!(!handshake.finish());
        let ours = Handshake::default();
        assert_eq!(ours.alert(true, Alert::Closed), None);
        assert!(ours.finish());
    }

    #[test]
    fn after_the_handshake_an_alert_in_the_clear_means_nothing() {
        let handshake = Handshake::default();
        assert!(handshake.finish());
        assert_eq!(handshake.alert(false, Alert::Fatal(42)), None);
        assert_eq!(handshake.alert(false, Alert::Closed), None);
        assert!(handshake.finish(), "a path that heals is connected again");
    }
}
