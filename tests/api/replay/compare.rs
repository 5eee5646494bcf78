//! Compares a response with what the contract expects; the file's `about` states the rules.
//!
//! Reading numbers as the nearest doubles and echoes of any depth takes `serde_json`'s features
//! `float_roundtrip` and `unbounded_depth`.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::wire::Response;

/// The ids of articles by their placeholders, braces included.
pub(super) type Ids = BTreeMap<&'static str, i64>;

/// What the placeholders of one case stand for.
pub(super) struct Context<'a> {
    /// The whole contract, for its users and its secret.
    pub(super) contract: &'a Value,
    pub(super) ids: &'a Ids,
    pub(super) sent: &'a [u8],
    /// Whether the request is a CORS preflight.
    pub(super) preflight: bool,
    pub(super) now: DateTime<Utc>,
}

type Comparison = Result<(), String>;

/// Says where `got` differs from `want`, one of the contract's `expect`, `or` and `after`.
pub(super) fn compare(want: &Value, got: &Response, context: &Context) -> Comparison {
    let success = (200..300).contains(&got.status);
    if !statuses(want).iter().any(|status| status_fits(status, got.status)) {
        return Err(format!("status {}", got.status));
    }
    if got.status == 401 && got.header("www-authenticate").as_deref() != Some("Bearer") {
        return Err("401 without www-authenticate: Bearer".into());
    }
    for (name, value) in want["headers"].as_object().into_iter().flatten() {
        let of_preflight = matches!(
            name.as_str(),
            "access-control-allow-methods" | "access-control-allow-headers" | "access-control-max-age"
        );
        if success || !(context.preflight && of_preflight) {
            header(name, value.as_str(), got.header(name).as_deref())?;
        }
    }
    if success && want.get("status_any").is_some() {
        return Ok(());
    }
    match &want["body"] {
        Value::String(any) if any == "{any}" => Ok(()),
        Value::Null if got.body.is_empty() => Ok(()),
        Value::Null => Err("a body where none is expected".into()),
        body => {
            // Reading recurses: 4 KiB of brackets fit on the replay's stack.
            let json = json(&got.body, got.body.len() < 4096).map_err(|error| format!("no JSON: {error}"))?;
            context.value(body, &json, &Location { path: "body".into(), status: got.status, echoed: false })
        }
    }
}

/// Reads JSON; `deep` lifts `serde_json`'s limit of 128 levels.
pub(super) fn json(text: &[u8], deep: bool) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    if deep {
        reader.disable_recursion_limit();
    }
    let value = Value::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

fn statuses(want: &Value) -> Vec<&Value> {
    match &want["status_any"] {
        Value::Array(any) => any.iter().collect(),
        _ => vec![&want["status"]],
    }
}

fn status_fits(want: &Value, got: u16) -> bool {
    match want {
        Value::String(class) => class.strip_suffix("xx") == Some((got / 100).to_string().as_str()),
        status => status.as_u64() == Some(got.into()),
    }
}

fn header(name: &str, want: Option<&str>, got: Option<&str>) -> Comparison {
    let fits = match (name, want, got) {
        (_, None, None) => true,
        (_, None, Some(_)) | (_, Some(_), None) => false,
        ("content-type", Some(want), Some(got)) => plain(want) == plain(got),
        ("allow", Some(want), Some(got)) => {
            let (want, got) = (list(want), list(got));
            want.iter().all(|method| method == "HEAD" || got.contains(method))
                && got.iter().all(|method| method == "OPTIONS" || want.contains(method))
        }
        ("access-control-allow-methods", Some(want), Some(got)) => match symbol(want, "without ") {
            Some(banned) => !list(got).contains(banned),
            None => list(got).is_superset(&list(want)),
        },
        ("vary" | "access-control-allow-headers", Some(want), Some(got)) => {
            list(&got.to_ascii_lowercase()).is_superset(&list(&want.to_ascii_lowercase()))
        }
        (_, Some("{positive}"), Some(got)) => got.parse::<u64>().is_ok_and(|number| number > 0),
        (_, Some(want), Some(got)) => want == got,
    };
    fits.then_some(()).ok_or_else(|| format!("header {name}: {}", got.unwrap_or("missing")))
}

fn plain(value: &str) -> String {
    value.to_ascii_lowercase().replace([' ', '\t'], "")
}

fn list(value: &str) -> BTreeSet<String> {
    value.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

/// The rest of the placeholder that begins so: `symbol("{sent:title}", "sent:")` is `title`.
fn symbol<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    text.strip_prefix('{')?.strip_suffix('}')?.strip_prefix(begin)
}

/// The members that articles have in addition to those of the contract, after them and in this order.
const ARTICLE_ADDITIONS: [&str; 4] = ["slug", "format", "published_at", "scheduled_at"];

/// The members after the recorded ones, if those come first and in their order.
fn additions<'a>(want: &Map<String, Value>, got: &'a Map<String, Value>) -> Option<Vec<&'a str>> {
    let recorded_first = want.keys().eq(got.keys().take(want.len()));
    recorded_first.then(|| got.keys().skip(want.len()).map(String::as_str).collect())
}

/// Where a value is in a response.
struct Location {
    path: String,
    status: u16,
    /// Inside the `input` of a 422, which repeats what was sent: nothing more, in the same order.
    echoed: bool,
}

impl Location {
    fn member(&self, name: &str) -> Self {
        let echoed = self.echoed || (self.status == 422 && name == "input");
        Self { path: format!("{}.{name}", self.path), echoed, ..*self }
    }

    fn item(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), ..*self }
    }

    fn differs(&self, got: &Value) -> Comparison {
        Err(format!("{}: {got}", self.path))
    }
}

impl Context<'_> {
    fn value(&self, want: &Value, got: &Value, location: &Location) -> Comparison {
        match (want, got) {
            (Value::String(want), _) => self.text(want, got, location),
            (Value::Object(want), Value::Object(got)) => self.object(want, got, location),
            (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
                let mut items = want.iter().zip(got).enumerate();
                items.try_for_each(|(index, (want, got))| self.value(want, got, &location.item(index)))
            }
            (Value::Number(want), Value::Number(got)) if same_number(want, got) => Ok(()),
            (Value::Bool(_) | Value::Null, _) if want == got => Ok(()),
            _ => location.differs(got),
        }
    }

    fn text(&self, want: &str, got: &Value, location: &Location) -> Comparison {
        let fits = if want == "{any}" {
            true
        } else if want == "{token}" {
            return self.token(got).map_err(|difference| format!("{}: {difference}", location.path));
        } else if let Some(member) = symbol(want, "sent:") {
            let sent = json(self.sent, false).unwrap();
            sent[member].is_string() && sent[member] == *got
        } else if let Some(id) = self.ids.get(want) {
            got.as_i64() == Some(*id)
        } else {
            got.as_str() == Some(fill(want, self.ids).as_str())
        };
        if fits { Ok(()) } else { location.differs(got) }
    }

    fn object(&self, want: &Map<String, Value>, got: &Map<String, Value>, location: &Location) -> Comparison {
        if location.echoed && !want.keys().eq(got.keys()) {
            return Err(format!("{}: members {:?}", location.path, got.keys().collect::<Vec<_>>()));
        }
        let is_article = !location.echoed && want.contains_key("author_id") && want.contains_key("content");
        if is_article && additions(want, got).is_none_or(|members| members != ARTICLE_ADDITIONS) {
            return Err(format!("{}: members {:?}", location.path, got.keys().collect::<Vec<_>>()));
        }
        let mut times = BTreeSet::new();
        let mut later_times = BTreeSet::new();
        for (name, want) in want {
            let location = location.member(name);
            let Some(got) = got.get(name) else {
                return Err(format!("{}: missing", location.path));
            };
            match (name.as_str(), want.as_str()) {
                (_, Some("{time}")) => drop(times.insert(self.instant(got, &location)?)),
                (_, Some("{later}")) => drop(later_times.insert(self.instant(got, &location)?)),
                ("error", Some("{any}")) if got.as_str().is_none_or(str::is_empty) => {
                    return location.differs(got);
                }
                ("loc", _) => self.location(want, got, &location)?,
                _ => self.value(want, got, &location)?,
            }
        }
        if times.len() > 1 {
            return Err(format!("{}: different times where they must be equal", location.path));
        }
        if later_times.first().is_some_and(|later| times.last().is_none_or(|time| later <= time)) {
            return Err(format!("{}: a time that should be later", location.path));
        }
        Ok(())
    }

    /// A `loc`, whose last item, where it may be anything, is a position or is left out.
    fn location(&self, want: &Value, got: &Value, location: &Location) -> Comparison {
        let (Some([start @ .., last]), Some(items)) = (want.as_array().map(Vec::as_slice), got.as_array())
        else {
            return self.value(want, got, location);
        };
        if last != "{any}" {
            return self.value(want, got, location);
        }
        match items.strip_prefix(start) {
            Some([]) => Ok(()),
            Some([position]) if position.is_i64() || position.is_u64() => Ok(()),
            _ => location.differs(got),
        }
    }

    /// An instant in the contract's form that is near enough to now to be UTC: time zones are quarters of an
    /// hour apart.
    fn instant(&self, got: &Value, location: &Location) -> Result<DateTime<Utc>, String> {
        let instant = got.as_str().and_then(|text| {
            let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
            let form = match instant.timestamp_subsec_nanos() {
                0 => "%Y-%m-%dT%H:%M:%SZ",
                _ => "%Y-%m-%dT%H:%M:%S%.6fZ",
            };
            let near = (self.now - instant).abs() < TimeDelta::minutes(15);
            (near && instant.format(form).to_string() == text).then_some(instant)
        });
        instant.ok_or_else(|| format!("{}: {got} is no instant of now in UTC", location.path))
    }

    fn token(&self, got: &Value) -> Comparison {
        let secret = self.contract["secret_key"].as_str().unwrap().as_bytes();
        let token = jsonwebtoken::decode::<Value>(
            got.as_str().unwrap_or_default(),
            &DecodingKey::from_secret(secret),
            &Validation::new(Algorithm::HS256),
        )
        .map_err(|error| format!("no token: {error}"))?;
        if token.header.typ.as_deref() != Some("JWT") {
            return Err(format!("typ {:?}", token.header.typ));
        }
        if token.claims["sub"].as_str() != Some(&self.user_named_in_request().to_string()) {
            return Err(format!("sub {}", token.claims["sub"]));
        }
        let lives = token.claims["exp"].as_i64().map(|expiry| expiry - self.now.timestamp());
        // Half a minute is for slow machines.
        match lives {
            Some(1770..=1801) => Ok(()),
            _ => Err(format!("exp {}, {lives:?} seconds ahead", token.claims["exp"])),
        }
    }

    /// The id of the user who logs in: the only one whose name is in the body, whatever its type.
    fn user_named_in_request(&self) -> i64 {
        let body = String::from_utf8_lossy(self.sent);
        let users = self.contract["users"].as_object().unwrap();
        let mut named = users.values().filter(|user| body.contains(user["username"].as_str().unwrap()));
        match (named.next(), named.next()) {
            (Some(user), None) => user["id"].as_i64().unwrap(),
            _ => panic!("not one user in {body}"),
        }
    }
}

/// Puts the digits of the ids into a text.
pub(super) fn fill(text: &str, ids: &Ids) -> String {
    ids.iter().fold(text.to_owned(), |text, (symbol, id)| text.replace(symbol, &id.to_string()))
}

/// Integers of 64 bits exactly, others as doubles, whatever their spelling.
fn same_number(want: &Number, got: &Number) -> bool {
    match (want.as_i128(), got.as_i128()) {
        (Some(want), Some(got)) => want == got,
        (Some(integer), None) => is_integer(got, integer),
        (None, Some(integer)) => is_integer(want, integer),
        (None, None) => want.as_f64() == got.as_f64(),
    }
}

/// Compares digits, as a double may not tell large integers apart.
fn is_integer(number: &Number, integer: i128) -> bool {
    number
        .as_f64()
        .is_some_and(|number| number.fract() == 0.0 && format!("{number:.0}").parse() == Ok(integer))
}
