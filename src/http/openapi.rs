//! What the OpenAPI document says beside the routes: its frame, the security scheme, and the errors, whose examples are
//! made of the real ones.

use std::collections::BTreeMap;

use actix_web::{ResponseError as _, http::StatusCode};
use serde_json::{Value, json};
use utoipa::{
    IntoResponses, Modify, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
        example::ExampleBuilder,
        schema::{AnyOfBuilder, ArrayBuilder, SchemaType, Type},
        security::{Flow, OAuth2, Password, Scopes, SecurityScheme},
    },
};

use crate::http::{
    error::Error,
    field_errors::{FieldErrors, InvalidValue},
};

/// The one security scheme, under the name that FastAPI gives it.
pub struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut OpenApi) {
        // Relative, so that it holds behind a proxy's prefix.
        let flow = Flow::Password(Password::new("auth/login", Scopes::new()));
        let scheme = SecurityScheme::OAuth2(OAuth2::new([flow]));
        document.components.get_or_insert_default().add_security_scheme("OAuth2PasswordBearer", scheme);
    }
}

/// Writes this server's maximum of a page into the document.
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

/// Every error but a 422.
pub struct Problem;

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let detail = text().description(Some("What went wrong."));
        let object = ObjectBuilder::new().property("detail", detail).required("detail");
        RefOr::T(object.description(Some("An error.")).into())
    }
}

impl ToSchema for Problem {}

/// A 422, under the name that FastAPI gives it.
pub struct HTTPValidationError;

impl PartialSchema for HTTPValidationError {
    fn schema() -> RefOr<Schema> {
        let faults = ArrayBuilder::new().items(Ref::from_schema_name("ValidationError"));
        let object = ObjectBuilder::new().property("detail", faults).required("detail");
        RefOr::T(object.description(Some("Every fault of a request.")).into())
    }
}

impl ToSchema for HTTPValidationError {}

/// One fault of a 422, under the name that FastAPI gives it.
pub struct ValidationError;

impl PartialSchema for ValidationError {
    fn schema() -> RefOr<Schema> {
        let step = AnyOfBuilder::new().item(text()).item(ObjectBuilder::new().schema_type(Type::Integer));
        let anything = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        let object = ObjectBuilder::new()
            .property("type", text().description(Some("A stable code.")))
            .property("loc", ArrayBuilder::new().items(step).description(Some("Where it stood.")))
            .property("msg", text().description(Some("The rule that was broken.")))
            .property("input", anything.description(Some("What was received.")))
            .property("ctx", ObjectBuilder::new().description(Some("The rule's numbers.")));
        let object = ["type", "loc", "msg", "input"].into_iter().fold(object, ObjectBuilder::required);
        RefOr::T(object.description(Some("One fault.")).into())
    }
}

impl ToSchema for ValidationError {}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Sets of errors, each as it looks on the wire.
macro_rules! error_responses {
    ($( $(#[doc = $doc:literal])+ $name:ident = [$($error:expr),+ $(,)?]; )+) => { $(
        $(#[doc = $doc])+
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses(&[$($error),+, Error::Unavailable("away".into()), Error::internal("fault")])
            }
        }
    )+ };
}

error_responses! {
    /// Of login.
    LoginErrors = [
        Error::BadLogin, Error::BadRequest("Missing boundary in multipart."), too_large(),
        missing("username", Value::Null), Error::Busy,
    ];
    /// Of registration.
    RegisterErrors = [
        Error::RegistrationClosed,
        Error::Conflict("Username already registered"),
        Error::Conflict("Email already registered"),
        unparsed(), too_large(),
        missing("email", json!({"username": "ada", "password": "[redacted]"})), Error::Busy,
    ];
    /// Of what takes nothing but a token.
    SignedInErrors = [Error::NotAuthenticated, Error::BadCredentials];
    /// Of lists.
    ListErrors = [Error::BadCredentials, unparsed_integer("query", "skip")];
    /// Of reading an article.
    ReadErrors = [Error::BadCredentials, Error::NotFound("Article"), unparsed_integer("path", "article_id")];
    /// Of writing an article.
    CreateErrors = [
        Error::NotAuthenticated, Error::BadCredentials, unparsed(), too_large(),
        missing("content", json!({"title": "On the Analytical Engine"})),
    ];
    /// Of changing an article.
    ChangeErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::Forbidden, Error::NotFound("Article"),
        Error::PreconditionFailed, unparsed(), too_large(), missing_body(),
    ];
    /// Of removing an article.
    DeleteErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::Forbidden, Error::NotFound("Article"),
        Error::PreconditionFailed, unparsed_integer("path", "article_id"),
    ];
    /// Of what asks the database only.
    PlainErrors = [Error::Busy];
}

/// 304: the client has this state.
pub struct NotModified;

impl IntoResponses for NotModified {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let tag = HeaderBuilder::new().schema(Some(text())).description(Some("Names the state.")).build();
        let response =
            ResponseBuilder::new().description("What the client has is the state.").header("ETag", tag);
        BTreeMap::from([("304".to_owned(), RefOr::T(response.build()))])
    }
}

fn too_large() -> Error {
    Error::TooLarge(2 * 1024 * 1024)
}

fn unparsed() -> Error {
    Error::BadRequest("There was an error parsing the body")
}

fn missing(member: &'static str, input: Value) -> Error {
    FieldErrors::one(InvalidValue::missing(), &["body", member], input).into()
}

fn missing_body() -> Error {
    FieldErrors::one(InvalidValue::missing(), &["body"], Value::Null).into()
}

fn unparsed_integer(place: &'static str, member: &'static str) -> Error {
    let msg = "Input should be a valid integer, unable to parse string as an integer";
    FieldErrors::one(InvalidValue::new("int_parsing", msg), &[place, member], json!("abc")).into()
}

fn responses(errors: &[Error]) -> BTreeMap<String, RefOr<Response>> {
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
        _ => "Problem",
    };
    let examples = errors.iter().enumerate().map(|(at, error)| {
        let example = ExampleBuilder::new().summary(error.to_string()).value(Some(error.body())).build();
        (format!("{}-{}", status.as_u16(), at.saturating_add(1)), example)
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(schema)))
        .examples_from_iter(examples)
        .build();
    let described = errors.iter().map(|error| format!("{error}.")).collect::<Vec<_>>().join(" ");
    let response = ResponseBuilder::new().description(described).content("application/json", content);
    let header = |about: &str| HeaderBuilder::new().schema(Some(text())).description(Some(about)).build();
    let response = match status {
        StatusCode::UNAUTHORIZED => response.header("WWW-Authenticate", header("`Bearer`.")),
        StatusCode::SERVICE_UNAVAILABLE => {
            response.header("Retry-After", header("Seconds after which to try again."))
        }
        _ => response,
    };
    RefOr::T(response.build())
}
