//! The limits that Byline is measured against, in the same process with the same middleware: constant
//! responses, and the same statements through sqlx without the ORM.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpResponse,
    http::Method,
    web::{Bytes, Json, Path, Query, ServiceConfig, ThinData},
};
use byline::{
    accounts::users::schemas::UserResponse,
    clock::Clock,
    config::{Engine, Settings},
    http::{
        conditional::RowState,
        error::{Error, Result},
        resource::{Endpoint, Endpoints},
        timestamp::Timestamp,
    },
    publishing::articles::schemas::{ArticleResponse, Format},
};
use chrono::{DateTime, Utc};
use entity::article;
use serde::Deserialize;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use crate::{pools::Pools, statements::Statements};

/// A constant response of `bytes` bytes. The last segment is ignored; it exists so that the load generator
/// also creates random ids here and costs the same.
pub(crate) const CONSTANT: &str = "/limits/constant/{bytes}/{id}";

/// The longest constant response, in bytes.
const MAX_CONSTANT: usize = 1 << 20;

static FILLER: LazyLock<Bytes> = LazyLock::new(|| vec![b'x'; MAX_CONSTANT].into());

static STATEMENTS: LazyLock<[Statements; 2]> =
    LazyLock::new(|| [Statements::of(Engine::Postgres), Statements::of(Engine::Sqlite)]);

/// The state that the limits need.
#[derive(Clone)]
pub(crate) struct Limits {
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Clock,
}

type State = ThinData<Limits>;

/// The author of articles that are written through the limits.
pub(crate) const AUTHOR: i32 = 1;

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    Endpoints::default()
        .and([
            Endpoint::undocumented(Method::GET, CONSTANT, constant),
            Endpoint::undocumented(Method::GET, "/limits/empty", empty),
            Endpoint::undocumented(Method::GET, "/limits/articles", list),
            Endpoint::undocumented(Method::POST, "/limits/articles", create),
            Endpoint::undocumented(Method::GET, "/limits/articles/{id}", read),
            Endpoint::undocumented(Method::PATCH, "/limits/articles/{id}", edit),
            Endpoint::undocumented(Method::GET, "/limits/me", read_me),
            Endpoint::undocumented(Method::GET, "/limits/signed-in/articles/{id}", read_signed_in),
        ])
        .register(cfg, None);
}

pub(crate) async fn constant(path: Path<(usize, String)>) -> HttpResponse {
    let body = FILLER.slice(..path.0.min(MAX_CONSTANT));
    HttpResponse::Ok().content_type("application/json").body(body)
}

async fn empty() -> HttpResponse {
    HttpResponse::NotModified().finish()
}

/// Runs the same code on the pool of either engine, with the engine's statements.
macro_rules! bare {
    ($state:expr, $kind:ident, |$pool:ident, $statements:ident| $run:expr) => {{
        let [postgres, sqlite] = &*STATEMENTS;
        let result = match Pools::of_this_worker(&$state.settings)? {
            Pools::Postgres($pool) => {
                let $statements = postgres;
                $run.await
            }
            Pools::Sqlite { $kind: $pool, .. } => {
                let $statements = sqlite;
                $run.await
            }
        };
        result.map_err(|error| Error::internal("query the database", error))
    }};
}

async fn read(state: State, id: Path<i32>) -> Result<Json<ArticleResponse>> {
    let found = bare!(state, reader, |pool, statements| {
        sqlx::query_as::<_, BareRow>(statements.read).bind(*id).bind(1_i64).fetch_optional(&pool)
    })?;
    found.map(|row| Json(row.0)).ok_or(Error::NotFound("Article"))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    skip: i64,
    limit: i64,
}

async fn list(state: State, page: Query<Page>) -> Result<Json<Vec<ArticleResponse>>> {
    let rows = bare!(state, reader, |pool, statements| {
        sqlx::query_as::<_, BareRow>(statements.list).bind(page.limit).bind(page.skip).fetch_all(&pool)
    })?;
    Ok(Json(rows.into_iter().map(|row| row.0).collect()))
}

#[derive(Deserialize)]
struct ArticleCreate {
    title: String,
    content: String,
    published: bool,
}

async fn author(state: &State) -> Result<UserResponse> {
    let row = bare!(state, reader, |pool, statements| {
        sqlx::query_as::<_, BareUser>(statements.author).bind(AUTHOR).bind(1_i64).fetch_one(&pool)
    })?;
    Ok(row.0)
}

async fn read_me(state: State) -> Result<Json<UserResponse>> {
    author(&state).await.map(Json)
}

/// The statements of a signed-in reader: the account, then the article.
async fn read_signed_in(state: State, id: Path<i32>) -> Result<Json<ArticleResponse>> {
    author(&state).await?;
    read(state, id).await
}

/// The statements of a POST: the author, then the article.
async fn create(state: State, new: Json<ArticleCreate>) -> Result<HttpResponse> {
    author(&state).await?;
    let (new, now) = (new.into_inner(), state.clock.now());
    let row = bare!(state, writer, |pool, statements| {
        sqlx::query_as::<_, BareRow>(statements.create)
            .bind(new.title)
            .bind(new.content)
            .bind(new.published)
            .bind(AUTHOR)
            .bind(now)
            .bind(now)
            .bind(1)
            .bind(article::new_state_id())
            .bind(format!("bench-{:016x}", article::new_state_id()))
            .bind("markdown")
            .bind(now)
            .fetch_one(&pool)
    })?;
    Ok(HttpResponse::Created().json(row.0))
}

#[derive(Deserialize)]
struct Patch {
    title: String,
}

/// The statements of a PATCH: the author, then the article.
async fn edit(state: State, id: Path<i32>, patch: Json<Patch>) -> Result<Json<ArticleResponse>> {
    author(&state).await?;
    let (title, now) = (patch.into_inner().title, state.clock.now());
    let row = bare!(state, writer, |pool, statements| {
        sqlx::query_as::<_, BareRow>(statements.edit)
            .bind(&title)
            .bind(now)
            .bind(1)
            .bind(article::new_state_id())
            .bind(*id)
            .bind(AUTHOR)
            .bind(&title)
            .fetch_optional(&pool)
    })?;
    row.map(|row| Json(row.0)).ok_or(Error::NotFound("Article"))
}

/// An article, as sqlx reads it.
struct BareRow(ArticleResponse);

impl<'r, R: Row> FromRow<'r, R> for BareRow
where
    &'static str: ColumnIndex<R>,
    i32: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    DateTime<Utc>: Decode<'r, R::Database> + Type<R::Database>,
    Option<DateTime<Utc>>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        Ok(Self(ArticleResponse {
            title: row.try_get("title")?,
            content: row.try_get("content")?,
            published: row.try_get("published")?,
            id: row.try_get("id")?,
            author_id: row.try_get("author_id")?,
            created_at: Timestamp(row.try_get("created_at")?),
            updated_at: Timestamp(row.try_get("updated_at")?),
            slug: row.try_get::<Option<String>, _>("slug")?.unwrap_or_default(),
            format: Format::of_name(row.try_get::<String, _>("format")?.as_str()),
            published_at: row.try_get::<Option<_>, _>("published_at")?.map(Timestamp),
            scheduled_at: row.try_get::<Option<_>, _>("scheduled_at")?.map(Timestamp),
            author: None,
            tags: None,
            html: None,
            excerpt: None,
            word_count: None,
            reading_minutes: None,
            state: RowState { version: row.try_get("version")?, id: row.try_get("state_id")? },
        }))
    }
}

/// An account, as sqlx reads it.
struct BareUser(UserResponse);

impl<'r, R: Row> FromRow<'r, R> for BareUser
where
    &'static str: ColumnIndex<R>,
    i32: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    DateTime<Utc>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        Ok(Self(UserResponse {
            id: row.try_get("id")?,
            email: row.try_get("email")?,
            username: row.try_get("username")?,
            created_at: Timestamp(row.try_get("created_at")?),
            updated_at: Timestamp(row.try_get("updated_at")?),
            display_name: row.try_get("display_name")?,
            bio: row.try_get("bio")?,
            image: row.try_get("image")?,
            is_admin: row.try_get("is_admin")?,
            is_email_confirmed: row.try_get("is_email_confirmed")?,
        }))
    }
}
