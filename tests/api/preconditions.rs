//! `If-Match`: an edit or a deletion is refused if the article has changed since the client read it.

use actix_web::http::{Method, StatusCode};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::{Article, Client, Published, Response, TestApp};

async fn patch_if(client: &Client, path: &str, tag: &str, change: &Value) -> Response {
    client.request(Method::PATCH, path).if_match(tag).json(change).send().await
}

async fn delete_if(client: &Client, path: &str, tag: &str) -> Response {
    client.request(Method::DELETE, path).if_match(tag).send().await
}

/// An article that was edited once: the version before, the current one, and tags that fit neither.
struct Edited {
    current: Article,
    outdated: Vec<String>,
}

async fn write_and_edit(author: &Client) -> Edited {
    let first = author.write(Published::Yes).await;
    let current = author.edit(&first, &json!({ "title": "first" })).await;
    let page = author.get("/articles/").await.tag();
    let tag = first.tag;
    let outdated =
        [&tag, &format!("W/{tag}"), "\"v2\"", "\"1v2\"", "\"1v2s0\"", "", "\"\"", "garbage", &page]
            .map(str::to_owned)
            .to_vec();
    Edited { current, outdated }
}

#[actix_web::test]
async fn an_edit_of_the_current_version_succeeds() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let response = patch_if(&ann, &article.path(), &article.tag, &json!({ "title": "first" })).await;
    assert_eq!(response.expect(StatusCode::OK)["title"], "first");
}

#[actix_web::test]
async fn an_edit_of_an_outdated_version_is_412_and_changes_nothing() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let Edited { current, outdated } = write_and_edit(&ann).await;
    for tag in &outdated {
        for change in [json!({ "title": "second" }), json!({}), json!({ "title": "first" })] {
            let response = patch_if(&ann, &current.path(), tag, &change).await;
            assert_eq!(response.status, StatusCode::PRECONDITION_FAILED, "{tag}: {change}");
        }
    }
    let stored = ann.get(&current.path()).await;
    assert_eq!((stored.json(), stored.tag()), (current.json, current.tag));
}

#[actix_web::test]
async fn a_deletion_of_an_outdated_version_is_412_and_deletes_nothing() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let Edited { current, outdated } = write_and_edit(&ann).await;
    for tag in &outdated {
        let response = delete_if(&ann, &current.path(), tag).await;
        assert_eq!(response.status, StatusCode::PRECONDITION_FAILED, "{tag}");
        assert!(response.json()["detail"].is_string());
    }
    let stored = ann.get(&current.path()).await;
    assert_eq!((stored.json(), stored.tag()), (current.json, current.tag));
}

#[actix_web::test]
async fn a_foreign_article_is_403_whatever_the_condition() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let Edited { current, outdated } = write_and_edit(&ann).await;
    for tag in &outdated {
        let change = json!({ "title": "mine" });
        for response in
            [patch_if(&bob, &current.path(), tag, &change).await, delete_if(&bob, &current.path(), tag).await]
        {
            assert_eq!(response.status, StatusCode::FORBIDDEN, "{tag}");
        }
    }
}

#[actix_web::test]
async fn a_missing_article_is_404_whatever_the_condition() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let Edited { current, mut outdated } = write_and_edit(&ann).await;
    ann.delete(&current.path()).await.expect(StatusCode::NO_CONTENT);
    outdated.extend(["*".to_owned(), current.tag.clone()]);
    for tag in &outdated {
        for path in ["/articles/999999", &current.path()] {
            for response in [patch_if(&ann, path, tag, &json!({})).await, delete_if(&ann, path, tag).await] {
                assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}: {tag}");
            }
        }
    }
}

#[actix_web::test]
async fn a_hidden_draft_is_404_whatever_the_condition() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await;
    for tag in ["\"v999\"", &draft.tag] {
        let response = patch_if(&bob, &draft.path(), tag, &json!({})).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{tag}");
    }
}

#[actix_web::test]
async fn an_invalid_body_is_reported_before_the_condition() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let Edited { current, outdated } = write_and_edit(&ann).await;
    for tag in &outdated {
        let response = patch_if(&ann, &current.path(), tag, &json!({ "title": "" })).await;
        assert_eq!(response.validation_errors()[0].0, "string_too_short", "{tag}");
    }
}

/// Weak, in a list, as "any version", and plain.
const FORMS: [&str; 4] = ["W/{}", "\"v999\", {}", "*", "{}"];

#[actix_web::test]
async fn the_current_tag_fits_in_every_form() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let mut article = ann.write(Published::Yes).await;
    for (number, form) in FORMS.into_iter().enumerate() {
        let tag = form.replace("{}", &article.tag);
        let title = number.to_string();
        assert_eq!(patch_if(&ann, &article.path(), &tag, &json!({})).await.status, StatusCode::OK, "{form}");
        let response = patch_if(&ann, &article.path(), &tag, &json!({ "title": title })).await;
        assert_eq!(response.expect(StatusCode::OK)["title"], title, "{form}");
        article = Article::from_response(&response);
    }
}

#[actix_web::test]
async fn without_a_condition_any_version_is_edited() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    ann.edit(&article, &json!({ "title": "first" })).await;
    let edited = ann.edit(&article, &json!({ "title": "unconditional" })).await;
    assert_eq!(edited.json["title"], "unconditional");
}

#[actix_web::test]
async fn a_deletion_of_the_current_version_succeeds() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let current = ann.edit(&article, &json!({ "title": "another" })).await;
    let outdated = delete_if(&ann, &article.path(), &article.tag).await;
    assert_eq!(outdated.status, StatusCode::PRECONDITION_FAILED);
    delete_if(&ann, &article.path(), &current.tag).await.expect(StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn of_edits_of_one_version_at_once_exactly_one_succeeds() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    for round in 0..20 {
        let tag = ann.get(&path).await.tag();
        let changes: Vec<Value> =
            (0..4).map(|rival| json!({ "title": format!("{round}: {rival}") })).collect();
        let responses = join_all(changes.iter().map(|change| patch_if(&ann, &path, &tag, change))).await;

        let (won, lost): (Vec<_>, Vec<_>) =
            responses.iter().partition(|response| response.status == StatusCode::OK);
        assert_eq!(won.len(), 1, "round {round}");
        assert!(lost.iter().all(|response| response.status == StatusCode::PRECONDITION_FAILED));
        assert_eq!(ann.get(&path).await.json(), won[0].json());
    }
}

#[actix_web::test]
async fn of_an_edit_and_a_deletion_of_one_version_at_once_exactly_one_succeeds() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let (path, tag, change) = (article.path(), &article.tag, json!({ "title": "edited or deleted" }));
    let (edited, deleted) = join(patch_if(&ann, &path, tag, &change), delete_if(&ann, &path, tag)).await;
    let statuses = (edited.status.as_u16(), deleted.status.as_u16());
    assert!([(200, 412), (404, 204), (412, 204)].contains(&statuses), "{statuses:?}");
}

/// An article with its author, whose name has changed since.
async fn write_and_rename_author(app: &TestApp) -> (Client, Article, String) {
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let shown = ann.get(&format!("{}?expand=author", article.path())).await.tag();
    app.sql("UPDATE users SET username = 'eve'").await;
    (ann, article, shown)
}

#[actix_web::test]
async fn a_new_author_name_does_not_outdate_the_article() {
    let app = TestApp::start().await;
    let (ann, article, shown) = write_and_rename_author(&app).await;
    for tag in [format!("W/{shown}"), shown] {
        let response = patch_if(&ann, &article.path(), &tag, &json!({})).await;
        assert_eq!(response.status, StatusCode::OK, "{tag}");
    }
}

#[actix_web::test]
async fn a_tag_that_covers_the_author_too_is_outdated_by_an_edit() {
    let app = TestApp::start().await;
    let (ann, article, shown) = write_and_rename_author(&app).await;
    patch_if(&ann, &article.path(), &shown, &json!({ "title": "another" })).await.expect(StatusCode::OK);
    for response in [
        patch_if(&ann, &article.path(), &shown, &json!({})).await,
        delete_if(&ann, &article.path(), &shown).await,
    ] {
        assert_eq!(response.status, StatusCode::PRECONDITION_FAILED);
    }
}

#[actix_web::test]
async fn a_tag_that_covers_the_author_too_fits_the_version_that_it_names() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    let shown = ann.get(&format!("{path}?expand=author")).await.tag();
    delete_if(&ann, &path, &shown).await.expect(StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn the_tag_of_a_page_fits_no_article() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    for page in ["/articles/", "/articles/?expand=author"] {
        let tag = ann.get(page).await.tag();
        let response = patch_if(&ann, &path, &tag, &json!({})).await;
        assert_eq!(response.status, StatusCode::PRECONDITION_FAILED, "{page}");
    }
}

#[actix_web::test]
async fn a_change_by_hand_outdates_every_tag() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    for change in [
        "title = 'by hand'",
        "content = 'words put there by hand'",
        "published = FALSE",
        "created_at = '2024-01-01T00:00:00Z'",
        "updated_at = '2024-01-02T00:00:00Z'",
        "title = 'with an old version number', version = 1",
    ] {
        let tag = ann.get(&path).await.tag();
        app.sql(&format!("UPDATE articles SET {change}")).await;
        for response in [
            patch_if(&ann, &path, &tag, &json!({ "title": "an edit of an outdated version" })).await,
            patch_if(&ann, &path, &tag, &json!({})).await,
            delete_if(&ann, &path, &tag).await,
        ] {
            assert_eq!(response.status, StatusCode::PRECONDITION_FAILED, "{change}");
        }
    }
}

#[actix_web::test]
async fn the_tag_of_a_compressed_response_protects_an_edit_too() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let body = json!({ "title": "long", "content": "It weaves. ".repeat(2000), "published": true });
    let path = ann.create(&body).await.path();
    let compressed = ann.request(Method::GET, &path).accept_encoding("gzip").send().await;
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    let tag = compressed.header("etag").unwrap();
    patch_if(&ann, &path, tag, &json!({ "title": "first" })).await.expect(StatusCode::OK);
    let second = patch_if(&ann, &path, tag, &json!({ "title": "second" })).await;
    second.expect_error(StatusCode::PRECONDITION_FAILED, "The article has changed");
}

#[actix_web::test]
async fn a_tag_of_another_database_is_outdated() {
    let (production, staging) = (TestApp::start().await, TestApp::start().await);
    let (ann, her_copy) = (production.sign_up("ann").await, staging.sign_up("ann").await);
    let (article, copy) = (ann.write(Published::Yes).await, her_copy.write(Published::Yes).await);
    let expanded = her_copy.get(&format!("{}?expand=author", copy.path())).await.tag();
    for tag in [&copy.tag, &expanded] {
        for response in [
            patch_if(&ann, &article.path(), tag, &json!({ "title": "meant for the copy" })).await,
            patch_if(&ann, &article.path(), tag, &json!({})).await,
            delete_if(&ann, &article.path(), tag).await,
        ] {
            assert_eq!(response.status, StatusCode::PRECONDITION_FAILED, "{tag}");
        }
    }
    ann.edit(&article, &json!({ "title": "meant for the original" })).await;
}

/// The version of one tag and the random part of another are not a state.
#[actix_web::test]
async fn the_parts_of_several_tags_are_not_combined() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let first = ann.write(Published::Yes).await;
    let current = ann.edit(&first, &json!({ "title": "another" })).await;
    let random = |tag: &str| tag.trim_matches('"').split_once('s').unwrap().1.to_owned();
    let tags = format!("\"1v2s{}\", \"1v1s{}\"", random(&first.tag), random(&current.tag));
    for response in [
        patch_if(&ann, &first.path(), &tags, &json!({ "title": "mixed" })).await,
        delete_if(&ann, &first.path(), &tags).await,
    ] {
        assert_eq!(response.status, StatusCode::PRECONDITION_FAILED, "{tags}");
    }
}

/// A release that shows more members changes all tags, but not the state that a client has edited.
#[actix_web::test]
async fn a_tag_of_another_representation_fits_the_state_that_it_names() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let newer = article.tag.replacen('2', "3", 1);
    assert_eq!(
        ann.request(Method::GET, &article.path()).if_none_match(&newer).send().await.status,
        StatusCode::OK
    );
    patch_if(&ann, &article.path(), &newer, &json!({ "title": "first" })).await.expect(StatusCode::OK);
    let second = patch_if(&ann, &article.path(), &newer, &json!({ "title": "second" })).await;
    assert_eq!(second.status, StatusCode::PRECONDITION_FAILED);
}

#[actix_web::test]
async fn a_long_list_of_tags_is_compared_up_to_the_hundredth() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let others: Vec<String> = (0..99).map(|number| format!("\"1v{number}s1\"")).collect();
    let others = others.join(", ");
    let within = format!("{others}, {}", article.tag);
    let beyond = format!("{others}, \"x\", {}", article.tag);
    let refused = patch_if(&ann, &article.path(), &beyond, &json!({ "title": "refused" })).await;
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
    patch_if(&ann, &article.path(), &within, &json!({ "title": "changed" })).await.expect(StatusCode::OK);
}
