//! One connection: builds it, carries out commands, keeps what has to stay the same across negotiations.

use std::{
    fmt,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use tokio::sync::mpsc;
use webrtc::peer_connection::PeerConnection;

use super::{
    LinkStats, MediaKind, MediaSender, PairStats, PeerEvent, RtcConfig, RtcError,
    build::{build, setup, tracks},
    engine,
    events::{RemoteVideo, Shared, lock},
    incoming,
    media::Outgoing,
    stats,
    turn_stream::{BROKEN_QUEUE, tell_lost},
};
use crate::{
    call::{CommandKind, RtcCommand, RtcEvent},
    media::VideoCodec,
    report::PairTried,
};

mod negotiation;

use negotiation::Negotiation;

/// A WebRTC connection with one audio and one video section.
///
/// Made by [`new`](Self::new), driven by [`command`](Self::command), ended by [`close`](Self::close). Dropping it
/// without `close` ends it too, only nobody can wait for that.
pub struct Peer {
    pc: Arc<dyn PeerConnection>,
    shared: Arc<Shared>,
    audio: Option<Arc<Outgoing>>,
    video: Option<Arc<Outgoing>>,
    /// Tracks given up because the far end knows none of their codecs.
    stopped: RwLock<Vec<MediaKind>>,
    sendable_video: Vec<VideoCodec>,
    negotiation: tokio::sync::Mutex<Negotiation>,
    closed: AtomicBool,
}

impl Peer {
    /// Sets up a connection; nothing is sent before the first command. `events` is bounded by its maker: 256 is a good
    /// size, the video of one second being some 100 to 300 packets.
    ///
    /// Has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// See [`RtcError`].
    pub async fn new(config: RtcConfig, events: mpsc::Sender<PeerEvent>) -> Result<Self, RtcError> {
        if config.bind.is_empty() {
            return Err(RtcError::NoBindAddress);
        }
        // Refused before anything is started.
        engine::configuration(&config)?;

        let shared = Shared::start(events);
        let (broken, broken_streams) = mpsc::channel(BROKEN_QUEUE);
        let pc = match build(&config, &shared, config.mdns, &broken).await {
            Err(error) if config.mdns => {
                tracing::warn!(%error, "no multicast DNS: .local candidates stay unresolved");
                build(&config, &shared, false, &broken).await?
            }
            built => built?,
        };
        let made = tracks(&pc, &shared, &config).await;
        let (audio, video) = match made {
            Ok(tracks) => tracks,
            Err(error) => {
                close_quietly(&*pc).await;
                return Err(setup("adding the tracks", &error));
            }
        };
        for outgoing in [&audio, &video].into_iter().flatten() {
            shared.own(incoming::receive_feedback(Arc::clone(&shared), Arc::clone(outgoing)));
        }
        shared.own(tell_lost(Arc::clone(&pc), Arc::clone(&shared), broken_streams));
        Ok(Self {
            pc,
            shared,
            audio,
            video,
            stopped: RwLock::default(),
            sendable_video: config.video,
            negotiation: tokio::sync::Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Carries out a command; what comes of it is told as events, a failure as
    /// [`RtcEvent::CommandFailed`]. Never waits for the reader of the events.
    pub async fn command(&self, command: RtcCommand) {
        let mut negotiation = self.negotiation.lock().await;
        let (command, done) = match command {
            RtcCommand::CreateOffer { ice_restart } => {
                self.shared.hold_candidates();
                let done = self.offer(ice_restart).await;
                self.shared.release_candidates();
                (CommandKind::CreateOffer, done)
            }
            RtcCommand::AcceptOffer { sdp } => {
                self.shared.hold_candidates();
                let done = self.accept_offer(sdp, &mut negotiation).await;
                self.shared.release_candidates();
                (CommandKind::AcceptOffer, done)
            }
            RtcCommand::AcceptAnswer { sdp } => {
                (CommandKind::AcceptAnswer, self.accept_answer(sdp, &mut negotiation).await)
            }
            RtcCommand::Rollback => (CommandKind::Rollback, self.rollback().await),
            RtcCommand::AddCandidate(candidate) => (CommandKind::AddCandidate, self.add_candidate(candidate).await),
            RtcCommand::Close => return self.shut_down().await,
        };
        if let Err(error) = done {
            self.shared.tell(RtcEvent::CommandFailed { command, reason: error.to_string() });
        }
    }

    /// Closes the connection, releases TURN allocations (for at most 100 ms) and tells [`RtcEvent::Closed`]. The far
    /// end does not hear of it through WebRTC before its ICE times out: say goodbye over the signaling first.
    pub async fn close(self) {
        self.shut_down().await;
    }

    /// The video codec to send: the first of [`RtcConfig::video`] that was negotiated. `None` before that, when nothing
    /// is in common, when the far end does not want video and when [`RtcConfig::send_video`] is off.
    #[must_use]
    pub fn video_codec(&self) -> Option<VideoCodec> {
        self.video.as_ref()?.video_codec()
    }

    /// The handle to send video with; `None` when [`RtcConfig::send_video`] is off.
    #[must_use]
    pub fn video_sender(&self) -> Option<MediaSender> {
        self.video.as_ref().map(MediaSender::new)
    }

    /// The handle to send audio with; `None` when [`RtcConfig::send_audio`] is off.
    #[must_use]
    pub fn audio_sender(&self) -> Option<MediaSender> {
        self.audio.as_ref().map(MediaSender::new)
    }

    /// Asks the far end for a key frame (PLI, RFC 4585 section 6.3.1). Does nothing before its first video packet; how
    /// often to ask is the caller's business.
    pub async fn request_key_frame(&self) {
        let Some(RemoteVideo { track, ssrc }) = self.shared.remote_video() else {
            return;
        };
        let request = PictureLossIndication {
            sender_ssrc: self.video.as_ref().map_or(0, |video| video.ssrc()),
            media_ssrc: ssrc,
        };
        if let Err(error) = track.write_rtcp(vec![Box::new(request)]).await {
            tracing::debug!(%error, "a key frame request was not sent");
        }
    }

    /// The nominated path; `None` before there is one.
    pub async fn stats(&self) -> Option<PairStats> {
        stats::read(&*self.pc).await
    }

    /// The candidate pairs that ICE has tried so far, in the order of their addresses; at most 256.
    pub async fn pairs(&self) -> Vec<PairTried> {
        let tried = lock(self.shared.checks()).tried();
        stats::pairs(&*self.pc, tried).await
    }

    /// What RTCP and the congestion controller tell about the link. Cheap: it reads a few counters.
    #[must_use]
    pub fn link(&self) -> LinkStats {
        self.shared.link().stats()
    }

    /// How many media events were dropped because the event channel was full.
    #[must_use]
    pub fn dropped_media(&self) -> u64 {
        self.shared.dropped()
    }

    /// How many frames the stack did not take although the connection was up, of all tracks.
    #[must_use]
    pub fn unsent_frames(&self) -> u64 {
        [&self.audio, &self.video].into_iter().flatten().map(|outgoing| outgoing.unsent()).sum()
    }

    async fn shut_down(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        close_quietly(&*self.pc).await;
        self.shared.end_tasks();
        // The stack's driver stops before it could tell this itself.
        self.shared.tell_closed();
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("video_codec", &self.video_codec())
            .field("dropped_media", &self.dropped_media())
            .finish_non_exhaustive()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        self.shared.end_tasks();
        // Without this the stack's driver would live on by itself. It ends within 100 ms.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let pc = Arc::clone(&self.pc);
            runtime.spawn(async move { close_quietly(&*pc).await });
        }
    }
}

async fn close_quietly(pc: &dyn PeerConnection) {
    if let Err(error) = pc.close().await {
        tracing::debug!(%error, "the connection did not close in order");
    }
}
