//! What waits to be written to one connection: whole frames, so many bytes of them, a part for answers alone.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use crate::stun::frame_length;

/// Bytes of the queue that data must leave free.
const SPARE_BYTES: usize = 16 << 10;
/// The shortest queue: any frame and a few answers.
const MIN_BYTES: usize = 64 << 10;
/// Empty buffers kept for the next connection that has something to write.
const KEPT: usize = 64;
/// The largest buffer that is kept, in bytes.
const KEPT_BYTES: usize = 32 << 10;

/// One connection's queue. Empty, it holds no memory.
#[derive(Debug)]
pub(super) struct Queue {
    bytes: VecDeque<u8>,
    max: usize,
}

/// Buffers without an owner: a few connections write at a time, and all of them take turns.
#[derive(Debug, Default)]
pub(super) struct Pool {
    buffers: Vec<VecDeque<u8>>,
}

impl Queue {
    /// A queue of `max` bytes, at least 64 KiB.
    pub(super) fn new(max: usize) -> Self {
        Self { bytes: VecDeque::new(), max: max.max(MIN_BYTES) }
    }

    /// Queues data as one frame; false when it was dropped. A slow reader loses its own data, as it would on UDP,
    /// and nobody waits for it.
    #[must_use]
    pub(super) fn push_data(&mut self, parts: &[&[u8]], pool: &mut Pool) -> bool {
        self.push(parts, self.max - SPARE_BYTES, pool)
    }

    /// Queues an answer; false when it was dropped, which data alone can never cause.
    #[must_use]
    pub(super) fn push_answer(&mut self, bytes: &[u8], pool: &mut Pool) -> bool {
        self.push(&[bytes], self.max, pool)
    }

    fn push(&mut self, parts: &[&[u8]], max: usize, pool: &mut Pool) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.bytes.len().saturating_add(length) > max {
            return false;
        }
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        }
        self.bytes.reserve(length);
        for part in parts {
            self.bytes.extend(part.iter());
        }
        true
    }

    /// The first frame; nothing when nothing waits. What is queued has to be whole frames, and taken as such.
    pub(super) fn front_frame(&mut self) -> &[u8] {
        let mut head = [0; 4];
        for (to, from) in head.iter_mut().zip(&self.bytes) {
            *to = *from;
        }
        let length = match frame_length(&head) {
            Ok(Some(length)) => length.min(self.bytes.len()),
            // Not one of ours: as it is.
            Ok(None) | Err(_) => self.bytes.len(),
        };
        if self.bytes.as_slices().0.len() < length {
            self.bytes.make_contiguous();
        }
        self.bytes.as_slices().0.get(..length).unwrap_or_default()
    }

    /// Forgets the first `count` bytes: they are on their way.
    pub(super) fn consume(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
    }

    /// Writes until nothing waits. `moved` is set when any byte was written.
    ///
    /// # Errors
    /// What the writer says, [`io::ErrorKind::WouldBlock`] among it; what it has not taken waits on.
    pub(super) fn write_to(&mut self, mut out: impl Write, moved: &mut bool) -> io::Result<()> {
        while !self.bytes.is_empty() {
            let (front, back) = self.bytes.as_slices();
            match out.write_vectored(&[IoSlice::new(front), IoSlice::new(back)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.consume(count);
                    *moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives the buffer away if nothing waits.
    pub(super) fn settle(&mut self, pool: &mut Pool) {
        if self.bytes.is_empty() && self.bytes.capacity() > 0 {
            pool.give(std::mem::take(&mut self.bytes));
        }
    }
}

impl Pool {
    fn take(&mut self) -> VecDeque<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    fn give(&mut self, buffer: VecDeque<u8>) {
        if self.buffers.len() < KEPT && buffer.capacity() <= KEPT_BYTES {
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_finds_room_when_data_has_taken_all_it_can() {
        let (mut queue, mut pool) = (Queue::new(512 << 10), Pool::default());
        let large = vec![0; 60_000];
        let taken = (0..100).filter(|_| queue.push_data(&[&large], &mut pool)).count();
        assert_eq!(taken, ((512 << 10) - SPARE_BYTES) / large.len());
        let small = (0..100_000).filter(|_| queue.push_data(&[&[7]], &mut pool)).count();
        assert_eq!(small, (512 << 10) - SPARE_BYTES - taken * large.len());

        let answers = (0..100).filter(|_| queue.push_answer(&[0; 1024], &mut pool)).count();
        assert_eq!(answers, SPARE_BYTES / 1024, "bounded all the same");
        queue.consume(60_000);
        assert!(!queue.push_data(&[&large], &mut pool), "answers that wait count, too");
        queue.consume(SPARE_BYTES);
        assert!(queue.push_data(&[&large], &mut pool));
    }

    #[test]
    fn smallest_queue_takes_any_frame() {
        let (mut queue, mut pool) = (Queue::new(0), Pool::default());
        assert!(queue.push_answer(&[0; 65_535], &mut pool));
        assert!(!queue.push_data(&[&[0]], &mut pool));
    }

    #[test]
    fn dropped_frame_leaves_nothing_behind() {
        let (mut queue, mut pool) = (Queue::new(64 << 10), Pool::default());
        assert!(queue.push_data(&[b"data", b"x"], &mut pool));
        assert!(!queue.push_data(&[b"head", &[0; 65_000]], &mut pool));
        assert!(queue.push_data(&[b"more"], &mut pool));
        let mut out = Vec::new();
        let mut moved = false;
        queue.write_to(&mut out, &mut moved).unwrap();
        assert!(moved);
        assert_eq!(out, b"dataxmore");
    }

    #[test]
    fn bytes_keep_their_order_around_the_end_of_the_buffer() {
        let (mut queue, mut pool) = (Queue::new(64 << 10), Pool::default());
        let (mut sent, mut came) = (Vec::new(), Vec::new());
        for round in 0..200_u8 {
            // Channel data of 333 bytes, padded.
            let frame = [&[0x40, 1, 1, 77][..], &[round; 333], &[0; 3]].concat();
            assert!(queue.push_data(&[&frame], &mut pool));
            sent.extend_from_slice(&frame);
            // Always a few behind, so that frames come to lie across the end.
            if round >= 5 {
                let front = queue.front_frame();
                assert_eq!(front.len(), frame.len());
                came.extend_from_slice(front);
                queue.consume(frame.len());
            }
        }
        queue.write_to(&mut came, &mut false).unwrap();
        assert_eq!(sent, came);
        assert!(queue.front_frame().is_empty());
    }

    #[test]
    fn writer_that_is_full_keeps_the_rest_waiting() {
        let (mut queue, mut pool) = (Queue::new(64 << 10), Pool::default());
        assert!(queue.push_data(&[&[1; 1000]], &mut pool));
        let mut moved = false;
        let error = queue.write_to(Narrow(600), &mut moved).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(moved);
        assert_eq!(queue.bytes.len(), 400);
        let mut moved = false;
        assert!(queue.write_to(Narrow(0), &mut moved).is_err());
        assert!(!moved);
    }

    #[test]
    fn empty_queue_gives_its_buffer_to_the_next() {
        let mut pool = Pool::default();
        let (mut one, mut two) = (Queue::new(0), Queue::new(0));
        assert!(one.push_data(&[&[1; 1000]], &mut pool));
        one.settle(&mut pool);
        assert!(pool.buffers.is_empty(), "it still has something to write");
        one.consume(1000);
        one.settle(&mut pool);
        assert_eq!((one.bytes.capacity(), pool.buffers.len()), (0, 1));
        assert!(two.push_data(&[b"x"], &mut pool));
        assert!(pool.buffers.is_empty());
        assert_eq!(two.bytes, b"x");

        assert!(one.push_data(&[&[1; 40_000]], &mut pool));
        one.consume(40_000);
        one.settle(&mut pool);
        assert!(pool.buffers.is_empty(), "a large one is freed");
    }

    /// Takes so many bytes and no more.
    struct Narrow(usize);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.0);
            self.0 -= count;
            if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
