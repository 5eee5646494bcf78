//! Settings of e-mail: the server that sends it, its sender, and the links in it.

use lettre::{Address, AsyncSmtpTransport, Tokio1Executor, message::Mailbox};
use secrecy::SecretString;
use url::{Host, Url};

use super::declare::settings_group;
use super::kind::Kind;
use super::reader::Reader;
use super::{Purpose, value};

/// Whether the owner of a new account must show to receive mail at its address: `EMAIL_VERIFICATION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailVerification {
    /// Addresses count as confirmed.
    Off,
    /// A mail asks for confirmation. An account works without it.
    Optional,
    /// An account works only after its address was confirmed.
    Required,
}

/// The URL of a page of the front end, with `{token}` in the place of the token of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTemplate(String);

/// The part of a [`LinkTemplate`] that the token replaces.
const TOKEN: &str = "{token}";

impl LinkTemplate {
    /// The link with this token, which consists of characters that need no encoding in a URL.
    pub fn fill(&self, token: &str) -> String {
        self.0.replace(TOKEN, token)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.matches(TOKEN).count() != 1 {
            return Err(format!("must contain {TOKEN} once"));
        }
        match Url::parse(&text.replace(TOKEN, "token")) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(Self(text.to_owned())),
            _ => Err("must be a URL that begins with https:// or http://".to_owned()),
        }
    }
}

settings_group! {
    /// E-mail
    MailSettings {
        /// The server that accepts mail: `smtps://USER:PASSWORD@HOST` (TLS), `smtp://…?tls=required` (STARTTLS) or
        /// `smtp://HOST` (without encryption). Parts of user name and password must be percent-encoded.
        SMTP_URL => smtp_url: Option<SecretString> = smtp_url().secret().map(Some).computed(
            "none: in development, messages are written to standard error; in production, none are sent",
            "smtps://USER:PASSWORD@mail.example.com", |_| Some(None),
        );

        /// The sender of all mail.
        MAIL_FROM => from: Mailbox = Kind::parsed("an address such as `Byline <byline@example.com>`", |text| {
            text.parse::<Mailbox>().map_err(|_| "is not an address such as `Byline <byline@example.com>`")
        }).computed(
            "`byline@localhost`; required with `SMTP_URL`", "Byline <byline@example.com>",
            default_sender,
        );

        /// Whether a new account must confirm its e-mail address. `optional` asks for it; with `required`, an
        /// account cannot be used before.
        EMAIL_VERIFICATION => verification: EmailVerification = verification().default("off");

        /// The page of the front end that asks for a new password. `{token}` stands for the token of the link.
        PASSWORD_RESET_URL => reset_url: LinkTemplate = link().computed(
            "in development `http://localhost:3000/reset-password?token={token}`; in production required with `SMTP_URL`",
            "http://localhost:3000/reset-password?token={token}",
            |reader| default_link(reader, "PASSWORD_RESET_URL", "reset-password"),
        );

        /// The page of the front end that confirms an e-mail address. `{token}` stands for the token of the link.
        EMAIL_CONFIRM_URL => confirm_url: LinkTemplate = link().computed(
            "in development `http://localhost:3000/confirm-email?token={token}`; in production required with `SMTP_URL`",
            "http://localhost:3000/confirm-email?token={token}",
            |reader| default_link(reader, "EMAIL_CONFIRM_URL", "confirm-email"),
        );
    }
}

fn link() -> Kind<LinkTemplate> {
    Kind::parsed("a URL with `{token}`", LinkTemplate::parse)
}

fn smtp_url() -> Kind<SecretString> {
    Kind::new("a URL of the scheme `smtp` or `smtps`", |name, text, reader| {
        let is_usable = AsyncSmtpTransport::<Tokio1Executor>::from_url(text).is_ok();
        let Some(url) = Url::parse(text).ok().filter(|url| is_usable && url.has_host()) else {
            let forms = "smtps://USER:PASSWORD@HOST, smtp://USER:PASSWORD@HOST?tls=required or smtp://HOST";
            reader.error(name, format_args!("must have the form {forms}"));
            return None;
        };
        let is_encrypted = url.scheme() == "smtps" || url.query_pairs().any(|(name, _)| name == "tls");
        if !is_encrypted && url.password().is_some() && !is_local(&url) {
            reader.warning(
                name,
                "sends the password without encryption; smtps:// or ?tls=required encrypts it",
            );
        }
        Some(text.into())
    })
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether these are the settings of a server in production.
fn serves_production(reader: &Reader<'_>) -> bool {
    reader.is_production() && reader.purpose() == Purpose::Server
}

fn has_server(reader: &Reader<'_>) -> bool {
    reader.text("SMTP_URL").is_some()
}

fn default_sender(reader: &mut Reader<'_>) -> Option<Mailbox> {
    if reader.purpose() == Purpose::Server && has_server(reader) {
        reader.error("MAIL_FROM", "is required with SMTP_URL");
        return None;
    }
    Address::new("byline", "localhost").ok().map(|address| Mailbox::new(None, address))
}

fn default_link(reader: &mut Reader<'_>, name: &'static str, page: &str) -> Option<LinkTemplate> {
    if serves_production(reader) && has_server(reader) {
        reader.error(name, "is required with SMTP_URL in production");
        return None;
    }
    Some(LinkTemplate(format!("http://localhost:3000/{page}?token={TOKEN}")))
}

/// A server that cannot send mail cannot confirm addresses.
fn verification() -> Kind<EmailVerification> {
    const CHOICES: &[(&str, EmailVerification)] = &[
        ("off", EmailVerification::Off),
        ("optional", EmailVerification::Optional),
        ("required", EmailVerification::Required),
    ];
    Kind::new("`off`, `optional` or `required`", |name, text, reader| {
        let chosen = value::choice(text, CHOICES).map_err(|error| reader.error(name, error)).ok()?;
        if serves_production(reader) && !has_server(reader) {
            match chosen {
                EmailVerification::Off => {}
                EmailVerification::Optional => {
                    reader.warning(name, "no address can be confirmed, because SMTP_URL is not set");
                }
                EmailVerification::Required => {
                    reader.error(name, "no address can be confirmed, because SMTP_URL is not set");
                    return None;
                }
            }
        }
        Some(chosen)
    })
}
