//! The pages that show the API: Swagger UI with its files in the binary, Redoc, and the document itself.

use std::{borrow::Cow, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web::{Bytes, Data, Path, ServiceConfig},
};
use utoipa::openapi::OpenApi;

use crate::http::{
    error::{Error, Result},
    resource::Resource,
};

/// The document as it is served, and the title of its pages.
pub struct Documentation {
    json: Bytes,
    title: String,
    swagger: Arc<utoipa_swagger_ui::Config<'static>>,
}

impl Documentation {
    /// Renders the document once.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn new(document: &OpenApi) -> serde_json::Result<Self> {
        Ok(Self {
            json: document.to_json()?.into(),
            title: escape(&document.info.title),
            swagger: Arc::new(utoipa_swagger_ui::Config::from("openapi.json")),
        })
    }
}

/// The routes of this feature.
pub fn configure(cfg: &mut ServiceConfig) {
    Resource::at("/openapi.json").get(serve_document).register(cfg);
    Resource::at("/docs").get(serve_swagger_ui).register(cfg);
    Resource::at("/docs/oauth2-redirect").get(serve_redirect).register(cfg);
    Resource::at("/docs/{file}").get(serve_file).register(cfg);
    Resource::at("/redoc").get(serve_redoc).register(cfg);
}

async fn serve_document(docs: Data<Documentation>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(docs.json.clone())
}

async fn serve_swagger_ui(request: HttpRequest, docs: Data<Documentation>) -> HttpResponse {
    // Everything is named relative to the page, so that it works behind a proxy's prefix too.
    let (here, root) = if request.path().ends_with('/') { ("", "../") } else { ("docs/", "") };
    let title = &docs.title;
    page(format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Swagger UI</title>
<link rel="icon" type="image/png" href="{here}favicon-32x32.png">
<link rel="stylesheet" href="{here}swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{here}swagger-ui-bundle.js"></script>
<script>
// Swagger UI keeps what it was given to authorize with, so that it stays authorised on reload: the token will do for that.
const keep = Storage.prototype.setItem;
Storage.prototype.setItem = function (key, value) {{
  const secrets = ["password", "clientSecret"];
  keep.call(this, key, key === "authorized"
    ? JSON.stringify(JSON.parse(value, (name, member) => secrets.includes(name) ? "" : member))
    : value);
}};
SwaggerUIBundle({{
  url: "{root}openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  oauth2RedirectUrl: new URL("{here}oauth2-redirect", document.baseURI).href,
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
        .map_err(|error| Error::internal(error.to_string()))?
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
