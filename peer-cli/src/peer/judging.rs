//! The thread that decodes and judges: decoding takes milliseconds, which the tasks that move packets do not have.

use std::any::Any;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::Milestone;
use crate::clock::Started;
use crate::measure::{Distribution, SeriesBuilder};
use crate::media::{AudioHeard, VideoCodec, VideoHeard, VideoJudgeConfig};
use crate::report::Snapshot;

mod judges;

use judges::Judges;

/// Frames that may wait: four seconds of pictures and sound. What comes beyond that is left out and counted.
const QUEUE: usize = 320;

/// A frame to judge.
pub(super) enum Work {
    /// A picture to decode, and when it was sent, where that is known.
    Picture { codec: VideoCodec, data: Bytes, timestamp: u32, sent_at: Option<Instant> },
    /// A picture of which only the times count: when it could have been decoded, and when it was sent.
    Frame { timestamp: u32, at: Instant, sent_at: Option<Instant> },
    /// A packet of sound to decode, and when it arrived.
    Sound { data: Bytes, timestamp: u32, at: Instant },
}

/// What the thread tells while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Something was reached.
    Milestone(Milestone, Instant),
    /// A picture could not be decoded.
    Undecodable,
}

/// Held for a few lines, under which nothing is left half done: a poisoned one is still good.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The judging thread's handle.
pub(super) struct Judging {
    work: Option<SyncSender<Work>>,
    snapshot: Arc<Mutex<Judged>>,
    /// When the call ended, once it has.
    ended: Arc<OnceLock<Instant>>,
    done: Option<oneshot::Receiver<(Judged, Vec<Snapshot>)>>,
    /// The thread, or why there is none.
    thread: Result<JoinHandle<()>, String>,
}

/// What was seen and heard.
#[derive(Clone)]
pub(super) struct Judged {
    pub(super) video: VideoHeard,
    pub(super) audio: AudioHeard,
    pub(super) audio_errors: u64,
    pub(super) av_offset: Option<Distribution>,
    pub(super) decode_cpu: Duration,
    pub(super) judge_cpu: Duration,
}

/// What it came to.
pub(super) struct Finished {
    pub(super) judged: Judged,
    pub(super) snapshots: Vec<Snapshot>,
    /// Why the thread did not come to the end; the rest is then what was known a moment before.
    pub(super) failure: Option<String>,
}

impl Judging {
    pub(super) fn start(
        expected_peer: Option<u8>,
        started: Started,
        series: Arc<Mutex<SeriesBuilder>>,
        told: mpsc::Sender<Told>,
    ) -> Self {
        let config =
            VideoJudgeConfig { expected: expected_peer, run_start: started.mono, run_start_unix: started.unix };
        let judges = Judges::new(config, series, told);
        Self::spawn(judges.judged(), move |queue, latest, ended| judges.run(queue, latest, ended))
    }

    /// `run` works until the queue is closed; then it is known when the call ended.
    fn spawn(
        first: Judged,
        run: impl FnOnce(&Receiver<Work>, &Mutex<Judged>, &OnceLock<Instant>) -> (Judged, Vec<Snapshot>) + Send + 'static,
    ) -> Self {
        let (work, queue) = sync_channel(QUEUE);
        let (finished, done) = oneshot::channel();
        let (snapshot, ended) = (Arc::new(Mutex::new(first)), Arc::new(OnceLock::new()));
        let (latest, end) = (Arc::clone(&snapshot), Arc::clone(&ended));
        let thread = thread::Builder::new().name("judging".to_owned()).spawn(move || {
            // Nobody waits for the result of a run that was given up.
            let _ = finished.send(run(&queue, &latest, &end));
        });
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread for judging: nothing will be decoded");
        }
        let thread = thread.map_err(|error| format!("no thread could be started for decoding and judging: {error}"));
        Self { work: Some(work), snapshot, ended, done: Some(done), thread }
    }

    /// Hands a frame over; false when the thread is too far behind. One that has ended takes everything and does nothing:
    /// [`Judging::finish`] tells.
    pub(super) fn give(&self, work: Work) -> bool {
        let sent = self.work.as_ref().map(|queue| queue.try_send(work));
        !matches!(sent, Some(Err(TrySendError::Full(_))))
    }

    /// What was seen and heard so far.
    pub(super) fn snapshot(&self) -> Judged {
        lock(&self.snapshot).clone()
    }

    /// Lets the thread finish what it has, and takes the result. `ended`: when the call did.
    pub(super) async fn finish(&mut self, ended: Instant) -> Finished {
        // Once is enough: the first end is the end.
        let _ = self.ended.set(ended);
        self.work = None;
        let done = match self.done.take() {
            Some(done) => done.await.ok(),
            None => None,
        };
        let thread = std::mem::replace(&mut self.thread, Err("it was asked for twice".to_owned()));
        match done {
            Some((judged, snapshots)) => Finished { judged, snapshots, failure: None },
            None => Finished { judged: self.snapshot(), snapshots: Vec::new(), failure: Some(words(thread)) },
        }
    }
}

/// Why there is no result.
fn words(thread: Result<JoinHandle<()>, String>) -> String {
    // It has dropped its end of the channel, so it is about to be over: there is nothing to wait for here.
    match thread.map(JoinHandle::join) {
        Ok(Err(panic)) => format!("the thread that decodes and judges broke: {}", cry(&*panic)),
        Ok(Ok(())) => "the thread that decodes and judges ended early".to_owned(),
        Err(reason) => reason,
    }
}

fn cry(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;
    use crate::media::AudioJudge;

    fn nothing() -> Judged {
        Judged {
            video: VideoHeard::default(),
            audio: AudioJudge::new().report(),
            audio_errors: 0,
            av_offset: None,
            decode_cpu: Duration::ZERO,
            judge_cpu: Duration::ZERO,
        }
    }

    fn frame() -> Work {
        Work::Frame { timestamp: 0, at: now(), sent_at: None }
    }

    #[tokio::test]
    async fn a_thread_that_breaks_is_told_with_its_own_words() {
        let mut judging = Judging::spawn(nothing(), |queue, _, _| {
            let _ = queue.recv();
            panic!("a frame too many")
        });
        assert!(judging.give(frame()));
        let finished = judging.finish(now()).await;
        let failure = finished.failure.as_deref();
        assert_eq!(failure, Some("the thread that decodes and judges broke: a frame too many"));
    }

    #[tokio::test]
    async fn frames_beyond_the_queue_are_not_taken_and_an_end_is_no_lack_of_room() {
        let (go, wait) = sync_channel::<()>(0);
        let mut judging = Judging::spawn(nothing(), move |queue, _, ended| {
            let _ = wait.recv();
            let count = queue.iter().count() as u64;
            assert!(ended.get().is_some());
            (Judged { audio_errors: count, ..nothing() }, Vec::new())
        });
        for _ in 0..QUEUE {
            assert!(judging.give(frame()));
        }
        assert!(!judging.give(frame()), "no room");
        drop(go);
        let finished = judging.finish(now()).await;
        assert_eq!((finished.judged.audio_errors, finished.failure), (QUEUE as u64, None));
        assert!(judging.give(frame()), "it is over");
    }
}
