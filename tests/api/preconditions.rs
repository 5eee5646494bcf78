//! `If-Match`: an edit is refused if the article has changed since the client read it.

use actix_web::http::StatusCode;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::{
    conditional::{delete_if, patch_if, path, tag},
    support::{Published, Response, TestApp},
};

#[actix_web::test]
async fn an_edit_of_what_has_changed_meanwhile_is_refused() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let article = ann.write(Published::Yes).await.json;
    let target = path(&article);
    let stale = tag(&ann.get(&target).await);
    let current = patch_if(&ann, &target, &stale, &json!({ "title": "first" })).await;
    assert_eq!(current.expect(StatusCode::OK)["title"], "first");
    let page = tag(&ann.get("/articles/").await);

    for stale in [stale.as_str(), &format!("W/{stale}"), "\"v999\"", "", "\"\"", "garbage", &page] {
        for body in [json!({ "title": "second" }), json!({}), json!({ "title": "first" })] {
            assert_eq!(
                patch_if(&ann, &target, stale, &body).await.status,
                StatusCode::PRECONDITION_FAILED,
                "{stale}: {body}"
            );
        }
        let refused = delete_if(&ann, &target, stale).await;
        assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{stale}");
        assert!(refused.json()["detail"].is_string());
        // What it is not the caller's to know or to change comes first, and faults in the body.
        for status in [
            patch_if(&bob, &target, stale, &json!({ "title": "mine" })).await.status,
            delete_if(&bob, &target, stale).await.status,
        ] {
            assert_eq!(status, StatusCode::FORBIDDEN);
        }
        for status in [
            patch_if(&ann, "/articles/999999", stale, &json!({})).await.status,
            delete_if(&ann, "/articles/999999", stale).await.status,
        ] {
            assert_eq!(status, StatusCode::NOT_FOUND);
        }
        assert_eq!(
            patch_if(&ann, &target, stale, &json!({ "title": "" })).await.validation_errors()[0].0,
            "string_too_short"
        );
    }
    let shown = ann.get(&target).await;
    assert_eq!((shown.json(), tag(&shown)), (current.json(), tag(&current)));

    // In the weak form, as one of several, behind a proxy's suffix, and whatever it is.
    let mut current = tag(&current);
    for (number, form) in ["W/{}", "\"v999\", {}", "*", "{}"].into_iter().enumerate() {
        let form = form.replace("{}", &current);
        assert_eq!(patch_if(&ann, &target, &form, &json!({})).await.status, StatusCode::OK, "{form}");
        let answer = patch_if(&ann, &target, &form, &json!({ "title": number.to_string() })).await;
        assert_eq!(answer.expect(StatusCode::OK)["title"], number.to_string(), "{form}");
        current = tag(&answer);
    }
    // Without a condition as ever.
    let answer = ann.patch(&target, &json!({ "title": "unconditional" })).await;
    assert_eq!(answer.expect(StatusCode::OK)["title"], "unconditional");
    assert_eq!(delete_if(&ann, &target, &current).await.status, StatusCode::PRECONDITION_FAILED);
    delete_if(&ann, &target, &tag(&answer)).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(delete_if(&ann, &target, "*").await.status, StatusCode::NOT_FOUND);
    assert_eq!(patch_if(&ann, &target, "*", &json!({})).await.status, StatusCode::NOT_FOUND);
    let draft = ann.write(Published::No).await.json;
    assert_eq!(patch_if(&bob, &path(&draft), "\"v999\"", &json!({})).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn of_edits_that_start_from_one_state_exactly_one_wins() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;
    let target = path(&article);
    for round in 0..20 {
        let state = tag(&ann.get(&target).await);
        let bodies: Vec<Value> =
            (0..4).map(|rival| json!({ "title": format!("{round}: {rival}") })).collect();
        let answers = join_all(bodies.iter().map(|body| patch_if(&ann, &target, &state, body))).await;
        let won: Vec<&Response> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
        assert_eq!(won.len(), 1, "round {round}");
        let lost = answers.iter().filter(|answer| answer.status == StatusCode::PRECONDITION_FAILED);
        assert_eq!(lost.count(), bodies.len() - 1);
        assert_eq!(ann.get(&target).await.json(), won[0].json());
    }
    let state = tag(&ann.get(&target).await);
    let edit = json!({ "title": "kept or gone" });
    let (edited, deleted) =
        join(patch_if(&ann, &target, &state, &edit), delete_if(&ann, &target, &state)).await;
    let ends = (edited.status.as_u16(), deleted.status.as_u16());
    assert!([(200, 412), (404, 204), (412, 204)].contains(&ends), "{ends:?}");
}
