//! How the stack is tuned: codecs, ICE timing and the RTCP machinery.

use std::{sync::Arc, time::Duration};

use rtc::{
    ice::mdns::MulticastDnsMode,
    interceptor::{NackGeneratorBuilder, NackResponderBuilder, Registry, Slot},
    peer_connection::configuration::{
        interceptor_registry::{
            configure_rtcp_reports, configure_simulcast_extension_headers, configure_twcc_receiver_only,
        },
        media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine},
        setting_engine::{SettingEngine, SettingEngineBuilder},
        {RTCConfiguration, RTCConfigurationBuilder, RTCIceTransportPolicy},
    },
    rtp_transceiver::rtp_sender::{RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind},
};
use webrtc::error::Result;

use super::{
    MediaKind, ReceivedCodec, RtcConfig, RtcError, congestion,
    events::Shared,
    ice_url,
    interceptors::{self, KeyFrameRequests},
    link::{self, Tap},
    turn_stream::Streams,
};
use crate::media::VideoCodec;

/// Pace of the rounds of connectivity checks. The stack's own 200 ms lets the first round find no candidate and costs the
/// whole interval; 100 rounds keep a pair alive for two seconds. `checks` lets through what is due of them.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(20);
pub(super) const CHECKS_PER_PAIR: u16 = 100;

/// The stack's NACK generator does not see what RTX brought back and by default asks for each lost packet without end,
/// which multiplies the traffic of a lossy call. Quick and limited requests recover the same packets.
const NACK_INTERVAL: Duration = Duration::from_millis(20);
const NACKS_PER_PACKET: u16 = 10;

/// A codec we send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SendCodec {
    /// 48 kHz.
    Opus,
    /// 90 kHz.
    Video(VideoCodec),
}

impl SendCodec {
    /// As the stack describes it.
    pub(super) fn describe(self) -> RTCRtpCodec {
        match self {
            Self::Opus => RTCRtpCodec {
                mime_type: MIME_TYPE_OPUS.to_owned(),
                clock_rate: 48_000,
                channels: 2,
                sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
                rtcp_feedback: vec![],
            },
            Self::Video(VideoCodec::Vp8) => video(MIME_TYPE_VP8, ""),
            Self::Video(VideoCodec::H264) => {
                video(MIME_TYPE_H264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
            }
        }
    }

    /// As it is found in a description.
    pub(super) fn name(self) -> ReceivedCodec {
        match self {
            Self::Opus => ReceivedCodec::Opus,
            Self::Video(VideoCodec::Vp8) => ReceivedCodec::Vp8,
            Self::Video(VideoCodec::H264) => ReceivedCodec::H264,
        }
    }

    fn payload_type(self) -> u8 {
        match self {
            Self::Opus => 111,
            Self::Video(VideoCodec::Vp8) => 96,
            Self::Video(VideoCodec::H264) => 102,
        }
    }
}

/// The codecs of one kind for an offer, the preferred ones first, each video codec with its retransmission format
/// (RFC 4588) behind it.
pub(super) fn codecs(kind: MediaKind, preferred: &[VideoCodec]) -> Vec<RTCRtpCodecParameters> {
    let parameters =
        |codec: SendCodec| RTCRtpCodecParameters { rtp_codec: codec.describe(), payload_type: codec.payload_type() };
    match kind {
        MediaKind::Audio => vec![parameters(SendCodec::Opus)],
        MediaKind::Video => {
            let mut order = Vec::new();
            for codec in preferred.iter().chain(&[VideoCodec::Vp8, VideoCodec::H264]) {
                if !order.contains(codec) {
                    order.push(*codec);
                }
            }
            order
                .into_iter()
                .flat_map(|codec| {
                    let primary = parameters(SendCodec::Video(codec));
                    let repair = RTCRtpCodecParameters {
                        rtp_codec: RTCRtpCodec {
                            mime_type: MIME_TYPE_RTX.to_owned(),
                            clock_rate: 90_000,
                            channels: 0,
                            sdp_fmtp_line: format!("apt={}", primary.payload_type),
                            rtcp_feedback: vec![],
                        },
                        payload_type: primary.payload_type + 1,
                    };
                    [primary, repair]
                })
                .collect()
        }
    }
}

/// The media engine with our codecs and header extensions, and the interceptors that belong to them.
///
/// Transport-wide numbers and their feedback are offered in every call, because we serve the far end's congestion
/// controller either way; our own needs nothing more to be negotiated.
pub(super) fn media(config: &RtcConfig, shared: &Arc<Shared>) -> Result<(MediaEngine, Registry)> {
    let preferred = &config.video;
    let mut engine = MediaEngine::default();
    for codec in codecs(MediaKind::Audio, preferred) {
        engine.register_codec(codec, RtpCodecKind::Audio)?;
    }
    for codec in codecs(MediaKind::Video, preferred) {
        engine.register_codec(codec, RtpCodecKind::Video)?;
    }
    configure_simulcast_extension_headers(&mut engine)?;

    // The stack's default set, put together by hand because its NACK generator is ours.
    let registry = configure_twcc_receiver_only(Registry::new(), &mut engine)?;
    let registry = configure_rtcp_reports(registry)
        .with(Slot::NackResponder, NackResponderBuilder::new().build())
        .with(
            Slot::NackGenerator,
            NackGeneratorBuilder::new()
                .with_interval(NACK_INTERVAL)
                .with_max_nacks_per_packet(NACKS_PER_PACKET)
                .build(),
        )
        .with(Slot::from(interceptors::POSITION), KeyFrameRequests::default())
        .with(Slot::from(link::POSITION), Tap::new(shared));
    let registry = match config.congestion_control {
        Some(start) => congestion::control(registry, start, shared.link()),
        None => registry,
    };
    Ok((engine, registry))
}

/// ICE timing and multicast DNS.
///
/// The DTLS role of an answer is left to the stack's default (active): the role first negotiated is kept by rewriting
/// later answers, see `peer`. A fixed "server" would do for browsers but turn the role around between two peers of
/// this kind when the first offerer answers later.
pub(super) fn settings(relay_only: bool, mdns: bool) -> SettingEngine {
    let settings = SettingEngineBuilder::new()
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS_PER_PAIR))
        // A browser's check often arrives before its trickled candidate and makes the remote "peer reflexive"; the
        // stack would then wait a second before it nominates a pair that works.
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        // A restart opens new sockets on the interfaces there are by then, and makes new allocations: a machine that
        // went from one network to another has no use for the old ones.
        .with_discard_local_candidates_during_ice_restart(true)
        .with_multicast_dns_mode(if mdns { MulticastDnsMode::QueryOnly } else { MulticastDnsMode::Disabled });
    if relay_only {
        // Nothing better than a relay can come, so there is nothing to wait for.
        settings.with_relay_acceptance_min_wait(Some(Duration::ZERO)).build()
    } else {
        settings.build()
    }
}

/// Servers and transport policy, and the servers that are found behind a stream.
pub(super) fn configuration(config: &RtcConfig) -> std::result::Result<(RTCConfiguration, Streams), RtcError> {
    let (servers, streams) = ice_url::ice_servers(config)?;
    let configuration = RTCConfigurationBuilder::new()
        .with_ice_servers(servers)
        .with_ice_transport_policy(if config.relay_only {
            RTCIceTransportPolicy::Relay
        } else {
            RTCIceTransportPolicy::All
        })
        .build();
    Ok((configuration, streams))
}

fn video(mime_type: &str, parameters: &str) -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: parameters.to_owned(),
        rtcp_feedback: vec![feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_video_codecs_are_offered_with_the_preferred_one_first_and_their_own_numbers() {
        let numbers = |preferred: &[VideoCodec]| {
            codecs(MediaKind::Video, preferred).iter().map(|codec| codec.payload_type).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&[VideoCodec::Vp8, VideoCodec::H264]), [96, 97, 102, 103]);
        assert_eq!(numbers(&[VideoCodec::H264]), [102, 103, 96, 97]);
        assert_eq!(numbers(&[]), [96, 97, 102, 103]);
    }
}
