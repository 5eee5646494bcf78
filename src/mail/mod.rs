//! Outgoing e-mail: a queue in the database, which is written in the transaction of a message's cause, and the task
//! that sends what is in it.
//!
//! A message is sent at least once. It may be sent twice if the process or the connection ends after the mail
//! server has accepted it and before that is recorded; both copies have the same `Message-ID`.

pub mod queue;
mod smtp;
mod templates;
pub mod worker;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

pub use self::templates::Message;
use crate::config::{Environment, Settings};

/// Which text a message has. Stored as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A link to set a new password.
    PasswordReset,
    /// A link to confirm an address.
    ConfirmAddress,
    /// To the old address: a new one was asked for.
    AddressChange,
    /// The password was changed.
    PasswordChanged,
}

impl Kind {
    const ALL: [Self; 4] =
        [Self::PasswordReset, Self::ConfirmAddress, Self::AddressChange, Self::PasswordChanged];

    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::ConfirmAddress => "confirm_address",
            Self::AddressChange => "address_change",
            Self::PasswordChanged => "password_changed",
        }
    }

    /// The kind with this word; `None` for one of a newer release.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What code that queues messages needs to know about their delivery. Clones share one signal.
#[derive(Clone, Debug)]
pub struct Delivery {
    is_possible: bool,
    queued: Arc<Notify>,
    /// What the task counted last, if metrics are on.
    lengths: Option<Arc<Mutex<Option<QueueLengths>>>>,
}

/// The number of messages in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLengths {
    /// Messages that are to be sent, now or later.
    pub waiting: u64,
    /// Messages that were given up.
    pub given_up: u64,
}

impl Delivery {
    /// Mail is delivered by the server in the settings. In development without one, it is written to standard
    /// error.
    pub fn new(settings: &Settings) -> Self {
        let is_possible =
            settings.mail.smtp_url.is_some() || settings.app.environment == Environment::Development;
        let lengths = settings.monitoring.metrics_bind.map(|_| Arc::default());
        Self { is_possible, queued: Arc::default(), lengths }
    }

    /// Whether messages are delivered. If they are not, none should be queued.
    pub fn is_possible(&self) -> bool {
        self.is_possible
    }

    /// Makes the task of this process look for messages at once. Called after the commit.
    pub fn notify(&self) {
        self.queued.notify_one();
    }

    /// What the task of this process counted last; `None` if it counts nothing.
    pub fn lengths(&self) -> Option<QueueLengths> {
        *self.lengths.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the task counts the messages.
    fn counts(&self) -> bool {
        self.lengths.is_some()
    }

    fn set_lengths(&self, counted: QueueLengths) {
        if let Some(lengths) = &self.lengths {
            *lengths.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
        }
    }
}
