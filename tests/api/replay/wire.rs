//! HTTP/1.1 by hand, since a client library would normalise the targets, headers and bodies that the contract
//! is about.

use crate::document;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

/// How long a server may be silent before the request counts as unanswered.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) chunked: bool,
}

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn get(target: &str) -> Self {
        Self { method: "GET".into(), target: target.into(), headers: Vec::new(), body: None, chunked: false }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends the request on a connection of its own and reads the response, however early it comes.
    pub(super) fn send(&self, addr: SocketAddr) -> io::Result<Response> {
        let stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let message = self.message();
        thread::scope(|scope| {
            // A server that refuses a long body responses and closes while it is still being written,
            // so the failed write says nothing; only the response counts.
            scope.spawn(|| (&stream).write_all(&message).ok());
            let response = read_response(&stream, self.method == "HEAD");
            stream.shutdown(Shutdown::Both).ok();
            let response = response?;
            // actix itself answers a request that it cannot parse; such a response has no id.
            if response.header("x-request-id").is_some() {
                document::check(
                    &self.method,
                    &self.target,
                    response.status,
                    &response.headers,
                    &response.body,
                );
            }
            Ok(response)
        })
    }

    fn message(&self) -> Vec<u8> {
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.target)];
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            lines.push("host: blog.example".into());
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push("connection: close".into());
        let mut framed = Vec::new();
        match &self.body {
            None => {}
            Some(body) if self.chunked => {
                lines.push("transfer-encoding: chunked".into());
                for chunk in body.chunks(16) {
                    framed.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    framed.extend(chunk);
                    framed.extend(b"\r\n");
                }
                framed.extend(b"0\r\n\r\n");
            }
            Some(body) => {
                lines.push(format!("content-length: {}", body.len()));
                framed.extend(body);
            }
        }
        let head = lines.join("\r\n") + "\r\n\r\n";
        [head.into_bytes(), framed].concat()
    }
}

impl Response {
    /// The header's value; repeated ones joined as RFC 9110, section 5.3, allows.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> =
            self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

fn read_response(from: impl Read, to_head: bool) -> io::Result<Response> {
    let mut from = BufReader::new(from);
    let (status, headers) = loop {
        let head = read_head(&mut from)?;
        // 100 Continue and other interim responses precede the response.
        if head.0 >= 200 {
            break head;
        }
    };
    let mut response = Response { status, headers, body: Vec::new() };
    if to_head || status == 204 || status == 304 {
        // Such a response ends with its head; anything after it is an error that must be seen.
        from.read_to_end(&mut response.body)?;
    } else if response
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        read_chunks(&mut from, &mut response.body)?;
    } else if let Some(length) = response.header("content-length") {
        response.body = vec![0; length.parse().map_err(|_| invalid("content-length", &length))?];
        from.read_exact(&mut response.body)?;
    } else {
        from.read_to_end(&mut response.body)?;
    }
    Ok(response)
}

fn read_head(from: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let line = read_line(from)?;
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5)?.parse().ok())
        .ok_or_else(|| invalid("status line", &line))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("header", &line))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(from)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| invalid("chunk size", &line))?;
        if size == 0 {
            while !read_line(from)?.is_empty() {}
            return Ok(());
        }
        let start = body.len();
        body.resize(start + size, 0);
        from.read_exact(&mut body[start..])?;
        if !read_line(from)?.is_empty() {
            return Err(invalid("chunk", "longer than its size"));
        }
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.pop_if(|last| *last == b'\r');
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn invalid(what: &str, text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("bad {what}: {text}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn body(text: &str) -> String {
        String::from_utf8(read_response(text.as_bytes(), false).unwrap().body).unwrap()
    }

    #[test]
    fn bodies_end_by_length_by_chunks_or_by_closing() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"), "ab");
        assert_eq!(
            body(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nab\r\nA\r\n0123456789\r\n0\r\nt: 1\r\n\r\n"
            ),
            "ab0123456789"
        );
        assert_eq!(body("HTTP/1.0 200 OK\r\n\r\nabc"), "abc");
        assert_eq!(
            body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\na"),
            "a"
        );
    }

    #[test]
    fn a_truncated_or_malformed_response_is_an_error() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na",
            "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nab",
            "HTTP/1.1 200 OK\r\ncontent-length: 2",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
            "SSH-2.0\r\n\r\n",
        ] {
            assert!(read_response(text.as_bytes(), false).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_response_to_head_and_a_204_end_with_the_head_and_anything_after_it_is_reported() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
        assert_eq!(read_response(head.as_bytes(), true).unwrap().body, b"");
        assert_eq!(read_response(format!("{head}ab").as_bytes(), true).unwrap().body, b"ab");
        assert_eq!(body("HTTP/1.1 204 No Content\r\n\r\n"), "");
        assert_eq!(body("HTTP/1.1 204 No Content\r\n\r\nab"), "ab");
    }

    #[test]
    fn repeated_headers_are_joined_and_names_are_found_in_any_case() {
        let response = "HTTP/1.1 204 No Content\r\nVary: Origin\r\nvary:Accept \r\n\r\n";
        let response = read_response(response.as_bytes(), false).unwrap();
        assert_eq!(response.header("vary").as_deref(), Some("Origin, Accept"));
        assert_eq!(response.header("allow"), None);
    }

    #[test]
    fn targets_headers_and_bodies_are_sent_unchanged() {
        let mut request = Request::get("/a//../b?x=%zz#f").with("b", "1").with("a", "é").with("b", "2");
        let head = "GET /a//../b?x=%zz#f HTTP/1.1\r\nhost: blog.example\r\nb: 1\r\na: é\r\nb: 2\r\nconnection: close\r\n";
        assert_eq!(request.message(), format!("{head}\r\n").into_bytes());
        request.body = Some(b"0123456789abcdefg".to_vec());
        assert_eq!(
            request.message(),
            format!("{head}content-length: 17\r\n\r\n0123456789abcdefg").into_bytes()
        );
        request.chunked = true;
        let chunks = "10\r\n0123456789abcdef\r\n1\r\ng\r\n0\r\n\r\n";
        assert_eq!(
            request.message(),
            format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}").into_bytes()
        );
    }

    #[test]
    fn a_response_that_arrives_before_the_body_is_sent_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 100]).unwrap();
            stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        });
        let mut request = Request::get("/");
        request.body = Some(vec![b'x'; 20_000_000]);
        let response = request.send(addr).unwrap();
        server.join().unwrap();
        assert_eq!((response.status, response.body.as_slice()), (413, b"{}".as_slice()));
    }
}
