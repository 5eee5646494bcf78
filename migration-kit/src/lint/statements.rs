//! Finds dangerous steps in PostgreSQL statements.

use std::collections::BTreeSet;

use super::{
    ADD_NOT_NULL, BLOCKING_DROP, BLOCKING_INDEX, DROP_FOREIGN_KEY, DROP_TABLE, RENAME_COLUMN, RENAME_TABLE,
    REWRITE, Risk, add_unique, column_type, drop_column, narrowed, set_not_null,
};
use crate::{
    catalogue::Schema,
    sql::{Token, normalize, split_at_commas, tokenize},
};

/// The dangerous steps of one migration, given the schema before it. Steps on tables that the migration
/// itself creates are not dangerous: such tables have neither rows nor readers.
pub(super) fn risks(statements: &[String], before: &Schema) -> Vec<Risk> {
    let mut new = BTreeSet::new();
    let mut found = Vec::new();
    for statement in statements {
        let tokens = tokenize(statement);
        let mut rest = Cursor(&tokens);
        if rest.accept(&["create", "table"]) {
            rest.accept(&["if", "not", "exists"]);
            new.extend(rest.identifier());
        } else if rest.accept(&["drop", "table"]) {
            rest.accept(&["if", "exists"]);
            found.extend(
                rest.identifier()
                    .filter(|name| !new.contains(name))
                    .map(|name| (DROP_TABLE, format!("table {name} is dropped"))),
            );
        } else if rest.accept(&["drop", "index"]) {
            if !rest.accept(&["concurrently"]) {
                rest.accept(&["if", "exists"]);
                let name = rest.identifier().unwrap_or_default();
                found.push((BLOCKING_DROP, format!("index {name} is dropped without CONCURRENTLY")));
            }
        } else if rest.accept(&["create"]) {
            index(rest, &new, &mut found);
        } else if rest.accept(&["alter", "table"]) {
            rest.accept(&["if", "exists"]);
            rest.accept(&["only"]);
            let Some(table) = rest.identifier().filter(|name| !new.contains(name)) else { continue };
            for action in split_at_commas(rest.0) {
                alter(&table, Cursor(action), before, &mut found);
            }
        }
    }
    found
}

fn index(mut rest: Cursor<'_>, new: &BTreeSet<String>, found: &mut Vec<Risk>) {
    let unique = rest.accept(&["unique"]);
    if !rest.accept(&["index"]) {
        return;
    }
    let concurrently = rest.accept(&["concurrently"]);
    rest.accept(&["if", "not", "exists"]);
    let name = rest.identifier().unwrap_or_default();
    rest.accept(&["on"]);
    let Some(table) = rest.identifier().filter(|table| !new.contains(table)) else { return };
    if unique {
        found.push(add_unique(&table, &name));
    }
    if !concurrently {
        found.push((BLOCKING_INDEX, format!("index {name} on {table} is built without CONCURRENTLY")));
    }
}

fn alter(table: &str, mut rest: Cursor<'_>, before: &Schema, found: &mut Vec<Risk>) {
    if rest.accept(&["rename"]) {
        if rest.accept(&["to"]) {
            found.push((RENAME_TABLE, format!("table {table} is renamed")));
        } else if !rest.accept(&["constraint"]) {
            rest.accept(&["column"]);
            let column = rest.identifier().unwrap_or_default();
            found.push((RENAME_COLUMN, format!("column {table}.{column} is renamed")));
        }
    } else if rest.accept(&["add"]) {
        let constraint =
            ["constraint", "unique", "primary", "foreign", "check"].iter().any(|word| rest.starts_with(word));
        if rest.contains(&["unique"]) || rest.contains(&["primary", "key"]) {
            found.push(add_unique(table, &normalize(rest.0)));
        }
        if !constraint {
            rest.accept(&["column"]);
            rest.accept(&["if", "not", "exists"]);
            let column = rest.identifier().unwrap_or_default();
            let has_value =
                ["default", "generated", "serial", "bigserial"].iter().any(|word| rest.contains(&[word]));
            if rest.contains(&["not", "null"]) && !has_value {
                found.push((ADD_NOT_NULL, format!("column {table}.{column} is NOT NULL and has no default")));
            }
        }
    } else if rest.accept(&["drop"]) {
        if rest.accept(&["constraint"]) {
            rest.accept(&["if", "exists"]);
            let name = rest.identifier().unwrap_or_default();
            found.push((DROP_FOREIGN_KEY, format!("constraint {name} of {table} is dropped")));
        } else {
            rest.accept(&["column"]);
            rest.accept(&["if", "exists"]);
            found.push(drop_column(table, &rest.identifier().unwrap_or_default()));
        }
    } else if rest.accept(&["alter"]) {
        rest.accept(&["column"]);
        let column = rest.identifier().unwrap_or_default();
        if rest.accept(&["set", "not", "null"]) {
            found.push(set_not_null(table, &column));
        } else if rest.accept(&["type"]) || rest.accept(&["set", "data", "type"]) {
            let end = rest.0.iter().position(|token| token.is("using") || token.is("collate"));
            let data_type =
                normalize(rest.0.get(..end.unwrap_or(rest.0.len())).unwrap_or_default()).replace(" (", "(");
            found.push((REWRITE, format!("the type of column {table}.{column} becomes {data_type}")));
            let from = column_type(before, table, &column);
            found.extend(from.and_then(|from| narrowed(table, &column, from, &data_type)));
        }
    }
}

/// The tokens that have not been read yet.
struct Cursor<'a>(&'a [Token]);

impl Cursor<'_> {
    fn accept(&mut self, words: &[&str]) -> bool {
        let matches =
            words.iter().enumerate().all(|(at, word)| self.0.get(at).is_some_and(|token| token.is(word)));
        if matches {
            self.0 = self.0.get(words.len()..).unwrap_or_default();
        }
        matches
    }

    fn starts_with(&self, word: &str) -> bool {
        self.0.first().is_some_and(|token| token.is(word))
    }

    fn contains(&self, words: &[&str]) -> bool {
        self.0.windows(words.len()).any(|window| window.iter().zip(words).all(|(token, word)| token.is(word)))
    }

    /// Reads an identifier; of a qualified one returns the last part.
    fn identifier(&mut self) -> Option<String> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        if self.0.first() == Some(&Token::Symbol('.')) {
            self.0 = self.0.get(1..).unwrap_or_default();
            return self.identifier();
        }
        first.name().map(|name| name.rsplit('.').next().unwrap_or(name).to_owned())
    }
}
