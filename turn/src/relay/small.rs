//! Lists that most allocations keep at one or two entries.

/// Makes room for one more: exactly one at first, then half as much again as there is, where a `Vec` left alone
/// starts with four.
pub(super) fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 2).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_entries_take_no_more_than_they_need() {
        let mut list: Vec<[u8; 40]> = Vec::new();
        for length in 1..=2 {
            make_room(&mut list);
            list.push([0; 40]);
            assert_eq!(list.capacity(), length);
        }
    }
}
