//! How long a packet gets through whole: padded STUN requests (RFC 5780 section 7.6) that no router may cut.
//!
//! * `search`: the brain: which length is tried next;
//! * this file: the socket, which decides nothing.

mod search;

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::UdpSocket;

pub(super) use self::search::PathMtu;
use self::search::{Lengths, Search};
use crate::clock::{now, until};
use crate::nat::wire::{Extra, random_ids, read, request};
use crate::network::datagrams;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 2048;

/// The longest packet to `server` that is answered, found out before `end`.
///
/// # Errors
/// Why it cannot be measured, as the end of a sentence.
pub(super) async fn measure(server: SocketAddr, end: Instant) -> Result<PathMtu, String> {
    let socket = datagrams(server).await.map_err(|error| format!("nothing can be sent to {server}: {error}"))?;
    whole(&socket, server).map_err(|error| format!("packets cannot be kept whole here: {error}"))?;
    let lengths = if server.is_ipv4() { Lengths::IPV4 } else { Lengths::IPV6 };
    let mut search = Search::start(now(), lengths, end);
    let mut ids = random_ids();
    let mut id = ids();
    let mut buffer = [0; MAX_ANSWER];
    loop {
        while let Some((payload, is_new)) = search.poll_transmit() {
            if is_new {
                id = ids();
            }
            let datagram = request(id, Extra::Length(payload));
            if send(&socket, &datagram).await.is_err() {
                search.too_long(now());
            }
        }
        if let Some(found) = search.found() {
            return Ok(found);
        }
        tokio::select! {
            received = socket.recv(&mut buffer) => match received {
                Ok(length) if read(&buffer[..length]).is_some_and(|came| came.id == id) => {
                    search.answered(now(), length);
                }
                Ok(_) => {}
                // What ICMP says may be about a longer packet of before.
                Err(error) => tracing::debug!(%error, "an answer could not be received"),
            },
            () = until(search.poll_timeout()) => search.handle_timeout(now()),
        }
    }
}

/// The first error may be what ICMP said about an earlier packet; only the second one is about this one.
async fn send(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
    match socket.send(datagram).await {
        Ok(_) => Ok(()),
        Err(_) => socket.send(datagram).await.map(drop),
    }
}

/// Has every packet sent as it is, with the DF bit, whatever the system believes of the path.
#[cfg(target_os = "linux")]
fn whole(socket: &UdpSocket, server: SocketAddr) -> io::Result<()> {
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    };
    if server.is_ipv4() {
        set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::PROBE)?;
    } else {
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::PROBE)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn whole(_socket: &UdpSocket, _server: SocketAddr) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "that takes Linux"))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::nat::wire::tests::success;

    /// Answers each request in its own length, as RFC 5780 section 7.6 has it.
    async fn serve(server: UdpSocket) {
        let mut buffer = [0; MAX_ANSWER];
        loop {
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            let id = read(&buffer[..length]).unwrap().id;
            let mut answer = success(id, from, None);
            let padding = u16::try_from(length - answer.len() - 4).unwrap();
            let attributes = u16::try_from(length - 20).unwrap();
            answer[2..4].copy_from_slice(&attributes.to_be_bytes());
            answer.extend_from_slice(&[0x00, 0x26]);
            answer.extend_from_slice(&padding.to_be_bytes());
            answer.resize(length, 0);
            server.send_to(&answer, from).await.unwrap();
        }
    }

    #[tokio::test]
    async fn loopback_takes_every_length() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let serving = tokio::spawn(serve(server));
        let found = measure(address, now() + Duration::from_secs(20)).await;
        assert_eq!(found, Ok(PathMtu { bytes: 1500, exact: true, both_ways: true }));
        serving.abort();
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_measures_nothing() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let found = measure(silent.local_addr().unwrap(), now() + Duration::from_millis(200)).await;
        assert_eq!(found, Ok(PathMtu { bytes: 0, exact: true, both_ways: false }));
    }
}
