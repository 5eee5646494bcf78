//! Drafts: who may know of an article that is not published.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::{
    articles::{MISSING, path, paths, titles, write},
    support::{Published, TestApp, now, sign_token},
};

#[actix_web::test]
async fn a_draft_is_invisible_to_everyone_but_its_author() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await.json;

    for list in ["/articles/", "/articles", "/articles/?skip=0&limit=1"] {
        assert_eq!(ann.get(list).await.json(), json!([draft]), "{list}");
        for stranger in [&bob, &app.anonymous()] {
            assert_eq!(stranger.get(list).await.json(), json!([]), "{list}");
        }
    }
    for path in paths(&draft) {
        assert_eq!(ann.get(&path).await.expect(StatusCode::OK), draft);
        assert_eq!(ann.head(&path).await.status, StatusCode::OK);
        for stranger in [&bob, &app.anonymous()] {
            stranger.get(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
            assert_eq!(stranger.head(&path).await.status, StatusCode::NOT_FOUND);
        }
        for body in [json!({}), json!({ "published": true }), json!({ "title": null })] {
            bob.patch(&path, &body).await.expect_error(StatusCode::NOT_FOUND, MISSING);
        }
        bob.delete(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    }
    // Its very answers are those of an article that never was, so that nobody can tell.
    let (hidden, never) = (bob.get(&path(&draft)).await, bob.get("/articles/999999").await);
    assert_eq!((hidden.status, &hidden.body), (never.status, &never.body));
    assert_eq!(ann.get(&path(&draft)).await.json(), draft);
}

#[actix_web::test]
async fn a_withdrawn_article_disappears_and_a_published_one_appears() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;

    app.anonymous().get(&path(&article)).await.expect(StatusCode::OK);
    ann.patch(&path(&article), &json!({ "published": false })).await.expect(StatusCode::OK);
    app.anonymous().get(&path(&article)).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    ann.patch(&path(&article), &json!({ "published": true })).await.expect(StatusCode::OK);
    app.anonymous().get(&path(&article)).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn hidden_drafts_leave_no_gap_in_a_page() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for number in 0..6 {
        write(&ann, &format!("public {number}")).await;
        ann.write(Published::No).await.json;
    }
    assert_eq!(
        titles(&app.anonymous(), "/articles/?skip=2&limit=3").await,
        ["public 3", "public 2", "public 1"]
    );
    assert_eq!(titles(&ann, "/articles/").await.len(), 12);
}

#[actix_web::test]
async fn public_drafts_show_all_articles_and_ignore_tokens_on_reads() {
    let app = TestApp::with(&[("PUBLIC_DRAFTS", "true")]).await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await.json;

    for reader in [&app.anonymous(), &bob, &bob.with_token("garbage")] {
        assert_eq!(reader.get("/articles/").await.expect(StatusCode::OK), json!([draft]));
        assert_eq!(reader.get(&path(&draft)).await.expect(StatusCode::OK), draft);
        assert_eq!(reader.head(&path(&draft)).await.status, StatusCode::OK);
    }
    // Seen, and still nobody else's to change.
    bob.patch(&path(&draft), &json!({ "title": "mine" }))
        .await
        .expect_error(StatusCode::FORBIDDEN, "Not authorized");
    bob.delete(&path(&draft)).await.expect_error(StatusCode::FORBIDDEN, "Not authorized");
    assert_eq!(bob.with_token("garbage").delete(&path(&draft)).await.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn an_expired_token_on_a_read_is_said_and_does_not_lose_drafts_quietly() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;
    let expired =
        ann.with_token(&sign_token(&json!({ "sub": ann.id.to_string(), "exp": now().timestamp() - 1 })));

    for target in ["/articles/".to_owned(), path(&article)] {
        let answer = expired.get(&target).await;
        answer.expect_error(StatusCode::UNAUTHORIZED, "Could not validate credentials");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}
