//! Divides `DATABASE_CONNECTIONS` among the workers, the listener and background tasks.
//!
//! Every worker should have its own pools. If the budget is too small for that, workers share pools, so that
//! the minimum budget does not depend on the number of workers.

/// The connections of one group of workers on PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Number of connections that read.
    pub(super) readers: u32,
    /// Number of connections that write; 0 if the single connection both reads and writes.
    pub(super) writers: u32,
}

/// PostgreSQL: divides `connections` without the `reserved` ones, those of the listener and of background tasks,
/// into groups of at least two; half of each group writes. A single connection both reads and writes.
pub(super) fn postgres(connections: u32, reserved: u32, workers: usize) -> Vec<Share> {
    let connections = connections.saturating_sub(reserved).max(1);
    divide(connections, connections / 2, workers)
        .map(|share| Share { readers: share - share / 2, writers: share / 2 })
        .collect()
}

/// SQLite: one connection of the process writes, the others read. Returns the number of readers of each
/// group, at most `most`; 0 if the single connection both reads and writes.
pub(super) fn sqlite(connections: u32, most: u32, workers: usize) -> Vec<u32> {
    let readers = connections.saturating_sub(1);
    divide(readers, readers, workers).map(|share| share.min(most)).collect()
}

/// Divides `connections` into one share per worker, but at most `groups` and at least one. The remainder goes
/// to the first shares.
fn divide(connections: u32, groups: u32, workers: usize) -> impl Iterator<Item = u32> {
    let groups = u32::try_from(workers).unwrap_or(u32::MAX).min(groups).max(1);
    let (each, left) = (connections / groups, connections % groups);
    (0..groups).map(move |group| each + u32::from(group < left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(shares: &[Share]) -> u32 {
        shares.iter().map(|share| share.readers + share.writers).sum()
    }

    #[test]
    fn postgres_uses_its_whole_budget_and_no_more() {
        for connections in 1..=100 {
            for workers in [1, 2, 3, 5, 8, 64, 128] {
                for reserved in 0..connections.min(3) {
                    let shares = postgres(connections, reserved, workers);
                    assert_eq!(total(&shares) + reserved, connections, "{connections} for {workers}");
                    assert!(shares.len() <= workers);
                    // A connection does both only if it is the only one.
                    let both = shares.iter().any(|share| share.writers == 0);
                    assert_eq!(both, connections - reserved == 1, "{connections} for {workers}");
                    assert!(shares.iter().all(|share| share.readers > 0));
                }
            }
        }
    }

    #[test]
    fn sqlite_has_one_writer_and_at_most_so_many_readers_per_group() {
        for connections in 1..=100 {
            for workers in [1, 2, 5, 64, 128] {
                let readers = sqlite(connections, 2, workers);
                assert!(readers.len() <= workers);
                assert!(readers.iter().sum::<u32>() < connections, "{connections} for {workers}");
                assert!(readers.iter().all(|readers| *readers <= 2));
                assert_eq!(readers.contains(&0), connections == 1);
            }
        }
    }

    #[test]
    fn workers_have_their_own_pools_if_the_budget_allows_it() {
        assert_eq!(postgres(16, 1, 5), [[2, 1]; 5].map(|[readers, writers]| Share { readers, writers }));
        assert_eq!(postgres(16, 1, 64).len(), 7);
        assert_eq!(postgres(3, 1, 8), [Share { readers: 1, writers: 1 }]);
        assert_eq!(sqlite(16, 2, 4), [2; 4]);
        assert_eq!(sqlite(16, 2, 64).len(), 15);
    }
}
