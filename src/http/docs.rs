//! Serves the OpenAPI document and two pages that display it: Swagger UI, whose files are compiled into the
//! binary, and Redoc.

use std::{borrow::Cow, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, ContentType},
    },
    web::{Bytes, Data, Path},
};
use utoipa::openapi::OpenApi;

use super::{
    error::{Error, Result},
    resource::Endpoint,
};

/// The rendered document and the title of the pages.
pub struct Documentation {
    json: Bytes,
    title: String,
    swagger: Arc<utoipa_swagger_ui::Config<'static>>,
}

impl Documentation {
    /// Renders the document.
    ///
    /// # Errors
    /// If the document cannot be serialised as JSON.
    pub fn new(document: &OpenApi) -> serde_json::Result<Self> {
        Ok(Self {
            json: document.to_json()?.into(),
            title: escape(&document.info.title),
            swagger: Arc::new(utoipa_swagger_ui::Config::from("openapi.json")),
        })
    }
}

/// The routes of the document and its pages.
pub fn endpoints() -> [Endpoint; 5] {
    [
        Endpoint::undocumented(Method::GET, "/openapi.json", serve_document),
        Endpoint::undocumented(Method::GET, "/docs", serve_swagger_ui),
        Endpoint::undocumented(Method::GET, "/docs/oauth2-redirect", serve_redirect),
        Endpoint::undocumented(Method::GET, "/docs/{file}", serve_file),
        Endpoint::undocumented(Method::GET, "/redoc", serve_redoc),
    ]
}

async fn serve_document(docs: Data<Documentation>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(docs.json.clone())
}

async fn serve_swagger_ui(request: HttpRequest, docs: Data<Documentation>) -> HttpResponse {
    // URLs are relative to the page, so that they also work with a proxy that adds a path prefix.
    let (assets, root) = if request.path().ends_with('/') { ("", "../") } else { ("docs/", "") };
    let title = &docs.title;
    page(format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Swagger UI</title>
<link rel="icon" type="image/png" href="{assets}favicon-32x32.png">
<link rel="stylesheet" href="{assets}swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{assets}swagger-ui-bundle.js"></script>
<script>
// Swagger UI stores the whole authorization to stay authorized after a reload. The token is enough, so
// secrets are removed.
const setItem = Storage.prototype.setItem;
Storage.prototype.setItem = function (key, value) {{
  const secrets = ["password", "clientSecret"];
  setItem.call(this, key, key === "authorized"
    ? JSON.stringify(JSON.parse(value, (name, member) => secrets.includes(name) ? "" : member))
    : value);
}};
SwaggerUIBundle({{
  url: "{root}openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  oauth2RedirectUrl: new URL("{assets}oauth2-redirect", document.baseURI).href,
}});
</script>
</body>
</html>
"##
    ))
}

async fn serve_redirect(docs: Data<Documentation>) -> Result<HttpResponse> {
    file(&docs, "oauth2-redirect.html")
}

async fn serve_file(docs: Data<Documentation>, name: Path<String>) -> Result<HttpResponse> {
    file(&docs, &name)
}

async fn serve_redoc(request: HttpRequest, docs: Data<Documentation>) -> HttpResponse {
    let root = if request.path().ends_with('/') { "../" } else { "" };
    let title = &docs.title;
    page(format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Redoc</title>
</head>
<body style="margin: 0">
<redoc spec-url="{root}openapi.json"></redoc>
<script src="https://cdn.jsdelivr.net/npm/redoc@2/bundles/redoc.standalone.js"></script>
</body>
</html>
"#
    ))
}

fn page(html: String) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(html)
}

fn file(docs: &Documentation, name: &str) -> Result<HttpResponse> {
    let file = utoipa_swagger_ui::serve(name, Arc::clone(&docs.swagger))
        .map_err(|error| Error::internal("read a file of Swagger UI", error.to_string()))?
        .ok_or(Error::NoRoute)?;
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let content_type = match file.content_type.as_str() {
        text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        other => other.to_owned(),
    };
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .body(bytes))
}

fn escape(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '"' => "&quot;".into(),
            other => Cow::from(other.to_string()),
        })
        .collect()
}
