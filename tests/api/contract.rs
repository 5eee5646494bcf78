//! The recorded contract, replayed with and without a cache.

use actix_web::rt::task::spawn_blocking;
use serde_json::Value;

use crate::{replay::replay, support::TestApp};

#[actix_web::test]
async fn every_recorded_case_gets_the_response_of_the_contract() {
    replay_with(&[]).await;
}

#[cfg(feature = "long-tests")]
#[actix_web::test]
async fn every_recorded_case_gets_the_response_of_the_contract_without_a_cache() {
    replay_with(&[("CACHE_BYTES", "0")]).await;
}

async fn replay_with(further: &[(&str, &str)]) {
    let contract: Value = {
        let mut reader = serde_json::Deserializer::from_str(include_str!("../contract/cases.json"));
        reader.disable_recursion_limit();
        serde::Deserialize::deserialize(&mut reader).unwrap()
    };
    // As the old blog behaved where Byline deliberately differs.
    let as_before = [
        ("PUBLIC_DRAFTS", "true"),
        ("MAX_PAGE_SIZE", "0"),
        ("LOGIN_LIMIT", "0"),
        ("SECRET_KEY", contract["secret_key"].as_str().unwrap()),
    ];
    let app = TestApp::with(&[&as_before, further].concat()).await;
    // Registration accepts no password of 80 bytes, as carol's is; the old blog did.
    for (_, account) in contract["users"].as_object().unwrap() {
        let text = |member: &str| account[member].as_str().unwrap();
        let hash = bcrypt::hash(text("password"), 4).unwrap();
        let key = text("email").to_ascii_lowercase();
        let id = app.insert_user(text("email"), text("username"), Some(&key), &hash).await;
        assert_eq!(id, account["id"].as_i64().unwrap());
    }

    let address = app.address();
    let report = spawn_blocking(move || replay(address)).await.unwrap();
    assert_eq!(report.ran, contract["cases"].as_array().unwrap().len());
    let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), report.ran, failures.join("\n"));
}
