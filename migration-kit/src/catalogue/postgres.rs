//! Reads a schema from PostgreSQL's catalogue.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::{Column, Constraint, ConstraintKind, Index, Schema, Table};
use crate::Error;

const COLUMNS: &str = "
SELECT c.relname::text AS table_name, a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS data_type,
       NOT a.attnotnull AS nullable,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) AS expression,
       a.attidentity::text AS identity, a.attgenerated::text AS generated,
       CASE WHEN a.attcollation <> t.typcollation THEN l.collname::text END AS collation,
       EXISTS (SELECT FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_class s ON s.oid = p.objid AND s.relkind = 'S'
               WHERE p.refobjid = c.oid AND p.refobjsubid = a.attnum AND p.deptype = 'a'
                 AND p.classid = 'pg_catalog.pg_class'::regclass) AS owns_sequence
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p')
ORDER BY c.relname, a.attnum";

const CONSTRAINTS: &str = "
SELECT c.relname::text AS table_name, k.conname::text AS name, k.contype::text AS kind,
       pg_catalog.pg_get_constraintdef(k.oid, true) AS definition
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
WHERE k.contype IN ('p', 'u', 'f', 'c', 'x')
ORDER BY c.relname, k.conname";

const INDEXES: &str = "
SELECT c.relname::text AS table_name, i.relname::text AS name, x.indisunique AS is_unique, x.indisvalid AS valid,
       pg_catalog.pg_get_indexdef(x.indexrelid, 0, true) AS definition
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class c ON c.oid = x.indrelid AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                  WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname, i.relname";

pub(super) async fn load(db: &impl ConnectionTrait) -> Result<Schema, Error> {
    let mut schema = Schema::default();
    for row in rows(db, COLUMNS).await? {
        let column = column(&row)?;
        table(&mut schema, &row)?.columns.push(column);
    }
    for row in rows(db, CONSTRAINTS).await? {
        let kind = match row.try_get::<String>("", "kind")?.as_str() {
            "p" => ConstraintKind::Primary,
            "u" => ConstraintKind::Unique,
            "f" => ConstraintKind::Foreign,
            _ => ConstraintKind::Check,
        };
        let constraint =
            Constraint { name: row.try_get("", "name")?, kind, definition: row.try_get("", "definition")? };
        table(&mut schema, &row)?.constraints.push(constraint);
    }
    for row in rows(db, INDEXES).await? {
        let definition: String = row.try_get("", "definition")?;
        let method = definition.find(" USING ").map_or(0, |at| at.saturating_add(1));
        let mut definition = definition.get(method..).unwrap_or_default().to_owned();
        if !row.try_get::<bool>("", "valid")? {
            definition.push_str(" INVALID");
        }
        let index =
            Index { name: row.try_get("", "name")?, unique: row.try_get("", "is_unique")?, definition };
        table(&mut schema, &row)?.indexes.push(index);
    }
    Ok(schema)
}

fn column(row: &QueryResult) -> Result<Column, DbErr> {
    let expression: Option<String> = row.try_get("", "expression")?;
    let stored = row.try_get::<String>("", "generated")? == "s";
    let serial = row.try_get("", "owns_sequence")?
        && expression.as_ref().is_some_and(|text| text.starts_with("nextval("));
    let auto_increment = match row.try_get::<String>("", "identity")?.as_str() {
        "a" => Some("identity always"),
        "d" => Some("identity by default"),
        _ => serial.then_some("serial"),
    };
    Ok(Column {
        name: row.try_get("", "name")?,
        data_type: row.try_get("", "data_type")?,
        nullable: row.try_get("", "nullable")?,
        generated: expression.as_ref().filter(|_| stored).map(|text| format!("({text}) stored")),
        default: expression.filter(|_| !stored && !serial).map(|text| match text.as_str() {
            // Spellings of the same time.
            "CURRENT_TIMESTAMP" | "transaction_timestamp()" => "now()".to_owned(),
            _ => text,
        }),
        auto_increment: auto_increment.map(str::to_owned),
        collation: row.try_get("", "collation")?,
    })
}

async fn rows(db: &impl ConnectionTrait, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await
}

fn table<'a>(schema: &'a mut Schema, row: &QueryResult) -> Result<&'a mut Table, DbErr> {
    let name: String = row.try_get("", "table_name")?;
    Ok(schema.tables.entry(name.clone()).or_insert_with(|| Table { name, ..Table::default() }))
}
