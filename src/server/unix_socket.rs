//! A Unix socket to listen on: replaces one that a server left behind, and is removed when the server stops.

use std::{
    fs::{self, File, Permissions},
    io::{Error, ErrorKind, Result},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::fs::{Mode, OFlags};
use socket2::{Domain, SockAddr, Socket, Type};

use super::connections::BACKLOG;

/// Who may connect: the user of the server and its group.
const MODE: u32 = 0o660;

/// A socket in the file system, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct UnixSocket {
    path: PathBuf,
    /// The device and the number of the file, which another server may replace.
    file: (u64, u64),
    /// While this is open, no other file gets the number.
    _held: Option<File>,
}

impl UnixSocket {
    /// Listens on `path`. A socket on which no program listens any more is replaced.
    ///
    /// # Errors
    /// [`ErrorKind::AddrInUse`] if another program listens on it, or if the file is no socket; and if the directory
    /// does not allow it.
    pub(super) fn listen(path: &Path) -> Result<(Self, UnixListener)> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = File::open(directory.unwrap_or(Path::new(".")))?;
        // Of servers that start at the same time, only one finds a socket without a program.
        directory.lock()?;
        remove_abandoned(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Until it listens, no program can connect.
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
        let held = hold(path)?;
        let metadata = fs::symlink_metadata(path)?;
        socket.listen(BACKLOG)?;
        let file = (metadata.dev(), metadata.ino());
        Ok((Self { path: path.to_owned(), file, _held: held }, socket.into()))
    }

    /// Removes the file, so that no more programs connect. Those that did are still accepted.
    pub(super) fn remove(&self) {
        let removed = fs::symlink_metadata(&self.path).and_then(|metadata| {
            if (metadata.dev(), metadata.ino()) == self.file { fs::remove_file(&self.path) } else { Ok(()) }
        });
        if let Err(error) = removed
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(cause = %error, "the Unix socket cannot be removed");
        }
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Opens a file without reading it, for as long as its number must not be used again.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn hold(path: &Path) -> Result<Option<File>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(Some(rustix::fs::open(path, flags, Mode::empty())?.into()))
}

/// Other systems cannot open a socket.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn hold(_: &Path) -> Result<Option<File>> {
    Ok(None)
}

fn remove_abandoned(path: &Path) -> Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if !metadata.file_type().is_socket() {
        return Err(Error::new(ErrorKind::AddrInUse, "the file exists and is no socket"));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(Error::new(ErrorKind::AddrInUse, "another program listens on it")),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tempfile::tempdir;

    use super::*;

    #[test]
    fn only_the_user_and_the_group_may_connect() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("socket");
        let _listening = UnixSocket::listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn an_abandoned_socket_is_replaced_and_one_in_use_is_not() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("socket");
        let (first, listener) = UnixSocket::listen(&path).unwrap();
        let error = UnixSocket::listen(&path).unwrap_err();
        assert_eq!(error.to_string(), "another program listens on it");
        UnixStream::connect(&path).unwrap();

        drop(listener);
        let _second = UnixSocket::listen(&path).unwrap();
        first.remove();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let dir = tempdir().unwrap();
        fs::create_dir(dir.path().join("directory")).unwrap();
        fs::write(dir.path().join("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        for name in ["directory", "file", "link"] {
            let error = UnixSocket::listen(&dir.path().join(name)).unwrap_err();
            assert_eq!(error.to_string(), "the file exists and is no socket", "{name}");
            assert!(fs::symlink_metadata(dir.path().join(name)).is_ok(), "{name}");
        }
        assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "text");
    }

    #[test]
    fn a_removed_socket_is_gone_and_may_be_removed_twice() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("socket");
        let (socket, _listener) = UnixSocket::listen(&path).unwrap();
        socket.remove();
        socket.remove();
        assert!(!path.exists());
    }

    #[test]
    fn of_servers_that_start_together_one_listens() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("socket");
        for _ in 0..20 {
            fs::remove_file(&path).ok();
            drop(UnixListener::bind(&path).unwrap());
            let listening: Vec<_> = thread::scope(|scope| {
                let servers: Vec<_> =
                    (0..8).map(|_| scope.spawn(|| UnixSocket::listen(&path).ok())).collect();
                servers.into_iter().filter_map(|server| server.join().unwrap()).collect()
            });
            assert_eq!(listening.len(), 1);
            UnixStream::connect(&path).unwrap();
        }
    }
}
