use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use super::world::{TlsStream, World, frame, is_closed, talk, tls_client};
use crate::config::Config;
use crate::io::tls::tests::{Folder, Made};
use crate::io::tls::{Identity, Reloaded, TlsError};

#[test]
fn tls_client_talks_both_ways() {
    let (mut world, made, _folder, _) = world();
    let (client, socket) = world.connect(true);
    let mut stream = world.until_done(talk(tls_client(socket, &made.der, &[]), 0..300, 1200));
    for round in 1..10 {
        stream = world.until_done(talk(stream, round * 300..(round + 1) * 300, 1200));
    }
    assert_eq!(world.heard.len(), 3000);
    assert!(world.heard.iter().all(|(from, _)| *from == client));
    assert_eq!(alpn(&stream), None);
}

#[test]
fn tls_1_2_is_served_too() {
    let (mut world, made, _folder, _) = world();
    let (_, socket) = world.connect(true);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.der.clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = world.until_done(talk(rustls::StreamOwned::new(connection, socket), 0..300, 1200));
    assert_eq!(stream.conn.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
}

#[test]
fn client_that_asks_for_turn_by_name_finds_it_and_one_that_pretends_is_served() {
    let (mut world, made, _folder, _) = world();
    let wishes: [(&[&str], Option<&str>); 3] = [
        (&["stun.turn"], Some("stun.turn")),
        (&["h2", "stun.nat-discovery"], Some("stun.nat-discovery")),
        (&["h2"], None),
    ];
    for (asked, told) in wishes {
        let (_, socket) = world.connect(true);
        let stream = world.until_done(talk(tls_client(socket, &made.der, asked), 0..3, 100));
        assert_eq!(alpn(&stream), told, "asked for {asked:?}");
    }
}

#[test]
fn half_open_handshake_is_swept_and_the_brain_never_hears_of_it() {
    let config = Config::default();
    let (mut world, _made, _folder, _) = world();
    let (client, mut socket) = world.connect(true);
    // The head of a record that never comes.
    socket.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    for _ in 0..3 {
        world.turn();
    }
    assert!(!world.streams.push_answer(client, b"too early"));
    assert_eq!(world.streams.next_sweep(), Some(world.now + config.lifetimes.handshake));
    world.now += config.lifetimes.handshake - Duration::from_millis(1);
    assert!(world.sweep().is_empty());
    assert!(!world.streams.is_empty());
    world.now += Duration::from_millis(1);
    assert!(world.sweep().is_empty(), "nobody has to be told");
    assert!(world.streams.is_empty());
    assert!(is_closed(&mut socket));
}

#[test]
fn time_of_the_handshake_counts_as_time_without_an_allocation() {
    let config = Config::default();
    let (mut world, made, _folder, _) = world();
    let (client, socket) = world.connect(true);
    let begin = world.now;
    world.now += config.lifetimes.handshake / 2;
    let _stream = world.until_done(talk(tls_client(socket, &made.der, &[]), 0..1, 100));
    assert_eq!(world.streams.next_sweep(), Some(begin + config.lifetimes.idle_stream));
    world.now = begin + config.lifetimes.idle_stream;
    world.has_allocation = false;
    assert_eq!(world.sweep(), [client]);
}

#[test]
fn client_that_speaks_no_tls_is_closed_and_others_go_on() {
    let (mut world, made, _folder, _) = world();
    let (_, mut stranger) = world.connect(true);
    let (_, socket) = world.connect(true);
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    world.until(|world| !world.closed.is_empty());
    assert_eq!(world.closed, [(None, "a TLS handshake that failed")]);
    world.until_done(talk(tls_client(socket, &made.der, &[]), 0..10, 100));
    assert_eq!(world.closed.len(), 1);
}

#[test]
fn damaged_record_ends_its_connection_alone() {
    let (mut world, made, _folder, _) = world();
    let (client, socket) = world.connect(true);
    let (_, other) = world.connect(true);
    let mut stream = world.until_done(talk(tls_client(socket, &made.der, &[]), 0..1, 100));
    stream.sock.write_all(b"\x17\x03\x03\x00\x20abcdefghijklmnopqrstuvwxyz012345").unwrap();
    world.until(|world| !world.closed.is_empty());
    assert_eq!(world.closed, [(Some(client), "broken TLS")]);
    world.until_done(talk(tls_client(other, &made.der, &[]), 0..10, 100));
}

#[test]
fn both_sides_say_goodbye() {
    let (mut world, made, _folder, _) = world();
    let (client, socket) = world.connect(true);
    let mut stream = world.until_done(talk(tls_client(socket, &made.der, &[]), 0..1, 100));
    stream.write_all(&frame(9, 8)).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    world.until(|world| !world.closed.is_empty());
    assert_eq!(world.heard.last(), Some(&(client, frame(9, 8))));
    assert_eq!(world.closed, [(Some(client), "closed by the client")]);

    let (_, socket) = world.connect(true);
    let mut stream = world.until_done(talk(tls_client(socket, &made.der, &[]), 0..1, 100));
    world.streams.close_all();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "closed in good order");
}

#[test]
fn new_certificate_serves_new_connections_while_old_ones_go_on() {
    let (mut world, first, folder, identity) = world();
    let (_, socket) = world.connect(true);
    let old = world.until_done(talk(tls_client(socket, &first.der, &[]), 0..3, 100));

    let second = Made::new();
    folder.write(&second);
    assert_eq!(identity.reload().unwrap(), Reloaded::Changed);
    let (_, socket) = world.connect(true);
    let new = world.until_done(talk(tls_client(socket, &second.der, &[]), 0..3, 100));
    assert_eq!(new.conn.peer_certificates().unwrap(), [second.der]);
    let old = world.until_done(talk(old, 3..6, 100));
    assert_eq!(old.conn.peer_certificates().unwrap(), [first.der]);
}

#[test]
fn pair_that_does_not_match_is_refused_and_the_old_one_serves_on() {
    let (mut world, made, folder, identity) = world();
    std::fs::copy(&folder.files.cert, folder.files.cert.with_extension("old")).unwrap();
    folder.write(&Made::new());
    std::fs::rename(folder.files.cert.with_extension("old"), &folder.files.cert).unwrap();
    assert!(matches!(identity.reload(), Err(TlsError::Unusable { .. })));
    let (_, socket) = world.connect(true);
    world.until_done(talk(tls_client(socket, &made.der, &[]), 0..3, 100));
}

/// An echo behind TLS.
fn world() -> (World, Made, Folder, Arc<Identity>) {
    let (folder, made) = (Folder::new(), Made::new());
    folder.write(&made);
    let identity = Identity::load(&folder.files).unwrap();
    let mut world = World::new(&Config::default(), Some(Arc::clone(&identity)));
    world.echo = true;
    (world, made, folder, identity)
}

fn alpn(stream: &TlsStream) -> Option<&str> {
    stream.conn.alpn_protocol().map(|name| std::str::from_utf8(name).unwrap())
}
