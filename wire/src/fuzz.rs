//! The body of the fuzz target, here so that the ordinary compiler and tests keep it alive.

use bytes::Bytes;

use crate::stomp::{ClientFrame, Decoded, Decoder, Limits, ServerFrame, Version};
use crate::{SendDestination, Topic, bodies, signal};

/// Feeds `data` to the codec, in chunks whose sizes the first byte chooses, and checks what must always hold: no panic,
/// the same frames however the bytes are cut, and every frame reads back as it is written.
pub fn codec(data: &[u8]) {
    let Some((&cut, data)) = data.split_first() else { return };
    let whole = decode(data, data.len().max(1));
    let pieces = decode(data, usize::from(cut).max(1));
    let frames =
        |decoded: &[Decoded]| -> Vec<_> { decoded.iter().filter(|d| **d != Decoded::HeartBeat).cloned().collect() };
    assert_eq!(frames(&whole), frames(&pieces), "frames depend on how the bytes were cut");
    for decoded in whole {
        let Decoded::Frame(frame) = decoded else { continue };
        let again = decode(&frame.encode(Version::V1_2), usize::MAX);
        assert!(
            matches!(&again[..], [Decoded::Frame(same)] if same.command == frame.command && same.body == frame.body)
        );
        let _ = signal::SignalMessage::parse(&frame.body);
        let _ = bodies::parse_members(&frame.body);
        let _ = bodies::Me::parse(&frame.body);
        let _ = bodies::Notice::parse(&frame.body);
        if let Some(destination) = frame.headers.get("destination") {
            let _ = SendDestination::parse(destination);
            let _ = Topic::parse(destination);
        }
        let _ = ClientFrame::try_from(frame.clone());
        let _ = ServerFrame::try_from(frame);
    }
}

fn decode(data: &[u8], chunk: usize) -> Vec<Decoded> {
    let mut decoder = Decoder::new(Limits { frame: 4096, headers: 16 });
    let mut out = Vec::new();
    for piece in data.chunks(chunk.clamp(1, data.len().max(1))) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Ok(Some(decoded)) = decoder.next_frame() {
            out.push(decoded);
        }
    }
    out
}
