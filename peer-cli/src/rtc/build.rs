//! Putting the stack together: codecs, settings, sockets, and one section each for sound and pictures.

use std::sync::Arc;

use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::mpsc;
use webrtc::{
    error::{Error, Result as StackResult},
    peer_connection::{PeerConnection, PeerConnectionBuilder},
    runtime::default_runtime,
};

use super::{
    IceServer, MediaKind, RtcConfig, RtcError, engine,
    events::Shared,
    handler::Handler,
    layer,
    media::Outgoing,
    packets,
    prompt::Prompt,
    turn_stream::{Bridge, Broken},
    watch::Watching,
};

/// Opens the sockets and puts the stack together; nothing is sent yet.
pub(super) async fn build(
    config: &RtcConfig,
    shared: &Arc<Shared>,
    mdns: bool,
    broken: &mpsc::Sender<Broken>,
) -> Result<Arc<dyn PeerConnection>, RtcError> {
    let (media_engine, registry) =
        engine::media(config, shared).map_err(|error| setup("registering the codecs", &error))?;
    let mut builder = PeerConnectionBuilder::new();
    let (configuration, streams) = engine::configuration(config)?;
    let streams = Arc::new(streams);
    if let Some(mut runtime) = default_runtime() {
        if IceServer::any_named(&config.ice_servers, "turn") {
            runtime = layer::around(runtime, Prompt::default());
        }
        if !streams.is_empty() {
            runtime = layer::around(runtime, Bridge::new(Arc::clone(&streams), broken.clone()));
        }
        builder = builder.with_runtime(layer::around(runtime, Watching::new(shared, config.relay_only)));
    }
    let pc = builder
        .with_configuration(configuration)
        .with_media_engine(media_engine)
        .with_setting_engine(engine::settings(config.relay_only, mdns))
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(Handler::new(Arc::clone(shared), streams)))
        .with_udp_addrs(config.bind.clone())
        .build()
        .await
        .map_err(|error| setup("opening its sockets", &error))?;
    Ok(Arc::new(pc))
}

pub(super) type Tracks = (Option<Arc<Outgoing>>, Option<Arc<Outgoing>>);

/// Audio first, then video: the order of the sections of an offer, in every offer.
pub(super) async fn tracks(pc: &Arc<dyn PeerConnection>, shared: &Shared, config: &RtcConfig) -> StackResult<Tracks> {
    let stream = format!("{:016x}", packets::dice());
    let audio = if config.send_audio {
        Some(Outgoing::add(pc, shared, MediaKind::Audio, &config.video, &stream).await?)
    } else {
        pc.add_transceiver_from_kind(RtpCodecKind::Audio, None).await?;
        None
    };
    let video = if config.send_video {
        Some(Outgoing::add(pc, shared, MediaKind::Video, &config.video, &stream).await?)
    } else {
        pc.add_transceiver_from_kind(RtpCodecKind::Video, None).await?;
        None
    };
    Ok((audio, video))
}

/// What went wrong at which step, in the stack's own words.
pub(super) fn setup(step: &'static str, error: &Error) -> RtcError {
    RtcError::Setup { step, reason: error.to_string() }
}
