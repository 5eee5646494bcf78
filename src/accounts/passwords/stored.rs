//! Stored bcrypt hashes, in every spelling that passlib verifies (contract, section 5).

use std::{borrow::Cow, iter, str::FromStr as _};

use bcrypt::HashParts;

use super::MAX_BYTES;

/// The digits of bcrypt's base 64.
const DIGITS: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The number of digits of a salt. 4 bits of the last one are unused.
const SALT_DIGITS: usize = 22;

/// A bcrypt hash.
#[derive(Debug)]
pub(super) struct StoredHash {
    /// In the only spelling that the library accepts.
    hash: String,
    cost: u32,
    /// The version `$2$`, which repeats the password without the NUL that later versions append.
    repeats: bool,
}

impl StoredHash {
    /// `None` if the value is not a bcrypt hash.
    pub(super) fn parse(stored: &str) -> Option<Self> {
        let cost = cost(stored)?;
        let (version, _, digits) = parts(stored)?;
        let (salt, checksum) = digits.split_at_checked(SALT_DIGITS)?;
        let (salt, checksum) = (without_padding(salt, 4)?, without_padding(checksum, 2)?);
        let hash = format!("$2b${cost:02}${salt}{checksum}");
        HashParts::from_str(&hash).is_ok().then_some(Self { hash, cost, repeats: version == "2" })
    }

    pub(super) fn cost(&self) -> u32 {
        self.cost
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        let mut password = Cow::from(password.as_bytes());
        if self.repeats {
            password = password.iter().copied().cycle().take(MAX_BYTES).collect();
        }
        bcrypt::verify(password, &self.hash).unwrap_or(false)
    }
}

/// The cost of a stored hash, of which the first six characters are enough.
pub fn cost(stored: &str) -> Option<u32> {
    let (version, cost, _) = parts(stored)?;
    let is_known =
        ["2", "2a", "2b", "2y"].contains(&version) && cost.bytes().all(|byte| byte.is_ascii_digit());
    cost.parse().ok().filter(|cost| is_known && (4..=31).contains(cost))
}

/// The version, the cost, which has two digits, and what follows its `$`.
fn parts(stored: &str) -> Option<(&str, &str, &str)> {
    let (version, rest) = stored.strip_prefix('$')?.split_once('$')?;
    let (cost, rest) = rest.split_at_checked(2)?;
    match rest.strip_prefix('$') {
        Some(digits) => Some((version, cost, digits)),
        None if rest.is_empty() => Some((version, cost, "")),
        None => None,
    }
}

/// Clears the unused bits of the last digit, which some libraries set and the library that Byline uses
/// rejects.
fn without_padding(digits: &str, unused_bits: u32) -> Option<String> {
    let mut digits: Vec<char> = digits.chars().collect();
    let last = digits.pop()?;
    let value = DIGITS.iter().position(|digit| char::from(*digit) == last)?;
    let cleared = char::from(*DIGITS.get(value >> unused_bits << unused_bits)?);
    Some(digits.into_iter().chain(iter::once(cleared)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery";

    /// Made by passlib 1.7.4, like all hashes below.
    const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS";

    fn matches(stored: &str) -> Option<bool> {
        StoredHash::parse(stored).map(|hash| hash.matches(PASSWORD))
    }

    fn with_digit(at: usize, digit: u8) -> String {
        let mut stored = HASH.to_owned().into_bytes();
        stored[at] = digit;
        String::from_utf8(stored).unwrap()
    }

    #[test]
    fn unused_bits_of_salt_and_checksum_do_not_count() {
        for digit in DIGITS {
            let same_salt = b"uvwxyz0123456789".contains(digit);
            assert_eq!(matches(&with_digit(28, *digit)), Some(same_salt), "{}", char::from(*digit));
            let same_checksum = b"STUV".contains(digit);
            assert_eq!(matches(&with_digit(59, *digit)), Some(same_checksum), "{}", char::from(*digit));
        }
    }

    #[test]
    fn every_version_that_passlib_verifies_is_verified() {
        for version in ["$2a$", "$2b$", "$2y$"] {
            assert_eq!(matches(&HASH.replace("$2b$", version)), Some(true), "{version}");
        }
        for (stored, password, expected) in [
            ("$2$04$abcdefghijklmnopqrstuuMvYnyIShwZcaklcDLza5PSAX7AEAgmm", PASSWORD, true),
            ("$2$04$abcdefghijklmnopqrstuuMvYnyIShwZcaklcDLza5PSAX7AEAgmm", "correct horse", false),
            ("$2$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i", &"x".repeat(80), true),
        ] {
            assert_eq!(StoredHash::parse(stored).unwrap().matches(password), expected, "{password}");
        }
    }

    #[test]
    fn other_values_are_no_hashes() {
        for stored in [
            String::new(),
            PASSWORD.to_owned(),
            HASH[..59].to_owned(),
            HASH[..29].to_owned(),
            format!("{HASH}x"),
            format!("{HASH}\n"),
            format!(" {HASH}"),
            format!("{}é", &HASH[..58]),
            format!("{}{}", &HASH[..30], "é".repeat(15)),
            with_digit(28, b'$'),
            with_digit(59, b'$'),
            with_digit(40, b'-'),
            HASH.replace("$04$", "$4$"),
            HASH.replace("$04$", "$004$"),
            HASH.replace("$04$", "$+4$"),
            HASH.replace("$04$", "$4a$"),
            HASH.replace("$04$", "$03$"),
            HASH.replace("$04$", "$32$"),
            HASH.replace("$2b$", "$2x$"),
            HASH.replace("$2b$", "$2B$"),
            HASH.replace("$2b$", "$$"),
            HASH.replace("$2b$", "2b$"),
        ] {
            assert!(StoredHash::parse(&stored).is_none(), "{stored:?}");
        }
    }

    #[test]
    fn six_characters_are_enough_for_the_cost() {
        for (start, expected) in [
            ("$2b$12", Some(12)),
            ("$2y$31", Some(31)),
            ("$2$05$", Some(5)),
            ("$2b$1", None),
            ("$2b$1x", None),
            ("$2x$12", None),
            ("$2b$03", None),
            ("plain ", None),
            ("", None),
        ] {
            assert_eq!(cost(start), expected, "{start}");
        }
    }
}
