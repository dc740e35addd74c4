//! The thread that writes down what arrives: a slow disk must not hold up a call.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::clock::Started;
use crate::media::VideoCodec;
use crate::record::{RecordError, Recorded, RecordedFile, Recorder};
use crate::report::{RecordingFile, RecordingReport};
use crate::rtc::{MediaKind, RtpPacket};

/// Entries that may wait: several seconds of packets and frames. What comes beyond that is left out and counted.
const QUEUE: usize = 4096;
/// How long a disk may take for what is left in the end.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// A cheap handle to the thread.
#[derive(Clone)]
pub(super) struct Recording {
    entries: SyncSender<Entry>,
    left_out: Arc<AtomicU64>,
}

/// The end of a recording.
pub(super) struct Finish {
    /// What the names of the files begin with.
    stem: PathBuf,
    left_out: Arc<AtomicU64>,
    done: oneshot::Receiver<Recorded>,
}

enum Entry {
    Frame { kind: MediaKind, codec: Option<VideoCodec>, data: Bytes, key: bool, timestamp: u32, at: Instant },
    Rtp { at: Instant, kind: MediaKind, packet: RtpPacket },
    SenderReport { at: Instant, kind: MediaKind, ntp: u64, timestamp: u32 },
    Signaling { at: Instant, sent: bool, text: Bytes },
}

impl Recording {
    /// Creates the files of `peer` in `folder`, beside those of an earlier call.
    pub(super) fn start(folder: &Path, peer: &str, started: Started) -> Result<(Self, Finish), RecordError> {
        let recorder = Recorder::create(folder, peer, started.mono, started.unix)?;
        let stem = recorder.stem().to_owned();
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
        Ok((Self { entries, left_out: Arc::clone(&left_out) }, Finish { stem, left_out, done }))
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

    pub(super) fn sender_report(&self, kind: MediaKind, at: Instant, ntp: u64, timestamp: u32) {
        self.give(Entry::SenderReport { at, kind, ntp, timestamp });
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
    /// Waits until everything is written, and no longer than a disk that answers needs; every handle has to be dropped
    /// before.
    pub(super) async fn wait(self) -> RecordingReport {
        self.wait_for(FINISH_WITHIN).await
    }

    async fn wait_for(self, limit: Duration) -> RecordingReport {
        let Self { stem, left_out, done } = self;
        let stem = stem.display();
        let left_out = left_out.load(Ordering::Relaxed);
        let (files, fault) = match tokio::time::timeout(limit, done).await {
            Ok(Ok(recorded)) => {
                tracing::info!(?recorded, "recorded");
                let fault = recorded.fault();
                (recorded.files.into_iter().map(file).collect(), fault)
            }
            Ok(Err(_)) => {
                let fault = format!("the thread that writes {stem}.* broke; this is a fault of peer-cli");
                (Vec::new(), Some(logged(fault)))
            }
            Err(_) => {
                let fault = format!("the disk did not take the rest of {stem}.* within {limit:?}");
                (Vec::new(), Some(logged(fault)))
            }
        };
        let gaps = format!("the disk was too slow: {left_out} entries of {stem}.* are missing");
        let gaps = (left_out > 0).then(|| logged(gaps));
        let faults: Vec<String> = fault.into_iter().chain(gaps).collect();
        let error = (!faults.is_empty()).then(|| faults.join("; "));
        RecordingReport { files, left_out, error }
    }
}

fn file(file: RecordedFile) -> RecordingFile {
    RecordingFile { path: file.path.display().to_string(), bytes: file.bytes, error: file.stopped }
}

fn logged(fault: String) -> String {
    tracing::error!(%fault, "the recording is not complete");
    fault
}

fn run(mut recorder: Recorder, queue: &Receiver<Entry>) -> Recorded {
    while let Ok(entry) = queue.recv() {
        match entry {
            Entry::Frame { kind, codec, data, key, timestamp, at } => {
                recorder.frame(kind, codec, &data, key, timestamp, at);
            }
            Entry::Rtp { at, kind, packet } => recorder.rtp(at, kind, &packet),
            Entry::SenderReport { at, kind, ntp, timestamp } => recorder.sender_report(kind, ntp, timestamp, at),
            Entry::Signaling { at, sent, text } => recorder.signaling(at, sent, &text),
        }
    }
    recorder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(left_out: u64) -> (oneshot::Sender<Recorded>, Finish) {
        let (finished, done) = oneshot::channel();
        (finished, Finish { stem: PathBuf::from("dir/alice"), left_out: Arc::new(AtomicU64::new(left_out)), done })
    }

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_waited_for_within_a_limit_and_named() {
        let (_finished, finish) = finish(0);
        let report = finish.wait_for(Duration::from_millis(1)).await;
        assert_eq!(report.error.as_deref(), Some("the disk did not take the rest of dir/alice.* within 1ms"));
    }

    #[tokio::test]
    async fn what_is_not_complete_is_told_with_its_files() {
        let (finished, finish) = finish(3);
        let stopped = RecordedFile {
            path: "dir/alice.webm".into(),
            bytes: 7,
            stopped: Some("No space left on device".to_owned()),
        };
        finished.send(Recorded { files: vec![stopped], ..Recorded::default() }).unwrap();
        let report = finish.wait().await;
        let error = "dir/alice.webm ends early: No space left on device; \
                     the disk was too slow: 3 entries of dir/alice.* are missing";
        assert_eq!((report.error.as_deref(), report.left_out), (Some(error), 3));
        assert_eq!((report.files[0].path.as_str(), report.files[0].bytes), ("dir/alice.webm", 7));
        assert!(report.files[0].error.is_some());
    }

    #[tokio::test]
    async fn a_thread_that_broke_is_told() {
        let (finished, finish) = finish(0);
        drop(finished);
        assert!(finish.wait().await.error.unwrap().contains("dir/alice.* broke"));
    }

    #[tokio::test]
    async fn a_complete_recording_has_no_error() {
        let (finished, finish) = finish(0);
        finished.send(Recorded::default()).unwrap();
        assert_eq!(finish.wait().await, RecordingReport::default());
    }
}
