//! Ogg Opus (RFC 7845): the head, the tags, then one Opus packet each.

use std::io::Cursor;

use bytes::Bytes;
use ogg::PacketReader;

use super::super::{EncodedFrame, MediaError, opus};
use super::Input;

pub(super) fn read(input: &Input) -> Result<Vec<EncodedFrame>, MediaError> {
    let mut packets = PacketReader::new(Cursor::new(input.bytes.clone()));
    let mut frames = Vec::new();
    let (mut stream, mut others) = (None, Vec::new());
    loop {
        let packet = match packets.read_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error) => return Err(input.broken(frames.len(), format!("Ogg: {error}"))),
        };
        if packet.first_in_stream() && stream.is_none() {
            if packet.data.starts_with(b"OpusHead") {
                check_head(input, &packet.data)?;
                stream = Some((packet.stream_serial(), false));
            } else {
                others.push(codec_name(&packet.data));
            }
            continue;
        }
        let Some((serial, tags_seen)) = &mut stream else {
            continue;
        };
        if packet.stream_serial() != *serial || packet.first_in_stream() {
            continue;
        }
        // The first packet after the head is the tags (RFC 7845 section 3), whatever they say.
        if !*tags_seen {
            *tags_seen = true;
            continue;
        }
        if packet.data.is_empty() {
            continue;
        }
        let duration =
            opus::packet_duration(&packet.data).map_err(|error| input.broken(frames.len(), error.to_string()))?;
        frames.push(EncodedFrame { data: Bytes::from(packet.data), duration, key: true });
    }
    match (stream, others.first()) {
        (None, Some(name)) => Err(input.audio_codec(*name)),
        (None, None) => Err(input.broken(0, "no Ogg stream begins in it")),
        (Some(_), _) => Ok(frames),
    }
}

/// RFC 7845 section 5.1: channel count at byte 9, mapping family at byte 18.
fn check_head(input: &Input, head: &[u8]) -> Result<(), MediaError> {
    let (Some(&channels), Some(&family)) = (head.get(9), head.get(18)) else {
        return Err(input.broken(0, format!("an Opus head has 19 bytes, this one {}", head.len())));
    };
    if family != 0 || !(1..=2).contains(&channels) {
        return Err(input.audio_codec(format!("Opus with {channels} channels (mapping family {family})")));
    }
    Ok(())
}

fn codec_name(head: &[u8]) -> &'static str {
    const NAMES: [(&[u8], &str); 4] =
        [(b"\x01vorbis", "Vorbis"), (b"\x7fFLAC", "FLAC"), (b"Speex   ", "Speex"), (b"\x80theora", "Theora")];
    NAMES.iter().find(|(magic, _)| head.starts_with(magic)).map_or("an unknown codec in Ogg", |&(_, name)| name)
}
