//! HTTP as bytes, for requests that a client library would not send.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
};

use actix_web::rt::task::spawn_blocking;

use super::TIMEOUT;

/// Sends bytes as they are, and returns everything that the server sends until it closes the connection.
pub(crate) async fn send_raw(address: SocketAddr, request: Vec<u8>) -> String {
    let exchange = move || -> io::Result<String> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut received = Vec::new();
        thread::scope(|scope| {
            // A server that refuses early closes before it has read everything; only its response counts.
            scope.spawn(|| (&stream).write_all(&request).ok());
            (&stream).read_to_end(&mut received)
        })?;
        Ok(String::from_utf8_lossy(&received).into_owned())
    };
    spawn_blocking(exchange).await.unwrap().unwrap()
}
