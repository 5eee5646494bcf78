//! The task that indexes the articles in the queue, which triggers fill whenever a text of an article changes.

use std::time::Duration;

use entity::{article, article_tag, search_queue, tag, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Statement, Value,
    sea_query::{Expr, Func, LockBehavior, LockType},
};
use tokio::{
    task::yield_now,
    time::{MissedTickBehavior, interval, sleep},
};

use super::words::folded_text;
use crate::{
    db::{Transaction, Writer},
    http::error::{Error, Result},
    tasks::Tasks,
};

/// How often the task reads the queue.
const INTERVAL: Duration = Duration::from_millis(250);

/// Articles indexed by one transaction.
const BATCH: u64 = 50;

/// The pause between two batches, in which other writes get their turn.
const PAUSE: Duration = Duration::from_millis(10);

/// The part of a content that is indexed, in bytes of its folded words. PostgreSQL's `tsvector` has at most 1 MiB,
/// which takes up to three times the size of its words.
const MAX_CONTENT: usize = 256 << 10;

/// The code points of a content that are read.
const MAX_READ: i32 = 256 << 10;

/// The folded texts of an article.
struct Document {
    id: i32,
    title: String,
    tags: String,
    author: String,
    content: String,
}

impl Document {
    /// The values of its row.
    fn values(self) -> [Value; 5] {
        let Self { id, title, tags, author, content } = self;
        [id.into(), title.into(), tags.into(), author.into(), content.into()]
    }
}

/// The weights of the parts are those of [`super::service`]: title, tags, author, content. A word that no query
/// contains separates the parts, so that no phrase reaches from one into the next.
const POSTGRES: &str = r#"INSERT INTO "article_search" (article_id, document)
SELECT articles.id, ts_delete(
    setweight(to_tsvector(language::regconfig, $2), 'A') || '~:1'
    || setweight(to_tsvector(language::regconfig, $3), 'B') || '~:1'
    || setweight(to_tsvector(language::regconfig, $4), 'C') || '~:1'
    || setweight(to_tsvector(language::regconfig, $5), 'D'), '~')
FROM articles, search_settings WHERE articles.id = $1 FOR KEY SHARE OF articles
ON CONFLICT (article_id) DO UPDATE SET document = EXCLUDED.document"#;

/// For all documents of a batch: FTS5 writes what it has in memory to its tables, and merges these, before each
/// statement.
const SQLITE: &str = r#"INSERT INTO "article_search" (article_id, title, tags, author, content)
VALUES {rows}
ON CONFLICT (article_id) DO UPDATE
SET title = excluded.title, tags = excluded.tags, author = excluded.author, content = excluded.content"#;

/// Waits for those that are indexed at the moment, like the triggers.
const QUEUE_ALL: &str = r#"INSERT INTO "search_queue" (article_id) SELECT id FROM articles ORDER BY id
ON CONFLICT (article_id) DO UPDATE SET article_id = EXCLUDED.article_id"#;

/// Starts the task. `writer` has the connections of tasks; `language` is `SEARCH_LANGUAGE`.
pub fn start(tasks: &Tasks, writer: &Writer, language: &'static str) {
    let writer = writer.clone();
    tasks.spawn("search index", async move |token| {
        set_language(&writer, language).await?;
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while token.run_until_cancelled(ticks.tick()).await.is_some() {
            while index_batch(&writer).await? && token.run_until_cancelled(sleep(PAUSE)).await.is_some() {}
        }
        Ok::<_, Error>(())
    });
}

/// Makes `language` the one of the index on PostgreSQL. If it was another, all articles are indexed again.
pub async fn set_language(writer: &Writer, language: &'static str) -> Result<()> {
    if writer.connections().get_database_backend() == DbBackend::Sqlite {
        return Ok(());
    }
    // Only if it differs, because a standby accepts no writes.
    let sql = r#"SELECT 1 FROM "search_settings" WHERE language <> $1"#;
    let differs = Statement::from_sql_and_values(DbBackend::Postgres, sql, [language.into()]);
    if writer.connections().query_one_raw(differs).await?.is_none() {
        return Ok(());
    }
    let set = async move |txn: &Transaction| {
        let sql = r#"UPDATE "search_settings" SET language = $1 WHERE language <> $1"#;
        let set = Statement::from_sql_and_values(DbBackend::Postgres, sql, [language.into()]);
        if txn.execute_raw(set).await?.rows_affected() > 0 {
            txn.execute_raw(Statement::from_string(DbBackend::Postgres, QUEUE_ALL)).await?;
        }
        Ok(())
    };
    writer.transaction(set).await
}

/// Indexes some of the articles in the queue. Returns whether there may be more.
pub async fn index_batch(writer: &Writer) -> Result<bool> {
    if queue().one(writer.connections()).await?.is_none() {
        return Ok(false);
    }
    let index = async |txn: &Transaction| {
        // What another transaction changes at the moment is indexed after its end.
        let queue = queue().limit(BATCH).lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let ids: Vec<i32> = queue.all(txn).await?.into_iter().map(|row| row.article_id).collect();
        store(txn, documents(txn, &ids).await?).await?;
        let done = search_queue::Column::ArticleId.is_in(ids.iter().copied());
        search_queue::Entity::delete_many().filter(done).exec(txn).await?;
        Ok::<_, DbErr>(!ids.is_empty())
    };
    Ok(writer.transaction(index).await?)
}

fn queue() -> sea_orm::Select<search_queue::Entity> {
    search_queue::Entity::find().order_by_asc(search_queue::Column::ArticleId)
}

/// The texts of those of these articles that exist.
async fn documents(txn: &Transaction, ids: &[i32]) -> Result<Vec<Document>, DbErr> {
    type Row = (i32, String, String, String, Option<String>);

    let content =
        Func::cust("substr").args([article::Column::Content.into_expr(), Expr::val(1), Expr::val(MAX_READ)]);
    let articles = article::Entity::find()
        .inner_join(user::Entity)
        .select_only()
        .columns([article::Column::Id, article::Column::Title])
        .expr_as(content, "content")
        .columns([user::Column::Username, user::Column::DisplayName])
        .filter(article::Column::Id.is_in(ids.iter().copied()))
        .into_tuple::<Row>()
        .all(txn)
        .await?;
    let tags = article_tag::Entity::find()
        .inner_join(tag::Entity)
        .select_only()
        .column(article_tag::Column::ArticleId)
        .column(tag::Column::Name)
        .filter(article_tag::Column::ArticleId.is_in(ids.iter().copied()))
        .order_by_asc(article_tag::Column::Position)
        .into_tuple::<(i32, String)>()
        .all(txn)
        .await?;
    let mut documents = Vec::with_capacity(articles.len());
    for (id, title, content, username, display_name) in articles {
        let tags = tags.iter().filter(|(article, _)| *article == id).map(|(_, name)| name.as_str());
        let tags = tags.collect::<Vec<_>>().join(" ");
        let author = [Some(username), display_name].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let folded = |text: &str| folded_text(text, MAX_CONTENT);
        documents.push(Document {
            id,
            title: folded(&title),
            tags: folded(&tags),
            author: folded(&author),
            content: folded(&content),
        });
        // All tasks share one thread, and others must meet deadlines.
        yield_now().await;
    }
    Ok(documents)
}

async fn store(txn: &Transaction, documents: Vec<Document>) -> Result<(), DbErr> {
    let backend = txn.get_database_backend();
    let execute = async |sql: &str, values: Vec<Value>| {
        txn.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.map(drop)
    };
    if backend == DbBackend::Postgres {
        for document in documents {
            execute(POSTGRES, document.values().into()).await?;
        }
        return Ok(());
    }
    if documents.is_empty() {
        return Ok(());
    }
    let rows = vec!["(?, ?, ?, ?, ?)"; documents.len()].join(", ");
    let values = documents.into_iter().flat_map(Document::values).collect();
    execute(&SQLITE.replace("{rows}", &rows), values).await
}
