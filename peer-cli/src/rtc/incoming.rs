//! What comes of the far end: its packets, and its feedback about ours.

use std::sync::Arc;

use rtc::{rtp, rtp_transceiver::rtp_sender::RtpCodecKind};
use webrtc::media_stream::{
    track_local::TrackLocalEvent,
    track_remote::{TrackRemote, TrackRemoteEvent},
};

use super::{
    MediaKind, PeerEvent, RtpPacket,
    events::{RemoteVideo, Shared},
    interceptors,
    media::Outgoing,
};

/// Reads the feedback of the far end about one local track until the connection ends.
pub(super) async fn receive_feedback(shared: Arc<Shared>, outgoing: Arc<Outgoing>) {
    while let Some(event) = outgoing.feedback().await {
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
