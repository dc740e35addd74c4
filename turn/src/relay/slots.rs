//! Small numbers for relay sockets, that lead to what they stand for without hashing.

use super::types::RelayId;

/// A table whose places are used again, under a new generation each time, so that an old id finds nothing.
#[derive(Debug)]
pub(super) struct Slots<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    pub(super) fn add(&mut self, value: T) -> RelayId {
        if let Some(slot) = self.free.pop()
            && let Some(entry) = self.entries.get_mut(slot as usize)
        {
            entry.value = Some(value);
            return RelayId { slot, generation: entry.generation };
        }
        let slot = u32::try_from(self.entries.len()).expect("memory ends before 2^32 relay sockets are open");
        self.entries.push(Entry { generation: 0, value: Some(value) });
        RelayId { slot, generation: 0 }
    }

    pub(super) fn get(&self, id: RelayId) -> Option<&T> {
        let entry = self.entries.get(id.slot as usize)?;
        if entry.generation == id.generation { entry.value.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, id: RelayId) -> Option<&mut T> {
        let entry = self.entries.get_mut(id.slot as usize)?;
        if entry.generation == id.generation { entry.value.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, id: RelayId) -> Option<T> {
        let entry = self.entries.get_mut(id.slot as usize)?;
        if entry.generation != id.generation {
            return None;
        }
        let value = entry.value.take()?;
        // Past the last generation an old id would come back to life: that place is given up.
        if let Some(next) = entry.generation.checked_add(1) {
            entry.generation = next;
            self.free.push(id.slot);
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_used_again_and_its_old_id_finds_nothing() {
        let mut slots = Slots::new();
        let (one, two) = (slots.add('a'), slots.add('b'));
        assert_eq!((one.slot, two.slot), (0, 1));
        assert_eq!(slots.remove(one), Some('a'));
        assert_eq!(slots.remove(one), None);
        let three = slots.add('c');
        assert_eq!(three, RelayId { slot: 0, generation: 1 });
        assert_eq!(slots.get(one), None);
        assert_eq!(slots.get_mut(one), None);
        assert_eq!(slots.get(three), Some(&'c'));
        assert_eq!(slots.get_mut(two), Some(&mut 'b'));
    }

    #[test]
    fn place_is_given_up_after_its_last_generation() {
        let mut slots = Slots::new();
        let first = slots.add('a');
        slots.entries[0].generation = u32::MAX;
        assert_eq!(slots.remove(RelayId { generation: u32::MAX, ..first }), Some('a'));
        assert_eq!(slots.add('b').slot, 1);
    }
}
