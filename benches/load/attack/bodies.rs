//! The worst request body of each route.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    Figure, Victim,
    client::{self, Client, Response},
    floods,
};
use crate::Failure;

/// The maximum time to answer a faulty request, in milliseconds.
const TIME: f64 = 250.0;

/// The same for a login, which hashes whatever password is sent.
const HASH: f64 = 1000.0;

/// The maximum size of the response to a faulty request, in KiB.
const RESPONSE: f64 = 64.0;

/// The maximum growth of the resident memory by one request, in MiB.
const GROWTH: f64 = 96.0;

/// The number of clients that send the worst body of all at the same time.
const CLIENTS: usize = 8;

/// The largest body of `/auth/…`, and of the other routes.
const LIMITS: [usize; 2] = [16 << 10, 2 << 20];

const LOGIN: &str = "/auth/login";

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b";

/// What one request cost.
#[derive(Clone, Copy)]
struct Cost {
    response: Response,
    time: Duration,
    growth: f64,
}

/// Sends each body to each route, then the one that took longest to parse from several clients.
pub(super) fn run(victim: &Victim<'_>) -> Result<Vec<Figure>, Failure> {
    let token = format!("authorization: Bearer {}\r\n", victim.site.token);
    let [small, large] = LIMITS;
    let mut figures = Vec::new();
    let mut worst: Option<(Duration, Vec<u8>)> = None;
    for (method, path, who, headers, bodies) in [
        ("POST", "/auth/register", "", "", json_bodies(small)),
        ("POST", "/auth/register", ", 2 MiB", "", json_bodies(large)),
        ("POST", LOGIN, "", "", forms(small)),
        ("POST", "/articles/", "", "", json_bodies(large)),
        ("POST", "/articles/", ", signed in", &token, json_bodies(large)),
        ("PATCH", "/articles/1", "", "", json_bodies(large)),
        ("PATCH", "/articles/1", ", signed in", &token, json_bodies(large)),
    ] {
        let mut costs = Vec::new();
        for (content_type, body) in bodies {
            let request = client::with_body(method, path, content_type, headers, &body);
            let cost = send(victim, &request)?;
            if path != LOGIN && worst.as_ref().is_none_or(|(time, _)| *time < cost.time) {
                worst = Some((cost.time, request));
            }
            costs.push(cost);
        }
        let largest = |of: fn(&Cost) -> f64| costs.iter().map(of).fold(0.0, f64::max);
        let time = if path == LOGIN { HASH } else { TIME };
        let route = format!("{method} {path}{who}");
        figures.extend([
            Figure::new(format!("{route}: time"), largest(|cost| cost.time.as_secs_f64() * 1e3), "ms", time),
            Figure::new(format!("{route}: response"), largest(|cost| kib(cost.response)), "KiB", RESPONSE),
            Figure::new(format!("{route}: memory"), largest(|cost| cost.growth), "MiB", GROWTH),
        ]);
    }
    let (_, request) = worst.ok_or("no body was sent")?;
    victim.release.reset_peak()?;
    let answers = floods::flood(victim.address(), CLIENTS, |_| request.clone());
    let largest = answers.iter().map(|(response, _)| kib(*response)).fold(0.0, f64::max);
    let name = format!("the slowest from {CLIENTS} clients: {} responses", answers.len());
    figures.push(Figure::new(name, largest, "KiB", RESPONSE));
    Ok(figures)
}

/// Sends one request on a connection of its own.
fn send(victim: &Victim<'_>, request: &[u8]) -> Result<Cost, Failure> {
    victim.release.reset_peak()?;
    let before = victim.release.memory()?;
    let mut client = Client::connect(victim.address(), Duration::from_secs(30))?;
    let started = Instant::now();
    let response = client.exchange(request)?;
    let time = started.elapsed();
    let growth = victim.release.peak_memory()? - before;
    // Its memory is free before the next one is measured.
    thread::sleep(Duration::from_millis(20));
    Ok(Cost { response, time, growth })
}

fn kib(response: Response) -> f64 {
    f64::from(u32::try_from(response.bytes).unwrap_or(u32::MAX)) / 1024.0
}

/// JSON texts that are expensive to parse, to check, or to show in an error.
fn json_bodies(limit: usize) -> Vec<(&'static str, Vec<u8>)> {
    let room = limit - 64;
    let many = |item: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for number in 0.. {
            let item = item(number);
            if text.len() + item.len() >= room {
                break;
            }
            text += &item;
        }
        text.trim_end_matches(',').to_owned()
    };
    let texts = [
        format!("{{{}}}", many(&|number| format!("\"{number:x}\":0,"))),
        format!("{{{}}}", many(&|_| "\"title\":1,".to_owned())),
        format!("[{}]", many(&|_| "{},".to_owned())),
        format!("{{\"title\":[{}]}}", many(&|_| "[],".to_owned())),
        format!("{{\"title\":{{{}}},\"content\":1}}", many(&|number| format!("\"{number:x}\":[],"))),
        "[".repeat(room),
        format!("{{\"title\":\"{}\"}}", "a".repeat(room)),
        format!("{{\"title\":\"{}\",\"content\":null}}", "\\u0001".repeat(room / 6)),
        format!("{{\"title\":\"{}", "é".repeat(room / 2)),
        format!("{{\"title\":{}}}", "1".repeat(room)),
        format!("{{\"email\":\"{}@b.c\",\"username\":\"\",\"password\":\"\"}}", "a.".repeat(room / 2 - 32)),
        format!("{{\"email\":1,\"username\":\"{}\",\"password\":1}}", "\u{fdfa}".repeat(room / 3 - 16)),
        format!("{{\"email\":1,\"username\":1,\"password\":\"{}\"}}", "e\u{301}".repeat(room / 3 - 16)),
        " ".repeat(room),
    ];
    texts.into_iter().map(|text| (JSON, text.into_bytes())).collect()
}

/// Forms that are expensive to parse, to check, or to show in an error.
fn forms(limit: usize) -> Vec<(&'static str, Vec<u8>)> {
    let room = limit - 64;
    let part = "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n\r\n";
    let texts = [
        (FORM, "a&".repeat(room / 2)),
        (FORM, "%2".repeat(room / 2)),
        (FORM, format!("grant_type={}", "%00".repeat(room / 3 - 8))),
        (FORM, format!("username={}&password=x", "%EF%B7%BA".repeat(room / 9 - 8))),
        (FORM, format!("username=x&password={}", "e%CC%81".repeat(room / 7 - 8))),
        (FORM, "username=&".repeat(room / 10)),
        (MULTIPART, format!("{}--b--", part.repeat(room / part.len()))),
        (MULTIPART, format!("--b\r\n{}", "a: b\r\n".repeat(room / 6 - 8))),
        (MULTIPART, "-".repeat(room)),
    ];
    texts.into_iter().map(|(content_type, text)| (content_type, text.into_bytes())).collect()
}
