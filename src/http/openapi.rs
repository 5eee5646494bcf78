//! The shared parts of the OpenAPI document: the security scheme, the headers of every response, conditions,
//! and the error responses, with examples generated from real errors.

use std::collections::BTreeMap;

use actix_web::{ResponseError as _, http::StatusCode};
use serde_json::{Value, json};
use utoipa::{
    IntoParams, IntoResponses, Modify, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, Header, HeaderBuilder, KnownFormat, ObjectBuilder, OpenApi, Ref, RefOr, Required,
        Response, ResponseBuilder, Schema, SchemaFormat, Server,
        example::ExampleBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::{AdditionalProperties, AnyOfBuilder, ArrayBuilder, SchemaType, Type},
        security::{
            Flow, HttpAuthScheme, HttpBuilder, OAuth2, Password, Scopes, SecurityRequirement, SecurityScheme,
        },
    },
};

use super::{error::Error, scope::Scope};

/// The security scheme, under the name that FastAPI gives it.
pub struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut OpenApi) {
        // A relative URL also works with a proxy that adds a path prefix.
        declare_login(document, "auth/login");
        let scopes = Scope::ALL.map(|scope| format!("`{scope}`: {}", scope.meaning())).join("; ");
        let description = format!("A personal access token of `POST /users/me/tokens`. Scopes: {scopes}.");
        let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme(PERSONAL_TOKEN, SecurityScheme::Http(http));
    }
}

/// The name of the security scheme of personal access tokens.
const PERSONAL_TOKEN: &str = "PersonalAccessToken";

fn declare_login(document: &mut OpenApi, token_url: &str) {
    let flow = Flow::Password(Password::new(token_url, Scopes::new()));
    let scheme = SecurityScheme::OAuth2(OAuth2::new([flow]));
    document.components.get_or_insert_default().add_security_scheme("OAuth2PasswordBearer", scheme);
}

/// Adds what follows from the scope of an operation with a token: the alternative of a personal access token,
/// and the error of a token without the scope.
pub fn describe_scope(operation: &mut Operation, scope: Option<Scope>) {
    let Some(security) = &mut operation.security else { return };
    if !security.iter().any(|requirement| *requirement != SecurityRequirement::default()) {
        return;
    }
    if let Some(scope) = scope {
        security.push(SecurityRequirement::new(PERSONAL_TOKEN, [scope.name()]));
    }
    let error = Error::InsufficientScope(scope);
    let status = error.status_code();
    let declared = operation.responses.responses.entry(status.as_str().to_owned());
    let RefOr::T(declared) = declared.or_insert_with(|| response(status, &[])) else { return };
    let challenge = "Sent with a personal access token without the scope (RFC 6750, section 3).";
    declared.headers.insert("WWW-Authenticate".to_owned(), header(challenge, text()).into());
    let sentence = error.to_string();
    let is_new = declared.description.is_empty();
    declared.description.push_str(if is_new { "" } else { ". " });
    declared.description.push_str(&sentence);
    if let Some(RefOr::T(content)) = declared.content.get_mut("application/json") {
        let example = ExampleBuilder::new().summary(&sentence).value(Some(error.body())).build();
        content.examples.insert(format!("{}-scope", status.as_u16()), example.into());
    }
}

/// Writes `ROOT_PATH`, if it is not empty, into the URLs of the document.
pub fn state_root_path(document: &mut OpenApi, root_path: &str) {
    if !root_path.is_empty() {
        document.servers = Some(vec![Server::new(root_path)]);
        // Relative to the URL of the server, whose last segment would be lost.
        declare_login(document, &format!("{root_path}/auth/login"));
    }
}

/// The headers that every response can have.
pub struct CommonHeaders;

impl CommonHeaders {
    const ALL: [(&'static str, &'static str); 2] = [
        ("Cache-Control", "Who may store the response, and whether it must be validated before each use."),
        ("X-Request-ID", "The id of the request, which is also in the server's log."),
    ];

    /// Adds them to every response of `operation`.
    pub fn add_to(operation: &mut Operation) {
        for response in operation.responses.responses.values_mut() {
            let RefOr::T(response) = response else { continue };
            for (name, _) in Self::ALL {
                let header = RefOr::Ref(Ref::new(format!("#/components/headers/{name}")));
                response.headers.insert(name.to_owned(), header);
            }
        }
    }
}

impl Modify for CommonHeaders {
    fn modify(&self, document: &mut OpenApi) {
        let headers =
            Self::ALL.map(|(name, description)| (name.to_owned(), RefOr::T(header(description, text()))));
        document.components.get_or_insert_default().headers.extend(headers);
    }
}

/// Writes `MAX_PAGE_SIZE` into the schema of every parameter `limit`.
pub fn state_page_size(document: &mut OpenApi, max_page_size: Option<u32>) {
    let parameters =
        document.paths.paths.values_mut().filter_map(|path| path.get.as_mut()?.parameters.as_mut()).flatten();
    for parameter in parameters {
        let RefOr::T(parameter) = parameter else { continue };
        let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { continue };
        if parameter.name == "limit" {
            schema.maximum = max_page_size.map(Into::into);
            if let (Some(max), Some(default)) =
                (max_page_size, schema.default.as_ref().and_then(Value::as_u64))
            {
                schema.default = Some(json!(default.min(max.into())));
            }
        }
    }
}

/// The body of every error except 422.
pub struct ErrorResponse;

impl PartialSchema for ErrorResponse {
    fn schema() -> RefOr<Schema> {
        let detail = text()
            .description(Some("The reason for the error."))
            .examples([Error::NotFound("Article").to_string()]);
        let object = ObjectBuilder::new().property("detail", detail).required("detail");
        RefOr::T(object.description(Some("An error other than a validation error.")).into())
    }
}

impl ToSchema for ErrorResponse {}

/// The body of a 422, under the name that FastAPI gives it.
pub struct HTTPValidationError;

impl PartialSchema for HTTPValidationError {
    fn schema() -> RefOr<Schema> {
        let errors = ArrayBuilder::new().items(Ref::from_schema_name("ValidationError"));
        let object = ObjectBuilder::new().property("detail", errors).required("detail");
        RefOr::T(object.description(Some("All validation errors of a request.")).into())
    }
}

impl ToSchema for HTTPValidationError {}

/// One error of a 422, under the name that FastAPI gives it.
pub struct ValidationError;

impl PartialSchema for ValidationError {
    fn schema() -> RefOr<Schema> {
        let step = AnyOfBuilder::new().item(text()).item(ObjectBuilder::new().schema_type(Type::Integer));
        let loc = ArrayBuilder::new().items(step).examples([json!(["body", "title"])]);
        let anything = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        let rule = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
        let member = |schema: ObjectBuilder, description: &str, example: Value| {
            schema.description(Some(description)).examples([example])
        };
        let object = ObjectBuilder::new()
            .property(
                "type",
                member(text(), "The type of the error; stable across releases.", json!("string_too_short")),
            )
            .property("loc", loc.description(Some("The location of the value in the request.")))
            .property(
                "msg",
                member(text(), "The violated rule.", json!("String should have at least 1 character")),
            )
            .property("input", member(anything, "The value received.", json!("")))
            .property(
                "ctx",
                member(rule, "The parameters of the violated rule.", json!({ "min_length": 1 })),
            );
        let object = ["type", "loc", "msg", "input"].into_iter().fold(object, ObjectBuilder::required);
        RefOr::T(object.description(Some("One validation error.")).into())
    }
}

impl ToSchema for ValidationError {}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn header(description: &str, schema: ObjectBuilder) -> Header {
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

/// The request header `If-Match` of a write.
pub struct IfMatch;

impl IntoParams for IfMatch {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description =
            "Write only if the current ETag is one of these, so that no concurrent edit is lost.";
        vec![condition("If-Match", description)]
    }
}

/// The request header `If-None-Match` of a read.
pub struct IfNoneMatch;

impl IntoParams for IfNoneMatch {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "The entity tags of the responses that the client has cached.";
        vec![condition("If-None-Match", description)]
    }
}

/// utoipa would make a header of the type `Option<String>` nullable, but a header is either sent or absent.
fn condition(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(text()))
        .build()
}

/// Declares the error responses of an operation, with an example of each error. Adds 500 and 503, which every
/// operation can return.
#[macro_export]
macro_rules! error_responses {
    ($( $(#[doc = $doc:literal])+ $name:ident = [$($error:expr),+ $(,)?]; )+) => { $(
        $(#[doc = $doc])+
        pub struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                $crate::http::openapi::responses(&[
                    $($error,)+
                    $crate::http::error::Error::unavailable("show an example", "unavailable"),
                    $crate::http::error::Error::internal("show an example", "failed"),
                ])
            }
        }
    )+ };
}

/// 304: the client's cached response is still valid.
pub struct NotModified;

impl IntoResponses for NotModified {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let tag = header("The entity tag of the current state.", text());
        let response = ResponseBuilder::new().description("The client's cached response is still valid.");
        BTreeMap::from([("304".to_owned(), RefOr::T(response.header("ETag", tag).build()))])
    }
}

/// Example errors for [`error_responses!`](crate::error_responses).
pub mod examples {
    use serde_json::{Value, json};

    use crate::http::{
        error::Error,
        field_errors::{FieldErrors, InvalidValue},
    };

    /// 413.
    pub fn too_large() -> Error {
        Error::TooLarge(2 * 1024 * 1024)
    }

    /// 400 for a body that cannot be parsed.
    pub fn unparsed() -> Error {
        Error::BadRequest("There was an error parsing the body")
    }

    /// 422 for a body without `member`.
    pub fn missing(member: &'static str, input: Value) -> Error {
        FieldErrors::one(InvalidValue::missing(), &["body", member], input).into()
    }

    /// 422 for a request without a body.
    pub fn missing_body() -> Error {
        FieldErrors::one(InvalidValue::missing(), &["body"], Value::Null).into()
    }

    /// 422 for a parameter that is not an integer.
    pub fn unparsed_integer(place: &'static str, name: &'static str) -> Error {
        let msg = "Input should be a valid integer, unable to parse string as an integer";
        FieldErrors::one(InvalidValue::new("int_parsing", msg), &[place, name], json!("abc")).into()
    }

    /// 422 for a parameter that is not one of `words`.
    pub fn unknown_word(name: &'static str, words: &[&str]) -> Error {
        FieldErrors::one(InvalidValue::choice(words), &["query", name], json!("abc")).into()
    }
}

/// The responses for these errors, by status. Used by [`error_responses!`](crate::error_responses).
pub fn responses(errors: &[Error]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<StatusCode, Vec<&Error>> = BTreeMap::new();
    for error in errors {
        by_status.entry(error.status_code()).or_default().push(error);
    }
    by_status
        .into_iter()
        .map(|(status, errors)| (status.as_str().to_owned(), response(status, &errors)))
        .collect()
}

fn response(status: StatusCode, errors: &[&Error]) -> RefOr<Response> {
    let schema = match status {
        StatusCode::UNPROCESSABLE_ENTITY => "HTTPValidationError",
        _ => "ErrorResponse",
    };
    let examples = errors.iter().enumerate().map(|(at, error)| {
        let example = ExampleBuilder::new().summary(error.to_string()).value(Some(error.body())).build();
        (format!("{}-{}", status.as_u16(), at.saturating_add(1)), example)
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(schema)))
        .examples_from_iter(examples)
        .build();
    let response =
        ResponseBuilder::new().description(describe(status, errors)).content("application/json", content);
    let response = match status {
        StatusCode::UNAUTHORIZED => response.header("WWW-Authenticate", header("Always `Bearer`.", text())),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
            response.header("Retry-After", header("The number of seconds to wait before retrying.", seconds))
        }
        _ => response,
    };
    RefOr::T(response.build())
}

/// The description of a response: all its errors, if the examples are all that there are. The errors of a
/// 422 are many, and the limit of a 413 is a setting.
fn describe(status: StatusCode, errors: &[&Error]) -> String {
    match status {
        StatusCode::UNPROCESSABLE_ENTITY => "Validation error".to_owned(),
        StatusCode::PAYLOAD_TOO_LARGE => "The body has more than `MAX_BODY_BYTES` bytes".to_owned(),
        _ => errors
            .iter()
            .map(|error| error.to_string().trim_end_matches('.').to_owned())
            .collect::<Vec<_>>()
            .join(". "),
    }
}
