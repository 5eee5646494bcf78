//! Sends one message: to the SMTP server in the settings, or in development to standard error.

use std::{
    io::{self, Write as _},
    time::{Duration, SystemTime},
};

use entity::mail;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message as Letter, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error, PoolConfig,
        extension::ClientId,
        response::{Category, Severity},
    },
};
use secrecy::ExposeSecret as _;
use tokio::{task::spawn_blocking, time::timeout};
use url::Url;

use super::{queue::Failure, templates::Rendered};
use crate::config::MailSettings;

/// The maximum time for one step of a conversation, such as connecting or a command.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum time for one message.
const SEND_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an idle connection to the server stays open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum time for closing the connections.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Sends messages from one sender.
pub(super) struct Transport {
    from: Mailbox,
    /// `None`: messages are written to standard error.
    server: Option<AsyncSmtpTransport<Tokio1Executor>>,
}

impl Transport {
    /// Opens no connection. `max_concurrent` is the maximum number of messages that are sent at the same time.
    ///
    /// # Errors
    /// If `SMTP_URL` cannot be used.
    pub(super) fn new(settings: &MailSettings, max_concurrent: u32) -> Result<Self, Error> {
        let from = settings.from.clone();
        let Some(url) = &settings.smtp_url else { return Ok(Self { from, server: None }) };
        let url = url.expose_secret();
        let pool = PoolConfig::new().max_size(max_concurrent).idle_timeout(IDLE_TIMEOUT);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?
            .timeout(Some(STEP_TIMEOUT))
            .pool_config(pool);
        // The path of the URL is the name for EHLO. Servers reject mail from a client that calls itself localhost.
        if Url::parse(url).is_ok_and(|url| url.path().len() <= 1) {
            builder = builder.hello_name(ClientId::Domain(from.email.domain().to_owned()));
        }
        Ok(Self { from, server: Some(builder.build()) })
    }

    /// Sends the message of `row` to `recipient`.
    pub(super) async fn send(
        &self,
        row: &mail::Model,
        recipient: &str,
        message: Rendered,
    ) -> Result<(), Failure> {
        let Some(server) = &self.server else { return print(recipient, &message).await };
        let letter = self.letter(row, recipient, message)?;
        match timeout(SEND_TIMEOUT, server.send(letter)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(temporary("the mail server did not answer in time".to_owned())),
        }
    }

    /// Closes the connections.
    pub(super) async fn close(&self) {
        if let Some(server) = &self.server {
            // A server that does not answer must not delay the shutdown.
            let _ = timeout(CLOSE_TIMEOUT, server.shutdown()).await;
        }
    }

    /// The message in the form of RFC 5322. Every attempt has the same date and `Message-ID`, by which mail
    /// programs recognise a message that was sent twice.
    fn letter(&self, row: &mail::Model, recipient: &str, message: Rendered) -> Result<Letter, Failure> {
        let Rendered { subject, text, html } = message;
        let invalid = |summary: &str| Failure {
            is_permanent: true,
            summary: summary.to_owned(),
            reason: summary.to_owned(),
        };
        let address: Address =
            recipient.parse().map_err(|_| invalid("the address of the recipient is not valid"))?;
        let created_at = row.created_at.get();
        let domain = self.from.email.domain();
        let message_id = format!("<{}.{}@{domain}>", row.id, created_at.timestamp_micros());
        // RFC 3834: no automatic reply is wanted.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Letter::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(subject)
            .date(SystemTime::from(created_at))
            .message_id(Some(message_id))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|_| invalid("the message cannot be built"))
    }
}

/// Writes a message to standard error, which is not the log: the message contains a token.
async fn print(recipient: &str, message: &Rendered) -> Result<(), Failure> {
    let Rendered { subject, text, .. } = message;
    let text =
        format!("--- e-mail to {recipient} ---\nSubject: {subject}\n\n{}---\n", text.replace('\r', ""));
    let written = spawn_blocking(move || io::stderr().write_all(text.as_bytes())).await;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(temporary(format!("standard error: {error}"))),
        Err(error) => Err(temporary(error.to_string())),
    }
}

fn temporary(reason: String) -> Failure {
    Failure { is_permanent: false, summary: reason.clone(), reason }
}

/// The failure for an error of the server or of the connection. Replies often repeat the address, so the summary
/// has only their code.
///
/// A reply of the class 55x rejects the mailbox or the message. The other permanent replies are about the
/// connection and its user, such as a wrong password; the operator can correct these while the message is still
/// retried.
fn failure(error: &Error) -> Failure {
    let Some(code) = error.status() else { return temporary(error.to_string()) };
    let is_permanent =
        code.severity == Severity::PermanentNegativeCompletion && code.category == Category::MailSystem;
    Failure { is_permanent, summary: format!("the mail server replied {code}"), reason: error.to_string() }
}
