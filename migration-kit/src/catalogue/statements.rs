//! Renders changes as SQL statements in an executable order.

use std::collections::BTreeSet;

use super::{Change, Column, Constraint, ConstraintKind, Index, Object, ObjectKind, Schema, Table, changes};
use crate::{
    Engine,
    engine::{ident, literal},
};

/// The statements that turn `have` into `want` on `engine`. On SQLite a table whose columns or constraints
/// change is rebuilt, which needs foreign keys switched off before the transaction starts. Its triggers are
/// created again.
pub fn statements(engine: Engine, have: &Schema, want: &Schema) -> Vec<String> {
    let steps = changes(have, want);
    match engine {
        Engine::Postgres => postgres(&steps),
        Engine::Sqlite => sqlite(&steps, have, want),
    }
}

fn postgres(steps: &[Change]) -> Vec<String> {
    let mut out = drop_objects(Engine::Postgres, steps);
    // In order of dependency: drop objects, foreign keys, then tables, indexes and other constraints; change
    // tables and columns; add indexes and other constraints, then foreign keys, then objects.
    for step in steps {
        match step {
            Change::DropConstraint(table, c) if c.kind == ConstraintKind::Foreign => {
                out.push(drop_constraint(table, c));
            }
            Change::DropTable(table) => out.extend(
                table
                    .constraints
                    .iter()
                    .filter(|c| c.kind == ConstraintKind::Foreign)
                    .map(|c| drop_constraint(&table.name, c)),
            ),
            _ => {}
        }
    }
    for step in steps {
        match step {
            Change::DropIndex(_, index) => out.push(format!("DROP INDEX {}", ident(&index.name))),
            Change::DropConstraint(table, c) if c.kind != ConstraintKind::Foreign => {
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
            Change::AddConstraint(table, c) if c.kind != ConstraintKind::Foreign => {
                out.push(add_constraint(table, c));
            }
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
                    .filter(|c| c.kind == ConstraintKind::Foreign)
                    .map(|c| add_constraint(&table.name, c)),
            ),
            Change::AddConstraint(table, c) if c.kind == ConstraintKind::Foreign => {
                out.push(add_constraint(table, c));
            }
            _ => {}
        }
    }
    out.extend(create_objects(steps));
    out
}

fn drop_objects(engine: Engine, steps: &[Change]) -> Vec<String> {
    let drop = |step: &Change| match step {
        Change::DropObject(table, object) | Change::AlterObject { table, from: object, .. } => {
            object.drop(table, engine)
        }
        _ => Vec::new(),
    };
    steps.iter().flat_map(drop).collect()
}

fn create_objects(steps: &[Change]) -> Vec<String> {
    let create = |step: &Change| match step {
        Change::CreateTable(table) => {
            table.objects.iter().flat_map(|object| object.create(&table.name)).collect()
        }
        Change::AlterObject { table, to, .. } if to.kind == ObjectKind::Sequence => {
            vec![alter_sequence(table, to)]
        }
        Change::AddObject(table, object) | Change::AlterObject { table, to: object, .. } => {
            object.create(table)
        }
        _ => Vec::new(),
    };
    steps.iter().flat_map(create).collect()
}

fn sqlite(steps: &[Change], have: &Schema, want: &Schema) -> Vec<String> {
    let rebuilt: BTreeSet<&str> = steps
        .iter()
        .filter(|step| match step {
            Change::AddColumn(_, column) => !can_be_added(column),
            Change::DropColumn(..)
            | Change::AlterColumn { .. }
            | Change::AddConstraint(..)
            | Change::DropConstraint(..) => true,
            _ => false,
        })
        .map(Change::table)
        .collect();
    let in_place: Vec<_> = steps.iter().filter(|step| !rebuilt.contains(step.table())).cloned().collect();
    let mut out = drop_objects(Engine::Sqlite, &in_place);
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
    out.extend(create_objects(&in_place));
    for table in rebuilt.iter().filter_map(|name| want.tables.get(*name)) {
        out.extend(table.objects.iter().flat_map(|object| object.create(&table.name)));
    }
    out
}

/// Whether SQLite's ADD COLUMN accepts the column on a table that has rows.
fn can_be_added(column: &Column) -> bool {
    let stored = column.generated.as_ref().is_some_and(|text| text.ends_with("stored"));
    let constant =
        column.default.as_ref().is_none_or(|text| !text.starts_with('(') && !text.starts_with("current_"));
    !stored && constant && (column.nullable || column.default.is_some())
}

/// The procedure from SQLite's manual for changes that ALTER TABLE does not support.
fn rebuild(old: &Table, new: &Table, out: &mut Vec<String>) {
    let temporary = format!("_new_{}", new.name);
    out.push(create_table(Engine::Sqlite, new, &temporary));
    let common: Vec<_> = new
        .columns
        .iter()
        .filter(|column| column.generated.is_none() && old.columns.iter().any(|old| old.name == column.name))
        .map(|column| ident(&column.name))
        .collect();
    if !common.is_empty() {
        let common = common.join(", ");
        out.push(format!(
            "INSERT INTO {} ({common}) SELECT {common} FROM {}",
            ident(&temporary),
            ident(&old.name)
        ));
    }
    if numbered(old) && numbered(new) {
        // Otherwise the numbers of deleted rows would be given again.
        let (old, new) = (literal(&old.name), literal(&temporary));
        out.push(format!("DELETE FROM sqlite_sequence WHERE name = {new}"));
        out.push(format!(
            "INSERT INTO sqlite_sequence (name, seq) SELECT {new}, seq FROM sqlite_sequence WHERE name = {old}"
        ));
    }
    out.push(format!("DROP TABLE {}", ident(&old.name)));
    out.push(format!("ALTER TABLE {} RENAME TO {}", ident(&temporary), ident(&new.name)));
    out.extend(new.indexes.iter().map(|index| create_index(&new.name, index)));
}

fn create_table(engine: Engine, table: &Table, name: &str) -> String {
    let mut lines: Vec<_> = table.columns.iter().map(|column| column_definition(engine, column)).collect();
    let numbered = numbered(table);
    for constraint in &table.constraints {
        let inline = match constraint.kind {
            ConstraintKind::Foreign => engine == Engine::Sqlite,
            ConstraintKind::Primary => !numbered,
            ConstraintKind::Unique | ConstraintKind::Check => true,
        };
        if inline {
            lines.push(constraint_clause(constraint));
        }
    }
    let options = if table.options.is_empty() { String::new() } else { format!(" {}", table.options) };
    format!("CREATE TABLE {} (\n  {}\n){options}", ident(name), lines.join(",\n  "))
}

fn numbered(table: &Table) -> bool {
    table.columns.iter().any(|column| column.auto_increment.as_deref() == Some("autoincrement"))
}

fn constraint_clause(constraint: &Constraint) -> String {
    if constraint.name.is_empty() {
        constraint.definition.clone()
    } else {
        format!("CONSTRAINT {} {}", ident(&constraint.name), constraint.definition)
    }
}

fn column_definition(engine: Engine, column: &Column) -> String {
    let auto_increment = column.auto_increment.as_deref();
    let data_type = match (auto_increment, column.data_type.as_str()) {
        (Some("serial"), "bigint") => "bigserial",
        (Some("serial"), "smallint") => "smallserial",
        (Some("serial"), _) => "serial",
        (_, data_type) => data_type,
    };
    let mut parts = vec![ident(&column.name), data_type.to_owned()];
    if let Some(collation) = &column.collation {
        parts.push(format!("COLLATE {}", ident(collation)));
    }
    if !column.nullable {
        parts.push("NOT NULL".to_owned());
    }
    match auto_increment {
        Some("identity always") => parts.push("GENERATED ALWAYS AS IDENTITY".to_owned()),
        Some("identity by default") => parts.push("GENERATED BY DEFAULT AS IDENTITY".to_owned()),
        Some("autoincrement") => parts.push("PRIMARY KEY AUTOINCREMENT".to_owned()),
        _ => {}
    }
    if let Some(default) = &column.default {
        parts.push(match engine {
            // SQLite requires parentheses around expressions.
            Engine::Sqlite if !is_literal(default) => format!("DEFAULT ({default})"),
            _ => format!("DEFAULT {default}"),
        });
    }
    if let Some(generated) = &column.generated {
        parts.push(format!("GENERATED ALWAYS AS {generated}"));
    }
    parts.join(" ")
}

fn is_literal(default: &str) -> bool {
    let word = default.trim_start_matches(['+', '-', ' ']);
    word.starts_with('\'')
        || word.parse::<f64>().is_ok()
        || matches!(word, "null" | "true" | "false" | "current_time" | "current_date" | "current_timestamp")
}

fn add_column(engine: Engine, table: &str, column: &Column) -> String {
    format!("ALTER TABLE {} ADD COLUMN {}", ident(table), column_definition(engine, column))
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
    let retyped = from.data_type != to.data_type || from.collation != to.collation;
    if from.default.is_some() && (retyped || to.default.is_none()) {
        alter("DROP DEFAULT".into());
    }
    match from.auto_increment.as_deref() {
        auto_increment if auto_increment == to.auto_increment.as_deref() => {}
        Some("serial") => alter("DROP DEFAULT".into()),
        Some(_) => alter("DROP IDENTITY".into()),
        None => {}
    }
    if retyped {
        let name = to.collation.as_ref();
        let collation = name.map_or_else(String::new, |name| format!(" COLLATE {}", ident(name)));
        // An explicit cast truncates text that is too long; the implicit assignment rejects it.
        let using = if type_family(&from.data_type).is_some()
            && type_family(&from.data_type) == type_family(&to.data_type)
        {
            String::new()
        } else {
            format!(" USING {}::text::{}", ident(&to.name), to.data_type)
        };
        alter(format!("TYPE {}{collation}{using}", to.data_type));
    }
    if from.nullable != to.nullable {
        alter(if to.nullable { "DROP NOT NULL" } else { "SET NOT NULL" }.into());
    }
    if let Some(default) = &to.default
        && (retyped || from.default != to.default)
    {
        alter(format!("SET DEFAULT {default}"));
    }
    if from.auto_increment == to.auto_increment {
        return;
    }
    if from.auto_increment.as_deref() == Some("serial") {
        // Otherwise a later sequence of the column would not be found by the column.
        let sequence = serial_sequence(table, &to.name);
        out.push(format!("DO $$ BEGIN EXECUTE 'DROP SEQUENCE ' || {sequence}; END $$"));
    }
    let altered =
        |text: &str| format!("ALTER TABLE {} ALTER COLUMN {} {text}", ident(table), ident(&to.name));
    match to.auto_increment.as_deref() {
        Some("identity always") => out.push(altered("ADD GENERATED ALWAYS AS IDENTITY")),
        Some("identity by default") => out.push(altered("ADD GENERATED BY DEFAULT AS IDENTITY")),
        Some("serial") => {
            let sequence = ident(&format!("{table}_{}_seq", to.name));
            out.push(format!("CREATE SEQUENCE {sequence} AS {}", to.data_type));
            out.push(altered(&format!("SET DEFAULT nextval('{sequence}')")));
            out.push(format!("ALTER SEQUENCE {sequence} OWNED BY {}.{}", ident(table), ident(&to.name)));
        }
        _ => return,
    }
    // The new sequence continues after the highest value of existing rows.
    out.push(format!(
        "SELECT setval({}, greatest(max({}), 0) + 1, false) FROM {}",
        serial_sequence(table, &to.name),
        ident(&to.name),
        ident(table)
    ));
}

/// An expression for the sequence of a column. It is found by the column, because its name may differ.
fn serial_sequence(table: &str, column: &str) -> String {
    format!("pg_get_serial_sequence({}, {})", literal(&ident(table)), literal(column))
}

/// The statement that gives the sequence of a column other bounds.
fn alter_sequence(table: &str, sequence: &Object) -> String {
    format!(
        "DO $$ BEGIN EXECUTE 'ALTER SEQUENCE ' || {} || ' {}'; END $$",
        serial_sequence(table, &sequence.name),
        sequence.definition
    )
}

/// The group of types among which PostgreSQL converts by assignment.
fn type_family(data_type: &str) -> Option<&'static str> {
    match data_type.split('(').next().unwrap_or_default() {
        "text" | "character varying" | "character" => Some("text"),
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => Some("number"),
        _ => None,
    }
}

fn add_constraint(table: &str, constraint: &Constraint) -> String {
    format!("ALTER TABLE {} ADD {}", ident(table), constraint_clause(constraint))
}

fn drop_constraint(table: &str, constraint: &Constraint) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT {}", ident(table), ident(&constraint.name))
}

fn create_index(table: &str, index: &Index) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!("CREATE {unique}INDEX {} ON {} {}", ident(&index.name), ident(table), index.definition)
}
