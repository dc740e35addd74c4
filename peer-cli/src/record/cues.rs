//! The index that lets a player jump (RFC 9559 section 5.1.5).

use super::ebml::{master, uint};
use super::head::CUES;

/// Where to find a moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    /// Milliseconds since the file began.
    pub(super) time: u64,
    /// The track's number.
    pub(super) track: u8,
    /// Where the cluster begins, in the file.
    pub(super) cluster: u64,
    /// Where the block begins, in the cluster's content.
    pub(super) block: u64,
}

/// The cues of a file, one a second at most; of long calls fewer.
#[derive(Debug)]
pub(super) struct Cues {
    cues: Vec<Cue>,
    /// Milliseconds between two cues, at least.
    spacing: u64,
}

/// More than this, and every other one goes: 5.5 hours at one a second.
const MOST: usize = 20_000;
const POINT: u32 = 0xbb;
const TIME: u32 = 0xb3;
const POSITIONS: u32 = 0xb7;
const TRACK: u32 = 0xf7;
const CLUSTER_POSITION: u32 = 0xf1;
const RELATIVE_POSITION: u32 = 0xf0;

impl Cues {
    pub(super) fn new() -> Self {
        Self { cues: Vec::new(), spacing: 1000 }
    }

    /// Notes a place where playing can begin, unless the one before is near.
    pub(super) fn offer(&mut self, cue: Cue) {
        let near = |last: &Cue| cue.time < last.time.saturating_add(self.spacing);
        if self.cues.last().is_some_and(near) {
            return;
        }
        if self.cues.len() >= MOST {
            let mut keep = false;
            self.cues.retain(|_| {
                keep = !keep;
                keep
            });
            self.spacing *= 2;
        }
        self.cues.push(cue);
    }

    /// The element; `None` without a single cue. `segment` is where the segment's content begins.
    pub(super) fn render(&self, segment: u64) -> Option<Vec<u8>> {
        if self.cues.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        master(&mut out, CUES, |out| {
            for cue in &self.cues {
                master(out, POINT, |out| {
                    uint(out, TIME, cue.time);
                    master(out, POSITIONS, |out| {
                        uint(out, TRACK, u64::from(cue.track));
                        uint(out, CLUSTER_POSITION, cue.cluster.saturating_sub(segment));
                        uint(out, RELATIVE_POSITION, cue.block);
                    });
                });
            }
        });
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(time: u64) -> Cue {
        Cue { time, track: 1, cluster: 2048, block: 3 }
    }

    #[test]
    fn cues_are_written_with_positions_inside_the_segment() {
        let mut cues = Cues::new();
        assert_eq!(cues.render(48), None);
        cues.offer(cue(0));
        let expected = [
            0x1c, 0x53, 0xbb, 0x6b, 0x91, // Cues
            0xbb, 0x8f, 0xb3, 0x81, 0, // point, time
            0xb7, 0x8a, 0xf7, 0x81, 1, 0xf1, 0x82, 0x07, 0xd0, 0xf0, 0x81, 3, // track, cluster, block
        ];
        assert_eq!(cues.render(48).unwrap(), expected);
    }

    #[test]
    fn there_is_one_cue_a_second_at_most() {
        let mut cues = Cues::new();
        for time in [0, 33, 999, 1000, 1500, 2001] {
            cues.offer(cue(time));
        }
        assert_eq!(cues.cues.iter().map(|cue| cue.time).collect::<Vec<_>>(), [0, 1000, 2001]);
    }

    #[test]
    fn an_endless_call_has_an_index_with_an_end() {
        let mut cues = Cues::new();
        for second in 0..100_000 {
            cues.offer(cue(second * 1000));
        }
        assert!(cues.cues.len() <= MOST);
        assert!(cues.cues.windows(2).all(|pair| pair[1].time - pair[0].time <= cues.spacing));
        assert_eq!(cues.cues[0].time, 0);
    }
}
