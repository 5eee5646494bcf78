//! Opens SQLite files for reading without writing anything next to them.

use std::{ffi::OsString, path::Path};

use sqlx::sqlite::SqliteConnectOptions;

/// The same database, opened for reading only.
///
/// A reader of a database in WAL mode creates its `-wal` and `-shm` files if they are missing, and a reader that
/// may not write to the database cannot remove them again. If they belong to another user than the server's, the
/// server can no longer write. A missing log also means that no program uses the database, so in that case the
/// file is opened as immutable: without locks, logs or any right to the directory.
#[must_use]
pub fn read_only(options: SqliteConnectOptions) -> SqliteConnectOptions {
    let file = options.get_filename();
    let in_use = exists(file, "-wal") || exists(file, "-journal");
    options.read_only(true).immutable(!in_use)
}

fn exists(file: &Path, suffix: &str) -> bool {
    let mut name = OsString::from(file);
    name.push(suffix);
    Path::new(&name).exists()
}
