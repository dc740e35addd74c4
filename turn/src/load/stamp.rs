//! What every payload starts with: enough to tell where it belongs and how long it took.

/// Length of a stamp, in bytes.
pub(super) const STAMP: usize = 24;

/// Run (4 bytes), flow (4), number of the packet in its flow and way (8), time (8), all big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which run it belongs to: packets of an earlier one do not count.
    pub(super) run: u32,
    /// Which flow.
    pub(super) flow: u32,
    /// Counted from 0 for each flow and way.
    pub(super) number: u64,
    /// When it was sent, in nanoseconds since the session's start.
    pub(super) at: u64,
}

impl Stamp {
    /// Writes it to the start of `payload`; a shorter payload stays as it is.
    pub(super) fn write(self, payload: &mut [u8]) {
        if let Some(head) = payload.first_chunk_mut::<STAMP>() {
            head[..4].copy_from_slice(&self.run.to_be_bytes());
            head[4..8].copy_from_slice(&self.flow.to_be_bytes());
            head[8..16].copy_from_slice(&self.number.to_be_bytes());
            head[16..].copy_from_slice(&self.at.to_be_bytes());
        }
    }

    /// Reads it from the start of `payload`; `None` when that is shorter.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let (run, rest) = payload.split_first_chunk::<4>()?;
        let (flow, rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (at, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            run: u32::from_be_bytes(*run),
            flow: u32::from_be_bytes(*flow),
            number: u64::from_be_bytes(*number),
            at: u64::from_be_bytes(*at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_reads_back() {
        let stamp = Stamp { run: 1, flow: 2, number: u64::MAX, at: 3 << 40 };
        let mut payload = [0xff; STAMP + 1];
        stamp.write(&mut payload);
        assert_eq!(Stamp::read(&payload), Some(stamp));
        assert_eq!(Stamp::read(&payload[..STAMP - 1]), None);
    }
}
