//! The key that signs access tokens: checks for weak keys, and the generated key for development.

use std::fs::{DirBuilder, File, OpenOptions, hard_link, metadata, read_to_string, remove_file, rename};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use secrecy::SecretString;
use uuid::Uuid;

use super::Purpose;
use super::reader::Reader;
use super::text_file::is_writable_by_others;

/// The minimum length of a key for HS256, in bytes (RFC 7518, section 3.2).
pub(super) const MIN_BYTES: usize = 32;

/// The file in the data directory.
const FILE: &str = "secret_key";

/// The file with the key before it, in the same directory.
const PREVIOUS_FILE: &str = "secret_key.previous";

/// Parts of placeholders in examples and tutorials, compared without case and punctuation.
const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "changethis",
    "changeit",
    "changein",
    "changekey",
    "replaceme",
    "replacethis",
    "replacewith",
    "placeholder",
    "yoursecret",
    "yoursuper",
    "yourkey",
    "yourjwt",
    "mysecret",
    "mysupersecret",
    "supersecret",
    "verysecret",
    "topsecret",
    "secretkey",
    "jwtsecret",
    "notasecret",
    "notsosecret",
    "insecure",
    "donotuse",
    "example",
    "password",
    "todo",
    "xxxx",
    // The key printed in FastAPI's tutorial.
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
];

/// The reasons why a key is unsafe in production, each as the predicate of a sentence. Empty for a safe key.
pub(super) fn weaknesses(key: &str) -> Vec<&'static str> {
    let mut weaknesses = Vec::new();
    if key.len() < MIN_BYTES {
        weaknesses.push("is shorter than 32 bytes");
    }
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if plain == "secret" || PLACEHOLDERS.iter().any(|word| plain.contains(word)) {
        weaknesses.push("is a placeholder");
    } else if is_patterned(key.as_bytes()) {
        weaknesses.push("repeats itself");
    }
    weaknesses
}

/// Whether the key has few different bytes, or repeats one part.
fn is_patterned(key: &[u8]) -> bool {
    let mut distinct = key.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let pieces = 1..=key.len() / 2;
    (key.len() >= 8 && distinct.len() < 8)
        || pieces.into_iter().any(|length| key.iter().zip(key.iter().skip(length)).all(|(a, b)| a == b))
}

/// Creates the data directory, with access for its owner only. An existing directory is left unchanged.
///
/// # Errors
/// Why it cannot be created, as the predicate of a sentence about `DATA_DIR`.
pub fn create_data_dir(path: &Path) -> std::result::Result<(), String> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
    created.map_err(|error| {
        let path = path.display();
        match error.kind() {
            ErrorKind::AlreadyExists => format!("{path} is not a directory"),
            _ => format!("the directory {path} cannot be created: {error}"),
        }
    })
}

/// Reports a stored key that every user of the machine can replace.
pub(super) fn check_permissions(data_dir: &Path, reader: &mut Reader<'_>) {
    let path = data_dir.join(FILE);
    if metadata(&path).is_ok_and(|metadata| is_writable_by_others(&metadata)) {
        let path = path.display();
        let what = format!("every user of this machine can change {path}; run `chmod o-w {path}`");
        if reader.is_production() {
            reader.error("SECRET_KEY", what);
        } else {
            reader.warning("SECRET_KEY", what);
        }
    }
}

/// The key if none is set: for a server the stored one, which is created if it does not exist; otherwise one
/// that is not stored.
///
/// # Errors
/// The setting that is at fault, and the predicate of a sentence about it.
pub(super) fn generate(
    data_dir: &Path,
    purpose: Purpose,
) -> std::result::Result<SecretString, (&'static str, String)> {
    if purpose == Purpose::Command {
        return Ok(random().into());
    }
    create_data_dir(data_dir).map_err(|why| ("DATA_DIR", why))?;
    load_or_create(data_dir).map_err(|why| {
        let path = data_dir.join(FILE);
        ("SECRET_KEY", format!("is not set, and {} cannot be used: {why}", path.display()))
    })
}

/// The generated key before the current one, which [`rotate`] stored; `None` if there is none.
///
/// # Errors
/// Why the file cannot be read.
pub(super) fn previous(data_dir: &Path) -> std::result::Result<Option<SecretString>, String> {
    let path = data_dir.join(PREVIOUS_FILE);
    match read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Replaces the generated key by a new one. The old one stays valid for what it signed, until the next rotation
/// or until its file is deleted.
///
/// # Errors
/// If there is no generated key, or a file cannot be written.
pub fn rotate(data_dir: &Path) -> Result<()> {
    let (path, previous) = (data_dir.join(FILE), data_dir.join(PREVIOUS_FILE));
    let key = read_to_string(&path)?;
    // If this is interrupted between the two, the current key is also the previous one, which changes nothing.
    replace(data_dir, &previous, key.trim())?;
    replace(data_dir, &path, &random())
}

/// Replaces a file as a whole.
fn replace(data_dir: &Path, path: &Path, text: &str) -> Result<()> {
    let draft = data_dir.join(format!(".secret_key.{}", Uuid::new_v4().simple()));
    let replaced = write_private(&draft, text).and_then(|()| rename(&draft, path));
    if replaced.is_err() {
        remove_file(&draft).ok();
    }
    replaced?;
    File::open(data_dir)?.sync_all()
}

/// 244 random bits from the operating system.
fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Reads the key in `data_dir/secret_key`, or creates it.
///
/// Processes that start at the same time use the same key: each writes a temporary file and hard-links it to
/// the final name, and only the first link succeeds.
fn load_or_create(data_dir: &Path) -> Result<SecretString> {
    let path = data_dir.join(FILE);
    if !path.try_exists()? {
        let draft = data_dir.join(format!(".secret_key.{}", Uuid::new_v4().simple()));
        let linked = write_private(&draft, &random()).and_then(|()| hard_link(&draft, &path));
        remove_file(&draft).ok();
        linked.or_else(|error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    }
    let text = read_to_string(&path)?;
    let key = text.trim();
    if key.len() < MIN_BYTES {
        return Err(Error::new(
            ErrorKind::InvalidData,
            "the file has fewer than 32 bytes; delete it to generate a new key",
        ));
    }
    Ok(key.into())
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, metadata};
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use secrecy::ExposeSecret;
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_rotation_keeps_the_old_key_as_the_previous_one() {
        let dir = tempdir().unwrap();
        assert_eq!(rotate(dir.path()).unwrap_err().kind(), ErrorKind::NotFound, "no key was generated");
        assert!(previous(dir.path()).unwrap().is_none());
        let first = load_or_create(dir.path()).unwrap();
        rotate(dir.path()).unwrap();
        let second = load_or_create(dir.path()).unwrap();
        assert_ne!(second.expose_secret(), first.expose_secret());
        assert_eq!(previous(dir.path()).unwrap().unwrap().expose_secret(), first.expose_secret());
        rotate(dir.path()).unwrap();
        assert_eq!(previous(dir.path()).unwrap().unwrap().expose_secret(), second.expose_secret());
        for file in fs::read_dir(dir.path()).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn random_keys_and_long_phrases_are_safe() {
        for key in [
            "f3b1c7d92e8a4f60b5d81c3e7a9260f4",
            "f3b1c7d92e8a4f60b5d81c3e7a9260f41b7e0c55d2a94e6f8c3b7a1d5e9f2046",
            "0012e3456789012345678901234567890e12",
            "q$J#7 vN?z/Xk2!pL9@mRw4^tY6&bH8*c",
            "correct horse battery staple wins",
        ] {
            assert_eq!(weaknesses(key), Vec::<&str>::new(), "{key}");
        }
    }

    #[test]
    fn short_keys_placeholders_and_patterns_are_weak() {
        for (key, weakness) in [
            ("f3b1c7d92e8a4f60b5d81c3e7a9260f", "is shorter than 32 bytes"),
            ("your-secret-key-here-change-in-production", "is a placeholder"),
            ("Change_Me! change_me! CHANGE ME! ok", "is a placeholder"),
            ("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", "is a placeholder"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "repeats itself"),
            ("abcabdabcabcabcabdabcabcabdabcabca", "repeats itself"),
            ("0123456789abcdef0123456789abcdef", "repeats itself"),
            ("                                  ", "repeats itself"),
        ] {
            assert_eq!(weaknesses(key), [weakness], "{key}");
        }
        assert_eq!(weaknesses("secret"), ["is shorter than 32 bytes", "is a placeholder"]);
    }

    #[test]
    fn a_key_is_generated_once_and_only_its_owner_may_read_it() {
        let home = tempdir().unwrap();
        let dir = home.path().join("new/data");
        let key = generate(&dir, Purpose::Server).unwrap();
        assert_eq!(weaknesses(key.expose_secret()), Vec::<&str>::new());
        assert_eq!(generate(&dir, Purpose::Server).unwrap().expose_secret(), key.expose_secret());

        assert_eq!(metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(metadata(dir.join("secret_key")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "the temporary file is still there");
        let other = tempdir().unwrap();
        assert_ne!(load_or_create(other.path()).unwrap().expose_secret(), key.expose_secret());
    }

    #[test]
    fn processes_that_start_together_use_one_key() {
        for _ in 0..20 {
            let home = tempdir().unwrap();
            let dir = home.path().join("data");
            let mut keys: Vec<String> = thread::scope(|scope| {
                let racers: Vec<_> =
                    (0..8).map(|_| scope.spawn(|| generate(&dir, Purpose::Server).unwrap())).collect();
                racers.into_iter().map(|racer| racer.join().unwrap().expose_secret().to_owned()).collect()
            });
            keys.dedup();
            assert_eq!(keys.len(), 1);
            assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_command_gets_another_key_each_time_and_stores_none() {
        let home = tempdir().unwrap();
        let keys = [0, 1].map(|_| generate(home.path(), Purpose::Command).unwrap());
        assert_ne!(keys[0].expose_secret(), keys[1].expose_secret());
        assert_eq!(weaknesses(keys[0].expose_secret()), Vec::<&str>::new());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_truncated_key_file_is_an_error() {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("secret_key"), "").unwrap();
        assert_eq!(load_or_create(dir.path()).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
