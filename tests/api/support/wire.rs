//! HTTP as bytes, for requests that a client library would not send.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
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

/// A connection on which bytes are sent as they are.
pub(crate) struct RawConnection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// Runs `story` with a new connection, on a thread on which it may block.
pub(crate) async fn with_connection<T: Send + 'static>(
    address: SocketAddr,
    story: impl FnOnce(&mut RawConnection) -> T + Send + 'static,
) -> T {
    let story = move || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        story(&mut RawConnection { stream, received: Vec::new() })
    };
    spawn_blocking(story).await.unwrap()
}

impl RawConnection {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Closes the direction to the server.
    pub(crate) fn end(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next response, head and body; `None` if the server has closed the connection.
    pub(crate) fn receive(&mut self, has_body: bool) -> Option<String> {
        let head = loop {
            if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.receive_more() {
                assert!(self.received.is_empty(), "half a head: {:?}", self.received);
                return None;
            }
        };
        let text = String::from_utf8_lossy(&self.received[..head]).to_lowercase();
        let length = text.split("content-length: ").nth(1).map(|rest| rest.split('\r').next().unwrap());
        let length = length.filter(|_| has_body).map_or(0, |length| length.parse().unwrap());
        while self.received.len() < head + length {
            assert!(self.receive_more(), "half a body after {text}");
        }
        let response: Vec<u8> = self.received.drain(..head + length).collect();
        Some(String::from_utf8_lossy(&response).into_owned())
    }

    fn receive_more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer).unwrap_or_else(|error| panic!("nothing received: {error}"));
        self.received.extend(&buffer[..read]);
        read > 0
    }
}
