//! The texts of messages, as plain text and as HTML.

use std::fmt::Write as _;

/// A message to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A link to set a new password.
    PasswordReset {
        /// The name of the account.
        username: String,
        /// The link.
        url: String,
        /// How long it is valid.
        minutes: i64,
    },
    /// A link to confirm an address. It does not contain the name of the account: anyone can register with any
    /// address, and the name could be an advertisement.
    ConfirmAddress {
        /// The link.
        url: String,
        /// How long it is valid.
        hours: i64,
    },
    /// To the old address: a new one was asked for.
    AddressChange {
        /// The name of the account.
        username: String,
    },
    /// The password was changed.
    PasswordChanged {
        /// The name of the account.
        username: String,
    },
}

/// A message in both forms.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

enum Paragraph {
    Text(String),
    Link(String),
}

use Paragraph::{Link, Text};

impl Message {
    /// The message as text and as HTML. `site` is the name of the site.
    pub(super) fn render(&self, site: &str) -> Rendered {
        let site = one_line(site);
        let (subject, paragraphs) = self.content(&site);
        let mut text = String::new();
        let mut html = String::new();
        for paragraph in &paragraphs {
            let (Text(content) | Link(content)) = paragraph;
            let escaped = escape(content);
            // Writing to a string cannot fail.
            let _ = write!(text, "{content}\r\n\r\n");
            let _ = match paragraph {
                Text(_) => writeln!(html, "<p>{escaped}</p>"),
                Link(_) => writeln!(html, r#"<p><a href="{escaped}">{escaped}</a></p>"#),
            };
        }
        let _ = write!(text, "-- \r\n{site}\r\n");
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
             <body>\n{html}<p>{}</p>\n</body>\n</html>\n",
            escape(&subject),
            escape(&site),
        );
        Rendered { subject, text, html }
    }

    fn content(&self, site: &str) -> (String, Vec<Paragraph>) {
        match self {
            Self::PasswordReset { username, url, minutes } => {
                let name = one_line(username);
                (
                    format!("{site}: set a new password"),
                    vec![
                        Text(format!(
                            "Someone, probably you, asked for a new password for the account \"{name}\" at {site}. \
                             To set one, open this link within {minutes} minutes:"
                        )),
                        Link(url.clone()),
                        Text(
                            "If it was not you, ignore this message. Your password stays as it is.".to_owned(),
                        ),
                    ],
                )
            }
            Self::ConfirmAddress { url, hours } => (
                format!("{site}: confirm your e-mail address"),
                vec![
                    Text(format!(
                        "Someone, probably you, entered this e-mail address at {site}. To confirm that it is \
                         yours, open this link within {hours} hours:"
                    )),
                    Link(url.clone()),
                    Text("If it was not you, ignore this message.".to_owned()),
                ],
            ),
            Self::AddressChange { username } => (
                format!("{site}: your e-mail address is about to change"),
                vec![
                    Text(format!(
                        "Someone, probably you, asked to change the e-mail address of the account \"{}\" at \
                         {site}. The new address takes effect when it is confirmed.",
                        one_line(username),
                    )),
                    Text(
                        "If it was not you, change your password now. That ends every session, and the change \
                         of the address with it."
                            .to_owned(),
                    ),
                ],
            ),
            Self::PasswordChanged { username } => (
                format!("{site}: your password was changed"),
                vec![
                    Text(format!(
                        "The password of the account \"{}\" at {site} was changed, and every session was ended.",
                        one_line(username),
                    )),
                    Text("If it was not you, reset your password now.".to_owned()),
                ],
            ),
        }
    }
}

/// The text on one line, without control characters and those that change the direction of text. Accounts of an
/// adopted database may have any name.
fn one_line(text: &str) -> String {
    let is_unsafe = |character: &char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if is_unsafe(&character) { ' ' } else { character }).collect()
}

/// The text as HTML, also inside quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reset(username: &str, url: &str) -> Rendered {
        Message::PasswordReset { username: username.to_owned(), url: url.to_owned(), minutes: 30 }
            .render("A & B")
    }

    #[test]
    fn what_users_and_operators_wrote_is_text_in_html() {
        let rendered = reset(r#"<b>"o'x"&"#, "https://blog.example/?a=1&token=x\"><script>");
        for part in
            ["&lt;b&gt;&quot;o&#39;x&quot;&amp;", "?a=1&amp;token=x&quot;&gt;&lt;script&gt;", "A &amp; B"]
        {
            assert!(rendered.html.contains(part), "{part}: {}", rendered.html);
        }
        assert!(!rendered.html.contains("<script") && !rendered.html.contains("<b>"));
    }

    #[test]
    fn both_forms_contain_the_link() {
        let rendered = reset("ann", "https://blog.example/reset?token=abc");
        assert!(rendered.text.contains("\r\nhttps://blog.example/reset?token=abc\r\n"), "{}", rendered.text);
        assert!(
            rendered.html.contains(r#"href="https://blog.example/reset?token=abc""#),
            "{}",
            rendered.html
        );
    }

    #[test]
    fn a_name_adds_no_line_and_does_not_turn_the_text() {
        let rendered = reset("ann\r\nBcc: x@example.com\u{202e}\u{2029}", "https://blog.example/");
        let line = rendered.text.lines().find(|line| line.contains("ann")).unwrap();
        assert!(line.contains("ann  Bcc: x@example.com  "), "{line}");
        let message = Message::PasswordChanged { username: String::new() };
        assert_eq!(message.render("A\nB").subject, "A B: your password was changed");
    }
}
