//! Discovery over real sockets on loopback, where a server has four places and tells of a NAT that is not there.

use std::net::Ipv4Addr;

use super::*;
use crate::nat::wire::tests::{asked, success};
use crate::nat::{Filtering, Mapping, Udp};

const LIMIT: Duration = Duration::from_secs(20);

/// How a server sees and treats its clients.
#[derive(Clone, Copy)]
struct Script {
    /// The public port of a client, by its port and the number of the place it came to.
    port: fn(u16, usize) -> u16,
    /// Whether answers from the other port and from the other address get through to the client.
    lets_in: (bool, bool),
}

/// Places 0 and 1 are two ports of 127.0.0.1, 2 and 3 the same ports of 127.0.0.2: one bit for the port, one for the
/// address.
struct Server {
    first: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(script: Script) -> Self {
        let places = four_places().await;
        let mut tasks = JoinSet::new();
        for number in 0..places.len() {
            tasks.spawn(serve(places.clone(), number, script));
        }
        Self { first: places[0].local_addr().unwrap(), _tasks: tasks }
    }

    async fn probed(&self) -> NatReport {
        let server = self.first.to_string().parse().unwrap();
        probe(&[server], LIMIT).await.unwrap()
    }
}

async fn serve(places: Vec<Arc<UdpSocket>>, number: usize, script: Script) {
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        let (length, from) = places[number].recv_from(&mut buffer).await.unwrap();
        let (id, extra) = asked(&buffer[..length]);
        let (answers, lets_in) = match extra {
            None => (number, true),
            Some((3, flags)) if flags[3] == 2 => (number ^ 1, script.lets_in.0),
            Some(_) => (number ^ 3, script.lets_in.1),
        };
        let mapped = SocketAddr::from(([127, 0, 0, 77], (script.port)(from.port(), number)));
        let other = places[number ^ 3].local_addr().unwrap();
        if lets_in {
            places[answers].send_to(&success(id, mapped, Some(other)), from).await.unwrap();
        }
    }
}

/// Two ports that are free at both addresses.
async fn four_places() -> Vec<Arc<UdpSocket>> {
    for _ in 0..64 {
        let first = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let second = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = |socket: &UdpSocket| SocketAddr::from(([127, 0, 0, 2], socket.local_addr().unwrap().port()));
        let (third, fourth) = (UdpSocket::bind(other(&first)).await, UdpSocket::bind(other(&second)).await);
        if let (Ok(third), Ok(fourth)) = (third, fourth) {
            return [first, second, third, fourth].into_iter().map(Arc::new).collect();
        }
    }
    panic!("no two ports are free at 127.0.0.1 and 127.0.0.2");
}

#[tokio::test]
async fn a_symmetric_nat_is_found_over_real_sockets() {
    let server = Server::start(Script { port: |_, place| 20_000 + place as u16, lets_in: (false, false) }).await;
    let report = server.probed().await;
    assert_eq!((report.family, report.udp), (Family::Ipv4, Udp::Ok));
    assert_eq!(report.mapping, Mapping::AddressAndPortDependent);
    assert_eq!(report.filtering, Filtering::AddressAndPortDependent);
    assert_eq!((report.port_preserved, report.hairpin), (Some(false), Some(false)));
    assert_eq!(report.public.len(), 4);
    assert_eq!(report.local[0].ip(), Ipv4Addr::LOCALHOST);
    assert_eq!(report.notes, [] as [&str; 0]);
}

#[tokio::test]
async fn an_address_restricted_nat_that_keeps_the_port_is_found_over_real_sockets() {
    let server = Server::start(Script { port: |port, _| port, lets_in: (true, false) }).await;
    let report = server.probed().await;
    assert_eq!((report.mapping, report.filtering), (Mapping::EndpointIndependent, Filtering::AddressDependent));
    assert_eq!((report.port_preserved, report.hairpin), (Some(true), Some(false)));
    assert_eq!(report.public, [SocketAddr::from(([127, 0, 0, 77], report.local[0].port()))]);
}

#[tokio::test]
async fn a_mapping_for_each_address_is_found_over_real_sockets() {
    let server = Server::start(Script { port: |_, place| 20_000 + (place as u16 >> 1), lets_in: (false, false) }).await;
    let report = server.probed().await;
    assert_eq!((report.mapping, report.port_preserved), (Mapping::AddressDependent, Some(false)));
}

#[cfg(feature = "embedded")]
#[tokio::test]
async fn a_relay_of_ours_tells_that_there_is_no_nat_here() {
    let mut config = dialtone_turn::Config {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        discovery: Some(SocketAddr::from(([127, 0, 0, 2], 0))),
        ..dialtone_turn::Config::default()
    };
    config.credentials.users.insert("bob".to_owned(), "hunter2".to_owned());
    let relay = dialtone_turn::Relay::spawn(config).await.unwrap();
    let report = probe(&[relay.udp_addrs()[0].to_string().parse().unwrap()], LIMIT).await.unwrap();
    assert_eq!((report.mapping, report.filtering), (Mapping::None, Filtering::EndpointIndependent));
    assert_eq!((report.port_preserved, report.hairpin), (Some(true), None));
    assert_eq!(report.public, report.local);
    assert_eq!(report.notes, [] as [&str; 0]);
    relay.shutdown().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_udp_blocked() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server: StunServer = silent.local_addr().unwrap().to_string().parse().unwrap();
    let report = probe(&[server], Duration::from_millis(300)).await.unwrap();
    assert_eq!((report.udp, report.mapping), (Udp::Blocked, Mapping::Unknown));
    assert!(report.notes[0].starts_with("Nothing came back over UDP from 127.0.0.1:"), "{:?}", report.notes);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_error_that_names_it() {
    let error = probe(&["no-such-host.invalid".parse().unwrap()], LIMIT).await.unwrap_err().to_string();
    assert!(
        error.starts_with("the STUN server no-such-host.invalid:3478 has a name that cannot be resolved"),
        "{error}"
    );
}

#[test]
fn a_server_is_named_by_host_and_port() {
    for (given, shown) in [
        ("stun.example.org", "stun.example.org:3478"),
        (" stun.example.org:19302 ", "stun.example.org:19302"),
        ("STUN:stun.example.org", "stun.example.org:3478"),
        ("203.0.113.10:99", "203.0.113.10:99"),
        ("2001:db8::10", "[2001:db8::10]:3478"),
        ("[2001:db8::10]:99", "[2001:db8::10]:99"),
    ] {
        assert_eq!(given.parse::<StunServer>().unwrap().to_string(), shown);
    }
    for bad in ["", "a b", "host:0", "host:x", "[::1", "turn:host", "host?transport=tcp"] {
        let error = bad.parse::<StunServer>().unwrap_err();
        assert!(error.to_string().contains("write something like"), "{bad}");
    }
}
