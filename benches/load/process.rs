//! Servers under load: this executable in a separate process, so that its CPU time and memory can be
//! measured, and the FastAPI peer.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use crate::Failure;

/// Linux reports CPU time in hundredths of a second on every machine.
const TICKS: f64 = 100.0;

/// A process that is killed when this value is dropped.
struct Running(Child);

impl Running {
    /// Starts a process, and waits until `ready` returns a value for a line of its standard error.
    fn start<T>(command: &mut Command, ready: impl Fn(&str) -> Option<T>) -> Result<(Self, T), Failure> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut errors = BufReader::new(child.stderr.take().ok_or("no standard error")?);
        let running = Self(child);
        let mut output = String::new();
        loop {
            let mut line = String::new();
            if errors.read_line(&mut line)? == 0 {
                return Err(format!("the server did not start: {output}").into());
            }
            if let Some(value) = ready(line.trim()) {
                // Pass later lines on.
                thread::spawn(move || io::copy(&mut errors, &mut io::stderr()));
                return Ok((running, value));
            }
            output.push_str(&line);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Byline.
pub(crate) struct ServerProcess {
    running: Running,
    /// The base URL of Byline with the routes of the limits.
    pub(crate) app: String,
    /// The base URL of actix without Byline.
    pub(crate) plain: String,
}

impl ServerProcess {
    /// Starts Byline with these variables. Log lines are written, but to the null device.
    pub(crate) fn start(variables: &[(&str, String)]) -> Result<Self, Failure> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("--serve").envs(variables.iter().map(|(name, value)| (name, value)));
        let (running, (app, plain)) = Running::start(&mut command, |line| {
            let (app, plain) = line.strip_prefix("serving ")?.split_once(' ')?;
            Some((app.to_owned(), plain.to_owned()))
        })?;
        Ok(Self { running, app, plain })
    }

    /// The CPU time used so far, in seconds; `None` without `/proc`.
    pub(crate) fn cpu(&self) -> Option<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.running.0.id())).ok()?;
        // The name in parentheses may contain spaces. User and system time are the 12th and 13th fields after
        // it.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
        Some((times.next()?.ok()? + times.next()?.ok()?) / TICKS)
    }

    /// The resident memory in MiB; `None` without `/proc`.
    pub(crate) fn memory(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.0.id())).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(kib.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
    }
}

/// The FastAPI peer of `benches/fastapi-peer`, with one worker.
pub(crate) struct Peer {
    _running: Running,
    /// The base URL of the peer.
    pub(crate) base: String,
}

impl Peer {
    /// Starts the peer with this `uvicorn` on the PostgreSQL database at `url`.
    pub(crate) fn start(uvicorn: &Path, url: &str) -> Result<Self, Failure> {
        let (_, address) = url.split_once("://").ok_or("the peer needs a URL of PostgreSQL")?;
        let mut command = Command::new(uvicorn);
        command
            .args(["app:app", "--port", "0", "--no-access-log", "--app-dir"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/fastapi-peer"))
            .env("DATABASE_URL", format!("postgresql+asyncpg://{address}"))
            .env("SECRET_KEY", "a key of the benchmark");
        let (running, base) = Running::start(&mut command, |line| {
            let (_, rest) = line.split_once("running on ")?;
            Some(rest.split(' ').next()?.to_owned())
        })?;
        Ok(Self { _running: running, base })
    }
}
