//! Taking over the database of a FastAPI blog, with its `.env`, its users' passwords and the tokens it issued.

use std::fs;

use actix_web::http::StatusCode;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::{
    auth::{mint_with, now},
    process::Home,
    support::{Place, not_run},
};

/// The key of the old blog.
const KEY: &str = "7d1f0c4b9a2e4f8d8c35be60a1f7d92e";

/// The users of `fixture.sql` with the passwords that its comments tell.
const USERS: [(i64, &str, &str); 3] = [
    (1, "ada", "ada-password-1"),
    (2, "Бjörn😀", "пароль ünïcödé 😀"),
    (3, "long.password", "01234567890123456789012345678901234567890123456789012345678901234567890123456789"),
];

/// What else a database may hold that belongs to nobody here.
const OTHERS: &str = "
    CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
    INSERT INTO alembic_version VALUES ('4f1d2a9c77b0');
    CREATE TABLE newsletter (id serial PRIMARY KEY, user_id integer REFERENCES users (id), topic text NOT NULL DEFAULT 'all');
    INSERT INTO newsletter (user_id, topic) VALUES (1, 'weekly'), (3, 'monthly');
    CREATE INDEX newsletter_topic_idx ON newsletter (topic);
    CREATE INDEX ix_articles_title ON articles (title);
";

/// An old blog: its tables as it left them, and its `.env` in the directory where Byline is to run.
struct Blog {
    home: Home,
    db: DatabaseConnection,
}

impl Blog {
    /// None on SQLite, which no old blog ran on. `further` is SQL that its owner ran.
    async fn left_behind(story: &str, further: &str) -> Option<Self> {
        if !Place::is_postgres() {
            not_run(story, "the old blog ran on PostgreSQL only; set TEST_DATABASE_URL");
            return None;
        }
        let home = Home::new().await.without("DATABASE_URL");
        // The dumps leave their connection without a search path.
        let loading = home.place.connect().await;
        for dump in [include_str!("../contract/schema.sql"), include_str!("../contract/fixture.sql")] {
            loading.execute_unprepared(dump).await.unwrap();
        }
        loading.close().await.unwrap();
        let db = home.place.connect().await;
        db.execute_unprepared(OTHERS).await.unwrap();
        db.execute_unprepared(further).await.unwrap();

        let url = home.place.url().replacen("postgres://", "postgresql+asyncpg://", 1);
        let dotenv = format!(
            "# The blog\nAPP_NAME=My $mall Blog # ours\nDEBUG=False\nDATABASE_URL={url}?ssl=disable\nSECRET_KEY=\"{KEY}\"\n\
             ALGORITHM=HS256\nACCESS_TOKEN_EXPIRE_MINUTES=30\nBACKEND_CORS_ORIGINS=[\"http://localhost:3000\"]\n"
        );
        fs::write(home.path(".env"), dotenv).unwrap();
        Some(Self { home, db })
    }

    /// Every row of a query, as JSON text.
    async fn rows(&self, query: &str) -> Vec<String> {
        let query = format!("SELECT to_jsonb(row)::text AS row FROM ({query}) AS row");
        let rows = self.db.query_all_raw(Statement::from_string(self.db.get_database_backend(), query)).await;
        rows.unwrap().iter().map(|row| row.try_get("", "row").unwrap()).collect()
    }

    /// All that Byline has to leave alone: the old columns, other tables, and how these are made.
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
                WHERE table_name IN ('users', 'articles', 'newsletter', 'alembic_version') AND column_name NOT IN ('email_key', 'version')
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
async fn the_old_blogs_database_is_taken_over_as_it_is() {
    let Some(blog) = Blog::left_behind("taking over a blog's database", "").await else { return };
    let before = blog.old_contents().await;

    // Nothing is taken over by starting.
    let complaint = blog.home.fail(&[]);
    assert!(complaint.contains("byline migrate up"), "{complaint}");
    assert_eq!(blog.old_contents().await, before);

    let said = blog.home.succeed(&["migrate", "up"]);
    assert!(said.contains("4 drafts become hidden"), "{said}");
    assert_eq!(blog.old_contents().await, before);
    // A second time there is nothing to do, and nothing to hide.
    let said = blog.home.succeed(&["migrate", "up"]);
    assert!(!said.contains("hidden"), "{said}");
    assert_eq!(blog.old_contents().await, before);

    let server = blog.home.serve(&[]);
    let list = server.client().get("/articles/").await.expect(StatusCode::OK);
    let visible: Vec<i64> =
        list.as_array().unwrap().iter().map(|article| article["id"].as_i64().unwrap()).collect();
    assert_eq!(visible, [11, 9, 8, 6, 4, 2, 1, 12]);
    assert_eq!(blog.old_contents().await, before);
}

#[actix_web::test]
async fn with_public_drafts_every_article_reads_byte_for_byte_as_before() {
    let Some(blog) = Blog::left_behind("reading what was taken over", "").await else { return };
    blog.home.succeed(&["migrate", "up"]);
    let home = blog.home.with(&[("PUBLIC_DRAFTS", "true")]);
    let server = home.serve(&[]);

    let recorded: Vec<&str> = include_str!("../contract/articles.jsonl").lines().collect();
    assert_eq!(server.client().get("/articles/").await.text(), format!("[{}]", recorded.join(",")));
    for article in recorded {
        let id = &serde_json::from_str::<Value>(article).unwrap()["id"];
        assert_eq!(server.client().get(&format!("/articles/{id}")).await.text(), article);
    }
}

#[actix_web::test]
async fn everyone_signs_in_as_before_and_goes_on_where_they_were() {
    let Some(blog) = Blog::left_behind("signing in after a takeover", "").await else { return };
    blog.home.succeed(&["migrate", "up"]);
    let server = blog.home.serve(&[]);

    for (id, name, password) in USERS {
        let user = server.client().sign_in(name, password).await;
        let me = user.get("/users/me").await.expect(StatusCode::OK);
        assert_eq!((&me["id"], &me["username"]), (&json!(id), &json!(name)));
        let wrong = server.client().log_in(name, &format!("x{password}")).await;
        wrong.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
    }
    // bcrypt reads 72 bytes: so did the old blog.
    server.client().sign_in("long.password", &USERS[2].2[..72]).await;

    // A token that the old blog issued: two claims, HS256.
    let token = mint_with(KEY, &json!({ "sub": "2", "exp": now() + 60 }));
    let bjoern = server.client().with_token(&token);
    assert_eq!(bjoern.get("/articles/3").await.expect(StatusCode::OK)["published"], false);
    let edited = bjoern.patch("/articles/3", &json!({ "published": true })).await.expect(StatusCode::OK);
    assert_eq!(edited["created_at"], "2024-03-03T00:00:00.100000Z");

    // New ids go on behind the old ones.
    assert_eq!(bjoern.write(true).await["id"], 13);
    assert_eq!(server.client().sign_up("newcomer").await.id, 4);
}

#[actix_web::test]
async fn twins_of_an_old_database_are_no_obstacle() {
    let twin = "INSERT INTO users (email, username, hashed_password)
        SELECT 'ADA@Example.com', 'twin', hashed_password FROM users WHERE id = 1";
    let Some(blog) = Blog::left_behind("twins in a blog's database", twin).await else { return };
    let before = blog.old_contents().await;
    blog.home.succeed(&["migrate", "up"]);
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

    let server = blog.home.serve(&[]);
    for (name, email) in [("ada", "ada@example.com"), ("twin", "ADA@Example.com")] {
        let user = server.client().sign_in(name, "ada-password-1").await;
        assert_eq!(user.get("/users/me").await.expect(StatusCode::OK)["email"], email);
        user.write(true).await;
    }
    let body = json!({ "email": "Ada@example.com", "username": "third", "password": "long enough" });
    let answer = server.client().post("/auth/register", &body).await;
    answer.expect_error(StatusCode::CONFLICT, "Email already registered");
}

#[actix_web::test]
async fn tables_that_are_not_the_old_blogs_are_not_taken_over() {
    for (further, word) in [
        ("ALTER TABLE articles ALTER COLUMN title TYPE varchar(100) USING left(title, 100)", "title"),
        ("ALTER TABLE articles DROP COLUMN published", "published"),
        ("ALTER TABLE users DROP CONSTRAINT users_username_key", "username"),
        ("ALTER TABLE articles ALTER COLUMN author_id DROP NOT NULL", "author_id"),
    ] {
        let Some(blog) = Blog::left_behind("refusing strange tables", further).await else { return };
        let complaint = blog.home.fail(&["migrate", "up"]);
        assert!(complaint.contains(word), "{further}: {complaint}");
        let columns =
            blog.rows("SELECT 1 FROM information_schema.columns WHERE column_name = 'email_key'").await;
        assert_eq!(columns, [""; 0], "{further}: half of it was taken over");
    }
}
