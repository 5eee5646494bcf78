//! Bodies that are worth it, compressed: text of a kilobyte and more, for clients that take Brotli or gzip.
//!
//! actix's own middleware compresses bodies of thirty bytes too, leaves strong entity tags on what it changed, and answers 406 where
//! the contract knows none.

use std::io::{self, Write as _};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web::{self, Bytes},
};
use flate2::{Compression, write::GzEncoder};

use crate::http::error::Error;

/// Smaller bodies fit in one packet anyway, in bytes.
const WORTH_IT: u64 = 1024;

/// Larger bodies are compressed off the worker, in bytes: this much takes half a millisecond.
const AT_ONCE: usize = 32 * 1024;

/// Brotli's scale goes to 11: from 5 on it costs more time than it saves bytes.
const BROTLI_QUALITY: i32 = 4;

/// The windows that make sense, as powers of two. The largest is what browsers are sure to have; the encoder allocates twice its
/// window, however short the body is.
const BROTLI_WINDOWS: (u32, u32) = (16, 22);

/// What an answer that may be compressed says in `Vary`.
pub const VARIES: &str = "Accept-Encoding";

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// The best that the client takes (RFC 9110, section 12.5.3); none where it names neither.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
        let takes = |name: &str| {
            text.split(',').any(|member| {
                let (coding, weight) = member.split_once(';').unwrap_or((member, "q=1"));
                let refused = || weight.trim().trim_start_matches("q=").parse() == Ok(0.0_f32);
                coding.trim().eq_ignore_ascii_case(name) && !refused()
            })
        };
        if takes("br") {
            Some(Self::Brotli)
        } else if takes("gzip") {
            Some(Self::Gzip)
        } else {
            None
        }
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        })
    }

    fn encode(self, body: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli => {
                let (least, most) = BROTLI_WINDOWS;
                let window = (usize::BITS - body.len().leading_zeros()).clamp(least, most);
                let parameters = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: window.try_into().map_err(io::Error::other)?,
                    size_hint: body.len(),
                    ..Default::default()
                };
                let mut encoded = Vec::new();
                brotli::BrotliCompress(&mut &*body, &mut encoded, &parameters)?;
                Ok(encoded)
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(body)?;
                encoder.finish()
            }
        }
    }
}

/// Compresses answers on their way out.
///
/// A 304 has the headers of the answer that it stands for (RFC 9110, section 15.4.5). How long that one was is not known
/// here; taken for a long one, a short one is at worst asked for once more, while otherwise a cache on the way would forget that what it
/// keeps is compressed.
pub async fn shrink<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let coding = Coding::of(request.headers());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let unchanged = response.status() == StatusCode::NOT_MODIFIED;
    if !unchanged && !is_worth_it(&response) {
        return Ok(response);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static(VARIES));
    let Some(coding) = coding else { return Ok(response) };
    weaken(response.headers_mut());
    if unchanged {
        return Ok(response);
    }

    let (request, response) = response.into_parts();
    let (mut head, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return Ok(ServiceResponse::new(request, head.set_body(body))),
    };
    let encoded = if body.len() <= AT_ONCE {
        coding.encode(&body)
    } else {
        web::block(move || coding.encode(&body)).await.map_err(Error::internal)?
    };
    let encoded = Bytes::from(encoded.map_err(Error::internal)?);
    head.headers_mut().insert(header::CONTENT_ENCODING, coding.name());
    Ok(ServiceResponse::new(request, head.set_body(encoded).map_into_boxed_body()))
}

/// A strong tag would say that these very bytes are what every client of this state gets.
fn weaken(headers: &mut HeaderMap) {
    let weak = headers
        .get(header::ETAG)
        .and_then(|tag| HeaderValue::from_str(&format!("W/{}", tag.to_str().ok()?)).ok());
    if let Some(weak) = weak {
        headers.insert(header::ETAG, weak);
    }
}

fn is_worth_it(response: &ServiceResponse<BoxBody>) -> bool {
    let large = matches!(response.response().body().size(), BodySize::Sized(bytes) if bytes >= WORTH_IT);
    let text = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
        let kind = value.as_bytes();
        kind.starts_with(b"application/json") || kind.starts_with(b"text/")
    });
    large
        && text
        && response.status() == StatusCode::OK
        && !response.headers().contains_key(header::CONTENT_ENCODING)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn asked(value: &'static str) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        Coding::of(&headers)
    }

    #[test]
    fn the_best_coding_that_is_not_refused_is_taken() {
        assert_eq!(asked("gzip, deflate, br"), Some(Coding::Brotli));
        assert_eq!(asked("gzip;q=0.5, br;q=0"), Some(Coding::Gzip));
        assert_eq!(asked("GZIP"), Some(Coding::Gzip));
        assert_eq!(asked("gzip;q=0"), None);
        assert_eq!(asked("zstd, *"), None);
        assert_eq!(asked(""), None);
    }

    #[test]
    fn what_is_compressed_reads_the_same() {
        let body = "On the Analytical Engine. ".repeat(1000);
        let (brotli, gzip) = (Coding::Brotli.encode(body.as_bytes()), Coding::Gzip.encode(body.as_bytes()));
        let mut read = String::new();
        flate2::read::GzDecoder::new(&*gzip.unwrap()).read_to_string(&mut read).unwrap();
        assert_eq!(read, body);
        let mut read = Vec::new();
        brotli::BrotliDecompress(&mut &*brotli.unwrap(), &mut read).unwrap();
        assert_eq!(read, body.as_bytes());
    }
}
