//! How many relayed addresses there may be: in all, for one user and for one source.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::auth::User;
use crate::config::Limits;

/// Counts who holds how many.
#[derive(Debug)]
pub(super) struct Quotas {
    max_total: usize,
    max_per_user: usize,
    max_per_source: usize,
    total: usize,
    users: BTreeMap<User, usize>,
    sources: BTreeMap<IpAddr, usize>,
}

impl Quotas {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max_total: limits.max_allocations,
            max_per_user: limits.max_allocations_per_user,
            max_per_source: limits.max_allocations_per_ip,
            total: 0,
            users: BTreeMap::new(),
            sources: BTreeMap::new(),
        }
    }

    /// Takes `count` at once, or none and returns false. `source` is what `source_of` says.
    #[must_use]
    pub(super) fn take(&mut self, user: &User, source: IpAddr, count: usize) -> bool {
        let of_user = self.users.get(user).copied().unwrap_or(0) + count;
        let of_source = self.sources.get(&source).copied().unwrap_or(0) + count;
        let total = self.total + count;
        if total > self.max_total || of_user > self.max_per_user || of_source > self.max_per_source {
            return false;
        }
        self.total = total;
        self.users.insert(user.clone(), of_user);
        self.sources.insert(source, of_source);
        true
    }

    /// Gives `count` back.
    pub(super) fn release(&mut self, user: &User, source: IpAddr, count: usize) {
        self.total = self.total.saturating_sub(count);
        lower(&mut self.users, user, count);
        lower(&mut self.sources, &source, count);
    }

    /// True when nobody holds anything, and nobody is remembered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0 && self.users.is_empty() && self.sources.is_empty()
    }
}

/// Who holds nothing is not remembered.
fn lower<K: Ord>(held: &mut BTreeMap<K, usize>, who: &K, count: usize) {
    if let Some(left) = held.get_mut(who) {
        *left = left.saturating_sub(count);
        if *left == 0 {
            held.remove(who);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn user_source_and_total_are_all_limited() {
        let (alice, bob) = (User::new("alice"), User::new("bob"));
        let (home, work) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut quotas = quotas(4, 3, 2);
        assert!(quotas.take(&alice, home, 2));
        assert!(!quotas.take(&alice, home, 1), "source");
        assert!(!quotas.take(&bob, home, 1), "source");
        assert!(quotas.take(&alice, work, 1));
        assert!(!quotas.take(&alice, work, 1), "user");
        assert!(!quotas.take(&bob, work, 2), "total");
        quotas.release(&alice, home, 2);
        assert!(quotas.take(&bob, home, 2));
        quotas.release(&alice, work, 1);
        assert_eq!((quotas.users.len(), quotas.sources.len()), (1, 1), "nobody with nothing is remembered");
    }

    proptest! {
        #[test]
        fn takes_and_releases_balance_to_nothing(
            takes in proptest::collection::vec((0_u8..3, 0_u8..3, 1_usize..3), 0..40),
            order in any::<u64>(),
        ) {
            let mut quotas = quotas(12, 6, 5);
            let mut held = Vec::new();
            for (user, source, count) in takes {
                let (user, source) = (User::new(&user.to_string()), IpAddr::from([192, 0, 2, source]));
                if quotas.take(&user, source, count) {
                    held.push((user, source, count));
                }
                let total: usize = held.iter().map(|(_, _, count)| count).sum();
                prop_assert!(total <= 12);
                prop_assert_eq!(total, quotas.total);
                prop_assert!(quotas.users.values().all(|held| *held <= 6));
                prop_assert!(quotas.sources.values().all(|held| *held <= 5));
            }
            let turn = usize::try_from(order % 40).unwrap() % held.len().max(1);
            held.rotate_left(turn);
            for (user, source, count) in held {
                quotas.release(&user, source, count);
            }
            prop_assert!(quotas.is_empty());
        }
    }

    fn quotas(max_allocations: usize, max_allocations_per_user: usize, max_allocations_per_ip: usize) -> Quotas {
        Quotas::new(&Limits { max_allocations, max_allocations_per_user, max_allocations_per_ip, ..Limits::default() })
    }
}
