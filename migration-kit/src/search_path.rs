//! Finds out on PostgreSQL whether the search path leads to another schema than the one with the program's
//! tables. A run would otherwise create a second, empty set of tables.

use sea_orm::{ConnectionTrait, Statement};

use super::{
    Direction, Engine, Error, Migrator,
    engine::literal,
    render,
    sql::{Token, tokenize},
};

/// An error if the search path names a schema that does not exist, or if the current schema has none of the
/// program's tables and another one has them. `tables` are those of the current schema, which has no records.
pub(crate) async fn ensure_not_elsewhere(
    db: &impl ConnectionTrait,
    migrator: &Migrator,
    tables: &[String],
) -> Result<(), Error> {
    if Engine::of(db)? == Engine::Sqlite {
        return Ok(());
    }
    ensure_schemas_exist(db).await?;
    let own = first_tables(migrator).await?;
    if own.iter().any(|name| tables.contains(name)) {
        return Ok(());
    }
    let names: Vec<_> = own.iter().map(|name| literal(name)).collect();
    let all_own = if names.is_empty() {
        "false".to_owned()
    } else {
        format!("count(*) FILTER (WHERE c.relname IN ({})) = {}", names.join(", "), names.len())
    };
    let sql = format!(
        "SELECT n.nspname::text AS name, coalesce(current_schema()::text, '') AS current FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND n.nspname IS DISTINCT FROM current_schema() AND n.nspname !~ '^pg_' \
           AND has_schema_privilege(n.oid, 'USAGE') \
         GROUP BY n.nspname HAVING bool_or(c.relname = {}) OR {all_own} ORDER BY 1",
        literal(migrator.ledger)
    );
    let rows = db.query_all_raw(Statement::from_string(Engine::Postgres.backend(), sql)).await?;
    let Some(first) = rows.first() else { return Ok(()) };
    let schemas =
        rows.iter().map(|row| row.try_get::<String>("", "name")).collect::<Result<Vec<_>, _>>()?.join(", ");
    Err(Error::Elsewhere { program: migrator.program, current: first.try_get("", "current")?, schemas })
}

/// The default path is not checked: it names a schema for each role, which rarely exists.
async fn ensure_schemas_exist(db: &impl ConnectionTrait) -> Result<(), Error> {
    let sql = "SELECT current_setting('search_path') AS path, name \
               FROM unnest(string_to_array(current_setting('search_path'), ',')) AS item, \
               LATERAL (SELECT replace(trim(BOTH '\"' FROM trim(item)), '\"\"', '\"') AS name) AS parsed \
               WHERE current_setting('search_path') <> '\"$user\", public' AND name NOT IN ('$user', '', 'pg_temp') \
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = name) LIMIT 1";
    match db.query_one_raw(Statement::from_string(Engine::Postgres.backend(), sql)).await? {
        Some(row) => {
            Err(Error::NoSchema { path: row.try_get("", "path")?, missing: row.try_get("", "name")? })
        }
        None => Ok(()),
    }
}

/// The tables that the first migration creates.
async fn first_tables(migrator: &Migrator) -> Result<Vec<String>, Error> {
    let Some(first) = migrator.migrations.first() else { return Ok(Vec::new()) };
    let statements = match render(first.as_ref(), Engine::Postgres, Direction::Up).await {
        Ok(statements) => statements,
        Err(Error::NotStatic(_)) => Vec::new(),
        Err(other) => return Err(other),
    };
    Ok(statements.iter().filter_map(|statement| created_table(statement)).collect())
}

fn created_table(statement: &str) -> Option<String> {
    let tokens = tokenize(statement);
    let [create, table, rest @ ..] = tokens.as_slice() else { return None };
    if !create.is("create") || !table.is("table") {
        return None;
    }
    rest.iter()
        .find(|token| !["if", "not", "exists"].iter().any(|word| token.is(word)))
        .and_then(Token::name)
        .map(str::to_owned)
}
