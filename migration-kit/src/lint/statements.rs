//! Reads PostgreSQL statements for dangerous steps.

use std::collections::BTreeSet;

use super::{
    ADD_NOT_NULL, BLOCKING_DROP, BLOCKING_INDEX, DROP_FOREIGN_KEY, DROP_TABLE, Danger, RENAME_COLUMN,
    RENAME_TABLE, REWRITE, add_unique, drop_column, kind_of, narrowed, set_not_null,
};
use crate::{
    catalogue::Schema,
    sql::{Token, items, normal, tokens},
};

/// What is dangerous in the statements of one migration, given the schema before it. Tables made by the migration
/// itself hold no rows and have no readers, so nothing about them is.
pub(super) fn dangers(statements: &[String], before: &Schema) -> Vec<Danger> {
    let mut new = BTreeSet::new();
    let mut found = Vec::new();
    for statement in statements {
        let tokens = tokens(statement);
        let mut rest = Words(&tokens);
        if rest.take(&["create", "table"]) {
            rest.take(&["if", "not", "exists"]);
            new.extend(rest.name());
        } else if rest.take(&["drop", "table"]) {
            rest.take(&["if", "exists"]);
            found.extend(
                rest.name()
                    .filter(|name| !new.contains(name))
                    .map(|name| (DROP_TABLE, format!("table {name} is dropped"))),
            );
        } else if rest.take(&["drop", "index"]) {
            if !rest.take(&["concurrently"]) {
                rest.take(&["if", "exists"]);
                let name = rest.name().unwrap_or_default();
                found.push((BLOCKING_DROP, format!("index {name} is dropped without CONCURRENTLY")));
            }
        } else if rest.take(&["create"]) {
            index(rest, &new, &mut found);
        } else if rest.take(&["alter", "table"]) {
            rest.take(&["if", "exists"]);
            rest.take(&["only"]);
            let Some(table) = rest.name().filter(|name| !new.contains(name)) else { continue };
            for action in items(rest.0) {
                alter(&table, Words(action), before, &mut found);
            }
        }
    }
    found
}

fn index(mut rest: Words<'_>, new: &BTreeSet<String>, found: &mut Vec<Danger>) {
    let unique = rest.take(&["unique"]);
    if !rest.take(&["index"]) {
        return;
    }
    let concurrently = rest.take(&["concurrently"]);
    rest.take(&["if", "not", "exists"]);
    let name = rest.name().unwrap_or_default();
    rest.take(&["on"]);
    let Some(table) = rest.name().filter(|table| !new.contains(table)) else { return };
    if unique {
        found.push(add_unique(&table, &name));
    }
    if !concurrently {
        found.push((BLOCKING_INDEX, format!("index {name} on {table} is built without CONCURRENTLY")));
    }
}

fn alter(table: &str, mut rest: Words<'_>, before: &Schema, found: &mut Vec<Danger>) {
    if rest.take(&["rename"]) {
        if rest.take(&["to"]) {
            found.push((RENAME_TABLE, format!("table {table} is renamed")));
        } else if !rest.take(&["constraint"]) {
            rest.take(&["column"]);
            let column = rest.name().unwrap_or_default();
            found.push((RENAME_COLUMN, format!("column {table}.{column} is renamed")));
        }
    } else if rest.take(&["add"]) {
        let constraint =
            ["constraint", "unique", "primary", "foreign", "check"].iter().any(|word| rest.at(word));
        if rest.holds(&["unique"]) || rest.holds(&["primary", "key"]) {
            found.push(add_unique(table, &normal(rest.0)));
        }
        if !constraint {
            rest.take(&["column"]);
            rest.take(&["if", "not", "exists"]);
            let column = rest.name().unwrap_or_default();
            let filled =
                ["default", "generated", "serial", "bigserial"].iter().any(|word| rest.holds(&[word]));
            if rest.holds(&["not", "null"]) && !filled {
                found.push((ADD_NOT_NULL, format!("column {table}.{column} is NOT NULL and has no default")));
            }
        }
    } else if rest.take(&["drop"]) {
        if rest.take(&["constraint"]) {
            rest.take(&["if", "exists"]);
            let name = rest.name().unwrap_or_default();
            found.push((DROP_FOREIGN_KEY, format!("constraint {name} of {table} is dropped")));
        } else {
            rest.take(&["column"]);
            rest.take(&["if", "exists"]);
            found.push(drop_column(table, &rest.name().unwrap_or_default()));
        }
    } else if rest.take(&["alter"]) {
        rest.take(&["column"]);
        let column = rest.name().unwrap_or_default();
        if rest.take(&["set", "not", "null"]) {
            found.push(set_not_null(table, &column));
        } else if rest.take(&["type"]) || rest.take(&["set", "data", "type"]) {
            let end = rest.0.iter().position(|token| token.is("using") || token.is("collate"));
            let kind =
                normal(rest.0.get(..end.unwrap_or(rest.0.len())).unwrap_or_default()).replace(" (", "(");
            found.push((REWRITE, format!("column {table}.{column} becomes {kind}")));
            let from = kind_of(before, table, &column);
            found.extend(from.and_then(|from| narrowed(table, &column, from, &kind)));
        }
    }
}

/// The tokens not yet read.
struct Words<'a>(&'a [Token]);

impl Words<'_> {
    fn take(&mut self, words: &[&str]) -> bool {
        let there =
            words.iter().enumerate().all(|(at, word)| self.0.get(at).is_some_and(|token| token.is(word)));
        if there {
            self.0 = self.0.get(words.len()..).unwrap_or_default();
        }
        there
    }

    fn at(&self, word: &str) -> bool {
        self.0.first().is_some_and(|token| token.is(word))
    }

    fn holds(&self, words: &[&str]) -> bool {
        self.0.windows(words.len()).any(|window| window.iter().zip(words).all(|(token, word)| token.is(word)))
    }

    /// The next name; the last part of a qualified one.
    fn name(&mut self) -> Option<String> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        if self.0.first() == Some(&Token::Sign('.')) {
            self.0 = self.0.get(1..).unwrap_or_default();
            return self.name();
        }
        first.name().map(|name| name.rsplit('.').next().unwrap_or(name).to_owned())
    }
}
