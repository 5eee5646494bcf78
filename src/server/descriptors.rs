//! File descriptors: raises the limit of the process, and divides them between clients and the rest.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything that is neither a client nor a connection of the database: runtimes, listeners,
/// log, files.
const OTHERS: usize = 128;

/// Descriptors of a connection of the database. SQLite has the file, its log and the log's index open, and at
/// times a temporary file.
const PER_DATABASE_CONNECTION: usize = 4;

/// Raises the soft limit on open files to the hard limit. Many systems start processes with a soft limit of 1024,
/// for programs that use `select`.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
}

/// The maximum number of clients of each worker: `maximum`, or fewer if the limit on open files requires it. The
/// others wait to be accepted, so that they never take the descriptors of the database.
pub(super) fn clients_per_worker(maximum: usize, workers: usize, database_connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    divide(limit.unwrap_or(usize::MAX), maximum, workers, database_connections)
}

fn divide(limit: usize, maximum: usize, workers: usize, database_connections: usize) -> usize {
    let reserved = database_connections.saturating_mul(PER_DATABASE_CONNECTION).saturating_add(OTHERS);
    let workers = NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN);
    // Even with a limit that is far too low, the server answers.
    (limit.saturating_sub(reserved) / workers).clamp(1, maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_take_the_descriptors_of_the_database() {
        for (limit, workers, connections, clients) in [
            (1_048_576, 4, 20, 10_000),
            (1024, 2, 20, 408),
            (1024, 4, 100, 124),
            (256, 1, 10, 88),
            (100, 8, 20, 1),
            (0, 0, 0, 1),
        ] {
            assert_eq!(
                divide(limit, 10_000, workers, connections),
                clients,
                "{limit} {workers} {connections}"
            );
        }
    }
}
