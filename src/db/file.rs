//! Notices that the file of a SQLite database was deleted or replaced while it is open. SQLite does not: it goes
//! on with the old file, and what it writes there is lost when the process ends.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use sea_orm::{DbErr, RuntimeErr};

/// The file of a database.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    opened: OnceLock<Identity>,
}

/// The device and the inode of a file. No other file has them while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl DatabaseFile {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: OnceLock::new() }
    }

    /// Must be called when the first connection has opened the file.
    pub(super) fn opened(&self) -> io::Result<()> {
        let identity = self.identity()?;
        self.opened.get_or_init(|| identity);
        Ok(())
    }

    /// Checks that the path leads to the file that was opened first.
    ///
    /// One `stat`, which the kernel answers from memory: a blocking thread would cost more.
    ///
    /// # Errors
    /// [`DbErr::Conn`] if the file was deleted or replaced. The log has the path, no response does.
    pub(super) fn check(&self) -> Result<(), DbErr> {
        let error = |what| {
            let path = self.path.display();
            DbErr::Conn(RuntimeErr::Internal(format!("{path} {what}; restart the server when it is back")))
        };
        let current = self.identity().map_err(|cause| error(format!("cannot be found ({cause})")))?;
        match self.opened.get() {
            Some(opened) if *opened != current => Err(error("is not the file that was opened".to_owned())),
            _ => Ok(()),
        }
    }

    fn identity(&self) -> io::Result<Identity> {
        let metadata = fs::metadata(&self.path)?;
        Ok(Identity { device: metadata.dev(), inode: metadata.ino() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_deleted_moved_or_replaced_is_noticed_and_one_that_was_written_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let [path, other] = ["byline.db", "other.db"].map(|name| directory.path().join(name));
        fs::write(&path, "1").unwrap();
        let file = DatabaseFile::new(&path);
        assert!(file.check().is_ok());
        file.opened().unwrap();
        fs::write(&path, "2").unwrap();
        assert!(file.check().is_ok());

        fs::rename(&path, &other).unwrap();
        assert!(file.check().is_err());
        fs::write(&path, "1").unwrap();
        assert!(file.check().is_err());
        // A later connection, which opens the other file, changes nothing.
        file.opened().unwrap();
        assert!(file.check().is_err());
        fs::rename(&other, &path).unwrap();
        assert!(file.check().is_ok());
        fs::remove_file(&path).unwrap();
        assert!(file.check().is_err());
    }
}
