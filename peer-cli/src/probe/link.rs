//! Hands: the way to one address of a server, over datagrams or over a stream.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};
use tokio_rustls::TlsConnector;

use crate::{
    network::datagrams,
    report::ProbeOutcome,
    rtc::{Frames, Over, ServerUrl, append},
};

/// The largest datagram that is read, in bytes.
const MAX_DATAGRAM: usize = 2048;

/// The first byte of a STUN message is below this (RFC 7983); what else may come over a TURN stream belongs to a
/// channel, and a probe binds none.
const NOT_STUN: u8 = 0x40;

/// A way to a server.
pub(super) enum Link {
    /// A socket that hears this server alone, and what ICMP says about it.
    Datagrams(UdpSocket),
    /// A connection, bare or with TLS.
    Stream(Box<dyn Stream>, Frames),
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why a message did not go or come.
#[derive(Debug)]
pub(super) enum Fault {
    /// ICMP says that nothing listens there; the next message may fare better.
    Icmp(io::Error),
    /// Nothing more goes over this link.
    Broken(Broken),
}

/// Why there is no link, or none any more.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Broken {
    /// What that makes of the server.
    pub(super) outcome: ProbeOutcome,
    /// The rest of a sentence that begins with the server.
    pub(super) why: String,
}

impl Broken {
    fn unreachable(why: String) -> Self {
        Self { outcome: ProbeOutcome::Unreachable, why }
    }

    fn refused(why: String) -> Self {
        Self { outcome: ProbeOutcome::Refused, why }
    }
}

impl Link {
    /// Opens the way that `url` asks for; `tls` says whom to trust.
    pub(super) async fn open(
        url: &ServerUrl,
        address: SocketAddr,
        tls: Option<&Arc<rustls::ClientConfig>>,
    ) -> Result<Self, Broken> {
        let no_way = |error: io::Error| Broken::unreachable(format!("cannot be reached from this machine: {error}"));
        match url.over {
            Over::Udp => datagrams(address).await.map(Self::Datagrams).map_err(no_way),
            Over::Tcp => connect(address).await.map(|stream| Self::Stream(Box::new(stream), Frames::default())),
            Over::Tls => {
                let stream = secure(&url.host, connect(address).await?, tls).await?;
                Ok(Self::Stream(stream, Frames::default()))
            }
        }
    }

    /// Sends one message.
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        match self {
            // A connected socket reports here what ICMP said about an earlier datagram.
            Self::Datagrams(socket) => socket.send(message).await.map(drop).map_err(Fault::Icmp),
            Self::Stream(stream, _) => {
                let mut framed = BytesMut::new();
                append(&mut framed, message);
                let written = async {
                    stream.write_all(&framed).await?;
                    stream.flush().await
                };
                written.await.map_err(broke)
            }
        }
    }

    /// Waits for the next message. May be given up and asked for again without a loss.
    pub(super) async fn receive(&mut self) -> Result<Bytes, Fault> {
        match self {
            Self::Datagrams(socket) => {
                let mut datagram = [0; MAX_DATAGRAM];
                let length = socket.recv(&mut datagram).await.map_err(Fault::Icmp)?;
                Ok(Bytes::copy_from_slice(&datagram[..length]))
            }
            Self::Stream(stream, frames) => loop {
                let is_stun = frames.buffer().first().is_none_or(|first| *first < NOT_STUN);
                match frames.next() {
                    Ok(Some(message)) if is_stun => return Ok(message),
                    Ok(None) if is_stun => {}
                    Ok(_) | Err(_) => {
                        let why = "answered with something that is no STUN message".to_owned();
                        return Err(Fault::Broken(Broken::refused(why)));
                    }
                }
                if stream.read_buf(frames.buffer()).await.map_err(broke)? == 0 {
                    return Err(Fault::Broken(Broken::unreachable("closed the connection".to_owned())));
                }
            },
        }
    }
}

fn broke(error: io::Error) -> Fault {
    Fault::Broken(Broken::unreachable(format!("broke the connection: {error}")))
}

async fn connect(server: SocketAddr) -> Result<TcpStream, Broken> {
    let stream = TcpStream::connect(server).await.map_err(|error| {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            Broken::unreachable("is not there: nothing listens at its address (TCP)".to_owned())
        } else {
            Broken::unreachable(format!("cannot be reached over TCP: {error}"))
        }
    })?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    Ok(stream)
}

async fn secure(
    host: &str,
    stream: TcpStream,
    tls: Option<&Arc<rustls::ClientConfig>>,
) -> Result<Box<dyn Stream>, Broken> {
    let failed = |error: io::Error| {
        let hint = "for a certificate of your own give its CA with --tls-ca FILE";
        Broken::refused(format!("failed in TLS: {error}; {hint}"))
    };
    let Some(config) = tls else {
        return Err(Broken::refused("wants TLS, and the certificates of this system cannot be used".to_owned()));
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(io::Error::other(error)))?;
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}
