//! The server under load: this executable once more, so that its processor time and memory are its own.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use crate::Failure;

/// Linux counts processor time in hundredths of a second, on every machine.
const TICKS: f64 = 100.0;

/// A server that ends with this value.
pub(crate) struct ServerProcess {
    child: Child,
    /// Byline, with the limits beside its routes.
    pub(crate) app: String,
    /// actix and nothing else.
    pub(crate) plain: String,
}

impl ServerProcess {
    /// Starts with these variables; log lines go to the null device, but they are written.
    pub(crate) fn start(variables: &[(&str, String)]) -> Result<Self, Failure> {
        let mut child = Command::new(env::current_exe()?)
            .arg("--serve")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut errors = BufReader::new(child.stderr.take().ok_or("no standard error")?);
        let mut line = String::new();
        errors.read_line(&mut line)?;
        // What it says later is for whoever watches.
        thread::spawn(move || io::copy(&mut errors, &mut io::stderr()));
        let Some((app, plain)) = line.trim().strip_prefix("serving ").and_then(|bases| bases.split_once(' '))
        else {
            return Err(format!("the server did not start: {line}").into());
        };
        Ok(Self { app: app.to_owned(), plain: plain.to_owned(), child })
    }

    /// Seconds of processor time until now; none where there is no `/proc`.
    pub(crate) fn cpu(&self) -> Option<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The name in parentheses may hold blanks; user and system time are the 12th and 13th fields behind it.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
        Some((times.next()?.ok()? + times.next()?.ok()?) / TICKS)
    }

    /// Resident memory in MiB; none where there is no `/proc`.
    pub(crate) fn memory(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(kib.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
