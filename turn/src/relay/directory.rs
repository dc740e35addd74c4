//! Who answers at which relay port: the one book of the relay that packets read, without a lock.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::claims::OwnAddress;

/// By relay port, the worker whose allocation answers there, and at which two of our IP addresses it does: the one its
/// socket is bound to and the one that peers see, which may be the same.
pub(super) struct Directory {
    /// From the top: 8 bits for the worker plus one, 12 for each of the two addresses; 0 where nobody answers.
    entries: Box<[AtomicU32]>,
}

/// There are no more ports than this.
const PORTS: usize = 1 << 16;
/// Bits of an address in an entry.
const BITS: u32 = 12;
const MASK: u32 = (1 << BITS) - 1;
const _: () = assert!(OwnAddress::LAST as u32 <= MASK);

impl Directory {
    pub(super) fn new() -> Self {
        Self { entries: (0..PORTS).map(|_| AtomicU32::new(0)).collect() }
    }

    /// From now on an allocation of this worker, 0 to 254, answers at the port.
    pub(super) fn enter(&self, port: u16, worker: u8, at: [OwnAddress; 2]) {
        let [local, seen] = at.map(OwnAddress::number);
        let worker = u32::from(worker.saturating_add(1));
        self.entry(port).store((worker << (2 * BITS)) | (local << BITS) | seen, Relaxed);
    }

    /// Nobody answers at the port any more.
    pub(super) fn strike(&self, port: u16) {
        self.entry(port).store(0, Relaxed);
    }

    /// The worker whose allocation answers at this port of this address of ours.
    pub(super) fn worker_at(&self, own: OwnAddress, port: u16) -> Option<u8> {
        let entry = self.entry(port).load(Relaxed);
        let worker = u8::try_from(entry >> (2 * BITS)).ok()?.checked_sub(1)?;
        let is_there = (entry >> BITS) & MASK == own.number() || entry & MASK == own.number();
        is_there.then_some(worker)
    }

    /// At how many ports somebody answers.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.load(Relaxed) != 0).count()
    }

    fn entry(&self, port: u16) -> &AtomicU32 {
        &self.entries[usize::from(port)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_found_by_both_of_its_addresses_and_by_no_other() {
        let directory = Directory::new();
        let [local, seen, other, last] = [0, 1, 2, 9999].map(OwnAddress::after);
        for worker in [0, 254] {
            directory.enter(65_535, worker, [local, seen]);
            assert_eq!(directory.worker_at(local, 65_535), Some(worker));
            assert_eq!(directory.worker_at(seen, 65_535), Some(worker));
            for own in [other, last] {
                assert_eq!(directory.worker_at(own, 65_535), None, "{own:?}");
            }
            assert_eq!(directory.worker_at(local, 65_534), None);
        }
        directory.enter(0, 7, [last, last]);
        assert_eq!(directory.worker_at(last, 0), Some(7));
        assert_eq!(directory.count(), 2);
        directory.strike(65_535);
        directory.strike(0);
        assert_eq!((directory.worker_at(local, 65_535), directory.count()), (None, 0));
    }
}
