//! What waits to be written to one stream: so many frames and so many bytes, a part of both for answers alone.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes that may wait for one connection.
const BYTES: usize = 512 << 10;
/// Bytes of these that data must leave free.
const SPARE_BYTES: usize = 16 << 10;
/// One slot of so many is left free by data.
const SPARE_SLOT: usize = 8;

/// The way in. Filled by one thread at a time: it stands behind the relay's lock.
#[derive(Debug)]
pub(crate) struct FrameQueue {
    frames: mpsc::Sender<Frame>,
    room: Arc<Semaphore>,
    spare_slots: usize,
}

/// One frame; its bytes count until it is dropped.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl FrameQueue {
    /// A queue of `slots` frames, at least 8, and the way out of it.
    pub(crate) fn new(slots: usize) -> (Self, mpsc::Receiver<Frame>) {
        let slots = slots.max(SPARE_SLOT);
        let (frames, out) = mpsc::channel(slots);
        let queue = Self { frames, room: Arc::new(Semaphore::new(BYTES)), spare_slots: slots / SPARE_SLOT };
        (queue, out)
    }

    /// Queues data as one frame; false when it was dropped. A slow reader loses its own data, as it would on UDP,
    /// and nobody waits for it.
    #[must_use]
    pub(crate) fn push_data(&self, parts: &[&[u8]]) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let has_room = self.frames.capacity() > self.spare_slots
            && self.room.available_permits() >= length.saturating_add(SPARE_BYTES);
        has_room && self.push(parts.concat())
    }

    /// Queues an answer; false when it was dropped, which data alone can never cause.
    #[must_use]
    pub(crate) fn push_answer(&self, bytes: Vec<u8>) -> bool {
        self.push(bytes)
    }

    fn push(&self, bytes: Vec<u8>) -> bool {
        let Ok(length) = u32::try_from(bytes.len()) else {
            return false;
        };
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(length) else {
            return false;
        };
        self.frames.try_send(Frame { bytes, _room: room }).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_finds_a_slot_when_data_has_taken_all_it_can() {
        let (queue, mut out) = FrameQueue::new(16);
        let taken = (0..100).filter(|_| queue.push_data(&[b"data", b"x"])).count();
        assert_eq!(taken, 14);
        assert!(queue.push_answer(b"answer".to_vec()));
        assert!(queue.push_answer(b"answer".to_vec()));
        assert!(!queue.push_answer(b"answer".to_vec()), "bounded all the same");
        assert_eq!(out.try_recv().unwrap().bytes, b"datax");
    }

    #[test]
    fn answer_finds_bytes_when_data_has_taken_all_it_can() {
        let (queue, mut out) = FrameQueue::new(1024);
        let large = vec![0; 60_000];
        let taken = (0..100).filter(|_| queue.push_data(&[&large])).count();
        assert_eq!(taken, (BYTES - SPARE_BYTES) / large.len());
        assert!(queue.push_answer(vec![0; 1000]));
        let frame = out.try_recv().unwrap();
        assert!(!queue.push_data(&[&large]), "it counts while it is being written");
        drop(frame);
        assert!(queue.push_data(&[&large]));
    }
}
