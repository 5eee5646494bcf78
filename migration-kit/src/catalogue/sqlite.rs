//! Reads a schema from SQLite's pragmas, and from the CREATE statements what the pragmas do not report.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::{Column, Constraint, ConstraintKind, Firing, Index, Object, ObjectKind, Schema, Table};
use crate::{
    Error,
    engine::{ident, literal},
    sql::{Token, normalize, parenthesized, split_at_commas, tokenize},
};

pub(super) async fn load(db: &impl ConnectionTrait) -> Result<Schema, Error> {
    let mut schema = Schema::default();
    let sql =
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    for row in rows(db, sql).await? {
        let (name, sql): (String, String) = (row.try_get("", "name")?, row.try_get("", "sql")?);
        let table = table(db, &name, &sql).await?;
        schema.tables.insert(name, table);
    }
    let sql = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name";
    for row in rows(db, sql).await? {
        let trigger = Object {
            kind: ObjectKind::Trigger,
            name: row.try_get("", "name")?,
            definition: row.try_get("", "sql")?,
            firing: Firing::Normally,
            function: String::new(),
        };
        // A view has triggers too.
        if let Some(table) = schema.tables.get_mut(&row.try_get::<String>("", "tbl_name")?) {
            table.objects.push(trigger);
        }
    }
    Ok(schema)
}

async fn table(db: &impl ConnectionTrait, name: &str, sql: &str) -> Result<Table, Error> {
    let all = tokenize(sql);
    let open = all.iter().position(|token| *token == Token::Symbol('(')).unwrap_or(all.len());
    let (body, close) = parenthesized(&all, open).unwrap_or((&[], all.len()));
    let body = split_at_commas(body);
    let mut table = Table {
        name: name.to_owned(),
        options: normalize(all.get(close.saturating_add(1)..).unwrap_or_default()),
        ..Table::default()
    };

    let mut primary = Vec::new();
    for row in rows(db, &format!("SELECT * FROM pragma_table_xinfo({})", literal(name))).await? {
        let column = column(&row, &body)?;
        let position: i64 = row.try_get("", "pk")?;
        if position > 0 {
            primary.push((position, ident(&column.name)));
        }
        table.columns.push(column);
    }
    primary.sort();
    if !primary.is_empty() {
        let columns: Vec<_> = primary.into_iter().map(|(_, name)| name).collect();
        table
            .constraints
            .push(constraint(ConstraintKind::Primary, format!("PRIMARY KEY ({})", columns.join(", "))));
    }
    for check in body.iter().flat_map(|item| arguments_of(item, "check")) {
        table.constraints.push(constraint(ConstraintKind::Check, format!("CHECK ({check})")));
    }
    foreign_keys(db, &mut table).await?;
    indexes(db, &mut table).await?;
    table.constraints.sort_by(|a, b| (a.kind, &a.definition).cmp(&(b.kind, &b.definition)));
    Ok(table)
}

fn constraint(kind: ConstraintKind, definition: String) -> Constraint {
    Constraint { name: String::new(), kind, definition }
}

fn column(row: &QueryResult, body: &[&[Token]]) -> Result<Column, DbErr> {
    let name: String = row.try_get("", "name")?;
    let item = body.iter().find(|item| match item.first() {
        Some(Token::Name(own) | Token::Word(own)) => own.eq_ignore_ascii_case(&name),
        _ => false,
    });
    let item = item.copied().unwrap_or_default();
    let hidden: i64 = row.try_get("", "hidden")?;
    let storage = match hidden {
        2 => Some("virtual"),
        3 => Some("stored"),
        _ => None,
    };
    let expression = arguments_of(item, "as").into_iter().next().unwrap_or_default();
    let collation =
        item.iter().position(|token| token.is("collate")).and_then(|at| item.get(at.saturating_add(1)));
    let default: Option<String> = row.try_get("", "dflt_value")?;
    let data_type: String = row.try_get("", "type")?;
    Ok(Column {
        data_type: normalize(&tokenize(&data_type)).replace(" (", "("),
        nullable: row.try_get::<i64>("", "notnull")? == 0,
        default: default.map(|text| normalize(&tokenize(&text))),
        generated: storage.map(|storage| format!("({expression}) {storage}")),
        auto_increment: item
            .iter()
            .any(|token| token.is("autoincrement"))
            .then(|| "autoincrement".to_owned()),
        collation: collation.map(|token| normalize(std::slice::from_ref(token))),
        name,
    })
}

/// The contents of the parentheses after each occurrence of `word`.
fn arguments_of(item: &[Token], word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, token) in item.iter().enumerate() {
        let open = at.saturating_add(1);
        if token.is(word)
            && item.get(open) == Some(&Token::Symbol('('))
            && let Some((inside, _)) = parenthesized(item, open)
        {
            found.push(normalize(inside));
        }
    }
    found
}

async fn foreign_keys(db: &impl ConnectionTrait, table: &mut Table) -> Result<(), Error> {
    let sql = format!("SELECT * FROM pragma_foreign_key_list({}) ORDER BY id, seq", literal(&table.name));
    let mut keys: Vec<ForeignKey> = Vec::new();
    for row in rows(db, &sql).await? {
        let id: i64 = row.try_get("", "id")?;
        if keys.last().is_none_or(|key| key.id != id) {
            let mut actions = String::new();
            for (column, words) in [("on_update", " ON UPDATE "), ("on_delete", " ON DELETE ")] {
                let action: String = row.try_get("", column)?;
                if action != "NO ACTION" {
                    actions.push_str(words);
                    actions.push_str(&action);
                }
            }
            let parent = ident(&row.try_get::<String>("", "table")?);
            keys.push(ForeignKey { id, columns: Vec::new(), references: Vec::new(), parent, actions });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(ident(&row.try_get::<String>("", "from")?));
            key.references.extend(row.try_get::<Option<String>>("", "to")?.map(|to| ident(&to)));
        }
    }
    for ForeignKey { columns, references, parent, actions, .. } in keys {
        let columns = columns.join(", ");
        // Without columns, the key references the parent's primary key.
        let references =
            if references.is_empty() { String::new() } else { format!(" ({})", references.join(", ")) };
        let definition = format!("FOREIGN KEY ({columns}) REFERENCES {parent}{references}{actions}");
        table.constraints.push(constraint(ConstraintKind::Foreign, definition));
    }
    Ok(())
}

struct ForeignKey {
    id: i64,
    columns: Vec<String>,
    references: Vec<String>,
    parent: String,
    actions: String,
}

async fn indexes(db: &impl ConnectionTrait, table: &mut Table) -> Result<(), Error> {
    let sql = format!(
        "SELECT l.name AS name, l.\"unique\" AS is_unique, l.origin AS origin, m.sql AS sql \
         FROM pragma_index_list({}) l LEFT JOIN sqlite_master m ON m.type = 'index' AND m.name = l.name \
         ORDER BY l.name",
        literal(&table.name)
    );
    for row in rows(db, &sql).await? {
        let name: String = row.try_get("", "name")?;
        match row.try_get::<String>("", "origin")?.as_str() {
            "c" => {
                let all = tokenize(&row.try_get::<String>("", "sql")?);
                let on = all.iter().position(|token| token.is("on")).unwrap_or(0);
                table.indexes.push(Index {
                    name,
                    unique: row.try_get::<i64>("", "is_unique")? != 0,
                    definition: normalize(all.get(on.saturating_add(2)..).unwrap_or_default()),
                });
            }
            "u" => {
                let sql = format!("SELECT name FROM pragma_index_info({}) ORDER BY seqno", literal(&name));
                let mut columns = Vec::new();
                for row in rows(db, &sql).await? {
                    columns.push(ident(&row.try_get::<String>("", "name")?));
                }
                table
                    .constraints
                    .push(constraint(ConstraintKind::Unique, format!("UNIQUE ({})", columns.join(", "))));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn rows(db: &impl ConnectionTrait, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await
}
