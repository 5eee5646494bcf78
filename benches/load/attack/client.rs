//! A client that does to a connection what an HTTP library would not: it may stop reading, or send less than
//! it announces.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

/// One connection.
pub(super) struct Client(BufReader<TcpStream>);

/// A response whose body was read to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    /// The length of the body.
    pub(super) bytes: u64,
    /// Whether the connection can be used for another request.
    pub(super) is_reusable: bool,
}

impl Client {
    /// Connects from 127.0.0.1, and waits for at most `timeout` for each part of a response.
    pub(super) fn connect(server: SocketAddr, timeout: Duration) -> io::Result<Self> {
        Self::connect_from(Ipv4Addr::LOCALHOST, server, timeout, None)
    }

    /// Connects from an address of the loopback interface. `window` is the number of bytes that are received
    /// although they are not read.
    pub(super) fn connect_from(
        address: Ipv4Addr,
        server: SocketAddr,
        timeout: Duration,
        window: Option<usize>,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if let Some(window) = window {
            socket.set_recv_buffer_size(window)?;
        }
        if address != Ipv4Addr::LOCALHOST {
            socket.bind(&SocketAddr::from((IpAddr::from(address), 0)).into())?;
        }
        socket.connect(&server.into())?;
        socket.set_read_timeout(Some(timeout))?;
        socket.set_write_timeout(Some(timeout))?;
        Ok(Self(BufReader::with_capacity(1 << 10, socket.into())))
    }

    /// Sends a part of a request.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Sends a request and receives the response.
    pub(super) fn exchange(&mut self, request: &[u8]) -> io::Result<Response> {
        // The server may answer before it has received everything, and then close the connection.
        let sent = self.send(request);
        let mut response = self.head()?;
        io::copy(&mut self.0.by_ref().take(response.bytes), &mut io::sink())?;
        response.is_reusable &= sent.is_ok();
        Ok(response)
    }

    /// Receives a response without its body.
    pub(super) fn head(&mut self) -> io::Result<Response> {
        let mut response = Response { status: 0, bytes: 0, is_reusable: true };
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            match line.split_once(' ') {
                None if line.is_empty() => return Ok(response),
                Some(("http/1.1", status)) => {
                    response.status = status.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or(0);
                }
                Some(("content-length:", length)) => response.bytes = length.parse().unwrap_or(0),
                Some(("connection:", "close")) => response.is_reusable = false,
                _ => {}
            }
        }
    }
}

/// A request without a body.
pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: byline\r\n\r\n").into()
}

/// A request with a body.
pub(super) fn with_body(method: &str, path: &str, content_type: &str, further: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: byline\r\n{further}content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
