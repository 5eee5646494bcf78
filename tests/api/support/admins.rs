//! Administrators, and tokens for their scripts.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::{Client, TestApp};

impl TestApp {
    /// Creates an administrator, and signs in.
    pub(crate) async fn sign_up_admin(&self, name: &str) -> Client {
        let client = self.sign_up(name).await;
        self.sql_keeping_cache(&format!("UPDATE users SET is_admin = true WHERE id = {}", client.id)).await;
        client
    }
}

impl Client {
    /// The same account with a new personal access token.
    pub(crate) async fn with_scopes(&self, scopes: &[&str]) -> Self {
        let body = json!({ "name": "script", "scopes": scopes, "expires_in": 3600 });
        let created = self.post("/users/me/tokens", &body).await.expect(StatusCode::CREATED);
        self.with_token(created["token"].as_str().unwrap())
    }

    /// Sends a POST without a body.
    pub(crate) async fn act(&self, path: &str) -> super::Response {
        self.request(actix_web::http::Method::POST, path).send().await
    }

    /// Suspends an account.
    pub(crate) async fn suspend(&self, id: i64, articles: &str) -> super::Response {
        self.post(&format!("/admin/users/{id}/suspend"), &json!({ "articles": articles })).await
    }

    /// The log of administrative actions, the newest entry first, as `action target`.
    pub(crate) async fn log(&self) -> Vec<String> {
        let entries = self.get("/admin/log").await.expect(StatusCode::OK);
        let entry = |entry: &Value| {
            format!("{} {}", entry["action"].as_str().unwrap(), entry["target"].as_str().unwrap())
        };
        entries.as_array().unwrap().iter().map(entry).collect()
    }
}
