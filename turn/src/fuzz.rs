//! What a fuzzer calls: any bytes at all, and nothing may panic. Kept in the library, so that the ordinary compiler and
//! tests keep it alive.

mod answers;
mod books;
mod cast;
mod hands;
mod model;
mod outputs;
mod packets;
mod reached;
mod requests;
mod script;
mod stage;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use reached::Reached;

use crate::Config;
use crate::metrics::Counters;
use crate::relay::{ClientAddr, Core, Family, Ledger, Now, Setup, Transport};
use crate::stun::attributes::{EncodedAddress, decode_address, decode_error_code, decode_xor_address, encode_address};
use crate::stun::{Attribute, ChannelData, Key, Message, TransactionId, frame_length};
use cast::Options;
use script::Script;
use stage::Stage;

/// Reads `bytes` with every parser there is, and checks what must always hold: they agree on where a frame ends, and
/// an address reads back as it was written.
pub fn codec(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes) {
        assert_eq!(frame_length(bytes), Ok(Some(bytes.len())), "a message is one frame");
        for attribute in message.attributes() {
            read_attribute(attribute, message.transaction());
            let _ = (message.text(attribute.kind), message.number(attribute.kind));
            let _ = message.xor_address(attribute.kind);
        }
        let _ = (message.error_code(), message.unknown_attributes());
        let _ = (message.integrity(), message.fingerprint());
        let _ = message.verify(&Key::short_term("key"));
    }
    if let Some(data) = ChannelData::parse(bytes) {
        assert!(data.payload.len() + ChannelData::HEADER <= bytes.len(), "a payload is part of its frame");
    }
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

/// Plays `script` against two cores over one ledger, beside a plain model of what was granted to whom, and checks after
/// every step that the cores do what the model allows and no more. At most 200 steps are played; what follows them is
/// not read.
///
/// The first byte chooses how the relay is set up. Then each step takes six bytes: what happens, who does it, three
/// bytes of detail, and what damage is done to it on its way. Returns what the dialogue got as far as.
///
/// # Panics
/// Where a rule is broken: that is a finding.
pub fn dialogue(script: &[u8], now: Instant) -> Reached {
    let (options, steps) = script.split_first().unwrap_or((&0, &[]));
    Stage::new(Options(*options), now).play(Script::new(steps))
}

fn read_attribute(attribute: Attribute<'_>, transaction: TransactionId) {
    let value = attribute.value;
    if let Some(address) = decode_address(value) {
        assert_eq!(encode_address(address).as_bytes().get(1..), value.get(1..), "{address}");
    }
    if let Some(address) = decode_xor_address(value, transaction) {
        assert_eq!(EncodedAddress::new(address, transaction).as_bytes().get(1..), value.get(1..), "{address}");
    }
    if let Some(family) = Family::from_value(value) {
        assert_eq!(value.first(), Some(&family.value()));
    }
    let _ = decode_error_code(value);
}
