//! From the stack's callbacks to the application's channel.
//!
//! The callbacks (`handler`) run inside the task that also drives ICE, DTLS and every packet, so nothing here ever
//! waits:
//!
//! ```text
//! callbacks, commands --try_send--> control queue --one pump task--> application's channel
//! RTP, sender reports, key frame requests ----try_send-------------> application's channel
//! ```
//!
//! The pump waits for the application, media does not: a slow application loses packets, which are counted, but no
//! state change and no candidate. A command never waits for the channel either, so one task may both read the events
//! and give the commands.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{sync::mpsc, task::JoinSet};
use webrtc::media_stream::track_remote::TrackRemote;

use super::{
    MediaKind, PeerEvent, ReceivedCodec,
    alerts::{Alert, Handshake},
    checks::Checks,
    hasty::Hasty,
    link::Link,
    sdp,
};
use crate::call::{Candidate, DescriptionKind, RtcEvent};

/// State changes and candidates on their way to the application: a few dozen in a call, so this many unread ones mean
/// that nobody reads.
const CONTROL_QUEUE: usize = 512;

/// What the callbacks, the tasks of the tracks and the [`Peer`](super::Peer) share.
pub(super) struct Shared {
    control: mpsc::Sender<RtcEvent>,
    application: mpsc::Sender<PeerEvent>,
    dropped: AtomicU64,
    link: Arc<Link>,
    checks: Arc<Mutex<Checks>>,
    hasty: Arc<Mutex<Hasty>>,
    handshake: Handshake,
    candidates: Mutex<LocalCandidates>,
    payload_types: RwLock<BTreeMap<u8, sdp::Format>>,
    remote_video: Mutex<Option<RemoteVideo>>,
    connected: Arc<AtomicBool>,
    closed_told: AtomicBool,
    tasks: Mutex<JoinSet<()>>,
}

/// Where to ask for a key frame.
#[derive(Clone)]
pub(super) struct RemoteVideo {
    /// The track.
    pub(super) track: Arc<dyn TrackRemote>,
    /// Its stream.
    pub(super) ssrc: u32,
}

/// Gathering starts before a description is out, and a candidate must not overtake its description.
#[derive(Default)]
struct LocalCandidates {
    held: Option<Vec<Gathered>>,
    mid: Option<String>,
}

/// What gathering brings.
pub(super) enum Gathered {
    /// A candidate attribute.
    Candidate(String),
    /// There are no more.
    Complete,
}

impl Shared {
    /// The shared state of one peer; the pump runs until the application drops its receiver or the peer is gone and
    /// everything is told.
    pub(super) fn start(application: mpsc::Sender<PeerEvent>) -> Arc<Self> {
        let (control, mut queue) = mpsc::channel(CONTROL_QUEUE);
        let to = application.clone();
        tokio::spawn(async move {
            while let Some(event) = queue.recv().await {
                if to.send(PeerEvent::Call(event)).await.is_err() {
                    break;
                }
            }
        });
        Arc::new(Self {
            control,
            application,
            dropped: AtomicU64::new(0),
            link: Arc::default(),
            checks: Arc::default(),
            hasty: Arc::default(),
            handshake: Handshake::default(),
            candidates: Mutex::default(),
            payload_types: RwLock::default(),
            remote_video: Mutex::default(),
            connected: Arc::new(AtomicBool::new(false)),
            closed_told: AtomicBool::new(false),
            tasks: Mutex::default(),
        })
    }

    /// Tells the call brain something.
    pub(super) fn tell(&self, event: RtcEvent) {
        match self.control.try_send(event) {
            // The application is gone: nobody is left to tell.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::error!(queue = CONTROL_QUEUE, "the application reads no events; one is lost");
            }
        }
    }

    /// Tells [`RtcEvent::Closed`], once.
    pub(super) fn tell_closed(&self) {
        self.connected.store(false, Ordering::Release);
        if !self.closed_told.swap(true, Ordering::AcqRel) {
            self.tell(RtcEvent::Closed);
        }
    }

    /// Passes on media, or drops it when the application is behind.
    pub(super) fn media(&self, event: PeerEvent) {
        if self.application.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many media events were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// What is known of the link; written by the interceptors.
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// What is known of the candidate pairs; written by the sockets.
    pub(super) fn checks(&self) -> &Arc<Mutex<Checks>> {
        &self.checks
    }

    /// What is known of the far end's relays; read by the sockets.
    pub(super) fn hasty(&self) -> &Arc<Mutex<Hasty>> {
        &self.hasty
    }

    /// A DTLS alert passed a socket in the clear. Strangers can reach our sockets too: only a path that ICE has proved
    /// counts.
    pub(super) fn alert(&self, local: SocketAddr, far: SocketAddr, by_us: bool, alert: Alert) {
        if lock(&self.checks).is_proved(local, far)
            && let Some(event) = self.handshake.alert(by_us, alert)
        {
            self.tell(event);
        }
    }

    /// The stack says that DTLS is up; whether that can be true.
    pub(super) fn finish_handshake(&self) -> bool {
        self.handshake.finish()
    }

    /// Whether media can flow; shared with the senders.
    pub(super) fn connected(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.connected)
    }

    /// From here on local candidates wait for [`release_candidates`](Self::release_candidates).
    pub(super) fn hold_candidates(&self) {
        let mut candidates = lock(&self.candidates);
        if candidates.held.is_none() {
            candidates.held = Some(Vec::new());
        }
    }

    /// Tells a local description; its candidates follow once released.
    pub(super) fn tell_description(&self, kind: DescriptionKind, sdp: String) {
        lock(&self.candidates).mid = sdp::first_mid(&sdp).map(str::to_owned);
        self.tell(RtcEvent::LocalDescription { kind, sdp });
    }

    /// Tells the candidates that waited, in order.
    pub(super) fn release_candidates(&self) {
        // Under the lock throughout, so that a candidate found meanwhile cannot overtake the waiting ones.
        let mut candidates = lock(&self.candidates);
        for gathered in candidates.held.take().unwrap_or_default() {
            self.tell(candidates.name(gathered));
        }
    }

    /// Tells a candidate, or that there are no more; or keeps it for later.
    pub(super) fn gathered(&self, gathered: Gathered) {
        let mut candidates = lock(&self.candidates);
        if let Some(held) = &mut candidates.held {
            held.push(gathered);
        } else {
            self.tell(candidates.name(gathered));
        }
    }

    /// What the payload types of received packets stand for from now on.
    pub(super) fn set_payload_types(&self, types: BTreeMap<u8, sdp::Format>) {
        *self.payload_types.write().unwrap_or_else(PoisonError::into_inner) = types;
    }

    /// The codec and clock rate of a received packet.
    pub(super) fn format(&self, payload_type: u8, kind: MediaKind) -> (ReceivedCodec, u32) {
        let types = self.payload_types.read().unwrap_or_else(PoisonError::into_inner);
        types.get(&payload_type).map_or_else(
            || {
                let clock_rate = match kind {
                    MediaKind::Audio => 48_000,
                    MediaKind::Video => 90_000,
                };
                (ReceivedCodec::Other(format!("PT {payload_type}")), clock_rate)
            },
            |format| (format.codec.clone(), format.clock_rate),
        )
    }

    /// The video stream of the far end, once its first packet has come.
    pub(super) fn remote_video(&self) -> Option<RemoteVideo> {
        lock(&self.remote_video).clone()
    }

    /// Remembers where video comes from.
    pub(super) fn set_remote_video(&self, video: RemoteVideo) {
        *lock(&self.remote_video) = Some(video);
    }

    /// Runs a task that lives no longer than the peer.
    pub(super) fn own(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Ends the tasks of the tracks.
    pub(super) fn end_tasks(&self) {
        lock(&self.tasks).abort_all();
        *lock(&self.remote_video) = None;
    }
}

impl LocalCandidates {
    /// The stack leaves `sdpMid` empty, which names no section. Under BUNDLE every candidate belongs to the first one.
    fn name(&self, gathered: Gathered) -> RtcEvent {
        match gathered {
            Gathered::Candidate(candidate) => RtcEvent::LocalCandidate(Candidate {
                candidate,
                sdp_mid: Some(self.mid.clone().unwrap_or_else(|| "0".to_owned())),
                sdp_m_line_index: Some(0),
            }),
            Gathered::Complete => RtcEvent::GatheringComplete,
        }
    }
}

/// Every lock here is held for a few lines that cannot leave half a change behind, so a poisoned one is still good.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
