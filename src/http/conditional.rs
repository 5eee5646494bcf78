//! Conditional requests (RFC 9110, section 13): entity tags, the conditions of a request, and 304 responses.
//!
//! Tags are built from row states, so each identifies exactly one state and no body needs to be hashed. Data
//! that is shown together with a row is part of the tag (`"1v3s…x…"`), but not of the row's state. A tag also
//! matches in its weak form and with the suffix of a compressing proxy (`"1v3s…-gzip"`, `"1v3s…;br"`): it
//! still identifies the same state, so clients can edit safely through such a proxy.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder,
    dev::Payload,
    http::header::{self, HeaderName, HeaderValue},
};

/// The version of the JSON form of responses; part of every tag. A release increases it when it adds, changes
/// or removes a member of a response with a tag. Otherwise, a client would receive 304 for a response that it
/// cached from an earlier release.
pub const REPRESENTATION: u32 = 2;

/// Maximum number of tags of one header that are compared; the rest are ignored. Each becomes a condition in
/// SQL, and SQLite limits the depth of an expression.
const MAX_TAGS: usize = 100;

/// One state of a row, unlike all other states of it, also those in other databases: a number that grows with
/// every change, and a random number that is renewed with every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowState {
    /// Grows with every change.
    pub version: i32,
    /// Random.
    pub id: i64,
}

impl RowState {
    /// The state in a tag of a row, whatever the representation and the other data in the tag.
    fn parse(tag: &str) -> Option<Self> {
        let (representation, state) = tag.split_once('v')?;
        representation.parse::<u32>().ok()?;
        let (version, id) = state.split('x').next()?.split_once('s')?;
        let id = u64::from_str_radix(id, 16).ok()?.cast_signed();
        Some(Self { version: version.parse().ok()?, id })
    }
}

/// The tag of one state: ASCII letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag(String);

impl EntityTag {
    /// The tag of a row in this state.
    pub fn of_row(state: RowState) -> Self {
        Self(format!("{REPRESENTATION}v{}s{:016x}", state.version, state.id))
    }

    /// The tag of a state without a version, such as a page, from a digest of it.
    pub fn of_digest(digest: &[u8]) -> Self {
        Self(append_hex(format!("{REPRESENTATION}p"), digest))
    }

    /// The tag of the same state shown together with other data, from a digest of that data.
    #[must_use]
    pub fn with(self, digest: &[u8]) -> Self {
        Self(append_hex(self.0 + "x", digest))
    }

    /// Parses the value of an `ETag` header that Byline sent.
    pub fn parse(value: &str) -> Option<Self> {
        let tag = normalize(value);
        (!tag.is_empty()).then_some(Self(tag))
    }

    /// The number of its letters and digits.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// The header `ETag`.
    pub fn header(&self) -> (HeaderName, String) {
        (header::ETAG, format!("\"{}\"", self.0))
    }
}

/// The value of an `If-Match` or `If-None-Match` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`: any state.
    Any,
    /// These states.
    Listed(Vec<String>),
}

impl EntityTags {
    fn of(request: &HttpRequest, name: HeaderName) -> Option<Self> {
        let mut values = request.headers().get_all(name).peekable();
        values.peek()?;
        let text: Vec<&str> = values.filter_map(|value| HeaderValue::to_str(value).ok()).collect();
        if text.iter().any(|value| value.trim() == "*") {
            return Some(Self::Any);
        }
        // No tag of Byline contains a comma, so splitting at commas does not cut a tag.
        let tags = text.iter().flat_map(|value| value.split(',')).map(normalize);
        Some(Self::Listed(tags.take(MAX_TAGS).collect()))
    }

    /// Whether `tag` is listed.
    pub fn matches(&self, tag: &EntityTag) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.contains(&tag.0),
        }
    }

    /// The listed row states, regardless of other data in the tags; `None` if every state matches.
    pub fn states(&self) -> Option<Vec<RowState>> {
        match self {
            Self::Any => None,
            Self::Listed(tags) => Some(tags.iter().filter_map(|tag| RowState::parse(tag)).collect()),
        }
    }
}

/// Appends the first 16 bytes of `digest` in hexadecimal.
fn append_hex(tag: String, digest: &[u8]) -> String {
    digest.iter().take(16).fold(tag, |tag, byte| format!("{tag}{byte:02x}"))
}

/// The letters and digits of a tag, without quotes, `W/` and the suffix of a proxy.
fn normalize(value: &str) -> String {
    let quoted = value.trim().trim_start_matches("W/").trim_matches('"');
    quoted.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// The conditions of a request. An absent condition is always true.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Write only if the current tag is one of these.
    pub if_match: Option<EntityTags>,
    /// Send the state only if its tag is not one of these.
    pub if_none_match: Option<EntityTags>,
}

impl Conditions {
    /// The conditions of `request`.
    pub fn of(request: &HttpRequest) -> Self {
        Self {
            if_match: EntityTags::of(request, header::IF_MATCH),
            if_none_match: EntityTags::of(request, header::IF_NONE_MATCH),
        }
    }

    /// Whether the client's cached response is still valid. `*` names no specific state; the contract
    /// requires 200 for it.
    pub fn is_current(&self, tag: &EntityTag) -> bool {
        self.if_none_match.as_ref().is_some_and(|tags| *tags != EntityTags::Any && tags.matches(tag))
    }
}

impl FromRequest for Conditions {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

/// A state, unless the client's cached response is still valid.
#[derive(Debug)]
pub enum Conditional<T> {
    /// The client's cached response is still valid.
    NotModified(EntityTag),
    /// The state and its tag.
    Modified(T, EntityTag),
}

/// The clients that may see a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Everyone: a token makes no difference.
    Everyone,
    /// Everyone without a token.
    Anonymous,
    /// One account.
    Account,
}

impl Recipient {
    /// Caches must revalidate a response before each use, so that they do not show an article that is no
    /// longer public. Only a private cache may store a response to one account.
    fn write_headers(self, response: &mut HttpResponseBuilder) {
        let cache_control = if self == Self::Account { "private, no-cache" } else { "public, no-cache" };
        response.append_header((header::CACHE_CONTROL, HeaderValue::from_static(cache_control)));
        if self != Self::Everyone {
            response.append_header((header::VARY, HeaderValue::from_static("Authorization")));
        }
    }
}

impl<T> Conditional<T> {
    /// Builds the response: 304 without a body, or 200 as `complete` completes it.
    pub fn respond(
        self,
        recipient: Recipient,
        complete: impl FnOnce(&mut HttpResponseBuilder, T) -> HttpResponse,
    ) -> HttpResponse {
        let (mut response, tag, state) = match self {
            Self::NotModified(tag) => (HttpResponse::NotModified(), tag, None),
            Self::Modified(state, tag) => (HttpResponse::Ok(), tag, Some(state)),
        };
        response.insert_header(tag.header());
        recipient.write_headers(&mut response);
        match state {
            None => response.finish(),
            Some(state) => complete(&mut response, state),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_tag_matches_in_every_form_that_proxies_send() {
        let tag = EntityTag::of_row(RowState { version: 3, id: 255 });
        for (value, matches) in [
            ("\"2v3s00000000000000ff\"", true),
            ("W/\"2v3s00000000000000ff\"", true),
            ("\"2v3s00000000000000ff-gzip\"", true),
            ("W/\"2v3s00000000000000ff;br\"", true),
            ("\"2v2s00000000000000ff\", W/\"2v3s00000000000000ff\"", true),
            ("*", true),
            ("\"2v2s00000000000000ff\"", false),
            ("\"2v3s00000000000000fe\"", false),
            ("\"1v3s00000000000000ff\"", false),
            ("\"2v3s00000000000000ff0\"", false),
            ("\"v3\"", false),
            ("\"\"", false),
            ("", false),
        ] {
            let request = TestRequest::get().insert_header((header::IF_NONE_MATCH, value)).to_http_request();
            assert_eq!(
                EntityTags::of(&request, header::IF_NONE_MATCH).unwrap().matches(&tag),
                matches,
                "{value}"
            );
        }
        assert_eq!(EntityTags::of(&TestRequest::get().to_http_request(), header::IF_NONE_MATCH), None);
    }

    #[test]
    fn data_shown_with_a_row_is_part_of_its_tag_but_not_of_its_state() {
        let state = |version, id| RowState { version, id };
        let plain = EntityTag::of_row(state(3, -1));
        let (one, other) = (plain.clone().with(b"one"), plain.clone().with(b"other"));
        assert!(one != other && ![&one, &other].contains(&&plain));
        for (value, states) in [
            (one.header().1, vec![state(3, -1)]),
            (
                format!("W/\"1v12s0a-gzip\", {}, \"7v4sfx\"", other.header().1),
                vec![state(12, 10), state(3, -1), state(4, 15)],
            ),
            (EntityTag::of_digest(b"v3").with(b"one").header().1, vec![]),
            (
                "\"x3\", \"v\", \"v3\", \"1v3\", \"1v3s\", \"1vs1\", \"v3s1\", \"av3s1\", \"1v3sg\", \
                 \"1v3s11112222333344445\", \"1v99999999999s1\", \"\""
                    .to_owned(),
                vec![],
            ),
        ] {
            let request =
                TestRequest::patch().insert_header((header::IF_MATCH, value.as_str())).to_http_request();
            let listed = EntityTags::of(&request, header::IF_MATCH).unwrap();
            assert_eq!(listed.states(), Some(states), "{value}");
            assert_eq!(listed.matches(&one), value == one.header().1, "{value}");
        }
        assert_eq!(EntityTags::Any.states(), None);
    }

    #[test]
    fn the_number_of_compared_tags_is_bounded() {
        let tags: Vec<_> = (0..10_000).map(|version| format!("\"1v{version}s1\"")).collect();
        let request =
            TestRequest::patch().insert_header((header::IF_MATCH, tags.join(","))).to_http_request();
        let states = EntityTags::of(&request, header::IF_MATCH).unwrap().states().unwrap();
        assert_eq!((states.len(), states[99]), (100, RowState { version: 99, id: 1 }));
    }
}
