//! Taking over the database of a FastAPI blog, with its `.env`, its users' passwords and the tokens it
//! issued.

use std::fs;

use actix_web::http::StatusCode;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::{
    Installation, Published, ServerProcess, TestDatabase, now, registration, sign_token_with, stderr,
};

/// The key of the old blog.
const KEY: &str = "7d1f0c4b9a2e4f8d8c35be60a1f7d92e";

/// The users of `fixture.sql`, with the passwords that its comments name.
const USERS: [(i64, &str, &str); 3] = [
    (1, "ada", "ada-password-1"),
    (2, "Бjörn😀", "пароль ünïcödé 😀"),
    (3, "long.password", "01234567890123456789012345678901234567890123456789012345678901234567890123456789"),
];

/// Tables and an index that are neither Byline's nor the old blog's.
const FOREIGN_TABLES: &str = "
    CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
    INSERT INTO alembic_version VALUES ('4f1d2a9c77b0');
    CREATE TABLE newsletter (id serial PRIMARY KEY, user_id integer REFERENCES users (id), topic text NOT NULL DEFAULT 'all');
    INSERT INTO newsletter (user_id, topic) VALUES (1, 'weekly'), (3, 'monthly');
    CREATE INDEX newsletter_topic_idx ON newsletter (topic);
    CREATE INDEX ix_articles_title ON articles (title);
";

/// The database of the old blog, and its `.env` in the directory where Byline runs.
struct Blog {
    installation: Installation,
    db: DatabaseConnection,
}

impl Blog {
    /// Creates the database. `change` is SQL that the blog's owner ran.
    async fn restore(change: &str) -> Self {
        let database = TestDatabase::postgres().await;
        // The dumps leave their connection without a search path.
        let loading = database.connect().await;
        for dump in [include_str!("../contract/schema.sql"), include_str!("../contract/fixture.sql")] {
            loading.execute_unprepared(dump).await.unwrap();
        }
        loading.close().await.unwrap();
        let db = database.connect().await;
        db.execute_unprepared(FOREIGN_TABLES).await.unwrap();
        db.execute_unprepared(change).await.unwrap();

        let url = database.url().replacen("postgres://", "postgresql+asyncpg://", 1);
        let dotenv = format!(
            "# The blog\nAPP_NAME=My $mall Blog # ours\nDEBUG=False\nDATABASE_URL={url}?ssl=disable\nSECRET_KEY=\"{KEY}\"\n\
             ALGORITHM=HS256\nACCESS_TOKEN_EXPIRE_MINUTES=30\nBACKEND_CORS_ORIGINS=[\"http://localhost:3000\"]\n"
        );
        let installation = Installation::on(database).unset("DATABASE_URL");
        fs::write(installation.path(".env"), dotenv).unwrap();
        Self { installation, db }
    }

    /// The rows of a query, as JSON text.
    async fn rows(&self, query: &str) -> Vec<String> {
        let query = format!("SELECT to_jsonb(row)::text AS row FROM ({query}) AS row");
        let rows = self.db.query_all_raw(Statement::from_string(self.db.get_database_backend(), query)).await;
        rows.unwrap().iter().map(|row| row.try_get("", "row").unwrap()).collect()
    }

    /// Everything that Byline must leave alone: the old columns, foreign tables, sequences, indexes and
    /// constraints.
    async fn old_contents(&self) -> Vec<Vec<String>> {
        let mut contents = Vec::new();
        for query in [
            "SELECT id, email, username, hashed_password, created_at, updated_at FROM users ORDER BY id",
            "SELECT id, title, content, published, author_id, created_at, updated_at FROM articles ORDER BY id",
            "SELECT * FROM alembic_version",
            "SELECT * FROM newsletter ORDER BY id",
            "SELECT last_value, is_called FROM articles_id_seq",
            "SELECT last_value, is_called FROM users_id_seq",
            "SELECT table_name, column_name, data_type, column_default, is_nullable, character_maximum_length
                FROM information_schema.columns
                WHERE table_name IN ('users', 'articles', 'newsletter', 'alembic_version') AND column_name NOT IN ('email_key', 'version', 'state_id',
                    'hidden', 'is_admin', 'is_active', 'is_email_confirmed', 'display_name', 'bio', 'image', 'sessions_ended_at',
                    'slug', 'format', 'excerpt', 'published_at', 'scheduled_at')
                ORDER BY table_name, column_name",
            "SELECT indexdef FROM pg_indexes WHERE tablename IN ('newsletter', 'alembic_version') ORDER BY indexname",
            "SELECT indexdef FROM pg_indexes WHERE indexname IN ('ix_articles_title', 'users_pkey', 'users_email_key',
                'users_username_key', 'articles_pkey') ORDER BY indexname",
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
                AND conrelid::regclass::text IN ('users', 'articles', 'newsletter', 'alembic_version') ORDER BY conname",
        ] {
            let rows = self.rows(query).await;
            assert!(!rows.is_empty(), "{query}");
            contents.push(rows);
        }
        contents
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_start_does_not_take_a_database_over() {
    let blog = Blog::restore("").await;
    let before = blog.old_contents().await;
    let message = blog.installation.fail(&[]);
    assert!(message.contains("byline migrate up"), "{message}");
    assert_eq!(blog.old_contents().await, before);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_takeover_leaves_everything_as_it_was() {
    let blog = Blog::restore("").await;
    let before = blog.old_contents().await;
    blog.installation.succeed(&["migrate", "up"]);
    assert_eq!(blog.old_contents().await, before);
    blog.installation.serve(&[]).client().get("/articles/").await.expect(StatusCode::OK);
    assert_eq!(blog.old_contents().await, before);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_second_takeover_changes_nothing() {
    let blog = Blog::restore("").await;
    let before = blog.old_contents().await;
    blog.installation.succeed(&["migrate", "up"]);
    let output = blog.installation.succeed(&["migrate", "up"]);
    assert!(!output.contains("hidden"), "{output}");
    assert_eq!(blog.old_contents().await, before);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_takeover_says_how_many_drafts_it_hides_and_hides_them() {
    let blog = Blog::restore("").await;
    let output = blog.installation.succeed(&["migrate", "up"]);
    assert!(output.contains("4 drafts become hidden"), "{output}");

    let server = blog.installation.serve(&[]);
    let list = server.client().get("/articles/").await.expect(StatusCode::OK);
    let visible: Vec<i64> =
        list.as_array().unwrap().iter().map(|article| article["id"].as_i64().unwrap()).collect();
    assert_eq!(visible, [11, 9, 8, 6, 4, 2, 1, 12]);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn with_public_drafts_every_article_reads_byte_for_byte_as_before() {
    let blog = Blog::restore("").await;
    blog.installation.succeed(&["migrate", "up"]);
    let installation = blog.installation.set(&[("PUBLIC_DRAFTS", "true")]);
    let server = installation.serve(&[]);

    let mut shown = Vec::new();
    for article in include_str!("../contract/articles.jsonl").lines() {
        let recorded = serde_json::from_str::<Value>(article).unwrap();
        let text = server.client().get(&format!("/articles/{}", recorded["id"])).await.text().to_owned();
        let additions = text.strip_prefix(article.strip_suffix('}').unwrap()).unwrap();
        let additions: Value = serde_json::from_str(&additions.replacen(',', "{", 1)).unwrap();
        let members: Vec<&String> = additions.as_object().unwrap().keys().collect();
        assert_eq!(members, ["slug", "format", "published_at", "scheduled_at"]);
        assert_eq!((&additions["format"], &additions["scheduled_at"]), (&json!("plain"), &Value::Null));
        let published_at = if recorded["published"] == true { &recorded["created_at"] } else { &Value::Null };
        assert_eq!(&additions["published_at"], published_at);
        shown.push(text);
    }
    assert_eq!(server.client().get("/articles/").await.text(), format!("[{}]", shown.join(",")));
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn every_user_signs_in_with_the_old_password_and_no_other() {
    let blog = Blog::restore("").await;
    blog.installation.succeed(&["migrate", "up"]);
    let server = blog.installation.serve(&[]);

    for (id, name, password) in USERS {
        let user = server.client().sign_in(name, password).await;
        let me = user.get("/users/me").await.expect(StatusCode::OK);
        assert_eq!((&me["id"], &me["username"]), (&json!(id), &json!(name)));
        let wrong = server.client().log_in(name, &format!("x{password}")).await;
        wrong.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn of_a_long_password_the_first_72_bytes_count() {
    let blog = Blog::restore("").await;
    blog.installation.succeed(&["migrate", "up"]);
    let (_, name, password) = USERS[2];
    blog.installation.serve(&[]).client().sign_in(name, &password[..72]).await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_token_of_the_old_blog_lets_its_user_continue() {
    let blog = Blog::restore("").await;
    blog.installation.succeed(&["migrate", "up"]);
    let server = blog.installation.serve(&[]);

    // The old blog issued exactly these two claims, HS256.
    let token = sign_token_with(KEY, &json!({ "sub": "2", "exp": now().timestamp() + 60 }));
    let bjoern = server.client().with_token(&token);
    assert_eq!(bjoern.get("/articles/3").await.expect(StatusCode::OK)["published"], false);
    let edited = bjoern.patch("/articles/3", &json!({ "published": true })).await.expect(StatusCode::OK);
    assert_eq!(edited["created_at"], "2024-03-03T00:00:00.100000Z");
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn new_rows_get_the_next_ids() {
    let blog = Blog::restore("").await;
    blog.installation.succeed(&["migrate", "up"]);
    let server = blog.installation.another().set(&[("REGISTRATION", "open")]).serve(&[]);
    let newcomer = server.client().sign_up("newcomer").await;
    assert_eq!(newcomer.id, 4);
    assert_eq!(newcomer.write(Published::Yes).await.id, 13);
}

/// A second account whose address differs from ada's by case only, which the old blog allowed.
const TWIN: &str = "INSERT INTO users (email, username, hashed_password)
    SELECT 'ADA@Example.com', 'twin', hashed_password FROM users WHERE id = 1";

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn addresses_that_differ_by_case_only_are_taken_over() {
    let blog = Blog::restore(TWIN).await;
    let before = blog.old_contents().await;
    blog.installation.succeed(&["migrate", "up"]);
    assert_eq!(blog.old_contents().await, before);
    assert_eq!(
        blog.rows("SELECT username, email_key FROM users ORDER BY id").await,
        [
            r#"{"username": "ada", "email_key": "ada@example.com"}"#,
            r#"{"username": "Бjörn😀", "email_key": "bjoern@example.com"}"#,
            r#"{"username": "long.password", "email_key": "long+tag@example.com"}"#,
            r#"{"username": "twin", "email_key": null}"#,
        ]
    );
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn accounts_with_the_same_address_keep_working_and_no_third_one_is_accepted() {
    let blog = Blog::restore(TWIN).await;
    blog.installation.succeed(&["migrate", "up"]);
    let server = blog.installation.another().set(&[("REGISTRATION", "open")]).serve(&[]);
    for (name, email) in [("ada", "ada@example.com"), ("twin", "ADA@Example.com")] {
        let user = server.client().sign_in(name, "ada-password-1").await;
        assert_eq!(user.get("/users/me").await.expect(StatusCode::OK)["email"], email);
        user.write(Published::Yes).await;
    }
    let body = json!({ "email": "Ada@example.com", "username": "third", "password": "long enough" });
    let answer = server.client().post("/auth/register", &body).await;
    answer.expect_error(StatusCode::CONFLICT, "Email already registered");
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn tables_that_are_not_the_old_blogs_are_refused() {
    for (change, word) in [
        ("ALTER TABLE articles ALTER COLUMN title TYPE varchar(100) USING left(title, 100)", "title"),
        ("ALTER TABLE articles DROP COLUMN published", "published"),
        ("ALTER TABLE users DROP CONSTRAINT users_username_key", "username"),
        ("ALTER TABLE articles ALTER COLUMN author_id DROP NOT NULL", "author_id"),
    ] {
        let blog = Blog::restore(change).await;
        let message = blog.installation.fail(&["migrate", "up"]);
        assert!(message.contains(word), "{change}: {message}");
        let columns =
            blog.rows("SELECT 1 FROM information_schema.columns WHERE column_name = 'email_key'").await;
        assert_eq!(columns, [""; 0], "{change}: a part was taken over");
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn rows_with_times_that_cannot_be_shown_are_reported_and_served() {
    let blog = Blog::restore(
        "UPDATE articles SET created_at = 'infinity' WHERE id = 11;
         UPDATE articles SET updated_at = '-infinity', created_at = '0044-03-15 BC' WHERE id = 9;
         UPDATE articles SET created_at = '12026-01-01' WHERE id = 8;
         UPDATE users SET created_at = 'infinity' WHERE id = 1",
    )
    .await;
    let before = blog.old_contents().await;
    let output = blog.installation.succeed(&["migrate", "up"]);
    assert!(output.contains("a time of users 1 is infinite"), "{output}");
    assert!(output.contains("a time of articles 8, 9, 11 is infinite"), "{output}");
    assert_eq!(blog.old_contents().await, before);

    let server = blog.installation.serve(&[]);
    let list = server.client().get("/articles/").await.expect(StatusCode::OK);
    let times: Vec<(i64, &str)> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|article| (article["id"].as_i64().unwrap(), article["created_at"].as_str().unwrap()))
        .filter(|(id, _)| [8, 9, 11].contains(id))
        .collect();
    let last = "9999-12-31T23:59:59.999999Z";
    assert_eq!(times, [(11, last), (8, last), (9, "0001-01-01T00:00:00Z")]);
    let article = server.client().get("/articles/9").await.expect(StatusCode::OK);
    assert_eq!(article["updated_at"], "0001-01-01T00:00:00Z");

    let ada = server.client().sign_in(USERS[0].1, USERS[0].2).await;
    assert_eq!(ada.get("/users/me").await.expect(StatusCode::OK)["created_at"], last);
    let own = blog.rows("SELECT min(id) AS id FROM articles WHERE author_id = 1 AND id IN (8, 9, 11)").await;
    let own: Value = serde_json::from_str(&own[0]).unwrap();
    let edited = ada.patch(&format!("/articles/{}", own["id"]), &json!({ "title": "Edited" })).await;
    assert_eq!(edited.expect(StatusCode::OK)["title"], "Edited");
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn every_page_of_a_list_with_such_rows_can_be_followed() {
    let blog = Blog::restore(
        "UPDATE articles SET created_at = 'infinity' WHERE id IN (1, 2, 4);
         UPDATE articles SET created_at = '-infinity' WHERE id IN (6, 8);
         UPDATE articles SET created_at = '20000-01-01' WHERE id IN (9, 11)",
    )
    .await;
    blog.installation.succeed(&["migrate", "up"]);
    let server = blog.installation.serve(&[]);
    for sort in ["-created_at", "created_at"] {
        let path = format!("/articles/?sort={sort}");
        let whole = server.client().get(&path).await.expect(StatusCode::OK);
        let whole: Vec<Value> =
            whole.as_array().unwrap().iter().map(|article| article["id"].clone()).collect();
        let (mut found, mut next) = (Vec::new(), Some(format!("{path}&limit=1")));
        while let Some(page) = next {
            let response = server.client().get(&page).await;
            let rows = response.expect(StatusCode::OK);
            found.extend(rows.as_array().unwrap().iter().map(|article| article["id"].clone()));
            assert!(found.len() <= whole.len(), "{sort}: {found:?}");
            next = response.linked("next");
        }
        assert_eq!(found, whole, "{sort}");
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_sequence_behind_its_rows_is_named() {
    let blog = Blog::restore("SELECT setval('users_id_seq', 2)").await;
    let output = blog.installation.succeed(&["migrate", "up"]);
    assert!(output.contains("sequence users_id_seq is behind"), "{output}");
    assert!(output.contains("SELECT setval('users_id_seq', 3)"), "{output}");
    assert!(!output.contains("articles_id_seq"), "{output}");
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn what_makes_the_tables_behave_differently_is_refused() {
    for (change, word) in [
        ("ALTER TABLE users ENABLE ROW LEVEL SECURITY", "row level security on users"),
        ("ALTER TABLE articles SET UNLOGGED", "UNLOGGED storage on articles"),
        ("CREATE RULE keep AS ON DELETE TO articles DO INSTEAD NOTHING", "rule keep on articles"),
        ("ALTER SEQUENCE articles_id_seq MAXVALUE 20", "the sequence of column id on articles"),
        ("CREATE UNIQUE INDEX one_title ON articles (title)", "unique one_title"),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER audit BEFORE INSERT ON articles FOR EACH ROW EXECUTE FUNCTION f()",
            "trigger audit on articles",
        ),
    ] {
        let blog = Blog::restore(change).await;
        let message = blog.installation.fail(&["migrate", "up"]);
        assert!(message.contains(word), "{change}: {message}");
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_changed_search_path_creates_no_second_blog() {
    let blog = Blog::restore("").await;
    blog.installation.succeed(&["migrate", "up"]);
    let change = "CREATE SCHEMA empty; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = empty, public', \
                  current_database()); END $$";
    blog.db.execute_unprepared(change).await.unwrap();
    for arguments in [&["migrate", "up"][..], &["migrate", "status"], &["serve"], &["serve", "--migrate"]] {
        let message = blog.installation.fail(arguments);
        assert!(
            message.contains("schema empty has no tables of byline, but public has"),
            "{arguments:?}: {message}"
        );
    }
    let tables = blog.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'empty'").await;
    assert_eq!(tables, [""; 0]);
}

/// A database whose tables were there before Byline, on either engine.
async fn adopted(settings: &[(&str, &str)]) -> (Installation, String) {
    let installation = Installation::new().await;
    let url = installation.database.url().to_owned();
    let installation = installation.set(&[("DATABASE_URL", &url)]).set(settings);
    installation.succeed(&["migrate", "up"]);
    let db = installation.database.connect().await;
    db.execute_unprepared("DROP TABLE seaql_migrations; DROP TABLE byline_migrations").await.unwrap();
    db.close().await.unwrap();
    let output = installation.run(&["migrate", "up"]);
    let lines = String::from_utf8(output.stdout.clone()).unwrap() + &stderr(&output);
    assert!(output.status.success(), "{lines}");
    (installation, lines)
}

async fn register(server: &ServerProcess) -> StatusCode {
    server.client().post("/auth/register", &registration("stranger")).await.status
}

#[actix_web::test]
async fn a_site_that_was_taken_over_has_closed_registration_unless_it_is_set() {
    for (settings, status, message) in [
        (&[][..], StatusCode::FORBIDDEN, "registration is closed"),
        (&[("REGISTRATION", "auto")], StatusCode::FORBIDDEN, "registration is closed"),
        (&[("REGISTRATION", "closed")], StatusCode::FORBIDDEN, "registration is closed"),
        (&[("REGISTRATION", "open")], StatusCode::CREATED, "registration is open"),
    ] {
        let (installation, lines) = adopted(settings).await;
        assert!(lines.contains(message), "{settings:?}: {lines}");
        // At every start, not only at the first one.
        for _ in 0..2 {
            let server = installation.serve(&[]);
            assert!(server.output().contains(message), "{settings:?}: {}", server.output());
        }
        assert_eq!(register(&installation.serve(&[])).await, status, "{settings:?}");
    }
}

#[actix_web::test]
async fn a_new_site_has_open_registration_in_development_and_its_log_says_so() {
    let server = Installation::new().await.serve(&[]);
    assert!(server.output().contains("registration is open"), "{}", server.output());
    assert_eq!(register(&server).await, StatusCode::CREATED);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn the_old_env_file_opens_no_registration() {
    let blog = Blog::restore("").await;
    let output = blog.installation.succeed(&["migrate", "up"]);
    assert!(output.contains("registration is closed"), "{output}");
    assert_eq!(register(&blog.installation.serve(&[])).await, StatusCode::FORBIDDEN);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_takeover_by_serve_opens_no_registration() {
    let blog = Blog::restore("").await;
    let server = blog.installation.serve(&["serve", "--migrate"]);
    assert!(server.output().contains("registration is closed"), "{}", server.output());
    assert_eq!(register(&server).await, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn a_weak_key_of_the_old_blog_is_reported_with_the_way_out_and_only_production_refuses_it() {
    let (installation, lines) = adopted(&[("SECRET_KEY", "secret")]).await;
    assert!(lines.contains("byline: warning: SECRET_KEY: "), "{lines}");
    assert!(lines.contains("`openssl rand -hex 32`"), "{lines}");
    for _ in 0..2 {
        let output = installation.serve(&[]).output();
        assert!(output.contains("SECRET_KEY: ") && output.contains("`openssl rand -hex 32`"), "{output}");
    }
    let production = installation.set(&[("APP_ENV", "production"), ("BCRYPT_COST", "12")]);
    assert!(production.fail(&[]).starts_with("byline: SECRET_KEY: "));
}
