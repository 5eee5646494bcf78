//! Received values as errors show them, with a bounded size (contract, section 9: `echo`).

use std::io;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// The largest value that is shown, in bytes of compact JSON.
const MAX_BYTES: usize = 16 << 10;

/// The largest size of all values of one response together, in bytes of compact JSON.
pub(super) const MAX_TOTAL_BYTES: usize = 48 << 10;

/// A received value as an error shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Echo {
    /// The value.
    Value(Value),
    /// The size in bytes of a value that is too large to show: of a text in UTF-8, of any other value as
    /// compact JSON. Shown as `[N bytes]`.
    TooLarge(usize),
}

impl Echo {
    /// The echo of a value. A value that is too large is measured, but never copied.
    pub fn of(value: &Value) -> Self {
        match too_large(value) {
            Some(bytes) => Self::TooLarge(bytes),
            None => Self::Value(value.clone()),
        }
    }

    /// The echo of a text.
    pub fn of_text(text: &str) -> Self {
        if text.len() > MAX_BYTES { Self::TooLarge(text.len()) } else { Value::from(text).into() }
    }

    /// The echo as a part of a larger value.
    pub fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::TooLarge(bytes) => placeholder(bytes).into(),
        }
    }

    /// Replaces the value by its size, because the other values of the response leave no room for it.
    pub(super) fn without_value(&self) -> Self {
        match self {
            Self::Value(value) => Self::TooLarge(size(value)),
            Self::TooLarge(bytes) => Self::TooLarge(*bytes),
        }
    }

    /// The size as compact JSON, in bytes.
    pub(super) fn written_bytes(&self) -> usize {
        written_bytes(self)
    }
}

impl From<Value> for Echo {
    fn from(value: Value) -> Self {
        too_large(&value).map_or(Self::Value(value), Self::TooLarge)
    }
}

impl Serialize for Echo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::TooLarge(bytes) => placeholder(*bytes).serialize(serializer),
        }
    }
}

fn placeholder(bytes: usize) -> String {
    format!("[{bytes} bytes]")
}

/// The size of the value, if it is too large to show.
fn too_large(value: &Value) -> Option<usize> {
    let too_large = match value {
        // Escapes only make a text longer.
        Value::String(text) if text.len() > MAX_BYTES => true,
        _ => written_bytes(value) > MAX_BYTES,
    };
    too_large.then(|| size(value))
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        other => written_bytes(other),
    }
}

/// The size of a value as compact JSON, without writing it.
fn written_bytes(value: &impl Serialize) -> usize {
    struct Counter(usize);

    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counter = Counter(0);
    // Neither JSON values nor the counter can fail.
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}
