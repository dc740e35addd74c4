//! What a fuzzer calls: any bytes at all, and nothing may panic. Kept in the library so that it keeps compiling.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::Config;
use crate::metrics::Counters;
use crate::relay::{ClientAddr, Core, Ledger, Now, Setup, Transport};
use crate::stun::{ChannelData, Message, frame_length};

/// Reads `bytes` with every parser there is.
pub fn codec(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes) {
        let kinds = message.attributes().map(|attribute| attribute.kind);
        for kind in kinds {
            let _ = (message.text(kind), message.number(kind));
            let _ = message.xor_address(kind);
        }
        let _ = (message.error_code(), message.fingerprint());
        let _ = message.verify(&crate::stun::Key::short_term("key"));
    }
    let _ = ChannelData::parse(bytes);
    let _ = frame_length(bytes);
}

/// Gives `bytes` to a relay as if a client had sent them, and reads what it answers.
pub fn route(bytes: &[u8], now: Instant) {
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 3478));
    let config = Arc::new(Config::default());
    let ledger = Arc::new(Ledger::new(&config, &[0; 32], now));
    let counters = Arc::new(Counters::default());
    let mut core = Core::new(Setup { config, listen: vec![here], seed: [0; 32], now, counters, ledger, worker: 0 });
    let from =
        ClientAddr { transport: Transport::Udp, remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 5000)), local: here };
    let unix: SystemTime = UNIX_EPOCH;
    let _ = core.route(Now { mono: now, unix }, from, bytes);
    while core.poll_output().is_some() {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stun::attributes::{DATA, XOR_PEER_ADDRESS};
    use crate::stun::{Class, IntegrityKind, Key, MessageBuilder, Method, TransactionId};

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            codec(&bytes);
            route(&bytes, base());
        }

        #[test]
        fn damaged_messages_are_survived(at in 0_usize..200, value: u8, cut in 0_usize..200) {
            let mut bytes = good_message();
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(cut.max(1));
            codec(&bytes);
            route(&bytes, base());
        }

        #[test]
        fn bodies_with_a_good_header_are_survived(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([1; 12])).finish();
            let padded = body.len() / 4 * 4;
            bytes[3] = u8::try_from(padded).unwrap();
            bytes.extend_from_slice(&body[..padded]);
            codec(&bytes);
            route(&bytes, base());
        }
    }

    fn good_message() -> Vec<u8> {
        MessageBuilder::new(Class::Request, Method::CreatePermission, TransactionId([1; 12]))
            .xor_address(XOR_PEER_ADDRESS, SocketAddr::from(([192, 0, 2, 1], 9)))
            .attribute(DATA, b"some data")
            .integrity(&Key::short_term("key"), IntegrityKind::Sha256)
            .fingerprint()
            .finish()
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
