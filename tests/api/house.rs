//! The rules of the house that no compiler knows, read off the source.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use regex::Regex;

/// Features, from the ground up; each may use those before it.
const FEATURES: [&str; 3] = ["auth", "users", "articles"];

/// What features stand on: plain, and knowing no feature. (`state` and `telemetry` hold what features share, so they may.)
const GROUND: [&str; 6] = ["error", "validation", "timestamp", "db", "config", "cors"];

/// What stands above the features.
const ABOVE: [&str; 6] = ["app", "server", "cli", "main", "seed", "docs"];

/// The longest handler, in lines from its signature to its end.
const HANDLER_LINES: usize = 15;

/// A function that answers requests.
pub(crate) struct Handler {
    pub(crate) operation_id: String,
    pub(crate) name: String,
    file: String,
    lines: usize,
}

/// The code of every file under `directory`, by its path there, without comments and unit tests.
fn sources(directory: &str) -> BTreeMap<String, String> {
    fn visit(root: &Path, directory: &Path, files: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(root, &path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                files.insert(name, code.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files = BTreeMap::new();
    visit(&root, &root, &mut files);
    assert!(!files.is_empty());
    files
}

/// Every path that `code` names, imports taken apart: `use a::{b, c::d}` is `a::b` and `a::c::d`.
fn named(code: &str) -> BTreeSet<String> {
    fn expand(prefix: &str, tree: &str, paths: &mut BTreeSet<String>) {
        let mut depth = 0;
        let mut branches = vec![String::new()];
        for character in tree.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    branches.push(String::new());
                    continue;
                }
                _ => {}
            }
            branches.last_mut().unwrap().push(character);
        }
        for branch in branches.iter().map(|branch| branch.trim()).filter(|branch| !branch.is_empty()) {
            if let Some((head, rest)) = branch.split_once('{') {
                expand(&format!("{prefix}{head}"), rest.strip_suffix('}').unwrap(), paths);
            } else {
                let path = branch.split(" as ").next().unwrap();
                paths.insert(format!("{prefix}{path}").trim_end_matches("::self").to_owned());
            }
        }
    }
    let imports = Regex::new(r"(?m)^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);").unwrap();
    let inline = Regex::new(r"\b[a-z_]\w*(?:::\w+)+").unwrap();
    let mut paths = BTreeSet::new();
    for import in imports.captures_iter(code) {
        expand("", &import[1].split_whitespace().collect::<Vec<_>>().join(" "), &mut paths);
    }
    let rest = imports.replace_all(code, "");
    paths.extend(inline.find_iter(&rest).map(|path| path.as_str().to_owned()));
    paths
}

fn crates(code: &str) -> BTreeSet<String> {
    named(code).into_iter().map(|path| path.split("::").next().unwrap().to_owned()).collect()
}

/// The modules of this crate that `code` names.
fn modules(code: &str) -> BTreeSet<String> {
    named(code)
        .iter()
        .filter_map(|path| path.strip_prefix("crate::"))
        .map(|path| path.split("::").next().unwrap().to_owned())
        .collect()
}

/// The top module of a file of `src/`.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// Every handler with an operation id, in the order of the files.
pub(crate) fn handlers() -> Vec<Handler> {
    let attribute = Regex::new(r#"operation_id = "(\w+)""#).unwrap();
    let signature = Regex::new(r"pub async fn (\w+)").unwrap();
    let mut handlers = Vec::new();
    for (file, code) in sources("src") {
        for found in attribute.captures_iter(&code) {
            let rest = &code[found.get(0).unwrap().end()..];
            let function = signature.captures(rest).unwrap();
            let body = &rest[function.get(0).unwrap().start()..];
            let lines = body.lines().position(|line| line == "}").unwrap() + 1;
            handlers.push(Handler {
                operation_id: found[1].to_owned(),
                name: function[1].to_owned(),
                file: file.clone(),
                lines,
            });
        }
    }
    handlers
}

/// Every (method, path) that a feature registers; the pages of `docs` are no operations.
pub(crate) fn registered() -> BTreeSet<(String, String)> {
    let resource = Regex::new(r#"(?s)Resource::at\("([^"]+)"\)(.*?)\.register(?:_cached)?\("#).unwrap();
    let method = Regex::new(r"\.(get)\(|\.on\(\s*Method::([A-Z]+)").unwrap();
    let mut routes = BTreeSet::new();
    for (_, code) in sources("src").into_iter().filter(|(file, _)| file != "docs.rs") {
        for found in resource.captures_iter(&code) {
            for method in method.captures_iter(&found[2]) {
                let method = method.get(2).map_or("GET", |method| method.as_str());
                routes.insert((method.to_owned(), found[1].to_owned()));
            }
        }
    }
    routes
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let code = "use a::{b, c::{self, d as e}};\npub use f::g;\nfn h() { i::j::k(); l.m() }";
    let paths: Vec<String> = named(code).into_iter().collect();
    assert_eq!(paths, ["a::b", "a::c", "a::c::d", "f::g", "i::j::k"]);
}

#[test]
fn every_layer_keeps_to_what_it_may_know() {
    for (file, code) in sources("src") {
        let name = file.rsplit('/').next().unwrap();
        let forbidden: &[&str] = match name {
            "routes.rs" => &["sea_orm", "sqlx", "entity"],
            "service.rs" => &["actix_web", "utoipa"],
            "schemas.rs" => &["actix_web", "actix_multipart", "sea_orm", "sqlx", "entity"],
            _ => &[],
        };
        let known = crates(&code);
        for other in forbidden {
            assert!(!known.contains(*other), "{file} names {other}");
        }
    }
    for (file, code) in sources("entity/src") {
        let known = crates(&code);
        for other in ["byline", "migration", "actix_web", "utoipa", "serde"] {
            assert!(!known.contains(other), "entity/{file} names {other}");
        }
    }
}

#[test]
fn arrows_between_features_point_down() {
    for (file, code) in sources("src") {
        let (own, known) = (module(&file), modules(&code));
        if let Some(level) = FEATURES.iter().position(|feature| *feature == own) {
            for above in FEATURES[level + 1..].iter().chain(&ABOVE) {
                assert!(!known.contains(*above), "{file} reaches up to {above}");
            }
        }
        if GROUND.contains(&own) {
            for above in FEATURES.iter().chain(&ABOVE).chain(&["state", "health", "routing", "telemetry"]) {
                assert!(!known.contains(*above), "{file} reaches up to {above}");
            }
        }
    }
}

#[test]
fn a_service_knows_no_handlers_and_schemas_know_neither() {
    for (file, code) in sources("src") {
        let paths = named(&code);
        let knows = |layer: &str| paths.iter().any(|path| path.split("::").any(|step| step == layer));
        match file.rsplit('/').next().unwrap() {
            "service.rs" => assert!(!knows("routes"), "{file}"),
            "schemas.rs" => assert!(!knows("routes") && !knows("service"), "{file}"),
            _ => {}
        }
    }
}

#[test]
fn handlers_are_sentences() {
    let handlers = handlers();
    assert!(!handlers.is_empty());
    for handler in handlers {
        assert!(
            handler.lines <= HANDLER_LINES,
            "{} in {} has {} lines",
            handler.name,
            handler.file,
            handler.lines
        );
    }
}

#[test]
fn there_is_one_clock() {
    let reading = Regex::new(r"\b(?:Utc|Local|SystemTime)::now\(").unwrap();
    let files: Vec<String> =
        sources("src").into_iter().filter(|(_, code)| reading.is_match(code)).map(|(file, _)| file).collect();
    assert_eq!(files, ["state.rs"]);
}

/// `seed` fills an empty database with made-up rows, thousands to a statement, with nobody to be told of them.
#[test]
fn articles_change_in_one_place() {
    let writing = Regex::new(
        r"article::ActiveModel|article::Entity::(?:insert|update|delete)|(?:insert|update|delete)\w*\(\s*article",
    )
    .unwrap();
    let files: Vec<String> =
        sources("src").into_iter().filter(|(_, code)| writing.is_match(code)).map(|(file, _)| file).collect();
    assert_eq!(files, ["articles/change.rs", "seed.rs"]);
}

#[test]
fn every_file_says_why_it_exists() {
    for directory in ["src", "entity/src", "migration/src", "migration-kit/src", "tests"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for file in sources(directory).keys() {
            let text = fs::read_to_string(root.join(file)).unwrap();
            assert!(text.starts_with("//! "), "{directory}/{file}");
        }
    }
}
