//! The certificate with which the server identifies itself, and its key: PEM files, read at the start.
#![expect(
    clippy::option_option,
    reason = "a setting without a value is `Some(None)`, and an error is `None`"
)]

use std::fmt;
use std::fs::metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::kind::Kind;
use super::reader::Reader;
use super::{Host, Purpose, text_file};

const CERTIFICATE: &str = "TLS_CERT";
const KEY: &str = "TLS_KEY";

/// A certificate with its chain and its private key, which belongs to it.
#[derive(Clone)]
pub struct Identity(pub Arc<CertifiedKey>);

impl fmt::Debug for Identity {
    /// Does not show the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Identity").finish_non_exhaustive()
    }
}

/// The path of the certificate.
pub(super) fn certificate() -> Kind<Option<PathBuf>> {
    path(|path, _| Some(Some(path.to_owned())))
}

/// Without a certificate, there must be no key.
pub(super) fn no_certificate(reader: &mut Reader<'_>) -> Option<Option<PathBuf>> {
    alone(CERTIFICATE, KEY, reader)
}

/// Reads the key and its certificate, for a server. Commands may run as a user who must not read the key.
pub(super) fn key() -> Kind<Option<Identity>> {
    path(|key, reader| match reader.text(CERTIFICATE).map(Path::new) {
        Some(_) if reader.text("HOST").is_some_and(is_unix_socket) => {
            reader.error(KEY, "cannot be used with a Unix socket, which HOST names");
            None
        }
        Some(certificate) if reader.purpose() == Purpose::Server => read(certificate, key, reader).map(Some),
        _ => Some(None),
    })
}

/// Without a key, there must be no certificate.
pub(super) fn no_key(reader: &mut Reader<'_>) -> Option<Option<Identity>> {
    alone(KEY, CERTIFICATE, reader)
}

fn is_unix_socket(host: &str) -> bool {
    matches!(Host::parse(host), Ok(Host::Unix(_)))
}

fn path<T>(read: impl Fn(&Path, &mut Reader<'_>) -> Option<T> + 'static) -> Kind<T> {
    Kind::new("a path", move |name, text, reader| {
        if text.trim().is_empty() {
            reader.error(name, "is empty");
            return None;
        }
        read(Path::new(text), reader)
    })
}

/// What the setting `name` is without a value, which is an error if `other` has one.
fn alone<T>(name: &'static str, other: &str, reader: &mut Reader<'_>) -> Option<Option<T>> {
    if reader.text(other).is_none() {
        return Some(None);
    }
    reader.error(name, format_args!("is required with {other}"));
    None
}

fn read(certificate: &Path, key: &Path, reader: &mut Reader<'_>) -> Option<Identity> {
    let chain = chain(certificate);
    let chain = chain.map_err(|why| report(CERTIFICATE, certificate, &why, reader)).ok();
    check_permissions(key, reader);
    let key_read = private_key(key).map_err(|why| report(KEY, key, &why, reader)).ok();
    match CertifiedKey::from_der(chain?, key_read?, &default_provider()) {
        Ok(identity) => Some(Identity(Arc::new(identity))),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            reader.error(
                KEY,
                format_args!(
                    "the key in {} does not belong to the certificate of {CERTIFICATE}",
                    key.display()
                ),
            );
            None
        }
        Err(error @ Error::InvalidCertificate(_)) => {
            report(CERTIFICATE, certificate, &format!("cannot be used: {error}"), reader);
            None
        }
        Err(error) => {
            report(KEY, key, &format!("cannot be used: {error}"), reader);
            None
        }
    }
}

fn report(name: &str, path: &Path, why: &str, reader: &mut Reader<'_>) {
    reader.error(name, format_args!("the file {} {why}", path.display()));
}

/// The certificate first, then those that lead to one that clients trust.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = text_file::read(path).map_err(|why| why.to_string())?.text;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("contains no certificate in PEM format".to_owned()),
        Ok(chain) => Ok(chain),
        Err(_) => Err("is not a valid PEM file".to_owned()),
    }
}

/// The errors of PEM can show parts of the file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = text_file::read(path).map_err(|why| why.to_string())?.text;
    let without_key = || {
        if text.contains("ENCRYPTED") {
            "is encrypted; Byline reads unencrypted keys only"
        } else {
            "contains no private key in PEM format"
        }
    };
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| without_key().to_owned())
}

/// A key that every user of the machine can replace is an error in production, as the secret key is. One that every
/// user can read is a warning only: orchestrators mount secrets like that, in containers without other users.
fn check_permissions(path: &Path, reader: &mut Reader<'_>) {
    let Ok(metadata) = metadata(path) else { return };
    let (mode, shown) = (metadata.permissions().mode(), path.display());
    if text_file::is_writable_by_others(&metadata) {
        let what = format!("every user of this machine can change {shown}; run `chmod o-w {shown}`");
        if reader.is_production() {
            reader.error(KEY, what);
        } else {
            reader.warning(KEY, what);
        }
    } else if metadata.is_file() && mode & 0o004 != 0 {
        reader.warning(
            KEY,
            format_args!("every user of this machine can read {shown}; run `chmod o-r {shown}`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use tempfile::{TempDir, tempdir};

    use super::super::{Settings, SettingsError};
    use super::*;

    const CERT_PEM: &str = include_str!("../../tests/api/tls/cert.pem");
    const KEY_PEM: &str = include_str!("../../tests/api/tls/key.pem");
    const OTHER_KEY_PEM: &str = include_str!("../../tests/api/tls/other-key.pem");
    const ENCRYPTED_KEY_PEM: &str = include_str!("../../tests/api/tls/encrypted-key.pem");

    fn files(certificate: &str, key: &str) -> TempDir {
        let dir = tempdir().unwrap();
        write(dir.path().join("cert.pem"), certificate).unwrap();
        write(dir.path().join("key.pem"), key).unwrap();
        set_permissions(dir.path().join("key.pem"), Permissions::from_mode(0o600)).unwrap();
        dir
    }

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let key = ("SECRET_KEY", "f3b1c7d92e8a4f60b5d81c3e7a9260f4");
        let pairs = pairs.iter().chain([&key]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_parts(pairs, None)
    }

    /// The settings with the two files in `dir`, and with further ones.
    fn with_files(dir: &TempDir, further: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
        let paths = [(CERTIFICATE, certificate.to_str().unwrap()), (KEY, key.to_str().unwrap())];
        settings(&[&paths, further].concat())
    }

    /// The error of the two files, without their directory.
    #[track_caller]
    fn error(dir: &TempDir, further: &[(&str, &str)]) -> String {
        let error = with_files(dir, further).unwrap_err().to_string();
        error.replace(&format!("{}/", dir.path().display()), "")
    }

    #[test]
    fn a_certificate_and_its_key_are_read() {
        let dir = files(CERT_PEM, KEY_PEM);
        let settings = with_files(&dir, &[]).unwrap();
        assert_eq!(settings.http.identity.as_ref().unwrap().0.cert.len(), 1);
        assert_eq!(settings.warnings(), Vec::<String>::new());
        assert!(!format!("{settings:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_chain_follows_the_certificate() {
        let dir = files(&CERT_PEM.repeat(3), KEY_PEM);
        assert_eq!(with_files(&dir, &[]).unwrap().http.identity.unwrap().0.cert.len(), 3);
    }

    #[test]
    fn each_of_the_two_requires_the_other() {
        for (name, other) in [(CERTIFICATE, KEY), (KEY, CERTIFICATE)] {
            let error = settings(&[(name, "tests/api/tls/cert.pem")]).unwrap_err().to_string();
            assert_eq!(error, format!("{other}: is required with {name}"));
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named_with_their_setting() {
        let no_certificate = "TLS_CERT: the file cert.pem contains no certificate in PEM format";
        let no_key = "TLS_KEY: the file key.pem contains no private key in PEM format";
        let encrypted = "TLS_KEY: the file key.pem is encrypted; Byline reads unencrypted keys only";
        let truncated = &CERT_PEM[..CERT_PEM.len() - 30];
        for (certificate, key, message) in [
            ("", KEY_PEM, no_certificate),
            ("text", KEY_PEM, no_certificate),
            (KEY_PEM, KEY_PEM, no_certificate),
            (truncated, KEY_PEM, "TLS_CERT: the file cert.pem is not a valid PEM file"),
            (CERT_PEM, "", no_key),
            (CERT_PEM, CERT_PEM, no_key),
            (CERT_PEM, ENCRYPTED_KEY_PEM, encrypted),
            (
                CERT_PEM,
                OTHER_KEY_PEM,
                "TLS_KEY: the key in key.pem does not belong to the certificate of TLS_CERT",
            ),
        ] {
            assert_eq!(error(&files(certificate, key), &[]), message);
        }
    }

    #[test]
    fn errors_of_both_files_are_reported_at_once() {
        let dir = files("", "");
        std::fs::remove_file(dir.path().join("key.pem")).unwrap();
        let message = error(&dir, &[]);
        assert!(message.contains("TLS_CERT: the file cert.pem contains no"), "{message}");
        assert!(message.contains("TLS_KEY: the file key.pem cannot be read: "), "{message}");
    }

    #[test]
    fn a_key_that_others_can_change_is_refused_in_production() {
        let dir = files(CERT_PEM, KEY_PEM);
        let path = dir.path().join("key.pem");
        set_permissions(&path, Permissions::from_mode(0o602)).unwrap();
        let warnings = with_files(&dir, &[]).unwrap().warnings().to_vec();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("TLS_KEY: every user of this machine can change "), "{warnings:?}");
        assert!(
            error(&dir, &[("APP_ENV", "production")])
                .contains("TLS_KEY: every user of this machine can change")
        );
    }

    #[test]
    fn a_key_that_others_can_read_is_a_warning() {
        let dir = files(CERT_PEM, KEY_PEM);
        for (mode, count) in [(0o600, 0), (0o640, 0), (0o604, 1), (0o644, 1)] {
            set_permissions(dir.path().join("key.pem"), Permissions::from_mode(mode)).unwrap();
            let warnings = with_files(&dir, &[("APP_ENV", "production")]).unwrap().warnings().to_vec();
            assert_eq!(warnings.len(), count, "{mode:o}: {warnings:?}");
            assert!(
                warnings.iter().all(|warning| warning.starts_with("TLS_KEY: every user")),
                "{warnings:?}"
            );
        }
    }

    #[test]
    fn a_unix_socket_has_no_certificate() {
        let message = error(&files(CERT_PEM, KEY_PEM), &[("HOST", "unix:/run/byline.sock")]);
        assert_eq!(message, "TLS_KEY: cannot be used with a Unix socket, which HOST names");
    }
}
