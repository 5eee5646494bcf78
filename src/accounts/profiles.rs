//! The PRECIS profiles of user names (Nickname, RFC 8266) and passwords (`OpaqueString`, RFC 8265).

use precis_profiles::{
    Nickname, OpaqueString,
    precis_core::{Error, profile::PrecisFastInvocation as _},
};

/// Longer passwords are compared as typed only. No spelling of a password that was accepted at registration
/// is as long, and the work for text of any length would be unbounded.
const MAX_PASSWORD_BYTES: usize = 1024;

/// The spelling of a user name that is stored: in NFKC, with single ASCII spaces.
///
/// # Errors
/// Why it is not a user name, as text that names no more than one of its characters.
pub fn enforce_nickname(name: &str) -> Result<String, String> {
    match Nickname::enforce(name) {
        Ok(name) => Ok(name.into_owned()),
        Err(Error::BadCodepoint(character)) => {
            Err(format!("U+{:04X} is not allowed in a user name", character.cp))
        }
        Err(_) => Err("not a user name as RFC 8266 defines it".to_owned()),
    }
}

/// The spelling of a password that new hashes are made of: in NFC, with ASCII spaces only. `None` if the
/// profile rejects the password.
pub fn enforce_opaque_string(password: &str) -> Option<String> {
    if password.len() > MAX_PASSWORD_BYTES {
        return None;
    }
    OpaqueString::enforce(password).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_normalised_and_keeps_its_capitals_and_single_spaces() {
        for (name, stored) in [
            ("Ada Lovelace", "Ada Lovelace"),
            ("a  b", "a b"),
            ("a\u{a0}\u{3000}b", "a b"),
            ("Jose\u{301}", "José"),
            ("\u{ff21}da", "Ada"),
            ("\u{fb01}n", "fin"),
            ("漢字", "漢字"),
            ("😀", "😀"),
        ] {
            assert_eq!(enforce_nickname(name).as_deref(), Ok(stored), "{name}");
        }
    }

    #[test]
    fn the_first_character_that_a_name_must_not_have_is_reported() {
        for (name, character) in [
            ("a\u{200b}b\u{202e}", "U+200B"),
            ("\u{feff}", "U+FEFF"),
            ("a\u{e0041}", "U+E0041"),
            ("a\tb", "U+0009"),
        ] {
            let error = enforce_nickname(name).unwrap_err();
            assert_eq!(error, format!("{character} is not allowed in a user name"));
        }
    }

    #[test]
    fn a_password_is_composed_and_its_spaces_are_ascii() {
        for (password, spelling) in [
            ("pass", Some("pass")),
            (" pa  ss ", Some(" pa  ss ")),
            ("Jose\u{301}", Some("José")),
            ("a\u{3000}b", Some("a b")),
            ("\u{ff21}", Some("\u{ff21}")),
            ("a\tb", None),
            ("a\u{200b}b", None),
        ] {
            assert_eq!(enforce_opaque_string(password).as_deref(), spelling, "{password:?}");
        }
        assert_eq!(enforce_opaque_string(&"e\u{301}".repeat(400)), None);
    }
}
