//! What the codec costs: `cargo bench -p dialtone-wire`. A relayed message costs the sockets some 9 µs; this is beside it.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dialtone_wire::stomp::{ClientFrame, Command, Decoder, FrameWriter, Limits, Version};
use dialtone_wire::{SendDestination, signal};

fn send_frame(sdp: usize) -> Bytes {
    let body = format!(r#"{{"type":"OFFER","sid":"a","sdp":"{}"}}"#, "v=0\\r\\n".repeat(sdp / 7));
    let mut out = Vec::new();
    let mut writer = FrameWriter::new(&mut out, Command::Send, Version::V1_2);
    writer.header("destination", "/app/rooms/r1/signal");
    writer.header("content-type", "application/json");
    writer.finish_with_body(body.as_bytes());
    out.into()
}

fn codec(c: &mut Criterion) {
    for size in [300, 3000] {
        let bytes = send_frame(size);
        let mut group = c.benchmark_group(format!("SEND of {} bytes", bytes.len()));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("decode", |b| {
            let mut decoder = Decoder::new(Limits::default());
            b.iter(|| {
                decoder.push(bytes.clone());
                black_box(decoder.next_frame().expect("valid"))
            });
        });
        group.bench_function("decode, type, judge", |b| {
            let mut decoder = Decoder::new(Limits::default());
            b.iter(|| {
                decoder.push(bytes.clone());
                let Ok(Some(dialtone_wire::stomp::Decoded::Frame(frame))) = decoder.next_frame() else {
                    unreachable!("the frame is whole")
                };
                let Ok(ClientFrame::Send(send)) = ClientFrame::try_from(frame) else { unreachable!("it is a SEND") };
                let destination = SendDestination::parse(send.destination()).expect("valid");
                black_box((signal::judge(&send.body).expect("valid").kind, destination));
            });
        });
        group.bench_function("write MESSAGE", |b| {
            let body = vec![b'x'; size];
            let mut out = Vec::with_capacity(size + 300);
            b.iter(|| {
                out.clear();
                let mut writer = FrameWriter::new(&mut out, Command::Message, Version::V1_2);
                writer.header("destination", "/topic/rooms/r1/signal");
                writer.header("content-type", "application/json");
                writer.header("subscription", "sub-1");
                writer.number("message-id", 123_456);
                writer.finish_with_body(&body);
                black_box(out.len())
            });
        });
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
