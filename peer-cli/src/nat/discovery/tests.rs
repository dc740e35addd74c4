//! The discovery against networks made of a few lines: a NAT, its filter, and a server with four places.

use std::collections::BTreeSet;

use super::*;
use crate::nat::wire::tests::{asked, refusal, success};
use crate::nat::{Filtering, Mapping, Udp};

const PUBLIC: &str = "198.51.100.1";
const LIMIT: Duration = Duration::from_secs(5);

/// Which public port a socket gets; the address is always the same.
#[derive(Clone, Copy, Debug)]
enum Ports {
    /// Its own.
    Kept,
    /// Another one.
    Moved,
    /// One for each address it sends to.
    ByAddress,
    /// One for each address and port it sends to.
    ByPlace,
}

#[derive(Clone, Copy, Debug)]
struct Network {
    /// Where the sockets are: behind a NAT, or not.
    local: &'static str,
    ports: Ports,
    filter: Filtering,
    hairpin: bool,
}

const HOME: Network =
    Network { local: "192.168.1.2", ports: Ports::Kept, filter: Filtering::AddressAndPortDependent, hairpin: false };

struct World {
    discovery: Discovery,
    network: Network,
    start: Instant,
    now: Instant,
    /// What passed the NAT: the public address and where to.
    passed: BTreeSet<(SocketAddr, SocketAddr)>,
    /// Every datagram that was sent.
    sent: Vec<Transmit>,
    /// Whether the server has a second address.
    complete: bool,
    /// Whether the server takes wishes for another source.
    obliging: bool,
    /// Whether the first transmission of everything is lost.
    lossy: bool,
}

impl World {
    fn new(network: Network) -> Self {
        Self::asking(network, &["203.0.113.10:3478"], LIMIT)
    }

    fn asking(network: Network, servers: &[&str], limit: Duration) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let mut next = 0;
        let ids = move || {
            next += 1;
            [next; 12]
        };
        let servers: Vec<_> = servers.iter().map(|server| address(server)).collect();
        let discovery = Discovery::start(now, local(network, Leg::Mapping), &servers, now + limit, Box::new(ids));
        Self {
            discovery,
            network,
            start: now,
            now,
            passed: BTreeSet::new(),
            sent: Vec::new(),
            complete: true,
            obliging: true,
            lossy: false,
        }
    }

    /// Lets everything happen, and tells how long it took.
    fn run(&mut self) -> (NatReport, Duration) {
        loop {
            while let Some(transmit) = self.discovery.poll_transmit() {
                let again = self.sent.contains(&transmit);
                self.sent.push(transmit.clone());
                if again || !self.lossy {
                    self.carry(&transmit);
                }
            }
            if let Some(report) = self.discovery.report() {
                assert_eq!(self.discovery.poll_timeout(), None);
                return (report.clone(), self.now - self.start);
            }
            self.now = self.discovery.poll_timeout().expect("something is waited for");
            self.discovery.handle_timeout(self.now);
        }
    }

    fn carry(&mut self, transmit: &Transmit) {
        let Transmit { leg, to, ref bytes } = *transmit;
        let mapped = self.mapped(leg, to);
        self.passed.insert((mapped, to));
        let servers = [address("203.0.113.10:3478"), address("203.0.113.11:3479"), address("203.0.113.77:19302")];
        let places = [address("203.0.113.10:3479"), address("203.0.113.11:3478")];
        if servers.contains(&to) || places.contains(&to) && self.complete {
            let (from, answer) = self.served(to, mapped, bytes);
            if self.lets_in(from, mapped) {
                self.discovery.received(self.now, leg, from, &answer);
            }
        } else if to.ip() == mapped.ip() && self.network.hairpin {
            let behind = Leg::ALL.into_iter().find(|leg| self.mapped(*leg, address("203.0.113.10:3478")) == to);
            if let Some(behind) = behind.filter(|_| self.lets_in(mapped, to)) {
                self.discovery.received(self.now, behind, mapped, bytes);
            }
        }
    }

    fn served(&self, to: SocketAddr, mapped: SocketAddr, request: &[u8]) -> (SocketAddr, Vec<u8>) {
        let (id, extra) = asked(request);
        let opposite = |at: SocketAddr| {
            let ip = if at.ip() == address("203.0.113.10:1").ip() { "203.0.113.11" } else { "203.0.113.10" };
            address(&format!("{ip}:{}", if at.port() == 3478 { 3479 } else { 3478 }))
        };
        let other = opposite(to);
        let from = match extra {
            None => to,
            Some((3, _)) if !self.obliging => return (to, refusal(id, 420)),
            Some((3, flags)) if flags == [0, 0, 0, 2] => SocketAddr::new(to.ip(), other.port()),
            Some((3, flags)) if flags == [0, 0, 0, 6] => other,
            Some(extra) => panic!("asked for {extra:?}"),
        };
        (from, success(id, mapped, self.complete.then_some(other)))
    }

    fn mapped(&self, leg: Leg, to: SocketAddr) -> SocketAddr {
        let local = local(self.network, leg);
        let number = local.port() - 5000;
        let SocketAddr::V4(v4) = to else { panic!("IPv4 throughout") };
        let octet = u16::from(v4.ip().octets()[3]);
        let port = match self.network.ports {
            Ports::Kept => local.port(),
            Ports::Moved => 30_000 + number,
            Ports::ByAddress => 30_000 + number * 256 + octet,
            Ports::ByPlace => 30_000 + number * 2560 + octet * 10 + to.port() % 10,
        };
        SocketAddr::new(address("198.51.100.1:1").ip(), port)
    }

    fn lets_in(&self, from: SocketAddr, mapped: SocketAddr) -> bool {
        let mut sent_to = self.passed.iter().filter(|(public, _)| *public == mapped).map(|(_, to)| *to);
        match self.network.filter {
            Filtering::EndpointIndependent => sent_to.next().is_some(),
            Filtering::AddressDependent => sent_to.any(|to| to.ip() == from.ip()),
            Filtering::AddressAndPortDependent => sent_to.any(|to| to == from),
            Filtering::Unknown => false,
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn local(network: Network, leg: Leg) -> SocketAddr {
    let number = Leg::ALL.iter().position(|one| *one == leg).unwrap();
    address(&format!("{}:{}", network.local, 5000 + number))
}

/// Name, network, and what is to be found: mapping, filter, port kept, hairpin.
type Row = (&'static str, Network, Mapping, Filtering, bool, Option<bool>);

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    use Filtering::{AddressAndPortDependent as Apd, AddressDependent as Ad, EndpointIndependent as Ei};
    let public = Network { local: PUBLIC, ..HOME };
    let by = |ports| Network { ports, ..HOME };
    vec![
        ("public", Network { filter: Ei, ..public }, Mapping::None, Ei, true, None),
        ("public behind a firewall", public, Mapping::None, Apd, true, None),
        ("full cone", Network { filter: Ei, ..HOME }, Mapping::EndpointIndependent, Ei, true, Some(false)),
        ("full cone with hairpin", Network { filter: Ei, hairpin: true, ..HOME }, Mapping::EndpointIndependent, Ei, true, Some(true)),
        ("address-restricted", Network { filter: Ad, ..HOME }, Mapping::EndpointIndependent, Ad, true, Some(false)),
        ("port-restricted, and CGNAT before a full cone", HOME, Mapping::EndpointIndependent, Apd, true, Some(false)),
        ("port-restricted with hairpin", Network { hairpin: true, ..HOME }, Mapping::EndpointIndependent, Apd, true, Some(true)),
        ("symmetric, and CGNAT with it", by(Ports::ByPlace), Mapping::AddressAndPortDependent, Apd, false, Some(false)),
        ("no port preservation", by(Ports::Moved), Mapping::EndpointIndependent, Apd, false, Some(false)),
        ("address-dependent mapping", by(Ports::ByAddress), Mapping::AddressDependent, Apd, false, Some(false)),
    ]
}

#[test]
fn every_kind_of_network_is_told_from_the_others() {
    for lossy in [false, true] {
        for (name, network, mapping, filtering, kept, hairpin) in rows() {
            let mut world = World { lossy, ..World::new(network) };
            let (report, took) = world.run();
            assert_eq!(report.udp, Udp::Ok, "{name}");
            assert_eq!((report.mapping, report.filtering), (mapping, filtering), "{name}");
            assert_eq!((report.port_preserved, report.hairpin), (Some(kept), hairpin), "{name}");
            assert_eq!(report.notes, [] as [&str; 0], "{name}");
            assert_eq!(report.local, [local(network, Leg::Mapping)], "{name}");
            assert!(took < LIMIT, "{name}: {took:?}");
        }
    }
}

#[test]
fn the_public_addresses_are_told_each_once() {
    let (report, _) = World::new(HOME).run();
    assert_eq!(report.public, [address("198.51.100.1:5000")]);
    let (report, _) = World::new(Network { ports: Ports::ByAddress, ..HOME }).run();
    assert_eq!(report.public, [address("198.51.100.1:30010"), address("198.51.100.1:30011")]);
}

#[test]
fn the_filter_is_never_asked_from_a_socket_that_has_opened_it() {
    let mut world = World::new(HOME);
    world.run();
    let server = address("203.0.113.10:3478");
    for leg in [Leg::FilterBoth, Leg::FilterPort] {
        let mut sent = world.sent.iter().filter(|transmit| transmit.leg == leg).peekable();
        assert!(sent.peek().is_some());
        assert!(sent.all(|transmit| transmit.to == server), "{leg:?}");
    }
    let places: BTreeSet<_> = world.sent.iter().filter(|sent| sent.leg == Leg::Mapping).map(|sent| sent.to).collect();
    assert_eq!(places.len(), 4);
}

#[test]
fn without_a_nat_no_packet_is_expected_to_turn_round() {
    let mut world = World::new(Network { local: PUBLIC, filter: Filtering::EndpointIndependent, ..HOME });
    let (_, took) = world.run();
    assert_eq!(took, Duration::ZERO, "every answer came, nothing was waited for");
    assert!(world.sent.iter().all(|sent| sent.leg != Leg::HairpinLeft && sent.leg != Leg::HairpinRight));
}

#[test]
fn nothing_at_all_is_blocked_before_the_limit() {
    let mut world = World::new(HOME);
    world.network.filter = Filtering::Unknown;
    let (report, took) = world.run();
    assert_eq!((report.udp, report.mapping, report.hairpin), (Udp::Blocked, Mapping::Unknown, None));
    assert_eq!(report.notes, ["Nothing came back over UDP from 203.0.113.10:3478."]);
    assert_eq!(world.sent.len(), WAITS.len());
    assert_eq!(took, Duration::from_millis(2750));
}

#[test]
fn a_server_with_one_address_leaves_the_kind_of_nat_unknown_with_the_reason() {
    let mut world = World { complete: false, ..World::new(HOME) };
    let (report, _) = world.run();
    assert_eq!((report.mapping, report.filtering), (Mapping::Unknown, Filtering::Unknown));
    assert_eq!((report.port_preserved, report.hairpin), (Some(true), Some(false)));
    assert_eq!(report.notes.len(), 2);
    assert!(report.notes.iter().all(|note| note.contains("OTHER-ADDRESS")), "{:?}", report.notes);
}

#[test]
fn two_servers_with_one_address_each_tell_the_mapping() {
    for (ports, mapping) in
        [(Ports::Moved, Mapping::EndpointIndependent), (Ports::ByAddress, Mapping::AddressAndPortDependent)]
    {
        let network = Network { ports, ..HOME };
        let mut world = World::asking(network, &["203.0.113.10:3478", "203.0.113.77:19302"], LIMIT);
        world.complete = false;
        let (report, _) = world.run();
        assert_eq!((report.mapping, report.filtering), (mapping, Filtering::Unknown), "{ports:?}");
    }
}

#[test]
fn a_server_that_is_silent_does_not_hold_up_one_that_can_do_everything() {
    let mut world = World::asking(HOME, &["203.0.113.99:3478", "203.0.113.10:3478"], LIMIT);
    let (report, took) = world.run();
    assert_eq!((report.mapping, report.hairpin), (Mapping::EndpointIndependent, Some(false)));
    assert_eq!(took, Duration::from_millis(2750));
}

#[test]
fn a_server_that_changes_nothing_leaves_the_filter_unknown() {
    let mut world = World { obliging: false, ..World::new(HOME) };
    let (report, _) = world.run();
    assert_eq!((report.mapping, report.filtering), (Mapping::EndpointIndependent, Filtering::Unknown));
    assert_eq!(report.notes, ["Filtering: the server refuses to answer from another address (420)."]);
}

#[test]
fn a_limit_too_short_to_miss_an_answer_leaves_unknown_what_silence_would_have_told() {
    let mut world = World::asking(HOME, &["203.0.113.10:3478"], Duration::from_millis(400));
    let (report, took) = world.run();
    assert_eq!(took, Duration::from_millis(400));
    assert_eq!((report.mapping, report.filtering), (Mapping::EndpointIndependent, Filtering::Unknown));
    assert_eq!(report.hairpin, None);
}
