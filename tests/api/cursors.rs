//! Cursors: which lists they fit, and what is no cursor.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    lists::{cursor, encoded, ids, linked, listed},
    support::{Published, TestApp},
};

#[actix_web::test]
async fn a_cursor_carries_its_order_and_filters_and_takes_no_others() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let mut own = Vec::new();
    for number in 0..5 {
        own.push(ann.write(Published::when(number != 2)).await.json["id"].as_i64().unwrap());
        bob.write(Published::Yes).await.json;
    }
    let query = "author=ann&published=true&sort=created_at&since=2020-01-01&until=2100-01-01&limit=2&count=exact&expand=author";
    let first = ann.get(&format!("/articles/?{query}")).await;
    assert_eq!(ids(&first), [own[0], own[1]]);
    assert_eq!(linked(&first, "prev"), None);
    let next = linked(&first, "next").unwrap();
    let second = ann.get(&next).await;
    assert_eq!(ids(&second), [own[3], own[4]]);
    assert_eq!(linked(&second, "next"), None);
    assert_eq!(second.header("x-total-count"), Some("4"));
    assert_eq!(second.json()[0]["author"], json!({ "id": ann.id, "username": "ann" }));
    assert_eq!(ids(&ann.get(&linked(&second, "prev").unwrap()).await), [own[0], own[1]]);

    let cursor = cursor(&next);
    for (further, fits) in [
        ("sort=created_at", true),
        ("author=ann&published=yes&since=2020-01-01T00:00:00Z", true),
        ("limit=1&expand=author", true),
        ("sort=-created_at", false),
        ("sort=updated_at", false),
        ("author=bob", false),
        ("author=", false),
        ("published=false", false),
        ("since=2020-01-02", false),
        ("until=2099-01-01", false),
        ("skip=0", false),
        ("skip=1", false),
    ] {
        let answer = ann.get(&format!("/articles/?{further}&cursor={cursor}")).await;
        if fits {
            assert_eq!(ids(&answer)[0], own[3], "{further}");
        } else {
            assert_eq!(
                answer.validation_errors(),
                [("value_error".to_owned(), json!(["query", "cursor"]))],
                "{further}"
            );
        }
    }
    // A cursor is a place, not a permission.
    let mine = ann.get("/articles/?sort=created_at&limit=1").await;
    let next = linked(&mine, "next").unwrap();
    for stranger in [&app.anonymous(), &bob] {
        for _ in 0..3 {
            assert!(
                stranger.get(&next).await.json().as_array().unwrap().iter().all(|a| a["published"] == true)
            );
        }
    }
    assert!(
        !listed(&bob, &format!("limit=1000&cursor={}", crate::lists::cursor(&next))).await.contains(&own[2])
    );
}

#[actix_web::test]
async fn what_is_no_cursor_is_told_so() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for _ in 0..3 {
        ann.write(Published::Yes).await.json;
    }
    let target = linked(&ann.get("/articles/?limit=1&author=ann&since=2020-01-01").await, "next").unwrap();
    let genuine = cursor(&target);
    let said: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(&genuine).unwrap()).unwrap();
    let forged = |change: &dyn Fn(&mut Value)| {
        let mut said = said.clone();
        change(&mut said);
        BASE64_URL_SAFE_NO_PAD.encode(said.to_string())
    };
    assert_eq!(listed(&ann, &format!("cursor={}", forged(&|_| {}))).await.len(), 2);

    let far = i64::MAX;
    // In the year -4800, which PostgreSQL doesn't know, and in the year 99999, which SQLite puts before all others.
    let (long_ago, far_off) = (-213_000_000_000_000_000_i64, 3_093_500_000_000_000_000_i64);
    let mut bad = vec![
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
        forged(&|said| said["more"] = 1.into()),
        forged(&|said| said["l"]["more"] = 1.into()),
        forged(&|said| said["l"]["s"] = "title".into()),
        forged(&|said| said["d"] = "x".into()),
        forged(&|said| said["t"] = "now".into()),
        forged(&|said| said["t"] = 1.5.into()),
        forged(&|said| said["i"] = (1_i64 << 31).into()),
        forged(&|said| drop(said.as_object_mut().unwrap().remove("i"))),
        forged(&|said| said["l"]["p"] = "yes".into()),
        forged(&|said| said["l"]["a"] = "a".repeat(4000).into()),
        forged(&|said| said["l"]["a"] = "a\0".into()),
    ];
    for moment in [far, -far, long_ago, far_off] {
        bad.push(forged(&|said| said["t"] = moment.into()));
        bad.push(forged(&|said| said["l"]["f"] = moment.into()));
        bad.push(forged(&|said| said["l"]["u"] = moment.into()));
    }
    for cursor in bad {
        let answer = app.anonymous().get(&format!("/articles/?cursor={}", encoded(&cursor))).await;
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap_or_default();
        let seen = format!("{cursor}: {}", String::from_utf8_lossy(&decoded));
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{seen}: {}", answer.text());
        assert_eq!(
            answer.validation_errors(),
            [("value_error".to_owned(), json!(["query", "cursor"]))],
            "{seen}"
        );
    }
    // Whatever a letter is changed to, the answer is none of a server that failed.
    for at in 0..genuine.len() {
        let letter = if &genuine[at..=at] == "A" { "Z" } else { "A" };
        let cursor = format!("{}{letter}{}", &genuine[..at], &genuine[at + 1..]);
        let status = app.anonymous().get(&format!("/articles/?cursor={cursor}")).await.status;
        assert!([StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY].contains(&status), "{cursor}: {status}");
    }
}
