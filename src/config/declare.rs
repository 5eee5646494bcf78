//! How a setting is declared: the macros for a group and for all groups, and what they generate.
//!
//! A setting is one entry in the file of its group:
//!
//! ```text
//! settings_group! {
//!     /// HTTP server
//!     HttpSettings {
//!         /// Port to listen on. 0 lets the operating system choose one.
//!         PORT => port: u16 = number(0..=u16::MAX).default("8000");
//!     }
//! }
//! ```
//!
//! From left to right: the environment variable, the field and its type, the accepted values with their
//! bounds and unit ([`super::kind`]), the default. The comment above is the meaning, in one or two plain
//! sentences. All of it appears in `config/default.toml`, `.env.example` and the README, which
//! `UPDATE_SNAPSHOTS=1 cargo test --test api generated_files` writes, and in the help of the flag, which every
//! setting has that is not a secret.

use std::fmt;

use super::flags::flag;
use super::kind::Kind;
use super::reader::{GENERATE, Reader};

/// The declaration of one setting, for documentation and help texts.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The environment variable, in upper case.
    pub name: &'static str,
    /// One or two sentences.
    pub meaning: String,
    /// The accepted values with bounds and unit, such as `1 to 86400 seconds`.
    pub values: String,
    /// What applies if the setting is not set.
    pub default: DefaultValue,
    /// Whether the value is or may contain a secret.
    pub is_secret: bool,
    /// Whether a flag of the command line sets it.
    pub has_flag: bool,
}

impl Declaration {
    /// The environment variable with the path of a file that contains the value, which every secret has.
    pub fn file_name(&self) -> Option<String> {
        self.is_secret.then(|| format!("{}_FILE", self.name))
    }

    /// The flag of the command line that sets it, without the hyphens before it. Every user of a machine sees the
    /// command lines of all processes, so a secret has none.
    pub fn flag(&self) -> Option<String> {
        self.has_flag.then(|| flag(self.name))
    }
}

/// What applies if a setting is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// A text, read like one from the environment.
    Text {
        /// The default.
        value: &'static str,
        /// The default in production, if it differs.
        production: Option<&'static str>,
    },
    /// A value that depends on the machine or on other settings.
    Computed {
        /// What the value is, for documentation.
        description: &'static str,
        /// A value that a user may set instead, for `.env.example`.
        example: &'static str,
    },
}

impl fmt::Display for DefaultValue {
    /// The default in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { value, production: None } => write!(f, "`{value}`"),
            Self::Text { value, production: Some(production) } => {
                write!(f, "`{value}`; in production `{production}`")
            }
            Self::Computed { description, .. } => f.write_str(description),
        }
    }
}

/// The declarations of one group.
#[derive(Clone, Debug)]
pub struct Group {
    /// The title, for headings.
    pub title: String,
    /// The settings, in the order of their declaration.
    pub settings: Vec<Declaration>,
}

/// One setting: its kind and its default.
pub(super) struct Setting<T> {
    kind: Kind<T>,
    default: DefaultValue,
    compute: Option<fn(&mut Reader<'_>) -> Option<T>>,
}

impl<T> Kind<T> {
    /// Completes the declaration with a default, written like a value in the environment.
    pub(super) fn default(self, value: &'static str) -> Setting<T> {
        Setting { kind: self, default: DefaultValue::Text { value, production: None }, compute: None }
    }

    /// Completes the declaration with two defaults, for development and for production.
    pub(super) fn default_by_environment(
        self,
        development: &'static str,
        production: &'static str,
    ) -> Setting<T> {
        let default = DefaultValue::Text { value: development, production: Some(production) };
        Setting { kind: self, default, compute: None }
    }

    /// Completes the declaration with a default that `compute` returns, or with `None` an error that it
    /// reports.
    pub(super) fn computed(
        self,
        description: &'static str,
        example: &'static str,
        compute: fn(&mut Reader<'_>) -> Option<T>,
    ) -> Setting<T> {
        let default = DefaultValue::Computed { description, example };
        Setting { kind: self, default, compute: Some(compute) }
    }
}

impl<T> Setting<T> {
    /// The value, or `None` after an error was reported.
    pub(super) fn read(&self, name: &'static str, reader: &mut Reader<'_>) -> Option<T> {
        // A value that is lost is not replaced by the default.
        if reader.has_error(name) {
            return None;
        }
        match (reader.text(name), self.compute) {
            (Some(text), _) => self.kind.read(name, text, reader),
            (None, Some(compute)) => compute(reader),
            (None, None) => {
                reader.error(name, format_args!("is missing from config/default.toml; run `{GENERATE}`"));
                None
            }
        }
    }

    pub(super) fn declaration(&self, name: &'static str, meaning: &str) -> Declaration {
        Declaration {
            name,
            meaning: meaning.trim().to_owned(),
            values: self.kind.values().to_owned(),
            default: self.default.clone(),
            is_secret: self.kind.is_secret(),
            has_flag: self.kind.has_flag(),
        }
    }
}

/// Declares a group: the struct with one field for each setting, the function that reads it, and its
/// documentation.
macro_rules! settings_group {
    (
        #[doc = $title:literal]
        $group:ident {
            $($(#[doc = $meaning:literal])+ $name:ident => $field:ident: $type:ty = $setting:expr;)+
        }
    ) => {
        #[doc = concat!("Group of settings:", $title, ".")]
        #[derive(Clone, Debug)]
        pub struct $group {
            $(
                #[doc = concat!("`", stringify!($name), "`:")]
                $(#[doc = $meaning])+
                pub $field: $type,
            )+
        }

        impl $group {
            /// Reads every setting before it returns, so that all errors are reported at once.
            pub(super) fn read(reader: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                use $crate::config::declare::Setting;
                $(
                    let setting: Setting<$type> = $setting;
                    let $field = setting.read(stringify!($name), reader);
                )+
                Some(Self { $($field: $field?,)+ })
            }

            pub(super) fn group() -> $crate::config::declare::Group {
                use $crate::config::declare::{Group, Setting};
                let settings = vec![$({
                    let setting: Setting<$type> = $setting;
                    setting.declaration(stringify!($name), concat!($($meaning),+))
                },)+];
                Group { title: $title.trim().to_owned(), settings }
            }
        }
    };
}

/// Declares the struct of all groups.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $field:ident: $group:ty,)+) => {
        /// All settings. `Debug` shows secrets as `[REDACTED]`.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $field: $group,)+
            warnings: Vec<String>,
            has_generated_key: bool,
        }

        impl Settings {
            /// Reads every group before it returns, so that all errors are reported at once.
            fn read(reader: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                $(let $field = <$group>::read(reader);)+
                Some(Self { $($field: $field?,)+ warnings: Vec::new(), has_generated_key: false })
            }

            /// The declarations of all settings, in groups.
            pub fn groups() -> Vec<Group> {
                vec![$(<$group>::group(),)+]
            }
        }
    };
}

pub(super) use {settings, settings_group};
