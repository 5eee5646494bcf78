//! Clients: people who send requests, and the responses that they get.

use std::{io::Read as _, net::SocketAddr, sync::Arc};

use actix_web::{
    http::{Method, StatusCode, Uri, Version, header::HeaderMap},
    web::Bytes,
};
use awc::{Client as HttpClient, Connector};
use fake::{
    Fake as _,
    faker::lorem::en::{Paragraph, Sentence},
};
use flate2::read::GzDecoder;
use rustls::ClientConfig;
use serde_json::{Value, json};
use url::{Position, Url};

use super::{Article, PASSWORD, Published, TIMEOUT, registration, tls};
use crate::document;

/// Somebody who talks to a server.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    pub(crate) token: Option<String>,
    pub(crate) id: i64,
}

/// A request that is being put together.
#[must_use]
pub(crate) struct Request<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Response {
    /// The URL of the request.
    url: String,
    pub(crate) version: Version,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Decompressed.
    pub(crate) body: Bytes,
}

impl Client {
    /// A client of the server at `address`, without an account.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, tls: None, token: None, id: 0 }
    }

    /// The same client over TLS, with the first of `protocols` that the server knows.
    pub(crate) fn over_tls(self, protocols: &[&str]) -> Self {
        Self { tls: Some(Arc::new(tls::client(protocols))), ..self }
    }

    /// Creates an account and signs in.
    pub(crate) async fn sign_up(&self, name: &str) -> Self {
        let account = self.post("/auth/register", &registration(name)).await.expect(StatusCode::CREATED);
        let id = account["id"].as_i64().unwrap();
        Self { id, ..self.sign_in(name, PASSWORD).await }
    }

    /// Signs in.
    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Self {
        let answer = self.log_in(name, password).await.expect(StatusCode::OK);
        self.with_token(answer["access_token"].as_str().unwrap())
    }

    /// The same client with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same client, whose account has this id.
    pub(crate) fn with_id(self, id: i64) -> Self {
        Self { id, ..self }
    }

    /// Writes an article with generated text.
    pub(crate) async fn write(&self, published: Published) -> Article {
        let (title, content): (String, String) = (Sentence(2..5).fake(), Paragraph(2..4).fake());
        let published = published == Published::Yes;
        self.create(&json!({ "title": title, "content": content, "published": published })).await
    }

    /// Writes the article that `body` describes.
    pub(crate) async fn create(&self, body: &Value) -> Article {
        let response = self.post("/articles/", body).await;
        response.expect(StatusCode::CREATED);
        Article::from_response(&response)
    }

    /// Changes an article.
    pub(crate) async fn edit(&self, article: &Article, change: &Value) -> Article {
        let response = self.patch(&article.path(), change).await;
        response.expect(StatusCode::OK);
        Article::from_response(&response)
    }

    pub(crate) async fn head(&self, path: &str) -> Response {
        self.request(Method::HEAD, path).send().await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Response {
        self.request(Method::PATCH, path).json(body).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Response {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("username", name)
            .append_pair("password", password)
            .finish();
        self.log_in_with("application/x-www-form-urlencoded", form).await
    }

    /// Sends any body to the login.
    pub(crate) async fn log_in_with(&self, content_type: &str, body: impl Into<String>) -> Response {
        self.request(Method::POST, "/auth/login").body(content_type, body).send().await
    }

    /// Begins a request with headers or a body of its own.
    pub(crate) fn request(&self, method: Method, path: &str) -> Request<'_> {
        Request { client: self, method, path: path.to_owned(), headers: Vec::new(), body: None }
    }

    /// Sends a request, and checks that the OpenAPI document declares the response.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Response {
        let mut connector = Connector::new();
        if let Some(tls) = &self.tls {
            connector = connector.rustls_0_23(Arc::clone(tls));
        }
        let http = HttpClient::builder().connector(connector).timeout(TIMEOUT).disable_redirects().finish();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}{path}", self.address);
        let mut request = http.request(method.clone(), &url).no_decompress();
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        if let Some(token) = &self.token {
            request = request.insert_header(("authorization", format!("Bearer {token}")));
        }
        let mut received = match body {
            Some(body) => request.send_body(body).await,
            None => request.send().await,
        }
        .unwrap();
        let body = received.body().limit(64 << 20).await.unwrap();
        let coding = received.headers().get("content-encoding").filter(|_| method != Method::HEAD);
        let coding = coding.map(|coding| coding.to_str().unwrap());
        let body = decompress(coding, body);
        let (version, status, headers) = (received.version(), received.status(), received.headers().clone());
        let named =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let named: Vec<(String, String)> = named.collect();
        let response = Response { url, version, status, headers, body };
        document::check(method.as_str(), path, response.status.as_u16(), &named, &response.body);
        response
    }
}

impl Request<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The request is for this version only.
    pub(crate) fn if_match(self, tag: &str) -> Self {
        self.header("if-match", tag)
    }

    /// The client has this version.
    pub(crate) fn if_none_match(self, tag: &str) -> Self {
        self.header("if-none-match", tag)
    }

    pub(crate) fn accept_encoding(self, codings: &str) -> Self {
        self.header("accept-encoding", codings)
    }

    /// A page of this origin makes the request.
    pub(crate) fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    pub(crate) async fn send(self) -> Response {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.client.send(self.method, &self.path, &headers, self.body).await
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The path and query that a reference in the response leads to.
    pub(crate) fn resolve(&self, reference: &str) -> String {
        self.resolve_under("", reference)
    }

    /// The same for a client behind a proxy that serves the API under `prefix` and removes it.
    pub(crate) fn resolve_under(&self, prefix: &str, reference: &str) -> String {
        let sent: Uri = self.url.parse().unwrap();
        let seen = Url::parse(&format!("https://blog.example{prefix}{}", sent.path_and_query().unwrap()));
        let target = seen.unwrap().join(reference).unwrap();
        assert_eq!(target.host_str(), Some("blog.example"), "{reference}");
        target[Position::BeforePath..].to_owned()
    }

    /// Whether a header, on one line or several, lists this item.
    pub(crate) fn header_lists(&self, name: &str, item: &str) -> bool {
        let mut items = self.headers.get_all(name).flat_map(|value| value.to_str().unwrap().split(','));
        items.any(|known| known.trim().eq_ignore_ascii_case(item))
    }

    /// The entity tag, which must be strong.
    #[track_caller]
    pub(crate) fn tag(&self) -> String {
        let tag = self.header("etag").unwrap();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
        tag.to_owned()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body of a response that must have this status; null if the body is empty.
    #[track_caller]
    pub(crate) fn expect(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Fails unless this is the error, word for word.
    #[track_caller]
    pub(crate) fn expect_error(&self, status: StatusCode, detail: &str) {
        assert_eq!(self.expect(status), json!({ "detail": detail }));
    }

    /// Fails unless this is a 401 with this detail, which names the scheme.
    #[track_caller]
    pub(crate) fn expect_unauthorized(&self, detail: &str) {
        self.expect_error(StatusCode::UNAUTHORIZED, detail);
        assert_eq!(self.header("www-authenticate"), Some("Bearer"));
    }

    /// Fails unless this is a 422 with exactly these errors, as (type, loc).
    #[track_caller]
    pub(crate) fn expect_invalid<const N: usize>(&self, errors: [(&str, Value); N]) {
        assert_eq!(self.validation_errors(), errors.map(|(kind, loc)| (kind.to_owned(), loc)));
    }

    /// The errors of a 422 as (type, loc).
    #[track_caller]
    pub(crate) fn validation_errors(&self) -> Vec<(String, Value)> {
        let body = self.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let errors = body["detail"].as_array().unwrap();
        errors
            .iter()
            .map(|error| (error["type"].as_str().unwrap().to_owned(), error["loc"].clone()))
            .collect()
    }
}

fn decompress(coding: Option<&str>, body: Bytes) -> Bytes {
    let mut plain = Vec::new();
    match coding {
        None => return body,
        Some("gzip") => drop(GzDecoder::new(&*body).read_to_end(&mut plain).unwrap()),
        Some("br") => brotli::BrotliDecompress(&mut &*body, &mut plain).unwrap(),
        Some(other) => panic!("no request asks for {other}"),
    }
    plain.into()
}
