//! Reads a schema from PostgreSQL's catalogue.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::{Column, Constraint, ConstraintKind, Firing, Index, Object, ObjectKind, Schema, Table};
use crate::{
    Error,
    engine::{ident, literal},
};

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

/// Triggers with the functions that they call. `pg_get_functiondef` always names the schema.
const TRIGGERS: &str = "
SELECT c.relname::text AS table_name, t.tgname::text AS name, t.tgenabled::text AS firing,
       pg_catalog.pg_get_triggerdef(t.oid, true) AS definition,
       CASE WHEN p.prokind = 'f' AND p.pronamespace = c.relnamespace
            THEN replace(pg_catalog.pg_get_functiondef(p.oid), 'FUNCTION ' || quote_ident(n.nspname) || '.', 'FUNCTION ')
            ELSE '' END AS function
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal
ORDER BY c.relname, t.tgname";

const RULES: &str = "
SELECT c.relname::text AS table_name, r.rulename::text AS name, r.ev_enabled::text AS firing,
       rtrim(pg_catalog.pg_get_ruledef(r.oid, true), ';') AS definition, '' AS function
FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_class c ON c.oid = r.ev_class AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
ORDER BY c.relname, r.rulename";

const OPTIONS: &str = "
SELECT c.relname::text AS table_name, c.relpersistence = 'u' AS unlogged, c.relrowsecurity AS secured,
       c.relforcerowsecurity AS forced
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
WHERE c.relkind IN ('r', 'p') AND (c.relpersistence = 'u' OR c.relrowsecurity)";

/// Sequences that belong to a column. The first value and the size of the cache do not matter.
const SEQUENCES: &str = "
SELECT c.relname::text AS table_name, a.attname::text AS name,
       'AS ' || format_type(q.seqtypid, NULL) || ' INCREMENT ' || q.seqincrement || ' MINVALUE ' || q.seqmin
       || ' MAXVALUE ' || q.seqmax || CASE WHEN q.seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END AS definition
FROM pg_catalog.pg_sequence q
JOIN pg_catalog.pg_depend d ON d.objid = q.seqrelid AND d.classid = 'pg_catalog.pg_class'::regclass
                           AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
ORDER BY c.relname, a.attname";

/// Sequences of columns and how far they step. A role that may not read a sequence does not learn of it.
const NEXT_VALUES: &str = "
SELECT c.relname::text AS table_name, a.attname::text AS name, q.seqrelid::regclass::text AS sequence,
       q.seqincrement AS increment
FROM pg_catalog.pg_sequence q
JOIN pg_catalog.pg_depend d ON d.objid = q.seqrelid AND d.classid = 'pg_catalog.pg_class'::regclass
                           AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
WHERE q.seqincrement > 0 AND has_sequence_privilege(q.seqrelid, 'SELECT') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY c.relname, a.attname";

/// The sequences of the tables of `schema` whose next value is not above the highest in use, each with the
/// statement that corrects it.
pub(crate) async fn sequences_behind(
    db: &impl ConnectionTrait,
    schema: &Schema,
) -> Result<Vec<String>, Error> {
    let mut behind = Vec::new();
    for row in rows(db, NEXT_VALUES).await? {
        let (table, column): (String, String) = (row.try_get("", "table_name")?, row.try_get("", "name")?);
        let (sequence, step): (String, i64) = (row.try_get("", "sequence")?, row.try_get("", "increment")?);
        if !schema.tables.contains_key(&table) {
            continue;
        }
        // `setval(…, false)` sets the next value itself.
        let values = format!(
            "SELECT (SELECT max({}) FROM {})::bigint AS highest, \
             CASE WHEN is_called THEN last_value + {step} ELSE last_value END AS next FROM {sequence}",
            ident(&column),
            ident(&table)
        );
        let Some(values) = rows(db, &values).await?.into_iter().next() else { continue };
        let (highest, next): (Option<i64>, i64) =
            (values.try_get("", "highest")?, values.try_get("", "next")?);
        if let Some(highest) = highest.filter(|highest| next <= *highest) {
            behind.push(format!(
                "sequence {sequence} is behind: it gives {next} next, but {table}.{column} is {highest} already; \
                 correct it with SELECT setval({}, {highest})",
                literal(&sequence)
            ));
        }
    }
    Ok(behind)
}

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
    objects(db, &mut schema).await?;
    Ok(schema)
}

async fn objects(db: &impl ConnectionTrait, schema: &mut Schema) -> Result<(), Error> {
    for (kind, sql) in [(ObjectKind::Trigger, TRIGGERS), (ObjectKind::Rule, RULES)] {
        for row in rows(db, sql).await? {
            let object = Object {
                kind,
                name: row.try_get("", "name")?,
                definition: row.try_get("", "definition")?,
                firing: Firing::from_catalogue(&row.try_get::<String>("", "firing")?),
                function: row.try_get("", "function")?,
            };
            table(schema, &row)?.objects.push(object);
        }
    }
    for row in rows(db, SEQUENCES).await? {
        let sequence = object(ObjectKind::Sequence, row.try_get("", "name")?, row.try_get("", "definition")?);
        table(schema, &row)?.objects.push(sequence);
    }
    for row in rows(db, OPTIONS).await? {
        if row.try_get("", "unlogged")? {
            table(schema, &row)?.objects.push(object(ObjectKind::Unlogged, String::new(), String::new()));
        }
        if row.try_get("", "secured")? {
            let forced = if row.try_get("", "forced")? { "ENABLE, FORCE" } else { "ENABLE" };
            let secured = object(ObjectKind::RowSecurity, String::new(), forced.to_owned());
            table(schema, &row)?.objects.push(secured);
        }
    }
    Ok(())
}

fn object(kind: ObjectKind, name: String, definition: String) -> Object {
    Object { kind, name, definition, firing: Firing::Normally, function: String::new() }
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
