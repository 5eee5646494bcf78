//! The load generator: wrk, which Debian, Ubuntu, Fedora and Homebrew package under this name.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, sample::Sample};

const SCRIPT: &str = include_str!("requests.lua");

/// How hard to push.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Force {
    pub(crate) connections: u32,
    pub(crate) threads: u32,
    /// Seconds of one measurement.
    pub(crate) seconds: u32,
}

/// A request that is sent again and again.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    /// `{id}` in it is a random one for every request.
    pub(crate) path: String,
    /// `{number}` in it is a random one for every request, where the path has an id.
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: String::new(), headers: Vec::new() }
    }

    pub(crate) fn json(method: &'static str, path: impl Into<String>, body: String) -> Self {
        Self { method, body, ..Self::get(path) }.header("content-type", "application/json")
    }

    pub(crate) fn form(path: impl Into<String>, body: String) -> Self {
        let form = Self { method: "POST", body, ..Self::get(path) };
        form.header("content-type", "application/x-www-form-urlencoded")
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// wrk with its script.
#[derive(Debug)]
pub(crate) struct Wrk {
    script: PathBuf,
}

impl Wrk {
    /// `directory` keeps the script.
    pub(crate) fn find(directory: &Path) -> Result<Self, Failure> {
        match Command::new("wrk").arg("--version").output() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(
                    "the load generator is missing: `apt-get install wrk` (Debian, Ubuntu), `dnf install wrk` (Fedora) \
                     or `brew install wrk`"
                        .into(),
                );
            }
            other => other?,
        };
        let script = directory.join("requests.lua");
        std::fs::write(&script, SCRIPT)?;
        Ok(Self { script })
    }

    /// Sends `request` to `base` for a while; ids are from 1 to `ids`.
    pub(crate) fn run(
        &self,
        base: &str,
        request: &Request,
        ids: usize,
        force: Force,
    ) -> Result<Sample, Failure> {
        let mut command = Command::new("wrk");
        command
            .arg(format!("-t{}", force.threads))
            .arg(format!("-c{}", force.connections))
            .arg(format!("-d{}s", force.seconds))
            .args(["--timeout", "30s", "--script"])
            .arg(&self.script)
            .args([base, "--", request.method, &request.path, &ids.to_string(), &request.body]);
        for (name, value) in &request.headers {
            command.arg(format!("{name}: {value}"));
        }
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix("numbers "));
        let numbers: Vec<f64> =
            line.unwrap_or_default().split(' ').filter_map(|word| word.parse().ok()).collect();
        let [requests, micros, p50, p99, refused, broken] = numbers[..] else {
            return Err(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)).into());
        };
        Ok(Sample {
            requests,
            rate: requests / micros * 1e6,
            p50: (requests > 0.0).then_some(p50 / 1e3),
            p99: (requests > 0.0).then_some(p99 / 1e3),
            failures: refused + broken,
            cpu: None,
            memory: None,
        })
    }
}
