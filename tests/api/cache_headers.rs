//! What responses say to caches between server and client.

use actix_web::http::StatusCode;

use crate::{
    conditional::path,
    support::{Published, TestApp},
};

#[actix_web::test]
async fn caches_on_the_way_are_told_what_they_may_keep() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;
    for target in [path(&article), "/articles/".to_owned()] {
        for _ in 0..2 {
            for (client, kept) in [(&app.anonymous(), "public, no-cache"), (&ann, "private, no-cache")] {
                let answer = client.get(&target).await;
                assert_eq!(answer.header("cache-control"), Some(kept), "{target}");
                assert!(answer.header_lists("vary", "authorization"), "{target}: {:?}", answer.headers);
            }
        }
    }

    // What is refused or missing now may be there in a moment, or for somebody else.
    let draft = ann.write(Published::No).await.json;
    let (stranger, bad) = (app.anonymous(), app.anonymous().with_token("garbage"));
    for (client, target, status) in [
        (&stranger, path(&draft), StatusCode::NOT_FOUND),
        (&stranger, "/articles/999999".to_owned(), StatusCode::NOT_FOUND),
        (&stranger, "/articles/?limit=x".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        (&bad, path(&article), StatusCode::UNAUTHORIZED),
    ] {
        let answer = client.get(&target).await;
        assert_eq!((answer.status, answer.header("cache-control")), (status, Some("no-store")), "{target}");
    }

    let app = TestApp::with(&[("PUBLIC_DRAFTS", "true")]).await;
    let ann = app.sign_up("ann").await;
    let draft = ann.write(Published::No).await.json;
    for target in [path(&draft), "/articles/".to_owned()] {
        for client in [&app.anonymous(), &ann, &ann.with_token("garbage")] {
            let answer = client.get(&target).await;
            answer.expect(StatusCode::OK);
            // The token is not looked at, so the answer is everyone's.
            assert_eq!(answer.header("cache-control"), Some("public, no-cache"), "{target}");
            assert!(!answer.header_lists("vary", "authorization"), "{target}");
        }
    }
}
