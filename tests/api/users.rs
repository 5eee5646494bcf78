//! Accounts: registration, its rules and conflicts, and what is shown of an account.

use actix_web::http::{Method, StatusCode};
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, Published, Response, TestApp, TestDatabase, migrate, registration};

const NAME_TAKEN: &str = "Username already registered";
const ADDRESS_TAKEN: &str = "Email already registered";

fn account(email: &str, username: &str) -> Value {
    json!({ "email": email, "username": username, "password": PASSWORD })
}

async fn register(client: &Client, email: &str, username: &str) -> Response {
    client.post("/auth/register", &account(email, username)).await
}

#[actix_web::test]
async fn a_new_account_is_shown_with_these_members_only() {
    let app = TestApp::start().await;
    let created =
        app.anonymous().post("/auth/register", &registration("ann")).await.expect(StatusCode::CREATED);
    let names: Vec<&String> = created.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "id",
            "email",
            "username",
            "created_at",
            "updated_at",
            "display_name",
            "bio",
            "image",
            "is_admin",
            "is_email_confirmed"
        ]
    );
}

#[actix_web::test]
async fn a_password_is_stored_as_a_bcrypt_hash() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let hash = app.text("SELECT hashed_password FROM users").await;
    assert!(bcrypt::verify(PASSWORD, &hash).unwrap());
}

#[actix_web::test]
async fn a_user_name_is_unique() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    register(&client, "ann@example.com", "ann").await.expect(StatusCode::CREATED);
    register(&client, "new@example.com", "ann").await.expect_error(StatusCode::CONFLICT, NAME_TAKEN);
}

#[actix_web::test]
async fn user_names_may_differ_by_case_only() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    register(&client, "ann@example.com", "ann").await.expect(StatusCode::CREATED);
    register(&client, "ann2@example.com", "Ann").await.expect(StatusCode::CREATED);
    let me = client.sign_in("ann", PASSWORD).await.get("/users/me").await.json();
    assert_eq!(me["email"], "ann@example.com");
}

#[actix_web::test]
async fn a_user_name_has_no_invisible_characters_and_the_error_names_the_first() {
    let app = TestApp::start().await;
    for character in [
        '\u{ad}',
        '\u{34f}',
        '\u{115f}',
        '\u{200b}',
        '\u{200d}',
        '\u{200e}',
        '\u{202e}',
        '\u{2028}',
        '\u{2060}',
        '\u{2066}',
        '\u{3164}',
        '\u{e000}',
        '\u{fe0f}',
        '\u{fff9}',
        '\u{e0041}',
    ] {
        let response = register(&app.anonymous(), "ann@example.com", &format!("a{character}nn")).await;
        response.expect_invalid([("value_error", json!(["body", "username"]))]);
        let message = response.json()["detail"][0]["msg"].as_str().unwrap().to_owned();
        let code_point = format!("U+{:04X}", u32::from(character));
        // A joiner is rejected for what it follows.
        let is_joiner = character == '\u{200d}';
        assert!(message.contains(&code_point) || is_joiner, "{code_point}: {message}");
    }
    assert_eq!(app.number("SELECT count(*) FROM users").await, 0);
}

#[actix_web::test]
async fn a_user_name_is_stored_in_one_spelling_and_signs_in_with_every_spelling() {
    let app = TestApp::start().await;
    for (number, (typed, stored)) in [
        ("a  b", "a b"),
        ("Jose\u{301} N\u{fa}\u{f1}ez", "Jos\u{e9} N\u{fa}\u{f1}ez"),
        ("\u{ff21}da", "Ada"),
        ("c\u{a0}d", "c d"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("{number}@example.com");
        let created = register(&app.anonymous(), &email, typed).await.expect(StatusCode::CREATED);
        assert_eq!(created["username"], stored);
        for name in [typed, stored] {
            let me = app.anonymous().sign_in(name, PASSWORD).await.get("/users/me").await;
            assert_eq!(me.expect(StatusCode::OK), created, "{name}");
            register(&app.anonymous(), "new@example.com", name)
                .await
                .expect_error(StatusCode::CONFLICT, NAME_TAKEN);
        }
    }
}

#[actix_web::test]
async fn an_old_account_signs_in_with_exactly_its_name() {
    let app = TestApp::start().await;
    let hash = bcrypt::hash("the old password", 4).unwrap();
    for (number, name) in ["a\u{200b}nn", " ann ", "a  b", "Jose\u{301}", "\u{feff}"].into_iter().enumerate()
    {
        app.insert_user(&format!("{number}@example.com"), name, None, &hash).await;
    }
    // New accounts whose names are the normalised spellings of old ones.
    for (email, name) in [("e@example.com", "a b"), ("f@example.com", "Jos\u{e9}")] {
        register(&app.anonymous(), email, name).await.expect(StatusCode::CREATED);
    }
    for name in ["a\u{200b}nn", " ann ", "a  b", "Jose\u{301}", "\u{feff}"] {
        let me = app.anonymous().sign_in(name, "the old password").await.get("/users/me").await;
        assert_eq!(me.expect(StatusCode::OK)["username"], name);
    }
    for name in ["a b", "Jos\u{e9}"] {
        let me = app.anonymous().sign_in(name, PASSWORD).await.get("/users/me").await;
        assert_eq!(me.expect(StatusCode::OK)["username"], name);
        let old = app.anonymous().log_in(name, "the old password").await;
        old.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
    }
}

#[actix_web::test]
async fn a_password_may_be_typed_composed_or_decomposed() {
    let app = TestApp::start().await;
    let spellings = ["Andr\u{e9} et No\u{eb}l", "Andre\u{301}\u{3000}et\u{a0}Noe\u{308}l"];
    for (number, password) in spellings.into_iter().enumerate() {
        let name = format!("name{number}");
        let body = json!({ "email": format!("{name}@example.com"), "username": name, "password": password });
        app.anonymous().post("/auth/register", &body).await.expect(StatusCode::CREATED);
        for typed in spellings {
            app.anonymous().log_in(&name, typed).await.expect(StatusCode::OK);
        }
    }
    // A hash of the old blog, which did not normalise.
    let hash = bcrypt::hash(spellings[1], 4).unwrap();
    app.sql(&format!("UPDATE users SET hashed_password = '{hash}'")).await;
    app.anonymous().log_in("name0", spellings[1]).await.expect(StatusCode::OK);
    // The profile rejects this one.
    let body = json!({ "email": "t@example.com", "username": "tim", "password": "tab\tulators" });
    app.anonymous().post("/auth/register", &body).await.expect(StatusCode::CREATED);
    app.anonymous().log_in("tim", "tab\tulators").await.expect(StatusCode::OK);
    let other = app.anonymous().log_in("tim", "tab ulators").await;
    other.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
}

#[actix_web::test]
async fn an_address_is_unique_without_regard_to_case() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    register(&client, "Ann@Example.com", "ann").await.expect(StatusCode::CREATED);
    for address in ["Ann@Example.com", "ann@example.com", "ANN@EXAMPLE.COM"] {
        register(&client, address, "other").await.expect_error(StatusCode::CONFLICT, ADDRESS_TAKEN);
    }
}

#[actix_web::test]
async fn an_address_is_shown_as_it_was_registered() {
    let app = TestApp::start().await;
    register(&app.anonymous(), "Ann@Example.com", "ann").await.expect(StatusCode::CREATED);
    let me = app.anonymous().sign_in("ann", PASSWORD).await.get("/users/me").await.json();
    assert_eq!(me["email"], "Ann@Example.com");
}

#[actix_web::test]
async fn a_conflict_of_both_reports_the_user_name() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let response = register(&app.anonymous(), "ann@example.com", "ann").await;
    response.expect_error(StatusCode::CONFLICT, NAME_TAKEN);
}

/// Registers an account that violates a constraint which is neither that of the name nor that of the address.
async fn expect_no_conflict(app: &TestApp, username: &str) {
    let response = register(&app.anonymous(), &format!("{username}@example.com"), username).await;
    response.expect_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    assert_eq!(app.number("SELECT count(*) FROM users").await, 1);
}

#[actix_web::test]
async fn a_violation_of_another_unique_index_is_no_conflict() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    app.sql("CREATE UNIQUE INDEX another ON users (length(hashed_password))").await;
    expect_no_conflict(&app, "bob").await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_sequence_that_is_behind_is_no_conflict() {
    let database = TestDatabase::postgres().await;
    migrate(&database).await;
    let app = TestApp::on(database.into(), &[]);
    app.sign_up("ann").await;
    app.sql("SELECT setval(pg_get_serial_sequence('users', 'id'), 1, false)").await;
    expect_no_conflict(&app, "bob").await;
}

/// Inserts two accounts whose addresses differ by case only, as an old database may have them.
async fn insert_twins(app: &TestApp) {
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    app.insert_user("twin@example.com", "elder", Some("twin@example.com"), &hash).await;
    app.insert_user("Twin@Example.com", "younger", None, &hash).await;
}

#[actix_web::test]
async fn old_accounts_with_the_same_address_keep_working() {
    let app = TestApp::start().await;
    insert_twins(&app).await;
    for (name, email) in [("elder", "twin@example.com"), ("younger", "Twin@Example.com")] {
        let user = app.anonymous().sign_in(name, PASSWORD).await;
        assert_eq!(user.get("/users/me").await.expect(StatusCode::OK)["email"], email);
        user.write(Published::Yes).await;
    }
}

#[actix_web::test]
async fn no_third_account_gets_an_address_that_two_share() {
    let app = TestApp::start().await;
    insert_twins(&app).await;
    for address in ["TWIN@example.com", "twin@example.com", "Twin@Example.com"] {
        let response = register(&app.anonymous(), address, "third").await;
        response.expect_error(StatusCode::CONFLICT, ADDRESS_TAKEN);
    }
}

/// Sends both registrations at once. Exactly one must succeed, the other must fail with `conflict`.
async fn expect_one_winner(client: &Client, bodies: [Value; 2], conflict: &str) {
    let [first, second] = bodies;
    let (first, second) =
        join(client.post("/auth/register", &first), client.post("/auth/register", &second)).await;
    let (won, lost) = if first.status == StatusCode::CREATED { (first, second) } else { (second, first) };
    won.expect(StatusCode::CREATED);
    lost.expect_error(StatusCode::CONFLICT, conflict);
}

#[actix_web::test]
async fn of_two_registrations_of_one_name_at_once_one_succeeds() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    for round in 0..10 {
        let name = format!("name{round}");
        let bodies = ["a", "b"].map(|start| account(&format!("{start}{round}@example.com"), &name));
        expect_one_winner(&app.anonymous(), bodies, NAME_TAKEN).await;
    }
    assert_eq!(app.number("SELECT count(*) FROM users WHERE username LIKE 'name%'").await, 10);
}

#[actix_web::test]
async fn of_two_registrations_of_one_address_at_once_one_succeeds() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    for round in 0..10 {
        let email = format!("same{round}@example.com");
        let bodies =
            [account(&email, &format!("c{round}")), account(&email.to_uppercase(), &format!("d{round}"))];
        expect_one_winner(&app.anonymous(), bodies, ADDRESS_TAKEN).await;
    }
    assert_eq!(app.number("SELECT count(*) FROM users").await, 10);
}

#[actix_web::test]
async fn every_rule_of_an_account_has_its_error() {
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
        ("username", json!("\u{ffff}"), "value_error"),
        ("username", json!("\u{fdfa}".repeat(50)), "value_error"),
        ("username", json!(1), "string_type"),
        ("username", json!(null), "string_type"),
        ("email", json!("ann"), "value_error"),
        ("email", json!("ann@"), "value_error"),
        ("email", json!("@example.com"), "value_error"),
        ("email", json!("ann@-example.com"), "value_error"),
        ("email", json!("ann@exa mple.com"), "value_error"),
        ("email", json!("änn@example.com"), "value_error"),
        ("email", json!("ann@example.com\n"), "value_error"),
        ("email", json!("a@b@c"), "value_error"),
        ("email", json!(format!("{}@example.com", long(250))), "string_too_long"),
        ("email", json!([]), "string_type"),
        ("password", json!(long(7)), "string_too_short"),
        ("password", json!("漢".repeat(25)), "bytes_too_long"),
        ("password", json!("\u{958}".repeat(24)), "bytes_too_long"),
        ("password", json!("\u{3000}".repeat(25)), "bytes_too_long"),
        ("password", json!(long(73)), "string_too_long"),
        ("password", json!("correct\0horse"), mismatch),
        ("password", json!(12_345_678), "string_type"),
        ("password", json!({ "a": "s3cr3t" }), "string_type"),
    ];
    for (name, value, kind) in cases {
        let mut body = registration("ann");
        body[name] = value;
        let response = client.post("/auth/register", &body).await;
        assert_eq!(response.validation_errors(), [(kind.to_owned(), json!(["body", name]))], "{body}");
    }
}

#[actix_web::test]
async fn a_bad_address_is_explained_in_words() {
    let app = TestApp::start().await;
    for address in ["ada", "ada@exa mple.com", "ada@example.com, bob@example.com", "Ada <ada@example.com>"] {
        let mut body = registration("ada");
        body["email"] = json!(address);
        let response = app.anonymous().post("/auth/register", &body).await;
        let reason = "An address has the form name@example.com";
        let expected = json!([{
            "type": "value_error", "loc": ["body", "email"], "input": address, "ctx": { "reason": reason },
            "msg": format!("value is not a valid email address: {reason}"),
        }]);
        assert_eq!(response.expect(StatusCode::UNPROCESSABLE_ENTITY)["detail"], expected);
    }
}

#[actix_web::test]
async fn every_member_of_an_account_is_required() {
    let app = TestApp::start().await;
    for name in ["email", "username", "password"] {
        let mut body = registration("ann");
        body.as_object_mut().unwrap().remove(name);
        let response = app.anonymous().post("/auth/register", &body).await;
        response.expect_invalid([("missing", json!(["body", name]))]);
    }
}

#[actix_web::test]
async fn the_longest_and_shortest_allowed_values_make_accounts_that_work() {
    let app = TestApp::with(&[("CHECK_PASSWORDS", "off")]).await;
    let names = ["x".to_owned(), "漢".repeat(50), "😀".repeat(50), "a b".to_owned(), "a@b".to_owned()];
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
        let created = app.anonymous().post("/auth/register", &body).await.expect(StatusCode::CREATED);
        assert_eq!((&created["email"], &created["username"]), (&json!(email), &json!(name)));
        let me = app.anonymous().sign_in(&name, &password).await.get("/users/me").await;
        assert_eq!(me.expect(StatusCode::OK), created);
    }
}

const SECRET: &str = "s3cr3t-words";

#[actix_web::test]
async fn a_refused_registration_does_not_return_the_password() {
    let app = TestApp::start().await;
    let json_type = "application/json";
    let bodies = [
        (json_type, json!({ "password": SECRET }).to_string()),
        (
            json_type,
            json!({ "email": 1, "username": [1], "password": SECRET, "passwort": SECRET }).to_string(),
        ),
        (
            json_type,
            json!({ "username": "ann", "password": SECRET, "pass": { "deep": [SECRET] } }).to_string(),
        ),
        (json_type, registration_with_password(&json!([SECRET])).to_string()),
        (json_type, registration_with_password(&json!(format!("{SECRET}\0"))).to_string()),
        (json_type, registration_with_password(&json!(SECRET.repeat(10))).to_string()),
        (json_type, json!([{ "password": SECRET }]).to_string()),
        (json_type, json!(SECRET).to_string()),
        ("text/plain", json!({ "username": "ann", "password": SECRET }).to_string()),
        ("application/x-www-form-urlencoded", format!("username=ann&password={SECRET}")),
        (json_type, format!("{{\"password\":\"{SECRET}\",")),
        (json_type, format!("{{\"password\":\"{SECRET}\"}} {SECRET}")),
        (json_type, format!("{{\"password\":{SECRET}}}")),
    ];
    for (content_type, body) in bodies {
        let client = app.anonymous();
        let request = client.request(Method::POST, "/auth/register").body(content_type, body.as_str());
        let response = request.send().await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(!response.text().contains("s3cr3t"), "{body} → {}", response.text());
    }
}

fn registration_with_password(password: &Value) -> Value {
    json!({ "email": "ann@example.com", "username": "ann", "password": password })
}

#[actix_web::test]
async fn neither_a_registration_nor_a_conflict_shows_the_password_or_its_hash() {
    let app = TestApp::start().await;
    for status in [StatusCode::CREATED, StatusCode::CONFLICT] {
        let body = registration_with_password(&json!(SECRET));
        let response = app.anonymous().post("/auth/register", &body).await;
        assert_eq!(response.status, status);
        let text = response.text();
        assert!(!text.contains("s3cr3t") && !text.contains("$2b$"), "{text}");
    }
}

#[actix_web::test]
async fn an_account_shows_neither_its_password_nor_its_hash() {
    let app = TestApp::start().await;
    let me = app.sign_up("ann").await.get("/users/me").await;
    assert!(!me.text().contains("$2b$") && !me.text().contains("password"), "{}", me.text());
}

#[actix_web::test]
async fn closed_registration_is_403_and_creates_nothing() {
    let app = TestApp::with(&[("REGISTRATION", "closed")]).await;
    let response = app.anonymous().post("/auth/register", &registration("ann")).await;
    response.expect_error(StatusCode::FORBIDDEN, "Registration is closed");
    assert_eq!(app.number("SELECT count(*) FROM users").await, 0);
    let login = app.anonymous().log_in("ann", PASSWORD).await;
    login.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
}

#[actix_web::test]
async fn reading_an_account_needs_a_token() {
    let app = TestApp::start().await;
    app.anonymous().get("/users/me").await.expect_unauthorized("Not authenticated");
    assert_eq!(app.anonymous().head("/users/me").await.status, StatusCode::UNAUTHORIZED);
}
