//! Rules of the source code that the compiler does not check.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::LazyLock,
};

use regex::Regex;

use crate::document::document;

/// The layers from top to bottom: a module may import those of lower layers, and of its own layer where that makes no cycle.
/// A name stands for the module and everything in it; the most specific one counts.
const LAYERS: [&[&str]; 8] = [
    &["main"],
    &["cli"],
    &["server"],
    &["publishing", "operations"],
    &["accounts"],
    &["http", "mail"],
    &["db"],
    &["clock", "config", "histogram", "tasks", "traces"],
];

/// The longest handler, in lines from its signature to its end.
const HANDLER_LINES: usize = 15;

/// The longest file, in lines.
const FILE_LINES: usize = 400;

/// The folders with the code that is released.
const RELEASED: [&str; 4] = ["src", "entity/src", "migration/src", "migration-kit/src"];

/// Names that say too little or need an explanation; the glossary has a standard term for each.
const VAGUE_NAMES: [&str; 30] = [
    "Read",
    "find",
    "turn",
    "expect",
    "Sight",
    "Standing",
    "Call",
    "Flaw",
    "Fault",
    "Faults",
    "Problem",
    "Problems",
    "Kept",
    "Loan",
    "lend",
    "Mark",
    "Whole",
    "keep",
    "forget",
    "trust",
    "distrust",
    "shrink",
    "observe",
    "share",
    "from_memory",
    "patience",
    "at_once",
    "process",
    "handle",
    "manage",
];

/// A function that answers requests.
pub(crate) struct Handler {
    pub(crate) operation_id: String,
    pub(crate) name: String,
    file: String,
    lines: usize,
}

/// The code of every file under `directory`, by its path there, without comments.
fn sources(directory: &str) -> BTreeMap<String, String> {
    fn visit(root: &Path, directory: &Path, files: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(root, &path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                let text = fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
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
    static IMPORT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);").unwrap());
    static INLINE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[a-z_]\w*(?:::\w+)+").unwrap());
    let mut paths = BTreeSet::new();
    for import in IMPORT.captures_iter(code) {
        expand("", &import[1].split_whitespace().collect::<Vec<_>>().join(" "), &mut paths);
    }
    let rest = IMPORT.replace_all(code, "");
    paths.extend(INLINE.find_iter(&rest).map(|path| path.as_str().to_owned()));
    paths
}

fn crates(code: &str) -> BTreeSet<String> {
    named(code).into_iter().map(|path| path.split("::").next().unwrap().to_owned()).collect()
}

/// The path of the module in a file of `src/`: `http::cache::store`.
fn module(file: &str) -> String {
    let path = file.strip_suffix(".rs").unwrap();
    path.strip_suffix("/mod").unwrap_or(path).replace('/', "::")
}

/// The modules of this crate that each module names: absolute paths, and relative ones resolved.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources("src");
    let modules: BTreeSet<String> =
        sources.keys().map(|file| module(file)).filter(|name| name != "lib").collect();
    let mut dependencies = BTreeMap::new();
    for (file, code) in &sources {
        let own = module(file);
        // `lib.rs` declares the modules and `main.rs` uses them from outside.
        let code = if own == "main" { code.replace("byline::", "crate::") } else { code.clone() };
        let named: BTreeSet<String> = named(&code)
            .iter()
            .filter_map(|path| resolve(&own, path))
            .filter_map(|path| longest_module(&path, &modules))
            .filter(|module| *module != own)
            .collect();
        dependencies.insert(own, named);
    }
    dependencies.remove("lib");
    dependencies
}

/// A path from the root of the crate; `None` for a path into another crate.
fn resolve(own: &str, path: &str) -> Option<String> {
    if let Some(path) = path.strip_prefix("crate::") {
        return Some(path.to_owned());
    }
    let mut base: Vec<&str> = own.split("::").collect();
    let mut rest = path.strip_prefix("self::").unwrap_or(path);
    // Inside `mod tests`, `super` is the file's own module: a path that is taken for a higher one is checked more strictly.
    while let Some(above) = rest.strip_prefix("super::") {
        base.pop()?;
        rest = above;
    }
    (rest != path).then(|| base.into_iter().chain([rest]).collect::<Vec<_>>().join("::"))
}

fn longest_module(path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut path = path;
    loop {
        if modules.contains(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// The layer of a module, counted from the top; each module has exactly one.
fn layer(module: &str) -> usize {
    let layers: Vec<usize> = (0..LAYERS.len())
        .filter(|layer| {
            LAYERS[*layer].iter().any(|name| module == *name || module.starts_with(&format!("{name}::")))
        })
        .collect();
    assert_eq!(layers.len(), 1, "the module {module} must be in exactly one layer");
    layers[0]
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
fn every_module_is_in_one_layer_and_imports_lower_ones_only() {
    let dependencies = dependencies();
    assert!(dependencies.len() > 40, "modules are missing: {:?}", dependencies.keys());
    for (module, imported) in &dependencies {
        for other in imported {
            assert!(layer(module) <= layer(other), "{module} imports {other}, which is in a higher layer");
        }
    }
}

#[test]
fn http_names_no_area() {
    for (module, imported) in dependencies().iter().filter(|(module, _)| module.starts_with("http")) {
        for area in ["accounts", "publishing", "operations", "server", "cli"] {
            assert!(!imported.iter().any(|other| other.starts_with(area)), "{module} imports {area}");
        }
    }
}

/// A parent declares and re-exports its children, so imports from a parent to what is inside it do not count.
#[test]
fn imports_form_no_cycle() {
    let mut imports = dependencies();
    for (module, imported) in &mut imports {
        imported.retain(|other| !other.starts_with(&format!("{module}::")));
    }
    for start in imports.keys() {
        let mut open = vec![vec![start]];
        let mut seen = BTreeSet::new();
        while let Some(path) = open.pop() {
            for next in imports.get(*path.last().unwrap()).into_iter().flatten() {
                assert_ne!(next, start, "a cycle of imports: {path:?}");
                if seen.insert(next) {
                    open.push(path.iter().copied().chain([next]).collect());
                }
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
    assert_eq!(files, ["clock.rs"]);
}

/// Whatever must follow a change of an article has its place there. `seed` fills a database that no server reads yet.
#[test]
fn articles_change_in_one_place() {
    let writing = Regex::new(
        r"article::ActiveModel|article::Entity::(?:insert|update|delete)|(?:insert|update|delete)\w*\(\s*article",
    )
    .unwrap();
    let files: Vec<String> =
        sources("src").into_iter().filter(|(_, code)| writing.is_match(code)).map(|(file, _)| file).collect();
    assert_eq!(files, ["cli/seed.rs", "publishing/articles/write.rs"]);
}

#[test]
fn every_file_says_why_it_exists() {
    for directory in ["src", "entity/src", "migration/src", "migration-kit/src", "tests"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for file in sources(directory).keys().filter(|file| !file.ends_with("tests.rs")) {
            let text = fs::read_to_string(root.join(file)).unwrap();
            assert!(text.starts_with("//! "), "{directory}/{file}");
        }
    }
}

/// The names of the items that `code` declares: functions, types, traits, constants, modules and macros.
fn items(code: &str) -> impl Iterator<Item = &str> {
    static ITEM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"\b(?:fn|struct|enum|union|trait|const|static|mod|type|macro_rules!)\s+(?:mut\s+)?(?:r#)?([A-Za-z_]\w*)",
        )
        .unwrap()
    });
    ITEM.captures_iter(code).map(|item| item.get(1).unwrap().as_str())
}

#[test]
fn items_are_read_by_their_names() {
    let code = "pub async fn a() {}\nstruct B<T>(T);\nmacro_rules! c { () => {} }\nlet d = e.process();";
    assert_eq!(items(code).collect::<Vec<_>>(), ["a", "B", "c"]);
}

#[test]
fn no_item_and_no_schema_has_a_vague_name() {
    for directory in RELEASED {
        for (file, code) in sources(directory) {
            let vague: Vec<&str> = items(&code).filter(|name| VAGUE_NAMES.contains(name)).collect();
            assert!(vague.is_empty(), "{directory}/{file} declares {vague:?}");
        }
    }
    let schemas = document()["components"]["schemas"].as_object().unwrap();
    let vague: Vec<&String> = schemas.keys().filter(|name| VAGUE_NAMES.contains(&name.as_str())).collect();
    assert!(vague.is_empty(), "the OpenAPI document names {vague:?}");
}

#[test]
fn no_file_is_too_long() {
    for directory in RELEASED {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for file in sources(directory).keys() {
            let lines = fs::read_to_string(root.join(file)).unwrap().lines().count();
            assert!(lines <= FILE_LINES, "{directory}/{file} has {lines} lines");
        }
    }
}

#[test]
fn the_map_lists_the_top_level_modules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let declared: BTreeSet<&str> =
        library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let architecture = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let (_, map) = architecture.split_once("\n## The map\n").unwrap();
    let block = map.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let listed: Vec<&str> = block
        .lines()
        .map(|line| {
            let entry = line.split_whitespace().next().unwrap();
            entry.strip_suffix('/').or_else(|| entry.strip_suffix(".rs")).unwrap()
        })
        .collect();
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), declared);
    assert_eq!(listed.len(), declared.len(), "a module is listed twice");
}
