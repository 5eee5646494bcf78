//! Conditional requests: what a client has is not sent again, and what it has not seen it doesn't overwrite.

use actix_web::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Published, Response, TestApp};

pub(crate) fn path(article: &Value) -> String {
    format!("/articles/{}", article["id"])
}

pub(crate) fn tag(answer: &Response) -> String {
    let tag = answer.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    tag.to_owned()
}

async fn unless(client: &Client, path: &str, tag: &str) -> Response {
    client.send(Method::GET, path, &[("if-none-match", tag)], None).await
}

pub(crate) async fn patch_if(client: &Client, path: &str, tag: &str, body: &Value) -> Response {
    let headers = [("content-type", "application/json"), ("if-match", tag)];
    client.send(Method::PATCH, path, &headers, Some(body.to_string())).await
}

pub(crate) async fn delete_if(client: &Client, path: &str, tag: &str) -> Response {
    client.send(Method::DELETE, path, &[("if-match", tag)], None).await
}

#[actix_web::test]
async fn an_article_has_one_tag_for_one_state_whoever_asks() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let body = json!({ "title": "t", "content": "0123456789", "published": true });
    let written = ann.post("/articles/", &body).await;
    let article = written.expect(StatusCode::CREATED);
    let target = path(&article);
    let first = tag(&written);
    for answer in [
        ann.get(&target).await,
        ann.head(&target).await,
        app.anonymous().get(&target).await,
        ann.patch(&target, &json!({})).await,
        ann.patch(&target, &json!({ "title": "t" })).await,
    ] {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(tag(&answer), first);
    }
    let changed = ann.patch(&target, &json!({ "title": "u" })).await;
    changed.expect(StatusCode::OK);
    assert_ne!(tag(&changed), first);
    assert_eq!(tag(&app.anonymous().get(&target).await), tag(&changed));
    // Back to the same words, and still another state.
    let back = ann.patch(&target, &json!({ "title": "t" })).await;
    assert!(![first, tag(&changed)].contains(&tag(&back)));
}

#[actix_web::test]
async fn what_the_client_has_is_not_sent_again() {
    // From the database and from memory: the first reads of each fill it.
    for settings in [[("CACHE_BYTES", "0")], [("CACHE_BYTES", "1000000")]] {
        let app = TestApp::with(&settings).await;
        let ann = app.sign_up("ann").await;
        let article = ann.write(Published::Yes).await.json;
        ann.write(Published::Yes).await.json;
        for target in [
            path(&article),
            format!("{}?expand=author", path(&article)),
            "/articles/".to_owned(),
            "/articles/?limit=1&count=exact".to_owned(),
            "/articles/?limit=1&expand=author".to_owned(),
        ] {
            for client in [&app.anonymous(), &ann] {
                for _ in 0..3 {
                    let whole = client.get(&target).await;
                    let tag = tag(&whole);
                    let bare = tag.trim_matches('"');
                    for has in [
                        tag.clone(),
                        format!("W/{tag}"),
                        format!("\"{bare}-gzip\""),
                        format!("W/\"{bare};br\""),
                        format!("\"v999\", {tag}"),
                        format!("\"x\",W/\"y\" ,  W/{tag}"),
                    ] {
                        for method in [Method::GET, Method::HEAD] {
                            let answer = client.send(method, &target, &[("if-none-match", &has)], None).await;
                            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{target}: {has}");
                            assert!(answer.body.is_empty());
                            assert_eq!(answer.header("content-type"), None);
                            for name in ["etag", "cache-control", "vary"] {
                                assert_eq!(answer.header(name), whole.header(name), "{target}: {name}");
                            }
                        }
                    }
                    for lacks in ["\"v999\"", "", "\"\"", "*", "W/", &tag[..tag.len() - 2], "\"é\""] {
                        let answer = unless(client, &target, lacks).await;
                        assert_eq!(answer.expect(StatusCode::OK), whole.json(), "{target}: {lacks}");
                    }
                }
            }
        }
    }
}

#[actix_web::test]
async fn nothing_that_may_not_be_seen_is_unchanged() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let article = ann.write(Published::Yes).await.json;
    let target = path(&article);
    let has = tag(&app.anonymous().get(&target).await);
    let withdrawn = tag(&ann.patch(&target, &json!({ "published": false })).await);
    for known in [&has, &withdrawn] {
        for client in [&app.anonymous(), &bob] {
            assert_eq!(unless(client, &target, known).await.status, StatusCode::NOT_FOUND);
        }
        let bad = app.anonymous().with_token("garbage");
        assert_eq!(unless(&bad, &target, known).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(unless(&ann, &target, &withdrawn).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(unless(&ann, &target, &has).await.status, StatusCode::OK);
    ann.delete(&target).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(unless(&ann, &target, &withdrawn).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn whatever_changes_a_page_changes_its_tag() {
    let app = TestApp::start().await;
    let (ann, stranger) = (app.sign_up("ann").await, app.anonymous());
    let mut articles = Vec::new();
    for _ in 0..5 {
        articles.push(ann.write(Published::Yes).await.json);
    }
    let page = "/articles/?limit=3&sort=created_at";
    let mut seen = vec![tag(&stranger.get(page).await)];
    let changed = async |seen: &mut Vec<String>, what: &str| {
        let last = seen.last().unwrap().clone();
        let answer = unless(&stranger, page, &last).await;
        answer.expect(StatusCode::OK);
        assert!(!seen.contains(&tag(&answer)), "{what}");
        seen.push(tag(&answer));
        assert_eq!(unless(&stranger, page, &tag(&answer)).await.status, StatusCode::NOT_MODIFIED, "{what}");
    };
    ann.patch(&path(&articles[1]), &json!({ "title": "another" })).await.expect(StatusCode::OK);
    changed(&mut seen, "an edit").await;
    ann.patch(&path(&articles[2]), &json!({ "published": false })).await.expect(StatusCode::OK);
    changed(&mut seen, "a withdrawal").await;
    ann.delete(&path(&articles[0])).await.expect(StatusCode::NO_CONTENT);
    changed(&mut seen, "a deletion").await;
    // Three are left; the page showed them all, and now nothing lies behind it.
    ann.patch(&path(&articles[2]), &json!({ "published": true })).await.expect(StatusCode::OK);
    changed(&mut seen, "a publication").await;
    ann.delete(&path(&articles[4])).await.expect(StatusCode::NO_CONTENT);
    changed(&mut seen, "a deletion behind the page, which ends the list").await;
    // Of a total its header is a part.
    let counted = format!("{page}&count=exact");
    let before = tag(&stranger.get(&counted).await);
    for _ in 0..2 {
        ann.write(Published::Yes).await.json;
    }
    assert_eq!(unless(&stranger, &counted, &before).await.header("x-total-count"), Some("5"));
}

#[actix_web::test]
async fn a_change_by_hand_is_another_state_too() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let target = path(&ann.write(Published::Yes).await.json);
    let pages = ["/articles/", "/articles/?count=exact&expand=author"];
    for change in [
        "title = 'by hand'",
        "content = 'words put there by hand'",
        "published = FALSE",
        "created_at = '2024-01-01T00:00:00Z'",
        "updated_at = '2024-01-02T00:00:00Z'",
        "title = 'with a version of old', version = 1",
    ] {
        let stale = tag(&ann.get(&target).await);
        let mut seen = vec![(target.as_str(), stale.clone())];
        for page in pages {
            seen.push((page, tag(&ann.get(page).await)));
        }
        app.sql(&format!("UPDATE articles SET {change}")).await;
        for (path, has) in &seen {
            let answer = unless(&ann, path, has).await;
            assert_eq!(answer.status, StatusCode::OK, "{change}: {path}");
            assert_ne!(tag(&answer), *has, "{change}: {path}");
        }
        for lost in [
            patch_if(&ann, &target, &stale, &json!({ "title": "an edit of what was" })).await,
            patch_if(&ann, &target, &stale, &json!({})).await,
            delete_if(&ann, &target, &stale).await,
        ] {
            assert_eq!(lost.status, StatusCode::PRECONDITION_FAILED, "{change}");
        }
        for path in [&[target.as_str()], pages.as_slice()].concat() {
            let has = tag(&ann.get(path).await);
            app.sql("UPDATE articles SET title = title, published = published, updated_at = updated_at")
                .await;
            assert_eq!(unless(&ann, path, &has).await.status, StatusCode::NOT_MODIFIED, "{path}");
        }
    }
    // An edit of Byline's own counts once.
    let version = |answer: &Response| -> u32 { tag(answer).trim_matches(['"', 'v']).parse().unwrap() };
    let before = ann.get(&target).await;
    let edited = patch_if(&ann, &target, &tag(&before), &json!({ "title": "her own" })).await;
    edited.expect(StatusCode::OK);
    assert_eq!(version(&edited), version(&before) + 1);
    assert_eq!(version(&ann.get(&target).await), version(&edited));
}

#[actix_web::test]
async fn an_author_who_is_shown_has_a_share_in_the_tag() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let article = path(&ann.write(Published::Yes).await.json);
    let plain = [article.clone(), "/articles/".to_owned()];
    let expanded = plain.each_ref().map(|path| format!("{path}?expand=author"));
    let has = async |path: &String| (path.clone(), tag(&ann.get(path).await));
    let (plain, before) = (join_all(plain.iter().map(has)).await, join_all(expanded.iter().map(has)).await);

    app.sql(&format!("UPDATE users SET username = 'eve' WHERE id = {}", ann.id)).await;
    for (path, has) in &before {
        let answer = unless(&ann, path, has).await;
        let shown = answer.expect(StatusCode::OK);
        let shown = if shown.is_array() { &shown[0] } else { &shown };
        assert_eq!(shown["author"]["username"], "eve", "{path}");
        assert_ne!(tag(&answer), *has, "{path}");
    }
    let after = join_all(expanded.iter().map(has)).await;
    // Whose name is not shown has none.
    app.sql(&format!("UPDATE users SET username = 'ann' WHERE id = {}", bob.id)).await;
    for (path, has) in plain.iter().chain(&after) {
        assert_eq!(unless(&ann, path, has).await.status, StatusCode::NOT_MODIFIED, "{path}");
    }

    // The author's name is no part of what an edit could overwrite; the article is.
    let [(_, before), (_, page)] = before.as_slice() else { unreachable!() };
    assert_eq!(patch_if(&ann, &article, page, &json!({})).await.status, StatusCode::PRECONDITION_FAILED);
    for form in ["{}", "W/{}"] {
        let form = form.replace("{}", before);
        assert_eq!(patch_if(&ann, &article, &form, &json!({})).await.status, StatusCode::OK, "{form}");
    }
    let edit = json!({ "title": "another" });
    patch_if(&ann, &article, before, &edit).await.expect(StatusCode::OK);
    for lost in [patch_if(&ann, &article, before, &json!({})).await, delete_if(&ann, &article, before).await]
    {
        assert_eq!(lost.status, StatusCode::PRECONDITION_FAILED);
    }
    let current = tag(&ann.get(&expanded[0]).await);
    delete_if(&ann, &article, &current).await.expect(StatusCode::NO_CONTENT);
}
