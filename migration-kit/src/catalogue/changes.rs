//! What separates two schemas. Renames are never guessed: one name gone and one come is a drop and an addition.

use std::fmt;

use super::{Column, Constraint, Index, Kind, Schema, Table};

/// One step from the schema at hand to the schema wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A table is missing.
    CreateTable(Table),
    /// A table is too many.
    DropTable(Table),
    /// A column is missing.
    AddColumn(String, Column),
    /// A column is too many.
    DropColumn(String, Column),
    /// A column is another than wanted.
    AlterColumn {
        /// Of this table.
        table: String,
        /// As it is.
        from: Column,
        /// As it should be.
        to: Column,
    },
    /// A constraint is missing.
    AddConstraint(String, Constraint),
    /// A constraint is too many.
    DropConstraint(String, Constraint),
    /// An index is missing.
    CreateIndex(String, Index),
    /// An index is too many.
    DropIndex(String, Index),
}

impl Change {
    /// Whether taking this step may lose data.
    pub fn destructive(&self) -> bool {
        match self {
            Self::DropTable(_) | Self::DropColumn(..) => true,
            Self::AlterColumn { from, to, .. } => from.kind != to.kind || from.generated != to.generated,
            _ => false,
        }
    }

    /// The table it concerns.
    pub fn table(&self) -> &str {
        match self {
            Self::CreateTable(table) | Self::DropTable(table) => &table.name,
            Self::AlterColumn { table, .. }
            | Self::AddColumn(table, _)
            | Self::DropColumn(table, _)
            | Self::AddConstraint(table, _)
            | Self::DropConstraint(table, _)
            | Self::CreateIndex(table, _)
            | Self::DropIndex(table, _) => table,
        }
    }

    /// `+` for what is to come, `-` for what is to go, `~` for what is to change.
    pub fn sign(&self) -> char {
        match self {
            Self::CreateTable(_) | Self::AddColumn(..) | Self::AddConstraint(..) | Self::CreateIndex(..) => {
                '+'
            }
            Self::DropTable(_) | Self::DropColumn(..) | Self::DropConstraint(..) | Self::DropIndex(..) => '-',
            Self::AlterColumn { .. } => '~',
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
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
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
        if let Some(numbering) = &self.numbering {
            write!(f, " {numbering}")?;
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

/// The steps from `have` to `want`.
pub fn changes(have: &Schema, want: &Schema) -> Vec<Change> {
    let mut steps = Vec::new();
    for (name, table) in &want.tables {
        match have.tables.get(name) {
            None => steps.push(Change::CreateTable(table.clone())),
            Some(old) => inside(old, table, &mut steps),
        }
    }
    for (name, table) in &have.tables {
        if !want.tables.contains_key(name) {
            steps.push(Change::DropTable(table.clone()));
        }
    }
    steps
}

fn inside(have: &Table, want: &Table, steps: &mut Vec<Change>) {
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
    let stands = |table: &Table, constraint: &Constraint| {
        table.constraints.contains(constraint)
            || table.indexes.iter().any(|index| same_key(constraint, index))
    };
    for constraint in want.constraints.iter().filter(|constraint| !stands(have, constraint)) {
        steps.push(Change::AddConstraint(name.clone(), constraint.clone()));
    }
    for constraint in have.constraints.iter().filter(|constraint| !stands(want, constraint)) {
        steps.push(Change::DropConstraint(name.clone(), constraint.clone()));
    }
    let stands = |table: &Table, index: &Index| {
        table.indexes.contains(index)
            || table.constraints.iter().any(|constraint| same_key(constraint, index))
    };
    for index in want.indexes.iter().filter(|index| !stands(have, index)) {
        steps.push(Change::CreateIndex(name.clone(), index.clone()));
    }
    for index in have.indexes.iter().filter(|index| !stands(want, index)) {
        steps.push(Change::DropIndex(name.clone(), index.clone()));
    }
}

/// A UNIQUE constraint and a unique index on the same plain columns forbid the same rows. Where the constraint has a
/// name, the index must bear it: a migration's `down` drops by name.
fn same_key(constraint: &Constraint, index: &Index) -> bool {
    let columns = |text: &str| text.replace('"', "").to_lowercase();
    let Some(key) = constraint.definition.strip_prefix("UNIQUE ") else { return false };
    let of_index = index.definition.strip_prefix("USING btree ").unwrap_or(&index.definition);
    index.unique
        && constraint.kind == Kind::Unique
        && (constraint.name.is_empty() || constraint.name == index.name)
        && columns(key) == columns(of_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(unique: bool, definition: &str) -> Index {
        Index { name: "users_email_key".into(), unique, definition: definition.into() }
    }

    #[test]
    fn a_unique_index_is_as_good_as_the_constraint_of_its_name() {
        let constraint = |name: &str| Constraint {
            name: name.into(),
            kind: Kind::Unique,
            definition: "UNIQUE (email)".into(),
        };
        assert!(same_key(&constraint("users_email_key"), &index(true, "USING btree (email)")));
        assert!(same_key(&constraint(""), &index(true, "(\"email\")")));
        assert!(!same_key(&constraint("other"), &index(true, "USING btree (email)")));
        assert!(!same_key(&constraint(""), &index(false, "(email)")));
        assert!(!same_key(&constraint(""), &index(true, "(email) where active")));
    }
}
