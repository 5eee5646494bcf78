//! The binary as a process: the directory it runs in, what it prints, and how it ends.

use std::{
    fs::Permissions,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use sea_orm::DbBackend;
use test_support::TestDatabase;

use super::{Client, database, wait_until};

/// The user of whom no file is.
const NOBODY: u32 = 65_534;

/// A directory, a database and settings, with which the processes of a test run.
pub(crate) struct Installation {
    pub(crate) database: Arc<TestDatabase>,
    settings: Vec<(String, String)>,
}

/// A server that runs until it is dropped.
pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) address: SocketAddr,
    output: Arc<Mutex<String>>,
    errors: Arc<Mutex<String>>,
    /// Not deleted before the server has ended.
    _database: Arc<TestDatabase>,
}

impl Installation {
    /// On an empty database, with cheap hashes and a free port.
    pub(crate) async fn new() -> Self {
        Self::on(TestDatabase::create().await).set(&[("BCRYPT_COST", "4")])
    }

    /// For production, on an empty database, with the settings that production requires.
    pub(crate) async fn production() -> Self {
        Self::on(TestDatabase::create().await)
            .set(&[("APP_ENV", "production"), ("SECRET_KEY", "f3b1c7d92e8a4f60b5d81c3e7a9260f4")])
    }

    /// With no setting but a free port and, on PostgreSQL, the database. On SQLite, the server creates
    /// `data/byline.db`.
    pub(crate) fn on(database: TestDatabase) -> Self {
        let mut settings = vec![("PORT".to_owned(), "0".to_owned())];
        if database.engine() == DbBackend::Postgres {
            settings.extend(database::settings_of(&database));
        }
        Self { database: database.into(), settings }
    }

    /// The same directory, database and settings.
    pub(crate) fn another(&self) -> Self {
        Self { database: Arc::clone(&self.database), settings: self.settings.clone() }
    }

    /// Sets variables of the environment.
    #[must_use]
    pub(crate) fn set(mut self, settings: &[(&str, &str)]) -> Self {
        for (name, value) in settings {
            self = self.unset(name);
            self.settings.push(((*name).to_owned(), (*value).to_owned()));
        }
        self
    }

    /// Removes a variable from the environment.
    #[must_use]
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.database.directory().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_byline"), arguments)
    }

    fn command_of(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.settings.clone())
            .current_dir(self.database.directory());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Writes a file in the directory of the processes.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The names of the files in the directory of the processes, and in `data`.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for directory in ["", "data"] {
            let entries = std::fs::read_dir(self.path(directory)).into_iter().flatten();
            files.extend(entries.map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if directory.is_empty() { name } else { format!("{directory}/{name}") }
            }));
        }
        files.sort_unstable();
        files
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command to its end as a user who may not write: another one than the superuser, who ignores
    /// modes. The program may be in a directory that this user cannot enter, so a copy runs.
    pub(crate) fn run_as_another_user(&self, arguments: &[&str]) -> Output {
        let program = tempfile::tempdir().unwrap();
        std::fs::set_permissions(program.path(), Permissions::from_mode(0o755)).unwrap();
        let copy = program.path().join("byline");
        std::fs::copy(env!("CARGO_BIN_EXE_byline"), &copy).unwrap();
        let mut command = Command::new(copy);
        command
            .args(arguments)
            .env_clear()
            .envs(self.settings.clone())
            .current_dir(self.database.directory());
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }

    /// Runs a command to its end, with a line on its standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], line: &str) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a command whose output is closed at once, as `head` closes it.
    pub(crate) fn run_closed(&self, arguments: &[&str]) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed, and returns its standard output.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with exit code 1, and returns its standard error.
    #[track_caller]
    pub(crate) fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }

    /// Starts a command that runs on its own.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Starts a server and waits until it prints its address.
    pub(crate) fn serve(&self, arguments: &[&str]) -> ServerProcess {
        self.start(self.command(arguments))
    }

    /// The same for a server that may have `limit` files and sockets open.
    pub(crate) fn serve_with_open_files(&self, limit: u32) -> ServerProcess {
        let script = format!("ulimit -n {limit} && exec {}", env!("CARGO_BIN_EXE_byline"));
        self.start(self.command_of("/bin/sh", &["-c", &script]))
    }

    fn start(&self, mut command: Command) -> ServerProcess {
        let mut child = command.spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = None;
        for line in lines.by_ref().map_while(Result::ok) {
            address = ["http://", "https://"].iter().find_map(|scheme| line.split(scheme).nth(1)).and_then(
                |rest| {
                    let end = rest
                        .find(|character: char| !(character.is_ascii_digit() || ".:".contains(character)));
                    rest[..end.unwrap_or(rest.len())].parse().ok()
                },
            );
            *output.lock().unwrap() += &(line + "\n");
            if address.is_some() {
                break;
            }
        }
        let Some(address) = address else {
            let mut message = String::new();
            child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
            panic!("no server: {}{message}", output.lock().unwrap());
        };
        // A full pipe would block the server, so it is read to its end.
        let rest = Arc::clone(&output);
        thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| *rest.lock().unwrap() += &(line + "\n"));
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let (stderr, rest) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&errors));
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| *rest.lock().unwrap() += &(line + "\n"));
        });
        ServerProcess { child, address, output, errors, _database: Arc::clone(&self.database) }
    }
}

impl ServerProcess {
    /// A client without an account.
    pub(crate) fn client(&self) -> Client {
        Client::of(self.address)
    }

    /// What the server has written to its standard output so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// What the server has written to its standard error so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// Sends SIGTERM, as a container's engine does.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends SIGHUP, as a terminal that closes does.
    pub(crate) fn hang_up(&self) {
        self.signal("HUP");
    }

    /// Sends the signal with this name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// The soft and the hard limit on open files.
    pub(crate) fn open_files(&self) -> [String; 2] {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        [words[0], words[1]].map(ToOwned::to_owned)
    }

    /// The names of its threads.
    pub(crate) fn threads(&self) -> Vec<String> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let name = |path: PathBuf| std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        threads.map(|thread| name(thread.unwrap().path()).trim().to_owned()).collect()
    }

    /// The number of established connections of clients that the server has accepted.
    pub(crate) fn accepted(&self) -> usize {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{:04X}", self.address.port());
        let is_accepted = |line: &&str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            // State 1 is `ESTABLISHED`. What has not been accepted has no inode.
            words[1].ends_with(&port) && words[3] == "01" && words[9] != "0"
        };
        table.lines().skip(1).filter(is_accepted).count()
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the server ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a command wrote to its standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
