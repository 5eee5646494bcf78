//! One database per test, for the tests of every crate.
//!
//! A run uses SQLite, or PostgreSQL if `TEST_DATABASE_URL` names a server on which databases may be created.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose database fails has failed")]

use std::{env, path::Path, thread};

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend};
use tempfile::TempDir;
use tokio::runtime::Builder;
use uuid::Uuid;

/// An empty database in a directory of its own. Dropping it deletes both.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    directory: TempDir,
    on_server: Option<OnServer>,
}

/// A database of a PostgreSQL server.
#[derive(Debug)]
struct OnServer {
    server: String,
    name: String,
}

impl TestDatabase {
    /// Creates a database on the engine of this run.
    ///
    /// # Panics
    /// If `TEST_DATABASE_URL` is set and its server cannot be reached.
    pub async fn create() -> Self {
        if server().is_some() { Self::postgres().await } else { Self::sqlite() }
    }

    /// Creates a SQLite database, whatever the engine of this run is.
    ///
    /// # Panics
    /// If there is no temporary directory.
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", directory.path().join("byline.db").display());
        Self { url, directory, on_server: None }
    }

    /// Creates a PostgreSQL database. A test that calls this is `#[ignore = "needs PostgreSQL"]`.
    ///
    /// # Panics
    /// If `TEST_DATABASE_URL` is not set or its server cannot be reached.
    pub async fn postgres() -> Self {
        Self::on_server("").await
    }

    /// Creates a copy of this PostgreSQL database, to which nothing may be connected.
    ///
    /// # Panics
    /// If this is a SQLite database, or something is connected.
    pub async fn copy(&self) -> Self {
        let OnServer { name, .. } = self.on_server.as_ref().expect("a PostgreSQL database");
        Self::on_server(&format!("TEMPLATE {name}")).await
    }

    async fn on_server(options: &str) -> Self {
        let server = server().expect("TEST_DATABASE_URL is not set; .ci/with-postgres sets it");
        let name = format!("byline_test_{}", Uuid::new_v4().simple());
        let admin = connect(&server).await;
        admin.execute_unprepared(&format!("CREATE DATABASE {name} {options}")).await.unwrap();
        admin.close().await.unwrap();
        let (base, query) = server.split_at(server.find('?').unwrap_or(server.len()));
        let (root, _) = base.rsplit_once('/').expect("TEST_DATABASE_URL names no database");
        let url = format!("{root}/{name}{query}");
        Self { url, directory: tempfile::tempdir().unwrap(), on_server: Some(OnServer { server, name }) }
    }

    /// The engine of this database.
    pub fn engine(&self) -> DbBackend {
        if self.on_server.is_some() { DbBackend::Postgres } else { DbBackend::Sqlite }
    }

    /// The URL of this database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory, which holds SQLite's file and is otherwise empty.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Connects to this database, independently of any other connection.
    ///
    /// # Panics
    /// If the database cannot be reached.
    pub async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(OnServer { server, name }) = self.on_server.take() else { return };
        // The runtime of the test cannot be waited for here, so another thread has one of its own.
        let dropped = thread::spawn(move || {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let drop_database = format!("DROP DATABASE {name} WITH (FORCE)");
                connect(&server).await.execute_unprepared(&drop_database).await.unwrap();
            });
        });
        assert!(dropped.join().is_ok() || thread::panicking(), "the database of a test could not be dropped");
    }
}

/// The engine of this run.
pub fn engine() -> DbBackend {
    if server().is_some() { DbBackend::Postgres } else { DbBackend::Sqlite }
}

/// The PostgreSQL server of this run.
fn server() -> Option<String> {
    env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(2).sqlx_logging(false);
    Database::connect(options).await.expect("the database of a test cannot be reached")
}
