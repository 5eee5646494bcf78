//! Reads the text files that contain settings: `.env`, and the files that `NAME_FILE` names.

use std::fs::{self, File, Metadata};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The maximum size of a file. The largest value is a few hundred bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Maximum wait for the program that writes to a pipe.
const PIPE_TIMEOUT: Duration = Duration::from_secs(5);

/// The text of a file.
#[derive(Default)]
pub(super) struct TextFile {
    pub(super) text: String,
    /// Whether every user of the machine may change the file.
    pub(super) is_writable_by_others: bool,
}

impl From<String> for TextFile {
    /// Removes a byte order mark at the beginning, which Windows editors write.
    fn from(text: String) -> Self {
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Self { text, is_writable_by_others: false }
    }
}

/// Reads a file or a named pipe, without a byte order mark at its beginning.
///
/// # Errors
/// If the file cannot be read as a whole. The message is the predicate of a sentence.
pub(super) fn read(path: &Path) -> Result<TextFile> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
    let bytes = if metadata.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "is a directory"));
    } else if metadata.is_file() {
        contents(path)?
    } else {
        contents_in_time(path)?
    };
    let text = String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "is not UTF-8"))?;
    Ok(TextFile { is_writable_by_others: is_writable_by_others(&metadata), ..text.into() })
}

/// Whether every user of the machine may change the file or the pipe.
pub(super) fn is_writable_by_others(metadata: &Metadata) -> bool {
    let kind = metadata.file_type();
    (kind.is_file() || kind.is_fifo()) && metadata.permissions().mode() & 0o002 != 0
}

fn contents(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_BYTES) {
        Ok(bytes)
    } else {
        Err(Error::new(ErrorKind::FileTooLarge, "has more than 1 MiB"))
    }
}

/// Opening a pipe blocks until a program writes to it. If none does, the thread ends with the process.
fn contents_in_time(path: &Path) -> Result<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || sender.send(contents(&path)));
    receiver.recv_timeout(PIPE_TIMEOUT).unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::TimedOut, "is a pipe to which no program wrote within 5 seconds"))
    })
}

fn unreadable(error: &Error) -> Error {
    Error::new(error.kind(), format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs::{OpenOptions, Permissions, set_permissions, write};
    use std::io::Write as _;
    use std::process::Command;
    use std::time::Instant;

    use tempfile::tempdir;

    use super::*;

    fn pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn a_byte_order_mark_is_removed_at_the_beginning_only() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("file");
        for (text, read_as) in [
            ("\u{feff}A=1\n\u{feff}B=2", "A=1\n\u{feff}B=2"),
            ("\u{feff}\u{feff}A", "\u{feff}A"),
            ("\u{feff}", ""),
            ("", ""),
        ] {
            write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap().text, read_as, "{text:?}");
        }
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("pipe");
        pipe(&path);
        let writer = path.clone();
        let writer = thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(writer).unwrap();
            pipe.write_all(b"\xef\xbb\xbfA=1\n").unwrap();
            thread::sleep(Duration::from_millis(100));
            pipe.write_all(b"B=2\n").unwrap();
        });
        assert_eq!(read(&path).unwrap().text, "A=1\nB=2\n");
        writer.join().unwrap();
    }

    #[test]
    fn a_pipe_without_a_writer_is_an_error_after_five_seconds() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("pipe");
        pipe(&path);
        let started = Instant::now();
        assert_eq!(read(&path).err().unwrap().kind(), ErrorKind::TimedOut);
        assert!(started.elapsed() >= PIPE_TIMEOUT);
    }

    #[test]
    fn what_is_no_text_file_is_an_error() {
        let dir = tempdir().unwrap();
        let kind = |path: &Path| read(path).err().unwrap().kind();
        assert_eq!(kind(dir.path()), ErrorKind::IsADirectory);
        assert_eq!(kind(&dir.path().join("missing")), ErrorKind::NotFound);
        let path = dir.path().join("file");
        // UTF-16, as the Windows editor calls it "Unicode".
        write(&path, b"\xff\xfeA\0=\x001\0").unwrap();
        assert_eq!(kind(&path), ErrorKind::InvalidData);
        write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
        assert_eq!(kind(&path), ErrorKind::FileTooLarge);
        assert_eq!(kind(Path::new("/dev/zero")), ErrorKind::FileTooLarge);
        assert_eq!(read(Path::new("/dev/null")).unwrap().text, "");
    }

    #[test]
    fn only_the_last_class_of_permissions_counts_as_others() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, "").unwrap();
        for (mode, expected) in [(0o600, false), (0o664, false), (0o604, false), (0o602, true), (0o666, true)]
        {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap().is_writable_by_others, expected, "{mode:o}");
        }
    }
}
