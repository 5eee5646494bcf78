//! Drafts: only their author may see an article that is not published.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Published, TestApp, article_body, now, sign_token};

const MISSING: &str = "Article not found";

#[actix_web::test]
async fn a_draft_is_listed_for_its_author_only() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await;
    for list in ["/articles/", "/articles", "/articles/?skip=0&limit=1"] {
        assert_eq!(ann.get(list).await.json(), json!([draft.json]), "{list}");
        for other in [&bob, &app.anonymous()] {
            assert_eq!(other.get(list).await.json(), json!([]), "{list}");
        }
    }
}

#[actix_web::test]
async fn a_draft_is_read_by_its_author_only() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await;
    for path in draft.both_paths() {
        assert_eq!(ann.get(&path).await.expect(StatusCode::OK), draft.json);
        assert_eq!(ann.head(&path).await.status, StatusCode::OK);
        for other in [&bob, &app.anonymous()] {
            other.get(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
            assert_eq!(other.head(&path).await.status, StatusCode::NOT_FOUND);
        }
    }
}

#[actix_web::test]
async fn a_draft_is_404_for_another_who_changes_or_deletes_it() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await;
    for path in draft.both_paths() {
        for change in [json!({}), json!({ "published": true }), json!({ "title": null })] {
            bob.patch(&path, &change).await.expect_error(StatusCode::NOT_FOUND, MISSING);
        }
        bob.delete(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    }
    assert_eq!(ann.get(&draft.path()).await.json(), draft.json);
}

#[actix_web::test]
async fn a_draft_looks_to_others_like_an_article_that_never_existed() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await;
    let (hidden, missing) = (bob.get(&draft.path()).await, bob.get("/articles/999999").await);
    assert_eq!((hidden.status, &hidden.body), (missing.status, &missing.body));
}

#[actix_web::test]
async fn a_withdrawn_article_disappears_and_a_published_one_appears() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let path = article.path();

    app.anonymous().get(&path).await.expect(StatusCode::OK);
    ann.edit(&article, &json!({ "published": false })).await;
    app.anonymous().get(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    ann.edit(&article, &json!({ "published": true })).await;
    app.anonymous().get(&path).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn hidden_drafts_leave_no_gap_in_a_page() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for number in 0..6 {
        ann.create(&article_body(&format!("public {number}"))).await;
        ann.write(Published::No).await;
    }
    let page = app.anonymous().get("/articles/?skip=2&limit=3").await.expect(StatusCode::OK);
    let titles: Vec<&Value> = page.as_array().unwrap().iter().map(|article| &article["title"]).collect();
    assert_eq!(titles, ["public 3", "public 2", "public 1"]);
    assert_eq!(ann.get("/articles/").await.json().as_array().unwrap().len(), 12);
}

#[actix_web::test]
async fn public_drafts_are_read_by_everyone_whatever_the_token() {
    let app = TestApp::with(&[("PUBLIC_DRAFTS", "true")]).await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await;
    for reader in [&app.anonymous(), &bob, &bob.with_token("garbage")] {
        assert_eq!(reader.get("/articles/").await.expect(StatusCode::OK), json!([draft.json]));
        assert_eq!(reader.get(&draft.path()).await.expect(StatusCode::OK), draft.json);
        assert_eq!(reader.head(&draft.path()).await.status, StatusCode::OK);
    }
}

#[actix_web::test]
async fn public_drafts_are_changed_by_their_author_only() {
    let app = TestApp::with(&[("PUBLIC_DRAFTS", "true")]).await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let path = ann.write(Published::No).await.path();
    let change = json!({ "title": "mine" });
    bob.patch(&path, &change).await.expect_error(StatusCode::FORBIDDEN, "Not authorized");
    bob.delete(&path).await.expect_error(StatusCode::FORBIDDEN, "Not authorized");
    assert_eq!(bob.with_token("garbage").delete(&path).await.status, StatusCode::UNAUTHORIZED);
}

/// Otherwise an author whose token expired would see a list without the drafts, and no reason for it.
#[actix_web::test]
async fn an_expired_token_on_a_read_is_401() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let claims = json!({ "sub": ann.id.to_string(), "exp": now().timestamp() - 1 });
    let expired = ann.with_token(&sign_token(&claims));
    for path in ["/articles/".to_owned(), article.path()] {
        expired.get(&path).await.expect_unauthorized("Could not validate credentials");
    }
}
