//! The kinds of values that a setting can have: how a text becomes a value, and how the documentation
//! describes it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use secrecy::SecretString;

use super::DatabaseUrl;
use super::reader::Reader;
use super::value;

/// The longest time that a setting in seconds can have: one day.
const DAY: u64 = 24 * 60 * 60;

/// Turns the text of a setting into a `T`; `None` after it reported an error.
type Parse<T> = Box<dyn Fn(&'static str, &str, &mut Reader<'_>) -> Option<T>>;

/// The kind of a setting. [`Kind::default`] or [`Kind::computed`] complete it to a declaration.
pub(super) struct Kind<T> {
    values: String,
    is_secret: bool,
    has_flag: bool,
    read: Parse<T>,
}

/// Types whose `Debug` does not show a secret, so that the settings can be logged.
pub(super) trait Redacted {}

impl Redacted for SecretString {}
impl Redacted for DatabaseUrl {}

impl<T> Kind<T> {
    /// A kind whose values are described by `values`. `read` reports every error itself, and may report
    /// warnings.
    pub(super) fn new(
        values: impl Into<String>,
        read: impl Fn(&'static str, &str, &mut Reader<'_>) -> Option<T> + 'static,
    ) -> Self {
        Self { values: values.into(), is_secret: false, has_flag: true, read: Box::new(read) }
    }

    /// A kind whose values are described by `values`. An error of `parse` is the predicate of a sentence.
    pub(super) fn parsed<E: Display>(
        values: impl Into<String>,
        parse: impl Fn(&str) -> Result<T, E> + 'static,
    ) -> Self {
        Self::new(values, move |name, text, reader| {
            parse(text).map_err(|error| reader.error(name, error)).ok()
        })
    }

    /// The value as another type.
    pub(super) fn map<U>(self, convert: impl Fn(T) -> U + 'static) -> Kind<U>
    where
        T: 'static,
    {
        let Self { values, is_secret, has_flag, read } = self;
        Kind {
            values,
            is_secret,
            has_flag,
            read: Box::new(move |name, text, reader| read(name, text, reader).map(&convert)),
        }
    }

    /// Names the unit in the documentation.
    pub(super) fn unit(mut self, unit: &str) -> Self {
        self.values = format!("{} {unit}", self.values);
        self
    }

    /// Marks the value as a secret, which no flag of the command line sets.
    pub(super) fn secret(mut self) -> Self
    where
        T: Redacted,
    {
        self.is_secret = true;
        self.has_flag = false;
        self
    }

    /// A flag of the command line sets this secret too, because `read` refuses a secret part of a flag's value.
    pub(super) fn with_flag(mut self) -> Self {
        self.has_flag = true;
        self
    }

    pub(super) fn read(&self, name: &'static str, text: &str, reader: &mut Reader<'_>) -> Option<T> {
        (self.read)(name, text, reader)
    }

    pub(super) fn values(&self) -> &str {
        &self.values
    }

    pub(super) fn is_secret(&self) -> bool {
        self.is_secret
    }

    pub(super) fn has_flag(&self) -> bool {
        self.has_flag
    }
}

/// Any text that is not blank.
pub(super) fn text() -> Kind<String> {
    Kind::parsed("text", |text| if text.trim().is_empty() { Err("is empty") } else { Ok(text.to_owned()) })
}

/// True or false, in any spelling that Pydantic accepts.
pub(super) fn boolean() -> Kind<bool> {
    Kind::parsed("`true` or `false`", value::boolean)
}

/// A whole number within bounds.
pub(super) fn number<T>(bounds: RangeInclusive<T>) -> Kind<T>
where
    T: TryFrom<i128> + Display + PartialOrd + 'static,
{
    Kind::parsed(describe(&bounds), move |text| value::whole_number(text, &bounds))
}

/// A whole number whose bounds are tighter in production.
pub(super) fn number_by_environment<T>(
    development: RangeInclusive<T>,
    production: RangeInclusive<T>,
) -> Kind<T>
where
    T: TryFrom<i128> + Display + PartialOrd + 'static,
{
    let values = format!("{}; in production {}", describe(&development), describe(&production));
    Kind::new(values, move |name, text, reader| {
        let bounds = if reader.is_production() { &production } else { &development };
        value::whole_number(text, bounds).map_err(|error| reader.error(name, error)).ok()
    })
}

/// A number of seconds, at most one day.
pub(super) fn seconds(minimum: u64) -> Kind<Duration> {
    number(minimum..=DAY).unit("seconds").map(Duration::from_secs)
}

/// One of several words.
pub(super) fn choice<T: Copy>(choices: &'static [(&'static str, T)]) -> Kind<T> {
    let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
    Kind::parsed(value::one_of(&words), |text| value::choice(text, choices))
}

fn describe<T: Display>(bounds: &RangeInclusive<T>) -> String {
    format!("{} to {}", with_separators(bounds.start()), with_separators(bounds.end()))
}

/// A number with a comma between groups of three digits.
fn with_separators(number: &impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_described_with_separators_and_a_unit() {
        assert_eq!(number(0..=u16::MAX).values(), "0 to 65,535");
        assert_eq!(number(1..=100_u8).values(), "1 to 100");
        assert_eq!(number(1_000..=1_000_000).unit("bytes").values(), "1,000 to 1,000,000 bytes");
        assert_eq!(number_by_environment(4..=31, 10..=31).values(), "4 to 31; in production 10 to 31");
    }

    #[test]
    fn a_choice_is_described_by_its_words() {
        assert_eq!(choice(&[("a", 1), ("b", 2), ("c", 3)]).values(), "`a`, `b` or `c`");
    }
}
