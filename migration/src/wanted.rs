//! The schema that the entities want, with additions for each engine that entity macros can't express.

use entity::{
    article, article_preview, article_revision, article_tag, audit_entry, email_token, mail, personal_token,
    rate_limit, session, slug_redirect, tag, user,
};
use sea_orm::Schema;

use migration_kit::Engine;

/// The statements that build it in an empty schema.
pub(crate) fn statements(engine: Engine) -> Vec<String> {
    let backend = engine.backend();
    let schema = Schema::new(backend);
    let mut statements = Vec::new();
    macro_rules! tables {
        ($($entity:ident),+ $(,)?) => {{
            $( statements.push(backend.build(&schema.create_table_from_entity($entity::Entity)).to_string()); )+
            $( for index in schema.create_index_from_entity($entity::Entity) {
                statements.push(backend.build(&index).to_string());
            } )+
        }};
    }
    tables!(
        user,
        article,
        session,
        personal_token,
        email_token,
        mail,
        rate_limit,
        audit_entry,
        slug_redirect,
        tag,
        article_tag,
        article_revision,
        article_preview,
    );
    let extras = match engine {
        Engine::Postgres => POSTGRES,
        Engine::Sqlite => &[],
    };
    statements.extend(ALL_ENGINES.iter().chain(extras).map(|sql| (*sql).to_owned()));
    statements
}

const ALL_ENGINES: &[&str] = &[
    "CREATE INDEX articles_created_at_id_idx ON articles (created_at DESC, id DESC)",
    "CREATE INDEX articles_author_id_created_at_id_idx ON articles (author_id, created_at DESC, id DESC)",
    "CREATE INDEX articles_published_created_at_id_idx ON articles (created_at DESC, id DESC) WHERE published",
    "CREATE INDEX articles_updated_at_id_idx ON articles (updated_at DESC, id DESC)",
    "CREATE INDEX articles_author_id_updated_at_id_idx ON articles (author_id, updated_at DESC, id DESC)",
    "CREATE INDEX articles_published_updated_at_id_idx ON articles (updated_at DESC, id DESC) WHERE published",
    "CREATE INDEX articles_published_author_id_created_at_id_idx ON articles (author_id, created_at DESC, id DESC) WHERE published",
    "CREATE INDEX articles_drafts_author_id_created_at_id_idx ON articles (author_id, created_at DESC, id DESC) WHERE NOT published",
    "CREATE INDEX articles_published_author_id_updated_at_id_idx ON articles (author_id, updated_at DESC, id DESC) WHERE published",
    "CREATE INDEX articles_drafts_author_id_updated_at_id_idx ON articles (author_id, updated_at DESC, id DESC) WHERE NOT published",
    "CREATE UNIQUE INDEX articles_slug_key ON articles (slug) WHERE published OR hidden",
    "CREATE INDEX articles_drafts_slug_author_id_id_idx ON articles (slug, author_id, id) WHERE NOT published",
    "CREATE INDEX articles_without_slug_id_idx ON articles (id) WHERE slug IS NULL",
    "CREATE INDEX articles_scheduled_at_id_idx ON articles (scheduled_at, id) WHERE scheduled_at IS NOT NULL",
    "CREATE INDEX articles_published_published_at_id_idx ON articles (published_at DESC, id DESC) WHERE published",
    "CREATE INDEX articles_published_author_id_published_at_id_idx ON articles (author_id, published_at DESC, id DESC) WHERE published",
    "CREATE INDEX articles_drafts_published_at_id_idx ON articles (published_at DESC, id DESC) WHERE NOT published AND published_at IS NOT NULL",
    "CREATE INDEX articles_drafts_author_id_published_at_id_idx ON articles (author_id, published_at DESC, id DESC) WHERE NOT published AND published_at IS NOT NULL",
    "CREATE INDEX article_tags_tag_id_article_id_idx ON article_tags (tag_id, article_id)",
    "CREATE UNIQUE INDEX article_revisions_article_id_number_key ON article_revisions (article_id, number)",
];

/// What the tables have on PostgreSQL only.
const POSTGRES: &[&str] = &[
    r#"ALTER TABLE articles RENAME CONSTRAINT "fk-articles-author_id" TO articles_author_id_fkey"#,
    "ALTER TABLE users ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now()",
    "ALTER TABLE articles ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now()",
    "ALTER TABLE articles ALTER state_id SET DEFAULT uuid_hash_extended(gen_random_uuid(), 0)",
];
