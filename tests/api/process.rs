//! The binary as a process: its directory, what it says, and how it ends.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use actix_web::rt::time::sleep;

use crate::support::{Client, PATIENCE, Place};

/// Where processes of a test run, and what they are told.
pub(crate) struct Home {
    pub(crate) place: Place,
    settings: Vec<(String, String)>,
}

/// A server that runs until it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl Home {
    /// An empty directory, an empty database (on SQLite, where there is one unasked), and nothing set but a free port.
    pub(crate) async fn new() -> Self {
        let place = Place::new().await;
        let mut settings = vec![("PORT".to_owned(), "0".to_owned())];
        if Place::is_postgres() {
            settings.push(("DATABASE_URL".to_owned(), place.url()));
        }
        Self { place, settings }
    }

    /// The same with further settings in the environment.
    #[must_use]
    pub(crate) fn with(mut self, settings: &[(&str, &str)]) -> Self {
        self.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    /// The same without one.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn directory(&self) -> &Path {
        self.place.directory.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_byline"));
        command.args(arguments).env_clear().envs(self.settings.clone()).current_dir(self.directory());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command to its end, with a line on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], line: &str) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed, and answers with what it said.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with exit code 1, and answers with its complaint.
    #[track_caller]
    pub(crate) fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", errors(&output));
        errors(&output)
    }

    /// Starts a server and waits until it says where it is.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Process {
        let mut child = self.command(arguments).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = None;
        for line in lines.by_ref().map_while(Result::ok) {
            address = line.split("http://").nth(1).and_then(|rest| rest.trim().parse().ok());
            *said.lock().unwrap() += &(line + "\n");
            if address.is_some() {
                break;
            }
        }
        let Some(address) = address else {
            let mut complaint = String::new();
            child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
            panic!("no server: {}{complaint}", said.lock().unwrap());
        };
        // A pipe that nobody empties would stop its writer.
        let rest = Arc::clone(&said);
        thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| *rest.lock().unwrap() += &(line + "\n"));
        });
        Process { child, address, said }
    }
}

impl Process {
    pub(crate) fn client(&self) -> Client {
        Client::of(self.address)
    }

    /// What it wrote to its standard output until now.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Asks it to end, as a container's engine does.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it without asking.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let rounds = PATIENCE.as_millis() / 20;
        for _ in 0..rounds {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("the server does not end: {}", self.said());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a command wrote to its standard error.
pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
