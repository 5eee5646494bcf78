//! Many connections that occupy the server without using it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use super::{
    Figure, REQUEST_TIMEOUT, Victim, WRITE_TIMEOUT,
    client::{self, Client},
};
use crate::{Failure, site::LARGE};

const READERS: usize = 60;

const CONNECTIONS: usize = 10_000;

/// The time between two hundreds of connections.
const PAUSE: Duration = Duration::from_millis(50);

/// The time in which the server closes a connection after its timeout.
const MARGIN: Duration = Duration::from_secs(3);

/// The maximum growth of the address space, in MiB. It has stacks of threads and the allocator's arenas.
const ADDRESS_SPACE: f64 = 1024.0;

/// Clients that ask for 10 MB and read only the head of the response.
pub(super) fn stalled_readers(victim: &Victim<'_>) -> Result<Vec<Figure>, Failure> {
    let before = established(victim.address())?;
    let mut stalled = Vec::new();
    for _ in 0..READERS {
        let timeout = REQUEST_TIMEOUT + MARGIN;
        let mut client = Client::connect_from(Ipv4Addr::LOCALHOST, victim.address(), timeout, Some(4 << 10))?;
        client.send(&client::get(&format!("/articles/?sort=created_at&limit={LARGE}")))?;
        if client.head()?.status == 200 {
            stalled.push(client);
        }
    }
    let name = format!("seconds until {} of {READERS} are gone, the others 503", stalled.len());
    let limit = WRITE_TIMEOUT + MARGIN;
    let gone = wait_for_end(victim.address(), before, limit)?;
    Ok(vec![Figure::new(name, gone, "s", limit.as_secs_f64())])
}

/// Connections that send nothing, a part of a head, or a head that announces a body which never comes.
pub(super) fn idle(victim: &Victim<'_>) -> Result<Vec<Figure>, Failure> {
    let before = established(victim.address())?;
    let space = victim.release.address_space()?;
    let announced = "POST /articles/ HTTP/1.1\r\nhost: byline\r\ncontent-type: application/json\r\n\
                     content-length: 2097152\r\n\r\n";
    let mut clients = Vec::new();
    for number in 0..CONNECTIONS {
        // The attack is their number, not the rate at which they are opened.
        if number % 100 == 99 {
            thread::sleep(PAUSE);
        }
        let mut client = Client::connect(victim.address(), REQUEST_TIMEOUT)?;
        client.send(match number % 4 {
            0 => b"",
            1 => b"GET /articles/1 HTTP/1.1\r\nho",
            _ => announced.as_bytes(),
        })?;
        clients.push(client);
    }
    let grown = victim.release.address_space()? - space;
    let limit = REQUEST_TIMEOUT + MARGIN;
    let gone = wait_for_end(victim.address(), before, limit)?;
    Ok(vec![
        Figure::new("growth of the address space", grown, "MiB", ADDRESS_SPACE),
        Figure::new("seconds until all are gone", gone, "s", limit.as_secs_f64()),
    ])
}

/// Waits until the server has no more connections than before, and returns the seconds that this took; more
/// than `limit` if it has.
fn wait_for_end(server: SocketAddr, before: usize, limit: Duration) -> Result<f64, Failure> {
    let started = Instant::now();
    while established(server)? > before && started.elapsed() <= limit {
        thread::sleep(Duration::from_millis(100));
    }
    Ok(started.elapsed().as_secs_f64())
}

/// The number of established connections of the server.
fn established(server: SocketAddr) -> Result<usize, Failure> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let port = format!(":{:04X}", server.port());
    let is_established = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&port)) && words.nth(1) == Some("01")
    };
    Ok(table.lines().filter(is_established).count())
}
