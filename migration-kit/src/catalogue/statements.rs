//! Changes as SQL, in an order in which they can run.

use std::collections::BTreeSet;

use super::{Change, Column, Constraint, Index, Kind, Schema, Table, changes};
use crate::{Engine, engine::ident};

/// The statements that lead from `have` to `want` on `engine`. On SQLite a table whose columns or constraints change
/// is rebuilt, which wants foreign keys switched off around the transaction.
pub fn statements(engine: Engine, have: &Schema, want: &Schema) -> Vec<String> {
    let steps = changes(have, want);
    match engine {
        Engine::Postgres => postgres(&steps),
        Engine::Sqlite => sqlite(&steps, have, want),
    }
}

fn postgres(steps: &[Change]) -> Vec<String> {
    let mut out = Vec::new();
    // What others depend on goes last and comes first: keys away, tables away, tables, columns, keys, foreign keys.
    for step in steps {
        match step {
            Change::DropConstraint(table, c) if c.kind == Kind::Foreign => {
                out.push(drop_constraint(table, c));
            }
            Change::DropTable(table) => out.extend(
                table
                    .constraints
                    .iter()
                    .filter(|c| c.kind == Kind::Foreign)
                    .map(|c| drop_constraint(&table.name, c)),
            ),
            _ => {}
        }
    }
    for step in steps {
        match step {
            Change::DropIndex(_, index) => out.push(format!("DROP INDEX {}", ident(&index.name))),
            Change::DropConstraint(table, c) if c.kind != Kind::Foreign => {
                out.push(drop_constraint(table, c));
            }
            Change::DropTable(table) => out.push(format!("DROP TABLE {}", ident(&table.name))),
            _ => {}
        }
    }
    for step in steps {
        match step {
            Change::CreateTable(table) => out.push(create_table(Engine::Postgres, table, &table.name)),
            Change::DropColumn(table, column) => {
                out.push(format!("ALTER TABLE {} DROP COLUMN {}", ident(table), ident(&column.name)));
            }
            Change::AddColumn(table, column) => out.push(add_column(Engine::Postgres, table, column)),
            Change::AlterColumn { table, from, to } => alter_column(table, from, to, &mut out),
            _ => {}
        }
    }
    for step in steps {
        match step {
            Change::CreateTable(table) => {
                out.extend(table.indexes.iter().map(|index| create_index(&table.name, index)));
            }
            Change::AddConstraint(table, c) if c.kind != Kind::Foreign => out.push(add_constraint(table, c)),
            Change::CreateIndex(table, index) => out.push(create_index(table, index)),
            _ => {}
        }
    }
    for step in steps {
        match step {
            Change::CreateTable(table) => out.extend(
                table
                    .constraints
                    .iter()
                    .filter(|c| c.kind == Kind::Foreign)
                    .map(|c| add_constraint(&table.name, c)),
            ),
            Change::AddConstraint(table, c) if c.kind == Kind::Foreign => out.push(add_constraint(table, c)),
            _ => {}
        }
    }
    out
}

fn sqlite(steps: &[Change], have: &Schema, want: &Schema) -> Vec<String> {
    let mut out = Vec::new();
    let rebuilt: BTreeSet<&str> = steps
        .iter()
        .filter(|step| match step {
            Change::AddColumn(_, column) => !addable(column),
            Change::DropColumn(..)
            | Change::AlterColumn { .. }
            | Change::AddConstraint(..)
            | Change::DropConstraint(..) => true,
            _ => false,
        })
        .map(Change::table)
        .collect();
    for step in steps {
        match step {
            Change::DropIndex(table, index) if !rebuilt.contains(table.as_str()) => {
                out.push(format!("DROP INDEX {}", ident(&index.name)));
            }
            Change::DropTable(table) => out.push(format!("DROP TABLE {}", ident(&table.name))),
            _ => {}
        }
    }
    for step in steps {
        if let Change::CreateTable(table) = step {
            out.push(create_table(Engine::Sqlite, table, &table.name));
        }
    }
    for name in &rebuilt {
        if let (Some(old), Some(new)) = (have.tables.get(*name), want.tables.get(*name)) {
            rebuild(old, new, &mut out);
        }
    }
    for step in steps {
        match step {
            Change::CreateTable(table) => {
                out.extend(table.indexes.iter().map(|index| create_index(&table.name, index)));
            }
            Change::AddColumn(table, column) if !rebuilt.contains(table.as_str()) => {
                out.push(add_column(Engine::Sqlite, table, column));
            }
            _ => {}
        }
    }
    for step in steps {
        if let Change::CreateIndex(table, index) = step
            && !rebuilt.contains(table.as_str())
        {
            out.push(create_index(table, index));
        }
    }
    out
}

/// What SQLite's ADD COLUMN takes on a table that holds rows.
fn addable(column: &Column) -> bool {
    let stored = column.generated.as_ref().is_some_and(|text| text.ends_with("stored"));
    let constant =
        column.default.as_ref().is_none_or(|text| !text.starts_with('(') && !text.starts_with("current_"));
    !stored && constant && (column.nullable || column.default.is_some())
}

/// The way SQLite's manual gives for changes that ALTER TABLE can't make.
fn rebuild(old: &Table, new: &Table, out: &mut Vec<String>) {
    let scratch = format!("_new_{}", new.name);
    out.push(create_table(Engine::Sqlite, new, &scratch));
    let kept: Vec<_> = new
        .columns
        .iter()
        .filter(|column| column.generated.is_none() && old.columns.iter().any(|had| had.name == column.name))
        .map(|column| ident(&column.name))
        .collect();
    if !kept.is_empty() {
        let kept = kept.join(", ");
        out.push(format!("INSERT INTO {} ({kept}) SELECT {kept} FROM {}", ident(&scratch), ident(&old.name)));
    }
    out.push(format!("DROP TABLE {}", ident(&old.name)));
    out.push(format!("ALTER TABLE {} RENAME TO {}", ident(&scratch), ident(&new.name)));
    out.extend(new.indexes.iter().map(|index| create_index(&new.name, index)));
}

fn create_table(engine: Engine, table: &Table, name: &str) -> String {
    let mut lines: Vec<_> = table.columns.iter().map(|column| define(engine, column)).collect();
    let numbered = table.columns.iter().any(|column| column.numbering.as_deref() == Some("autoincrement"));
    for constraint in &table.constraints {
        let inline = match constraint.kind {
            Kind::Foreign => engine == Engine::Sqlite,
            Kind::Primary => !numbered,
            Kind::Unique | Kind::Check => true,
        };
        if inline {
            lines.push(clause(constraint));
        }
    }
    let options = if table.options.is_empty() { String::new() } else { format!(" {}", table.options) };
    format!("CREATE TABLE {} (\n  {}\n){options}", ident(name), lines.join(",\n  "))
}

fn clause(constraint: &Constraint) -> String {
    if constraint.name.is_empty() {
        constraint.definition.clone()
    } else {
        format!("CONSTRAINT {} {}", ident(&constraint.name), constraint.definition)
    }
}

fn define(engine: Engine, column: &Column) -> String {
    let numbering = column.numbering.as_deref();
    let kind = match (numbering, column.kind.as_str()) {
        (Some("serial"), "bigint") => "bigserial",
        (Some("serial"), "smallint") => "smallserial",
        (Some("serial"), _) => "serial",
        (_, kind) => kind,
    };
    let mut parts = vec![ident(&column.name), kind.to_owned()];
    if let Some(collation) = &column.collation {
        parts.push(format!("COLLATE {}", ident(collation)));
    }
    if !column.nullable {
        parts.push("NOT NULL".to_owned());
    }
    match numbering {
        Some("identity always") => parts.push("GENERATED ALWAYS AS IDENTITY".to_owned()),
        Some("identity by default") => parts.push("GENERATED BY DEFAULT AS IDENTITY".to_owned()),
        Some("autoincrement") => parts.push("PRIMARY KEY AUTOINCREMENT".to_owned()),
        _ => {}
    }
    if let Some(default) = &column.default {
        parts.push(match engine {
            // SQLite takes an expression in parentheses only.
            Engine::Sqlite if !literal(default) => format!("DEFAULT ({default})"),
            _ => format!("DEFAULT {default}"),
        });
    }
    if let Some(generated) = &column.generated {
        parts.push(format!("GENERATED ALWAYS AS {generated}"));
    }
    parts.join(" ")
}

fn literal(default: &str) -> bool {
    let word = default.trim_start_matches(['+', '-', ' ']);
    word.starts_with('\'')
        || word.parse::<f64>().is_ok()
        || matches!(word, "null" | "true" | "false" | "current_time" | "current_date" | "current_timestamp")
}

fn add_column(engine: Engine, table: &str, column: &Column) -> String {
    format!("ALTER TABLE {} ADD COLUMN {}", ident(table), define(engine, column))
}

fn alter_column(table: &str, from: &Column, to: &Column, out: &mut Vec<String>) {
    if from.generated != to.generated {
        out.push(format!("ALTER TABLE {} DROP COLUMN {}", ident(table), ident(&from.name)));
        out.push(add_column(Engine::Postgres, table, to));
        return;
    }
    let mut alter = |text: String| {
        out.push(format!("ALTER TABLE {} ALTER COLUMN {} {text}", ident(table), ident(&to.name)));
    };
    let retyped = from.kind != to.kind || from.collation != to.collation;
    if from.default.is_some() && (retyped || to.default.is_none()) {
        alter("DROP DEFAULT".into());
    }
    match from.numbering.as_deref() {
        numbering if numbering == to.numbering.as_deref() => {}
        Some("serial") => alter("DROP DEFAULT".into()),
        Some(_) => alter("DROP IDENTITY".into()),
        None => {}
    }
    if retyped {
        let name = to.collation.as_ref();
        let collation = name.map_or_else(String::new, |name| format!(" COLLATE {}", ident(name)));
        // An explicit cast cuts what is too long; the assignment that needs none refuses it.
        let using = if family(&from.kind).is_some() && family(&from.kind) == family(&to.kind) {
            String::new()
        } else {
            format!(" USING {}::text::{}", ident(&to.name), to.kind)
        };
        alter(format!("TYPE {}{collation}{using}", to.kind));
    }
    if from.nullable != to.nullable {
        alter(if to.nullable { "DROP NOT NULL" } else { "SET NOT NULL" }.into());
    }
    if let Some(default) = &to.default
        && (retyped || from.default != to.default)
    {
        alter(format!("SET DEFAULT {default}"));
    }
    if from.numbering == to.numbering {
        return;
    }
    match to.numbering.as_deref() {
        Some("identity always") => alter("ADD GENERATED ALWAYS AS IDENTITY".into()),
        Some("identity by default") => alter("ADD GENERATED BY DEFAULT AS IDENTITY".into()),
        Some("serial") => {
            let sequence = ident(&format!("{table}_{}_seq", to.name));
            alter(format!("SET DEFAULT nextval('{sequence}')"));
            let at = out.len().saturating_sub(1);
            out.insert(at, format!("CREATE SEQUENCE {sequence} AS {}", to.kind));
            out.push(format!("ALTER SEQUENCE {sequence} OWNED BY {}.{}", ident(table), ident(&to.name)));
        }
        _ => {}
    }
}

/// Types that PostgreSQL turns into one another by assignment.
fn family(kind: &str) -> Option<&'static str> {
    match kind.split('(').next().unwrap_or_default() {
        "text" | "character varying" | "character" => Some("text"),
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => Some("number"),
        _ => None,
    }
}

fn add_constraint(table: &str, constraint: &Constraint) -> String {
    format!("ALTER TABLE {} ADD {}", ident(table), clause(constraint))
}

fn drop_constraint(table: &str, constraint: &Constraint) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT {}", ident(table), ident(&constraint.name))
}

fn create_index(table: &str, index: &Index) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!("CREATE {unique}INDEX {} ON {} {}", ident(&index.name), ident(table), index.definition)
}
