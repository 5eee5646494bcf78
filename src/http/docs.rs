//! Serves the OpenAPI document and two pages that display it: Swagger UI and Redoc. Their files are compiled
//! into the binary, so the pages load nothing from elsewhere. Swagger UI keeps an access token in the browser,
//! which a script from elsewhere could read, on whichever page of this origin it runs.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

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

/// What a page may load and do. Both pages set style attributes, and Redoc searches in a worker that it
/// creates from its own script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; base-uri 'none'; connect-src 'self'; \
    form-action 'none'; frame-ancestors 'none'; img-src 'self' data:; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; worker-src blob:";

/// The files of Swagger UI that the pages load. Its own page, `index.html`, would load a document that is not
/// here.
const SWAGGER_FILES: [&str; 5] = [
    "favicon-16x16.png",
    "favicon-32x32.png",
    "oauth2-redirect.js",
    "swagger-ui-bundle.js",
    "swagger-ui.css",
];

/// The files of the pages that do not come with Swagger UI: name, content type, content. Redoc is release
/// 2.5.4 of the npm package `redoc`, unchanged. Release 3 sends usage data to its vendor.
const FILES: [(&str, &str, &str); 3] = [
    ("swagger-initializer.js", "text/javascript; charset=utf-8", include_str!("docs/swagger-initializer.js")),
    ("redoc.standalone.js", "text/javascript; charset=utf-8", include_str!("docs/redoc.standalone.js")),
    (
        "redoc.standalone.js.LICENSE.txt",
        "text/plain; charset=utf-8",
        include_str!("docs/redoc.standalone.js.LICENSE.txt"),
    ),
];

/// The document and the title of the pages.
pub struct Documentation {
    /// Built and rendered for the first request, because that takes longer than the rest of the start.
    document: LazyLock<Rendered, Box<dyn FnOnce() -> Rendered + Send>>,
    title: String,
    swagger: Arc<utoipa_swagger_ui::Config<'static>>,
}

type Rendered = serde_json::Result<Document>;

struct Document {
    openapi: OpenApi,
    /// As it is served at its documented path.
    json: Bytes,
}

impl Documentation {
    /// The pages with this title, and the document that `build` returns.
    pub fn new(title: &str, build: impl FnOnce() -> OpenApi + Send + 'static) -> Self {
        let document = move || {
            let openapi = build();
            let json = render(&openapi, ".")?;
            Ok(Document { openapi, json })
        };
        Self {
            document: LazyLock::new(Box::new(document)),
            title: escape(title),
            swagger: Arc::new(utoipa_swagger_ui::Config::from("openapi.json")),
        }
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
    let failed = |error: &serde_json::Error| Error::internal("render the document", error.to_string());
    let document = docs.document.as_ref().map_err(failed)?;
    let root = base.reference(".");
    let json = if root == "." {
        document.json.clone()
    } else {
        render(&document.openapi, &root).map_err(|error| failed(&error))?
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
    let assets = base.reference("docs/");
    let title = &docs.title;
    page(format!(
        r#"<!doctype html>
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
<script src="{assets}swagger-initializer.js"></script>
</body>
</html>
"#
    ))
}

async fn serve_redirect(docs: Data<Documentation>) -> Result<HttpResponse> {
    file(&docs, "oauth2-redirect.html")
}

async fn serve_file(docs: Data<Documentation>, name: Path<String>) -> Result<HttpResponse> {
    if !SWAGGER_FILES.contains(&name.as_str()) && !FILES.iter().any(|(own, ..)| *own == *name) {
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
<link rel="icon" type="image/png" href="{root}docs/favicon-32x32.png">
</head>
<body style="margin: 0">
<redoc spec-url="{root}openapi.json"></redoc>
<script src="{root}docs/redoc.standalone.js"></script>
</body>
</html>
"#
    ))
}

fn page(html: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .body(html)
}

fn file(docs: &Documentation, name: &str) -> Result<HttpResponse> {
    let own = FILES.iter().find(|(own, ..)| *own == name);
    if let Some((_, content_type, content)) = own {
        return Ok(asset((*content_type).to_owned(), Bytes::from_static(content.as_bytes())));
    }
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
    Ok(asset(content_type, bytes))
}

fn asset(content_type: String, bytes: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        // A file can be opened as a page, as `oauth2-redirect.html` is.
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .body(bytes)
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
