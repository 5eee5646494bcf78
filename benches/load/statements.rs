//! The SQL statements that Byline sends, as text for sqlx and pgbench.

use byline::config::Engine;
use entity::{Visibility, article, user};
use sea_orm::{
    ColumnTrait as _, DbBackend, EntityTrait as _, Insert, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Set,
    prelude::DateTimeUtc,
    sea_query::{Expr, ExprTrait as _},
};

/// The statements, with the same parameters as those of the ORM. Each field lists its parameters in order.
pub(crate) struct Statements {
    /// id, limit
    pub(crate) read: &'static str,
    /// limit, offset
    pub(crate) list: &'static str,
    /// id, limit
    pub(crate) author: &'static str,
    /// title, content, published, author, created, updated, version, state
    pub(crate) create: &'static str,
    /// title, updated, increment of the version, state, id, author, title
    pub(crate) edit: &'static str,
}

impl Statements {
    pub(crate) fn of(engine: Engine) -> Self {
        let backend = match engine {
            Engine::Postgres => DbBackend::Postgres,
            Engine::Sqlite => DbBackend::Sqlite,
        };
        let visible = || article::Entity::visible_to(Visibility::Published);
        let read = visible().filter(article::Column::Id.eq(1)).limit(1);
        let list = visible().order_by_desc(article::Column::CreatedAt).order_by_desc(article::Column::Id);
        let list = list.limit(1).offset(0);
        let author = user::Entity::find_by_id(1).limit(1);
        let row = article::ActiveModel {
            title: Set(String::new()),
            content: Set(String::new()),
            published: Set(true),
            author_id: Set(1),
            created_at: Set(DateTimeUtc::UNIX_EPOCH.into()),
            updated_at: Set(DateTimeUtc::UNIX_EPOCH.into()),
            version: Set(1),
            state_id: Set(0),
            slug: Set(Some(String::new())),
            format: Set(String::new()),
            published_at: Set(Some(DateTimeUtc::UNIX_EPOCH.into())),
            ..Default::default()
        };
        let create = Insert::one(row).build(backend).sql;
        let edit = article::Entity::update_many()
            .filter(article::Column::Id.eq(1))
            .filter(article::Column::AuthorId.eq(1))
            .filter(article::Column::Title.ne(""))
            .col_expr(article::Column::Title, Expr::val(""))
            .col_expr(article::Column::UpdatedAt, Expr::val(DateTimeUtc::UNIX_EPOCH))
            .col_expr(article::Column::Version, article::Column::Version.into_expr().add(1))
            .col_expr(article::Column::StateId, Expr::val(0_i64))
            .build(backend)
            .sql;
        let columns = "id, title, content, published, author_id, created_at, updated_at, version, state_id, slug, \
                       format, published_at, scheduled_at";
        // Leaked, because they are used until the process ends.
        Self {
            read: read.build(backend).sql.leak(),
            list: list.build(backend).sql.leak(),
            author: author.build(backend).sql.leak(),
            create: format!("{create} RETURNING {columns}").leak(),
            edit: format!("{edit} RETURNING {columns}").leak(),
        }
    }

    /// `read` as a script for pgbench, with random ids from 1 to `:ids`.
    pub(crate) fn read_for_pgbench(&self) -> String {
        let statement = self.read.replace("$1", ":id").replace("$2", "1");
        format!("\\set id random(1, :ids)\n{statement};\n")
    }
}
