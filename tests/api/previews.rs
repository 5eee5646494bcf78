//! Previews: links that show one article without an account, until they expire or are revoked.

use actix_web::http::StatusCode;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Article, Client, PASSWORD, Published, Response, TestApp};

const MISSING: &str = "Preview not found";

impl Client {
    /// Creates a preview, and returns its path and its description.
    async fn create_preview(&self, article: &Article) -> (String, Value) {
        let response = self.post(&format!("{}/previews", article.path()), &json!({})).await;
        let created = response.expect(StatusCode::CREATED);
        let path = response.resolve(response.header("location").unwrap());
        assert_eq!(path, format!("/previews/{}", created["token"].as_str().unwrap()));
        (path, created["preview"].clone())
    }

    async fn previews(&self, article: &Article) -> Response {
        self.get(&format!("{}/previews", article.path())).await
    }
}

#[actix_web::test]
async fn a_link_shows_the_draft_as_it_is_now_and_no_other() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (draft, other) = (ann.write(Published::No).await, ann.write(Published::No).await);
    let (path, _) = ann.create_preview(&draft).await;
    let response = app.anonymous().get(&path).await;
    assert_eq!(response.expect(StatusCode::OK), draft.json);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-robots-tag"), Some("noindex"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(response.header("etag"), None);
    let unknown = app.anonymous().get(&format!("{path}?expand=nothing")).await;
    unknown.expect_invalid([("literal_error", json!(["query", "expand"]))]);
    let edited = ann.edit(&draft, &json!({ "title": "Edited" })).await;
    assert_eq!(app.anonymous().get(&path).await.json(), edited.json);
    let expanded = app.anonymous().get(&format!("{path}?expand=author")).await.json();
    assert_eq!(expanded["author"]["username"], "ann");
    let published = ann.edit(&draft, &json!({ "published": true })).await;
    assert_eq!(app.anonymous().get(&path).await.json(), published.json);
    assert_eq!(app.anonymous().get(&other.path()).await.status, StatusCode::NOT_FOUND);
    ann.delete(&draft.path()).await.expect(StatusCode::NO_CONTENT);
    app.anonymous().get(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
}

#[actix_web::test]
async fn a_token_that_was_changed_anywhere_is_404() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let draft = ann.write(Published::No).await;
    let (path, _) = ann.create_preview(&draft).await;
    let (second, _) = ann.create_preview(&draft).await;
    for at in ["/previews/".len(), "/previews/".len() + 31, "/previews/".len() + 33, path.len() - 1] {
        let mut bytes = path.clone().into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        let changed = String::from_utf8(bytes).unwrap();
        app.anonymous().get(&changed).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    }
    let mixed = format!("{}.{}", path.split_once('.').unwrap().0, second.split_once('.').unwrap().1);
    for other in [mixed.as_str(), "/previews/x", "/previews/%00.%00", &path[..path.len() - 1]] {
        app.anonymous().get(other).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    }
}

#[actix_web::test]
async fn a_link_ends_when_it_expires_or_is_revoked() {
    let app = TestApp::stopped(&[]).await;
    let ann = app.sign_up("ann").await;
    let draft = ann.write(Published::No).await;
    let previews = format!("{}/previews", draft.path());
    let created = ann.post(&previews, &json!({ "expires_in": 60 })).await;
    let short = created.resolve(created.header("location").unwrap());
    let (first, first_row) = ann.create_preview(&draft).await;
    let listed = ann.previews(&draft).await.expect(StatusCode::OK);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    app.advance(TimeDelta::seconds(59));
    app.anonymous().get(&short).await.expect(StatusCode::OK);
    app.advance(TimeDelta::seconds(1));
    app.anonymous().get(&short).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    assert_eq!(ann.previews(&draft).await.json(), json!([first_row]));
    let row = format!("{previews}/{}", first_row["id"].as_str().unwrap());
    ann.delete(&row).await.expect(StatusCode::NO_CONTENT);
    app.anonymous().get(&first).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    ann.delete(&row).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    assert_eq!(ann.previews(&draft).await.json(), json!([]));
}

#[actix_web::test]
async fn a_link_ends_when_its_creator_changes_the_password_or_may_not_change_the_article_any_more() {
    let app = TestApp::stopped(&[]).await;
    let (ann, admin) = (app.sign_up("ann").await, app.sign_up_admin("admin").await);
    let draft = ann.write(Published::No).await;
    let ((of_ann, _), (of_admin, _)) = (ann.create_preview(&draft).await, admin.create_preview(&draft).await);
    let stranger = app.anonymous();
    app.advance(TimeDelta::seconds(1));
    let change = json!({ "current_password": PASSWORD, "new_password": "another horse battery" });
    ann.post("/users/me/password", &change).await.expect(StatusCode::NO_CONTENT);
    // The links of administrators to the articles of an author end with the author's password too.
    for ended in [of_ann, of_admin] {
        stranger.get(&ended).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    }
    app.advance(TimeDelta::seconds(1));
    let (of_admin, _) = admin.create_preview(&draft).await;
    let ann = ann.sign_in("ann", "another horse battery").await;
    let (again, _) = ann.create_preview(&draft).await;
    stranger.get(&again).await.expect(StatusCode::OK);
    app.sql("UPDATE users SET is_active = FALSE WHERE username = 'ann'").await;
    stranger.get(&again).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    stranger.get(&of_admin).await.expect(StatusCode::OK);
    app.sql("UPDATE users SET is_admin = FALSE WHERE username = 'admin'").await;
    stranger.get(&of_admin).await.expect_error(StatusCode::NOT_FOUND, MISSING);
}

#[actix_web::test]
async fn only_the_author_and_administrators_manage_links() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let admin = app.sign_up_admin("admin").await;
    for (published, status, detail) in [
        (Published::No, StatusCode::NOT_FOUND, "Article not found"),
        (Published::Yes, StatusCode::FORBIDDEN, "Not authorized"),
    ] {
        let article = ann.write(published).await;
        let (_, row) = ann.create_preview(&article).await;
        let previews = format!("{}/previews", article.path());
        let one = format!("{previews}/{}", row["id"].as_str().unwrap());
        bob.post(&previews, &json!({})).await.expect_error(status, detail);
        bob.get(&previews).await.expect_error(status, detail);
        bob.delete(&one).await.expect_error(status, detail);
        admin.create_preview(&article).await;
        assert_eq!(admin.previews(&article).await.json().as_array().unwrap().len(), 2);
        admin.delete(&one).await.expect(StatusCode::NO_CONTENT);
    }
    // A link of another article is not found.
    let (first, second) = (ann.write(Published::No).await, ann.write(Published::No).await);
    let (_, row) = ann.create_preview(&first).await;
    let wrong = format!("{}/previews/{}", second.path(), row["id"].as_str().unwrap());
    ann.delete(&wrong).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    for missing in ["/articles/999999/previews", "/articles/99999999999/previews"] {
        ann.post(missing, &json!({})).await.expect_error(StatusCode::NOT_FOUND, "Article not found");
    }
}

#[actix_web::test]
async fn an_article_has_at_most_20_links_and_their_lifetime_is_bounded() {
    let app = TestApp::stopped(&[]).await;
    let ann = app.sign_up("ann").await;
    let draft = ann.write(Published::No).await;
    let previews = format!("{}/previews", draft.path());
    for (value, kind) in [
        (json!(0), "greater_than_equal"),
        (json!(2_592_001), "less_than_equal"),
        (json!("60"), "int_type"),
        (json!(1.5), "int_type"),
        (json!(null), "int_type"),
    ] {
        let response = ann.post(&previews, &json!({ "expires_in": value })).await;
        response.expect_invalid([(kind, json!(["body", "expires_in"]))]);
    }
    for _ in 0..20 {
        ann.post(&previews, &json!({ "expires_in": 60 })).await.expect(StatusCode::CREATED);
    }
    let detail = "The article has too many previews; revoke one first";
    ann.post(&previews, &json!({})).await.expect_error(StatusCode::CONFLICT, detail);
    app.advance(TimeDelta::seconds(60));
    ann.post(&previews, &json!({})).await.expect(StatusCode::CREATED);
    assert_eq!(app.number("SELECT count(*) FROM article_previews").await, 1);
}

#[actix_web::test]
async fn a_link_is_valid_under_the_previous_key_only_until_it_is_removed() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (path, _) = ann.create_preview(&ann.write(Published::No).await).await;
    let new = ("SECRET_KEY", "another key of the tests, 32 bytes and more");
    let rotated = app.another(&[new, ("SECRET_KEY_PREVIOUS", crate::support::SECRET_KEY)]);
    rotated.anonymous().get(&path).await.expect(StatusCode::OK);
    let later = app.another(&[new]);
    later.anonymous().get(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
}
