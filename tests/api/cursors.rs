//! Cursors: what they carry, which lists they fit, and what is refused as a cursor.

use actix_web::http::StatusCode;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    document::document,
    support::{Client, Published, Response, TestApp, percent_encoded},
};

/// A list that uses every parameter.
const QUERY: &str = "author=ann&published=true&sort=created_at&since=2020-01-01&until=2100-01-01&updated_since=2020-01-02&updated_until=2100-01-02&limit=2&count=exact&expand=author";

/// Five articles by ann, the third of them a draft, and five by bob between them. Returns the ids of ann's
/// articles.
async fn write_articles(ann: &Client, bob: &Client) -> Vec<i64> {
    let mut own = Vec::new();
    for number in 0..5 {
        own.push(ann.write(Published::when(number != 2)).await.id);
        bob.write(Published::Yes).await;
    }
    own
}

#[track_caller]
fn expect_no_cursor(response: &Response, context: &str) {
    assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{context}: {}", response.text());
    let errors = response.validation_errors();
    assert_eq!(errors, [("value_error".to_owned(), json!(["query", "cursor"]))], "{context}");
}

#[actix_web::test]
async fn pages_are_linked_in_both_directions() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let own = write_articles(&ann, &bob).await;

    let first = ann.list(QUERY).await;
    let second = ann.get(&first.linked("next").unwrap()).await;
    let back = ann.get(&second.linked("prev").unwrap()).await;

    assert_eq!((first.ids(), first.linked("prev")), (vec![own[0], own[1]], None));
    assert_eq!((second.ids(), second.linked("next")), (vec![own[3], own[4]], None));
    assert_eq!(back.ids(), [own[0], own[1]]);
}

#[actix_web::test]
async fn a_link_leads_to_the_list_behind_every_prefix() {
    for root_path in ["", "/api"] {
        let app = TestApp::with(&[("ROOT_PATH", root_path)]).await;
        let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
        let own = write_articles(&ann, &bob).await;
        for path in ["/articles", "/articles/", "/articles%2F"] {
            // The second response is the one that the cache has of the first.
            for _ in 0..2 {
                let first = app.anonymous().get(&format!("{path}?sort=created_at&author=ann&limit=1")).await;
                let link = first.link("next").unwrap();
                for prefix in ["", "/api", "/a/b"] {
                    let target = first.resolve_under(prefix, &link);
                    assert!(target.starts_with(&format!("{prefix}{path}?limit=1&cursor=")), "{target}");
                }
                let second = app.anonymous().get(&first.linked("next").unwrap()).await;
                assert_eq!(second.ids(), [own[1]], "{path}");
                let back = app.anonymous().get(&second.linked("prev").unwrap()).await;
                assert_eq!(back.ids(), [own[0]], "{path}");
            }
        }
    }
}

#[actix_web::test]
async fn a_link_keeps_what_the_list_shows_of_each_article_and_its_total() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    write_articles(&ann, &bob).await;
    let second = ann.get(&ann.list(QUERY).await.linked("next").unwrap()).await;
    assert_eq!(second.header("x-total-count"), Some("4"));
    assert_eq!(
        second.json()[0]["author"],
        json!({ "id": ann.id, "username": "ann", "display_name": null, "bio": null, "image": null })
    );
}

#[actix_web::test]
async fn a_cursor_may_be_used_with_the_parameters_of_its_list() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let own = write_articles(&ann, &bob).await;
    let cursor = ann.list(QUERY).await.next_cursor();
    for further in [
        "sort=created_at",
        "author=ann&published=yes&since=2020-01-01T00:00:00Z",
        "updated_until=4102531200&updated_since=2020-01-02+00:00",
        "limit=1&expand=author",
    ] {
        assert_eq!(ann.list_ids(&format!("{further}&cursor={cursor}")).await[0], own[3], "{further}");
    }
}

#[actix_web::test]
async fn a_cursor_may_be_used_with_every_default_that_the_document_states() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let ids = [ann.write(Published::Yes).await.id, ann.write(Published::Yes).await.id];
    let cursor = ann.list("limit=1").await.next_cursor();
    let parameters = &document()["paths"]["/articles/"]["get"]["parameters"];
    let defaults: Vec<String> = parameters
        .as_array()
        .unwrap()
        .iter()
        .filter(|parameter| !parameter["schema"]["default"].is_null())
        .map(|parameter| {
            format!("{}={}", parameter["name"].as_str().unwrap(), parameter["schema"]["default"])
        })
        .collect();
    assert_eq!(defaults, ["skip=0", "limit=100"]);
    for query in defaults.iter().map(String::as_str).chain([&*defaults.join("&"), "skip=-0", "skip=00"]) {
        assert_eq!(ann.list_ids(&format!("{query}&cursor={cursor}")).await, [ids[0]], "{query}");
    }
}

#[actix_web::test]
async fn a_cursor_with_the_parameters_of_another_list_is_422_and_names_them() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    write_articles(&ann, &bob).await;
    let cursor = ann.list(QUERY).await.next_cursor();
    for further in [
        "sort=-created_at",
        "sort=updated_at",
        "author=bob",
        "author=",
        "published=false",
        "since=2020-01-02",
        "until=2099-01-01",
        "updated_since=2020-01-01",
        "updated_until=2100-01-01",
        "skip=1",
        "skip=2&since=0&author=Ann",
    ] {
        let response = ann.list(&format!("{further}&cursor={cursor}")).await;
        expect_no_cursor(&response, further);
        let message = response.json()["detail"][0]["msg"].as_str().unwrap().to_owned();
        for parameter in further.split('&').chain(["cursor"]) {
            let name = parameter.split('=').next().unwrap();
            assert!(message.split([' ', ',']).any(|word| word == name), "{further}: {message}");
        }
    }
}

#[actix_web::test]
async fn a_cursor_of_an_author_shows_no_drafts_to_others() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = write_articles(&ann, &bob).await[2];
    let first = ann.list("sort=created_at&limit=1").await;
    for other in [&app.anonymous(), &bob] {
        let mut path = first.linked("next").unwrap();
        for _ in 0..3 {
            let page = other.get(&path).await;
            let shown = page.expect(StatusCode::OK);
            assert!(shown.as_array().unwrap().iter().all(|article| article["published"] == true));
            path = page.linked("next").unwrap();
        }
        let rest = other.list_ids(&format!("limit=1000&cursor={}", first.next_cursor())).await;
        assert!(!rest.contains(&draft));
    }
}

/// The cursor of a list with filters, and what it encodes.
async fn genuine_cursor(ann: &Client) -> (String, Value) {
    for _ in 0..3 {
        ann.write(Published::Yes).await;
    }
    let cursor = ann.list("limit=1&author=ann&since=2020-01-01").await.next_cursor();
    let content = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap()).unwrap();
    (cursor, content)
}

/// A cursor with changed content.
fn forge(content: &Value, change: impl FnOnce(&mut Value)) -> String {
    let mut content = content.clone();
    change(&mut content);
    BASE64_URL_SAFE_NO_PAD.encode(content.to_string())
}

async fn expect_no_cursors(app: &TestApp, cursors: Vec<String>) {
    for cursor in cursors {
        let response = app.anonymous().list(&format!("cursor={}", percent_encoded(&cursor))).await;
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap_or_default();
        expect_no_cursor(&response, &format!("{cursor}: {}", String::from_utf8_lossy(&decoded)));
    }
}

#[actix_web::test]
async fn a_cursor_that_is_encoded_again_still_works() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (_, content) = genuine_cursor(&ann).await;
    let cursor = forge(&content, |_| {});
    assert_eq!(ann.list_ids(&format!("cursor={cursor}")).await.len(), 2);
}

#[actix_web::test]
async fn text_that_is_no_cursor_is_422() {
    let app = TestApp::start().await;
    let (genuine, _) = genuine_cursor(&app.sign_up("ann").await).await;
    let texts = vec![
        String::new(),
        "x".to_owned(),
        "!!!!".to_owned(),
        format!("{genuine}="),
        format!("{genuine}AA"),
        genuine[1..].to_owned(),
        genuine[..genuine.len() - 2].to_owned(),
        genuine.repeat(50),
        BASE64_URL_SAFE_NO_PAD.encode("null"),
        BASE64_URL_SAFE_NO_PAD.encode("[".repeat(1000)),
    ];
    expect_no_cursors(&app, texts).await;
}

#[actix_web::test]
async fn a_cursor_with_other_members_or_types_is_422() {
    let app = TestApp::start().await;
    let (_, content) = genuine_cursor(&app.sign_up("ann").await).await;
    let forged = |change: &dyn Fn(&mut Value)| forge(&content, change);
    let cursors = vec![
        forged(&|content| content["more"] = 1.into()),
        forged(&|content| content["l"]["more"] = 1.into()),
        forged(&|content| content["l"]["s"] = "title".into()),
        forged(&|content| content["d"] = "x".into()),
        forged(&|content| content["t"] = "now".into()),
        forged(&|content| content["t"] = 1.5.into()),
        forged(&|content| content["i"] = (1_i64 << 31).into()),
        forged(&|content| drop(content.as_object_mut().unwrap().remove("i"))),
        forged(&|content| content["l"]["p"] = "yes".into()),
        forged(&|content| content["l"]["a"] = "a".repeat(7000).into()),
        forged(&|content| content["l"]["g"] = "a".into()),
        forged(&|content| content["l"]["g"] = serde_json::json!(["a\0"])),
        forged(&|content| content["l"]["g"] = serde_json::json!(["a", "b", "c", "d", "e", "f"])),
        forged(&|content| content["l"]["a"] = "a\0".into()),
    ];
    expect_no_cursors(&app, cursors).await;
}

#[actix_web::test]
async fn a_cursor_with_a_time_beyond_the_databases_is_422() {
    let app = TestApp::start().await;
    let (_, content) = genuine_cursor(&app.sign_up("ann").await).await;
    // In the year -4800, which PostgreSQL does not know, and in the year 99999, which SQLite orders before
    // all others.
    let (long_ago, far_off) = (-213_000_000_000_000_000_i64, 3_093_500_000_000_000_000_i64);
    let mut cursors = Vec::new();
    for time in [i64::MAX, -i64::MAX, long_ago, far_off] {
        cursors.push(forge(&content, |content| content["t"] = time.into()));
        cursors.push(forge(&content, |content| content["l"]["f"] = time.into()));
        cursors.push(forge(&content, |content| content["l"]["u"] = time.into()));
        cursors.push(forge(&content, |content| content["l"]["uf"] = time.into()));
        cursors.push(forge(&content, |content| content["l"]["uu"] = time.into()));
    }
    expect_no_cursors(&app, cursors).await;
}

#[actix_web::test]
async fn a_cursor_with_any_letter_changed_is_no_failure_of_the_server() {
    let app = TestApp::start().await;
    let (genuine, _) = genuine_cursor(&app.sign_up("ann").await).await;
    for at in 0..genuine.len() {
        let letter = if &genuine[at..=at] == "A" { "Z" } else { "A" };
        let cursor = format!("{}{letter}{}", &genuine[..at], &genuine[at + 1..]);
        let status = app.anonymous().list(&format!("cursor={cursor}")).await.status;
        assert!([StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY].contains(&status), "{cursor}: {status}");
    }
}
