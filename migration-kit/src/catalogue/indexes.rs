//! Additional indexes that can make writes fail.

use super::{Index, Table};
use crate::sql::{Token, parenthesized, split_at_commas, tokenize};

/// The longest entry of a btree index in bytes, on PostgreSQL.
pub(crate) const LONGEST_ENTRY: usize = 2704;

/// A character has at most this many bytes in UTF-8.
const BYTES: usize = 4;

/// Functions whose results are short, whatever their argument.
const SHORTENING: [&str; 10] = [
    "md5",
    "sha224",
    "sha256",
    "left",
    "substr",
    "substring",
    "length",
    "char_length",
    "octet_length",
    "hashtext",
];

/// The column of `table` whose values may be too long for `index`, on PostgreSQL. Writing such a value fails.
pub(crate) fn long_column<'a>(table: &'a Table, index: &Index) -> Option<&'a str> {
    let definition = index.definition.strip_prefix("USING btree ")?;
    let tokens = tokenize(definition);
    let open = tokens.iter().position(|token| *token == Token::Symbol('('))?;
    let (keys, _) = parenthesized(&tokens, open)?;
    let long = |name: &str| {
        let column = table.columns.iter().find(|column| column.name == name)?;
        is_long(&column.data_type).then_some(column.name.as_str())
    };
    split_at_commas(keys)
        .into_iter()
        .filter(|key| key.first().and_then(Token::name).is_none_or(|name| !SHORTENING.contains(&name)))
        .find_map(|key| key.iter().filter_map(Token::name).find_map(long))
}

fn is_long(data_type: &str) -> bool {
    let length = data_type.strip_prefix("character varying");
    match (data_type, length) {
        ("text" | "bytea" | "jsonb", _) => true,
        (_, Some(length)) => length
            .trim_matches(['(', ')'])
            .parse()
            .map_or(true, |length: usize| length.saturating_mul(BYTES) > LONGEST_ENTRY),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Column;

    #[test]
    fn an_index_on_a_text_without_a_short_limit_is_recognised() {
        let column = |name: &str, data_type: &str| Column {
            name: name.into(),
            data_type: data_type.into(),
            ..Column::default()
        };
        let table = Table {
            columns: vec![
                column("id", "integer"),
                column("title", "character varying(200)"),
                column("summary", "character varying(700)"),
                column("slug", "character varying"),
                column("content", "text"),
            ],
            ..Table::default()
        };
        let found = |definition: &str| {
            long_column(&table, &Index { name: "i".into(), unique: false, definition: definition.into() })
        };
        for (definition, column) in [
            ("USING btree (content)", Some("content")),
            ("USING btree (id, lower(content) DESC)", Some("content")),
            ("USING btree (slug text_pattern_ops) WHERE id > 1", Some("slug")),
            ("USING btree (summary)", Some("summary")),
            ("USING btree (title)", None),
            ("USING btree (id) WHERE content <> ''::text", None),
            ("USING btree (md5(content))", None),
            ("USING btree (\"left\"(content, 100))", None),
            ("USING hash (content)", None),
            ("USING gin (to_tsvector('simple'::regconfig, content))", None),
        ] {
            assert_eq!(found(definition), column, "{definition}");
        }
    }
}
