//! Request schemas without a server: what they read, as plain values, or the types of their errors.

use std::borrow::Cow;

use byline::{
    accounts::users::schemas::UserCreate,
    http::{
        error::Error,
        validation::{Extractor, FieldErrors, Fields, Limits, Members},
    },
    publishing::articles::schemas::{ArticleCreate, ArticleFilter, ArticlePath, ArticleUpdate},
};
use serde_json::Value;

const LIMITS: Limits = Limits { max_page_size: Some(1000), max_body_bytes: 1 << 20 };

/// What was read, or the types of the errors.
pub(crate) type Read<T> = Result<T, Vec<&'static str>>;

/// An account that registration accepts.
#[derive(Debug)]
pub(crate) struct AccountRead {
    pub(crate) username: String,
    pub(crate) email: String,
    /// What a log would show of it.
    pub(crate) debug: String,
}

/// An id in a path; none if it is outside the range of ids.
pub(crate) fn read_article_id(text: &str) -> Read<Option<i32>> {
    read_parameter::<ArticlePath>("article_id", text).map(|path| path.article_id.get())
}

/// The parameter `skip` of a list.
pub(crate) fn read_skip(text: &str) -> Read<u64> {
    read_parameter::<ArticleFilter>("skip", text).map(|filter| filter.skip.0)
}

/// The parameter `limit` of a list.
pub(crate) fn read_limit(text: &str) -> Read<u64> {
    read_parameter::<ArticleFilter>("limit", text).map(|filter| filter.limit.0)
}

/// The title, the content and whether it is published.
pub(crate) fn read_new_article(body: &Value) -> Read<(String, String, bool)> {
    read_object::<ArticleCreate>(body).map_err(|errors| types(&errors)).map(|article| {
        (article.title.as_ref().to_owned(), article.content.as_ref().to_owned(), article.published)
    })
}

/// What a change of an article says of `published`.
pub(crate) fn read_article_patch(body: &Value) -> Read<Option<bool>> {
    read_object::<ArticleUpdate>(body).map_err(|errors| types(&errors)).map(|patch| patch.published)
}

pub(crate) fn read_account(body: &Value) -> Read<AccountRead> {
    read_object::<UserCreate>(body).map_err(|errors| types(&errors)).map(|account| AccountRead {
        username: account.username.as_ref().to_owned(),
        email: account.email.as_ref().to_owned(),
        debug: format!("{account:?}"),
    })
}

/// The body of the response to a registration, if it is refused.
pub(crate) fn refusal_of_account(body: &Value) -> Option<Value> {
    read_object::<UserCreate>(body).err().map(|errors| Error::from(errors).body())
}

fn read_object<T: Fields>(body: &Value) -> Result<T, FieldErrors> {
    let mut errors = FieldErrors::default();
    let members = Members::Object(body, body.as_object().unwrap());
    Extractor::extract("body", members, &LIMITS, &mut errors).ok_or(errors)
}

fn read_parameter<T: Fields>(name: &str, text: &str) -> Read<T> {
    let mut errors = FieldErrors::default();
    let pairs = [(Cow::from(name), Cow::from(text))];
    Extractor::extract("query", Members::Pairs(&pairs), &LIMITS, &mut errors).ok_or_else(|| types(&errors))
}

fn types(errors: &FieldErrors) -> Vec<&'static str> {
    errors.reported().iter().map(|error| error.kind).collect()
}
