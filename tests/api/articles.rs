//! Articles: written, read, listed, changed and removed, by whom and by whom not.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::support::TestApp;

#[actix_web::test]
async fn a_draft_is_invisible_to_everyone_but_its_author() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(false).await;
    let path = format!("/articles/{}", draft["id"]);

    ann.get(&path).await.expect(StatusCode::OK);
    assert_eq!(ann.get("/articles/").await.json(), json!([draft]));
    for stranger in [bob, app.anonymous()] {
        stranger.get(&path).await.expect_error(StatusCode::NOT_FOUND, "Article not found");
        assert_eq!(stranger.get("/articles/").await.json(), json!([]));
    }
}
