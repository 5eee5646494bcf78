//! Finds dangerous steps in migrations and reports them with stable codes, which follow those of Atlas.
//!
//! For PostgreSQL the linter reads the statements. For SQLite, where changing a column means rebuilding its
//! table, it compares the schemas before and after each migration. Neither needs a server.

mod statements;

use std::collections::BTreeSet;

use super::{
    Direction, Engine, Error, Migration, Migrator,
    catalogue::{Change, Column, ConstraintKind, Schema, Table, changes},
    render,
    scratch::Scratch,
};

/// A table is dropped.
pub const DROP_TABLE: &str = "DS102";
/// A column is dropped.
pub const DROP_COLUMN: &str = "DS103";
/// A foreign key is dropped.
pub const DROP_FOREIGN_KEY: &str = "CD101";
/// Existing rows may violate a new UNIQUE.
pub const ADD_UNIQUE: &str = "MF101";
/// A NOT NULL column without a default is added: this fails if the table has rows.
pub const ADD_NOT_NULL: &str = "MF103";
/// A column becomes NOT NULL: this fails if a row holds NULL.
pub const SET_NOT_NULL: &str = "MF104";
/// A table is renamed: older releases break.
pub const RENAME_TABLE: &str = "BC101";
/// A column is renamed: older releases break.
pub const RENAME_COLUMN: &str = "BC102";
/// An index is built without CONCURRENTLY: writes to the table wait.
pub const BLOCKING_INDEX: &str = "PG101";
/// An index is dropped without CONCURRENTLY: all queries on the table wait.
pub const BLOCKING_DROP: &str = "PG102";
/// A column's type changes: the table may be rewritten under a full lock.
pub const REWRITE: &str = "PG301";
/// A type becomes narrower: values may be truncated or rejected.
pub const NARROWED: &str = "TY101";
/// A migration is marked additive but has a breaking step.
pub const NOT_ADDITIVE: &str = "AD101";
/// The migration can't be reverted.
pub const NO_DOWN: &str = "RV101";

/// Steps that older releases are not compatible with.
const BREAKING: [&str; 7] =
    [DROP_TABLE, DROP_COLUMN, RENAME_TABLE, RENAME_COLUMN, ADD_NOT_NULL, SET_NOT_NULL, NARROWED];
/// Codes that [`Attributes::destructive`](super::Attributes) accepts.
const DESTRUCTIVE: [&str; 3] = [DROP_TABLE, DROP_COLUMN, NARROWED];

/// One dangerous step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The migration.
    pub migration: String,
    /// The stable code.
    pub code: &'static str,
    /// A description.
    pub text: String,
    /// The engine; `None` if it is the same on all.
    pub engine: Option<&'static str>,
    /// The migration's attributes accept it.
    pub accepted: bool,
}

impl Migrator {
    /// All findings, including accepted ones.
    pub async fn lint(&self) -> Result<Vec<Finding>, Error> {
        let schemas = self.schema_after_each(Scratch::sqlite().await?).await?;
        let mut findings = Vec::new();
        let mut before = Schema::default();
        for (migration, after) in self.migrations.iter().zip(schemas) {
            let mut found = BTreeSet::new();
            for change in changes(&before, &after) {
                for (code, text) in risks(&change, &before) {
                    found.insert((code, text, Some(Engine::Sqlite.name())));
                }
            }
            let rendered = render(migration.as_ref(), Engine::Postgres, Direction::Up)
                .await
                .or_else(empty_if_not_static)?;
            for (code, text) in statements::risks(&rendered, &before) {
                found.insert((code, text, Some(Engine::Postgres.name())));
            }
            if render(migration.as_ref(), Engine::Sqlite, Direction::Down)
                .await
                .or_else(empty_if_not_static)
                .is_err()
            {
                found.insert((NO_DOWN, "the migration can't be reverted".to_owned(), None));
            }
            if migration.attributes().additive
                && let Some((code, ..)) = found.iter().find(|(code, ..)| BREAKING.contains(code))
            {
                found.insert((
                    NOT_ADDITIVE,
                    format!("the migration is marked additive, but {code} is a breaking step"),
                    None,
                ));
            }
            findings.extend(found.into_iter().map(|(code, text, engine)| Finding {
                migration: migration.name().to_owned(),
                accepted: is_accepted(migration.as_ref(), code),
                code,
                text,
                engine,
            }));
            before = after;
        }
        Ok(findings)
    }
}

fn empty_if_not_static(error: Error) -> Result<Vec<String>, Error> {
    match error {
        Error::NotStatic(_) => Ok(Vec::new()),
        other => Err(other),
    }
}

fn is_accepted(migration: &dyn Migration, code: &str) -> bool {
    let attributes = migration.attributes();
    attributes.accepts.contains(&code) || (attributes.destructive && DESTRUCTIVE.contains(&code))
}

type Risk = (&'static str, String);

fn risks(change: &Change, before: &Schema) -> Vec<Risk> {
    match change {
        Change::DropTable(table) => vec![(DROP_TABLE, format!("table {} is dropped", table.name))],
        Change::DropColumn(table, column) => vec![drop_column(table, &column.name)],
        Change::AddColumn(table, column) => add_column(table, column).into_iter().collect(),
        Change::AlterColumn { table, from, to } => {
            let mut risks = Vec::new();
            if from.nullable && !to.nullable {
                risks.push(set_not_null(table, &to.name));
            }
            risks.extend(narrowed(table, &from.name, &from.data_type, &to.data_type));
            risks
        }
        Change::AddConstraint(table, constraint) if constraint.kind == ConstraintKind::Unique => {
            vec![add_unique(table, &constraint.definition)]
        }
        Change::CreateIndex(table, index) if index.unique && before.tables.contains_key(table) => {
            vec![add_unique(table, &index.name)]
        }
        Change::DropConstraint(table, constraint) if constraint.kind == ConstraintKind::Foreign => {
            vec![(DROP_FOREIGN_KEY, format!("{} of {table} is dropped", constraint.definition))]
        }
        _ => Vec::new(),
    }
}

fn drop_column(table: &str, column: &str) -> Risk {
    (DROP_COLUMN, format!("column {table}.{column} is dropped"))
}

fn set_not_null(table: &str, column: &str) -> Risk {
    (SET_NOT_NULL, format!("column {table}.{column} becomes NOT NULL"))
}

fn add_unique(table: &str, key: &str) -> Risk {
    (ADD_UNIQUE, format!("existing rows of {table} may violate {key}"))
}

fn add_column(table: &str, column: &Column) -> Option<Risk> {
    let has_value = column.nullable || column.default.is_some() || column.generated.is_some();
    (!has_value && column.auto_increment.is_none())
        .then(|| (ADD_NOT_NULL, format!("column {table}.{} is NOT NULL and has no default", column.name)))
}

fn narrowed(table: &str, column: &str, from: &str, to: &str) -> Option<Risk> {
    is_narrower(from, to)
        .then(|| (NARROWED, format!("the type of column {table}.{column} changes from {from} to {to}")))
}

/// Whether values of `from` may not fit into `to`. For unrelated types this is assumed, except for a change
/// to text.
fn is_narrower(from: &str, to: &str) -> bool {
    let ((from, long), (to, short)) = (parse_type(from), parse_type(to));
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
        let rank = |name: &str| family.iter().position(|known| *known == name);
        if let (Some(from), Some(to)) = (rank(&from), rank(&to)) {
            return to < from;
        }
    }
    to != "text"
}

fn parse_type(data_type: &str) -> (String, Vec<u64>) {
    let (base, arguments) = data_type.split_once('(').unwrap_or((data_type, ""));
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

/// The type of a column.
fn column_type<'a>(schema: &'a Schema, table: &str, column: &str) -> Option<&'a str> {
    let column_in = |table: &'a Table| table.columns.iter().find(|known| known.name == column);
    schema.tables.get(table).and_then(column_in).map(|column| column.data_type.as_str())
}

#[cfg(test)]
mod tests {
    use super::is_narrower;

    #[test]
    fn narrower_types_are_distinguished_from_wider_ones() {
        for (from, to) in [
            ("varchar(60)", "varchar(50)"),
            ("character varying(60)", "varchar(50)"),
            ("text", "varchar(9)"),
            ("bigint", "integer"),
            ("numeric(10,2)", "numeric(10,1)"),
            ("varchar", "varchar(5)"),
            ("text", "boolean"),
        ] {
            assert!(is_narrower(from, to), "{from} to {to}");
        }
        for (from, to) in [
            ("varchar(50)", "character varying(60)"),
            ("integer", "bigint"),
            ("varchar(50)", "text"),
            ("boolean", "text"),
            ("varchar(5)", "varchar"),
        ] {
            assert!(!is_narrower(from, to), "{from} to {to}");
        }
    }
}
