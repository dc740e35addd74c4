//! Which of the last numbers have been seen.

const WORDS: usize = 64;

/// Which of the last 4096 numbers have been seen.
#[derive(Debug)]
pub(super) struct Window {
    bits: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self { bits: [0; WORDS] }
    }
}

impl Window {
    pub(super) const SIZE: i64 = WORDS as i64 * 64;

    /// Whether `number` is new. `highest` is the highest number before it; whatever lies a window behind is not new.
    pub(super) fn insert(&mut self, number: i64, highest: i64) -> bool {
        if number <= highest - Self::SIZE {
            return false;
        }
        for skipped in highest.max(number - Self::SIZE) + 1..=number {
            self.set(skipped, false);
        }
        let new = !self.get(number);
        self.set(number, true);
        new
    }

    fn get(&self, number: i64) -> bool {
        let (word, bit) = Self::place(number);
        self.bits.get(word).is_some_and(|bits| bits >> bit & 1 == 1)
    }

    fn set(&mut self, number: i64, value: bool) {
        let (word, bit) = Self::place(number);
        if let Some(bits) = self.bits.get_mut(word) {
            *bits = *bits & !(1 << bit) | u64::from(value) << bit;
        }
    }

    fn place(number: i64) -> (usize, u32) {
        let at = number.rem_euclid(Self::SIZE);
        ((at / 64) as usize, (at % 64) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_new_once_and_one_a_window_behind_never_is() {
        let mut window = Window::default();
        assert!(window.insert(5, 4));
        assert!(!window.insert(5, 5));
        assert!(window.insert(5 + Window::SIZE, 5));
        assert!(!window.insert(5, 5 + Window::SIZE), "a window behind");
        assert!(window.insert(6, 5 + Window::SIZE), "skipped, and just within the window");
    }

    #[test]
    fn a_long_jump_forgets_everything_before() {
        let mut window = Window::default();
        window.insert(1, 0);
        assert!(window.insert(100_000, 1));
        assert!(window.insert(99_999, 100_000));
        assert!(!window.insert(99_999, 100_000));
    }
}
