//! Administrators read every draft, list them if they ask for it, and change any article.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::support::{Published, TestApp};

const MISSING: &str = "Article not found";

#[actix_web::test]
async fn an_administrator_reads_every_draft_by_its_id() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let draft = ann.write(Published::No).await;
    assert_eq!(root.get(&draft.path()).await.expect(StatusCode::OK), draft.json);
    let script = root.with_scopes(&["articles:read", "admin"]).await;
    assert_eq!(script.get(&draft.path()).await.expect(StatusCode::OK), draft.json);
    // Without the scope, a token has the rights of an author.
    let script = root.with_scopes(&["articles:read"]).await;
    script.get(&draft.path()).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    app.anonymous().get(&draft.path()).await.expect_error(StatusCode::NOT_FOUND, MISSING);
}

#[actix_web::test]
async fn lists_and_counts_show_the_drafts_of_others_only_on_request() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let (own, draft) = (root.write(Published::No).await.id, ann.write(Published::No).await.id);
    let public = ann.write(Published::Yes).await.id;
    for (query, ids) in [
        ("count=exact", vec![public, own]),
        ("count=exact&published=false", vec![own]),
        ("count=exact&drafts=all", vec![public, draft, own]),
        ("count=exact&drafts=all&published=false", vec![draft, own]),
        ("count=exact&drafts=all&published=true", vec![public]),
        ("count=exact&drafts=all&author=ann", vec![public, draft]),
        ("count=exact&drafts=all&sort=updated_at", vec![own, draft, public]),
    ] {
        let page = root.list(query).await;
        assert_eq!(page.ids(), ids, "{query}");
        assert_eq!(page.header("x-total-count"), Some(ids.len().to_string().as_str()), "{query}");
    }
}

#[actix_web::test]
async fn only_administrators_ask_for_the_drafts_of_others() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    ann.write(Published::No).await;
    // The response to the administrator must not be in the cache.
    root.list("drafts=all").await.expect(StatusCode::OK);
    app.anonymous().list("drafts=all").await.expect_unauthorized("Not authenticated");
    let script = root.with_scopes(&["articles:read"]).await;
    for client in [&ann, &script] {
        let refused = client.list("drafts=all").await;
        refused.expect_error(StatusCode::FORBIDDEN, "Only administrators may do this");
    }
    for word in ["", "ALL", "own", "true"] {
        let refused = root.list(&format!("drafts={word}")).await;
        refused.expect_invalid([("literal_error", json!(["query", "drafts"]))]);
    }
}

#[actix_web::test]
async fn a_cursor_says_whether_its_list_shows_the_drafts_of_others() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, ann.write(Published::No).await.id);
    }
    root.write(Published::Yes).await;
    let first = root.list("drafts=all&limit=2").await;
    let next = root.get(&first.linked("next").unwrap()).await;
    assert_eq!(next.ids(), ids[1..]);
    let cursor = first.next_cursor();
    assert_eq!(root.list_ids(&format!("drafts=all&cursor={cursor}")).await, ids[1..]);
    // A cursor gives nobody the rights of an administrator.
    let refused = ann.list(&format!("cursor={cursor}")).await;
    refused.expect_error(StatusCode::FORBIDDEN, "Only administrators may do this");
    app.anonymous().list(&format!("cursor={cursor}")).await.expect_unauthorized("Not authenticated");

    root.write(Published::Yes).await;
    let cursor = root.list("limit=1").await.next_cursor();
    let refused = root.list(&format!("drafts=all&cursor={cursor}")).await;
    refused.expect_invalid([("value_error", json!(["query", "cursor"]))]);
    assert!(refused.text().contains("cursor contradicts drafts"), "{}", refused.text());
}

#[actix_web::test]
async fn public_drafts_need_no_request() {
    let app = TestApp::with(&[("PUBLIC_DRAFTS", "true")]).await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let draft = ann.write(Published::No).await.id;
    for client in [&root, &ann, &app.anonymous()] {
        assert_eq!(client.list_ids("").await, [draft]);
        assert_eq!(client.list_ids("drafts=all").await, [draft]);
    }
}

#[actix_web::test]
async fn the_tag_of_a_list_with_drafts_follows_the_drafts() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let draft = ann.write(Published::No).await;
    let path = "/articles/?drafts=all";
    let tag = root.get(path).await.tag();
    let same = root.request(actix_web::http::Method::GET, path).if_none_match(&tag).send().await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);
    ann.edit(&draft, &json!({ "title": "edited" })).await;
    let edited = root.request(actix_web::http::Method::GET, path).if_none_match(&tag).send().await;
    assert_eq!(edited.expect(StatusCode::OK)[0]["title"], "edited");
}

#[actix_web::test]
async fn an_administrator_changes_and_deletes_any_article() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    for published in [Published::Yes, Published::No] {
        let article = ann.write(published).await;
        let edited = root.edit(&article, &json!({ "title": "moderated" })).await;
        assert_eq!(edited.json["title"], "moderated");
        assert_eq!(edited.json["author_id"], ann.id);
        assert_eq!(ann.get(&article.path()).await.expect(StatusCode::OK), edited.json);
        root.delete(&article.path()).await.expect(StatusCode::NO_CONTENT);
        ann.get(&article.path()).await.expect_error(StatusCode::NOT_FOUND, MISSING);
        root.delete(&article.path()).await.expect_error(StatusCode::NOT_FOUND, MISSING);
        let gone = root.patch(&article.path(), &json!({ "title": "again" })).await;
        gone.expect_error(StatusCode::NOT_FOUND, MISSING);
    }
}

#[actix_web::test]
async fn a_withdrawn_article_leaves_the_cache() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let article = ann.write(Published::Yes).await;
    app.anonymous().get(&article.path()).await.expect(StatusCode::OK);
    assert_eq!(app.anonymous().list_ids("").await, [article.id]);
    root.edit(&article, &json!({ "published": false })).await;
    app.anonymous().get(&article.path()).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    assert_eq!(app.anonymous().list_ids("").await, [0; 0]);
}

#[actix_web::test]
async fn an_administrator_moderates_with_a_token_only_if_it_has_the_scope() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let (article, draft) = (ann.write(Published::Yes).await, ann.write(Published::No).await);
    let change = json!({ "title": "moderated" });
    let script = root.with_scopes(&["articles:read", "articles:write"]).await;
    script.patch(&article.path(), &change).await.expect_error(StatusCode::FORBIDDEN, "Not authorized");
    script.delete(&article.path()).await.expect_error(StatusCode::FORBIDDEN, "Not authorized");
    script.patch(&draft.path(), &change).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    // The route needs its own scope as well.
    let refused = root.with_scopes(&["admin"]).await.patch(&article.path(), &change).await;
    refused.expect_error(StatusCode::FORBIDDEN, "The token does not have the scope articles:write");
    let script = root.with_scopes(&["articles:write", "admin"]).await;
    script.patch(&article.path(), &change).await.expect(StatusCode::OK);
    script.delete(&article.path()).await.expect(StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn other_users_still_change_only_their_own_articles() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let article = root.write(Published::Yes).await;
    let refused = ann.patch(&article.path(), &json!({ "title": "mine" })).await;
    refused.expect_error(StatusCode::FORBIDDEN, "Not authorized");
    ann.delete(&article.path()).await.expect_error(StatusCode::FORBIDDEN, "Not authorized");
}

#[actix_web::test]
async fn a_condition_binds_administrators_too() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let article = ann.write(Published::Yes).await;
    ann.edit(&article, &json!({ "title": "edited" })).await;
    let patch = root.request(actix_web::http::Method::PATCH, &article.path()).if_match(&article.tag);
    let patch = patch.json(&json!({ "title": "moderated" })).send().await;
    patch.expect_error(StatusCode::PRECONDITION_FAILED, "The article has changed");
    let delete = root.request(actix_web::http::Method::DELETE, &article.path()).if_match(&article.tag);
    delete.send().await.expect_error(StatusCode::PRECONDITION_FAILED, "The article has changed");
    assert_eq!(root.log().await, [""; 0]);
}

#[actix_web::test]
async fn an_article_that_was_moderated_is_not_published_by_the_end_of_a_suspension() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let (withdrawn, edited) = (ann.write(Published::Yes).await, ann.write(Published::Yes).await);
    root.suspend(ann.id, "hide").await.expect(StatusCode::OK);
    root.edit(&withdrawn, &json!({ "published": false })).await;
    root.edit(&edited, &json!({ "title": "still hidden" })).await;
    root.act(&format!("/admin/users/{}/reinstate", ann.id)).await.expect(StatusCode::OK);
    assert_eq!(app.anonymous().list_ids("").await, [edited.id]);
    let read = root.get(&withdrawn.path()).await.expect(StatusCode::OK);
    assert_eq!(read["published"], false);
}
