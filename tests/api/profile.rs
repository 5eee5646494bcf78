//! The account of a user: profile, password, deletion, and what others see of it.

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, Published, TestApp, registration};

const NEW_PASSWORD: &str = "another horse battery";

async fn me(client: &Client) -> Value {
    client.get("/users/me").await.expect(StatusCode::OK)
}

#[actix_web::test]
async fn a_user_changes_sets_and_clears_members_of_the_profile() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let profile = json!({
        "display_name": "Ann Author", "bio": "Writes.\nReads.", "image": "https://example.com/ä.png",
        "username": "anna", "email": "Anna@example.com"
    });
    let changed = ann.patch("/users/me", &profile).await.expect(StatusCode::OK);
    assert_eq!(changed["image"], "https://example.com/%C3%A4.png");
    for member in ["display_name", "bio", "username", "email"] {
        assert_eq!(changed[member], profile[member]);
    }
    assert_eq!(me(&ann).await, changed);
    app.anonymous().sign_in("anna", PASSWORD).await;
    let cleared = json!({ "display_name": null, "bio": null, "image": null });
    let cleared = ann.patch("/users/me", &cleared).await.expect(StatusCode::OK);
    assert_eq!(
        (&cleared["display_name"], &cleared["bio"], &cleared["image"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[actix_web::test]
async fn a_change_to_the_same_values_changes_nothing() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let before = me(&ann).await;
    for same in [json!({}), json!({ "username": "ann", "bio": null }), json!({ "id": 7, "is_admin": true })] {
        assert_eq!(ann.patch("/users/me", &same).await.expect(StatusCode::OK), before);
    }
}

#[actix_web::test]
async fn invalid_members_are_refused_together() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let invalid = json!({
        "email": "ann", "username": "me", "display_name": "", "bio": "x".repeat(1001), "image": "ftp://example.com/x"
    });
    ann.patch("/users/me", &invalid).await.expect_invalid([
        ("value_error", json!(["body", "email"])),
        ("value_error", json!(["body", "username"])),
        ("string_too_short", json!(["body", "display_name"])),
        ("string_too_long", json!(["body", "bio"])),
        ("value_error", json!(["body", "image"])),
    ]);
    for image in ["", "x", "https://", "javascript:alert(1)", "data:text/html,x", "//example.com/x"] {
        let errors = ann.patch("/users/me", &json!({ "image": image })).await.validation_errors();
        assert_eq!(errors.len(), 1, "{image}");
    }
}

#[actix_web::test]
async fn reserved_names_cannot_be_registered() {
    let app = TestApp::start().await;
    for name in ["me", ".", "..", " me ", "ｍｅ"] {
        let mut account = registration("ann");
        account["username"] = json!(name);
        assert_eq!(
            app.anonymous().post("/auth/register", &account).await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{name}"
        );
    }
    app.sign_up("Me").await;
}

#[actix_web::test]
async fn a_taken_name_or_address_is_a_conflict() {
    let app = TestApp::start().await;
    let (ann, _) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let conflict = StatusCode::CONFLICT;
    ann.patch("/users/me", &json!({ "username": "bob" }))
        .await
        .expect_error(conflict, "Username already registered");
    let address = json!({ "email": "BOB@example.com" });
    ann.patch("/users/me", &address).await.expect_error(conflict, "Email already registered");
    assert_eq!(me(&ann).await["username"], "ann");
}

#[actix_web::test]
async fn a_change_with_an_outdated_tag_is_refused() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let tag = ann.get("/users/me").await.tag();
    let patch = async |tag: &str, bio: &str| {
        ann.request(Method::PATCH, "/users/me").if_match(tag).json(&json!({ "bio": bio })).send().await
    };
    let changed = patch(&tag, "One").await;
    changed.expect(StatusCode::OK);
    patch(&tag, "Two").await.expect_error(StatusCode::PRECONDITION_FAILED, "The account has changed");
    patch(&changed.tag(), "Three").await.expect(StatusCode::OK);
    patch("*", "Four").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn everyone_sees_the_public_part_of_an_account() {
    let app = TestApp::start().await;
    let mut account = registration("ann");
    account["username"] = json!("Ann Author");
    let id = app.anonymous().post("/auth/register", &account).await.expect(StatusCode::CREATED)["id"].clone();
    let ann = app.anonymous().sign_in("Ann Author", PASSWORD).await;
    ann.patch("/users/me", &json!({ "display_name": "Ann", "bio": "Writes." })).await.expect(StatusCode::OK);
    let profile = app.anonymous().get("/users/Ann%20Author").await.expect(StatusCode::OK);
    let expected = json!({
        "id": id, "username": "Ann Author", "display_name": "Ann", "bio": "Writes.", "image": null
    });
    assert_eq!(profile, expected);
    for unknown in ["/users/ann%20author", "/users/bob", "/users/%00"] {
        app.anonymous().get(unknown).await.expect_error(StatusCode::NOT_FOUND, "User not found");
    }
}

#[actix_web::test]
async fn articles_show_the_profile_of_their_author_as_it_is_now() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let (list, single) = ("/articles/?expand=author".to_owned(), format!("{}?expand=author", article.path()));
    for bio in ["One", "Two"] {
        ann.patch("/users/me", &json!({ "bio": bio })).await.expect(StatusCode::OK);
        for _ in 0..2 {
            let listed = app.anonymous().get(&list).await.expect(StatusCode::OK);
            let read = app.anonymous().get(&single).await.expect(StatusCode::OK);
            assert_eq!((&listed[0]["author"]["bio"], &read["author"]["bio"]), (&json!(bio), &json!(bio)));
        }
    }
}

#[actix_web::test]
async fn a_new_password_ends_every_other_session_and_token() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let other = app.anonymous().sign_in("ann", PASSWORD).await;
    let token = json!({ "name": "script", "scopes": ["profile:read"], "expires_in": 60 });
    let token = ann.post("/users/me/tokens", &token).await.expect(StatusCode::CREATED);
    let script = ann.with_token(token["token"].as_str().unwrap());
    me(&script).await;
    let change = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
    assert_eq!(ann.post("/users/me/password", &change).await.status, StatusCode::NO_CONTENT);
    me(&ann).await;
    for ended in [other, script] {
        ended.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    }
    app.anonymous().log_in("ann", PASSWORD).await.expect_unauthorized("Incorrect username or password");
    app.anonymous().sign_in("ann", NEW_PASSWORD).await;
}

#[actix_web::test]
async fn the_password_is_needed_to_change_it_and_to_delete_the_account() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let change = json!({ "current_password": "wrong", "new_password": NEW_PASSWORD });
    let wrong = "The password is wrong";
    ann.post("/users/me/password", &change).await.expect_error(StatusCode::FORBIDDEN, wrong);
    let delete = json!({ "password": NEW_PASSWORD });
    ann.post("/users/me/delete", &delete).await.expect_error(StatusCode::FORBIDDEN, wrong);
    me(&ann).await;
}

#[actix_web::test]
async fn a_deleted_account_takes_its_articles_and_sessions_with_it() {
    let app = TestApp::start().await;
    let other = app.another(&[]);
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (article, kept) = (ann.write(Published::Yes).await, bob.write(Published::Yes).await);
    for server in [&app, &other] {
        server.anonymous().get(&article.path()).await.expect(StatusCode::OK);
    }
    let response = ann.post("/users/me/delete", &json!({ "password": PASSWORD })).await;
    assert_eq!(response.status, StatusCode::NO_CONTENT);
    app.anonymous().get(&article.path()).await.expect_error(StatusCode::NOT_FOUND, "Article not found");
    app.anonymous().get(&kept.path()).await.expect(StatusCode::OK);
    ann.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    app.anonymous().get("/users/ann").await.expect_error(StatusCode::NOT_FOUND, "User not found");
    assert_eq!(app.number("SELECT COUNT(*) FROM sessions").await, 1);
    app.sign_up("ann").await;
}

#[actix_web::test]
async fn new_passwords_that_are_easy_to_guess_are_refused() {
    let app = TestApp::start().await;
    let ann = app.sign_up("Lovelace").await;
    let change = async |password: &str| {
        let body = json!({ "current_password": PASSWORD, "new_password": password });
        ann.post("/users/me/password", &body).await
    };
    for weak in [
        "password",
        "12345678",
        "qwertyuiop",
        "P@ssw0rd",
        "iloveyou1",
        "aaaaaaaaaaaa",
        "my lovelace 1815 !?x",
        "LOVELACE-and-more-words",
    ] {
        let response = change(weak).await;
        response.expect_invalid([("value_error", json!(["body", "new_password"]))]);
        assert_eq!(response.json()["detail"][0]["input"], "[redacted]");
    }
    let mut account = registration("ann");
    account["password"] = json!("password1");
    let response = app.anonymous().post("/auth/register", &account).await;
    response.expect_invalid([("value_error", json!(["body", "password"]))]);
    assert_eq!(change(NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn the_check_of_passwords_can_be_switched_off() {
    let app = TestApp::with(&[("CHECK_PASSWORDS", "off")]).await;
    let mut account = registration("ann");
    account["password"] = json!("password");
    app.anonymous().post("/auth/register", &account).await.expect(StatusCode::CREATED);
}
