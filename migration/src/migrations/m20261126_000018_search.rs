//! Full-text search: the index, and the queue of the articles whose index is to be updated.
//!
//! Triggers put every article into the queue whose texts change, whichever program changes them, and a task of the
//! server indexes what is in it. So writes cost one row, words are folded by the same code on both engines, and
//! existing articles are indexed in batches after the migration.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::run_on;
use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct Search;

impl Migration for Search {
    fn attributes(&self) -> Attributes {
        // A release that does not know it leaves the queue alone, and the next one that does indexes it.
        Attributes::ADDITIVE
    }
}

/// A row that is in the queue already is locked, so that the task, which skips locked rows, indexes the article only
/// after the transaction that changes it has ended.
const POSTGRES: &[&str] = &[
    "CREATE TABLE search_queue (article_id integer NOT NULL, CONSTRAINT search_queue_pkey PRIMARY KEY (article_id))",
    r"CREATE TABLE search_settings (
    id integer NOT NULL,
    language character varying(20) NOT NULL,
    CONSTRAINT search_settings_pkey PRIMARY KEY (id)
)",
    "INSERT INTO search_settings (id, language) VALUES (1, 'simple')",
    r"CREATE TABLE article_search (
    article_id integer NOT NULL,
    document tsvector NOT NULL,
    CONSTRAINT article_search_pkey PRIMARY KEY (article_id),
    CONSTRAINT article_search_article_id_fkey FOREIGN KEY (article_id) REFERENCES articles(id) ON DELETE CASCADE
)",
    "CREATE INDEX article_search_document_idx ON article_search USING gin (document)",
    r"CREATE OR REPLACE FUNCTION byline_search_article() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (article_id) VALUES (NEW.id)
    ON CONFLICT (article_id) DO UPDATE SET article_id = EXCLUDED.article_id;
    RETURN NULL;
END
$$",
    "CREATE OR REPLACE TRIGGER search_article_inserted AFTER INSERT ON articles FOR EACH ROW \
     EXECUTE FUNCTION byline_search_article()",
    "CREATE OR REPLACE TRIGGER search_article_updated AFTER UPDATE ON articles FOR EACH ROW \
     WHEN (NEW.title IS DISTINCT FROM OLD.title OR NEW.content IS DISTINCT FROM OLD.content \
     OR NEW.author_id IS DISTINCT FROM OLD.author_id) EXECUTE FUNCTION byline_search_article()",
    r"CREATE OR REPLACE FUNCTION byline_search_article_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (article_id)
    SELECT id FROM articles WHERE id IN (OLD.article_id, NEW.article_id) ORDER BY id
    ON CONFLICT (article_id) DO UPDATE SET article_id = EXCLUDED.article_id;
    RETURN NULL;
END
$$",
    "CREATE OR REPLACE TRIGGER search_article_tags_changed AFTER INSERT OR UPDATE OR DELETE ON article_tags \
     FOR EACH ROW EXECUTE FUNCTION byline_search_article_tags()",
    r"CREATE OR REPLACE FUNCTION byline_search_tag() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (article_id)
    SELECT article_id FROM article_tags WHERE tag_id = NEW.id ORDER BY article_id
    ON CONFLICT (article_id) DO UPDATE SET article_id = EXCLUDED.article_id;
    RETURN NULL;
END
$$",
    "CREATE OR REPLACE TRIGGER search_tag_renamed AFTER UPDATE ON tags FOR EACH ROW \
     WHEN (NEW.name IS DISTINCT FROM OLD.name) EXECUTE FUNCTION byline_search_tag()",
    r"CREATE OR REPLACE FUNCTION byline_search_author() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (article_id)
    SELECT id FROM articles WHERE author_id = NEW.id ORDER BY id
    ON CONFLICT (article_id) DO UPDATE SET article_id = EXCLUDED.article_id;
    RETURN NULL;
END
$$",
    "CREATE OR REPLACE TRIGGER search_author_renamed AFTER UPDATE ON users FOR EACH ROW \
     WHEN (NEW.username IS DISTINCT FROM OLD.username OR NEW.display_name IS DISTINCT FROM OLD.display_name) \
     EXECUTE FUNCTION byline_search_author()",
    "ALTER TABLE articles ENABLE ALWAYS TRIGGER search_article_inserted",
    "ALTER TABLE articles ENABLE ALWAYS TRIGGER search_article_updated",
    "ALTER TABLE article_tags ENABLE ALWAYS TRIGGER search_article_tags_changed",
    "ALTER TABLE tags ENABLE ALWAYS TRIGGER search_tag_renamed",
    "ALTER TABLE users ENABLE ALWAYS TRIGGER search_author_renamed",
    "INSERT INTO search_queue (article_id) SELECT id FROM articles",
];

/// The folded texts are stored, because FTS5 removes an entry only together with the texts that it was made of. The
/// tokenizer `ascii` takes every character above U+007F as part of a word: what separates words is decided before.
const SQLITE: &[&str] = &[
    "CREATE TABLE search_queue (article_id integer NOT NULL PRIMARY KEY)",
    "CREATE TABLE article_search (article_id integer NOT NULL PRIMARY KEY, title text NOT NULL, tags text NOT NULL, \
     author text NOT NULL, content text NOT NULL, \
     FOREIGN KEY (article_id) REFERENCES articles (id) ON DELETE CASCADE)",
    "CREATE VIRTUAL TABLE article_fts USING fts5(title, tags, author, content, content='article_search', \
     content_rowid='article_id', tokenize='ascii')",
    "CREATE TRIGGER article_search_inserted AFTER INSERT ON article_search FOR EACH ROW BEGIN \
     INSERT INTO article_fts (rowid, title, tags, author, content) \
     VALUES (NEW.article_id, NEW.title, NEW.tags, NEW.author, NEW.content); END",
    "CREATE TRIGGER article_search_updated AFTER UPDATE ON article_search FOR EACH ROW BEGIN \
     INSERT INTO article_fts (article_fts, rowid, title, tags, author, content) \
     VALUES ('delete', OLD.article_id, OLD.title, OLD.tags, OLD.author, OLD.content); \
     INSERT INTO article_fts (rowid, title, tags, author, content) \
     VALUES (NEW.article_id, NEW.title, NEW.tags, NEW.author, NEW.content); END",
    "CREATE TRIGGER article_search_deleted AFTER DELETE ON article_search FOR EACH ROW BEGIN \
     INSERT INTO article_fts (article_fts, rowid, title, tags, author, content) \
     VALUES ('delete', OLD.article_id, OLD.title, OLD.tags, OLD.author, OLD.content); END",
    "CREATE TRIGGER search_article_inserted AFTER INSERT ON articles FOR EACH ROW BEGIN \
     INSERT INTO search_queue (article_id) VALUES (NEW.id) ON CONFLICT DO NOTHING; END",
    "CREATE TRIGGER search_article_updated AFTER UPDATE ON articles FOR EACH ROW \
     WHEN (NEW.title, NEW.content, NEW.author_id) IS NOT (OLD.title, OLD.content, OLD.author_id) BEGIN \
     INSERT INTO search_queue (article_id) VALUES (NEW.id) ON CONFLICT DO NOTHING; END",
    "CREATE TRIGGER search_article_tags_inserted AFTER INSERT ON article_tags FOR EACH ROW BEGIN \
     INSERT INTO search_queue (article_id) VALUES (NEW.article_id) ON CONFLICT DO NOTHING; END",
    "CREATE TRIGGER search_article_tags_updated AFTER UPDATE ON article_tags FOR EACH ROW BEGIN \
     INSERT INTO search_queue (article_id) VALUES (OLD.article_id) ON CONFLICT DO NOTHING; \
     INSERT INTO search_queue (article_id) VALUES (NEW.article_id) ON CONFLICT DO NOTHING; END",
    "CREATE TRIGGER search_article_tags_deleted AFTER DELETE ON article_tags FOR EACH ROW BEGIN \
     INSERT INTO search_queue (article_id) VALUES (OLD.article_id) ON CONFLICT DO NOTHING; END",
    "CREATE TRIGGER search_tag_renamed AFTER UPDATE ON tags FOR EACH ROW WHEN NEW.name IS NOT OLD.name BEGIN \
     INSERT INTO search_queue (article_id) SELECT article_id FROM article_tags WHERE tag_id = NEW.id \
     ON CONFLICT DO NOTHING; END",
    "CREATE TRIGGER search_author_renamed AFTER UPDATE ON users FOR EACH ROW \
     WHEN (NEW.username, NEW.display_name) IS NOT (OLD.username, OLD.display_name) BEGIN \
     INSERT INTO search_queue (article_id) SELECT id FROM articles WHERE author_id = NEW.id \
     ON CONFLICT DO NOTHING; END",
    "INSERT INTO search_queue (article_id) SELECT id FROM articles",
];

const POSTGRES_DOWN: &[&str] = &[
    "DROP TRIGGER search_author_renamed ON users",
    "DROP TRIGGER search_tag_renamed ON tags",
    "DROP TRIGGER search_article_tags_changed ON article_tags",
    "DROP TRIGGER search_article_updated ON articles",
    "DROP TRIGGER search_article_inserted ON articles",
    "DROP FUNCTION byline_search_author()",
    "DROP FUNCTION byline_search_tag()",
    "DROP FUNCTION byline_search_article_tags()",
    "DROP FUNCTION byline_search_article()",
    "DROP TABLE article_search",
    "DROP TABLE search_settings",
    "DROP TABLE search_queue",
];

const SQLITE_DOWN: &[&str] = &[
    "DROP TRIGGER search_author_renamed",
    "DROP TRIGGER search_tag_renamed",
    "DROP TRIGGER search_article_tags_deleted",
    "DROP TRIGGER search_article_tags_updated",
    "DROP TRIGGER search_article_tags_inserted",
    "DROP TRIGGER search_article_updated",
    "DROP TRIGGER search_article_inserted",
    "DROP TABLE article_fts",
    "DROP TABLE article_search",
    "DROP TABLE search_queue",
];

#[async_trait::async_trait]
impl MigrationTrait for Search {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES_DOWN).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE_DOWN).await
    }
}
