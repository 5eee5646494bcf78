//! The changes between two schemas. Renames are not guessed: they appear as a drop and an addition.

use std::fmt;

use super::{
    Column, Constraint, ConstraintKind, Index, Object, Schema, Table,
    objects::{describe_change, object_changes},
};

/// One change from the existing schema to the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A table is missing.
    CreateTable(Table),
    /// A table is not wanted.
    DropTable(Table),
    /// A column is missing.
    AddColumn(String, Column),
    /// A column is not wanted.
    DropColumn(String, Column),
    /// A column differs from the wanted one.
    AlterColumn {
        /// The table.
        table: String,
        /// The existing column.
        from: Column,
        /// The wanted column.
        to: Column,
    },
    /// A constraint is missing.
    AddConstraint(String, Constraint),
    /// A constraint is not wanted.
    DropConstraint(String, Constraint),
    /// An index is missing.
    CreateIndex(String, Index),
    /// An index is not wanted.
    DropIndex(String, Index),
    /// A trigger, a rule or an option of the table is missing.
    AddObject(String, Object),
    /// A trigger, a rule or an option of the table is not wanted.
    DropObject(String, Object),
    /// A trigger, a rule or a sequence differs from the wanted one.
    AlterObject {
        /// The table.
        table: String,
        /// The existing object.
        from: Object,
        /// The wanted object.
        to: Object,
    },
}

impl Change {
    /// Whether this change may lose data.
    pub fn destructive(&self) -> bool {
        match self {
            Self::DropTable(_) | Self::DropColumn(..) => true,
            Self::AlterColumn { from, to, .. } => {
                from.data_type != to.data_type || from.generated != to.generated
            }
            _ => false,
        }
    }

    /// The table that it belongs to.
    pub fn table(&self) -> &str {
        match self {
            Self::CreateTable(table) | Self::DropTable(table) => &table.name,
            Self::AlterColumn { table, .. }
            | Self::AlterObject { table, .. }
            | Self::AddObject(table, _)
            | Self::DropObject(table, _)
            | Self::AddColumn(table, _)
            | Self::DropColumn(table, _)
            | Self::AddConstraint(table, _)
            | Self::DropConstraint(table, _)
            | Self::CreateIndex(table, _)
            | Self::DropIndex(table, _) => table,
        }
    }

    /// `+` for an addition, `-` for a removal, `~` for an alteration.
    pub fn sign(&self) -> char {
        match self {
            Self::CreateTable(_)
            | Self::AddColumn(..)
            | Self::AddConstraint(..)
            | Self::CreateIndex(..)
            | Self::AddObject(..) => '+',
            Self::DropTable(_)
            | Self::DropColumn(..)
            | Self::DropConstraint(..)
            | Self::DropIndex(..)
            | Self::DropObject(..) => '-',
            Self::AlterColumn { .. } | Self::AlterObject { .. } => '~',
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTable(table) => write!(f, "table {} is missing", table.name),
            Self::DropTable(table) => write!(f, "table {} is not expected", table.name),
            Self::AddColumn(table, column) => {
                write!(f, "column {table}.{} ({column}) is missing", column.name)
            }
            Self::DropColumn(table, column) => {
                write!(f, "column {table}.{} ({column}) is not expected", column.name)
            }
            Self::AlterColumn { table, from, to } => {
                write!(f, "column {table}.{} is {from}, expected {to}", from.name)
            }
            Self::AddConstraint(table, constraint) => {
                write!(f, "constraint {constraint} on {table} is missing")
            }
            Self::DropConstraint(table, constraint) => {
                write!(f, "constraint {constraint} on {table} is not expected")
            }
            Self::CreateIndex(table, index) => write!(f, "index {index} on {table} is missing"),
            Self::DropIndex(table, index) => write!(f, "index {index} on {table} is not expected"),
            Self::AddObject(table, object) => write!(f, "{object} on {table} is missing"),
            Self::DropObject(table, object) => write!(f, "{object} on {table} is not expected"),
            Self::AlterObject { table, from, to } => describe_change(f, table, from, to),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.data_type)?;
        if let Some(collation) = &self.collation {
            write!(f, " collate {collation}")?;
        }
        if !self.nullable {
            write!(f, " not null")?;
        }
        if let Some(default) = &self.default {
            write!(f, " default {default}")?;
        }
        if let Some(generated) = &self.generated {
            write!(f, " generated as {generated}")?;
        }
        if let Some(auto_increment) = &self.auto_increment {
            write!(f, " {auto_increment}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            write!(f, "{}", self.definition)
        } else {
            write!(f, "{} {}", self.name, self.definition)
        }
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} {}", if self.unique { "unique " } else { "" }, self.name, self.definition)
    }
}

/// The changes that turn `have` into `want`. Objects are compared only if both schemas have theirs.
pub fn changes(have: &Schema, want: &Schema) -> Vec<Change> {
    let mut steps = Vec::new();
    for (name, table) in &want.tables {
        match have.tables.get(name) {
            None => steps.push(Change::CreateTable(table.clone())),
            Some(old) => {
                table_changes(old, table, &mut steps);
                if !have.without_objects && !want.without_objects {
                    object_changes(old, table, &mut steps);
                }
            }
        }
    }
    for (name, table) in &have.tables {
        if !want.tables.contains_key(name) {
            steps.push(Change::DropTable(table.clone()));
        }
    }
    steps
}

fn table_changes(have: &Table, want: &Table, steps: &mut Vec<Change>) {
    let name = &want.name;
    for column in &want.columns {
        match have.columns.iter().find(|old| old.name == column.name) {
            None => steps.push(Change::AddColumn(name.clone(), column.clone())),
            Some(old) if old != column => {
                steps.push(Change::AlterColumn {
                    table: name.clone(),
                    from: old.clone(),
                    to: column.clone(),
                });
            }
            Some(_) => {}
        }
    }
    for column in &have.columns {
        if want.columns.iter().all(|new| new.name != column.name) {
            steps.push(Change::DropColumn(name.clone(), column.clone()));
        }
    }
    let has_constraint = |table: &Table, constraint: &Constraint| {
        table.constraints.contains(constraint)
            || table.indexes.iter().any(|index| is_same_key(constraint, index))
    };
    for constraint in want.constraints.iter().filter(|constraint| !has_constraint(have, constraint)) {
        steps.push(Change::AddConstraint(name.clone(), constraint.clone()));
    }
    for constraint in have.constraints.iter().filter(|constraint| !has_constraint(want, constraint)) {
        steps.push(Change::DropConstraint(name.clone(), constraint.clone()));
    }
    let has_index = |table: &Table, index: &Index| {
        table.indexes.contains(index)
            || table.constraints.iter().any(|constraint| is_same_key(constraint, index))
    };
    for index in want.indexes.iter().filter(|index| !has_index(have, index)) {
        steps.push(Change::CreateIndex(name.clone(), index.clone()));
    }
    for index in have.indexes.iter().filter(|index| !has_index(want, index)) {
        steps.push(Change::DropIndex(name.clone(), index.clone()));
    }
}

/// Whether a UNIQUE constraint and a unique index are equivalent: they are on the same columns, without
/// predicate. If the constraint has a name, the index must have the same name, because a migration's `down`
/// drops it by name.
fn is_same_key(constraint: &Constraint, index: &Index) -> bool {
    let columns = |text: &str| text.replace('"', "").to_lowercase();
    let Some(key) = constraint.definition.strip_prefix("UNIQUE ") else { return false };
    let index_columns = index.definition.strip_prefix("USING btree ").unwrap_or(&index.definition);
    index.unique
        && constraint.kind == ConstraintKind::Unique
        && (constraint.name.is_empty() || constraint.name == index.name)
        && columns(key) == columns(index_columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(unique: bool, definition: &str) -> Index {
        Index { name: "users_email_key".into(), unique, definition: definition.into() }
    }

    #[test]
    fn a_unique_index_is_equivalent_to_the_constraint_of_the_same_name() {
        let constraint = |name: &str| Constraint {
            name: name.into(),
            kind: ConstraintKind::Unique,
            definition: "UNIQUE (email)".into(),
        };
        assert!(is_same_key(&constraint("users_email_key"), &index(true, "USING btree (email)")));
        assert!(is_same_key(&constraint(""), &index(true, "(\"email\")")));
        assert!(!is_same_key(&constraint("other"), &index(true, "USING btree (email)")));
        assert!(!is_same_key(&constraint(""), &index(false, "(email)")));
        assert!(!is_same_key(&constraint(""), &index(true, "(email) where active")));
    }
}
