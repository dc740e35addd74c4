//! TCP and TLS: frames out of a stream of bytes, and back into it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::queue::{Frame, FrameQueue};
use super::{Shared, StreamId, clock};
use crate::gate::WarnGate;
use crate::relay::{ClientAddr, Transport};
use crate::stun::frame_length;

/// Room made for each read.
const CHUNK: usize = 4096;
/// Pause after a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest frame of a client without an allocation, in bytes. It has only requests to send, and these are short.
const EARLY_FRAME: usize = 2048;

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
    let mut warnings = WarnGate::default();
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if warnings.opens(clock().mono) {
                    warn!(%error, "cannot accept a connection");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            debug!(max = shared.max_streams, "connection refused: there are too many");
            continue;
        };
        let Some(place_of_source) = shared.sources.enter(remote.ip()) else {
            debug!("connection refused: its source has enough");
            continue;
        };
        let connection = connection(Arc::clone(&shared), stream, remote, tls.clone());
        shared.spawn(async move {
            connection.await;
            drop(place);
            drop(place_of_source);
        });
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, remote: SocketAddr, tls: Option<TlsAcceptor>) {
    // However a stranger spends it, this is all the time it has to get an allocation.
    let deadline = Instant::now() + shared.lifetimes.idle_stream;
    let Ok(local) = stream.local_addr() else {
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "small frames may be delayed");
    }
    let client = |transport| ClientAddr { transport, remote, local };
    let Some(tls) = tls else {
        return talk(&shared, client(Transport::Tcp), stream, deadline).await;
    };
    match timeout(shared.lifetimes.handshake, tls.accept(stream)).await {
        Ok(Ok(stream)) => talk(&shared, client(Transport::Tls), stream, deadline).await,
        Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
        Err(_) => debug!("TLS handshake took too long"),
    }
}

async fn talk<S>(shared: &Arc<Shared>, client: ClientAddr, stream: S, deadline: Instant)
where
    S: AsyncRead + AsyncWrite,
{
    let (queue, frames) = FrameQueue::new(shared.stream_queue);
    let _open = OpenStream::new(shared, client, queue);
    let (reader, writer) = tokio::io::split(stream);
    let why = tokio::select! {
        why = read(shared, client, reader, deadline) => why,
        why = write(shared, frames, writer) => why,
    };
    debug!(why, "connection closed");
}

/// A connection the brain knows of; gone, with its allocation, however its task ends.
struct OpenStream<'a> {
    shared: &'a Arc<Shared>,
    client: ClientAddr,
    id: StreamId,
}

impl<'a> OpenStream<'a> {
    fn new(shared: &'a Arc<Shared>, client: ClientAddr, queue: FrameQueue) -> Self {
        let id = shared.stream_opened(client, queue);
        Self { shared, client, id }
    }
}

impl Drop for OpenStream<'_> {
    fn drop(&mut self) {
        self.shared.stream_closed(self.client, self.id);
    }
}

/// Returns why there is nothing more to read. The buffer holds less than one frame between two reads.
async fn read(
    shared: &Arc<Shared>,
    client: ClientAddr,
    mut reader: impl AsyncRead + Unpin,
    mut deadline: Instant,
) -> &'static str {
    let mut buffer = Vec::<u8>::new();
    loop {
        if Instant::now() >= deadline {
            if !shared.has_allocation(client) {
                return "too long without an allocation";
            }
            deadline = Instant::now() + shared.lifetimes.idle_stream;
        }
        buffer.reserve(CHUNK);
        match timeout_at(deadline, reader.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => return "closed by the client",
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return "broken",
            Err(_) => continue,
        }
        let mut start = 0;
        loop {
            let rest = &buffer[start..];
            let length = match frame_length(rest) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(_) => return "no STUN and no channel data",
            };
            if length > EARLY_FRAME && !shared.has_allocation(client) {
                return "a long frame without an allocation";
            }
            let Some(frame) = rest.get(..length) else {
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
    mut frames: mpsc::Receiver<Frame>,
    mut writer: impl AsyncWrite + Unpin,
) -> &'static str {
    while let Some(frame) = frames.recv().await {
        let written = async {
            writer.write_all(&frame.bytes).await?;
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
