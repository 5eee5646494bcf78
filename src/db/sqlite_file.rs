//! SQLite databases as files: a consistent copy of a database in use, and a copy that replaces a database.

use std::{
    ffi::OsString,
    fs::{self, File, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    str::FromStr as _,
};

use rustix::{
    fs::{FlockOperation, fcntl_lock},
    io::Errno,
};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::NamedTempFile;

use super::BUSY_TIMEOUT;
use crate::config::{DatabaseUrl, Engine};

/// The suffixes of the files that SQLite creates next to a database.
const SIDECARS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Access for the owner only.
const PRIVATE: u32 = 0o600;

/// Why a file could not be copied or replaced.
#[derive(Debug, thiserror::Error)]
pub enum SqliteFileError {
    /// The operating system refused an operation.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// SQLite refused an operation.
    #[error("{}: {source}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// The reason.
        source: sqlx::Error,
    },
    /// SQLite found the database damaged.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// The first finding.
        reason: String,
    },
    /// A file would be overwritten.
    #[error("{} exists; choose another name, or remove it first", .0.display())]
    Exists(PathBuf),
    /// Another process has the database open.
    #[error("{} is in use: stop the server and every other program that has it open", .0.display())]
    InUse(PathBuf),
}

/// The file of the database, unless the database is on a server or in memory.
pub fn sqlite_file(url: &DatabaseUrl) -> Option<PathBuf> {
    if url.engine() != Engine::Sqlite {
        return None;
    }
    let file = SqliteConnectOptions::from_str(url.expose()).ok()?.get_filename().to_owned();
    let name = file.to_string_lossy();
    (!name.contains(":memory:") && !name.starts_with("file:")).then(|| file.clone())
}

/// Writes a copy of the database at `source` to a temporary file in `directory` and syncs it. The copy is the
/// state at one moment, also while other processes write, and needs no other file. SQLite reads every page,
/// and the copy contains no free ones.
///
/// # Errors
/// If the database cannot be read, or the directory cannot be written to.
pub async fn copy(source: &Path, directory: &Path) -> Result<NamedTempFile, SqliteFileError> {
    let target = tempfile::Builder::new().prefix(".byline-").suffix(".tmp").tempfile_in(directory);
    let target = target.map_err(in_file(directory))?;
    let mut connection = open(source).await?;
    let copied = match target.path().to_str() {
        Some(path) => sqlx::query("VACUUM INTO ?").bind(path).execute(&mut connection).await,
        None => Err(sqlx::Error::Configuration("the name of the directory is not UTF-8".into())),
    };
    // The result of the copy matters more.
    let _ = connection.close().await;
    copied.map_err(in_database(source))?;
    target.as_file().sync_all().map_err(in_file(target.path()))?;
    Ok(target)
}

/// Checks that SQLite finds the database consistent.
///
/// # Errors
/// If it does not, or the database cannot be read.
pub async fn check_integrity(database: &Path) -> Result<(), SqliteFileError> {
    let mut connection = open(database).await?;
    let finding = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await;
    let _ = connection.close().await;
    let finding: String = finding.map_err(in_database(database))?;
    if finding == "ok" {
        return Ok(());
    }
    Err(SqliteFileError::Damaged { path: database.to_owned(), reason: finding.replace('\n', " ") })
}

/// Gives the copy its name, which must not exist yet.
///
/// # Errors
/// If a file with this name exists or the directory cannot be written to.
pub fn save_as(copy: NamedTempFile, file: &Path) -> Result<(), SqliteFileError> {
    copy.persist_noclobber(file).map_err(|failed| match failed.error.kind() {
        ErrorKind::AlreadyExists => SqliteFileError::Exists(file.to_owned()),
        _ => in_file(file)(failed.error),
    })?;
    sync(directory_of(file))
}

/// Puts the copy, which is in the directory of `database`, in the place of `database`. The owner and the mode
/// of the file stay the same.
///
/// # Errors
/// If another process has the database open; if the directory cannot be written to.
pub fn replace(copy: NamedTempFile, database: &Path) -> Result<(), SqliteFileError> {
    let directory = directory_of(database);
    let replaced = lock(database)?;
    let (owner, mode) = match &replaced {
        Some(file) => {
            let metadata = file.metadata().map_err(in_file(database))?;
            (metadata.clone(), metadata.mode() & 0o777)
        }
        None => (fs::metadata(directory).map_err(in_file(directory))?, PRIVATE),
    };
    let created = copy.as_file().metadata().map_err(in_file(copy.path()))?;
    if created.uid() != owner.uid() {
        chown(copy.path(), Some(owner.uid()), Some(owner.gid())).map_err(in_file(database))?;
    }
    fs::set_permissions(copy.path(), Permissions::from_mode(mode)).map_err(in_file(copy.path()))?;
    // Before the copy has the name: SQLite would apply an old log to whichever database has it.
    for suffix in SIDECARS {
        let mut sidecar = OsString::from(database);
        sidecar.push(suffix);
        match fs::remove_file(&sidecar) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(in_file(Path::new(&sidecar))(error));
            }
            _ => {}
        }
    }
    sync(directory)?;
    copy.persist(database).map_err(|failed| in_file(database)(failed.error))?;
    sync(directory)
}

/// The directory of a file.
pub fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Locks the database, if it exists, as long as the returned file is open. In WAL mode, every open connection
/// holds a shared lock on a part of the file, so this fails while a server runs. The lock also works on a file
/// that SQLite cannot read.
fn lock(database: &Path) -> Result<Option<File>, SqliteFileError> {
    let file = match File::options().read(true).write(true).open(database) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(in_file(database)(error)),
    };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::AGAIN | Errno::ACCESS) => Err(SqliteFileError::InUse(database.to_owned())),
        Err(error) => Err(in_file(database)(error.into())),
    }
}

async fn open(database: &Path) -> Result<SqliteConnection, SqliteFileError> {
    let options = migration::read_only(SqliteConnectOptions::new().filename(database));
    let options = options.busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
    options.connect().await.map_err(in_database(database))
}

/// Makes created, renamed and removed names durable.
fn sync(directory: &Path) -> Result<(), SqliteFileError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(in_file(directory))
}

fn in_file(path: &Path) -> impl Fn(io::Error) -> SqliteFileError {
    |source| SqliteFileError::Io { path: path.to_owned(), source }
}

fn in_database(path: &Path) -> impl Fn(sqlx::Error) -> SqliteFileError {
    |source| SqliteFileError::Sqlite { path: path.to_owned(), source }
}
