//! A mail server that speaks SMTP, accepts messages, and fails as real ones do.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::wait_until;

/// What the server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accept,
    /// 451 to the recipient: try again later.
    Greylist,
    /// 550 to the recipient.
    Reject,
    /// Takes the message and closes the connection without a reply.
    Disconnect,
    /// Takes the message and never replies.
    Silence,
    /// 535 to the password.
    RefuseLogin,
}

/// A message that was taken, also if that was not acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) recipient: String,
    /// With its headers, as it was sent.
    pub(crate) source: String,
}

/// A mail server that runs until it is dropped.
pub(crate) struct SmtpServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    answer: Answer,
    received: Vec<Received>,
    /// How many messages clients began to send.
    attempts: usize,
    stopped: bool,
}

impl SmtpServer {
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    /// Starts a server at this address.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { answer: Answer::Accept, received: Vec::new(), attempts: 0, stopped: false };
        let shared = Arc::new(Mutex::new(shared));
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.lock().unwrap().stopped {
                    break;
                }
                let shared = Arc::clone(&accepting);
                // A client that disconnects ends the conversation with an error.
                thread::spawn(move || converse(&client, &shared).ok());
            }
        });
        Self { address, shared }
    }

    /// An address at which no server runs.
    pub(crate) fn unreachable() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    /// The settings of a server that sends mail here.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        settings_of(self.address)
    }

    pub(crate) fn set(&self, answer: Answer) {
        self.shared.lock().unwrap().answer = answer;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.lock().unwrap().received.clone()
    }

    pub(crate) fn attempts(&self) -> usize {
        self.shared.lock().unwrap().attempts
    }

    /// Waits until this number of messages was received, and returns the last one.
    pub(crate) async fn wait_for(&self, number: usize) -> Received {
        wait_until(&format!("{number} messages arrive"), async || self.received().len() >= number).await;
        let mut received = self.received();
        assert_eq!(received.len(), number, "{received:#?}");
        received.pop().unwrap()
    }

    /// Waits until clients have made this number of attempts.
    pub(crate) async fn wait_for_attempts(&self, number: usize) {
        wait_until(&format!("{number} attempts are made"), async || self.attempts() >= number).await;
    }
}

/// The settings of a server that sends mail to this address.
pub(crate) fn settings_of(address: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("SMTP_URL", format!("smtp://{address}")),
        ("MAIL_FROM", "Byline <byline@blog.example>".to_owned()),
        ("PASSWORD_RESET_URL", "https://blog.example/reset?token={token}".to_owned()),
        ("EMAIL_CONFIRM_URL", "https://blog.example/confirm?token={token}".to_owned()),
    ]
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.shared.lock().unwrap().stopped = true;
        // Wakes the thread that accepts.
        TcpStream::connect(self.address).ok();
    }
}

fn converse(mut client: &TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).split(b'\n');
    let mut next = || -> std::io::Result<String> {
        let line = lines.next().unwrap_or_else(|| Err(std::io::ErrorKind::UnexpectedEof.into()))?;
        Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
    };
    let mut recipient = String::new();
    client.write_all(b"220 mail.example ESMTP\r\n")?;
    loop {
        let line = next()?;
        let answer = shared.lock().unwrap().answer;
        let verb = line.split_whitespace().next().unwrap_or_default().to_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => "250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN".to_owned(),
            "AUTH" if answer == Answer::RefuseLogin => {
                shared.lock().unwrap().attempts += 1;
                "535 5.7.8 Authentication credentials invalid".to_owned()
            }
            "AUTH" => "235 2.7.0 Authentication successful".to_owned(),
            "RCPT" => {
                shared.lock().unwrap().attempts += 1;
                line.split(['<', '>']).nth(1).unwrap_or_default().clone_into(&mut recipient);
                match answer {
                    Answer::Greylist => format!("451 4.7.1 <{recipient}>: Greylisted, try again later"),
                    Answer::Reject => format!("550 5.1.1 <{recipient}>: User unknown"),
                    _ => "250 2.1.5 Ok".to_owned(),
                }
            }
            "DATA" => {
                client.write_all(b"354 End data with <CR><LF>.<CR><LF>\r\n")?;
                let mut source = String::new();
                loop {
                    let line = next()?;
                    if line == "." {
                        break;
                    }
                    source += line.strip_prefix('.').unwrap_or(&line);
                    source += "\n";
                }
                let received = Received { recipient: recipient.clone(), source };
                shared.lock().unwrap().received.push(received);
                match answer {
                    Answer::Disconnect => return Ok(()),
                    Answer::Silence => {
                        // Until the client gives up.
                        next()?;
                        return Ok(());
                    }
                    _ => "250 2.0.0 Ok: queued".to_owned(),
                }
            }
            "QUIT" => {
                client.write_all(b"221 2.0.0 Bye\r\n")?;
                return Ok(());
            }
            _ => "250 2.0.0 Ok".to_owned(),
        };
        client.write_all(format!("{reply}\r\n").as_bytes())?;
    }
}

impl Received {
    /// The value of a header.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let head = self.source.split("\n\n").next().unwrap();
        let prefix = format!("{name}: ");
        head.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_else(|| panic!("no {name}: {head}"))
    }

    /// The message as people read it: plain text, then HTML.
    pub(crate) fn text(&self) -> String {
        let boundary = self.header_of_several_lines("boundary=\"");
        let delimiter = format!("--{boundary}");
        let parts = self.source.split(&delimiter).skip(1);
        let parts = parts.filter_map(|part| part.split_once("\n\n"));
        parts
            .map(
                |(head, body)| if head.contains("quoted-printable") { decode(body) } else { body.to_owned() },
            )
            .collect()
    }

    /// What follows `start`, up to a quotation mark.
    fn header_of_several_lines(&self, start: &str) -> &str {
        self.source.split(start).nth(1).unwrap().split('"').next().unwrap()
    }

    /// The token of the link.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        let text = self.text();
        let after = text.split("?token=").nth(1).unwrap_or_else(|| panic!("no link: {text}"));
        after
            .split(|character: char| !(character.is_ascii_alphanumeric() || "._-".contains(character)))
            .next()
            .unwrap()
            .to_owned()
    }
}

/// Quoted-printable (RFC 2045, section 6.7).
fn decode(body: &str) -> String {
    let joined = body.replace("=\n", "");
    let mut parts = joined.split('=');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}
