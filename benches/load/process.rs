//! Servers under load: this executable in a separate process, so that its CPU time and memory can be
//! measured, and the FastAPI peer.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use crate::Failure;

/// Linux reports CPU time in hundredths of a second on every machine.
const TICKS: f64 = 100.0;

const NO_PROC: &str = "the memory of a process is read from /proc, which only Linux has";

/// A process that is killed when this value is dropped.
struct Running(Child);

impl Running {
    /// Starts a process, and waits until `ready` returns a value for a line of its standard error.
    fn start<T>(command: &mut Command, ready: impl Fn(&str) -> Option<T>) -> Result<(Self, T), Failure> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let errors = child.stderr.take().ok_or("no standard error")?;
        Self(child).wait_for(errors, ready, io::stderr())
    }

    /// Waits until `ready` returns a value for a line of `output`. Passes later lines to `rest`.
    fn wait_for<T>(
        self,
        output: impl io::Read + Send + 'static,
        ready: impl Fn(&str) -> Option<T>,
        mut rest: impl io::Write + Send + 'static,
    ) -> Result<(Self, T), Failure> {
        let mut lines = BufReader::new(output);
        let mut before = String::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Err(format!("the server did not start: {before}").into());
            }
            if let Some(value) = ready(line.trim()) {
                thread::spawn(move || io::copy(&mut lines, &mut rest));
                return Ok((self, value));
            }
            before.push_str(&line);
        }
    }

    /// A number of `/proc/…/status`, such as `VmRSS`, in MiB; `None` without `/proc`.
    fn mebibytes(&self, name: &str) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(kib.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
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
        self.running.mebibytes("VmRSS")
    }
}

/// The program `byline` as it is released.
pub(crate) struct Release {
    running: Running,
    pub(crate) address: SocketAddr,
}

impl Release {
    /// Starts it with these variables. Its log is discarded.
    pub(crate) fn start(variables: &[(&str, String)]) -> Result<Self, Failure> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_byline"));
        command.arg("serve").envs(variables.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let address = |line: &str| line.split_once("serves the API on http://")?.1.parse().ok();
        let (running, address) = Running(child).wait_for(output, address, io::sink())?;
        Ok(Self { running, address })
    }

    /// The resident memory in MiB.
    pub(crate) fn memory(&self) -> Result<f64, Failure> {
        self.running.mebibytes("VmRSS").ok_or_else(|| NO_PROC.into())
    }

    /// The highest resident memory since the last [`Self::reset_peak`], in MiB.
    pub(crate) fn peak_memory(&self) -> Result<f64, Failure> {
        self.running.mebibytes("VmHWM").ok_or_else(|| NO_PROC.into())
    }

    /// Makes the present resident memory the highest one.
    pub(crate) fn reset_peak(&self) -> Result<(), Failure> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.running.0.id()), "5")?)
    }

    /// The address space in MiB, also that which is not in use.
    pub(crate) fn address_space(&self) -> Result<f64, Failure> {
        self.running.mebibytes("VmSize").ok_or_else(|| NO_PROC.into())
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
