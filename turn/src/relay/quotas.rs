//! How many allocations there may be, in all and for one user.

use std::collections::BTreeMap;

use crate::auth::User;

/// Counts who holds how many.
#[derive(Debug)]
pub(super) struct Quotas {
    max_total: usize,
    max_per_user: usize,
    total: usize,
    held: BTreeMap<User, usize>,
}

impl Quotas {
    pub(super) fn new(max_total: usize, max_per_user: usize) -> Self {
        Self { max_total, max_per_user, total: 0, held: BTreeMap::new() }
    }

    /// Takes `count` at once, or none and returns false.
    #[must_use]
    pub(super) fn take(&mut self, user: &User, count: usize) -> bool {
        let held = self.held.get(user).copied().unwrap_or(0);
        if self.total + count > self.max_total || held + count > self.max_per_user {
            return false;
        }
        self.total += count;
        self.held.insert(user.clone(), held + count);
        true
    }

    /// Gives one back.
    pub(super) fn release(&mut self, user: &User) {
        self.total = self.total.saturating_sub(1);
        if let Some(held) = self.held.get_mut(user) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.held.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_total_are_both_limited() {
        let (alice, bob) = (User::new("alice"), User::new("bob"));
        let mut quotas = Quotas::new(3, 2);
        assert!(quotas.take(&alice, 2));
        assert!(!quotas.take(&alice, 1));
        assert!(!quotas.take(&bob, 2));
        assert!(quotas.take(&bob, 1));
        quotas.release(&alice);
        assert!(quotas.take(&alice, 1));
        quotas.release(&bob);
        assert_eq!(quotas.held.len(), 1, "nobody with nothing is remembered");
    }
}
