//! The thread that writes down what arrives: a slow disk must not hold up a call.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::clock::Started;
use crate::media::VideoCodec;
use crate::record::{RecordError, Recorded, Recorder};
use crate::rtc::{MediaKind, RtpPacket};

/// Entries that may wait: several seconds of packets and frames. What comes beyond that is left out and counted.
const QUEUE: usize = 4096;

/// A cheap handle to the thread.
#[derive(Clone)]
pub(super) struct Recording {
    entries: SyncSender<Entry>,
    left_out: Arc<AtomicU64>,
}

/// The end of a recording.
pub(super) struct Finish {
    left_out: Arc<AtomicU64>,
    done: oneshot::Receiver<Result<Recorded, RecordError>>,
}

enum Entry {
    Frame { kind: MediaKind, codec: Option<VideoCodec>, data: Bytes, key: bool, timestamp: u32, at: Instant },
    Rtp { at: Instant, kind: MediaKind, packet: RtpPacket },
    Signaling { at: Instant, sent: bool, text: Bytes },
}

impl Recording {
    /// Creates the files of `peer` in `folder`.
    pub(super) fn start(folder: &Path, peer: &str, started: Started) -> Result<(Self, Finish), RecordError> {
        let recorder = Recorder::create(folder, peer, started.mono, started.unix)?;
        let (entries, queue) = sync_channel(QUEUE);
        let (finished, done) = oneshot::channel();
        let thread = thread::Builder::new().name("recording".to_owned()).spawn(move || {
            // Nobody waits for the result of a run that was given up.
            let _ = finished.send(run(recorder, &queue));
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread for recording: nothing will be recorded");
        }
        let left_out = Arc::<AtomicU64>::default();
        Ok((Self { entries, left_out: Arc::clone(&left_out) }, Finish { left_out, done }))
    }

    pub(super) fn frame(
        &self,
        kind: MediaKind,
        codec: Option<VideoCodec>,
        data: Bytes,
        key: bool,
        timestamp: u32,
        at: Instant,
    ) {
        self.give(Entry::Frame { kind, codec, data, key, timestamp, at });
    }

    pub(super) fn rtp(&self, at: Instant, kind: MediaKind, packet: &RtpPacket) {
        self.give(Entry::Rtp { at, kind, packet: packet.clone() });
    }

    pub(super) fn signaling(&self, at: Instant, sent: bool, text: Bytes) {
        self.give(Entry::Signaling { at, sent, text });
    }

    fn give(&self, entry: Entry) {
        if self.entries.try_send(entry).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Finish {
    /// Waits until everything is written; every handle has to be dropped before.
    pub(super) async fn wait(self) {
        match self.done.await {
            Ok(Ok(recorded)) => tracing::info!(?recorded, "recorded"),
            Ok(Err(error)) => tracing::error!(%error, "the recording is not complete"),
            Err(_) => tracing::error!("the recording thread broke"),
        }
        let left_out = self.left_out.load(Ordering::Relaxed);
        if left_out > 0 {
            tracing::error!(left_out, "the disk was too slow: entries are missing in the recording");
        }
    }
}

fn run(mut recorder: Recorder, queue: &Receiver<Entry>) -> Result<Recorded, RecordError> {
    while let Ok(entry) = queue.recv() {
        match entry {
            Entry::Frame { kind, codec, data, key, timestamp, at } => {
                recorder.frame(kind, codec, &data, key, timestamp, at);
            }
            Entry::Rtp { at, kind, packet } => recorder.rtp(at, kind, &packet),
            Entry::Signaling { at, sent, text } => recorder.signaling(at, sent, &text),
        }
    }
    recorder.finish()
}
