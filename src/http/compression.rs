//! Compresses text bodies of one kilobyte or more for clients that accept Brotli or gzip.
//!
//! The middleware of actix is not used: it also compresses bodies of thirty bytes, keeps strong entity tags
//! on compressed bodies, and responds with 406, which the contract does not allow.

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

/// The smallest body to compress, in bytes. Smaller bodies fit into one packet anyway.
const MIN_SIZE: u64 = 1024;

/// The largest body to compress on the worker, in bytes. Compressing it takes half a millisecond.
const MAX_ON_WORKER: usize = 32 * 1024;

/// The quality, on Brotli's scale from 0 to 11. From 5 on, the additional time outweighs the saved bytes.
const BROTLI_QUALITY: i32 = 4;

/// The smallest and the largest window, as powers of two. Every browser supports the largest. The encoder
/// always allocates twice its window, even for a short body.
const BROTLI_WINDOWS: (u32, u32) = (16, 22);

const ATTEMPT: &str = "compress a response";

/// The value of `Vary` for a response that can be compressed.
pub const VARIES: &str = "Accept-Encoding";

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// The best coding that the client accepts (RFC 9110, section 12.5.3); `None` if it accepts neither.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
        let accepts = |name: &str| {
            text.split(',').any(|member| {
                let (coding, weight) = member.split_once(';').unwrap_or((member, "q=1"));
                let refused = || weight.trim().trim_start_matches("q=").parse() == Ok(0.0_f32);
                coding.trim().eq_ignore_ascii_case(name) && !refused()
            })
        };
        if accepts("br") {
            Some(Self::Brotli)
        } else if accepts("gzip") {
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

/// Compresses a response.
///
/// A 304 has the headers of the 200 that it replaces (RFC 9110, section 15.4.5), but the size of that
/// response is unknown here. It is assumed to be compressible: at worst, a client requests a short response
/// again. The opposite assumption would make caches forget that their copy is compressed.
pub async fn compress<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let coding = Coding::of(request.headers());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let not_modified = response.status() == StatusCode::NOT_MODIFIED;
    if !not_modified && !is_compressible(&response) {
        return Ok(response);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static(VARIES));
    let Some(coding) = coding else { return Ok(response) };
    weaken(response.headers_mut());
    if not_modified {
        return Ok(response);
    }

    let (request, response) = response.into_parts();
    let (mut head, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return Ok(ServiceResponse::new(request, head.set_body(body))),
    };
    let encoded = if body.len() <= MAX_ON_WORKER {
        coding.encode(&body)
    } else {
        web::block(move || coding.encode(&body)).await.map_err(|error| Error::internal(ATTEMPT, error))?
    };
    let encoded = Bytes::from(encoded.map_err(|error| Error::internal(ATTEMPT, error))?);
    head.headers_mut().insert(header::CONTENT_ENCODING, coding.name());
    Ok(ServiceResponse::new(request, head.set_body(encoded).map_into_boxed_body()))
}

/// Makes the entity tag weak: a strong one promises that every client receives the same bytes for this state.
fn weaken(headers: &mut HeaderMap) {
    let weak = headers
        .get(header::ETAG)
        .and_then(|tag| HeaderValue::from_str(&format!("W/{}", tag.to_str().ok()?)).ok());
    if let Some(weak) = weak {
        headers.insert(header::ETAG, weak);
    }
}

fn is_compressible(response: &ServiceResponse<BoxBody>) -> bool {
    let large = matches!(response.response().body().size(), BodySize::Sized(bytes) if bytes >= MIN_SIZE);
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

    fn accepted(value: &'static str) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        Coding::of(&headers)
    }

    #[test]
    fn the_best_accepted_coding_is_used() {
        assert_eq!(accepted("gzip, deflate, br"), Some(Coding::Brotli));
        assert_eq!(accepted("gzip;q=0.5, br;q=0"), Some(Coding::Gzip));
        assert_eq!(accepted("GZIP"), Some(Coding::Gzip));
        assert_eq!(accepted("gzip;q=0"), None);
        assert_eq!(accepted("zstd, *"), None);
        assert_eq!(accepted(""), None);
    }

    #[test]
    fn a_compressed_body_decodes_to_the_original() {
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
