use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use socket2::SockRef;

use super::world::{LIMIT, World, expect_frames, frame, is_closed, talk, tls_client};
use crate::config::{Config, Limits};
use crate::io::tls::Identity;
use crate::io::tls::tests::{Folder, Made};
use crate::relay::ClientAddr;

/// Payload bytes of the frames that a slow reader is sent.
const LARGE: u16 = 60_000;
/// Payload bytes of the frames that stand for answers.
const ANSWER: u16 = 1000;

#[test]
fn slow_reader_loses_whole_frames_and_never_half_of_one() {
    let mut world = World::new(&Config::default(), None);
    let (client, mut socket) = world.connect(false);
    let sent = fill(&mut world, client);
    let answers = fill_with_answers(&mut world, client);
    let reader = std::thread::spawn(move || {
        expect_frames(&mut socket, 0..sent, LARGE);
        expect_frames(&mut socket, 0..answers, ANSWER);
        socket
    });
    let socket = world.until_done(reader);

    world.echo = true;
    world.until_done(talk(socket, 0..10, 100));
    assert!(world.closed.is_empty(), "it reads again, and all is well");
}

#[test]
fn slow_reader_of_tls_loses_whole_frames_and_never_half_of_one() {
    let (folder, made) = (Folder::new(), Made::new());
    folder.write(&made);
    let mut world = World::new(&Config::default(), Some(Identity::load(&folder.files).unwrap()));
    world.echo = true;
    let (client, socket) = world.connect(true);
    let mut stream = world.until_done(talk(tls_client(socket, &made.der, &[]), 0..1, 100));

    let sent = fill(&mut world, client);
    let answers = fill_with_answers(&mut world, client);
    let reader = std::thread::spawn(move || {
        expect_frames(&mut stream, 0..sent, LARGE);
        expect_frames(&mut stream, 0..answers, ANSWER);
        stream
    });
    let stream = world.until_done(reader);
    world.until_done(talk(stream, 0..10, 100));
    assert!(world.closed.is_empty());
}

#[test]
fn slow_reader_costs_the_others_nothing() {
    let mut world = World::new(&Config::default(), None);
    let (slow, _slow_socket) = world.connect(false);
    fill(&mut world, slow);
    world.echo = true;
    let (_, socket) = world.connect(false);
    world.until_done(talk(socket, 0..100, 1000));
    assert!(world.closed.is_empty());
}

#[test]
fn client_that_reads_nothing_is_closed_after_the_write_limit() {
    let config = Config::default();
    let mut world = World::new(&config, None);
    let (client, _socket) = world.connect(false);
    fill(&mut world, client);
    let limit = config.lifetimes.stream_write;
    assert_eq!(world.streams.next_sweep(), Some(world.now + limit));
    world.now += limit - Duration::from_millis(1);
    assert!(world.sweep().is_empty());
    world.now += Duration::from_millis(1);
    assert_eq!(world.sweep(), [client]);
    assert!(world.streams.is_empty());
}

#[test]
fn client_that_reads_slowly_is_given_more_time() {
    let config = Config::default();
    let mut world = World::new(&config, None);
    let (client, socket) = world.connect(false);
    let sent = fill(&mut world, client);
    let first = world.streams.next_sweep().unwrap();
    world.now += config.lifetimes.stream_write / 2;
    let (enough, wait) = mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        let mut socket = socket;
        expect_frames(&mut socket, 0..sent * 3 / 4, LARGE);
        // It stays, and reads no more.
        let _ = wait.recv_timeout(LIMIT * 3);
    });
    world.until(|world| world.streams.next_sweep() != Some(first));
    assert!(world.streams.next_sweep() >= Some(world.now + config.lifetimes.stream_write));
    drop(enough);
    world.until_done(reader);
}

#[test]
fn connection_that_breaks_while_it_is_written_to_is_swept_at_once() {
    let mut world = World::new(&Config::default(), None);
    let (client, socket) = world.connect(false);
    // Gone without a word of goodbye: the next write fails.
    SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
    assert!(world.streams.push_data(client, &[&frame(0, 100)]));
    world.streams.flush(world.now);
    assert_eq!(world.streams.next_sweep(), Some(world.now));
    assert_eq!(world.sweep(), [client]);
    assert!(world.streams.is_empty());
    world.turn();
    assert!(world.closed.is_empty(), "nobody is told twice");
}

#[test]
fn stranger_without_an_allocation_is_closed_whatever_it_sends() {
    let config = Config::default();
    let mut world = World::new(&config, None);
    world.has_allocation = false;
    world.echo = true;
    let (client, socket) = world.connect(false);
    let begin = world.now;
    assert_eq!(world.streams.next_sweep(), Some(begin + config.lifetimes.idle_stream));
    world.now += config.lifetimes.idle_stream / 2;
    let mut socket = world.until_done(talk(socket, 0..10, 100));
    assert_eq!(world.streams.next_sweep(), Some(begin + config.lifetimes.idle_stream));
    world.now = begin + config.lifetimes.idle_stream;
    assert_eq!(world.sweep(), [client]);
    assert!(is_closed(&mut socket));
}

#[test]
fn client_with_an_allocation_outlives_the_limit_until_it_has_none() {
    let config = Config::default();
    let mut world = World::new(&config, None);
    let (client, _socket) = world.connect(false);
    for _ in 0..3 {
        world.now = world.streams.next_sweep().unwrap();
        assert!(world.sweep().is_empty());
    }
    assert_eq!(world.streams.next_sweep(), Some(world.now + config.lifetimes.idle_stream));
    world.has_allocation = false;
    assert!(world.sweep().is_empty(), "it has until then to get another");
    world.now += config.lifetimes.idle_stream;
    assert_eq!(world.sweep(), [client]);
}

#[test]
fn long_frame_is_for_those_with_an_allocation() {
    let mut world = World::new(&Config::default(), None);
    let (_, mut trusted) = world.connect(false);
    trusted.write_all(&frame(0, 4000)).unwrap();
    world.until(|world| world.heard.len() == 1);
    world.has_allocation = false;
    let (client, mut stranger) = world.connect(false);
    stranger.write_all(&frame(0, 4000)[..4]).unwrap();
    world.until(|world| !world.closed.is_empty());
    assert_eq!(world.closed, [(Some(client), "a long frame without an allocation")]);
    assert!(is_closed(&mut stranger));
}

#[test]
fn places_are_given_back_when_connections_end() {
    let limits = Limits { max_streams_per_ip: 2, ..Limits::default() };
    let mut world = World::new(&Config { limits, ..Config::default() }, None);
    for _ in 0..5 {
        let sockets: Vec<TcpStream> = (0..2).map(|_| world.connect(false).1).collect();
        drop(sockets);
        world.until(|world| world.streams.is_empty());
    }
    assert_eq!(world.totals().streams, 10);
}

/// Sends numbered data that nobody reads until some is dropped; returns how much was not.
fn fill(world: &mut World, client: ClientAddr) -> u32 {
    let mut sent = 0;
    while world.streams.push_data(client, &[&frame(sent, LARGE)]) {
        world.streams.flush(world.now);
        sent += 1;
        assert!(sent < 100_000, "it takes everything");
    }
    sent
}

/// The same with answers, which find room all the same, but not without end.
fn fill_with_answers(world: &mut World, client: ClientAddr) -> u32 {
    let mut sent = 0;
    while world.streams.push_answer(client, &frame(sent, ANSWER)) {
        world.streams.flush(world.now);
        sent += 1;
    }
    assert!((16..=76).contains(&sent), "{sent} answers");
    sent
}
