//! The thread that decodes and judges: decoding takes milliseconds, which the tasks that move packets do not have.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::Milestone;
use crate::media::{
    AudioDecoder, AudioHeard, AudioJudge, VideoCodec, VideoDecoder, VideoHeard, VideoJudge, audio_decoder,
    video_decoder,
};

/// Frames that may wait: four seconds of pictures and sound. What comes beyond that is left out and counted.
const QUEUE: usize = 320;

/// A frame to decode and judge.
pub(super) enum Work {
    /// A picture.
    Video { codec: VideoCodec, data: Bytes, at: Instant },
    /// A packet of sound.
    Audio { data: Bytes },
}

/// The judging thread's handle.
pub(super) struct Judging {
    work: Option<SyncSender<Work>>,
    snapshot: Arc<Mutex<Both>>,
    done: Option<oneshot::Receiver<Both>>,
}

#[derive(Clone)]
struct Both {
    video: VideoHeard,
    audio: Heard,
}

/// What was heard, and how many packets could not be.
#[derive(Clone)]
pub(super) struct Heard {
    pub(super) judged: AudioHeard,
    pub(super) errors: u64,
}

impl Judging {
    pub(super) fn start(expected_peer: Option<u8>, milestones: mpsc::Sender<Milestone>) -> Self {
        let (work, queue) = sync_channel(QUEUE);
        let (finished, done) = oneshot::channel();
        let judges = Judges {
            video_decoder: None,
            video: VideoJudge::new(expected_peer),
            audio_decoder: None,
            audio: AudioJudge::new(),
            audio_errors: 0,
            milestones,
        };
        let snapshot = Arc::new(Mutex::new(judges.heard()));
        let shared = Arc::clone(&snapshot);
        let thread = thread::Builder::new().name("judging".to_owned()).spawn(move || {
            // Nobody waits for the result of a run that was given up.
            let _ = finished.send(judges.run(&queue, &shared));
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread for judging: nothing will be decoded");
        }
        Self { work: Some(work), snapshot, done: Some(done) }
    }

    /// Hands a frame over; false when the thread is too far behind.
    pub(super) fn give(&self, work: Work) -> bool {
        self.work.as_ref().is_some_and(|queue| queue.try_send(work).is_ok())
    }

    /// What was seen and heard so far.
    pub(super) fn snapshot(&self) -> (VideoHeard, Heard) {
        let heard = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (heard.video, heard.audio)
    }

    /// Lets the thread finish what it has, and takes the result.
    pub(super) async fn finish(&mut self) -> (VideoHeard, Heard) {
        self.work = None;
        match self.done.take() {
            Some(done) => match done.await {
                Ok(heard) => (heard.video, heard.audio),
                Err(_) => self.snapshot(),
            },
            None => self.snapshot(),
        }
    }
}

struct Judges {
    video_decoder: Option<(VideoCodec, Box<dyn VideoDecoder>)>,
    video: VideoJudge,
    audio_decoder: Option<AudioDecoder>,
    audio: AudioJudge,
    audio_errors: u64,
    milestones: mpsc::Sender<Milestone>,
}

impl Judges {
    fn run(mut self, queue: &Receiver<Work>, snapshot: &Mutex<Both>) -> Both {
        let (mut seen, mut heard) = (false, false);
        let mut count = 0_u32;
        while let Ok(work) = queue.recv() {
            match work {
                Work::Video { codec, data, at } => {
                    if self.picture(codec, &data, at) && !std::mem::replace(&mut seen, true) {
                        let _ = self.milestones.try_send(Milestone::FirstPicture);
                    }
                }
                Work::Audio { data } => {
                    if self.sound(&data) && !std::mem::replace(&mut heard, true) {
                        let _ = self.milestones.try_send(Milestone::FirstSound);
                    }
                }
            }
            // A report costs more than a frame; a live line wants one a second.
            count += 1;
            if count.is_multiple_of(40) {
                *snapshot.lock().unwrap_or_else(PoisonError::into_inner) = self.heard();
            }
        }
        self.heard()
    }

    fn picture(&mut self, codec: VideoCodec, data: &[u8], at: Instant) -> bool {
        if self.video_decoder.as_ref().is_none_or(|(made_for, _)| *made_for != codec) {
            match video_decoder(codec) {
                Ok(decoder) => self.video_decoder = Some((codec, decoder)),
                Err(error) => tracing::error!(%error, "no decoder"),
            }
        }
        let Some((_, decoder)) = &mut self.video_decoder else { return false };
        match decoder.decode(data) {
            Ok(Some(picture)) => {
                self.video.frame(at, &picture);
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::debug!(%error, "a frame could not be decoded");
                self.video.decode_error();
                false
            }
        }
    }

    fn sound(&mut self, data: &[u8]) -> bool {
        if self.audio_decoder.is_none() {
            match audio_decoder() {
                Ok(decoder) => self.audio_decoder = Some(decoder),
                Err(error) => tracing::error!(%error, "no decoder"),
            }
        }
        let Some(decoder) = &mut self.audio_decoder else { return false };
        match decoder.decode(data) {
            Ok(samples) => {
                self.audio.samples(samples);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "a packet of sound could not be decoded");
                self.audio_errors += 1;
                false
            }
        }
    }

    fn heard(&self) -> Both {
        let audio = Heard { judged: self.audio.report(), errors: self.audio_errors };
        Both { video: self.video.report(), audio }
    }
}
