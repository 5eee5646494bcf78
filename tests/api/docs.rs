//! The OpenAPI document and the pages that show it.

use std::{collections::BTreeSet, path::Path};

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::{
    document::document,
    house::handlers,
    support::{Published, TestApp},
};

/// Every operation as (method, path, operation).
pub(crate) fn operations() -> impl Iterator<Item = (Method, &'static str, &'static Value)> {
    document()["paths"].as_object().unwrap().iter().flat_map(|(path, operations)| {
        operations.as_object().unwrap().iter().map(move |(method, operation)| {
            (method.to_uppercase().parse().unwrap(), path.as_str(), operation)
        })
    })
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let mut found = Vec::new();
    references(document(), &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document().pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn operation_ids_are_unique_and_the_names_of_their_handlers() {
    let documented: Vec<&str> =
        operations().map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();
    let unique: BTreeSet<&str> = documented.iter().copied().collect();
    assert_eq!(unique.len(), documented.len(), "{documented:?}");

    let declared = handlers();
    for handler in &declared {
        assert_eq!(handler.operation_id, handler.name);
    }
    assert_eq!(declared.iter().map(|handler| handler.name.as_str()).collect::<BTreeSet<_>>(), unique);
}

#[test]
fn every_operation_says_what_it_does_and_how_it_fails() {
    for (method, path, operation) in operations() {
        let of = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{of}");
        assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{of}");
        let takes_body = operation.get("requestBody").is_some();
        assert!(!takes_body || [Method::POST, Method::PATCH].contains(&method), "{of}");
        let responses = operation["responses"].as_object().unwrap();
        assert_eq!(responses.contains_key("413"), takes_body, "{of}");
        assert!(responses.contains_key("503") || path == "/health/live", "{of}");
        for (status, response) in responses {
            if status.starts_with(['4', '5']) {
                let content = &response["content"]["application/json"];
                assert!(content["schema"]["$ref"].is_string(), "{of} {status}");
                assert!(content["examples"].as_object().is_some_and(|all| !all.is_empty()), "{of} {status}");
            }
        }
    }
}

/// By asking: every method of a documented path, and no other, is let through.
#[actix_web::test]
async fn a_wrong_method_names_all_that_the_resource_has() {
    let app = TestApp::start().await;
    for (path, operations) in document()["paths"].as_object().unwrap() {
        let mut known: BTreeSet<String> =
            operations.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        if known.contains("GET") {
            known.insert("HEAD".to_owned());
        }
        let target = path.replace("{article_id}", "1");
        for method in [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
        ] {
            let answer = app.anonymous().send(method.clone(), &target, &[], None).await;
            let is_known = known.contains(method.as_str());
            assert_eq!(answer.status != StatusCode::METHOD_NOT_ALLOWED, is_known, "{method} {target}");
            if !is_known {
                let allow = answer.header("allow").unwrap().split(", ").map(str::to_owned).collect();
                assert_eq!(known, allow, "{method} {target}");
                if method != Method::HEAD {
                    answer.expect_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
                }
            }
        }
    }
}

#[actix_web::test]
async fn every_operation_that_needs_a_token_says_so_without_one() {
    let app = TestApp::start().await;
    let mut guarded = 0;
    for (method, path, operation) in operations() {
        let alternatives = operation["security"].as_array().unwrap();
        if alternatives.is_empty() || alternatives.contains(&json!({})) {
            continue;
        }
        guarded += 1;
        let target = path.replace("{article_id}", "1");
        for (headers, detail) in [
            (vec![], "Not authenticated"),
            (vec![("authorization", "Bearer garbage")], "Could not validate credentials"),
        ] {
            let answer = app.anonymous().send(method.clone(), &target, &headers, None).await;
            answer.expect_error(StatusCode::UNAUTHORIZED, detail);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {target}");
        }
    }
    assert!(guarded > 15, "{guarded}");
}

#[test]
fn the_committed_document_is_current() {
    // Compared as text, because the order of paths and members counts.
    let current = serde_json::to_string_pretty(document()).unwrap() + "\n";
    let committed = include_str!("../../openapi.json");
    assert!(committed == current, "openapi.json is outdated: cargo run -- openapi > openapi.json");
}

#[actix_web::test]
async fn the_served_document_is_this_servers() {
    let app = TestApp::with(&[("APP_NAME", "A <Blog> & more"), ("MAX_PAGE_SIZE", "7")]).await;
    let served = app.anonymous().get("/openapi.json").await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    let served = served.expect(StatusCode::OK);
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(served["info"]["title"], "A <Blog> & more");
    let limit = served["paths"]["/articles/"]["get"]["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .find(|parameter| parameter["name"] == "limit")
        .unwrap();
    assert_eq!((&limit["schema"]["maximum"], &limit["schema"]["default"]), (&json!(7), &json!(7)));
    let scheme = &served["components"]["securitySchemes"]["OAuth2PasswordBearer"];
    assert_eq!(scheme["flows"]["password"]["tokenUrl"], "auth/login");

    let page = app.anonymous().get("/docs").await;
    assert!(page.text().contains("A &lt;Blog&gt; &amp; more") && !page.text().contains("<Blog>"));
}

#[actix_web::test]
async fn the_pages_come_with_everything_they_name() {
    let app = TestApp::start().await;
    for (page, names) in [("/docs", 4), ("/docs/", 4), ("/redoc", 3), ("/redoc/", 3)] {
        let html = app.anonymous().get(page).await;
        assert_eq!(html.header("content-type"), Some("text/html; charset=utf-8"));
        let named: Vec<&str> = ["src=\"", "href=\"", "spec-url=\""]
            .iter()
            .flat_map(|mark| html.text().split(mark).skip(1).map(|rest| rest.split('"').next().unwrap()))
            .collect();
        assert_eq!(named.len(), names, "{named:?}");
        for name in named {
            // From the server of the page and nowhere else, also behind a proxy that removes a prefix.
            let path = html.resolve(name);
            assert_eq!(html.resolve_under("/api", name), format!("/api{path}"), "{name}");
            let file = app.anonymous().get(&path).await;
            assert_eq!(file.status, StatusCode::OK, "{path}");
            if Path::new(name).extension().is_some_and(|extension| extension == "js") {
                assert_eq!(file.header("content-type"), Some("text/javascript; charset=utf-8"), "{path}");
            }
        }
    }
    for file in ["index.html", "swagger-ui.js", "oauth2-redirect.html"] {
        let path = format!("/docs/{file}");
        app.anonymous().get(&path).await.expect_error(StatusCode::NOT_FOUND, "Not Found");
    }
    let redirect = app.anonymous().get("/docs/oauth2-redirect").await;
    assert_eq!(redirect.status, StatusCode::OK);
    assert!(redirect.header("content-type").unwrap().starts_with("text/html"));
    let licence = app.anonymous().get("/docs/redoc.standalone.js.LICENSE.txt").await;
    assert!(licence.text().contains("MIT License") && licence.text().contains("React"));
    app.anonymous().get("/docs/nothing.js").await.expect_error(StatusCode::NOT_FOUND, "Not Found");
    app.anonymous().get("/docs/..%2fCargo.toml").await.expect_error(StatusCode::NOT_FOUND, "Not Found");
}

#[actix_web::test]
async fn the_served_document_names_the_root_of_the_api_relative_to_itself() {
    let app = TestApp::start().await;
    for prefix in ["", "/api", "/a/b"] {
        for path in ["/openapi.json", "/openapi.json/"] {
            let served = app.anonymous().get(path).await.json();
            let servers = served["servers"].as_array().unwrap();
            assert_eq!(servers.len(), 1);
            let url = Url::parse(&format!("https://blog.example{prefix}{path}")).unwrap();
            let server = url.join(servers[0]["url"].as_str().unwrap()).unwrap();
            assert_eq!(server.as_str(), format!("https://blog.example{prefix}/"), "{path}");
            let flow = &served["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"];
            let login = server.join(flow["tokenUrl"].as_str().unwrap()).unwrap();
            assert_eq!(login.path(), format!("{prefix}/auth/login"));
        }
    }
}

#[actix_web::test]
async fn the_document_names_the_root_path_as_its_server() {
    let app = TestApp::with(&[("ROOT_PATH", "/blog/v1")]).await;
    for path in ["/openapi.json", "/openapi.json/"] {
        let served = app.anonymous().get(path).await.json();
        assert_eq!(served["servers"], json!([{ "url": "/blog/v1" }]), "{path}");
        let flow = &served["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"];
        assert_eq!(flow["tokenUrl"], "/blog/v1/auth/login");
    }
    assert_eq!(document().get("servers"), None, "a document without a location names no server");
}

/// A script from elsewhere, or one within the page, could read the token that Swagger UI keeps.
#[actix_web::test]
async fn the_pages_run_only_scripts_of_this_server_and_are_never_framed() {
    let app = TestApp::with(&[("APP_NAME", "</title><script>alert(1)</script>")]).await;
    for page in ["/docs", "/docs/", "/redoc", "/redoc/", "/docs/oauth2-redirect"] {
        let html = app.anonymous().get(page).await;
        for script in html.text().split("<script").skip(1) {
            assert!(script.starts_with(" src=\"") && script.contains("\"></script>"), "{page}: {script}");
        }
        let policy = html.header("content-security-policy").unwrap();
        let directives: Vec<Vec<&str>> =
            policy.split(';').map(|directive| directive.split_whitespace().collect()).collect();
        let sources =
            |name: &str| directives.iter().find(|directive| directive[0] == name).map(|all| &all[1..]);
        for (name, expected) in [
            ("default-src", "'none'"),
            ("script-src", "'self'"),
            ("connect-src", "'self'"),
            ("frame-ancestors", "'none'"),
            ("base-uri", "'none'"),
        ] {
            assert_eq!(sources(name), Some([expected].as_slice()), "{page} {name}");
        }
        assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
    }
}

#[actix_web::test]
async fn browsers_never_guess_the_type_of_a_response() {
    let app = TestApp::start().await;
    let author = app.sign_up("ada").await;
    let article = author.write(Published::Yes).await;
    let tag = author.get(&article.path()).await.header("etag").unwrap().to_owned();
    let preflight = [("origin", "http://localhost:3000"), ("access-control-request-method", "POST")];
    for (method, path, headers, status) in [
        (Method::GET, article.path(), vec![], StatusCode::OK),
        (Method::HEAD, article.path(), vec![], StatusCode::OK),
        (Method::GET, article.path(), vec![("if-none-match", tag.as_str())], StatusCode::NOT_MODIFIED),
        (Method::GET, "/articles/2".to_owned(), vec![], StatusCode::NOT_FOUND),
        (Method::GET, "/nowhere".to_owned(), vec![], StatusCode::NOT_FOUND),
        (Method::PUT, article.path(), vec![], StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/auth/login".to_owned(), vec![], StatusCode::UNPROCESSABLE_ENTITY),
        (Method::OPTIONS, article.path(), preflight.to_vec(), StatusCode::NO_CONTENT),
        (Method::GET, "/health/live".to_owned(), vec![], StatusCode::OK),
        (Method::GET, "/openapi.json".to_owned(), vec![], StatusCode::OK),
        (Method::GET, "/docs/swagger-ui.css".to_owned(), vec![], StatusCode::OK),
        (Method::GET, "/redoc".to_owned(), vec![], StatusCode::OK),
        (Method::DELETE, article.path(), vec![], StatusCode::NO_CONTENT),
    ] {
        let response = author.send(method.clone(), &path, &headers, None).await;
        assert_eq!(response.status, status, "{method} {path}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
    }
}

#[actix_web::test]
async fn without_docs_the_document_and_its_pages_do_not_exist() {
    let app = TestApp::with(&[("DOCS", "off")]).await;
    let client = app.sign_up("ada").await;
    let pages =
        ["/openapi.json", "/docs", "/docs/", "/docs/oauth2-redirect", "/docs/swagger-ui.css", "/redoc"];
    for path in pages {
        for method in [Method::GET, Method::POST] {
            let response = client.send(method, path, &[], None).await;
            response.expect_error(StatusCode::NOT_FOUND, "Not Found");
        }
    }
    client.get("/users/me").await.expect(StatusCode::OK);
    let app = TestApp::with(&[("DOCS", "on")]).await;
    for path in pages {
        assert_eq!(app.anonymous().get(path).await.status, StatusCode::OK, "{path}");
    }
}
