//! Opens SQLite files for reading without writing anything next to them.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rustix::fs::{Access, access};
use sqlx::sqlite::SqliteConnectOptions;

/// The same database, opened for reading only.
///
/// A reader of a database in WAL mode creates its `-wal` and `-shm` files if they are missing, and a reader that
/// may not write to the database cannot remove them again. If they belong to another user than the server's, the
/// server can no longer write. A log without content or without its index means that no program uses the
/// database. If there is nothing to read in it either, the file is opened as immutable: without locks, logs or
/// any right to the directory. Otherwise, a user who may not write to the database does not create the index.
#[must_use]
pub fn read_only(options: SqliteConnectOptions) -> SqliteConnectOptions {
    let file = options.get_filename();
    let log_size = fs::metadata(sibling(file, "-wal")).map(|metadata| metadata.len());
    let has_log = log_size.is_ok_and(|size| size > 0 || sibling(file, "-shm").exists());
    if !has_log && !sibling(file, "-journal").exists() {
        return options.read_only(true).immutable(true);
    }
    if access(file, Access::WRITE_OK).is_ok() {
        return options.read_only(true);
    }
    let path = percent_encode(file.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
    let uri = format!("file:{path}?readonly_shm=1");
    options.filename(uri).read_only(true)
}

/// The file that SQLite creates next to `file`.
fn sibling(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}
