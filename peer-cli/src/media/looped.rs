//! Frames that are all there, played again and again.

use super::{EncodedFrame, MediaError, Source};

/// Repeats a list of frames without end.
pub(super) struct Looped {
    label: String,
    frames: Vec<EncodedFrame>,
    next: usize,
}

impl Looped {
    /// `frames` may be empty only if the caller never asks for one; the openers refuse such files.
    pub(super) fn new(label: String, frames: Vec<EncodedFrame>) -> Self {
        Self { label, frames, next: 0 }
    }
}

impl Source for Looped {
    fn next(&mut self) -> Result<EncodedFrame, MediaError> {
        let frame = self.frames.get(self.next).cloned().ok_or_else(|| MediaError::Broken {
            path: self.label.clone(),
            frames: 0,
            reason: "there is no frame to send".to_owned(),
        })?;
        self.next = (self.next + 1) % self.frames.len();
        Ok(frame)
    }

    fn request_key_frame(&mut self) {
        let (before, after) = self.frames.split_at(self.next);
        let ahead = after.iter().chain(before).position(|frame| frame.key);
        if let Some(ahead) = ahead {
            self.next = (self.next + ahead) % self.frames.len();
        }
    }

    fn describe(&self) -> String {
        self.label.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn looped(keys: &[bool]) -> Looped {
        let frame = |(index, &key): (usize, &bool)| EncodedFrame {
            data: Bytes::copy_from_slice(&[index as u8]),
            duration: Duration::from_millis(40),
            key,
        };
        Looped::new("test".to_owned(), keys.iter().enumerate().map(frame).collect())
    }

    fn numbers(source: &mut Looped, count: usize) -> Vec<u8> {
        (0..count).map(|_| source.next().unwrap().data[0]).collect()
    }

    #[test]
    fn the_first_frame_follows_the_last() {
        assert_eq!(numbers(&mut looped(&[true, false, false]), 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn a_wanted_key_frame_comes_next() {
        let mut source = looped(&[true, false, false, true, false]);
        assert_eq!(numbers(&mut source, 2), [0, 1]);
        source.request_key_frame();
        assert_eq!(numbers(&mut source, 2), [3, 4]);
        source.request_key_frame();
        assert_eq!(numbers(&mut source, 2), [0, 1]);
    }

    #[test]
    fn a_key_frame_behind_is_found_around_the_end() {
        let mut source = looped(&[true, false, false]);
        assert_eq!(numbers(&mut source, 2), [0, 1]);
        source.request_key_frame();
        assert_eq!(numbers(&mut source, 1), [0]);
    }
}
