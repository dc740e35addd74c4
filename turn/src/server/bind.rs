//! Every listening socket of a relay, on the addresses that were asked for.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use tracing::warn;

use super::check::SpawnError;
use crate::config::Config;
use crate::io::{Bound, sockets};

/// How often a port that the system chose is tried again where it has to be free twice.
const PORT_TRIES: usize = 32;

pub(super) fn bind(config: &Config, workers: usize) -> Result<Bound, SpawnError> {
    let mut bound = Bound::default();
    for &address in &config.listen {
        let (udp, tcp) = again(address, || {
            let udp = bind_udp(address, workers)?;
            let tcp = bind_stream("tcp", local(&udp, address))?;
            Ok((udp, tcp))
        })?;
        bound.udp.push(udp);
        bound.tcp.push(tcp);
    }
    for &address in &config.tls_listen {
        bound.tls.push(bind_stream("tls", address)?);
    }
    if let (Some(second), Some(first)) = (config.discovery, bound.udp.first()) {
        let first = local(first, second);
        let others = again(second, || {
            let second = bind_udp(second, workers)?;
            let port = local(&second, first).port();
            let crossed = bind_udp(SocketAddr::new(first.ip(), port), workers)?;
            let ip = local(&second, first).ip();
            Ok([second, crossed, bind_udp(SocketAddr::new(ip, first.port()), workers)?])
        })?;
        bound.udp.extend(others);
    }
    if let Some(bytes) = bound.udp.iter().flatten().find_map(sockets::small_buffer) {
        warn!(
            bytes,
            "the system buffers little for each listener, and bursts will be lost: sysctl -w net.core.rmem_max=4194304"
        );
    }
    Ok(bound)
}

/// A port that the system picked for one socket may be taken for another: ask again.
fn again<T>(address: SocketAddr, bind: impl Fn() -> Result<T, SpawnError>) -> Result<T, SpawnError> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match bind() {
            Err(_) if tries > 0 => {}
            result => return result,
        }
    }
}

fn local(sockets: &[UdpSocket], or: SocketAddr) -> SocketAddr {
    sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(or)
}

fn bind_udp(address: SocketAddr, workers: usize) -> Result<Vec<UdpSocket>, SpawnError> {
    sockets::listeners(address, workers).map_err(|source| SpawnError::Bind { protocol: "udp", address, source })
}

fn bind_stream(protocol: &'static str, address: SocketAddr) -> Result<TcpListener, SpawnError> {
    sockets::streams(address).map_err(|source| SpawnError::Bind { protocol, address, source })
}

pub(super) fn bind_admin(address: SocketAddr) -> Result<TcpListener, SpawnError> {
    bind_stream("http", address)
}
