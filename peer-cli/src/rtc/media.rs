//! Tracks: frames out, RTP packets in arrival order in.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rtc::{
    media_stream::MediaStreamTrack,
    rtp,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
    },
};
use webrtc::{
    error::{Error, Result as StackResult},
    media_stream::{
        track_local::{TrackLocal, TrackLocalEvent, static_rtp::TrackLocalStaticRTP},
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::PeerConnection,
    rtp_transceiver::RtpSender,
};

use super::{
    MediaKind, PeerEvent, RtpPacket,
    engine::{self, SendCodec},
    events::{RemoteVideo, Shared, lock},
    interceptors,
    packets::{Negotiated, Stream, dice},
};
use crate::media::VideoCodec;

/// Sends the frames of one track; a cheap handle for a pacing task.
#[derive(Clone)]
pub struct MediaSender(Arc<Outgoing>);

/// Why a frame was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// DTLS is not up yet, or the connection failed: wait for the next `Connected`.
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
            self.track.write_rtp(packet).await.map_err(|_| SendError::Closed(self.kind))?;
        }
        Ok(timestamp)
    }
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

/// Reads the feedback of the far end about one local track until the connection ends.
pub(super) async fn receive_feedback(shared: Arc<Shared>, outgoing: Arc<Outgoing>) {
    while let Some(event) = outgoing.track.poll().await {
        if let TrackLocalEvent::OnRtcpPacket(packets) = event
            && outgoing.kind == MediaKind::Video
            && packets.iter().any(|packet| interceptors::is_key_frame_request(&**packet))
        {
            shared.media(PeerEvent::KeyFrameRequested);
        }
    }
}

/// Reads one remote track until the connection ends. The stack keeps 256 packets for it and drops the rest in
/// silence, so there is no slow work in here.
pub(super) async fn receive(shared: Arc<Shared>, track: Arc<dyn TrackRemote>) {
    let kind = match track.kind().await {
        RtpCodecKind::Audio => MediaKind::Audio,
        RtpCodecKind::Video => MediaKind::Video,
        RtpCodecKind::Unspecified | RtpCodecKind::Application => return,
        _ => return,
    };
    let mut known = None;
    // Not even the track's own end ends this: the stack announces a track once, also when a later negotiation
    // brings it back.
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(rtp::Packet { header, payload }) = event else {
            continue;
        };
        if kind == MediaKind::Video && known != Some(header.ssrc) {
            known = Some(header.ssrc);
            shared.set_remote_video(RemoteVideo { track: Arc::clone(&track), ssrc: header.ssrc });
        }
        let (codec, clock_rate) = shared.format(header.payload_type, kind);
        shared.media(PeerEvent::Rtp {
            kind,
            codec,
            clock_rate,
            packet: RtpPacket {
                sequence: header.sequence_number,
                timestamp: header.timestamp,
                marker: header.marker,
                ssrc: header.ssrc,
                payload_type: header.payload_type,
                payload,
            },
            at: tokio::time::Instant::now().into_std(),
        });
    }
}
