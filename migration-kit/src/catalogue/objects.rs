//! What a table has in addition to columns, constraints and indexes: triggers with their functions, rules, row
//! level security, storage without a log, and the bounds of its sequences.

use std::fmt;

use super::{Change, Table};
use crate::engine::ident;

/// One object or option of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The kind.
    pub kind: ObjectKind,
    /// Its name. For a sequence, the column that it numbers; empty for an option of the table.
    pub name: String,
    /// What it does, as the database prints it.
    pub definition: String,
    /// When a trigger fires.
    pub firing: Firing,
    /// The definition of the function that a trigger calls; empty on SQLite.
    pub function: String,
}

/// The kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A trigger.
    Trigger,
    /// A rule, on PostgreSQL.
    Rule,
    /// Row level security: some roles do not see or cannot write all rows.
    RowSecurity,
    /// An unlogged table: a crash of PostgreSQL empties it.
    Unlogged,
    /// The sequence that numbers a column.
    Sequence,
}

/// When a trigger fires on PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firing {
    /// Except in sessions that apply the changes of another server (`session_replication_role`).
    #[default]
    Normally,
    /// In every session.
    Always,
    /// Only in sessions that apply the changes of another server.
    OnReplicas,
    /// Never.
    Disabled,
}

impl Firing {
    /// The value that `pg_trigger.tgenabled` contains.
    pub(super) fn from_catalogue(code: &str) -> Self {
        match code {
            "A" => Self::Always,
            "R" => Self::OnReplicas,
            "D" => Self::Disabled,
            _ => Self::Normally,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Normally => "enabled",
            Self::Always => "enabled always",
            Self::OnReplicas => "enabled on replicas only",
            Self::Disabled => "disabled",
        }
    }
}

impl Object {
    /// The statements that give it to `table`.
    pub(super) fn create(&self, table: &str) -> Vec<String> {
        let (table, name) = (ident(table), ident(&self.name));
        match self.kind {
            ObjectKind::Trigger => {
                let enable = match self.firing {
                    Firing::Normally => None,
                    Firing::Always => Some("ENABLE ALWAYS"),
                    Firing::OnReplicas => Some("ENABLE REPLICA"),
                    Firing::Disabled => Some("DISABLE"),
                };
                let enable = enable.map(|words| format!("ALTER TABLE {table} {words} TRIGGER {name}"));
                let function = Some(self.function.clone()).filter(|function| !function.is_empty());
                function.into_iter().chain([self.definition.clone()]).chain(enable).collect()
            }
            ObjectKind::Rule => vec![self.definition.clone()],
            ObjectKind::RowSecurity => self
                .definition
                .split(", ")
                .map(|word| format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY"))
                .collect(),
            ObjectKind::Unlogged => vec![format!("ALTER TABLE {table} SET UNLOGGED")],
            // The column creates it.
            ObjectKind::Sequence => Vec::new(),
        }
    }

    /// The statements that remove it from `table`. On PostgreSQL, a trigger's function remains: others may
    /// use it.
    pub(super) fn drop(&self, table: &str, engine: crate::Engine) -> Vec<String> {
        let (table, name) = (ident(table), ident(&self.name));
        let sql = match self.kind {
            ObjectKind::Trigger if engine == crate::Engine::Sqlite => format!("DROP TRIGGER {name}"),
            ObjectKind::Trigger => format!("DROP TRIGGER {name} ON {table}"),
            ObjectKind::Rule => format!("DROP RULE {name} ON {table}"),
            ObjectKind::RowSecurity => {
                format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
            }
            ObjectKind::Unlogged => format!("ALTER TABLE {table} SET LOGGED"),
            ObjectKind::Sequence => return Vec::new(),
        };
        vec![sql]
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ObjectKind::Trigger => write!(f, "trigger {}", self.name),
            ObjectKind::Rule => write!(f, "rule {}", self.name),
            ObjectKind::RowSecurity => write!(f, "row level security"),
            ObjectKind::Unlogged => write!(f, "UNLOGGED storage"),
            ObjectKind::Sequence => write!(f, "the sequence of column {}", self.name),
        }
    }
}

/// Writes how `from` differs from `to`.
pub(super) fn describe_change(
    f: &mut fmt::Formatter<'_>,
    table: &str,
    from: &Object,
    to: &Object,
) -> fmt::Result {
    write!(f, "{from} on {table} ")?;
    if from.kind == ObjectKind::Sequence {
        return write!(f, "has {}, expected {}", from.definition, to.definition);
    }
    if from.definition != to.definition {
        return write!(f, "is {}, expected {}", one_line(&from.definition), one_line(&to.definition));
    }
    if from.firing != to.firing {
        return write!(f, "is {}, expected {}", from.firing.words(), to.firing.words());
    }
    write!(f, "calls a function with another body than expected")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Adds what separates the objects of two tables.
pub(super) fn object_changes(have: &Table, want: &Table, steps: &mut Vec<Change>) {
    let table = &want.name;
    let same = |a: &Object, b: &Object| a.kind == b.kind && a.name == b.name;
    let is_sequence = |object: &Object| object.kind == ObjectKind::Sequence;
    for object in &want.objects {
        match have.objects.iter().find(|old| same(old, object)) {
            Some(old) if old != object => steps.push(Change::AlterObject {
                table: table.clone(),
                from: old.clone(),
                to: object.clone(),
            }),
            None if !is_sequence(object) => steps.push(Change::AddObject(table.clone(), object.clone())),
            _ => {}
        }
    }
    for object in &have.objects {
        // A disabled trigger does nothing.
        let ignored = is_sequence(object) || object.firing == Firing::Disabled;
        if !ignored && !want.objects.iter().any(|new| same(object, new)) {
            steps.push(Change::DropObject(table.clone(), object.clone()));
        }
    }
}
