//! Tracks of ours: frames out.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rtc::{
    media_stream::MediaStreamTrack,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
    },
};
use webrtc::{
    error::{Error, Result as StackResult},
    media_stream::track_local::{TrackLocal, TrackLocalEvent, static_rtp::TrackLocalStaticRTP},
    peer_connection::PeerConnection,
    rtp_transceiver::RtpSender,
};

use super::{
    MediaKind,
    engine::{self, SendCodec},
    events::{Shared, lock},
    packets::{Negotiated, Stream, dice},
};
use crate::media::VideoCodec;

/// Sends the frames of one track; a cheap handle for a pacing task.
#[derive(Clone)]
pub struct MediaSender(Arc<Outgoing>);

/// Why a frame was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// DTLS is not up yet, the connection failed, or the track is being negotiated anew: a later frame may be sent.
    #[error("no {0} can be sent before the connection is up")]
    NotConnected(MediaKind),
    /// The far end takes none of our codecs of this kind, or does not want to receive.
    #[error("no {0} can be sent: the far end accepted no codec of ours")]
    NoCommonCodec(MediaKind),
    /// The frame does not look like one of its codec.
    #[error("a {kind} frame of {len} bytes cannot be cut into packets: {reason}")]
    Frame {
        /// Kind of the track.
        kind: MediaKind,
        /// Size of the frame in bytes.
        len: usize,
        /// The stack's own words.
        reason: String,
    },
    /// The connection is closed.
    #[error("no {0} can be sent: the connection is closed")]
    Closed(MediaKind),
}

impl MediaSender {
    pub(super) fn new(outgoing: &Arc<Outgoing>) -> Self {
        Self(Arc::clone(outgoing))
    }

    /// Audio or video.
    #[must_use]
    pub fn kind(&self) -> MediaKind {
        self.0.kind
    }

    /// The video codec to send now; see [`Peer::video_codec`](super::Peer::video_codec). `None` for an audio track.
    #[must_use]
    pub fn video_codec(&self) -> Option<VideoCodec> {
        self.0.video_codec()
    }

    /// Sends one frame: a VP8 frame, an H.264 access unit in Annex B form, or an Opus packet. `duration` is how long
    /// it is shown or heard, and so the distance of the next frame's timestamp; pacing is the caller's business. Waits
    /// while the connection is behind. Returns the frame's RTP timestamp, in units of the codec's clock (90 kHz for
    /// video, 48 kHz for audio), by which the receiver knows it.
    ///
    /// # Errors
    /// See [`SendError`]; after [`SendError::NotConnected`] and [`SendError::NoCommonCodec`] a later frame may succeed.
    pub async fn send(&self, data: Bytes, duration: Duration) -> Result<u32, SendError> {
        self.0.send(&data, duration).await
    }
}

impl fmt::Debug for MediaSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaSender").field("kind", &self.0.kind).finish_non_exhaustive()
    }
}

/// One local track and everything needed to fill it.
pub(super) struct Outgoing {
    /// Audio or video.
    pub(super) kind: MediaKind,
    names: Names,
    track: Arc<TrackLocalStaticRTP>,
    sender: Arc<dyn RtpSender>,
    connected: Arc<AtomicBool>,
    negotiated: Mutex<Option<Negotiated>>,
    stream: tokio::sync::Mutex<Stream>,
    /// Frames that the stack did not take.
    unsent: AtomicU64,
}

/// How the track is known in descriptions.
#[derive(Clone)]
struct Names {
    stream: String,
    track: String,
    ssrc: u32,
    repair_ssrc: u32,
}

impl Outgoing {
    /// Adds a track that sends and receives. `stream` names the media stream that ties audio and video together.
    pub(super) async fn add(
        pc: &Arc<dyn PeerConnection>,
        shared: &Shared,
        kind: MediaKind,
        preferred: &[VideoCodec],
        stream: &str,
    ) -> StackResult<Arc<Self>> {
        let first = match kind {
            MediaKind::Audio => SendCodec::Opus,
            MediaKind::Video => SendCodec::Video(preferred.first().copied().unwrap_or(VideoCodec::Vp8)),
        };
        let names = Names {
            stream: stream.to_owned(),
            // Random, because the stack finds the track of incoming feedback by this name among the far end's tracks
            // first: two peers with the same constant would answer each other's requests into the void.
            track: format!("{:016x}", dice()),
            ssrc: dice() as u32,
            repair_ssrc: dice() as u32,
        };
        let track = Arc::new(TrackLocalStaticRTP::new(describe(kind, &names, first)));
        let transceiver = pc.add_transceiver_from_track(Arc::clone(&track) as Arc<dyn TrackLocal>, None).await?;
        // The stack has narrowed the section to the one codec of the track.
        transceiver.set_codec_preferences(engine::codecs(kind, preferred)).await?;
        let sender = transceiver.sender().await?.ok_or(Error::ErrRTPSenderNotExisted)?;
        Ok(Arc::new(Self {
            kind,
            names,
            track,
            sender,
            connected: shared.connected(),
            negotiated: Mutex::default(),
            stream: tokio::sync::Mutex::new(Stream::new()),
            unsent: AtomicU64::new(0),
        }))
    }

    /// Tells the stack which codec the track will carry, before the answer is applied: only then it binds the machinery
    /// that answers NACKs and reports, and it does so once.
    pub(super) async fn declare(&self, codec: SendCodec) -> StackResult<()> {
        let track = TrackLocalStaticRTP::new(describe(self.kind, &self.names, codec));
        // This replaces the description alone; packets go on through the track that was bound first.
        self.sender.replace_track(Arc::new(track)).await
    }

    /// Takes over what was negotiated, `None` for nothing in common.
    pub(super) async fn set_negotiated(&self, codec: Option<SendCodec>) {
        let negotiated = match codec {
            Some(codec) => self.payload_type(codec).await.map(|payload_type| Negotiated { codec, payload_type }),
            None => None,
        };
        tracing::info!(kind = %self.kind, ?negotiated, "negotiated for sending");
        *lock(&self.negotiated) = negotiated;
    }

    /// The codec negotiated for sending.
    pub(super) fn codec(&self) -> Option<SendCodec> {
        lock(&self.negotiated).map(|negotiated| negotiated.codec)
    }

    /// The same for video.
    pub(super) fn video_codec(&self) -> Option<VideoCodec> {
        match self.codec() {
            Some(SendCodec::Video(codec)) => Some(codec),
            Some(SendCodec::Opus) | None => None,
        }
    }

    /// The stream identifier of our packets, which is also how we sign feedback.
    pub(super) fn ssrc(&self) -> u32 {
        self.names.ssrc
    }

    /// The stack's handle of this track.
    pub(super) fn sender(&self) -> &Arc<dyn RtpSender> {
        &self.sender
    }

    /// What the far end says about the track next; `None` at the end of the connection.
    pub(super) async fn feedback(&self) -> Option<TrackLocalEvent> {
        self.track.poll().await
    }

    /// How many frames the stack did not take although the connection was up.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::Relaxed)
    }

    /// Whether negotiation left the track without any codec.
    pub(super) async fn has_no_codec(&self) -> bool {
        match self.sender.get_parameters().await {
            Ok(parameters) => parameters.rtp_parameters.codecs.is_empty(),
            Err(_) => true,
        }
    }

    async fn payload_type(&self, codec: SendCodec) -> Option<u8> {
        let mime_type = codec.describe().mime_type;
        let parameters = self.sender.get_parameters().await.ok()?;
        parameters
            .rtp_parameters
            .codecs
            .iter()
            .find(|one| one.rtp_codec.mime_type.eq_ignore_ascii_case(&mime_type))
            .map(|one| one.payload_type)
    }

    async fn send(&self, data: &Bytes, duration: Duration) -> Result<u32, SendError> {
        // Taken over the whole frame, so that two tasks cannot mix the packets of theirs.
        let mut stream = self.stream.lock().await;
        if !self.connected.load(Ordering::Acquire) {
            return Err(SendError::NotConnected(self.kind));
        }
        let negotiated = *lock(&self.negotiated);
        let negotiated = negotiated.ok_or(SendError::NoCommonCodec(self.kind))?;
        let (timestamp, packets) = stream
            .cut(self.kind, self.names.ssrc, negotiated, data, duration)
            .map_err(|error| SendError::Frame { kind: self.kind, len: data.len(), reason: error.to_string() })?;
        for packet in packets {
            if let Err(error) = self.track.write_rtp(packet).await {
                return Err(self.refused(&error));
            }
        }
        Ok(timestamp)
    }

    /// One error is the end of the track. Any other, such as that the track is not bound while a negotiation takes its
    /// section apart, is about this frame alone.
    fn refused(&self, error: &Error) -> SendError {
        if is_the_end(error) {
            return SendError::Closed(self.kind);
        }
        self.unsent.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(kind = %self.kind, %error, "the stack did not take a frame");
        SendError::NotConnected(self.kind)
    }
}

/// Whether the stack's driver is gone. Packets reach it through a channel, whose error comes back as a text; what the
/// driver itself thinks of a packet it does not tell.
fn is_the_end(error: &Error) -> bool {
    matches!(error, Error::Other(text) if text.starts_with("SendError"))
}

fn describe(kind: MediaKind, names: &Names, codec: SendCodec) -> MediaStreamTrack {
    let (kind, rtx) = match kind {
        MediaKind::Audio => (RtpCodecKind::Audio, None),
        MediaKind::Video => (RtpCodecKind::Video, Some(RTCRtpRtxParameters { ssrc: names.repair_ssrc })),
    };
    MediaStreamTrack::new(
        names.stream.clone(),
        names.track.clone(),
        kind.to_string(),
        kind,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(names.ssrc),
                rtx,
                ..RTCRtpCodingParameters::default()
            },
            codec: codec.describe(),
            ..RTCRtpEncodingParameters::default()
        }],
    )
}

#[cfg(test)]
mod tests {
    use rtc::rtp;

    use super::*;

    #[tokio::test]
    async fn only_a_driver_that_is_gone_is_the_end_of_a_track() {
        let (sender, receiver) = webrtc::runtime::channel::<u8>(1);
        drop(receiver);
        let gone = sender.send(0).await.unwrap_err();
        assert!(is_the_end(&Error::Other(format!("{gone:?}"))), "as the stack writes it: {gone:?}");

        let names = Names { stream: "s".to_owned(), track: "t".to_owned(), ssrc: 1, repair_ssrc: 2 };
        let unbound = TrackLocalStaticRTP::new(describe(MediaKind::Audio, &names, SendCodec::Opus));
        let error = unbound.write_rtp(rtp::Packet::default()).await.unwrap_err();
        assert!(!is_the_end(&error), "{error}");
        assert!(!is_the_end(&Error::ErrNoRemoteDescription));
    }
}
