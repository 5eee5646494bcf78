//! The log of administrative actions: what it says, and that it only grows.

use actix_web::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait as _, DbBackend};
use serde_json::{Value, json};

use crate::support::{Published, TestApp, now};

#[actix_web::test]
async fn every_action_is_an_entry() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let account = format!("/admin/users/{}", ann.id);
    let article = ann.create(&json!({ "title": "first", "content": "0123456789" })).await;
    root.edit(&article, &json!({ "title": "moderated" })).await;
    root.delete(&article.path()).await.expect(StatusCode::NO_CONTENT);
    for action in ["promote", "demote"] {
        root.act(&format!("{account}/{action}")).await.expect(StatusCode::OK);
    }
    root.suspend(ann.id, "keep").await.expect(StatusCode::OK);
    root.act(&format!("{account}/reinstate")).await.expect(StatusCode::OK);
    root.delete(&account).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(
        root.log().await,
        [
            "user.delete ann",
            "user.reinstate ann",
            "user.suspend ann",
            "user.demote ann",
            "user.promote ann",
            "article.delete moderated",
            "article.update moderated"
        ]
    );
}

#[actix_web::test]
async fn an_entry_says_who_did_what_to_whom_when_and_from_where() {
    let app = TestApp::with(&[("TRUSTED_PROXIES", r#"["127.0.0.1/32"]"#)]).await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let before = now();
    let promote = root.request(Method::POST, &format!("/admin/users/{}/promote", ann.id));
    promote.header("x-forwarded-for", "2001:db8::7").send().await.expect(StatusCode::OK);
    let mut entry = root.get("/admin/log").await.expect(StatusCode::OK)[0].take();
    let entry = entry.as_object_mut().unwrap();
    let time: DateTime<Utc> = entry.remove("created_at").unwrap().as_str().unwrap().parse().unwrap();
    assert!((time - before).num_seconds().abs() < 60, "{time}");
    assert!(entry.remove("id").unwrap().as_i64().unwrap() > 0);
    assert_eq!(
        Value::Object(entry.clone()),
        json!({
            "actor_id": root.id, "actor": "root", "action": "user.promote",
            "target_id": ann.id, "target": "ann", "address": "2001:db8::7"
        })
    );
}

#[actix_web::test]
async fn an_entry_outlives_the_accounts_and_their_names() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    root.act(&format!("/admin/users/{}/promote", ann.id)).await.expect(StatusCode::OK);
    root.patch("/users/me", &json!({ "username": "renamed" })).await.expect(StatusCode::OK);
    ann.delete(&format!("/admin/users/{}", root.id)).await.expect(StatusCode::NO_CONTENT);
    let log = ann.get("/admin/log").await.expect(StatusCode::OK);
    let actors: Vec<_> =
        log.as_array().unwrap().iter().map(|entry| (&entry["actor"], &entry["target"])).collect();
    assert_eq!(actors, [(&json!("ann"), &json!("renamed")), (&json!("root"), &json!("ann"))]);
}

#[actix_web::test]
async fn an_administrators_own_articles_are_no_entries() {
    let app = TestApp::start().await;
    let root = app.sign_up_admin("root").await;
    let article = root.write(Published::Yes).await;
    root.edit(&article, &json!({ "title": "edited" })).await;
    root.delete(&article.path()).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(root.log().await, [""; 0]);
}

#[actix_web::test]
async fn a_moderation_that_changes_nothing_is_no_entry() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let article = ann.write(Published::Yes).await;
    for change in [json!({}), json!({ "title": article.json["title"], "published": true })] {
        let same = root.patch(&article.path(), &change).await;
        assert_eq!((same.expect(StatusCode::OK), same.tag()), (article.json.clone(), article.tag.clone()));
    }
    assert_eq!(root.log().await, [""; 0]);
}

#[actix_web::test]
async fn the_log_is_read_page_by_page() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    for action in ["promote", "demote", "promote"] {
        root.act(&format!("/admin/users/{}/{action}", ann.id)).await.expect(StatusCode::OK);
    }
    let all = root.get("/admin/log").await.expect(StatusCode::OK);
    let first = root.get("/admin/log?limit=2").await;
    let second = root.get(&first.linked("next").unwrap()).await;
    assert_eq!(first.expect(StatusCode::OK), json!([all[0], all[1]]));
    assert_eq!(second.expect(StatusCode::OK), json!([all[2]]));
    assert_eq!((second.linked("next"), first.linked("prev")), (None, None));
    let back = root.get(&second.linked("prev").unwrap()).await;
    assert_eq!(back.expect(StatusCode::OK), json!([all[0], all[1]]));
}

#[actix_web::test]
async fn the_database_refuses_to_change_or_delete_entries() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    root.act(&format!("/admin/users/{}/promote", ann.id)).await.expect(StatusCode::OK);
    let before = root.get("/admin/log").await.json();
    let connection = app.database.connect().await;
    let mut statements = vec![
        "UPDATE audit_log SET actor = 'someone else'",
        "UPDATE audit_log SET created_at = created_at WHERE id = 1",
        "DELETE FROM audit_log",
        "DELETE FROM audit_log WHERE target = 'ann'",
    ];
    if app.database.engine() == DbBackend::Postgres {
        statements.push("TRUNCATE audit_log");
    }
    for statement in statements {
        let error = connection.execute_unprepared(statement).await.unwrap_err();
        assert!(error.to_string().contains("audit_log is append-only"), "{statement}: {error}");
    }
    assert_eq!(root.get("/admin/log").await.json(), before);
}
