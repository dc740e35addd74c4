//! One connection to a TURN server, from one local address.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, lookup_host},
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::TlsConnector;

use super::{Broken, Frames, Target, append};

/// Messages that wait for the connection: a second of video of some 2 Mbit/s. One more is dropped, as by a full
/// interface: media over a stream that is too slow has to be thinned somewhere.
pub(super) const WAITING: usize = 256;
/// For name, TCP and TLS together. The stack's own patience with an allocation is of the same order.
const OPENING_LIMIT: Duration = Duration::from_secs(10);
/// Between two tries; each is asked for by a message of the stack, which repeats its requests.
const PAUSE: Duration = Duration::from_millis(500);
/// A write that makes no progress for so long is a connection that broke.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// What came from a server, and the address it appears to come from.
pub(super) type Came = (SocketAddr, Bytes);

/// One connection, made anew whenever it broke and there is something to send.
pub(super) struct Connection {
    /// Where it leads.
    pub(super) target: Target,
    /// The socket that it stands behind; it begins at the same address.
    pub(super) local: SocketAddr,
    /// Where the stack takes the server to be.
    pub(super) appears: SocketAddr,
    /// How long nothing of what comes is told: the time that others have to be first.
    pub(super) held_for: Duration,
    /// What comes.
    pub(super) to_stack: mpsc::Sender<Came>,
    /// Who is told that it broke.
    pub(super) broken: mpsc::Sender<Broken>,
}

impl Connection {
    /// Carries messages between `from_stack` and the server until the stack lets go of it.
    pub(super) async fn run(self, mut from_stack: mpsc::Receiver<Bytes>) {
        let Self { target, local, appears, .. } = &self;
        let mut held_until = None;
        while let Some(first) = from_stack.recv().await {
            let held_until = *held_until.get_or_insert_with(|| Instant::now() + self.held_for);
            let broke = match timeout(OPENING_LIMIT, open(target, local.ip())).await {
                Ok(Ok(stream)) => {
                    tracing::debug!(?target, "connected to the TURN server");
                    let carried = self.carry(stream, first, held_until, &mut from_stack).await;
                    let Err(error) = carried else { return };
                    // Full: some others broke, too, and one is enough to look for another path.
                    let _ = self.broken.try_send(Broken { local: *local, server: *appears });
                    error
                }
                Ok(Err(error)) => error,
                Err(_) => io::Error::new(io::ErrorKind::TimedOut, "no connection within 10 s"),
            };
            tracing::warn!(?target, error = %broke, "no connection to a TURN server; trying again");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns `Ok` when the stack has let go.
    async fn carry(
        &self,
        stream: Box<dyn Stream>,
        first: Bytes,
        held_until: Instant,
        from_stack: &mut mpsc::Receiver<Bytes>,
    ) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let up = async {
            let mut out = BytesMut::new();
            let mut next = Some(first);
            while let Some(message) = next {
                append(&mut out, &message);
                while let Ok(message) = from_stack.try_recv() {
                    append(&mut out, &message);
                }
                timeout(WRITE_LIMIT, async {
                    writer.write_all_buf(&mut out).await?;
                    writer.flush().await
                })
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "nothing could be written for 10 s"))??;
                next = from_stack.recv().await;
            }
            io::Result::Ok(())
        };
        let down = async {
            let mut frames = Frames::default();
            sleep_until(held_until).await;
            loop {
                if reader.read_buf(frames.buffer()).await? == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
                }
                while let Some(message) = frames.next().map_err(io::Error::other)? {
                    // The reader of the socket may be behind; a datagram would be lost then, too.
                    let _ = self.to_stack.try_send((self.appears, message));
                }
            }
        };
        tokio::select! {
            done = up => done,
            broke = down => broke,
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn open(target: &Target, local: IpAddr) -> io::Result<Box<dyn Stream>> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address of this family");
    for address in lookup_host((target.host.as_str(), target.port)).await? {
        if address.is_ipv4() != local.is_ipv4() {
            continue;
        }
        match connect(address, local).await {
            Ok(stream) => return secure(target, stream).await,
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, local: IpAddr) -> io::Result<tokio::net::TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !local.is_unspecified() {
        socket.bind((local, 0).into())?;
    }
    // A message is a packet of a call: it cannot wait for the next one.
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

async fn secure(target: &Target, stream: tokio::net::TcpStream) -> io::Result<Box<dyn Stream>> {
    let Some(config) = &target.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(target.host.clone()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);
    /// Channel data, whole and without padding.
    const MESSAGE: &[u8] = &[0x40, 0, 0, 4, 1, 2, 3, 4];

    struct World {
        server: TcpListener,
        messages: mpsc::Sender<Bytes>,
        came: mpsc::Receiver<Came>,
        broken: mpsc::Receiver<Broken>,
        at: Broken,
        task: tokio::task::JoinSet<()>,
    }

    impl World {
        async fn new(held_for: Duration) -> Self {
            let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = server.local_addr().unwrap().port();
            let (messages, from_stack) = mpsc::channel(WAITING);
            let (to_stack, came) = mpsc::channel(WAITING);
            let (to_brain, broken) = mpsc::channel(1);
            let (local, appears) = ("127.0.0.1:1".parse().unwrap(), "240.0.0.1:1".parse().unwrap());
            let target = Target { host: "127.0.0.1".to_owned(), port, tls: None };
            let connection = Connection { target, local, appears, held_for, to_stack, broken: to_brain };
            let mut task = tokio::task::JoinSet::new();
            task.spawn(connection.run(from_stack));
            Self { server, messages, came, broken, at: Broken { local, server: appears }, task }
        }

        /// Sends, and gives the server's end once that has come.
        async fn sends(&self) -> tokio::net::TcpStream {
            self.messages.send(Bytes::from_static(MESSAGE)).await.unwrap();
            let (mut stream, _) = timeout(LIMIT, self.server.accept()).await.unwrap().unwrap();
            let mut got = [0; MESSAGE.len()];
            timeout(LIMIT, stream.read_exact(&mut got)).await.unwrap().unwrap();
            assert_eq!(got, MESSAGE);
            stream
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_told_and_the_next_message_opens_another() {
        let mut world = World::new(Duration::ZERO).await;
        for _ in 0..2 {
            let mut stream = world.sends().await;
            stream.write_all(MESSAGE).await.unwrap();
            let came = timeout(LIMIT, world.came.recv()).await.unwrap();
            assert_eq!(came, Some((world.at.server, Bytes::from_static(MESSAGE))));
            assert!(world.broken.try_recv().is_err(), "it is well");
            drop(stream);
            assert_eq!(timeout(LIMIT, world.broken.recv()).await.unwrap(), Some(world.at));
        }
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_has_broken_nothing() {
        let World { server, messages, mut broken, mut task, .. } = World::new(Duration::ZERO).await;
        drop(server);
        messages.send(Bytes::from_static(MESSAGE)).await.unwrap();
        drop(messages);
        timeout(LIMIT, task.join_next()).await.unwrap();
        assert_eq!(broken.recv().await, None);
    }

    #[tokio::test]
    async fn what_comes_is_held_back_for_the_time_that_others_have() {
        let held_for = Duration::from_millis(200);
        let mut world = World::new(held_for).await;
        let begun = Instant::now();
        let mut stream = world.sends().await;
        stream.write_all(MESSAGE).await.unwrap();
        timeout(LIMIT, world.came.recv()).await.unwrap().unwrap();
        assert!(begun.elapsed() >= held_for);
    }
}
