//! Dangerous steps, by stable codes. Classes, and codes where it has them, are those of Atlas.
//!
//! On PostgreSQL the statements are read; on SQLite, where a change of a column is a rebuild of its table, the schemas
//! before and after are compared. Neither needs a server.

mod statements;

use std::collections::BTreeSet;

use super::{
    Engine, Error, Kit, Migration,
    catalogue::{Change, Column, Kind, Schema, Table, changes},
    scratch::Scratch,
    script::{Direction, render},
};

/// A table is dropped.
pub const DROP_TABLE: &str = "DS102";
/// A column is dropped.
pub const DROP_COLUMN: &str = "DS103";
/// A foreign key is dropped.
pub const DROP_FOREIGN_KEY: &str = "CD101";
/// Rows at hand may break a new UNIQUE.
pub const ADD_UNIQUE: &str = "MF101";
/// A column without default is added as NOT NULL: fails where there are rows.
pub const ADD_NOT_NULL: &str = "MF103";
/// A column becomes NOT NULL: fails where a row holds NULL.
pub const SET_NOT_NULL: &str = "MF104";
/// A table is renamed: older releases break.
pub const RENAME_TABLE: &str = "BC101";
/// A column is renamed: older releases break.
pub const RENAME_COLUMN: &str = "BC102";
/// An index is built without CONCURRENTLY: writes wait.
pub const BLOCKING_INDEX: &str = "PG101";
/// An index is dropped without CONCURRENTLY: everything waits for the lock.
pub const BLOCKING_DROP: &str = "PG102";
/// A column's type changes: the table may be rewritten under a full lock.
pub const REWRITE: &str = "PG301";
/// A type becomes narrower: values may be cut or refused.
pub const NARROWED: &str = "TY101";
/// Marked additive, and is not.
pub const NOT_ADDITIVE: &str = "AD101";
/// There is no way back.
pub const NO_DOWN: &str = "RV101";

/// What older releases can't live with.
const BREAKING: [&str; 7] =
    [DROP_TABLE, DROP_COLUMN, RENAME_TABLE, RENAME_COLUMN, ADD_NOT_NULL, SET_NOT_NULL, NARROWED];
/// What [`Marks::destructive`](super::Marks) covers.
const DESTRUCTIVE: [&str; 3] = [DROP_TABLE, DROP_COLUMN, NARROWED];

/// One dangerous step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// In which migration.
    pub migration: String,
    /// Stable.
    pub code: &'static str,
    /// What, in words.
    pub text: String,
    /// On which engine; none: on any.
    pub engine: Option<&'static str>,
    /// Covered by the migration's marks.
    pub accepted: bool,
}

impl Kit {
    /// Everything dangerous in the migrations, what their marks cover included.
    pub async fn lint(&self) -> Result<Vec<Finding>, Error> {
        let stages = self.stages(Scratch::memory().await?).await?;
        let mut findings = Vec::new();
        let mut before = Schema::default();
        for (migration, after) in self.migrations.iter().zip(stages) {
            let mut found = BTreeSet::new();
            for change in changes(&before, &after) {
                for (code, text) in dangers(&change, &before) {
                    found.insert((code, text, Some(Engine::Sqlite.name())));
                }
            }
            let told =
                render(migration.as_ref(), Engine::Postgres, Direction::Up).await.or_else(not_static)?;
            for (code, text) in statements::dangers(&told, &before) {
                found.insert((code, text, Some(Engine::Postgres.name())));
            }
            if render(migration.as_ref(), Engine::Sqlite, Direction::Down).await.or_else(not_static).is_err()
            {
                found.insert((NO_DOWN, "it can't be reverted".to_owned(), None));
            }
            if migration.marks().additive
                && let Some((code, ..)) = found.iter().find(|(code, ..)| BREAKING.contains(code))
            {
                found.insert((NOT_ADDITIVE, format!("it is marked additive, and {code} is not"), None));
            }
            findings.extend(found.into_iter().map(|(code, text, engine)| Finding {
                migration: migration.name().to_owned(),
                accepted: accepted(migration.as_ref(), code),
                code,
                text,
                engine,
            }));
            before = after;
        }
        Ok(findings)
    }
}

fn not_static(error: Error) -> Result<Vec<String>, Error> {
    match error {
        Error::NotStatic(_) => Ok(Vec::new()),
        other => Err(other),
    }
}

fn accepted(migration: &dyn Migration, code: &str) -> bool {
    let marks = migration.marks();
    marks.accepts.contains(&code) || (marks.destructive && DESTRUCTIVE.contains(&code))
}

type Danger = (&'static str, String);

fn dangers(change: &Change, before: &Schema) -> Vec<Danger> {
    match change {
        Change::DropTable(table) => vec![(DROP_TABLE, format!("table {} is dropped", table.name))],
        Change::DropColumn(table, column) => vec![drop_column(table, &column.name)],
        Change::AddColumn(table, column) => add_column(table, column).into_iter().collect(),
        Change::AlterColumn { table, from, to } => {
            let mut dangers = Vec::new();
            if from.nullable && !to.nullable {
                dangers.push(set_not_null(table, &to.name));
            }
            dangers.extend(narrowed(table, &from.name, &from.kind, &to.kind));
            dangers
        }
        Change::AddConstraint(table, constraint) if constraint.kind == Kind::Unique => {
            vec![add_unique(table, &constraint.definition)]
        }
        Change::CreateIndex(table, index) if index.unique && before.tables.contains_key(table) => {
            vec![add_unique(table, &index.name)]
        }
        Change::DropConstraint(table, constraint) if constraint.kind == Kind::Foreign => {
            vec![(DROP_FOREIGN_KEY, format!("{} of {table} is dropped", constraint.definition))]
        }
        _ => Vec::new(),
    }
}

fn drop_column(table: &str, column: &str) -> Danger {
    (DROP_COLUMN, format!("column {table}.{column} is dropped"))
}

fn set_not_null(table: &str, column: &str) -> Danger {
    (SET_NOT_NULL, format!("column {table}.{column} becomes NOT NULL"))
}

fn add_unique(table: &str, what: &str) -> Danger {
    (ADD_UNIQUE, format!("rows of {table} may break {what}"))
}

fn add_column(table: &str, column: &Column) -> Option<Danger> {
    let filled = column.nullable || column.default.is_some() || column.generated.is_some();
    (!filled && column.numbering.is_none())
        .then(|| (ADD_NOT_NULL, format!("column {table}.{} is NOT NULL and has no default", column.name)))
}

fn narrowed(table: &str, column: &str, from: &str, to: &str) -> Option<Danger> {
    narrower(from, to).then(|| (NARROWED, format!("column {table}.{column} goes from {from} to {to}")))
}

/// Whether a type holds less than another. Types of different kinds do, unless text takes the other in.
fn narrower(from: &str, to: &str) -> bool {
    let ((from, long), (to, short)) = (split(from), split(to));
    if from == to {
        return match (long.as_slice(), short.as_slice()) {
            ([], short) => !short.is_empty(),
            (_, []) => false,
            (long, short) => long.iter().zip(short).any(|(long, short)| short < long),
        };
    }
    for family in
        [&["smallint", "integer", "bigint"][..], &["real", "double precision"], &["varchar", "text"]]
    {
        let place = |kind: &str| family.iter().position(|known| *known == kind);
        if let (Some(from), Some(to)) = (place(&from), place(&to)) {
            return to < from;
        }
    }
    to != "text"
}

fn split(kind: &str) -> (String, Vec<u64>) {
    let (base, arguments) = kind.split_once('(').unwrap_or((kind, ""));
    let base = match base.trim().to_lowercase().as_str() {
        "character varying" => "varchar".to_owned(),
        "int" | "int4" | "serial" => "integer".to_owned(),
        "int8" | "bigserial" => "bigint".to_owned(),
        other => other.to_owned(),
    };
    (
        base,
        arguments.trim_end_matches(')').split(',').filter_map(|number| number.trim().parse().ok()).collect(),
    )
}

/// The type that a column had.
fn kind_of<'a>(schema: &'a Schema, table: &str, column: &str) -> Option<&'a str> {
    let of = |table: &'a Table| table.columns.iter().find(|known| known.name == column);
    schema.tables.get(table).and_then(of).map(|column| column.kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::narrower;

    #[test]
    fn narrower_types_are_told_from_wider_ones() {
        for (from, to) in [
            ("varchar(60)", "varchar(50)"),
            ("character varying(60)", "varchar(50)"),
            ("text", "varchar(9)"),
            ("bigint", "integer"),
            ("numeric(10,2)", "numeric(10,1)"),
            ("varchar", "varchar(5)"),
            ("text", "boolean"),
        ] {
            assert!(narrower(from, to), "{from} to {to}");
        }
        for (from, to) in [
            ("varchar(50)", "character varying(60)"),
            ("integer", "bigint"),
            ("varchar(50)", "text"),
            ("boolean", "text"),
            ("varchar(5)", "varchar"),
        ] {
            assert!(!narrower(from, to), "{from} to {to}");
        }
    }
}
