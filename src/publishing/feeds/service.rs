//! Reads the newest articles for a feed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{StoredTime, Visibility, article, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Select,
    sea_query::{Expr, ExprTrait as _, Func},
};
use sha2::{Digest as _, Sha256};

use super::{
    document::{Feed, FeedEntry, FeedFormat},
    schemas::FeedFilter,
    site::Site,
};
use crate::{
    http::{
        conditional::{Conditional, Conditions, EntityTag, RowState},
        error::Result,
    },
    publishing::{
        articles::{
            filter::keys,
            schemas::{AuthorName, Format},
        },
        rendering::{self, RENDERER_VERSION, RenderedArticle, Renderer},
        slugs::Slug,
        tags::{
            names::TagName,
            of_articles::{TagsOfArticles, tagged},
        },
    },
};

/// The number of articles in a feed.
const ARTICLES_IN_FEED: u64 = 20;

/// The largest content, and the largest HTML, that a feed contains, in bytes. Of larger ones it has the excerpt.
const MAX_CONTENT: usize = 256 << 10;

/// The code points of a larger content of which its excerpt is made.
const BEGINNING: i32 = 4000;

/// A feed as it is sent.
#[derive(Debug)]
pub struct WrittenFeed {
    /// The document.
    pub document: Vec<u8>,
    /// When one of its articles last changed.
    pub updated: DateTime<Utc>,
}

/// An article, with the beginning of its content if that is too large.
#[derive(Debug, FromQueryResult)]
struct FeedRow {
    id: i32,
    slug: Option<String>,
    title: String,
    content: String,
    is_whole: bool,
    format: String,
    excerpt: Option<String>,
    author_id: i32,
    created_at: StoredTime,
    updated_at: StoredTime,
    published_at: StoredTime,
    version: i32,
    state_id: i64,
}

impl FeedRow {
    /// When readers could see the last change. A scheduled article was changed before it was published.
    fn updated(&self) -> DateTime<Utc> {
        Ord::max(self.updated_at, self.published_at).get()
    }
}

/// Reads and writes a feed of published articles.
///
/// # Errors
/// 503 if too many others are rendered.
pub async fn read_feed(
    db: &impl ConnectionTrait,
    renderer: &Renderer,
    site: &Site,
    format: FeedFormat,
    filter: &FeedFilter,
    conditions: &Conditions,
) -> Result<Conditional<WrittenFeed>> {
    let rows = newest(filter)
        .filter(tagged(db, &keys(filter.tags())).await?)
        .into_model::<FeedRow>()
        .all(db)
        .await?;
    let authors = names(db, rows.iter().map(|row| row.author_id)).await?;
    let ids: Vec<i32> = rows.iter().map(|row| row.id).collect();
    let tags = TagsOfArticles::load(db, &ids).await?;
    let (title, url) = (title(site, filter), url(site, format, filter));
    let tag = tags.tag(state(&rows, &authors, [&title, &url, &site.article("", 0)]));
    if conditions.is_current(&tag) {
        return Ok(Conditional::NotModified(tag));
    }
    let updated = rows.iter().map(FeedRow::updated).max();
    let updated = updated.unwrap_or(DateTime::UNIX_EPOCH);
    let contents = render(renderer, &rows).await?;
    let entries = rows.into_iter().zip(contents).map(|(row, content)| {
        let author = authors.get(&row.author_id).cloned().unwrap_or_default();
        entry(site, row, &content, author, &tags)
    });
    let feed = Feed { title, site: site.home(), url, updated, entries: entries.collect() };
    Ok(Conditional::Modified(WrittenFeed { document: feed.write(format)?, updated }, tag))
}

/// The newest published articles of the author that the filter names, if it names one.
fn newest(filter: &FeedFilter) -> Select<article::Entity> {
    use article::Column::{
        AuthorId, Content, CreatedAt, Excerpt, Format, Id, PublishedAt, Slug, StateId, Title, UpdatedAt,
        Version,
    };

    let size = Expr::expr(Func::cust("octet_length").arg(Content.into_expr()));
    let is_whole = size.lte(i64::try_from(MAX_CONTENT).unwrap_or(i64::MAX));
    let beginning = Func::cust("substr").args([Content.into_expr(), Expr::val(1), Expr::val(BEGINNING)]);
    let content = Expr::case(is_whole.clone(), Content.into_expr()).finally(beginning);
    let mut newest = article::Entity::visible_to(Visibility::Published)
        .select_only()
        .columns([
            Id,
            Slug,
            Title,
            Format,
            Excerpt,
            AuthorId,
            CreatedAt,
            UpdatedAt,
            PublishedAt,
            Version,
            StateId,
        ])
        .expr_as(content, "content")
        .column_as(is_whole, "is_whole")
        .filter(PublishedAt.is_not_null())
        .order_by_desc(PublishedAt)
        .order_by_desc(Id)
        .limit(ARTICLES_IN_FEED);
    if let Some(name) = filter.author.as_ref().map(AuthorName::as_ref) {
        let id = user::Entity::find().select_only().column(user::Column::Id);
        let id = id.filter(user::Column::Username.eq(name)).into_query();
        newest = newest.filter(AuthorId.in_subquery(id));
    }
    newest
}

/// The names of authors as readers see them, by id.
async fn names(db: &impl ConnectionTrait, ids: impl Iterator<Item = i32>) -> Result<BTreeMap<i32, String>> {
    let names = user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::Username, user::Column::DisplayName])
        .filter(user::Column::Id.is_in(ids))
        .into_tuple::<(i32, String, Option<String>)>();
    let names = names.all(db).await?.into_iter();
    Ok(names.map(|(id, name, display_name)| (id, display_name.unwrap_or(name))).collect())
}

/// The tag of a feed without that of its tags.
fn state(rows: &[FeedRow], authors: &BTreeMap<i32, String>, texts: [&str; 3]) -> EntityTag {
    let mut digest = Sha256::new_with_prefix(RENDERER_VERSION.to_le_bytes());
    for text in texts.into_iter().chain(authors.values().map(String::as_str)) {
        digest.update(text.as_bytes());
        digest.update([0xff]);
    }
    for row in rows {
        digest.update(row.id.to_le_bytes());
        digest.update(row.version.to_le_bytes());
        digest.update(row.state_id.to_le_bytes());
    }
    EntityTag::of_digest(&digest.finalize())
}

fn title(site: &Site, filter: &FeedFilter) -> String {
    let author = filter.author.as_ref().map(AuthorName::as_ref);
    let limits: Vec<&str> = author.into_iter().chain(filter.tags().iter().map(TagName::name)).collect();
    if limits.is_empty() { site.name.clone() } else { format!("{}: {}", site.name, limits.join(", ")) }
}

fn url(site: &Site, format: FeedFormat, filter: &FeedFilter) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(author) = &filter.author {
        query.append_pair("author", author.as_ref());
    }
    query.extend_pairs(filter.tags().iter().map(|tag| ("tag", tag.name())));
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{mark}{query}", site.of_api(format.path()))
}

/// The contents as readers see them. That of a beginning is not cached, because the article has more.
async fn render(renderer: &Renderer, rows: &[FeedRow]) -> Result<Vec<RenderedArticle>> {
    let articles = rows.iter().map(|row| {
        let (format, excerpt) = (Format::of_name(&row.format).into(), row.excerpt.clone());
        if row.is_whole {
            let state = RowState { version: row.version, id: row.state_id };
            renderer.prepare(row.id, state, format, &row.content, excerpt)
        } else {
            rendering::Unrendered::of_beginning(format, &row.content, excerpt)
        }
    });
    renderer.render(articles.collect()).await
}

fn entry(
    site: &Site,
    row: FeedRow,
    rendered: &RenderedArticle,
    author: String,
    tags: &TagsOfArticles,
) -> FeedEntry {
    let updated = row.updated();
    let url = site.article(&row.slug.unwrap_or_else(|| Slug::of_id(row.id)), row.id);
    let html = Some(&rendered.content.html).filter(|html| row.is_whole && html.len() <= MAX_CONTENT);
    FeedEntry {
        id: site.article_id(row.id, row.created_at.get()),
        title: row.title,
        author,
        tags: tags.of(row.id),
        summary: rendered.excerpt().to_owned(),
        html: html.map(|html| rendering::with_absolute_urls(html, &url)),
        published: row.published_at.get(),
        updated,
        url,
    }
}
