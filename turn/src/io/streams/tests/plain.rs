use std::io::Write;
use std::net::{Shutdown, TcpStream};

use super::world::{World, expect_frames, frame, is_closed, talk};
use crate::config::Config;

#[test]
fn frame_in_two_pieces_comes_whole() {
    let mut world = World::new(&Config::default(), None);
    let (client, mut socket) = world.connect(false);
    let (one, two) = (frame(1, 200), frame(2, 8));
    socket.write_all(&one[..77]).unwrap();
    world.turn();
    socket.write_all(&[&one[77..], &two[..5]].concat()).unwrap();
    world.until(|world| !world.heard.is_empty());
    assert_eq!(world.heard, [(client, one.clone())]);
    socket.write_all(&two[5..]).unwrap();
    world.until(|world| world.heard.len() == 2);
    assert_eq!(world.heard, [(client, one), (client, two)]);
    assert!(world.closed.is_empty());
}

#[test]
fn megabytes_in_one_go_come_back_in_order() {
    let mut world = World::new(&Config::default(), None);
    world.echo = true;
    let (_, socket) = world.connect(false);
    // So little at a time that the echo always finds room, so much in all that the pieces fall anywhere.
    let mut socket = Some(socket);
    for round in 0..20 {
        let client = talk(socket.take().unwrap(), round * 300..(round + 1) * 300, 1200);
        socket = Some(world.until_done(client));
    }
    assert_eq!(world.heard.len(), 6000);
    assert_eq!(world.totals().live_streams, 1);
}

#[test]
fn client_that_sends_without_end_is_read_in_turns() {
    let mut world = World::new(&Config::default(), None);
    let (_, mut socket) = world.connect(false);
    let sender = std::thread::spawn(move || {
        for number in 0..3000 {
            socket.write_all(&frame(number, 2000)).unwrap();
        }
        socket
    });
    // The world checks the size of every turn.
    world.until(|world| world.heard.len() == 3000);
    let numbers_fit = world.heard.iter().zip(0..).all(|((_, heard), number)| *heard == frame(number, 2000));
    assert!(numbers_fit);
    world.until_done(sender);
}

#[test]
fn last_frame_of_a_client_that_goes_is_heard() {
    let mut world = World::new(&Config::default(), None);
    let (client, mut socket) = world.connect(false);
    socket.write_all(&frame(7, 40)).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    world.until(|world| !world.closed.is_empty());
    assert_eq!(world.heard, [(client, frame(7, 40))]);
    assert_eq!(world.closed, [(Some(client), "closed by the client")]);
    assert!(world.streams.is_empty());
    assert!(!world.streams.push_answer(client, b"nobody hears this"));
    assert_eq!((world.totals().streams, world.totals().live_streams), (1, 0));
}

#[test]
fn client_that_speaks_something_else_is_closed_and_others_go_on() {
    let mut world = World::new(&Config::default(), None);
    world.echo = true;
    let (stranger, mut loud) = world.connect(false);
    let (_, quiet) = world.connect(false);
    loud.write_all(b"\x16\x03\x01\x02").unwrap();
    world.until(|world| !world.closed.is_empty());
    assert_eq!(world.closed, [(Some(stranger), "no STUN and no channel data")]);
    assert!(is_closed(&mut loud));
    world.until_done(talk(quiet, 0..10, 100));
}

#[test]
fn answers_and_data_of_one_turn_arrive_in_order() {
    let mut world = World::new(&Config::default(), None);
    let (client, mut socket) = world.connect(false);
    let (head, payload) = (frame(1, 100)[..4].to_vec(), frame(1, 100)[4..].to_vec());
    assert!(world.streams.push_answer(client, &frame(0, 100)));
    assert!(world.streams.push_data(client, &[&head, &payload]));
    assert!(world.streams.push_answer(client, &frame(2, 100)));
    world.streams.flush(world.now);
    expect_frames(&mut socket, 0..3, 100);
}

#[test]
fn new_connection_from_the_same_address_takes_the_place_of_the_old_one() {
    let mut world = World::new(&Config::default(), None);
    let (client, mut old) = world.connect(false);
    let (mut new, mut accepted) = world.accept(false);
    accepted.remote = client.remote;
    assert_eq!(world.add(accepted), Some(client), "the brain hears that the old one is gone");
    assert!(is_closed(&mut old));

    // Whatever the poll still has to say about the old one, nobody is told that the new one is closed.
    for _ in 0..3 {
        world.turn();
    }
    assert!(world.closed.is_empty());
    assert!(world.streams.push_answer(client, &frame(1, 8)));
    world.streams.flush(world.now);
    expect_frames(&mut new, [1], 8);
    assert_eq!((world.totals().streams, world.totals().live_streams), (2, 1));
    drop(new);
    world.until(|world| world.closed.len() == 1);
    assert_eq!(world.closed[0].0, Some(client));
    assert!(world.streams.is_empty());
}

#[test]
fn all_are_closed_at_the_end() {
    let mut world = World::new(&Config::default(), None);
    let mut sockets: Vec<TcpStream> = (0..3).map(|_| world.connect(false).1).collect();
    world.streams.close_all();
    assert!(sockets.iter_mut().all(is_closed));
    assert!(world.streams.is_empty());
    assert_eq!(world.streams.next_sweep(), None);
    assert_eq!(world.totals().live_streams, 0);
}
