//! TCP and TLS: frames out of a stream of bytes, and back into it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::Shared;
use crate::relay::{ClientAddr, Transport};
use crate::stun::frame_length;

/// Room made for each read.
const CHUNK: usize = 4096;
/// Pause after a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener's socket.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Unix this lets a restarted relay have its port back; elsewhere it would let two relays share one.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections until it is stopped.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    let room = Arc::new(Semaphore::new(shared.max_streams.min(Semaphore::MAX_PERMITS)));
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            debug!(max = shared.max_streams, "connection refused: there are too many");
            continue;
        };
        let connection = connection(Arc::clone(&shared), stream, remote, tls.clone());
        shared.spawn(async move {
            connection.await;
            drop(place);
        });
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, remote: SocketAddr, tls: Option<TlsAcceptor>) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "small frames may be delayed");
    }
    let client = |transport| ClientAddr { transport, remote, local };
    let Some(tls) = tls else {
        return talk(&shared, client(Transport::Tcp), stream).await;
    };
    match timeout(shared.lifetimes.handshake, tls.accept(stream)).await {
        Ok(Ok(stream)) => talk(&shared, client(Transport::Tls), stream).await,
        Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
        Err(_) => debug!("TLS handshake took too long"),
    }
}

async fn talk<S>(shared: &Arc<Shared>, client: ClientAddr, stream: S)
where
    S: AsyncRead + AsyncWrite,
{
    let (queue, frames) = mpsc::channel(shared.stream_queue);
    let _open = OpenStream::new(shared, client, queue);
    let (reader, writer) = tokio::io::split(stream);
    let why = tokio::select! {
        why = read(shared, client, reader) => why,
        why = write(shared, frames, writer) => why,
    };
    debug!(why, "connection closed");
}

/// A connection the brain knows of; gone, with its allocation, however its task ends.
struct OpenStream<'a> {
    shared: &'a Arc<Shared>,
    client: ClientAddr,
}

impl<'a> OpenStream<'a> {
    fn new(shared: &'a Arc<Shared>, client: ClientAddr, queue: mpsc::Sender<Vec<u8>>) -> Self {
        shared.stream_opened(client, queue);
        Self { shared, client }
    }
}

impl Drop for OpenStream<'_> {
    fn drop(&mut self) {
        self.shared.stream_closed(self.client);
    }
}

/// Returns why there is nothing more to read. The buffer holds less than one frame between two reads.
async fn read(shared: &Arc<Shared>, client: ClientAddr, mut reader: impl AsyncRead + Unpin) -> &'static str {
    let mut buffer = Vec::<u8>::new();
    loop {
        buffer.reserve(CHUNK);
        match timeout(shared.lifetimes.idle_stream, reader.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => return "closed by the client",
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return "broken",
            Err(_) if shared.has_allocation(client) => continue,
            Err(_) => return "idle",
        }
        let mut start = 0;
        loop {
            let rest = &buffer[start..];
            let frame = match frame_length(rest) {
                Ok(length) => length.and_then(|length| rest.get(..length)),
                Err(_) => return "no STUN and no channel data",
            };
            let Some(frame) = frame else {
                break;
            };
            shared.from_client(client, frame);
            start += frame.len();
        }
        buffer.drain(..start);
    }
}

/// Returns why nothing more can be written.
async fn write(
    shared: &Shared,
    mut frames: mpsc::Receiver<Vec<u8>>,
    mut writer: impl AsyncWrite + Unpin,
) -> &'static str {
    while let Some(frame) = frames.recv().await {
        let written = async {
            writer.write_all(&frame).await?;
            writer.flush().await
        };
        match timeout(shared.lifetimes.stream_write, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return "broken",
            Err(_) => return "the client does not read",
        }
    }
    "shutting down"
}
