//! Runs the load generator wrk. Debian, Ubuntu, Fedora and Homebrew package it under this name.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, sample::Sample};

const SCRIPT: &str = include_str!("requests.lua");

/// The amount of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) threads: u32,
    /// Duration of one measurement, in seconds.
    pub(crate) seconds: u32,
}

/// A request that is sent repeatedly.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    /// The path. `{id}` is replaced with a random id for every request.
    pub(crate) path: String,
    /// The body. `{number}` is replaced with a random number for every request.
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
    /// Checks that wrk is installed, and writes its script into `directory`.
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

    /// Sends `request` to `base` for the duration of `load`, with ids from 1 to `ids`.
    pub(crate) fn run(
        &self,
        base: &str,
        request: &Request,
        ids: usize,
        load: Load,
    ) -> Result<Sample, Failure> {
        let mut command = Command::new("wrk");
        command
            .arg(format!("-t{}", load.threads))
            .arg(format!("-c{}", load.connections))
            .arg(format!("-d{}s", load.seconds))
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
