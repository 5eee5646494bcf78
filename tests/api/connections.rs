//! The budget of database connections: kept to with any number of workers, enough to start with, and given back at the end.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use actix_web::{http::StatusCode, rt::time::sleep};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};

use crate::support::{Installation, Published, ServerProcess, TestDatabase, wait_until};

/// With cheap passwords and long timeouts: here a busy machine is no failure.
const COMMON: [(&str, &str); 3] =
    [("BCRYPT_COST", "4"), ("ACQUIRE_TIMEOUT_SECONDS", "25"), ("REQUEST_TIMEOUT_SECONDS", "30")];

async fn home(settings: &[(&str, &str)]) -> Installation {
    Installation::new().await.set(&COMMON).set(settings)
}

/// Reads, writes and signs in, on as many HTTP connections as keep every worker busy.
async fn works(server: &ServerProcess, name: &str) {
    let author = server.client().sign_up(name).await;
    let authors = (0..32).map(|_| async {
        let article = author.write(Published::Yes).await;
        author.get(&article.path()).await.expect(StatusCode::OK);
        server.client().get("/articles/").await.expect(StatusCode::OK);
    });
    join_all(authors).await;
    let ready = server.client().get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::OK, "{}", server.output());
}

/// How many connections of Byline the database counts.
async fn counted(database: &TestDatabase) -> i64 {
    counted_by(&database.connect().await).await
}

async fn counted_by(db: &DatabaseConnection) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'byline' AND datname = current_database()";
    let row =
        db.query_one_raw(Statement::from_string(db.get_database_backend(), count)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[actix_web::test]
async fn the_defaults_serve_on_any_number_of_cores() {
    for workers in ["1", "64", "128"] {
        let home = home(&[("WORKERS", workers)]).await;
        works(&home.serve(&[]), "ann").await;
    }
}

#[actix_web::test]
async fn a_budget_smaller_than_the_number_of_workers_serves_all_the_same() {
    for connections in ["1", "2", "3"] {
        let home = home(&[("WORKERS", "5"), ("DATABASE_CONNECTIONS", connections)]).await;
        works(&home.serve(&[]), "ann").await;
    }
}

/// Counts a server's connections while it works. It must use more than half of them: a worker that serves
/// nobody opens none.
async fn stays_within_its_budget(workers: &str, connections: i64) {
    let budget = connections.to_string();
    let home = home(&[("WORKERS", workers), ("DATABASE_CONNECTIONS", &budget)]).await;
    let server = home.serve(&[]);
    let db = home.database.connect().await;
    let watch = async {
        let mut most = 0;
        for _ in 0..50 {
            most = most.max(counted_by(&db).await);
            sleep(Duration::from_millis(20)).await;
        }
        most
    };
    let (most, ()) = futures_util::future::join(watch, works(&server, "ann")).await;
    let most = most.max(counted_by(&db).await);
    assert!(most <= connections, "{most} of {connections} with {workers} workers");
    assert!(most > connections / 2, "{most} of {connections} with {workers} workers");
    db.close().await.unwrap();
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_never_has_more_connections_than_its_budget() {
    for (workers, connections) in [("5", 16), ("64", 16), ("4", 1), ("4", 2), ("4", 3), ("1", 7), ("8", 9)] {
        stays_within_its_budget(workers, connections).await;
    }
}

#[cfg(feature = "long-tests")]
#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn no_budget_from_1_to_16_is_exceeded_with_1_to_8_workers() {
    for connections in 1..=16 {
        for workers in ["1", "2", "3", "4", "5", "6", "7", "8"] {
            stays_within_its_budget(workers, connections).await;
        }
    }
}

/// A role that is not a superuser, owns the database of `home`, and is the user of its settings.
struct Role {
    name: String,
    admin: DatabaseConnection,
}

impl Role {
    async fn owner_of(home: Installation) -> (Self, Installation) {
        let admin = home.database.connect().await;
        let url = home.database.url().to_owned();
        let (server, database) = url.rsplit_once('/').unwrap();
        let name = format!("role_{database}");
        for statement in [
            format!("CREATE ROLE {name} LOGIN PASSWORD 'x'"),
            format!("ALTER DATABASE {database} OWNER TO {name}"),
        ] {
            admin.execute_unprepared(&statement).await.unwrap();
        }
        let (_, host) = server.rsplit_once('@').unwrap();
        let home = home.set(&[("DATABASE_URL", &format!("postgres://{name}:x@{host}/{database}"))]);
        (Self { name, admin }, home)
    }

    /// Limits the connections of the role; -1 is no limit.
    async fn limit(&self, connections: i32) {
        let limit = format!("ALTER ROLE {} CONNECTION LIMIT {connections}", self.name);
        self.admin.execute_unprepared(&limit).await.unwrap();
    }

    async fn remove(self) {
        for statement in ["REASSIGN OWNED BY %s TO CURRENT_USER", "DROP OWNED BY %s", "DROP ROLE %s"] {
            self.admin.execute_unprepared(&statement.replace("%s", &self.name)).await.unwrap();
        }
        self.admin.close().await.unwrap();
    }
}

/// The lines about refused connections that requests wrote. Background tasks write lines of their own.
fn refusals_of_requests(server: &ServerProcess) -> Vec<String> {
    let output = server.output();
    let lines =
        output.lines().filter(|line| line.contains("too many connections") && line.contains("request{"));
    lines.map(ToOwned::to_owned).collect()
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_refused_connection_is_logged_at_once_and_waited_for() {
    let (role, home) = Role::owner_of(home(&[("CACHE_BYTES", "0")]).await).await;
    let server = home.serve(&[]);
    role.limit(0).await;
    let client = server.client();
    let asked = Instant::now();
    let request = client.get("/articles/");
    let refusal = async {
        wait_until("the refusal is logged", async || !refusals_of_requests(&server).is_empty()).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "logged after {:?}", asked.elapsed());
        role.limit(-1).await;
    };
    let (response, ()) = futures_util::future::join(request, refusal).await;
    response.expect(StatusCode::OK);
    assert_eq!(refusals_of_requests(&server).len(), 1, "{}", server.output());
    drop(server);
    role.remove().await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_refusal_that_lasts_is_the_cause_in_the_log_and_not_a_timeout() {
    let (role, home) = Role::owner_of(home(&[("CACHE_BYTES", "0")]).await).await;
    let home = home.set(&[("ACQUIRE_TIMEOUT_SECONDS", "1")]);
    let server = home.serve(&[]);
    role.limit(0).await;
    server.client().get("/articles/").await.expect(StatusCode::SERVICE_UNAVAILABLE);
    wait_until("the request is logged", async || server.output().contains("status=503")).await;
    let output = server.output();
    assert_eq!(refusals_of_requests(&server).len(), 2, "{output}");
    assert!(!output.to_lowercase().contains("timed out"), "{output}");
    drop(server);
    role.remove().await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn migrations_need_two_connections_at_most() {
    let (role, home) = Role::owner_of(home(&[]).await).await;
    role.limit(2).await;
    for command in [
        "up --rehearse",
        "up",
        "status",
        "check",
        "diff",
        "down --yes",
        "up",
        "fresh --confirm",
        "reset --confirm",
    ] {
        let mut arguments = vec!["migrate"];
        arguments.extend(command.split(' '));
        if command.ends_with("--confirm") {
            arguments.push(home.database.url().rsplit_once('/').unwrap().1);
        }
        home.succeed(&arguments);
    }
    role.remove().await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_single_connection_leaves_none_for_the_cache_and_the_log_says_so() {
    let home = home(&[("DATABASE_CONNECTIONS", "1")]).await;
    let mut server = home.serve(&[]);
    server.client().get("/health/ready").await.expect(StatusCode::OK);
    server.terminate();
    server.wait().await;
    assert_eq!(server.output().matches("the cache is off").count(), 1, "{}", server.output());
}

#[actix_web::test]
async fn a_clean_stop_closes_all_connections() {
    let home = home(&[("WORKERS", "3")]).await;
    let mut server = home.serve(&[]);
    works(&server, "ann").await;
    server.terminate();
    assert!(server.wait().await.success());
    if home.database.engine() == DbBackend::Postgres {
        assert_eq!(counted(&home.database).await, 0);
    } else {
        assert_eq!(files(&home.path("data")), ["byline.db", "secret_key"]);
    }
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
