//! Databases with Byline's tables.

use std::env;

use sea_orm::{Database, DbBackend};
use test_support::TestDatabase;
use tokio::sync::OnceCell;

/// Creates a database with Byline's tables on the engine of this run. On PostgreSQL, it is a copy of one that
/// was migrated once per run and stays on the server.
pub(crate) async fn migrated() -> TestDatabase {
    static TEMPLATE: OnceCell<TestDatabase> = OnceCell::const_new();
    if test_support::engine() == DbBackend::Sqlite {
        let database = TestDatabase::sqlite();
        migrate(&database).await;
        return database;
    }
    let template = TEMPLATE.get_or_init(async || {
        let database = TestDatabase::postgres().await;
        let connection = database.connect().await;
        migration::up(&connection).await.unwrap();
        connection.close().await.unwrap();
        database
    });
    template.await.copy().await
}

/// Creates Byline's tables. A new SQLite database is a copy of one that was migrated once per run.
pub(crate) async fn migrate(database: &TestDatabase) {
    static SQLITE: OnceCell<Vec<u8>> = OnceCell::const_new();
    match database.engine() {
        DbBackend::Sqlite => {
            let bytes = SQLITE.get_or_init(sqlite_template).await;
            std::fs::write(database.directory().join("byline.db"), bytes).unwrap();
        }
        _ => drop(migration::up(&database.connect().await).await.unwrap()),
    }
}

/// The file of a migrated SQLite database.
async fn sqlite_template() -> Vec<u8> {
    let database = TestDatabase::sqlite();
    let connection = Database::connect(database.url()).await.unwrap();
    migration::up(&connection).await.unwrap();
    connection.close().await.unwrap();
    std::fs::read(database.directory().join("byline.db")).unwrap()
}

/// The settings that name this database: through PgBouncer, if this run has one (`.ci/with-pgbouncer`).
pub(crate) fn settings_of(database: &TestDatabase) -> Vec<(String, String)> {
    let direct = database.url();
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match (env::var("TEST_PGBOUNCER"), database.engine()) {
        (Ok(mode), DbBackend::Postgres) => {
            vec![
                setting("DATABASE_URL", &through_pgbouncer(database)),
                setting("DATABASE_DIRECT_URL", direct),
                setting("PGBOUNCER", &mode),
            ]
        }
        _ => vec![setting("DATABASE_URL", direct)],
    }
}

/// The URL of this database through PgBouncer.
pub(crate) fn through_pgbouncer(database: &TestDatabase) -> String {
    let server = env::var("TEST_PGBOUNCER_URL").unwrap();
    let (_, name) = database.url().rsplit_once('/').unwrap();
    format!("{server}/{name}")
}
