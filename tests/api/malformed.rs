//! Requests that are not valid HTTP: actix answers them before any code of Byline runs.

use std::net::SocketAddr;

use crate::support::{Installation, ServerProcess, send_raw, wait_until};

/// Requests with the status of their answer.
fn requests() -> Vec<(&'static str, u16, Vec<u8>)> {
    let many = "X: a\r\n".repeat(97);
    vec![
        ("raw UTF-8 in the target", 400, "GET /ü HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("no host", 400, "GET / HTTP/1.1\r\n\r\n".into()),
        ("two hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into()),
        (
            "two lengths",
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na".into(),
        ),
        ("another protocol", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".into()),
        ("HTTP/2", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("too many headers", 431, format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n").into()),
    ]
}

async fn send_all(address: SocketAddr) {
    for (what, status, request) in requests() {
        let response = send_raw(address, request).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{what}: {response}");
        assert_eq!(response.matches("HTTP/1.1").count(), 1, "{what}: {response}");
    }
}

async fn serve(level: &str) -> ServerProcess {
    Installation::new().await.set(&[("LOG", level)]).serve(&[])
}

#[actix_web::test]
async fn a_port_scan_does_not_fill_the_log() {
    let server = serve("info").await;
    send_all(server.address).await;
    let response = server.client().get("/articles/").await;
    let id = response.header("x-request-id").unwrap();
    wait_until("a later request is logged", async || server.output().contains(id)).await;
    let output = server.output();
    assert!(!output.contains("ERROR") && !output.contains("WARN"), "{output}");
    assert!(!output.contains("a connection ended"), "{output}");
}

#[actix_web::test]
async fn each_malformed_request_is_one_debug_line_with_the_address_of_the_client() {
    let server = serve("info,byline=debug").await;
    send_all(server.address).await;
    let number = requests().len();
    let logged = || server.output().matches("a connection ended with an error").count();
    wait_until("all are logged", async || logged() == number).await;
    let output = server.output();
    for line in output.lines().filter(|line| line.contains("a connection ended")) {
        assert!(line.contains("DEBUG") && line.contains("client=127.0.0.1 cause="), "{line}");
    }
    assert!(!output.contains("ERROR"), "{output}");
}
