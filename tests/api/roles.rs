//! PostgreSQL roles: the owner of the tables migrates, and a role with fewer rights serves.

use actix_web::http::StatusCode;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::support::{Installation, Published, TestDatabase, article_body};

const PASSWORD: &str = "a-password-of-the-tests";

/// The statements that the guide gives for the role `byline_server`.
fn grants(role: &str) -> String {
    let guide = include_str!("../../docs/migrations.md");
    let block = guide.split("```sql\n").find(|block| block.starts_with("GRANT USAGE ON SCHEMA")).unwrap();
    block.split("```").next().unwrap().replace("byline_server", role)
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn the_owner_migrates_and_a_role_with_the_documented_rights_serves() {
    let database = TestDatabase::postgres().await;
    let admin = database.connect().await;
    let [owner, server] = ["owner", "server"].map(|name| format!("test_{name}_{}", std::process::id()));
    for role in [&owner, &server] {
        let create = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'");
        admin.execute_unprepared(&create).await.unwrap();
    }
    admin.execute_unprepared(&format!("GRANT CREATE ON SCHEMA public TO {owner}")).await.unwrap();
    let address = database.url().rsplit_once('@').unwrap().1.to_owned();
    let url = |role: &str| format!("postgres://{role}:{PASSWORD}@{address}");
    let installation = Installation::on(database).set(&[
        ("APP_ENV", "production"),
        ("SECRET_KEY", "f3b1c7d92e8a4f60b5d81c3e7a9260f4"),
        ("REGISTRATION", "open"),
    ]);

    let installation = installation.set(&[("DATABASE_URL", &url(&owner))]);
    installation.succeed(&["migrate", "up"]);
    let granting = sea_orm::Database::connect(url(&owner)).await.unwrap();
    granting.execute_unprepared(&grants(&server)).await.unwrap();
    granting.close().await.unwrap();

    let installation = installation.set(&[("DATABASE_URL", &url(&server))]);
    {
        let running = installation.serve(&[]);
        let ann = running.client().sign_up("ann").await;
        let article = ann.write(Published::Yes).await;
        let edited = ann.edit(&article, &json!({ "title": "Edited" })).await;
        assert_eq!(edited.json["title"], "Edited");
        running.client().get(&edited.path()).await.expect(StatusCode::OK);
        let other = ann.create(&article_body("Another")).await;
        assert_eq!(ann.delete(&other.path()).await.status, StatusCode::NO_CONTENT);
        let list = running.client().get("/articles/").await.expect(StatusCode::OK);
        assert_eq!(list.as_array().unwrap().len(), 1);
    }
    for command in ["status", "history", "wait", "up"] {
        installation.succeed(&["migrate", command]);
    }
    for (arguments, expected) in [
        (&["migrate", "down", "--yes"][..], "must be owner"),
        (&["migrate", "fresh", "--confirm", address.rsplit_once('/').unwrap().1], "must be owner"),
    ] {
        let message = installation.fail(arguments);
        assert!(message.contains(expected), "{message}");
    }
    installation.succeed(&["migrate", "status"]);

    for role in [&server, &owner] {
        let remove = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
        admin.execute_unprepared(&remove).await.unwrap();
    }
    admin.close().await.unwrap();
}
