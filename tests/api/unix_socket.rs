//! Serving on a Unix socket: who may connect, whose address counts, and what becomes of the file.

use std::{
    io::{Read as _, Write as _},
    os::unix::{fs::MetadataExt as _, net::UnixStream},
    path::Path,
    process::Child,
    time::Duration,
};

use actix_web::rt::{task::spawn_blocking, time::sleep};

use crate::support::{Installation, TIMEOUT, wait_until};

const SOCKET: (&str, &str) = ("HOST", "unix:byline.sock");

/// A server on a Unix socket, which is killed if a test fails.
struct Server {
    child: Child,
}

impl Server {
    async fn start(installation: &Installation) -> Self {
        let server = Self { child: installation.spawn(&["serve"]) };
        let path = installation.path("byline.sock");
        wait_until("the server listens", async || UnixStream::connect(&path).is_ok()).await;
        server
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            std::process::Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success()
        );
    }

    async fn stop(mut self) -> String {
        self.signal("TERM");
        let mut status = None;
        wait_until("the server ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert!(status.unwrap().success());
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut output).unwrap();
        output
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn installation() -> Installation {
    Installation::new().await.set(&[SOCKET, ("LOG_FORMAT", "json")])
}

/// The response to a request with further headers.
async fn get(path: &Path, headers: &'static str) -> String {
    let path = path.to_owned();
    let exchange = move || {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        write!(stream, "GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        std::io::Result::Ok(response)
    };
    spawn_blocking(exchange).await.unwrap().unwrap()
}

#[actix_web::test]
async fn a_server_serves_on_a_socket_and_removes_it_when_it_stops() {
    let home = installation().await;
    let server = Server::start(&home).await;
    let path = home.path("byline.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
    assert!(get(&path, "").await.starts_with("HTTP/1.1 200 "));
    home.succeed(&["healthcheck"]);
    let output = server.stop().await;
    assert!(output.contains("unix:byline.sock"), "{output}");
    assert!(!path.exists());
    let message = home.fail(&["healthcheck"]);
    assert!(message.starts_with("byline: unix:byline.sock/health/ready: "), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[actix_web::test]
async fn the_client_is_the_one_that_the_proxy_names() {
    let home = installation().await.set(&[("LOG", "debug")]);
    let server = Server::start(&home).await;
    let path = home.path("byline.sock");
    get(&path, "x-forwarded-for: 198.51.100.1, 203.0.113.7\r\n").await;
    get(&path, "forwarded: for=203.0.113.8\r\n").await;
    get(&path, "").await;
    let output = server.stop().await;
    for client in ["203.0.113.7", "203.0.113.8", "127.0.0.1"] {
        assert!(output.contains(&format!("\"client\":\"{client}\"")), "{client}: {output}");
    }
    assert!(!output.contains("198.51.100.1"), "{output}");
}

#[actix_web::test]
async fn the_socket_of_a_server_that_was_killed_is_replaced() {
    let home = installation().await;
    let mut killed = Server::start(&home).await;
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert!(home.path("byline.sock").exists());
    let server = Server::start(&home).await;
    home.succeed(&["healthcheck"]);
    server.stop().await;
}

#[actix_web::test]
async fn the_socket_of_a_server_that_runs_is_not_replaced() {
    let home = installation().await;
    let server = Server::start(&home).await;
    let message = home.another().fail(&["serve"]);
    assert!(
        message.ends_with("HOST: byline.sock cannot be used: another program listens on it\n"),
        "{message}"
    );
    home.succeed(&["healthcheck"]);
    server.stop().await;
}

#[actix_web::test]
async fn a_file_that_is_no_socket_is_not_replaced() {
    let home = installation().await;
    home.write("byline.sock", "text");
    let message = home.fail(&["serve"]);
    assert!(
        message.contains("HOST: byline.sock cannot be used: the file exists and is no socket"),
        "{message}"
    );
    assert_eq!(std::fs::read_to_string(home.path("byline.sock")).unwrap(), "text");
}

#[actix_web::test]
async fn a_directory_that_does_not_exist_is_reported_with_the_setting() {
    let message = installation().await.set(&[("HOST", "unix:missing/byline.sock")]).fail(&["serve"]);
    assert!(message.contains("HOST: missing/byline.sock cannot be used: No such file"), "{message}");
}

#[actix_web::test]
async fn a_server_that_drains_serves_until_it_stops() {
    let home = installation().await.set(&[("DRAIN_SECONDS", "2")]);
    let server = Server::start(&home).await;
    let path = home.path("byline.sock");
    server.signal("TERM");
    sleep(Duration::from_millis(500)).await;
    assert!(get(&path, "").await.contains("\r\nconnection: close\r\n"));
    wait_until("the socket is removed", async || !path.exists()).await;
}
