//! The recorded contract, replayed.

use actix_web::rt::task::spawn_blocking;
use entity::user;
use sea_orm::{ActiveModelTrait as _, Set};
use serde_json::Value;

use crate::{replay::replay, support::TestApp};

#[actix_web::test]
async fn every_recorded_case_is_answered_as_the_contract_has_it() {
    replay_with(&[]).await;
}

#[actix_web::test]
async fn every_recorded_case_is_answered_alike_without_a_cache() {
    replay_with(&[("CACHE_BYTES", "0")]).await;
}

async fn replay_with(further: &[(&str, &str)]) {
    let contract: Value = {
        let mut reader = serde_json::Deserializer::from_str(include_str!("../contract/cases.json"));
        reader.disable_recursion_limit();
        serde::Deserialize::deserialize(&mut reader).unwrap()
    };
    let old_ways = [
        ("PUBLIC_DRAFTS", "true"),
        ("MAX_PAGE_SIZE", "0"),
        ("SECRET_KEY", contract["secret_key"].as_str().unwrap()),
    ];
    let app = TestApp::with(&[&old_ways, further].concat()).await;
    // Registration takes no password of 80 bytes, as carol's is; the old blog did.
    for (_, account) in contract["users"].as_object().unwrap() {
        let text = |member: &str| account[member].as_str().unwrap().to_owned();
        let now = app.now();
        let row = user::ActiveModel {
            email_key: Set(Some(user::email_key(&text("email")))),
            email: Set(text("email")),
            username: Set(text("username")),
            hashed_password: Set(bcrypt::hash(text("password"), 4).unwrap()),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        let row = row.insert(app.writer()).await.unwrap();
        assert_eq!(i64::from(row.id), account["id"].as_i64().unwrap());
    }

    let address = app.address();
    let report = spawn_blocking(move || replay(address)).await.unwrap();
    assert_eq!(report.ran, contract["cases"].as_array().unwrap().len());
    let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), report.ran, failures.join("\n"));
}
