//! Who may call what: each operation of the document, as each kind of caller. An operation without a row fails.

use std::collections::BTreeSet;

use actix_web::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    document::document,
    support::{Client, PASSWORD, TestApp, now, sign_token},
};

/// Kinds of callers, in the order of the columns of [`ROWS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stranger,
    OtherUser,
    Owner,
    Suspended,
    Unconfirmed,
    ExpiredToken,
    RevokedToken,
    LegacyToken,
    WithoutScope,
    Administrator,
}

const KINDS: [Kind; 10] = [
    Kind::Stranger,
    Kind::OtherUser,
    Kind::Owner,
    Kind::Suspended,
    Kind::Unconfirmed,
    Kind::ExpiredToken,
    Kind::RevokedToken,
    Kind::LegacyToken,
    Kind::WithoutScope,
    Kind::Administrator,
];

/// Operations that need no account: a token makes no difference.
const PUBLIC: [u16; 10] = [200; 10];

/// The expected status of each operation for each kind.
///
/// stranger, other user, owner, suspended, unconfirmed, expired, revoked, legacy, without scope, administrator
const ROWS: &[(&str, [u16; 10])] = &[
    ("list_articles", [200, 200, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("create_article", [401, 201, 201, 401, 403, 401, 401, 201, 403, 201]),
    ("read_article", [404, 404, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("read_article_by_slug", [404, 404, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("update_article", [401, 404, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("delete_article", [401, 404, 204, 401, 403, 401, 401, 204, 403, 204]),
    ("list_revisions", [401, 404, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("read_revision", [401, 404, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("compare_revision", [401, 404, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("restore_revision", [401, 404, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("list_tags", [200, 200, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("update_tag", [401, 403, 403, 401, 403, 401, 401, 403, 403, 200]),
    ("search_articles", [200, 200, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("create_preview", [401, 404, 201, 401, 403, 401, 401, 201, 403, 201]),
    ("list_previews", [401, 404, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("revoke_preview", [401, 404, 404, 401, 403, 401, 401, 404, 403, 404]),
    ("read_preview", [404; 10]),
    ("read_atom_feed", PUBLIC),
    ("read_rss_feed", PUBLIC),
    ("read_json_feed", PUBLIC),
    ("read_sitemap", PUBLIC),
    ("read_sitemap_part", PUBLIC),
    ("read_robots", PUBLIC),
    ("login", PUBLIC),
    ("refresh", PUBLIC),
    ("register_user", [201; 10]),
    ("request_password_reset", [202; 10]),
    ("reset_password", [422; 10]),
    ("confirm_email", [422; 10]),
    ("request_email_confirmation", [401, 202, 202, 401, 403, 401, 401, 202, 403, 202]),
    ("logout", [401, 204, 204, 401, 403, 401, 401, 204, 403, 204]),
    ("list_sessions", [401, 200, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("end_other_sessions", [401, 204, 204, 401, 403, 401, 401, 204, 403, 204]),
    ("end_session", [401, 404, 404, 401, 403, 401, 401, 404, 403, 404]),
    ("list_personal_tokens", [401, 200, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("create_personal_token", [401, 201, 201, 401, 403, 401, 401, 201, 403, 201]),
    ("revoke_personal_token", [401, 404, 404, 401, 403, 401, 401, 404, 403, 404]),
    ("read_me", [401, 200, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("update_me", [401, 200, 200, 401, 403, 401, 401, 200, 403, 200]),
    ("change_password", [401, 204, 204, 401, 403, 401, 401, 204, 403, 204]),
    ("delete_me", [401, 204, 204, 401, 403, 401, 401, 204, 403, 204]),
    ("read_profile", PUBLIC),
    ("list_users", [401, 403, 403, 401, 403, 401, 401, 403, 403, 200]),
    ("read_user", [401, 403, 403, 401, 403, 401, 401, 403, 403, 200]),
    ("delete_user", [401, 403, 403, 401, 403, 401, 401, 403, 403, 204]),
    ("suspend_user", [401, 403, 403, 401, 403, 401, 401, 403, 403, 200]),
    ("reinstate_user", [401, 403, 403, 401, 403, 401, 401, 403, 403, 200]),
    ("promote_user", [401, 403, 403, 401, 403, 401, 401, 403, 403, 200]),
    ("demote_user", [401, 403, 403, 401, 403, 401, 401, 403, 403, 200]),
    ("list_log", [401, 403, 403, 401, 403, 401, 401, 403, 403, 200]),
    ("check_liveness", PUBLIC),
    ("check_readiness", PUBLIC),
];

/// The scopes that an operation accepts, as the document names them.
fn scope_of(operation: &Value) -> Option<String> {
    let security = operation["security"].as_array().unwrap();
    let scopes = security.iter().find_map(|requirement| requirement.get("PersonalAccessToken"))?;
    Some(scopes[0].as_str().unwrap().to_owned())
}

/// Accounts are created past the limits on registration.
struct World {
    app: TestApp,
    hash: String,
    accounts: u32,
}

impl World {
    async fn new() -> Self {
        let smtp = "smtp://127.0.0.1:1";
        let settings = [
            ("EMAIL_VERIFICATION", "required"),
            ("SMTP_URL", smtp),
            ("MAIL_FROM", "blog@example.com"),
            ("LOGIN_LIMIT", "0"),
        ];
        let app = TestApp::stopped(&settings).await;
        let hash = bcrypt::hash(PASSWORD, 4).unwrap();
        // Another administrator, so that none is the last one.
        app.insert_user("root@example.com", "root", None, &hash).await;
        app.sql("UPDATE users SET is_admin = TRUE WHERE username = 'root'").await;
        Self { app, hash, accounts: 0 }
    }

    /// A new account, signed in.
    async fn account(&mut self) -> (String, Client) {
        self.accounts += 1;
        let name = format!("user{}", self.accounts);
        let email = format!("{name}@example.com");
        let id = self.app.insert_user(&email, &name, Some(&email), &self.hash).await;
        let client = self.app.anonymous().sign_in(&name, PASSWORD).await;
        (name, client.with_id(id))
    }

    async fn set(&self, name: &str, change: &str) {
        self.app.sql(&format!("UPDATE users SET {change} WHERE username = '{name}'")).await;
    }

    /// The owner's name and the caller.
    async fn caller(&mut self, kind: Kind, scope: Option<&str>) -> (Client, Client) {
        let (name, owner) = self.account().await;
        let sign = |expires: TimeDelta| {
            sign_token(&json!({ "sub": owner.id.to_string(), "exp": (now() + expires).timestamp() }))
        };
        let caller = match kind {
            Kind::Stranger => self.app.anonymous(),
            Kind::OtherUser => self.account().await.1,
            Kind::Owner => owner.clone(),
            Kind::Suspended => {
                self.set(&name, "is_active = FALSE").await;
                owner.clone()
            }
            Kind::Unconfirmed => {
                self.set(&name, "is_email_confirmed = FALSE").await;
                owner.clone()
            }
            Kind::ExpiredToken => owner.with_token(&sign(TimeDelta::hours(-1))),
            Kind::RevokedToken => {
                let revoked = self.app.anonymous().sign_in(&name, PASSWORD).await;
                revoked.post("/auth/logout", &json!({})).await;
                revoked
            }
            Kind::LegacyToken => owner.with_token(&sign(TimeDelta::hours(1))),
            Kind::WithoutScope => {
                let others = ["articles:read", "articles:write", "profile:read", "profile:write"];
                let others: Vec<_> = others.into_iter().filter(|other| Some(*other) != scope).collect();
                let body = json!({ "name": "script", "scopes": others, "expires_in": 3600 });
                let token = owner.post("/users/me/tokens", &body).await.json()["token"].clone();
                owner.with_token(token.as_str().unwrap())
            }
            Kind::Administrator => {
                let (name, admin) = self.account().await;
                self.set(&name, "is_admin = TRUE").await;
                admin
            }
        };
        (owner, caller)
    }

    /// The request of an operation: to something of the owner where it names one.
    async fn request(&mut self, operation: &str, owner: &Client) -> (String, Option<Value>) {
        let article = || json!({ "title": "A title", "content": "Ten code points." });
        let path = |path: &str| (path.to_owned(), None);
        match operation {
            "list_articles" => path("/articles/"),
            "create_article" => ("/articles/".to_owned(), Some(article())),
            "create_preview" => {
                (format!("{}/previews", self.draft(owner).await), Some(json!({ "expires_in": 60 })))
            }
            "list_previews" => (format!("{}/previews", self.draft(owner).await), None),
            "revoke_preview" => (format!("{}/previews/unknown", self.draft(owner).await), None),
            "read_preview" => path("/previews/unknown"),
            "search_articles" => path("/search?q=word"),
            "read_article" | "delete_article" => (self.draft(owner).await, None),
            "read_article_by_slug" => {
                let draft = self.draft(owner).await;
                (draft.replace("/articles/", "/articles/by-slug/article-"), None)
            }
            "read_atom_feed" => path("/feeds/atom.xml"),
            "read_rss_feed" => path("/feeds/rss.xml"),
            "read_json_feed" => path("/feeds/feed.json"),
            "read_sitemap" => path("/sitemap.xml"),
            "read_sitemap_part" => path("/sitemap-1.xml"),
            "read_robots" => path("/robots.txt"),
            "update_article" => (self.draft(owner).await, Some(json!({ "title": "Another" }))),
            "list_revisions" => (self.draft(owner).await + "/revisions", None),
            "read_revision" => (self.revision(owner).await, None),
            "compare_revision" => (self.revision(owner).await + "/diff", None),
            "restore_revision" => (self.revision(owner).await + "/restore", None),
            "list_tags" => path("/tags/"),
            "update_tag" => {
                let id = self.tag().await;
                (format!("/tags/{id}"), Some(json!({ "name": format!("renamed {id}") })))
            }
            "refresh" => {
                let (name, _) = self.account().await;
                let tokens = self.app.anonymous().log_in(&name, PASSWORD).await.json();
                ("/auth/refresh".to_owned(), Some(json!({ "refresh_token": tokens["refresh_token"] })))
            }
            "register_user" => {
                self.app.advance(TimeDelta::minutes(1));
                self.accounts += 1;
                let name = format!("new{}", self.accounts);
                let email = format!("{name}@example.com");
                (
                    "/auth/register".to_owned(),
                    Some(json!({ "email": email, "username": name, "password": PASSWORD })),
                )
            }
            "request_password_reset" => {
                self.accounts += 1;
                let email = format!("someone{}@example.com", self.accounts);
                ("/auth/password/forgot".to_owned(), Some(json!({ "email": email })))
            }
            "reset_password" => {
                let body = json!({ "token": "unknown", "new_password": "another horse battery" });
                ("/auth/password/reset".to_owned(), Some(body))
            }
            "confirm_email" => ("/auth/email/confirm".to_owned(), Some(json!({ "token": "unknown" }))),
            "request_email_confirmation" => ("/users/me/email/confirmation".to_owned(), Some(json!({}))),
            "logout" => ("/auth/logout".to_owned(), Some(json!({}))),
            "list_sessions" | "end_other_sessions" => path("/users/me/sessions"),
            "end_session" => path("/users/me/sessions/unknown"),
            "list_personal_tokens" => path("/users/me/tokens"),
            "create_personal_token" => {
                let body = json!({ "name": "x", "scopes": ["articles:read"], "expires_in": 60 });
                ("/users/me/tokens".to_owned(), Some(body))
            }
            "revoke_personal_token" => path("/users/me/tokens/999999"),
            "read_me" => path("/users/me"),
            "update_me" => ("/users/me".to_owned(), Some(json!({ "bio": "Writes." }))),
            "change_password" => {
                let body = json!({ "current_password": PASSWORD, "new_password": "another horse battery" });
                ("/users/me/password".to_owned(), Some(body))
            }
            "delete_me" => ("/users/me/delete".to_owned(), Some(json!({ "password": PASSWORD }))),
            "read_profile" => path("/users/root"),
            "list_users" => path("/admin/users"),
            "list_log" => path("/admin/log"),
            "read_user" | "delete_user" => (format!("/admin/users/{}", owner.id), None),
            "suspend_user" => {
                (format!("/admin/users/{}/suspend", owner.id), Some(json!({ "articles": "hide" })))
            }
            "reinstate_user" | "promote_user" | "demote_user" => {
                let action = operation.trim_end_matches("_user");
                (format!("/admin/users/{}/{action}", owner.id), None)
            }
            "check_liveness" => path("/health/live"),
            "check_readiness" => path("/health/ready"),
            other => panic!("no request for the operation {other}"),
        }
    }

    /// The path of a draft of `owner`, created past the checks of its token.
    /// Inserts a draft of the owner with one revision, and returns the path of the revision.
    async fn revision(&mut self, owner: &Client) -> String {
        let draft = self.draft(owner).await;
        let id = draft.rsplit('/').next().unwrap();
        self.app
            .sql(&format!(
                "INSERT INTO article_revisions (article_id, number, title, content, format, tags, created_at) \
                 VALUES ({id}, 1, 'Former', 'Ten code points.', 'plain', '[]', '2026-01-01T00:00:00+00:00')"
            ))
            .await;
        format!("{draft}/revisions/1")
    }

    /// Inserts a tag and returns its id.
    async fn tag(&mut self) -> i64 {
        self.accounts += 1;
        let name = format!("tag {}", self.accounts);
        self.app.sql(&format!("INSERT INTO tags (key, name) VALUES ('{name}', '{name}')")).await;
        self.app.number("SELECT CAST(MAX(id) AS bigint) FROM tags").await
    }

    async fn draft(&self, owner: &Client) -> String {
        let id = self.accounts;
        let insert = format!(
            "INSERT INTO articles (title, content, published, author_id, created_at, updated_at) \
             VALUES ('draft {id}', '0123456789', FALSE, {}, '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00')",
            owner.id
        );
        self.app.sql(&insert).await;
        let newest = self.app.number("SELECT CAST(MAX(id) AS bigint) FROM articles").await;
        format!("/articles/{newest}")
    }

    async fn call(&mut self, method: &str, operation: &str, kind: Kind, scope: Option<&str>) -> u16 {
        let (owner, caller) = self.caller(kind, scope).await;
        if operation == "login" {
            return caller.log_in("root", PASSWORD).await.status.as_u16();
        }
        let (path, body) = self.request(operation, &owner).await;
        let request = caller.request(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &path);
        let request = match body {
            None => request,
            Some(body) => request.json(&body),
        };
        request.send().await.status.as_u16()
    }
}

#[actix_web::test]
async fn every_operation_answers_each_kind_of_caller_as_the_table_says() {
    let mut world = World::new().await;
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for (path, operations) in document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let Some((name, expected)) = ROWS.iter().find(|(name, _)| *name == id) else {
                panic!("{method} {path}: the operation {id} has no row");
            };
            seen.insert(*name);
            let scope = scope_of(operation);
            for (kind, expected) in KINDS.into_iter().zip(expected) {
                let status = world.call(method, id, kind, scope.as_deref()).await;
                if status != *expected {
                    wrong.push(format!("{id} as {kind:?}: {status} instead of {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.len(), ROWS.len(), "a row without an operation");
}

#[test]
fn every_kind_of_caller_has_a_column() {
    let columns: BTreeSet<String> = KINDS.iter().map(|kind| format!("{kind:?}")).collect();
    assert_eq!(columns.len(), PUBLIC.len());
}
