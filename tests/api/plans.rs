//! What lists cost: PostgreSQL's plans for the very statements that they send.

use std::sync::Mutex;

use byline::{
    db::Connections,
    http::{
        conditional::{Conditional, Conditions},
        validation::{Extractor, FieldErrors, Members},
    },
    publishing::articles::list::list_articles,
};
use chrono::Days;
use entity::Visibility;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::{
    lists::SORTS,
    support::{Place, TestApp, not_run},
};

/// A connection that remembers what it is asked.
struct Noting<'a>(&'a Connections, Mutex<Vec<Statement>>);

#[async_trait::async_trait]
impl ConnectionTrait for Noting<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.1.lock().unwrap().push(statement.clone());
        self.0.query_all_raw(statement).await
    }
}

/// The plans of a statement: for these very values, and the one that is kept for all values.
async fn plans(connection: &mut PgConnection, statement: &Statement) -> [String; 2] {
    let plan = |rows: Vec<sqlx::postgres::PgRow>| {
        rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
    };
    let inlined = AssertSqlSafe(format!("EXPLAIN {statement}"));
    let own = plan(sqlx::raw_sql(inlined).fetch_all(&mut *connection).await.unwrap());
    let values = vec!["NULL"; statement.values.as_ref().map_or(0, |values| values.0.len())];
    let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
    let generic = AssertSqlSafe(format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE page AS {}; EXPLAIN EXECUTE page{values}; DEALLOCATE page",
        statement.sql
    ));
    let kept = plan(sqlx::raw_sql(generic).fetch_all(&mut *connection).await.unwrap());
    [own, kept]
}

#[actix_web::test]
async fn every_page_is_read_by_an_index() {
    if !Place::is_postgres() {
        not_run("the plans of lists", "needs PostgreSQL, whose plans they are; set TEST_DATABASE_URL");
        return;
    }
    let app = TestApp::start().await;
    for name in ["ann", "bob", "eve"] {
        app.sign_up(name).await;
    }
    app.sql(
        "INSERT INTO articles (title, content, published, author_id, created_at, updated_at) \
         SELECT 'title ' || n, repeat('word ', 200), n % 10 <> 0, 1 + n % 3, \
                now() - n * interval '1 minute', now() - (n * 7919 % 5000) * interval '1 minute' \
         FROM generate_series(1, 5000) AS n",
    )
    .await;
    app.sql("ANALYZE articles").await;
    app.sql("ANALYZE users").await;
    let mut connection = PgConnection::connect(app.settings.database.url.expose()).await.unwrap();
    let days_ago = |days| (app.now().date_naive() - Days::new(days)).to_string();
    let (since, until) = (format!("&since={}", days_ago(3)), format!("&until={}", days_ago(1)));

    let mut scans = Vec::new();
    let mut seen = 0;
    for sight in [Visibility::Published, Visibility::PublishedAndOwn(1), Visibility::All] {
        for sort in SORTS {
            for author in ["", "&author=ann"] {
                for published in ["", "&published=true", "&published=false"] {
                    for (since, until) in [
                        ("", ""),
                        (since.as_str(), ""),
                        ("", until.as_str()),
                        (since.as_str(), until.as_str()),
                    ] {
                        let list = format!("limit=20&sort={sort}{author}{published}{since}{until}");
                        let mut queries = vec![list.clone()];
                        let mut at = 0;
                        while let Some(query) = queries.get(at).cloned() {
                            let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
                            let filter = Extractor::extract(
                                "query",
                                Members::Pairs(&pairs),
                                &app.state.http.limits,
                                &mut FieldErrors::default(),
                            );
                            let noting = Noting(&app.db.reader, Mutex::new(Vec::new()));
                            let page =
                                list_articles(&noting, sight, filter.unwrap(), &Conditions::default()).await;
                            let Ok(Conditional::Modified(page, _)) = page else { panic!("{query}") };
                            if at < 2 {
                                let cursors =
                                    if at == 0 { page.neighbours.next } else { page.neighbours.previous };
                                queries.extend(cursors.map(|cursor| format!("limit=20&cursor={cursor}")));
                            }
                            for statement in noting.1.into_inner().unwrap() {
                                for plan in plans(&mut connection, &statement).await {
                                    seen += 1;
                                    if plan.contains("Seq Scan on articles") {
                                        scans.push(format!("{sight:?} {list} (page {at}):\n{plan}"));
                                    }
                                }
                            }
                            at += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(seen > 1000, "{seen}");
    assert!(scans.is_empty(), "{} of {seen}:\n{}", scans.len(), scans.join("\n\n"));
}
