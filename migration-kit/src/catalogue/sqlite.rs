//! SQLite's catalogue: pragmas, and the CREATE statements for what the pragmas leave out.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::{Column, Constraint, Index, Kind, Schema, Table};
use crate::{
    Error,
    engine::{ident, literal},
    sql::{Token, group, items, normal, tokens},
};

pub(super) async fn read(db: &impl ConnectionTrait) -> Result<Schema, Error> {
    let mut schema = Schema::default();
    let sql =
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    for row in rows(db, sql).await? {
        let (name, sql): (String, String) = (row.try_get("", "name")?, row.try_get("", "sql")?);
        let table = table(db, &name, &sql).await?;
        schema.tables.insert(name, table);
    }
    Ok(schema)
}

async fn table(db: &impl ConnectionTrait, name: &str, sql: &str) -> Result<Table, Error> {
    let all = tokens(sql);
    let open = all.iter().position(|token| *token == Token::Sign('(')).unwrap_or(all.len());
    let (body, close) = group(&all, open).unwrap_or((&[], all.len()));
    let body = items(body);
    let mut table = Table {
        name: name.to_owned(),
        options: normal(all.get(close.saturating_add(1)..).unwrap_or_default()),
        ..Table::default()
    };

    let mut primary = Vec::new();
    for row in rows(db, &format!("SELECT * FROM pragma_table_xinfo({})", literal(name))).await? {
        let column = column(&row, &body)?;
        let place: i64 = row.try_get("", "pk")?;
        if place > 0 {
            primary.push((place, ident(&column.name)));
        }
        table.columns.push(column);
    }
    primary.sort();
    if !primary.is_empty() {
        let columns: Vec<_> = primary.into_iter().map(|(_, name)| name).collect();
        table.constraints.push(constraint(Kind::Primary, format!("PRIMARY KEY ({})", columns.join(", "))));
    }
    for check in body.iter().flat_map(|item| after(item, "check")) {
        table.constraints.push(constraint(Kind::Check, format!("CHECK ({check})")));
    }
    foreign_keys(db, &mut table).await?;
    indexes(db, &mut table).await?;
    table.constraints.sort_by(|a, b| (a.kind, &a.definition).cmp(&(b.kind, &b.definition)));
    Ok(table)
}

fn constraint(kind: Kind, definition: String) -> Constraint {
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
    let way = match hidden {
        2 => Some("virtual"),
        3 => Some("stored"),
        _ => None,
    };
    let expression = after(item, "as").into_iter().next().unwrap_or_default();
    let collation =
        item.iter().position(|token| token.is("collate")).and_then(|at| item.get(at.saturating_add(1)));
    let default: Option<String> = row.try_get("", "dflt_value")?;
    let kind: String = row.try_get("", "type")?;
    Ok(Column {
        kind: normal(&tokens(&kind)).replace(" (", "("),
        nullable: row.try_get::<i64>("", "notnull")? == 0,
        default: default.map(|text| normal(&tokens(&text))),
        generated: way.map(|way| format!("({expression}) {way}")),
        numbering: item.iter().any(|token| token.is("autoincrement")).then(|| "autoincrement".to_owned()),
        collation: collation.map(|token| normal(std::slice::from_ref(token))),
        name,
    })
}

/// What stands in parentheses behind each `word`.
fn after(item: &[Token], word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, token) in item.iter().enumerate() {
        let open = at.saturating_add(1);
        if token.is(word)
            && item.get(open) == Some(&Token::Sign('('))
            && let Some((inside, _)) = group(item, open)
        {
            found.push(normal(inside));
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
            keys.push(ForeignKey { id, own: Vec::new(), theirs: Vec::new(), parent, actions });
        }
        if let Some(key) = keys.last_mut() {
            key.own.push(ident(&row.try_get::<String>("", "from")?));
            key.theirs.extend(row.try_get::<Option<String>>("", "to")?.map(|to| ident(&to)));
        }
    }
    for ForeignKey { own, theirs, parent, actions, .. } in keys {
        let own = own.join(", ");
        // Without columns it means the parent's primary key.
        let theirs = if theirs.is_empty() { String::new() } else { format!(" ({})", theirs.join(", ")) };
        let definition = format!("FOREIGN KEY ({own}) REFERENCES {parent}{theirs}{actions}");
        table.constraints.push(constraint(Kind::Foreign, definition));
    }
    Ok(())
}

struct ForeignKey {
    id: i64,
    own: Vec<String>,
    theirs: Vec<String>,
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
                let all = tokens(&row.try_get::<String>("", "sql")?);
                let on = all.iter().position(|token| token.is("on")).unwrap_or(0);
                table.indexes.push(Index {
                    name,
                    unique: row.try_get::<i64>("", "is_unique")? != 0,
                    definition: normal(all.get(on.saturating_add(2)..).unwrap_or_default()),
                });
            }
            "u" => {
                let sql = format!("SELECT name FROM pragma_index_info({}) ORDER BY seqno", literal(&name));
                let mut columns = Vec::new();
                for row in rows(db, &sql).await? {
                    columns.push(ident(&row.try_get::<String>("", "name")?));
                }
                table.constraints.push(constraint(Kind::Unique, format!("UNIQUE ({})", columns.join(", "))));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn rows(db: &impl ConnectionTrait, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await
}
