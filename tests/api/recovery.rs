//! Lost passwords, the confirmation of e-mail addresses, and the limits on requests that send mail.

use std::collections::BTreeSet;

use actix_web::http::{Method, StatusCode};
use chrono::TimeDelta;
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, Response, SmtpServer, TestApp, registration, wait_until};

const FORGOT: &str = "/auth/password/forgot";
const RESET: &str = "/auth/password/reset";
const CONFIRM: &str = "/auth/email/confirm";
const RESEND: &str = "/users/me/email/confirmation";

const ADDRESS: &str = "ann@example.com";
const NEW_PASSWORD: &str = "a longer horse battery";

const QUEUED: &str = "SELECT count(*) FROM mail_queue";
const NOT_CONFIRMED: &str = "The e-mail address is not confirmed";

/// A server and its mail server.
struct Site {
    app: TestApp,
    smtp: SmtpServer,
}

impl Site {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let smtp = SmtpServer::start();
        let mail = smtp.settings();
        let mail = mail.iter().map(|(name, value)| (*name, value.as_str()));
        let settings: Vec<(&str, &str)> = settings.iter().copied().chain(mail).collect();
        Self { app: TestApp::with(&settings).await, smtp }
    }

    /// Starts another server on the same database, with the same mail server.
    fn another(&self) -> TestApp {
        let mail = self.smtp.settings();
        let mail: Vec<(&str, &str)> = mail.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.app.another(&mail)
    }

    async fn forgot(&self, email: &str) -> Response {
        self.app.anonymous().post(FORGOT, &json!({ "email": email })).await
    }

    /// Asks for a link, and returns its token when the message has arrived.
    async fn reset_token(&self, email: &str) -> String {
        let before = self.smtp.received().len();
        assert_eq!(self.forgot(email).await.status, StatusCode::ACCEPTED);
        self.smtp.wait_for(before + 1).await.token()
    }

    async fn reset(&self, token: &str, password: &str) -> Response {
        self.app.anonymous().post(RESET, &json!({ "token": token, "new_password": password })).await
    }

    async fn confirm(&self, token: &str) -> Response {
        self.app.anonymous().post(CONFIRM, &json!({ "token": token })).await
    }

    async fn register(&self, name: &str) -> Response {
        self.app.anonymous().post("/auth/register", &registration(name)).await
    }

    async fn log_in(&self, password: &str) -> Response {
        self.app.anonymous().log_in("ann", password).await
    }

    /// Waits until nothing is left to send.
    async fn wait_until_idle(&self) {
        wait_until("the queue is empty", async || self.app.number(QUEUED).await == 0).await;
    }

    /// The number of rows that the condition applies to.
    async fn count(&self, of: &str) -> i64 {
        self.app.number(&format!("SELECT count(*) FROM {of}")).await
    }
}

/// Fails unless this is the error for a link that is not valid, which never shows the token.
#[track_caller]
fn expect_invalid_link(response: &Response) {
    response.expect_invalid([("value_error", json!(["body", "token"]))]);
    let error = response.json()["detail"][0].clone();
    let message = "Value error, the link is not valid, was used before, or has expired";
    assert_eq!((&error["msg"], &error["input"]), (&json!(message), &json!("[redacted]")));
}

#[actix_web::test]
async fn a_link_sets_a_new_password() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    let token = site.reset_token(ADDRESS).await;
    assert_eq!(site.reset(&token, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
    site.log_in(PASSWORD).await.expect(StatusCode::UNAUTHORIZED);
    site.log_in(NEW_PASSWORD).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_new_password_ends_all_sessions_and_tokens_and_only_those_of_the_account() {
    let site = Site::start().await;
    let (ann, ben) = (site.app.sign_up("ann").await, site.app.sign_up("ben").await);
    for client in [&ann, &ben] {
        let body = json!({ "name": "script", "scopes": ["articles:read"], "expires_in": 60 });
        client.post("/users/me/tokens", &body).await.expect(StatusCode::CREATED);
    }
    let token = site.reset_token(ADDRESS).await;
    let second = site.reset_token(ADDRESS).await;
    let of_ben = site.reset_token("ben@example.com").await;
    assert_eq!(site.reset(&token, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
    for table in ["sessions", "personal_tokens", "email_tokens"] {
        assert_eq!(site.count(&format!("{table} WHERE user_id = {}", ann.id)).await, 0, "{table}");
        assert_eq!(site.count(&format!("{table} WHERE user_id = {}", ben.id)).await, 1, "{table}");
    }
    assert_eq!(site.count("users WHERE sessions_ended_at IS NOT NULL").await, 1);
    expect_invalid_link(&site.reset(&second, "a third password").await);
    assert_eq!(site.reset(&of_ben, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn the_owner_is_told_of_a_new_password() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    let token = site.reset_token(ADDRESS).await;
    assert_eq!(site.reset(&token, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
    let notice = site.smtp.wait_for(2).await;
    assert_eq!(notice.recipient, ADDRESS);
    assert_eq!(notice.header("Subject"), "Byline: your password was changed");
    assert!(!notice.text().contains("http"), "{}", notice.text());
}

#[actix_web::test]
async fn an_address_without_an_account_gets_the_same_response_and_no_mail() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    site.smtp.set(Answer::Greylist);
    let known = site.forgot(ADDRESS).await;
    let unknown = site.forgot("nobody@example.com").await;
    for response in [&known, &unknown] {
        assert_eq!((response.status, response.text()), (StatusCode::ACCEPTED, ""));
    }
    let names = |response: &Response| -> BTreeSet<String> {
        response.headers.keys().map(ToString::to_string).collect()
    };
    assert_eq!(names(&known), names(&unknown));
    wait_until("the job is dropped", async || {
        site.count("mail_queue WHERE recipient LIKE 'nobody%'").await == 0
    })
    .await;
    site.smtp.set(Answer::Accept);
    site.app.advance(TimeDelta::minutes(2));
    assert_eq!(site.smtp.wait_for(1).await.recipient, ADDRESS);
    site.wait_until_idle().await;
    assert_eq!(site.smtp.received().len(), 1);
}

#[actix_web::test]
async fn a_request_writes_the_same_rows_whether_or_not_an_account_has_the_address() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    // Before the task that sends looks at the rows.
    site.app.sql("UPDATE rate_limits SET count = 0").await;
    for email in [ADDRESS, "nobody@example.com"] {
        assert_eq!(site.forgot(email).await.status, StatusCode::ACCEPTED);
    }
    assert_eq!(site.count("rate_limits").await, 3, "the network and two mailboxes");
    assert_eq!(site.count("rate_limits WHERE length(key) = 64").await, 3, "hashes");
}

#[actix_web::test]
async fn the_case_of_an_address_does_not_matter_and_the_link_goes_to_the_stored_one() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    let token = site.reset_token("ANN@Example.COM").await;
    assert_eq!(site.smtp.received()[0].recipient, ADDRESS);
    assert_eq!(site.reset(&token, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn of_two_old_accounts_whose_addresses_differ_by_case_the_exact_one_is_meant() {
    let site = Site::start().await;
    let hash = bcrypt::hash("old", 4).unwrap();
    site.app.insert_user(ADDRESS, "older", Some(ADDRESS), &hash).await;
    site.app.insert_user("Ann@example.com", "younger", None, &hash).await;
    site.reset_token("Ann@example.com").await;
    site.reset_token(ADDRESS).await;
    let received = site.smtp.received();
    assert!(received[0].text().contains("\"younger\"") && received[1].text().contains("\"older\""));
}

#[actix_web::test]
async fn a_suspended_account_gets_no_link_and_its_old_link_is_not_valid() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    let token = site.reset_token(ADDRESS).await;
    site.app.sql("UPDATE users SET is_active = false").await;
    assert_eq!(site.forgot(ADDRESS).await.status, StatusCode::ACCEPTED);
    site.wait_until_idle().await;
    assert_eq!(site.smtp.received().len(), 1);
    expect_invalid_link(&site.reset(&token, NEW_PASSWORD).await);
}

#[actix_web::test]
async fn a_link_is_used_once() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    let token = site.reset_token(ADDRESS).await;
    assert_eq!(site.reset(&token, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
    expect_invalid_link(&site.reset(&token, "a third password").await);
    site.log_in(NEW_PASSWORD).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn of_two_requests_with_one_link_at_the_same_time_one_succeeds() {
    let site = Site::start().await;
    let other = site.another();
    site.app.sign_up("ann").await;
    let token = site.reset_token(ADDRESS).await;
    let passwords = ["the first new password", "the second new password"];
    let bodies = passwords.map(|password| json!({ "token": token, "new_password": password }));
    let (ours, theirs) = (site.app.anonymous(), other.anonymous());
    let (first, second) = join(ours.post(RESET, &bodies[0]), theirs.post(RESET, &bodies[1])).await;
    let succeeded = [&first, &second].map(|response| response.status == StatusCode::NO_CONTENT);
    assert_ne!(succeeded[0], succeeded[1], "{} {}", first.status, second.status);
    expect_invalid_link(if succeeded[0] { &second } else { &first });
    for (password, is_set) in passwords.into_iter().zip(succeeded) {
        assert_eq!(site.log_in(password).await.status == StatusCode::OK, is_set);
    }
}

#[actix_web::test]
async fn a_link_to_set_a_password_expires_after_30_minutes() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    let (first, second) = (site.reset_token(ADDRESS).await, site.reset_token(ADDRESS).await);
    site.app.advance(TimeDelta::seconds(30 * 60 - 1));
    assert_eq!(site.reset(&first, "short").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    site.app.advance(TimeDelta::seconds(2));
    expect_invalid_link(&site.reset(&second, NEW_PASSWORD).await);
}

#[actix_web::test]
async fn a_link_survives_a_password_that_is_refused() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    let token = site.reset_token(ADDRESS).await;
    for (password, kind) in [("short", "string_too_short"), (&"ä".repeat(40), "bytes_too_long")] {
        site.reset(&token, password).await.expect_invalid([(kind, json!(["body", "new_password"]))]);
    }
    assert_eq!(site.reset(&token, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn a_token_that_this_server_did_not_make_is_refused() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    let token = site.reset_token(ADDRESS).await;
    let (id, secret) = token.split_once('.').unwrap();
    let other_id = "0".repeat(32);
    for forged in [
        id.to_owned(),
        format!("{id}."),
        format!("{id}.{}", "A".repeat(43)),
        format!("{other_id}.{secret}"),
        format!(".{secret}"),
        format!("{token}\u{0}"),
        "ä".to_owned(),
    ] {
        for response in [site.reset(&forged, NEW_PASSWORD).await, site.confirm(&forged).await] {
            expect_invalid_link(&response);
        }
    }
    // One for another purpose.
    expect_invalid_link(&site.confirm(&token).await);
    site.confirm("").await.expect_invalid([("string_too_short", json!(["body", "token"]))]);
    site.confirm(&"a".repeat(201)).await.expect_invalid([("string_too_long", json!(["body", "token"]))]);
    assert_eq!(site.reset(&token, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn an_invalid_body_is_never_repeated_with_its_secrets() {
    let site = Site::start().await;
    let client = site.app.anonymous();
    let body = json!({ "token": "secret-token", "new_password": "pass", "password": "secret-member" });
    for path in [RESET, CONFIRM] {
        let response = client.post(path, &body).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!response.text().contains("secret"), "{}", response.text());
    }
    let missing = client.post(RESET, &json!({ "new_password": "secret-password" })).await;
    missing.expect_invalid([("missing", json!(["body", "token"]))]);
    assert!(!missing.text().contains("secret-password"), "{}", missing.text());
}

#[actix_web::test]
async fn an_address_must_have_the_form_of_one() {
    let site = Site::start().await;
    for email in ["", "ann", "ann@", "a b@example.com", "ann@example.com\nBcc: eve@example.com"] {
        let response = site.forgot(email).await;
        assert_eq!(response.validation_errors()[0].1, json!(["body", "email"]), "{email:?}");
    }
    assert_eq!(site.count("mail_queue").await, 0);
}

/// Sends a request from an address behind a proxy.
async fn from(client: &Client, address: &str, path: &str, body: &Value) -> Response {
    client.request(Method::POST, path).header("x-forwarded-for", address).json(body).send().await
}

/// Fails unless this is a 429 that names a wait of at most `longest` seconds.
#[track_caller]
fn expect_limited(response: &Response, longest: i64) -> i64 {
    response.expect_error(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
    let seconds: i64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=longest).contains(&seconds), "{seconds}");
    seconds
}

#[actix_web::test]
async fn a_mailbox_gets_three_messages_an_hour_whether_or_not_an_account_has_the_address() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    site.app.sign_up("ben").await;
    site.app.advance(TimeDelta::zero());
    for email in [ADDRESS, "nobody@example.com"] {
        for spelling in [email.to_owned(), email.to_uppercase(), email.replace("example", "Example")] {
            assert_eq!(site.forgot(&spelling).await.status, StatusCode::ACCEPTED, "{spelling}");
        }
        assert_eq!(expect_limited(&site.forgot(email).await, 3600), 3600);
    }
    assert_eq!(site.forgot("ben@example.com").await.status, StatusCode::ACCEPTED);
    site.app.advance(TimeDelta::seconds(3599));
    assert_eq!(expect_limited(&site.forgot(ADDRESS).await, 3600), 1);
    site.app.advance(TimeDelta::seconds(1));
    assert_eq!(site.forgot(ADDRESS).await.status, StatusCode::ACCEPTED);
    site.wait_until_idle().await;
    assert_eq!(site.smtp.received().len(), 3 + 1 + 1);
}

#[actix_web::test]
async fn limits_are_shared_by_servers_and_survive_a_restart() {
    let site = Site::start().await;
    for _ in 0..3 {
        let response = site.another().anonymous().post(FORGOT, &json!({ "email": ADDRESS })).await;
        assert_eq!(response.status, StatusCode::ACCEPTED);
    }
    expect_limited(&site.forgot(ADDRESS).await, 3600);
}

#[actix_web::test]
async fn concurrent_requests_are_all_counted() {
    let site = Site::start().await;
    let other = site.another();
    let body = json!({ "email": ADDRESS });
    let clients = [site.app.anonymous(), other.anonymous()];
    let requests = (0..10).map(|number| clients[number % 2].post(FORGOT, &body));
    let responses = futures_util::future::join_all(requests).await;
    let accepted = responses.iter().filter(|response| response.status == StatusCode::ACCEPTED).count();
    let limited =
        responses.iter().filter(|response| response.status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!((accepted, limited), (3, 7));
}

#[actix_web::test]
async fn a_network_sends_sixty_requests_a_minute_that_send_mail_or_create_accounts() {
    let site = Site::with(&[("TRUSTED_PROXIES", r#"["127.0.0.1"]"#)]).await;
    let client = site.app.anonymous();
    site.app.advance(TimeDelta::zero());
    // One network of 64 bits. Refused requests count, too.
    for number in 0..60 {
        let body = json!({ "email": format!("reader{}@example.com", number / 6) });
        let address = format!("2001:db8:1:2::{number:x}");
        let response = from(&client, &address, FORGOT, &body).await;
        let expected = if number % 6 < 3 { StatusCode::ACCEPTED } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(response.status, expected, "{number}");
    }
    let body = json!({ "email": "another@example.com" });
    assert_eq!(expect_limited(&from(&client, "2001:db8:1:2::ffff", FORGOT, &body).await, 60), 60);
    expect_limited(&from(&client, "2001:db8:1:2::1", "/auth/register", &registration("ann")).await, 60);
    assert_eq!(site.count("users").await, 0);
    from(&client, "2001:db8:1:3::1", "/auth/register", &registration("ann"))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(from(&client, "192.0.2.1", FORGOT, &body).await.status, StatusCode::ACCEPTED);
    site.app.advance(TimeDelta::seconds(60));
    assert_eq!(from(&client, "2001:db8:1:2::1", FORGOT, &body).await.status, StatusCode::ACCEPTED);
}

#[actix_web::test]
async fn counters_and_links_that_have_expired_are_removed() {
    let site = Site::start().await;
    let ann = site.app.sign_up("ann").await;
    let (past, future) = ("'2026-01-01T00:00:00+00:00'", "'2999-01-01T00:00:00+00:00'");
    site.app.sql("DELETE FROM rate_limits").await;
    for (number, expires_at) in [past, future].into_iter().enumerate() {
        site.app
            .sql(&format!(
                "INSERT INTO rate_limits (key, count, expires_at) VALUES ('{number}', 1, {expires_at})"
            ))
            .await;
        site.app
            .sql(&format!(
                "INSERT INTO email_tokens (id, user_id, kind, email, created_at, expires_at) \
                 VALUES ('{number}', {}, 'reset', '{ADDRESS}', {past}, {expires_at})",
                ann.id
            ))
            .await;
    }
    // The task runs at the start of a server.
    let _other = site.another();
    for table in ["rate_limits", "email_tokens"] {
        let query = format!("SELECT count(*) FROM {table}");
        wait_until("expired rows are removed", async || site.app.number(&query).await == 1).await;
        assert_eq!(site.count(&format!("{table} WHERE expires_at > {future}")).await, 0);
    }
}

#[actix_web::test]
async fn with_optional_verification_an_account_works_and_its_address_is_confirmed_by_a_link() {
    let site = Site::with(&[("EMAIL_VERIFICATION", "optional")]).await;
    site.app.sign_up("ann").await;
    let message = site.smtp.wait_for(1).await;
    assert_eq!(
        (message.recipient.as_str(), message.header("Subject")),
        (ADDRESS, "Byline: confirm your e-mail address")
    );
    assert!(!message.text().contains("\"ann\""), "{}", message.text());
    assert_eq!(site.count("users WHERE is_email_confirmed").await, 0);
    assert_eq!(site.confirm(&message.token()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(site.count("users WHERE is_email_confirmed").await, 1);
    expect_invalid_link(&site.confirm(&message.token()).await);
}

#[actix_web::test]
async fn without_verification_no_confirmation_is_sent_and_addresses_count_as_confirmed() {
    let site = Site::start().await;
    site.app.sign_up("ann").await;
    assert_eq!(site.count("users WHERE is_email_confirmed").await, 1);
    assert_eq!(site.count("mail_queue").await, 0);
}

#[actix_web::test]
async fn with_required_verification_an_account_works_only_after_its_address_was_confirmed() {
    let site = Site::with(&[("EMAIL_VERIFICATION", "required")]).await;
    site.register("ann").await.expect(StatusCode::CREATED);
    let token = site.smtp.wait_for(1).await.token();
    site.log_in("a wrong password").await.expect_unauthorized("Incorrect username or password");
    site.log_in(PASSWORD).await.expect_error(StatusCode::FORBIDDEN, NOT_CONFIRMED);
    assert_eq!(site.confirm(&token).await.status, StatusCode::NO_CONTENT);
    let ann = site.app.anonymous().sign_in("ann", PASSWORD).await;
    ann.get("/users/me").await.expect(StatusCode::OK);

    // A token from the time before verification was required.
    site.app.sql("UPDATE users SET is_email_confirmed = false").await;
    for path in ["/users/me", "/articles/"] {
        ann.get(path).await.expect_error(StatusCode::FORBIDDEN, NOT_CONFIRMED);
    }
}

#[actix_web::test]
async fn an_account_of_the_operator_needs_no_confirmation() {
    let site = Site::with(&[("EMAIL_VERIFICATION", "required")]).await;
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    site.app.insert_user(ADDRESS, "ann", Some(ADDRESS), &hash).await;
    site.log_in(PASSWORD).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_new_password_by_a_link_also_confirms_the_address() {
    let site = Site::with(&[("EMAIL_VERIFICATION", "required")]).await;
    site.register("ann").await.expect(StatusCode::CREATED);
    site.smtp.wait_for(1).await;
    let token = site.reset_token(ADDRESS).await;
    assert_eq!(site.reset(&token, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
    site.log_in(NEW_PASSWORD).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_link_to_confirm_an_address_expires_after_a_day_and_can_be_asked_for_again() {
    let site =
        Site::with(&[("EMAIL_VERIFICATION", "optional"), ("ACCESS_TOKEN_EXPIRE_MINUTES", "10000")]).await;
    let ann = site.app.sign_up("ann").await;
    let first = site.smtp.wait_for(1).await.token();
    site.app.advance(TimeDelta::hours(24) + TimeDelta::seconds(1));
    expect_invalid_link(&site.confirm(&first).await);
    assert_eq!(ann.send(Method::POST, RESEND, &[], None).await.status, StatusCode::ACCEPTED);
    let second = site.smtp.wait_for(2).await;
    assert_eq!(second.recipient, ADDRESS);
    assert_eq!(site.confirm(&second.token()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ann.send(Method::POST, RESEND, &[], None).await.status, StatusCode::ACCEPTED);
    site.wait_until_idle().await;
    assert_eq!(site.smtp.received().len(), 2);
}

#[actix_web::test]
async fn confirmations_and_links_for_passwords_have_one_limit_for_the_mailbox() {
    let site = Site::with(&[("EMAIL_VERIFICATION", "optional")]).await;
    let ann = site.app.sign_up("ann").await;
    assert_eq!(site.forgot(ADDRESS).await.status, StatusCode::ACCEPTED);
    for _ in 0..2 {
        assert_eq!(ann.send(Method::POST, RESEND, &[], None).await.status, StatusCode::ACCEPTED);
    }
    expect_limited(&ann.send(Method::POST, RESEND, &[], None).await, 3600);
    expect_limited(&site.forgot(ADDRESS).await, 3600);
}

#[actix_web::test]
async fn a_registration_that_fails_sends_no_mail() {
    let site = Site::with(&[("EMAIL_VERIFICATION", "optional")]).await;
    site.app.sign_up("ann").await;
    site.smtp.wait_for(1).await;
    site.register("ann").await.expect_error(StatusCode::CONFLICT, "Username already registered");
    let body = json!({ "email": "ANN@example.com", "username": "other", "password": PASSWORD });
    let response = site.app.anonymous().post("/auth/register", &body).await;
    response.expect_error(StatusCode::CONFLICT, "Email already registered");
    site.wait_until_idle().await;
    assert_eq!((site.smtp.received().len(), site.count("email_tokens").await), (1, 1));
}

#[actix_web::test]
async fn a_new_address_takes_effect_when_it_is_confirmed_and_the_old_one_is_told() {
    let site = Site::start().await;
    let ann = site.app.sign_up("ann").await;
    site.app.request_address_change(ann.id, "New@example.com").await.unwrap();
    site.smtp.wait_for(2).await;
    let received = site.smtp.received();
    let to = |address: &str| received.iter().find(|message| message.recipient == address).unwrap();
    assert_eq!(to(ADDRESS).header("Subject"), "Byline: your e-mail address is about to change");
    assert_eq!(ann.get("/users/me").await.json()["email"], ADDRESS);

    let reset = site.reset_token(ADDRESS).await;
    assert_eq!(site.confirm(&to("New@example.com").token()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ann.get("/users/me").await.json()["email"], "New@example.com");
    assert_eq!(site.app.text("SELECT email_key FROM users").await, "new@example.com");
    // A link that was sent to the old address.
    expect_invalid_link(&site.reset(&reset, NEW_PASSWORD).await);
}

#[actix_web::test]
async fn a_new_address_that_another_account_has_taken_meanwhile_is_a_conflict() {
    let site = Site::start().await;
    let ann = site.app.sign_up("ann").await;
    site.app.request_address_change(ann.id, "ben@example.com").await.unwrap();
    site.smtp.wait_for(2).await;
    site.app.sign_up("ben").await;
    let received = site.smtp.received();
    let token = received.iter().find(|message| message.recipient == "ben@example.com").unwrap().token();
    for _ in 0..2 {
        let response = site.confirm(&token).await;
        response.expect_error(StatusCode::CONFLICT, "Email already registered");
    }
    assert_eq!(ann.get("/users/me").await.json()["email"], ADDRESS);
}

#[actix_web::test]
async fn only_the_latest_new_address_can_be_confirmed() {
    let site = Site::start().await;
    let ann = site.app.sign_up("ann").await;
    site.app.request_address_change(ann.id, "first@example.com").await.unwrap();
    site.smtp.wait_for(2).await;
    site.app.request_address_change(ann.id, "second@example.com").await.unwrap();
    site.smtp.wait_for(4).await;
    let received = site.smtp.received();
    let token = |address: &str| received.iter().find(|message| message.recipient == address).unwrap().token();
    expect_invalid_link(&site.confirm(&token("first@example.com")).await);
    assert_eq!(site.confirm(&token("second@example.com")).await.status, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn a_new_password_by_a_link_cancels_a_change_of_the_address() {
    let site = Site::start().await;
    let ann = site.app.sign_up("ann").await;
    site.app.request_address_change(ann.id, "eve@example.com").await.unwrap();
    site.smtp.wait_for(2).await;
    let received = site.smtp.received();
    let change = received.iter().find(|message| message.recipient == "eve@example.com").unwrap().token();
    let reset = site.reset_token(ADDRESS).await;
    assert_eq!(site.reset(&reset, NEW_PASSWORD).await.status, StatusCode::NO_CONTENT);
    expect_invalid_link(&site.confirm(&change).await);
}

#[actix_web::test]
async fn a_password_that_its_owner_changes_makes_all_links_invalid() {
    let site = Site::start().await;
    let ann = site.app.sign_up("ann").await;
    let reset = site.reset_token(ADDRESS).await;
    site.app.request_address_change(ann.id, "eve@example.com").await.unwrap();
    site.smtp.wait_for(3).await;
    let received = site.smtp.received();
    let change = received.iter().find(|message| message.recipient == "eve@example.com").unwrap().token();
    let body = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
    assert_eq!(ann.post("/users/me/password", &body).await.status, StatusCode::NO_CONTENT);
    expect_invalid_link(&site.reset(&reset, "a third password").await);
    expect_invalid_link(&site.confirm(&change).await);
}
