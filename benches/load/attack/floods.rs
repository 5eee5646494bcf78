//! Floods of requests that are expensive to answer.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use byline::cli::seed;
use serde_json::json;

use super::{
    FLOOD, Figure, Victim,
    client::{self, Client, Response},
};
use crate::Failure;

/// The maximum duration of a correct login from another address during a flood, in milliseconds.
const LOGIN: f64 = 2000.0;

/// How long a client waits after a 429 or 503 before it repeats its request.
const RETRY: Duration = Duration::from_millis(100);

const FORM: &str = "application/x-www-form-urlencoded";

/// The address of the user who logs in correctly.
const ANOTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A response, and how long it took.
pub(super) type Answer = (Response, Duration);

/// Sends the requests that `request` returns for 0, 1, 2, … on some connections, each as soon as the previous
/// one of the connection is answered, for the duration of a flood. Then disconnects without waiting.
pub(super) fn flood(
    server: SocketAddr,
    clients: usize,
    request: impl Fn(usize) -> Vec<u8> + Sync,
) -> Vec<Answer> {
    let end = Instant::now() + FLOOD;
    let (number, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut connection = None;
                while let Some(left) = end.checked_duration_since(Instant::now()) {
                    let request = request(number.fetch_add(1, Relaxed));
                    let started = Instant::now();
                    let answered = connection
                        .take()
                        .map_or_else(|| Client::connect(server, left), Ok)
                        .and_then(|mut client: Client| Ok((client.exchange(&request)?, client)));
                    // The server may have disconnected, or the flood ends.
                    let Ok((response, client)) = answered else { continue };
                    answers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((response, started.elapsed()));
                    connection = Some(client).filter(|_| response.is_reusable);
                    if [429, 503].contains(&response.status) {
                        thread::sleep(RETRY);
                    }
                }
            });
        }
    });
    answers.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Logs in correctly from another address, and returns how long it took.
pub(super) fn log_in(victim: &Victim<'_>) -> Result<Duration, Failure> {
    let started = Instant::now();
    let form = format!("username={}&password={}", victim.site.username, seed::PASSWORD);
    let request = client::with_body("POST", "/auth/login", FORM, "", form.as_bytes());
    let timeout = Duration::from_secs(30);
    let mut client = Client::connect_from(ANOTHER_ADDRESS, victim.address(), timeout, None)?;
    let status = client.exchange(&request)?.status;
    if status == 200 { Ok(started.elapsed()) } else { Err(format!("a correct login: {status}").into()) }
}

/// Sends `request` on `clients` connections, while a user logs in correctly from another address.
fn flood_passwords(
    victim: &Victim<'_>,
    clients: usize,
    request: impl Fn(usize) -> Vec<u8> + Send + Sync,
) -> Result<Vec<Figure>, Failure> {
    let server = victim.address();
    let (answers, correct) = thread::scope(|scope| {
        let flood = scope.spawn(|| flood(server, clients, request));
        // The queue is full after a moment.
        thread::sleep(Duration::from_millis(500));
        let mut correct = Vec::new();
        while !flood.is_finished() {
            correct.push(log_in(victim).map_err(|error| io::Error::other(error.to_string())));
        }
        (flood.join(), correct)
    });
    let answers = answers.map_err(|_| "a client panicked")?;
    let refused = answers.iter().filter(|(response, _)| response.status == 503).count();
    let failed = correct.iter().filter(|login| login.is_err()).count();
    let slowest = correct.iter().flatten().max().copied().unwrap_or_default();
    let count = correct.len();
    let name = format!("slowest of {count} correct logins ({} answers, {refused} 503)", answers.len());
    Ok(vec![
        Figure::new(name, slowest.as_secs_f64() * 1e3, "ms", LOGIN),
        Figure::new("failed correct logins", f64::from(u32::try_from(failed)?), "", 0.0),
    ])
}

/// Wrong passwords for an account that exists, from one address.
pub(super) fn wrong_logins(victim: &Victim<'_>, clients: usize) -> Result<Vec<Figure>, Failure> {
    let username = &victim.site.username;
    flood_passwords(victim, clients, |number| {
        let form = format!("username={username}&password=wrong-{number}");
        client::with_body("POST", "/auth/login", FORM, "", form.as_bytes())
    })
}

/// New accounts, from one address.
pub(super) fn registrations(victim: &Victim<'_>) -> Result<Vec<Figure>, Failure> {
    flood_passwords(victim, 33, |number| {
        let name = format!("flood-{number}");
        let account = json!({ "username": name, "email": format!("{name}@example.com"), "password": name });
        let body = account.to_string();
        client::with_body("POST", "/auth/register", "application/json", "", body.as_bytes())
    })
}

/// Pages for which the database reads most of the list: from its last tenth, counted, or filtered by the time
/// that is not its order. Each is another one, so that the cache does not help.
pub(super) fn deep_pagers(victim: &Victim<'_>) -> Result<Vec<Figure>, Failure> {
    let articles = victim.site.articles;
    let answers = flood(victim.address(), 16, |number| {
        let skip = articles / 10 * 9 + number % (articles / 10).max(1);
        client::get(&match number % 3 {
            0 => format!("/articles/?limit=20&skip={skip}"),
            1 => format!("/articles/?limit=20&skip={skip}&count=exact"),
            _ => format!("/articles/?limit=20&updated_since={}", 4_000_000_000 + number),
        })
    });
    let failed = answers.iter().filter(|(response, _)| ![200, 503].contains(&response.status)).count();
    let name = format!("deep pages that are neither 200 nor 503, of {}", answers.len());
    Ok(vec![Figure::new(name, f64::from(u32::try_from(failed)?), "", 0.0)])
}

/// Requests for an article on four connections, without waiting for the answers.
pub(super) fn pipelines(victim: &Victim<'_>) -> Result<Vec<Figure>, Failure> {
    let requests = client::get("/articles/1").repeat(100);
    let end = Instant::now() + FLOOD;
    let attack = || -> io::Result<()> {
        let mut sending = TcpStream::connect(victim.address())?;
        sending.set_write_timeout(Some(FLOOD))?;
        let mut answers = sending.try_clone()?;
        thread::scope(|scope| {
            scope.spawn(move || io::copy(&mut answers, &mut io::sink()));
            while Instant::now() < end && sending.write_all(&requests).is_ok() {}
            sending.shutdown(Shutdown::Both)
        })
    };
    thread::scope(|scope| {
        let attackers: Vec<_> = (0..4).map(|_| scope.spawn(attack)).collect();
        for attacker in attackers {
            attacker.join().map_err(|_| "a client panicked")??;
        }
        Ok(Vec::new())
    })
}
