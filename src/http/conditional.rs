//! Conditional requests (RFC 9110, section 13): entity tags made of version numbers, so that one names exactly one
//! state, and none needs a body to be hashed. What is shown beside an article has its share in the tag (`"v3x…"`), but none in
//! the article's version.
//!
//! A tag fits in its weak form too, and with what a proxy that compresses puts behind it (`"v3-gzip"`, `"v3;br"`): it still
//! names the same state, so a client behind such a proxy can edit safely.

use std::convert::Infallible;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderName, HeaderValue},
};
use std::future::{Ready, ready};

/// The tag of one state: ASCII letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Of an article in one version.
    pub fn of_version(version: i32) -> Self {
        Self(format!("v{version}"))
    }

    /// Of a page, from what tells its state.
    pub fn of_page(digest: &[u8]) -> Self {
        Self(hex("p".to_owned(), digest))
    }

    /// Of the same state shown together with something else, from what tells the state of that.
    #[must_use]
    pub fn with(self, digest: &[u8]) -> Self {
        Self(hex(self.0 + "x", digest))
    }

    /// The tag that a header `ETag` of ours names.
    pub fn parse(value: &str) -> Option<Self> {
        let tag = bare(value);
        (!tag.is_empty()).then_some(Self(tag))
    }

    /// The header `ETag`.
    pub fn header(&self) -> (HeaderName, String) {
        (header::ETAG, format!("\"{}\"", self.0))
    }
}

/// What a request's `If-Match` or `If-None-Match` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: any state at all.
    Any,
    /// These states.
    Named(Vec<String>),
}

impl Tags {
    fn of(request: &HttpRequest, name: HeaderName) -> Option<Self> {
        let mut values = request.headers().get_all(name).peekable();
        values.peek()?;
        let text: Vec<&str> = values.filter_map(|value| HeaderValue::to_str(value).ok()).collect();
        if text.iter().any(|value| value.trim() == "*") {
            return Some(Self::Any);
        }
        // A comma can't stand in a tag of ours, so splitting at commas cuts none.
        Some(Self::Named(text.iter().flat_map(|value| value.split(',')).map(bare).collect()))
    }

    /// Whether `tag` is one of them.
    pub fn fit(&self, tag: &Tag) -> bool {
        match self {
            Self::Any => true,
            Self::Named(named) => named.contains(&tag.0),
        }
    }

    /// The versions of an article that are named, whatever it was shown with; none where every version will do.
    pub fn versions(&self) -> Option<Vec<i32>> {
        match self {
            Self::Any => None,
            Self::Named(named) => {
                let version = |tag: &String| tag.strip_prefix('v')?.split('x').next()?.parse().ok();
                Some(named.iter().filter_map(version).collect())
            }
        }
    }
}

/// A digest's first 16 bytes, written behind `tag`.
fn hex(tag: String, digest: &[u8]) -> String {
    digest.iter().take(16).fold(tag, |tag, byte| format!("{tag}{byte:02x}"))
}

/// What an entity tag comes down to without its marks, its weakness and what a proxy put behind it.
fn bare(value: &str) -> String {
    let quoted = value.trim().trim_start_matches("W/").trim_matches('"');
    quoted.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// The conditions of a request. Absent ones always hold.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Change only this state.
    pub if_match: Option<Tags>,
    /// Send only another state.
    pub if_none_match: Option<Tags>,
}

impl Conditions {
    /// Those of `request`.
    pub fn of(request: &HttpRequest) -> Self {
        Self {
            if_match: Tags::of(request, header::IF_MATCH),
            if_none_match: Tags::of(request, header::IF_NONE_MATCH),
        }
    }

    /// Whether the client has this state already. `*` names none that it could have; the contract answers it with 200.
    pub fn has(&self, tag: &Tag) -> bool {
        self.if_none_match.as_ref().is_some_and(|tags| *tags != Tags::Any && tags.fit(tag))
    }
}

impl FromRequest for Conditions {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_tag_fits_in_every_form_that_proxies_give_it() {
        let tag = Tag::of_version(3);
        for (value, fits) in [
            ("\"v3\"", true),
            ("W/\"v3\"", true),
            ("\"v3-gzip\"", true),
            ("W/\"v3;br\"", true),
            ("\"v2\", W/\"v3\"", true),
            ("*", true),
            ("\"v2\"", false),
            ("\"v33\"", false),
            ("\"\"", false),
            ("", false),
        ] {
            let request = TestRequest::get().insert_header((header::IF_NONE_MATCH, value)).to_http_request();
            assert_eq!(Tags::of(&request, header::IF_NONE_MATCH).unwrap().fit(&tag), fits, "{value}");
        }
        assert_eq!(Tags::of(&TestRequest::get().to_http_request(), header::IF_NONE_MATCH), None);
    }

    #[test]
    fn what_an_article_is_shown_with_has_a_share_in_its_tag_and_none_in_its_version() {
        let plain = Tag::of_version(3);
        let (one, other) = (plain.clone().with(b"one"), plain.clone().with(b"other"));
        assert!(one != other && ![&one, &other].contains(&&plain));
        for (value, versions) in [
            (one.header().1, vec![3]),
            (format!("W/\"v12-gzip\", {}, \"v4x\"", other.header().1), vec![12, 3, 4]),
            (Tag::of_page(b"v3").with(b"one").header().1, vec![]),
            ("\"x3\", \"v\", \"vx3\", \"v3y\", \"\"".to_owned(), vec![]),
        ] {
            let request =
                TestRequest::patch().insert_header((header::IF_MATCH, value.as_str())).to_http_request();
            let named = Tags::of(&request, header::IF_MATCH).unwrap();
            assert_eq!(named.versions(), Some(versions), "{value}");
            assert_eq!(named.fit(&one), value == one.header().1, "{value}");
        }
        assert_eq!(Tags::Any.versions(), None);
    }
}
