//! The schema of the bookshelf: entities, migrations, and the names that the kit needs.

mod book;
mod migrations;
mod shelf;

use migration_kit::{Engine, Migrator, cli::SourcePaths};
use sea_orm::Schema;

/// The migrations and the names that the program uses in the database.
pub(crate) fn migrator() -> Migrator {
    Migrator {
        program: "bookshelf",
        version: env!("CARGO_PKG_VERSION"),
        ledger: "bookshelf_migrations",
        lock_key: "bookshelf_migrations",
        migrations: migrations::all(),
        wanted,
        adoption: Box::new(()),
    }
}

/// Where `new` and `diff --write` write migrations, from the root of the repository.
pub(crate) fn source() -> SourcePaths {
    SourcePaths {
        crate_directory: "migration-kit/examples/bookshelf".into(),
        migrations: "schema/migrations".into(),
    }
}

/// The statements that build the schema of the entities in an empty schema.
fn wanted(engine: Engine) -> Vec<String> {
    let backend = engine.backend();
    let schema = Schema::new(backend);
    vec![
        backend.build(&schema.create_table_from_entity(shelf::Entity)).to_string(),
        backend.build(&schema.create_table_from_entity(book::Entity)).to_string(),
        // Entity macros can't express the order of an index.
        "CREATE INDEX books_newest_first ON books (year DESC, id DESC)".to_owned(),
    ]
}
