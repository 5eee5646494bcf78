//! Accounts.

use actix_web::http::{Method, StatusCode};
use entity::user;
use futures_util::future::join;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, Set,
};
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, newcomer};

const NAME_TAKEN: &str = "Username already registered";
const ADDRESS_TAKEN: &str = "Email already registered";

fn account(email: &str, username: &str) -> Value {
    json!({ "email": email, "username": username, "password": PASSWORD })
}

#[actix_web::test]
async fn a_new_account_is_shown_without_its_password() {
    let app = TestApp::start().await;
    let made = app.anonymous().post("/auth/register", &newcomer("ann")).await.expect(StatusCode::CREATED);
    let names: Vec<&String> = made.as_object().unwrap().keys().collect();
    assert_eq!(names, ["id", "email", "username", "created_at", "updated_at"]);
    let row = user::Entity::find().one(&app.db.reader).await.unwrap().unwrap();
    assert!(bcrypt::verify(PASSWORD, &row.hashed_password).unwrap());
}

#[actix_web::test]
async fn names_are_unique_as_they_are_and_addresses_without_case() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    let register = async |email: &str, name: &str| client.post("/auth/register", &account(email, name)).await;
    register("Ann@Example.com", "ann").await.expect(StatusCode::CREATED);

    register("new@example.com", "ann").await.expect_error(StatusCode::CONFLICT, NAME_TAKEN);
    for twin in ["Ann@Example.com", "ann@example.com", "ANN@EXAMPLE.COM"] {
        register(twin, "other").await.expect_error(StatusCode::CONFLICT, ADDRESS_TAKEN);
    }
    // Where both are taken the name is told.
    register("ann@example.com", "ann").await.expect_error(StatusCode::CONFLICT, NAME_TAKEN);
    // Names differ by case.
    register("ann2@example.com", "Ann").await.expect(StatusCode::CREATED);
    let me = client.sign_in("ann", PASSWORD).await.get("/users/me").await.json();
    assert_eq!(me["email"], "Ann@Example.com");
}

#[actix_web::test]
async fn old_twins_keep_working_and_no_third_one_joins_them() {
    let app = TestApp::start().await;
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    for (email, name, key) in
        [("twin@example.com", "elder", Some("twin@example.com")), ("Twin@Example.com", "younger", None)]
    {
        let row = user::ActiveModel {
            email: Set(email.to_owned()),
            username: Set(name.to_owned()),
            email_key: Set(key.map(ToOwned::to_owned)),
            hashed_password: Set(hash.clone()),
            created_at: Set(app.now()),
            updated_at: Set(app.now()),
            ..Default::default()
        };
        row.insert(app.writer()).await.unwrap();
    }
    for (name, email) in [("elder", "twin@example.com"), ("younger", "Twin@Example.com")] {
        let me = app.anonymous().sign_in(name, PASSWORD).await;
        assert_eq!(me.get("/users/me").await.expect(StatusCode::OK)["email"], email);
        me.write(true).await;
    }
    for third in ["TWIN@example.com", "twin@example.com", "Twin@Example.com"] {
        let answer = app.anonymous().post("/auth/register", &account(third, "third")).await;
        answer.expect_error(StatusCode::CONFLICT, ADDRESS_TAKEN);
    }
}

#[actix_web::test]
async fn of_two_who_register_one_name_at_once_one_wins() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    let client = app.anonymous();
    for round in 0..10 {
        let name = format!("name{round}");
        let (first, second) = (
            account(&format!("a{round}@example.com"), &name),
            account(&format!("b{round}@example.com"), &name),
        );
        let (first, second) =
            join(client.post("/auth/register", &first), client.post("/auth/register", &second)).await;
        let (won, lost) = if first.status == StatusCode::CREATED { (first, second) } else { (second, first) };
        won.expect(StatusCode::CREATED);
        lost.expect_error(StatusCode::CONFLICT, NAME_TAKEN);

        let email = format!("same{round}@example.com");
        let (first, second) =
            (account(&email, &format!("c{round}")), account(&email.to_uppercase(), &format!("d{round}")));
        let (first, second) =
            join(client.post("/auth/register", &first), client.post("/auth/register", &second)).await;
        let (won, lost) = if first.status == StatusCode::CREATED { (first, second) } else { (second, first) };
        won.expect(StatusCode::CREATED);
        lost.expect_error(StatusCode::CONFLICT, ADDRESS_TAKEN);
    }
    let twins = user::Entity::find().filter(user::Column::Username.starts_with("name"));
    assert_eq!(twins.count(&app.db.reader).await.unwrap(), 10);
}

#[actix_web::test]
async fn every_rule_of_an_account_has_its_fault() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    let long = |count: usize| "x".repeat(count);
    let mismatch = "string_pattern_mismatch";
    let cases = [
        ("username", json!(""), "string_too_short"),
        ("username", json!(long(51)), "string_too_long"),
        ("username", json!(" ann"), mismatch),
        ("username", json!("ann "), mismatch),
        ("username", json!("\u{a0}ann"), mismatch),
        ("username", json!("an\tn"), mismatch),
        ("username", json!("an\0n"), mismatch),
        ("username", json!("an\u{85}n"), mismatch),
        ("username", json!(" "), mismatch),
        ("username", json!(1), "string_type"),
        ("username", json!(null), "string_type"),
        ("email", json!("ann"), mismatch),
        ("email", json!("ann@"), "string_pattern_mismatch"),
        ("email", json!("@example.com"), mismatch),
        ("email", json!("ann@-example.com"), mismatch),
        ("email", json!("ann@exa mple.com"), mismatch),
        ("email", json!("änn@example.com"), mismatch),
        ("email", json!("ann@example.com\n"), mismatch),
        ("email", json!("a@b@c"), mismatch),
        ("email", json!(format!("{}@example.com", long(250))), "string_too_long"),
        ("email", json!([]), "string_type"),
        ("password", json!(long(7)), "string_too_short"),
        ("password", json!("漢".repeat(25)), "bytes_too_long"),
        ("password", json!(long(73)), "string_too_long"),
        ("password", json!("correct\0horse"), mismatch),
        ("password", json!(12_345_678), "string_type"),
        ("password", json!({ "a": "s3cr3t" }), "string_type"),
    ];
    for (name, value, kind) in cases {
        let mut body = newcomer("ann");
        body[name] = value;
        let answer = client.post("/auth/register", &body).await;
        assert_eq!(answer.faults(), [(kind.to_owned(), json!(["body", name]))], "{body}");
    }
    for name in ["email", "username", "password"] {
        let mut body = newcomer("ann");
        body.as_object_mut().unwrap().remove(name);
        let answer = client.post("/auth/register", &body).await;
        assert_eq!(answer.faults(), [("missing".to_owned(), json!(["body", name]))]);
    }
}

#[actix_web::test]
async fn the_outermost_values_that_the_rules_allow_make_accounts_that_work() {
    let app = TestApp::start().await;
    let names = ["x".to_owned(), "漢".repeat(50), "😀".repeat(50), "a  b".to_owned(), "a@b".to_owned()];
    let passwords = ["x".repeat(72), "漢".repeat(24), "12345678".to_owned(), " ".repeat(8), "😀".repeat(8)];
    let emails = [
        "a@b".to_owned(),
        format!("{}@example.com", "x".repeat(243)),
        "a+b@c-d.example".to_owned(),
        "A!#$%&'*+/=?^_`{|}~-.@x".to_owned(),
        "..@x".to_owned(),
    ];
    for ((name, password), email) in names.into_iter().zip(passwords).zip(emails) {
        let body = json!({ "email": email, "username": name, "password": password });
        let made = app.anonymous().post("/auth/register", &body).await.expect(StatusCode::CREATED);
        assert_eq!((&made["email"], &made["username"]), (&json!(email), &json!(name)));
        let me = app.anonymous().sign_in(&name, &password).await.get("/users/me").await;
        assert_eq!(me.expect(StatusCode::OK), made);
    }
}

#[actix_web::test]
async fn a_password_never_comes_back_in_any_answer() {
    let app = TestApp::start().await;
    let secret = "s3cr3t-words";
    let json_type = "application/json";
    let bodies = [
        (json_type, json!({ "password": secret }).to_string()),
        (
            json_type,
            json!({ "email": 1, "username": [1], "password": secret, "passwort": secret }).to_string(),
        ),
        (
            json_type,
            json!({ "username": "ann", "password": secret, "pass": { "deep": [secret] } }).to_string(),
        ),
        (
            json_type,
            json!({ "email": "ann@example.com", "username": "ann", "password": [secret] }).to_string(),
        ),
        (
            json_type,
            json!({ "email": "ann@example.com", "username": "ann", "password": format!("{secret}\0") })
                .to_string(),
        ),
        (
            json_type,
            json!({ "email": "ann@example.com", "username": "ann", "password": secret.repeat(10) })
                .to_string(),
        ),
        (json_type, json!([{ "password": secret }]).to_string()),
        (json_type, json!(secret).to_string()),
        ("text/plain", json!({ "username": "ann", "password": secret }).to_string()),
        ("application/x-www-form-urlencoded", format!("username=ann&password={secret}")),
        (json_type, format!("{{\"password\":\"{secret}\",")),
        (json_type, format!("{{\"password\":\"{secret}\"}} {secret}")),
        (json_type, format!("{{\"password\":{secret}}}")),
    ];
    for (content_type, body) in bodies {
        let headers = [("content-type", content_type)];
        let answer = app.anonymous().send(Method::POST, "/auth/register", &headers, Some(body.clone())).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(!answer.text().contains("s3cr3t"), "{body} → {}", answer.text());
    }
    // Nor do a success, a conflict and an account.
    let body = json!({ "email": "ann@example.com", "username": "ann", "password": secret });
    for status in [StatusCode::CREATED, StatusCode::CONFLICT] {
        let answer = app.anonymous().post("/auth/register", &body).await;
        assert_eq!(answer.status, status);
        assert!(!answer.text().contains("s3cr3t") && !answer.text().contains("$2b$"), "{}", answer.text());
    }
    let me = app.anonymous().sign_in("ann", secret).await.get("/users/me").await;
    assert!(!me.text().contains("$2b$") && !me.text().contains("password"), "{}", me.text());
}

#[actix_web::test]
async fn closed_registration_is_403_for_a_good_body() {
    let app = TestApp::with(&[("REGISTRATION", "closed")]).await;
    let answer = app.anonymous().post("/auth/register", &newcomer("ann")).await;
    answer.expect_error(StatusCode::FORBIDDEN, "Registration is closed");
    assert_eq!(user::Entity::find().count(&app.db.reader).await.unwrap(), 0);
    app.anonymous()
        .log_in("ann", PASSWORD)
        .await
        .expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
}

#[actix_web::test]
async fn an_account_needs_a_token_to_be_read() {
    let app = TestApp::start().await;
    let answer = app.anonymous().get("/users/me").await;
    answer.expect_error(StatusCode::UNAUTHORIZED, "Not authenticated");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert_eq!(app.anonymous().head("/users/me").await.status, StatusCode::UNAUTHORIZED);
}
