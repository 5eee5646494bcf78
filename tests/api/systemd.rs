//! What the server tells systemd over the socket in `NOTIFY_SOCKET`.

use std::{os::unix::net::UnixDatagram, time::Duration};

use actix_web::http::StatusCode;

use crate::support::{Installation, TestDatabase, wait_until};

/// The socket of a service manager, which a server of this installation notifies.
async fn supervised() -> (Installation, UnixDatagram) {
    let installation = Installation::new().await;
    let path = installation.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    (installation.set(&[("NOTIFY_SOCKET", path.to_str().unwrap())]), socket)
}

fn received(socket: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap()
}

#[track_caller]
fn assert_silent(socket: &UnixDatagram) {
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 1]).is_err(), "a further message was sent");
    socket.set_nonblocking(false).unwrap();
}

#[actix_web::test]
async fn readiness_is_reported_once_the_server_serves() {
    let (installation, socket) = supervised().await;
    let server = installation.serve(&[]);
    assert_eq!(received(&socket), "READY=1\nSTATUS=Serving requests\n");
    server.client().get("/health/ready").await.expect(StatusCode::OK);
    assert_silent(&socket);
}

#[actix_web::test]
async fn a_stop_is_reported_at_its_beginning_with_the_time_that_it_may_take() {
    for (signal, drain, shutdown, seconds) in [("TERM", "2", "20", 52), ("INT", "5", "7", 29)] {
        let (installation, socket) = supervised().await;
        let timeouts = [("DRAIN_SECONDS", drain), ("SHUTDOWN_TIMEOUT_SECONDS", shutdown)];
        let mut server = installation.set(&timeouts).serve(&[]);
        received(&socket);
        server.signal(signal);
        let expected = format!(
            "STOPPING=1\nSTATUS=Stopping after the requests in flight\nEXTEND_TIMEOUT_USEC={seconds}000000\n"
        );
        assert_eq!(received(&socket), expected, "{signal}");
        assert_eq!(server.wait().await.code(), Some(0));
        assert_silent(&socket);
    }
}

#[actix_web::test]
async fn a_start_that_fails_reports_nothing() {
    let (installation, socket) = supervised().await;
    installation.set(&[("HOST", "203.0.113.7")]).fail(&[]);
    assert_silent(&socket);
}

#[actix_web::test]
async fn a_service_manager_that_is_gone_is_a_warning() {
    let installation = Installation::on(TestDatabase::sqlite()).set(&[("NOTIFY_SOCKET", "/missing/socket")]);
    let server = installation.serve(&[]);
    wait_until("the warning is logged", async || {
        server.output().contains("the service manager cannot be notified")
    })
    .await;
    server.client().get("/health/ready").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn commands_other_than_serve_report_nothing() {
    let (installation, socket) = supervised().await;
    installation.succeed(&["migrate", "up"]);
    assert_silent(&socket);
}
