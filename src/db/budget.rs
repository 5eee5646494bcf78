//! Divides `DATABASE_CONNECTIONS` among what uses the database.
//!
//! Every worker should have pools of its own. Where the budget is too small for that, workers share pools: the least that a
//! server needs does not depend on the number of its workers.

/// Connections of one group of workers on PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Connections that read.
    pub(super) readers: u32,
    /// Connections that write; 0 where the single connection that reads writes too.
    pub(super) writers: u32,
}

/// PostgreSQL: `connections` less the listener's, in groups of at least two, half of each for writes. With a single connection
/// it is shared by reads and writes.
pub(super) fn postgres(connections: u32, listener: u32, workers: usize) -> Vec<Share> {
    let connections = connections.saturating_sub(listener).max(1);
    divide(connections, connections / 2, workers)
        .map(|share| Share { readers: share - share / 2, writers: share / 2 })
        .collect()
}

/// SQLite: one connection of the process writes, the others read. Answers with the readers of each group, at most `most` each;
/// 0 where the single connection that writes reads too.
pub(super) fn sqlite(connections: u32, most: u32, workers: usize) -> Vec<u32> {
    let readers = connections.saturating_sub(1);
    divide(readers, readers, workers).map(|share| share.min(most)).collect()
}

/// Shares of `connections` for as many groups as there are workers, but at most `groups` and at least one; what division leaves
/// over goes to the first.
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
                for listener in 0..connections.min(2) {
                    let shares = postgres(connections, listener, workers);
                    assert_eq!(total(&shares) + listener, connections, "{connections} for {workers}");
                    assert!(shares.len() <= workers);
                    // Only the very last connection does both.
                    let both = shares.iter().any(|share| share.writers == 0);
                    assert_eq!(both, connections - listener == 1, "{connections} for {workers}");
                    assert!(shares.iter().all(|share| share.readers > 0));
                }
            }
        }
    }

    #[test]
    fn sqlite_has_one_writer_and_no_more_readers_than_are_of_use() {
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
    fn workers_have_pools_of_their_own_where_the_budget_allows() {
        assert_eq!(postgres(16, 1, 5), [[2, 1]; 5].map(|[readers, writers]| Share { readers, writers }));
        assert_eq!(postgres(16, 1, 64).len(), 7);
        assert_eq!(postgres(3, 1, 8), [Share { readers: 1, writers: 1 }]);
        assert_eq!(sqlite(16, 2, 4), [2; 4]);
        assert_eq!(sqlite(16, 2, 64).len(), 15);
    }
}
