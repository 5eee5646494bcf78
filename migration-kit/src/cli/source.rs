//! Writes new migrations into the source code: the file, and its two lines in `mod.rs`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::{Failure, SourceArgs, SourcePaths};
use crate::{Difference, Engine};

/// Writes an empty migration and registers it.
pub(super) fn new(
    paths: &SourcePaths,
    args: &SourceArgs,
    name: &str,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    create(&directory(paths, args), name, &empty_migration(name), out)
}

/// Writes a migration that makes the differences, and registers it.
pub(super) fn write(
    paths: &SourcePaths,
    args: &SourceArgs,
    name: &str,
    differences: &[Difference],
    out: &mut impl Write,
) -> Result<u8, Failure> {
    if differences.iter().all(|difference| difference.engine != Engine::Postgres) {
        writeln!(out, "review: without --postgres-url, the migration returns an error on PostgreSQL")?;
    }
    create(&directory(paths, args), name, &migration_from(name, differences), out)
}

fn directory(paths: &SourcePaths, args: &SourceArgs) -> PathBuf {
    args.crate_directory.as_ref().unwrap_or(&paths.crate_directory).join(&paths.migrations)
}

fn create(directory: &Path, name: &str, text: &str, out: &mut impl Write) -> Result<u8, Failure> {
    let valid = !name.is_empty()
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !valid {
        return Err(Failure::Refused(format!(
            "{name:?} is not a valid name: use lower-case letters, digits and _, for example add_slugs"
        )));
    }
    let list = directory.join("mod.rs");
    let old = std::fs::read_to_string(&list).map_err(|error| failed(&list, error))?;
    let module = next_name(&old, name);
    let file = directory.join(format!("{module}.rs"));
    let new = register(&old, &module, &camel_case(name))
        .ok_or_else(|| Failure::Refused(format!("{} is not in the expected format", list.display())))?;
    std::fs::write(&file, text).map_err(|error| failed(&file, error))?;
    std::fs::write(&list, new).map_err(|error| failed(&list, error))?;
    writeln!(out, "wrote {}", file.display())?;
    writeln!(out, "registered in {}", list.display())?;
    Ok(0)
}

fn failed(path: &Path, source: std::io::Error) -> Failure {
    Failure::Source { path: path.display().to_string(), source }
}

/// The module's name: the later of today and the newest migration's date, and the next number on that date.
fn next_name(list: &str, name: &str) -> String {
    let newest = modules(list).next_back().unwrap_or_default();
    let newest_date = newest.get(1..9).unwrap_or_default();
    let today = today();
    let (date, number) = if today.as_str() > newest_date {
        (today.as_str(), 1)
    } else {
        let number: u32 = newest.get(10..16).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        (newest_date, number.saturating_add(1))
    };
    format!("m{date}_{number:06}_{name}")
}

/// The modules that are migrations, oldest first.
fn modules(list: &str) -> impl DoubleEndedIterator<Item = &str> {
    list.lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .filter(|name| name.starts_with('m') && name.len() > 17)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file name contains the date of its creation; nothing else depends on it"
)]
fn today() -> String {
    chrono::Utc::now().format("%Y%m%d").to_string()
}

/// `mod.rs` with the new module declared, and added to the end of the list.
fn register(list: &str, module: &str, struct_name: &str) -> Option<String> {
    let mut text = list.to_owned();
    let end = text.rfind("    ]\n")?;
    text.insert_str(end, &format!("        Box::new({module}::{struct_name}),\n"));
    let newest = modules(list).next_back().map(|name| format!("mod {name};\n"));
    let after = match &newest {
        Some(line) => text.find(line.as_str())?.saturating_add(line.len()),
        None => text.find("\nuse ")?.saturating_add(1),
    };
    text.insert_str(after, &format!("mod {module};\n"));
    Some(text)
}

fn camel_case(name: &str) -> String {
    let mut text = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    text
}

fn empty_migration(name: &str) -> String {
    let struct_name = camel_case(name);
    format!(
        "//! Describe the reason for this change here.

use sea_orm_migration::prelude::*;

use migration_kit::Migration;

#[derive(DeriveMigrationName)]
pub(crate) struct {struct_name};

impl Migration for {struct_name} {{}}

#[async_trait::async_trait]
impl MigrationTrait for {struct_name} {{
    async fn up(&self, _manager: &SchemaManager) -> Result<(), DbErr> {{
        Ok(())
    }}

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {{
        Ok(())
    }}
}}
"
    )
}

fn migration_from(name: &str, differences: &[Difference]) -> String {
    let struct_name = camel_case(name);
    let of = |engine: Engine| differences.iter().find(|difference| difference.engine == engine);
    let review: Vec<_> = differences
        .iter()
        .flat_map(|difference| difference.changes.iter().filter(|change| change.destructive()))
        .map(|change| {
            format!("//!\n//! Review: {change}. This may lose data; if it is a rename, write a rename.\n")
        })
        .collect();
    let destructive = if review.is_empty() { "false" } else { "true" };
    let rebuilds = of(Engine::Sqlite).is_some_and(|difference| {
        [&difference.up, &difference.down].iter().any(|sql| sql.iter().any(|line| line.contains("RENAME TO")))
    });
    let review: std::collections::BTreeSet<_> = review.into_iter().collect();
    let review: String = review.into_iter().collect();
    let match_arm = |engine: Engine, up: bool| match of(engine) {
        Some(difference) => string_slice(if up { &difference.up } else { &difference.down }) + ",",
        None => "{
                return Err(DbErr::Migration(\"not written for PostgreSQL yet\".to_owned()));
            }"
        .to_owned(),
    };
    let body = |up: bool| {
        format!(
            "        let statements: &[&str] = match manager.get_database_backend() {{
            sea_orm::DbBackend::Postgres => {}
            _ => {}
        }};
        for statement in statements {{
            manager.get_connection().execute_unprepared(statement).await?;
        }}
        Ok(())",
            match_arm(Engine::Postgres, up),
            match_arm(Engine::Sqlite, up)
        )
    };
    format!(
        "//! Describe the reason for this change here.
{review}
use sea_orm_migration::prelude::*;

use migration_kit::{{Attributes, Migration}};

#[derive(DeriveMigrationName)]
pub(crate) struct {struct_name};

impl Migration for {struct_name} {{
    fn attributes(&self) -> Attributes {{
        Attributes {{ destructive: {destructive}, rebuilds_tables: {rebuilds}, ..Attributes::NONE }}
    }}
}}

#[async_trait::async_trait]
impl MigrationTrait for {struct_name} {{
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {{
{}
    }}

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {{
{}
    }}
}}
",
        body(true),
        body(false)
    )
}

fn string_slice(statements: &[String]) -> String {
    if statements.is_empty() {
        return "&[]".to_owned();
    }
    let lines: Vec<_> =
        statements.iter().map(|sql| format!("                {},\n", raw_string(sql))).collect();
    format!("&[\n{}            ]", lines.concat())
}

/// A raw string literal with as many `#` as the text needs.
fn raw_string(text: &str) -> String {
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("r{hashes}\"{text}\"{hashes}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Column, Schema, Table};

    const LIST: &str = "//! x\n\nmod m20990101_000002_two;\n\nuse x;\n\nfn all() {\n    vec![\n        Box::new(m20990101_000002_two::Two),\n    ]\n}\n";

    #[test]
    fn a_new_name_follows_the_newest() {
        assert_eq!(next_name(LIST, "three"), "m20990101_000003_three");
        assert_eq!(next_name("", "one"), format!("m{}_000001_one", today()));
    }

    #[test]
    fn a_migration_is_registered_as_a_module_and_at_the_end_of_the_list() {
        let text = register(LIST, "m20990101_000003_three", "Three").unwrap();
        assert!(text.contains("_two;\nmod m20990101_000003_three;\n"), "{text}");
        assert!(text.contains("Two),\n        Box::new(m20990101_000003_three::Three),\n    ]"), "{text}");
    }

    #[test]
    fn a_written_migration_has_both_directions_and_fails_on_an_engine_that_was_not_compared() {
        let column =
            Column { name: "x".into(), data_type: "text".into(), nullable: true, ..Column::default() };
        let table = |columns: Vec<Column>| {
            let table = Table { name: "t".into(), columns, ..Table::default() };
            Schema { tables: [("t".to_owned(), table)].into(), ..Schema::default() }
        };
        let (without, with) = (table(Vec::new()), table(vec![column]));
        let text = migration_from("add_x", &[Difference::between(Engine::Sqlite, &without, &with)]);
        assert!(text.contains(r##"r#"ALTER TABLE "t" ADD COLUMN "x" text"#"##), "{text}");
        assert!(text.contains("rebuilds_tables: true") && text.contains("destructive: false"), "{text}");
        assert_eq!(text.matches("not written for PostgreSQL yet").count(), 2, "{text}");

        let back = migration_from("drop_x", &[Difference::between(Engine::Postgres, &with, &without)]);
        assert!(back.contains("destructive: true") && back.contains("//! Review: column t.x"), "{back}");
    }

    #[test]
    fn any_text_becomes_a_raw_string_literal() {
        assert_eq!(raw_string("a"), "r#\"a\"#");
        assert_eq!(raw_string("a\"#b"), "r##\"a\"#b\"##");
    }
}
