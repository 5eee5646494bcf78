//! The queue of e-mail, against a mail server that accepts, delays, rejects, disconnects and is unreachable.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, Installation, PASSWORD, Received, SmtpServer, TestApp, registration, settings_of,
    wait_until,
};

const ADDRESS: &str = "ann@example.com";

const WAITING: &str = "SELECT count(*) FROM mail_queue WHERE failed_at IS NULL";
const GIVEN_UP: &str = "SELECT count(*) FROM mail_queue WHERE failed_at IS NOT NULL";
const QUEUED: &str = "SELECT count(*) FROM mail_queue";

/// More than one look at the queue reads.
const MESSAGES: usize = 60;

/// A server that sends its mail to `smtp`.
async fn sending_to(smtp: &SmtpServer) -> TestApp {
    with(&smtp.settings()).await
}

async fn with(settings: &[(&'static str, String)]) -> TestApp {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    TestApp::with(&settings).await
}

async fn forgot(client: &Client, email: &str) {
    let response = client.post("/auth/password/forgot", &json!({ "email": email })).await;
    assert_eq!(response.status, StatusCode::ACCEPTED, "{}", response.text());
}

async fn reset(client: &Client, received: &Received, password: &str) -> StatusCode {
    let body = json!({ "token": received.token(), "new_password": password });
    client.post("/auth/password/reset", &body).await.status
}

async fn wait_until_number(app: &TestApp, query: &str, expected: i64) {
    wait_until(&format!("{query} is {expected}"), async || app.number(query).await == expected).await;
}

#[actix_web::test]
async fn a_message_has_text_and_html_and_the_headers_that_mail_programs_need() {
    let smtp = SmtpServer::start();
    let app = sending_to(&smtp).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    let message = smtp.wait_for(1).await;

    assert_eq!(message.recipient, ADDRESS);
    assert_eq!(message.header("From"), "Byline <byline@blog.example>");
    assert_eq!(message.header("To"), ADDRESS);
    assert_eq!(message.header("Subject"), "Byline: set a new password");
    assert_eq!(message.header("Auto-Submitted"), "auto-generated");
    assert!(message.header("Message-ID").ends_with("@blog.example>"));
    assert!(message.header("Date").ends_with("+0000"));
    let text = message.text();
    let link = format!("https://blog.example/reset?token={}", message.token());
    assert!(text.contains(&format!("\n{link}\n")), "{text}");
    assert!(text.contains(&format!("<a href=\"{link}\">")), "{text}");
    assert!(text.contains("\"ann\"") && text.contains("&quot;ann&quot;"), "{text}");
    wait_until_number(&app, QUEUED, 0).await;
}

#[actix_web::test]
async fn the_queue_contains_no_secret() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Disconnect);
    let app = sending_to(&smtp).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    let token = smtp.wait_for(1).await.token();
    wait_until("the failure is recorded", async || {
        app.number("SELECT count(*) FROM mail_queue WHERE last_error IS NOT NULL").await == 1
    })
    .await;

    let (id, secret) = token.split_once('.').unwrap();
    for column in ["kind", "recipient", "parameters", "last_error"] {
        let value = app.text(&format!("SELECT {column} FROM mail_queue")).await;
        assert!(!value.contains(secret), "{column}: {value}");
    }
    assert_eq!(app.text("SELECT id FROM email_tokens").await, id);
}

#[actix_web::test]
async fn a_message_that_is_greylisted_is_sent_a_minute_later() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Greylist);
    let app = sending_to(&smtp).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    smtp.wait_for_attempts(1).await;
    wait_until("the failure is recorded", async || {
        app.number("SELECT count(*) FROM mail_queue WHERE last_error LIKE '%451%'").await == 1
    })
    .await;

    smtp.set(Answer::Accept);
    app.advance(TimeDelta::seconds(50));
    app.anonymous().get("/health/ready").await;
    assert_eq!(smtp.attempts(), 1);
    app.advance(TimeDelta::seconds(11));
    let message = smtp.wait_for(1).await;
    assert_eq!(smtp.attempts(), 2);
    assert_eq!(reset(&app.anonymous(), &message, "another password").await, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn a_link_is_valid_from_the_time_at_which_its_message_is_sent() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Greylist);
    let app = sending_to(&smtp).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    for attempt in 1..=6 {
        smtp.wait_for_attempts(attempt).await;
        wait_until_number(&app, "SELECT count(*) FROM mail_queue WHERE last_error IS NOT NULL", 1).await;
        app.sql("UPDATE mail_queue SET last_error = NULL").await;
        app.advance(TimeDelta::hours(1));
    }
    smtp.set(Answer::Accept);
    app.advance(TimeDelta::hours(1));
    let message = smtp.wait_for(1).await;
    assert_eq!(app.number("SELECT count(*) FROM email_tokens").await, 1);
    assert_eq!(reset(&app.anonymous(), &message, "another password").await, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn a_message_that_is_rejected_is_given_up_at_once() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Reject);
    let app = sending_to(&smtp).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    wait_until_number(&app, GIVEN_UP, 1).await;
    let reason = app.text("SELECT last_error FROM mail_queue").await;
    assert!(reason.contains("550") && reason.contains("User unknown"), "{reason}");

    smtp.set(Answer::Accept);
    app.advance(TimeDelta::days(2));
    forgot(&app.anonymous(), ADDRESS).await;
    smtp.wait_for(1).await;
    assert_eq!(smtp.attempts(), 2);
}

#[actix_web::test]
async fn a_wrong_password_of_the_mail_server_is_no_reason_to_give_up() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::RefuseLogin);
    let mut settings = smtp.settings();
    settings[0].1 = settings[0].1.replace("smtp://", "smtp://user:wrong%20one@");
    let app = with(&settings).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    smtp.wait_for_attempts(1).await;
    wait_until_number(&app, "SELECT count(*) FROM mail_queue WHERE last_error LIKE '%535%'", 1).await;
    assert_eq!(app.number(WAITING).await, 1);
    smtp.set(Answer::Accept);
    app.advance(TimeDelta::minutes(2));
    smtp.wait_for(1).await;
}

#[actix_web::test]
async fn a_message_without_an_acknowledgement_is_sent_again_as_the_same_message() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Disconnect);
    let app = sending_to(&smtp).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    let first = smtp.wait_for(1).await;
    wait_until_number(&app, "SELECT count(*) FROM mail_queue WHERE last_error IS NOT NULL", 1).await;
    smtp.set(Answer::Accept);
    app.advance(TimeDelta::minutes(2));
    let second = smtp.wait_for(2).await;
    for header in ["Message-ID", "Date", "Subject", "To"] {
        assert_eq!(first.header(header), second.header(header), "{header}");
    }
    assert_eq!(first.token(), second.token());
}

#[actix_web::test]
async fn a_message_whose_link_was_used_is_not_sent_again() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Disconnect);
    let app = sending_to(&smtp).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    let message = smtp.wait_for(1).await;
    wait_until_number(&app, "SELECT count(*) FROM mail_queue WHERE last_error IS NOT NULL", 1).await;
    smtp.set(Answer::Accept);
    assert_eq!(reset(&app.anonymous(), &message, "another password").await, StatusCode::NO_CONTENT);
    smtp.wait_for(2).await;
    app.advance(TimeDelta::minutes(2));
    wait_until_number(&app, QUEUED, 0).await;
    // The second one is the notice of the new password.
    let subjects: Vec<String> =
        smtp.received().iter().map(|received| received.header("Subject").to_owned()).collect();
    assert_eq!(subjects, ["Byline: set a new password", "Byline: your password was changed"]);
    assert_eq!(reset(&app.anonymous(), &message, "a third password").await, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn mail_is_sent_when_the_mail_server_is_back() {
    let address = SmtpServer::unreachable();
    let app = with(&settings_of(address)).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    wait_until_number(&app, "SELECT count(*) FROM mail_queue WHERE last_error IS NOT NULL", 1).await;
    assert_eq!(app.number(WAITING).await, 1);
    let smtp = SmtpServer::start_at(address);
    app.advance(TimeDelta::minutes(2));
    smtp.wait_for(1).await;
}

#[actix_web::test]
async fn a_message_is_given_up_after_a_day_of_attempts() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Greylist);
    let app = sending_to(&smtp).await;
    app.sign_up("ann").await;
    forgot(&app.anonymous(), ADDRESS).await;
    let attempts = |number: usize| {
        format!("SELECT count(*) FROM mail_queue WHERE attempts = {number} AND last_error IS NOT NULL")
    };
    for attempt in 1..=28 {
        wait_until_number(&app, &attempts(attempt), 1).await;
        assert_eq!(app.number(WAITING).await, 1, "{attempt}");
        app.sql("UPDATE mail_queue SET last_error = NULL").await;
        app.advance(TimeDelta::hours(1));
    }
    wait_until_number(&app, GIVEN_UP, 1).await;
    assert_eq!(smtp.attempts(), 29);
}

#[actix_web::test]
async fn two_servers_on_one_database_send_each_message_once() {
    let smtp = SmtpServer::start();
    let first = sending_to(&smtp).await;
    let settings = smtp.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let second = first.another(&settings);
    let values: Vec<String> = (0..MESSAGES)
        .map(|number| {
            format!(
                "('password_changed', 'reader{number}@example.com', '{{\"username\":\"ann\"}}', \
                 '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00')"
            )
        })
        .collect();
    first
        .sql(&format!(
            "INSERT INTO mail_queue (kind, recipient, parameters, created_at, next_attempt_at) VALUES {}",
            values.join(", ")
        ))
        .await;
    first.look_for_mail();
    second.look_for_mail();
    wait_until_number(&first, QUEUED, 0).await;
    let received = smtp.received();
    let recipients: BTreeSet<&str> = received.iter().map(|received| received.recipient.as_str()).collect();
    assert_eq!((received.len(), recipients.len()), (MESSAGES, MESSAGES));
}

#[actix_web::test]
async fn a_message_that_cannot_be_composed_does_not_stop_the_others() {
    let smtp = SmtpServer::start();
    let app = sending_to(&smtp).await;
    let rows = [
        ("of_a_newer_release", "ann@example.com", "{}"),
        ("password_changed", "ann@example.com", "no JSON"),
        ("password_changed", "not an address\nBcc: eve@example.com", "{}"),
        ("password_changed", "ann@example.com", r#"{"username":"ann"}"#),
    ];
    for (kind, recipient, parameters) in rows {
        let times = "'2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00'";
        app.sql(&format!(
            "INSERT INTO mail_queue (kind, recipient, parameters, created_at, next_attempt_at) \
             VALUES ('{kind}', '{recipient}', '{parameters}', {times})"
        ))
        .await;
    }
    app.look_for_mail();
    assert_eq!(smtp.wait_for(1).await.recipient, ADDRESS);
    wait_until_number(&app, "SELECT count(*) FROM mail_queue WHERE last_error IS NOT NULL", 3).await;
    // An invalid address stays invalid.
    assert_eq!(app.number(GIVEN_UP).await, 1);
}

/// An installation with a server that sends its mail to `address`.
async fn installation(settings: Vec<(&'static str, String)>) -> Installation {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Installation::new().await.set(&settings)
}

#[actix_web::test]
async fn a_server_that_is_killed_before_it_sends_loses_no_mail() {
    let address = SmtpServer::unreachable();
    let home = installation(settings_of(address)).await;
    let server = home.serve(&[]);
    server.client().sign_up("ann").await;
    forgot(&server.client(), ADDRESS).await;
    server.kill();

    let smtp = SmtpServer::start_at(address);
    let server = home.serve(&[]);
    home.succeed(&["mail", "retry", "--all"]);
    let message = smtp.wait_for(1).await;
    assert_eq!(reset(&server.client(), &message, "another password").await, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn a_server_that_is_killed_while_it_sends_sends_again() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Silence);
    let home = installation(smtp.settings()).await;
    let server = home.serve(&[]);
    server.client().sign_up("ann").await;
    forgot(&server.client(), ADDRESS).await;
    let first = smtp.wait_for(1).await;
    server.kill();

    smtp.set(Answer::Accept);
    let server = home.serve(&[]);
    home.succeed(&["mail", "retry", "--all"]);
    let second = smtp.wait_for(2).await;
    assert_eq!(first.header("Message-ID"), second.header("Message-ID"));
    assert_eq!(reset(&server.client(), &first, "another password").await, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn a_server_that_is_stopped_while_it_sends_returns_the_message_to_the_queue() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Silence);
    let home = installation(smtp.settings()).await;
    let mut server = home.serve(&[]);
    server.client().sign_up("ann").await;
    forgot(&server.client(), ADDRESS).await;
    smtp.wait_for(1).await;
    server.terminate();
    assert!(server.wait().await.success(), "{}", server.output());
    assert!(!server.output().contains("did not end in time"), "{}", server.output());

    // Without a retry by the operator, and without a wait.
    smtp.set(Answer::Accept);
    let _server = home.serve(&[]);
    smtp.wait_for(2).await;
}

#[actix_web::test]
async fn the_log_contains_neither_tokens_nor_addresses() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Greylist);
    let home =
        installation(smtp.settings()).await.set(&[("LOG", "trace"), ("EMAIL_VERIFICATION", "optional")]);
    let server = home.serve(&[]);
    let client = server.client();
    // Also the address in replies of the mail server.
    client.sign_up("ann").await;
    forgot(&client, ADDRESS).await;
    smtp.wait_for_attempts(2).await;
    smtp.set(Answer::Reject);
    forgot(&client, ADDRESS).await;
    wait_until("a message is given up", async || server.output().contains("given up")).await;
    smtp.set(Answer::Accept);
    home.succeed(&["mail", "retry", "--all"]);
    wait_until("all messages arrive", async || smtp.received().len() == 3).await;
    let tokens: Vec<String> = smtp.received().iter().map(Received::token).collect();
    for token in &tokens {
        for path in ["/auth/password/reset", "/auth/email/confirm"] {
            client.post(path, &json!({ "token": token, "new_password": PASSWORD })).await;
        }
    }
    wait_until("messages are logged", async || server.output().contains("an e-mail was sent")).await;

    let output = server.output() + &server.errors();
    for token in &tokens {
        let (_, secret) = token.split_once('.').unwrap();
        assert!(!output.contains(secret), "a token is logged");
    }
    assert!(!output.contains(ADDRESS) && !output.contains("ann@"), "an address is logged");
    assert!(!output.contains(PASSWORD), "a password is logged");
}

#[actix_web::test]
async fn in_development_without_a_mail_server_messages_are_written_to_standard_error() {
    let server = Installation::new().await.serve(&[]);
    server.client().sign_up("ann").await;
    forgot(&server.client(), ADDRESS).await;
    let link = "\nhttp://localhost:3000/reset-password?token=";
    wait_until("the message is written", async || {
        server.errors().contains("--- e-mail to ann@example.com ---")
    })
    .await;
    wait_until("the link is written", async || server.errors().contains(link)).await;
    let errors = server.errors();
    let token = errors.split(link).nth(1).unwrap().lines().next().unwrap();
    assert!(!server.output().contains(token));
    let body = json!({ "token": token, "new_password": "another password" });
    assert_eq!(server.client().post("/auth/password/reset", &body).await.status, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn in_production_without_a_mail_server_no_link_can_be_asked_for() {
    let home = Installation::production().await.set(&[("REGISTRATION", "open"), ("BCRYPT_COST", "10")]);
    home.succeed(&["migrate", "up"]);
    let server = home.serve(&[]);
    server.client().sign_up("ann").await;
    for email in [ADDRESS, "nobody@example.com"] {
        let response = server.client().post("/auth/password/forgot", &json!({ "email": email })).await;
        response.expect_error(StatusCode::SERVICE_UNAVAILABLE, "This server sends no e-mail");
    }
    assert_eq!(home.succeed(&["mail", "list", "--json"]), "[]\n");
    drop(server);

    let message = home.another().set(&[("EMAIL_VERIFICATION", "required")]).fail(&["serve"]);
    assert!(message.contains("EMAIL_VERIFICATION: no address can be confirmed"), "{message}");
}

#[actix_web::test]
async fn settings_that_would_break_every_message_are_refused_at_the_start() {
    let home = Installation::production().await;
    let message = home.another().set(&[("SMTP_URL", "smtps://u:p@mail.example")]).fail(&["serve"]);
    for name in ["MAIL_FROM", "PASSWORD_RESET_URL", "EMAIL_CONFIRM_URL"] {
        assert!(message.contains(&format!("{name}: is required with SMTP_URL")), "{message}");
    }
    for (name, value) in [
        ("SMTP_URL", "mail.example"),
        ("SMTP_URL", "http://u:secret@mail.example"),
        ("SMTP_URL", "smtp://u:secret@mail.example?tls=perhaps"),
        ("SMTP_URL", "smtp:mail.example"),
        ("MAIL_FROM", "Byline"),
        ("MAIL_FROM", "a@example.com\nBcc: b@example.com"),
        ("PASSWORD_RESET_URL", "https://blog.example/reset"),
        ("PASSWORD_RESET_URL", "https://blog.example/{token}/{token}"),
        ("EMAIL_CONFIRM_URL", "javascript:alert('{token}')"),
        ("EMAIL_CONFIRM_URL", "/confirm?token={token}"),
        ("EMAIL_VERIFICATION", "yes"),
    ] {
        let message = home.another().set(&[(name, value)]).fail(&["serve"]);
        assert!(message.contains(&format!("{name}: ")) && !message.contains("secret@"), "{value}: {message}");
    }
}

#[actix_web::test]
async fn the_operator_lists_the_queue_and_sends_a_message_again() {
    let smtp = SmtpServer::start();
    smtp.set(Answer::Reject);
    let home = installation(smtp.settings()).await;
    let server = home.serve(&[]);
    server.client().sign_up("ann").await;
    server.client().post("/auth/register", &registration("ben")).await.expect(StatusCode::CREATED);
    for email in [ADDRESS, "ben@example.com"] {
        forgot(&server.client(), email).await;
    }
    let list = || -> Value { serde_json::from_str(&home.succeed(&["mail", "list", "--json"])).unwrap() };
    wait_until("both are given up", async || {
        let list = list();
        let rows = list.as_array().unwrap();
        rows.len() == 2 && rows.iter().all(|row| row["failed_at"].is_string())
    })
    .await;
    let rows = list();
    let of_ann = rows.as_array().unwrap().iter().find(|row| row["recipient"] == ADDRESS).unwrap();
    assert_eq!((&of_ann["kind"], &of_ann["attempts"]), (&json!("password_reset"), &json!(1)));
    assert!(of_ann["last_error"].as_str().unwrap().contains("550"));
    let table = home.succeed(&["mail", "list"]);
    assert!(table.contains(ADDRESS) && table.contains("given up") && table.contains("550"), "{table}");

    smtp.set(Answer::Accept);
    let id = of_ann["id"].to_string();
    assert_eq!(home.succeed(&["mail", "retry", &id, "--json"]), "{\"retried\":1}\n");
    assert_eq!(smtp.wait_for(1).await.recipient, ADDRESS);
    assert_eq!(home.succeed(&["mail", "retry", "--all"]), "1 e-mail is due now\n");
    assert_eq!(smtp.wait_for(2).await.recipient, "ben@example.com");
    wait_until("the queue is empty", async || list() == json!([])).await;

    assert!(home.fail(&["mail", "retry", "4711"]).contains("there is no e-mail 4711"));
    for arguments in [&["mail", "retry"][..], &["mail", "retry", "1", "--all"]] {
        assert_eq!(home.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
