//! New migrations in the source tree: the file, and its two lines in the register.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::Failure;
use crate::{Difference, Engine};

/// Writes an empty migration and registers it.
pub(super) fn new(source: &Path, name: &str, out: &mut impl Write) -> Result<u8, Failure> {
    create(source, name, &empty(name), out)
}

/// Writes a migration that makes up the differences, and registers it.
pub(super) fn write(
    source: &Path,
    name: &str,
    differences: &[Difference],
    out: &mut impl Write,
) -> Result<u8, Failure> {
    if differences.iter().all(|difference| difference.engine != Engine::Postgres) {
        writeln!(out, "review: PostgreSQL was not asked; its half of the file stops until it is written")?;
    }
    create(source, name, &filled(name, differences), out)
}

fn create(source: &Path, name: &str, text: &str, out: &mut impl Write) -> Result<u8, Failure> {
    let words = !name.is_empty()
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !words {
        return Err(Failure::Refused(format!(
            "{name:?} is no name for a migration: small letters, digits and _ (add_slugs)"
        )));
    }
    let register = source.join("src/migrations/mod.rs");
    let old = std::fs::read_to_string(&register).map_err(|error| at(&register, error))?;
    let module = next_name(&old, name);
    let file = source.join(format!("src/migrations/{module}.rs"));
    std::fs::write(&file, text).map_err(|error| at(&file, error))?;
    let registered = registered(&old, &module, &camel(name))
        .ok_or_else(|| Failure::Refused(format!("{} is not laid out as expected", register.display())))?;
    std::fs::write(&register, registered).map_err(|error| at(&register, error))?;
    writeln!(out, "wrote {}", file.display())?;
    writeln!(out, "registered in {}", register.display())?;
    Ok(0)
}

fn at(path: &Path, source: std::io::Error) -> Failure {
    Failure::Source { path: PathBuf::from(path).display().to_string(), source }
}

/// The date of today, or of the newest migration where that is later, and the next number of that date.
fn next_name(register: &str, name: &str) -> String {
    let last = modules(register).next_back().unwrap_or_default();
    let last_date = last.get(1..9).unwrap_or_default();
    let today = today();
    let (date, number) = if today.as_str() > last_date {
        (today.as_str(), 1)
    } else {
        let number: u32 = last.get(10..16).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        (last_date, number.saturating_add(1))
    };
    format!("m{date}_{number:06}_{name}")
}

/// The names of the modules that are migrations, oldest first.
fn modules(register: &str) -> impl DoubleEndedIterator<Item = &str> {
    register
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .filter(|name| name.starts_with('m') && name.len() > 17)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the name of a file says when it was made; nothing is timed by it"
)]
fn today() -> String {
    chrono::Utc::now().format("%Y%m%d").to_string()
}

fn registered(register: &str, module: &str, kind: &str) -> Option<String> {
    let mut text = register.to_owned();
    let end = text.rfind("    ]\n")?;
    text.insert_str(end, &format!("        Box::new({module}::{kind}),\n"));
    let last = modules(register).next_back().map(|last| format!("mod {last};\n"));
    let after = match &last {
        Some(line) => text.find(line.as_str())?.saturating_add(line.len()),
        None => text.find("\nuse ")?.saturating_add(1),
    };
    text.insert_str(after, &format!("mod {module};\n"));
    Some(text)
}

fn camel(name: &str) -> String {
    let mut text = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    text
}

fn empty(name: &str) -> String {
    let kind = camel(name);
    format!(
        "//! Why this change: say it here.

use sea_orm_migration::prelude::*;

use crate::Migration;

#[derive(DeriveMigrationName)]
pub(crate) struct {kind};

impl Migration for {kind} {{}}

#[async_trait::async_trait]
impl MigrationTrait for {kind} {{
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

fn filled(name: &str, differences: &[Difference]) -> String {
    let kind = camel(name);
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
    let arm = |engine: Engine, up: bool| match of(engine) {
        Some(difference) => list(if up { &difference.up } else { &difference.down }) + ",",
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
            arm(Engine::Postgres, up),
            arm(Engine::Sqlite, up)
        )
    };
    format!(
        "//! Why this change: say it here.
{review}
use sea_orm_migration::prelude::*;

use crate::{{Marks, Migration}};

#[derive(DeriveMigrationName)]
pub(crate) struct {kind};

impl Migration for {kind} {{
    fn marks(&self) -> Marks {{
        Marks {{ destructive: {destructive}, rebuilds_tables: {rebuilds}, ..Marks::NONE }}
    }}
}}

#[async_trait::async_trait]
impl MigrationTrait for {kind} {{
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

fn list(statements: &[String]) -> String {
    if statements.is_empty() {
        return "&[]".to_owned();
    }
    let lines: Vec<_> = statements.iter().map(|sql| format!("                {},\n", raw(sql))).collect();
    format!("&[\n{}            ]", lines.concat())
}

/// A raw string literal with as many signs as the text needs.
fn raw(text: &str) -> String {
    let mut signs = "#".to_owned();
    while text.contains(&format!("\"{signs}")) {
        signs.push('#');
    }
    format!("r{signs}\"{text}\"{signs}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Column, Schema, Table};

    const REGISTER: &str = "//! x\n\nmod m20990101_000002_two;\n\nuse x;\n\nfn all() {\n    vec![\n        Box::new(m20990101_000002_two::Two),\n    ]\n}\n";

    #[test]
    fn names_go_on_behind_the_newest() {
        assert_eq!(next_name(REGISTER, "three"), "m20990101_000003_three");
        assert_eq!(next_name("", "one"), format!("m{}_000001_one", today()));
    }

    #[test]
    fn a_migration_is_registered_twice_and_last() {
        let text = registered(REGISTER, "m20990101_000003_three", "Three").unwrap();
        assert!(text.contains("_two;\nmod m20990101_000003_three;\n"), "{text}");
        assert!(text.contains("Two),\n        Box::new(m20990101_000003_three::Three),\n    ]"), "{text}");
    }

    #[test]
    fn a_written_migration_has_both_ways_on_the_engines_asked_and_stops_on_the_other() {
        let column = Column { name: "x".into(), kind: "text".into(), nullable: true, ..Column::default() };
        let table = |columns: Vec<Column>| {
            let table = Table { name: "t".into(), columns, ..Table::default() };
            Schema { tables: [("t".to_owned(), table)].into() }
        };
        let (without, with) = (table(Vec::new()), table(vec![column]));
        let text = filled("add_x", &[Difference::between(Engine::Sqlite, &without, &with)]);
        assert!(text.contains(r##"r#"ALTER TABLE "t" ADD COLUMN "x" text"#"##), "{text}");
        assert!(text.contains("rebuilds_tables: true") && text.contains("destructive: false"), "{text}");
        assert_eq!(text.matches("not written for PostgreSQL yet").count(), 2, "{text}");

        let back = filled("drop_x", &[Difference::between(Engine::Postgres, &with, &without)]);
        assert!(back.contains("destructive: true") && back.contains("//! Review: column t.x"), "{back}");
    }

    #[test]
    fn any_text_is_a_literal() {
        assert_eq!(raw("a"), "r#\"a\"#");
        assert_eq!(raw("a\"#b"), "r##\"a\"#b\"##");
    }
}
