//! A database of its own for each test, dropped when the test ends.

use std::sync::atomic::{AtomicU32, Ordering};

use migration_kit::Engine;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// An empty database that is dropped with this value.
pub(crate) struct TestDatabase {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    pub(crate) db: DatabaseConnection,
    name: String,
    _folder: tempfile::TempDir,
}

impl TestDatabase {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("test.db").display());
        Self { engine: Engine::Sqlite, db: connect(&url).await, url, name: String::new(), _folder: folder }
    }

    /// On the server that `TEST_DATABASE_URL` names, for tests that are ignored unless there is one.
    pub(crate) async fn postgres() -> Self {
        Self::on_server(&server().expect("TEST_DATABASE_URL must name a PostgreSQL server")).await
    }

    /// One on SQLite, and one on PostgreSQL if `TEST_DATABASE_URL` is set.
    pub(crate) async fn on_each_engine() -> Vec<Self> {
        let mut databases = vec![Self::sqlite().await];
        if let Some(server) = server() {
            databases.push(Self::on_server(&server).await);
        }
        databases
    }

    async fn on_server(server: &str) -> Self {
        let name = format!("test_kit_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(server).await;
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let (base, query) = server.split_once('?').unwrap_or((server, ""));
        let base = base.rsplit_once('/').unwrap().0;
        let url = format!("{base}/{name}{}{query}", if query.is_empty() { "" } else { "?" });
        let folder = tempfile::tempdir().unwrap();
        Self { engine: Engine::Postgres, db: connect(&url).await, url, name, _folder: folder }
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.db.execute_unprepared(sql).await.unwrap();
    }

    /// The first column of every row, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.db.query_all_raw(Statement::from_string(self.engine.backend(), sql)).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect()
    }

    /// The first column of the first row.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let row = self.db.query_one_raw(Statement::from_string(self.engine.backend(), sql)).await.unwrap();
        row.unwrap().try_get_by_index::<i64>(0).unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // Blocking on the test's own runtime would deadlock.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                connect(&server().unwrap()).await.execute_unprepared(&sql).await.unwrap()
            });
        });
        assert!(
            dropped.join().is_ok() || std::thread::panicking(),
            "the test's database could not be dropped"
        );
    }
}

fn server() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(2).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}
