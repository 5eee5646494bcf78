//! Serves the OpenAPI document and two pages that display it: Swagger UI, whose files are compiled into the
//! binary, and Redoc.

use std::{borrow::Cow, sync::Arc};

use actix_web::{
    HttpResponse,
    http::{
        Method,
        header::{self, ContentType},
    },
    web::{Bytes, Data, Path},
};
use utoipa::openapi::{OpenApi, Server};

use super::{
    error::{Error, Result},
    resource::Endpoint,
    urls::Base,
};

/// The files of Swagger UI that the pages load. Its own page, `index.html`, would load a document that is not
/// here.
const FILES: [&str; 5] = [
    "favicon-16x16.png",
    "favicon-32x32.png",
    "oauth2-redirect.js",
    "swagger-ui-bundle.js",
    "swagger-ui.css",
];

/// The document and the title of the pages.
pub struct Documentation {
    document: OpenApi,
    /// The document as it is served at its documented path.
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
            document: document.clone(),
            json: render(document, ".")?,
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

async fn serve_document(base: Base, docs: Data<Documentation>) -> Result<HttpResponse> {
    let root = base.reference(".");
    let json = if root == "." {
        docs.json.clone()
    } else {
        render(&docs.document, &root).map_err(|error| Error::internal("render the document", error))?
    };
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(json))
}

/// Renders the document. Unless `ROOT_PATH` names its server, that is `root`, relative to the document's URL:
/// without a server, the API would be at the root of the site, outside the prefix of a proxy.
fn render(document: &OpenApi, root: &str) -> serde_json::Result<Bytes> {
    let mut document = document.clone();
    document.servers.get_or_insert_with(|| vec![Server::new(root)]);
    Ok(document.to_json()?.into())
}

async fn serve_swagger_ui(base: Base, docs: Data<Documentation>) -> HttpResponse {
    let (assets, root) = (base.reference("docs/"), base.reference(""));
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
const url = new URL("{root}openapi.json", document.baseURI).href;
const oauth2RedirectUrl = new URL("{assets}oauth2-redirect", document.baseURI).href;
const icon = document.querySelector("link[rel=icon]");
icon.href = icon.href; // absolute from here on
// Swagger UI resolves the URL of the login against the page, which is right without a slash at its end.
history.replaceState(null, "", "{root}docs" + location.search + location.hash);
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
  url,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  oauth2RedirectUrl,
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
    if !FILES.contains(&name.as_str()) {
        return Err(Error::NoRoute);
    }
    file(&docs, &name)
}

async fn serve_redoc(base: Base, docs: Data<Documentation>) -> HttpResponse {
    let root = base.reference("");
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
