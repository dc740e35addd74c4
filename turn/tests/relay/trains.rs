//! Many datagrams at once, as one system call hands them over: none is lost, changed, cut or overtaken by its own kind.

use std::net::SocketAddr;

use dialtone_turn::Relay;
use tokio::net::UdpSocket;

use crate::client::{Client, LOCALHOST, config, receive};

/// Lengths whose runs end in every way a train can: equal ones, a shorter last one, a longer one, an empty one.
const LENGTHS: [usize; 16] = [200, 200, 200, 150, 200, 200, 300, 300, 0, 300, 1, 1, 1, 1200, 1200, 700];

#[tokio::test]
async fn bursts_of_several_flows_arrive_whole_and_in_order() {
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let mut flows = Vec::new();
    for _ in 0..4 {
        flows.push(Flow::new(&relay).await);
    }
    for round in 0..20_u8 {
        // Everything is sent before anything is read, so that the relay finds it together.
        for (index, length) in LENGTHS.into_iter().enumerate() {
            for flow in &mut flows {
                let payload = payload(round, index, length);
                flow.client.send(&framed(&payload)).await;
                flow.peer.send_to(&payload, flow.relayed).await.expect("peer sends");
            }
        }
        for flow in &mut flows {
            for (index, length) in LENGTHS.into_iter().enumerate() {
                let expected = payload(round, index, length);
                assert_eq!(receive(&flow.peer).await, (expected.clone(), flow.relayed), "up {round} {index}");
                assert_eq!(flow.client.receive().await, framed(&expected), "down {round} {index}");
            }
        }
    }
    assert_eq!(relay.totals().dropped_packets, 0);
    relay.shutdown().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn train_of_a_sender_comes_out_as_the_same_datagrams() {
    use nix::sys::socket::{setsockopt, sockopt};

    const SEGMENT: usize = 1000;
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let mut flow = Flow::new(&relay).await;
    // Down: the peer hands over one train, which the relay receives as one.
    setsockopt(&flow.peer, sockopt::UdpGsoSegment, &1000).expect("segmentation offload");
    let segments: Vec<Vec<u8>> = (0..40).map(|index| payload(1, index, SEGMENT)).collect();
    flow.peer.send_to(&segments.concat(), flow.relayed).await.expect("a train");
    for segment in &segments {
        assert_eq!(flow.client.receive().await, framed(segment));
    }
    // Up: the last one is shorter.
    let last = payload(2, 3, 17);
    let mut train: Vec<u8> = segments.iter().take(20).flat_map(|segment| framed(segment)).collect();
    train.extend_from_slice(&framed(&last));
    flow.client.send_train(&train, SEGMENT + 4).await;
    for segment in segments.iter().take(20) {
        assert_eq!(receive(&flow.peer).await, (segment.clone(), flow.relayed));
    }
    assert_eq!(receive(&flow.peer).await, (last, flow.relayed));
    relay.shutdown().await;
}

/// A client with one channel to one peer.
struct Flow {
    client: Client,
    peer: UdpSocket,
    relayed: SocketAddr,
}

impl Flow {
    async fn new(relay: &Relay) -> Self {
        let mut client = Client::udp(relay).await;
        let relayed = client.allocate().await;
        let peer = UdpSocket::bind(LOCALHOST).await.expect("peer binds");
        client.bind_channel(0x4001, peer.local_addr().expect("peer is bound")).await;
        Self { client, peer, relayed }
    }
}

fn payload(round: u8, index: usize, length: usize) -> Vec<u8> {
    let first = round.wrapping_mul(31).wrapping_add(u8::try_from(index).unwrap());
    (0..length).map(|at| first.wrapping_add(at.to_le_bytes()[0])).collect()
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0x40, 0x01], &length[..], payload].concat()
}
