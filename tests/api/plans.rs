//! What lists and searches cost: the number of their statements, and PostgreSQL's plans for the very statements that
//! they send.

use chrono::Days;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::support::{
    SORTS, TestApp, TestDatabase, Viewer, article_body, migrate, now, read_list, search_statements,
};

/// The orders that list only what was published.
const SORTS_OF_PUBLISHED: [&str; 2] = ["-published_at", "published_at"];

fn sorts() -> impl Iterator<Item = &'static str> {
    SORTS.into_iter().chain(SORTS_OF_PUBLISHED)
}

/// Queries, and the number of statements that each costs.
const COSTS: [(&str, usize); 7] = [
    ("", 1),
    ("expand=author", 2),
    ("expand=tags", 2),
    ("expand=author,tags", 3),
    ("count=exact", 2),
    ("sort=updated_at&author=ann", 1),
    ("tag=engines&tag=mathematics", 2),
];

/// Starts a server with 50 public articles by each of two authors.
async fn start_with_a_hundred_articles() -> TestApp {
    let app = TestApp::start().await;
    for name in ["ann", "bob"] {
        let author = app.sign_up(name).await;
        for number in 0..50 {
            let mut body = article_body(&format!("{name} {number}"));
            body["tags"] = json!(["engines", "mathematics", format!("{name} {}", number % 7)]);
            author.create(&body).await;
        }
    }
    app
}

#[actix_web::test]
async fn a_list_costs_as_many_statements_for_many_rows_as_for_one() {
    let app = start_with_a_hundred_articles().await;
    for (query, cost) in COSTS {
        for limit in [1, 50] {
            let query = format!("{query}&limit={limit}");
            let read = read_list(&app, Viewer::SignedIn(1), &query, None).await;
            assert_eq!((read.articles, read.statements.len()), (Some(limit), cost), "{query}");
        }
    }
}

#[actix_web::test]
async fn a_list_that_has_not_changed_costs_no_more_than_one_that_is_sent() {
    let app = start_with_a_hundred_articles().await;
    for (query, cost) in COSTS {
        for limit in [1, 50] {
            let query = format!("{query}&limit={limit}");
            let tag = read_list(&app, Viewer::SignedIn(1), &query, None).await.tag;
            let again = read_list(&app, Viewer::SignedIn(1), &query, Some(&tag)).await;
            assert_eq!((again.articles, again.statements.len()), (None, cost), "{query}");
        }
    }
}

/// The plans of a statement: for its own values, and the generic one for all values.
async fn plans(connection: &mut PgConnection, statement: &Statement) -> [String; 2] {
    let plan = |rows: Vec<sqlx::postgres::PgRow>| {
        rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
    };
    let inlined = AssertSqlSafe(format!("EXPLAIN {statement}"));
    let own = plan(sqlx::raw_sql(inlined).fetch_all(&mut *connection).await.unwrap());
    let values = vec!["NULL"; statement.values.as_ref().map_or(0, |values| values.0.len())];
    let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
    let prepared = AssertSqlSafe(format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE page AS {}; EXPLAIN EXECUTE page{values}; DEALLOCATE page",
        statement.sql
    ));
    let generic = plan(sqlx::raw_sql(prepared).fetch_all(&mut *connection).await.unwrap());
    [own, generic]
}

/// Starts a server with 5000 articles by three authors, a tenth of them drafts.
async fn start_with_many_articles() -> TestApp {
    let database = TestDatabase::postgres().await;
    migrate(&database).await;
    let app = TestApp::on(database.into(), &[]);
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
    app.sql("UPDATE articles SET published_at = created_at WHERE id % 20 = 0").await;
    app.sql("UPDATE articles SET slug = 'title-' || id").await;
    app.sql("ANALYZE articles").await;
    app.sql("ANALYZE users").await;
    app
}

/// Every combination of order and filters.
fn list_queries() -> Vec<String> {
    let days_ago = |days| (now().date_naive() - Days::new(days)).to_string();
    let (since, until) = (format!("&since={}", days_ago(3)), format!("&until={}", days_ago(1)));
    let updated = format!("&updated_since={}&updated_until={}", days_ago(2), days_ago(1));
    let mut queries = Vec::new();
    for sort in sorts() {
        for author in ["", "&author=ann"] {
            for published in ["", "&published=true", "&published=false"] {
                queries.push(format!("limit=20&sort={sort}{author}{published}{updated}"));
                for since in ["", &since] {
                    for until in ["", &until] {
                        queries.push(format!("limit=20&sort={sort}{author}{published}{since}{until}"));
                    }
                }
            }
        }
    }
    queries
}

/// The statements of the first page, of the page after it, and of the way back from there.
async fn statements_of_three_pages(app: &TestApp, viewer: Viewer, query: &str) -> Vec<Statement> {
    let cursor = |cursor: String| format!("limit=20&cursor={cursor}");
    let first = read_list(app, viewer, query, None).await;
    let mut statements = first.statements;
    if let Some(next) = first.next {
        let second = read_list(app, viewer, &cursor(next), None).await;
        statements.extend(second.statements);
        if let Some(previous) = second.previous {
            statements.extend(read_list(app, viewer, &cursor(previous), None).await.statements);
        }
    }
    statements
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn every_page_is_read_by_an_index() {
    let app = start_with_many_articles().await;
    let mut connection = PgConnection::connect(app.database.url()).await.unwrap();

    let mut scans = Vec::new();
    let mut checked = 0;
    for viewer in [Viewer::Anonymous, Viewer::SignedIn(1), Viewer::SeesAllDrafts] {
        for query in list_queries() {
            for statement in statements_of_three_pages(&app, viewer, &query).await {
                for plan in plans(&mut connection, &statement).await {
                    checked += 1;
                    if plan.contains("Seq Scan on articles") {
                        scans.push(format!("{viewer:?} {query}:\n{plan}"));
                    }
                }
            }
        }
    }

    assert!(checked > 1000, "{checked}");
    assert!(scans.is_empty(), "{} of {checked}:\n{}", scans.len(), scans.join("\n\n"));
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_search_reads_the_index_of_words_only_if_few_articles_have_them() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    app.sql("ALTER TABLE articles DISABLE TRIGGER search_article_inserted").await;
    insert(&app, 1, true, 20_000).await;
    app.sql(
        "INSERT INTO article_search (article_id, document) \
         SELECT id, to_tsvector('simple', repeat('common words ', 50) || CASE id % 1000 WHEN 0 THEN 'rare' ELSE '' END) \
         FROM articles",
    )
    .await;
    app.sql("ANALYZE articles").await;
    // VACUUM also moves new entries of the index to their place, without which it is expensive to read.
    app.sql("VACUUM ANALYZE article_search").await;
    let mut connection = PgConnection::connect(app.database.url()).await.unwrap();
    for (query, uses_index) in [
        ("rare", true),
        ("rare common", true),
        ("absent", true),
        ("common", false),
        ("common words", false),
        ("common -rare", false),
        ("rare OR common", false),
    ] {
        let statements = search_statements(&app, &format!("q={query}")).await;
        let ranked = statements.iter().find(|statement| statement.sql.contains("ts_rank")).unwrap();
        let [plan, _] = plans(&mut connection, ranked).await;
        assert_eq!(plan.contains("article_search_document_idx"), uses_index, "{query}:\n{plan}");
        assert!(!plan.contains("Seq Scan on articles"), "{query}:\n{plan}");
    }
}

/// Inserts articles by the user with this id.
async fn insert(app: &TestApp, author: i32, published: bool, number: u32) {
    app.sql(&format!(
        "INSERT INTO articles (title, content, published, author_id, created_at, updated_at) \
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {number}) \
         SELECT 'title ' || n, '0123456789', {published}, {author}, '2026-01-01T00:00:00+00:00', \
         '2026-01-01T00:00:00+00:00' FROM n"
    ))
    .await;
}

#[actix_web::test]
async fn an_authors_list_does_not_read_over_their_drafts_nor_their_drafts_over_what_is_published() {
    let app = TestApp::start().await;
    for name in ["ann", "bob"] {
        app.sign_up(name).await;
    }
    let (ann, bob) = (1, 2);
    insert(&app, ann, true, 20).await;
    insert(&app, ann, false, 3000).await;
    insert(&app, bob, true, 3000).await;
    insert(&app, bob, false, 5).await;
    let connection = app.database.connect().await;
    let is_postgres = app.database.engine() == DbBackend::Postgres;
    if is_postgres {
        connection.execute_unprepared("ANALYZE articles").await.unwrap();
    }
    let (explain, column) = if is_postgres { ("EXPLAIN", 0) } else { ("EXPLAIN QUERY PLAN", 3) };
    // Drafts that were published once are in the indexes for the time of publication too.
    app.sql("UPDATE articles SET published_at = created_at").await;
    for sort in sorts() {
        for (viewer, query, index) in [
            (Viewer::Anonymous, "author=ann", "articles_published_author_id_"),
            (Viewer::SignedIn(bob), "author=ann&published=true", "articles_published_author_id_"),
            (Viewer::SignedIn(bob), "published=false", "articles_drafts_author_id_"),
            (Viewer::SignedIn(bob), "", "articles_drafts_author_id_"),
        ] {
            let query = format!("limit=20&sort={sort}&{query}");
            let statement = read_list(&app, viewer, &query, None).await.statements.pop().unwrap();
            let explain = Statement::from_string(app.database.engine(), format!("{explain} {statement}"));
            let rows = connection.query_all_raw(explain).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.try_get_by_index(column).unwrap()).collect();
            assert!(plan.join("\n").contains(index), "{viewer:?} {query}:\n{}", plan.join("\n"));
        }
    }
}
