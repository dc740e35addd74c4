//! The codec by its bytes: golden frames, what Spring's own broker wrote, damage of every kind, and properties.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use bytes::Bytes;
use dialtone_wire::stomp::{
    ClientFrame, Command, DecodeErrorKind, Decoded, Decoder, Frame, HeartBeat, Limits, ServerFrame, Version,
};
use proptest::prelude::*;

fn decode_in(version: Version, bytes: &[u8]) -> Result<Vec<Decoded>, DecodeErrorKind> {
    let mut decoder = Decoder::new(Limits::default());
    decoder.set_version(version);
    decoder.push(Bytes::copy_from_slice(bytes));
    let mut out = Vec::new();
    while let Some(decoded) = decoder.next_frame().map_err(|e| e.kind)? {
        out.push(decoded);
    }
    Ok(out)
}

fn decode(bytes: &[u8]) -> Result<Vec<Decoded>, DecodeErrorKind> {
    decode_in(Version::V1_2, bytes)
}

fn one(bytes: &[u8]) -> Frame {
    match decode(bytes).unwrap().as_slice() {
        [Decoded::Frame(frame)] => frame.clone(),
        other => panic!("expected one frame, got {other:?}"),
    }
}

#[test]
fn every_frame_has_its_exact_bytes() {
    let frame = Frame::new;
    let golden: &[(Frame, &[u8])] = &[
        (
            frame(Command::Connect)
                .header("accept-version", "1.1,1.2")
                .header("host", "a:b")
                .header("heart-beat", "10000,0"),
            b"CONNECT\naccept-version:1.1,1.2\nhost:a:b\nheart-beat:10000,0\n\n\0",
        ),
        (frame(Command::Stomp).header("accept-version", "1.2"), b"STOMP\naccept-version:1.2\n\n\0"),
        (
            frame(Command::Send).header("destination", "/app/rooms/r1/signal").body("{}"),
            b"SEND\ndestination:/app/rooms/r1/signal\ncontent-length:2\n\n{}\0",
        ),
        (
            frame(Command::Subscribe).header("id", "a0").header("destination", "/user/queue/me"),
            b"SUBSCRIBE\nid:a0\ndestination:/user/queue/me\n\n\0",
        ),
        (frame(Command::Unsubscribe).header("id", "a0"), b"UNSUBSCRIBE\nid:a0\n\n\0"),
        (frame(Command::Ack).header("id", "1"), b"ACK\nid:1\n\n\0"),
        (frame(Command::Nack).header("id", "1"), b"NACK\nid:1\n\n\0"),
        (frame(Command::Begin).header("transaction", "t"), b"BEGIN\ntransaction:t\n\n\0"),
        (frame(Command::Commit).header("transaction", "t"), b"COMMIT\ntransaction:t\n\n\0"),
        (frame(Command::Abort).header("transaction", "t"), b"ABORT\ntransaction:t\n\n\0"),
        (frame(Command::Disconnect).header("receipt", "bye"), b"DISCONNECT\nreceipt:bye\n\n\0"),
        (
            frame(Command::Connected).header("version", "1.2").header("heart-beat", "0,0"),
            b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0",
        ),
        (
            frame(Command::Message)
                .header("destination", "/topic/rooms/r1/members")
                .header("subscription", "a:0")
                .body("[\"1\"]"),
            b"MESSAGE\ndestination:/topic/rooms/r1/members\nsubscription:a\\c0\ncontent-length:5\n\n[\"1\"]\0",
        ),
        (frame(Command::Receipt).header("receipt-id", "bye"), b"RECEIPT\nreceipt-id:bye\n\n\0"),
        (
            frame(Command::Error).header("message", "a\r\nb: \\").body("x"),
            b"ERROR\nmessage:a\\r\\nb\\c \\\\\ncontent-length:1\n\nx\0",
        ),
    ];
    assert_eq!(golden.len(), Command::ALL.len());
    for (frame, bytes) in golden {
        assert_eq!(String::from_utf8_lossy(&frame.encode(Version::V1_2)), String::from_utf8_lossy(bytes));
        let read = one(bytes);
        assert_eq!((read.command, &read.body), (frame.command, &frame.body));
        for (name, value) in frame.headers.iter() {
            assert_eq!(read.headers.get(name), Some(value));
        }
    }
}

#[test]
fn what_spring_writes_is_read() {
    let frame = one(b"MESSAGE\ndestination:/user/queue/me\ncontent-type:application/json;charset=UTF-8\nsubscription:a2\nmessage-id:1-0\ncontent-length:11\n\n{\"sid\":\"1\"}\0");
    let ServerFrame::Message(message) = ServerFrame::try_from(frame).unwrap() else { panic!() };
    assert_eq!((message.subscription.as_str(), &message.body[..]), ("a2", &b"{\"sid\":\"1\"}"[..]));
    let frame = one(b"CONNECTED\nheart-beat:0,0\n\n\0");
    let ServerFrame::Connected(connected) = ServerFrame::try_from(frame).unwrap() else { panic!() };
    assert_eq!((connected.version, connected.heart_beat), (Version::V1_0, HeartBeat::NONE));
    let frame = one(b"ERROR\nmessage:Illegal escape sequence at index 8\\c /topic/a\\\\x\ncontent-length:0\n\n\0");
    let ServerFrame::Error(error) = ServerFrame::try_from(frame).unwrap() else { panic!() };
    assert_eq!(error.message, "Illegal escape sequence at index 8: /topic/a\\x");
}

#[test]
fn line_ends_may_be_crlf_and_stand_between_frames() {
    let decoded = decode(b"\n\r\nSEND\r\ndestination:/a\r\n\r\nbody\0\n\n\r\nBEGIN\ntransaction:t\n\n\0\n").unwrap();
    let commands: Vec<_> = decoded
        .iter()
        .map(|d| match d {
            Decoded::Frame(f) => Some(f.command),
            Decoded::HeartBeat => None,
        })
        .collect();
    assert_eq!(commands, [None, Some(Command::Send), None, Some(Command::Begin), None]);
}

#[test]
fn a_line_end_between_frames_may_be_cut_in_two() {
    dialtone_wire::fuzz::codec(b"\x02\n\r\nSEND\n\n\0");
    let mut decoder = Decoder::new(Limits::default());
    decoder.push("\n\r".into());
    assert_eq!(decoder.next_frame(), Ok(Some(Decoded::HeartBeat)));
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.push("\nBEGIN\n\n\0".into());
    assert_eq!(decoder.next_frame(), Ok(Some(Decoded::HeartBeat)));
    assert!(matches!(decoder.next_frame(), Ok(Some(Decoded::Frame(_)))));
}

#[test]
fn a_body_may_hold_nul_when_its_length_is_told() {
    let frame = one(b"SEND\ndestination:/a\ncontent-length:3\n\n\0a\0\0");
    assert_eq!(&frame.body[..], b"\0a\0");
}

#[test]
fn of_repeated_headers_the_first_counts() {
    let frame = one(b"SEND\ndestination:/a\ndestination:/b\n\n\0");
    assert_eq!(frame.headers.get("destination"), Some("/a"));
}

#[test]
fn the_body_of_a_whole_frame_is_not_copied() {
    let chunk = Bytes::from_static(b"SEND\ndestination:/a\n\nbody\0");
    let range = chunk.as_ptr_range();
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(chunk);
    let Ok(Some(Decoded::Frame(frame))) = decoder.next_frame() else { panic!() };
    assert!(range.contains(&frame.body.as_ptr()));
}

#[test]
fn escapes_follow_the_version() {
    let bytes = b"SUBSCRIBE\nid:a\\c\\n\\\\\ndestination:/x\n\n\0";
    assert_eq!(one(bytes).headers.get("id"), Some("a:\n\\"));
    let Ok(decoded) = decode_in(Version::V1_0, bytes) else { panic!() };
    let Decoded::Frame(frame) = &decoded[0] else { panic!() };
    assert_eq!(frame.headers.get("id"), Some("a\\c\\n\\\\"));
    assert!(matches!(decode_in(Version::V1_1, b"ACK\nid:\\r\n\n\0"), Err(DecodeErrorKind::Escape { .. })));
    assert_eq!(one(b"CONNECT\nlogin:a\\x\n\n\0").headers.get("login"), Some("a\\x"));
}

#[test]
fn damage_is_named() {
    let limit = Limits::default();
    let many: String = (0..=limit.headers).map(|i| format!("h{i}:v\n")).collect();
    let cases: Vec<(Vec<u8>, DecodeErrorKind)> = vec![
        (b"FOO\n\n\0".into(), DecodeErrorKind::UnknownCommand { found: "FOO".into() }),
        (b"send\n\n\0".into(), DecodeErrorKind::UnknownCommand { found: "send".into() }),
        (b"SEND\nnocolon\n\n\0".into(), DecodeErrorKind::Header { found: "nocolon".into() }),
        (b"SEND\n:x\n\n\0".into(), DecodeErrorKind::Header { found: ":x".into() }),
        (b"SEND\na:\\t\n\n\0".into(), DecodeErrorKind::Escape { found: "\\t".into() }),
        (b"SEND\na:b\\\n\n\0".into(), DecodeErrorKind::Escape { found: "b\\".into() }),
        (b"SEND\na:b\rc\n\n\0".into(), DecodeErrorKind::LoneCarriageReturn),
        (b"\rSEND\n\n\0".into(), DecodeErrorKind::LoneCarriageReturn),
        (b"SEND\na:\xff\n\n\0".into(), DecodeErrorKind::NotUtf8),
        (b"SEND\ncontent-length:x\n\n\0".into(), DecodeErrorKind::ContentLength { found: "x".into() }),
        (b"SEND\ncontent-length:-1\n\n\0".into(), DecodeErrorKind::ContentLength { found: "-1".into() }),
        (b"SEND\ncontent-length:1\n\nabc\0".into(), DecodeErrorKind::NotTerminated { expected: 1, found: b'b' }),
        (b"SUBSCRIBE\nid:1\n\nbody\0".into(), DecodeErrorKind::UnexpectedBody { command: "SUBSCRIBE", found: 4 }),
        (format!("SEND\n{many}\n\0").into(), DecodeErrorKind::TooManyHeaders { limit: 64 }),
        (format!("SEND\na:{}\n\n\0", "x".repeat(70_000)).into(), DecodeErrorKind::TooLarge { limit: 65_536 }),
        (format!("SEND\n\n{}", "x".repeat(70_000)).into(), DecodeErrorKind::TooLarge { limit: 65_536 }),
        (b"SEND\ncontent-length:65536\n\n".into(), DecodeErrorKind::TooLarge { limit: 65_536 }),
        (b"SEND\ncontent-length:18446744073709551615\n\n".into(), DecodeErrorKind::TooLarge { limit: 65_536 }),
    ];
    for (bytes, expected) in cases {
        assert_eq!(
            decode(&bytes).unwrap_err(),
            expected,
            "{:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(60)])
        );
    }
}

#[test]
fn a_damaged_frame_still_tells_its_receipt() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.push("SUBSCRIBE\nreceipt:77\nid:1\n\nbody\0".into());
    assert_eq!(decoder.next_frame().unwrap_err().receipt.as_deref(), Some("77"));
    let mut unknown = Decoder::new(Limits::default());
    unknown.push("FOO\na:b\nreceipt:9\n\n\0".into());
    assert_eq!(unknown.next_frame().unwrap_err().receipt.as_deref(), Some("9"));
    decoder.push("SEND\n\n\0".into());
    assert_eq!(decoder.next_frame(), Ok(None), "after an error nothing more comes");
}

#[test]
fn the_largest_frame_passes_and_one_byte_more_does_not() {
    let head = "SEND\n\n".len();
    let fits = format!("SEND\n\n{}\0", "x".repeat(65_536 - head - 1));
    assert_eq!(fits.len(), 65_536);
    assert_eq!(decode(fits.as_bytes()).unwrap().len(), 1);
    let too_large = format!("SEND\n\n{}\0", "x".repeat(65_536 - head));
    assert_eq!(decode(too_large.as_bytes()), Err(DecodeErrorKind::TooLarge { limit: 65_536 }));
}

#[test]
fn a_client_frame_is_typed() {
    let connect =
        ClientFrame::try_from(one(b"STOMP\naccept-version:1.1,1.2\nheart-beat:1,2\nresume:new\n\n\0")).unwrap();
    let ClientFrame::Connect(connect) = connect else { panic!() };
    assert_eq!(connect.version, Some(Version::V1_2));
    assert_eq!(connect.headers.get("resume"), Some("new"));
    assert!(ClientFrame::try_from(one(b"CONNECT\nheart-beat:often\n\n\0")).is_err());
    assert!(ClientFrame::try_from(one(b"MESSAGE\n\n\0")).is_err());
    assert!(ServerFrame::try_from(one(b"SEND\n\n\0")).is_err());
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let command = prop::sample::select(Command::ALL.to_vec());
    let headers = prop::collection::vec(("[a-z:\\\\\r\n-]{1,8}", "[ -~\r\n\\\\:é김]{0,16}"), 0..6);
    (command, headers, prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(command, headers, body)| {
        let clean = |text: &str| {
            if command.escapes(Version::V1_2) { text.to_owned() } else { text.replace(['\r', '\n', ':'], "_") }
        };
        let mut frame = Frame::new(command);
        for (name, value) in headers {
            frame.headers.push(&clean(&name), &clean(&value));
        }
        if command.may_have_body() { frame.body(body) } else { frame }
    })
}

proptest! {
    #[test]
    fn every_frame_reads_back_however_it_is_cut(frame in any_frame(), cuts in prop::collection::vec(1usize..40, 0..8)) {
        let bytes = frame.encode(Version::V1_2);
        let mut decoder = Decoder::new(Limits::default());
        let mut rest = &bytes[..];
        let mut read = Vec::new();
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            rest = after;
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(decoded) = decoder.next_frame().unwrap() {
                read.push(decoded);
            }
        }
        let [Decoded::Frame(same)] = &read[..] else { panic!("{read:?}") };
        prop_assert_eq!(same.command, frame.command);
        prop_assert_eq!(&same.body, &frame.body);
        let pairs: Vec<_> = frame.headers.iter().collect();
        prop_assert_eq!(&same.headers.iter().collect::<Vec<_>>()[..pairs.len()], &pairs[..]);
    }

    #[test]
    fn damaged_frames_never_panic(frame in any_frame(), flips in prop::collection::vec((any::<u16>(), any::<u8>()), 1..8), cut in any::<u8>()) {
        let mut bytes = frame.encode(Version::V1_2);
        for (at, value) in flips {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        bytes.insert(0, cut);
        dialtone_wire::fuzz::codec(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        dialtone_wire::fuzz::codec(&bytes);
    }
}
