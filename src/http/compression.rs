//! Compresses text bodies of one kilobyte or more for clients that accept Brotli or gzip.
//!
//! The middleware of actix is not used: it also compresses bodies of thirty bytes, keeps strong entity tags
//! on compressed bodies, and responds with 406, which the contract does not allow.

use std::{
    future::poll_fn,
    io::{self, Write as _},
    pin::Pin,
};

use actix_web::{
    HttpMessage,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{
            self, AcceptEncoding, ContentEncoding, Encoding, Header as _, HeaderMap, HeaderValue, Preference,
            Quality, QualityItem,
        },
    },
    middleware::Next,
    web::{self, Bytes},
};
use brotli::CompressorWriter;
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

/// The size of the buffer between the encoder and its output, in bytes.
const BROTLI_BUFFER: usize = 4096;

const ATTEMPT: &str = "compress a response";

/// The value of `Vary` for a response that can be compressed.
pub const VARIES: &str = "Accept-Encoding";

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Coding {
    /// The coding that the client prefers (RFC 9110, section 12.5.3), Brotli among equals; `None` if it prefers
    /// or accepts neither.
    pub fn of(request: &impl HttpMessage) -> Option<Self> {
        let AcceptEncoding(items) = AcceptEncoding::parse(request).ok()?;
        let weighted = items.into_iter().filter_map(|QualityItem { item, quality }| {
            let coding = match content_coding(item)? {
                ContentEncoding::Brotli => Some(Self::Brotli),
                ContentEncoding::Gzip => Some(Self::Gzip),
                ContentEncoding::Identity => None,
                _ => return None,
            };
            (quality > Quality::ZERO).then_some((quality, coding))
        });
        weighted.max()?.1
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        })
    }

    /// Compresses a body of `length` bytes. Each of its parts is freed as soon as it is compressed.
    fn encode(self, length: usize, parts: Vec<Bytes>) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli => {
                let (least, most) = BROTLI_WINDOWS;
                let window = (usize::BITS - length.leading_zeros()).clamp(least, most);
                let parameters = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: window.try_into().map_err(io::Error::other)?,
                    size_hint: length,
                    ..Default::default()
                };
                let mut encoder = CompressorWriter::with_params(Vec::new(), BROTLI_BUFFER, &parameters);
                for part in parts {
                    encoder.write_all(&part)?;
                }
                Ok(encoder.into_inner())
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                for part in parts {
                    encoder.write_all(&part)?;
                }
                encoder.finish()
            }
        }
    }
}

/// The coding of an item, without its parameters: actix removes only the weight.
fn content_coding(item: Preference<Encoding>) -> Option<ContentEncoding> {
    match item {
        Preference::Specific(Encoding::Known(coding)) => Some(coding),
        Preference::Specific(Encoding::Unknown(text)) => text.split(';').next()?.parse().ok(),
        Preference::Any => None,
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
    let coding = Coding::of(&request);
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
    let parts = take_parts(body).await?;
    let length = parts.iter().map(Bytes::len).sum();
    let encoded = if length <= MAX_ON_WORKER {
        coding.encode(length, parts)
    } else {
        web::block(move || coding.encode(length, parts))
            .await
            .map_err(|error| Error::internal(ATTEMPT, error))?
    };
    let encoded = Bytes::from(encoded.map_err(|error| Error::internal(ATTEMPT, error))?);
    head.headers_mut().insert(header::CONTENT_ENCODING, coding.name());
    Ok(ServiceResponse::new(request, head.set_body(encoded).map_into_boxed_body()))
}

/// The parts of a body, without copying them.
async fn take_parts(mut body: BoxBody) -> Result<Vec<Bytes>, Error> {
    let mut parts = Vec::new();
    while let Some(part) = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
        parts.push(part.map_err(|error| Error::internal(ATTEMPT, error.to_string()))?);
    }
    Ok(parts)
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
        let is_data =
            [&b"json"[..], b"xml"].iter().any(|name| kind.windows(name.len()).any(|part| part == *name));
        kind.starts_with(b"text/") || (kind.starts_with(b"application/") && is_data)
    });
    large
        && text
        && response.status() == StatusCode::OK
        && !response.headers().contains_key(header::CONTENT_ENCODING)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use actix_web::test::TestRequest;

    use super::*;

    fn accepted(lines: &[&str]) -> Option<Coding> {
        let request = TestRequest::get();
        let request = lines
            .iter()
            .fold(request, |request, line| request.append_header((header::ACCEPT_ENCODING, *line)));
        Coding::of(&request.to_srv_request())
    }

    #[test]
    fn the_coding_with_the_highest_weight_is_used_and_brotli_among_equals() {
        for (line, coding) in [
            ("gzip, deflate, br", Some(Coding::Brotli)),
            ("gzip;q=0.5, br;q=0.5", Some(Coding::Brotli)),
            ("gzip;q=1, br;q=0.1", Some(Coding::Gzip)),
            ("br;q=0.998,gzip;q=0.999", Some(Coding::Gzip)),
            ("gzip;q=0.5, br;q=0", Some(Coding::Gzip)),
            ("identity, gzip;q=0.9", None),
            ("identity;q=0.5, gzip;q=0.6", Some(Coding::Gzip)),
            ("identity, gzip", Some(Coding::Gzip)),
            ("zstd, gzip;q=0.1", Some(Coding::Gzip)),
        ] {
            assert_eq!(accepted(&[line]), coding, "{line}");
        }
    }

    #[test]
    fn names_and_weights_are_case_insensitive_and_other_parameters_are_ignored() {
        for line in ["GZIP", "gzip;Q=0.5", "gzip;level=9", "Gzip ; q=0.5;level=9", "gzip;level=9 ;Q=1.000"] {
            assert_eq!(accepted(&[line]), Some(Coding::Gzip), "{line}");
        }
        for line in ["gzip;q=0", "gzip;Q=0", "gzip;q=0.000", "gzip; q=0;level=9", "gzip;level=9;Q=0"] {
            assert_eq!(accepted(&[line]), None, "{line}");
        }
    }

    #[test]
    fn several_lines_form_one_list() {
        assert_eq!(accepted(&["gzip;q=0.5", "br"]), Some(Coding::Brotli));
        assert_eq!(accepted(&["deflate", "br;q=0", "gzip"]), Some(Coding::Gzip));
        assert_eq!(accepted(&["", "gzip"]), Some(Coding::Gzip));
    }

    #[test]
    fn without_an_accepted_coding_the_body_stays_as_it_is() {
        assert_eq!(accepted(&[]), None);
        for line in ["", "*", "zstd, *", "gzipped", "gzip;q=2", "identity"] {
            assert_eq!(accepted(&[line]), None, "{line}");
        }
    }

    #[test]
    fn a_compressed_body_decodes_to_the_original() {
        let body = "On the Analytical Engine. ".repeat(1000);
        let parts: Vec<Bytes> = body.as_bytes().chunks(999).map(Bytes::copy_from_slice).collect();
        let brotli = Coding::Brotli.encode(body.len(), parts.clone());
        let gzip = Coding::Gzip.encode(body.len(), parts);
        let mut read = String::new();
        flate2::read::GzDecoder::new(&*gzip.unwrap()).read_to_string(&mut read).unwrap();
        assert_eq!(read, body);
        let mut read = Vec::new();
        brotli::BrotliDecompress(&mut &*brotli.unwrap(), &mut read).unwrap();
        assert_eq!(read, body.as_bytes());
    }
}
