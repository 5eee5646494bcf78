//! How the pools of a process are used, for its metrics.

use super::{
    Db,
    connections::{Connections, PoolUsage},
};

/// How the connections that read, those that write and those of background tasks are used, summed over `workers`.
/// Connections that serve several purposes count for the first. A purpose without connections of its own is left out.
pub fn pool_usage(workers: &[Db], tasks: &Db) -> Vec<(&'static str, PoolUsage)> {
    let readers = workers.iter().map(|db| ("reader", &db.reader));
    let writers = workers.iter().map(|db| ("writer", &db.writer));
    let mut seen: Vec<&Connections> = Vec::new();
    let mut usages: Vec<(&'static str, PoolUsage)> = Vec::new();
    for (purpose, connections) in readers.chain(writers).chain([("tasks", &tasks.writer)]) {
        if seen.iter().any(|other| other.is_same(connections)) {
            continue;
        }
        seen.push(connections);
        let known = usages.last_mut().filter(|(known, _)| *known == purpose);
        if let Some((_, usage)) = known {
            connections.add_usage(usage);
        } else {
            let mut usage = PoolUsage::default();
            connections.add_usage(&mut usage);
            usages.push((purpose, usage));
        }
    }
    usages
}
