//! Nested objects, lists and nullable fields, extracted from JSON bodies, queries and forms.

use std::time::Duration;

use actix_web::{http::header::CONTENT_TYPE, rt, test::TestRequest};
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::*;
use crate::{
    choice, fields,
    http::{
        HttpState,
        cache::Cache,
        client_address::TrustedProxies,
        draining::Draining,
        error::{Error, Result},
        receive::{self, BodyMemory},
    },
    text,
};

mod bounds;
mod extraction;
mod properties;
mod schemas;

const LIMITS: Limits = Limits { max_page_size: None, max_body_bytes: 1 << 20 };

text! {
    /// Two to five letters.
    struct Tag = TextRule::new(2, Some(5), "^[a-z]+$");
    /// Some text.
    struct Line = TextRule::without_nul(1, None);
}

choice! {
    /// A format.
    enum Format {
        /// Plain.
        Plain = "plain",
        /// Markdown.
        Markdown = "markdown",
    }
}

#[derive(Clone, Debug)]
struct Password;

impl Field for Password {
    const SECRET: bool = true;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        Tag::parse(input, limits).map(|_| Self)
    }

    fn schema() -> RefOr<Schema> {
        Tag::schema()
    }
}

fields! {
    /// A link.
    struct Link {
        /// Its text.
        title: Line,
        /// Its target.
        url: Line,
    }
}

fields! {
    /// An author.
    struct Writer {
        /// The name.
        name: Tag,
        /// At most two links.
        links: List<Link, 0, 2> = [],
    }
}

fields! {
    /// A page.
    struct Page {
        /// One to three tags.
        tags: List<Tag, 1, 3>,
        /// Who wrote it.
        writer: Writer,
        /// A second title.
        subtitle: Nullable<Tag>,
        /// Another author.
        editor: Nullable<Writer>,
        /// A format.
        format: Nullable<Format>,
        /// Other names.
        aliases: Nullable<List<Tag, 0, 2>>,
        /// A summary.
        #[null_error = late]
        summary: Option<Tag>,
        /// Notes.
        #[example = "abc"]
        notes: Option<Tag>,
    }
}

fields! {
    /// A query.
    struct Search {
        /// Up to three tags.
        tag: List<Tag, 0, 3>,
        /// Up to two others.
        not: List<Tag, 0, 2> = ["draft"],
        /// One word.
        word: Option<Tag>,
    }
}

fields! {
    /// An account with its secret.
    struct Login {
        /// The name.
        name: Tag,
        /// The password.
        password: Password,
    }
}

fields! {
    /// Several accounts.
    struct Import {
        /// The accounts.
        logins: List<Login, 0, 5>,
        /// Passwords.
        passwords: List<Password, 0, 2> = [],
        /// Anything.
        note: Option<Tag>,
    }
}

fn page(changes: &Value) -> Value {
    let mut page = json!({ "tags": ["ab"], "writer": { "name": "ada" } });
    for (name, value) in changes.as_object().unwrap() {
        page[name] = value.clone();
    }
    page
}

fn extract<T: Fields>(body: &Value) -> Result<T, FieldErrors> {
    let mut errors = FieldErrors::default();
    let members = Members::Object(body, body.as_object().unwrap());
    Extractor::extract("body", members, &LIMITS, &mut errors).ok_or(errors)
}

fn extract_query<T: Fields>(query: &str) -> Result<T, FieldErrors> {
    let mut errors = FieldErrors::default();
    Extractor::extract("query", Members::Pairs(&query_pairs(query)), &LIMITS, &mut errors).ok_or(errors)
}

/// The errors as a response lists them.
fn errors<T: std::fmt::Debug>(extracted: Result<T, FieldErrors>) -> Value {
    serde_json::to_value(extracted.unwrap_err()).unwrap()
}

/// The type and location of each error.
fn kinds<T: std::fmt::Debug>(extracted: Result<T, FieldErrors>) -> Vec<(String, Value)> {
    let errors = errors(extracted);
    errors
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["type"].as_str().unwrap().to_owned(), error["loc"].clone()))
        .collect()
}

fn receive<B: Body>(content_type: &str, body: &str) -> Result<B, FieldErrors> {
    rt::System::new().block_on(async {
        let request = TestRequest::post().app_data(state()).insert_header((CONTENT_TYPE, content_type));
        let (request, mut payload) = request.set_payload(body.to_owned()).to_http_parts();
        B::extract(B::receive(&request, &mut payload).await.unwrap(), &LIMITS.into()).await.unwrap()
    })
}

/// Receives a JSON body, and returns the error of each step.
fn receive_json(body: &str) -> (Option<Error>, Option<Error>) {
    rt::System::new().block_on(async {
        let request = TestRequest::post().app_data(state()).set_payload(body.to_owned());
        let (request, mut payload) = request.to_http_parts();
        match Json::<Page>::receive(&request, &mut payload).await {
            Err(error) => (Some(error), None),
            Ok(received) => (None, Json::<Page>::extract(received, &LIMITS.into()).await.err()),
        }
    })
}

fn state() -> HttpState {
    HttpState {
        limits: LIMITS.into(),
        body_memory: BodyMemory::new(LIMITS.max_body_bytes),
        request_timeout: Duration::from_secs(1),
        cache: Cache::new(0).into(),
        trusted_proxies: TrustedProxies::new(&[]).into(),
        draining: Draining::default(),
        tracer: crate::traces::Tracer::OFF,
        counters: None,
    }
}

fn texts<const MIN: usize, const MAX: usize>(tags: &List<Tag, MIN, MAX>) -> Vec<&str> {
    tags.0.iter().map(AsRef::as_ref).collect()
}
