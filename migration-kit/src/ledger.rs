//! The records of applied migrations: SeaORM's `seaql_migrations`, and the kit's own table, the ledger, with
//! what SeaORM's two columns can't hold. All times come from the database's clock, in UTC.

use sea_orm::{ConnectionTrait, Schema, Statement};
use sea_orm_migration::seaql_migrations;

use super::{
    Engine, Error,
    engine::{ident, literal},
};

/// How a migration was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its statements ran in this database.
    Applied,
    /// The schema existed already and matched.
    Adopted,
    /// It started outside a transaction and has not completed.
    Running,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Adopted => "adopted",
            Self::Running => "running",
        }
    }
}

/// One recorded migration. Columns of the ledger are `None` if SeaORM's own tool applied the migration.
#[derive(Clone, Debug)]
pub struct Record {
    /// The migration's name.
    pub name: String,
    /// How it was recorded.
    pub phase: Phase,
    /// SHA-256 of its statements; `None` if they are not known in advance.
    pub checksum: Option<String>,
    /// Whether it was recorded as additive.
    pub additive: Option<bool>,
    /// The release that applied it.
    pub version: Option<String>,
    /// When it was applied: RFC 3339, UTC.
    pub applied_at: Option<String>,
    /// How long its statements took, in milliseconds.
    pub duration_ms: Option<i64>,
}

/// The names of the tables and views in the current schema, sorted, without those of extensions.
pub(crate) async fn table_names(db: &impl ConnectionTrait) -> Result<Vec<String>, Error> {
    let engine = Engine::of(db)?;
    let sql = match engine {
        Engine::Postgres => {
            "SELECT c.relname::text AS name FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') \
             ORDER BY 1"
        }
        Engine::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
             ORDER BY name"
        }
    };
    let rows = db.query_all_raw(Statement::from_string(engine.backend(), sql)).await?;
    rows.iter().map(|row| Ok(row.try_get("", "name")?)).collect()
}

/// An error if row level security may hide records, which would look as if migrations were pending.
async fn ensure_readable(db: &impl ConnectionTrait, engine: Engine, ledger: &str) -> Result<(), Error> {
    if engine == Engine::Sqlite {
        return Ok(());
    }
    let sql = format!(
        "SELECT c.relname::text AS name FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema() AND c.relname IN ({}, 'seaql_migrations') AND row_security_active(c.oid)",
        literal(ledger)
    );
    match db.query_one_raw(Statement::from_string(engine.backend(), sql)).await? {
        Some(row) => Err(Error::RowSecurity(row.try_get("", "name")?)),
        None => Ok(()),
    }
}

/// All records, sorted by name. Reads only.
pub(crate) async fn records(
    db: &impl ConnectionTrait,
    ledger: &str,
    tables: &[String],
) -> Result<Vec<Record>, Error> {
    let engine = Engine::of(db)?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    ensure_readable(db, engine, ledger).await?;
    let mut records = Vec::new();
    if has(ledger) {
        let sql = format!(
            "SELECT name, phase, checksum, additive, version, applied_at, duration_ms FROM {} ORDER BY name",
            ident(ledger)
        );
        for row in db.query_all_raw(Statement::from_string(engine.backend(), sql)).await? {
            let phase: String = row.try_get("", "phase")?;
            records.push(Record {
                name: row.try_get("", "name")?,
                phase: [Phase::Applied, Phase::Adopted]
                    .into_iter()
                    .find(|known| known.name() == phase)
                    .unwrap_or(Phase::Running),
                checksum: row.try_get("", "checksum")?,
                additive: row.try_get("", "additive")?,
                version: row.try_get("", "version")?,
                applied_at: row.try_get("", "applied_at")?,
                duration_ms: row.try_get("", "duration_ms")?,
            });
        }
    }
    if has("seaql_migrations") {
        let sql = "SELECT version FROM seaql_migrations ORDER BY version";
        let mut versions = Vec::new();
        for row in db.query_all_raw(Statement::from_string(engine.backend(), sql)).await? {
            versions.push(row.try_get::<String>("", "version")?);
        }
        // SeaORM's table decides what is applied. Only the ledger knows migrations that are running.
        records.retain(|record| record.phase == Phase::Running || versions.contains(&record.name));
        for name in versions {
            if !records.iter().any(|record| record.name == name) {
                records.push(Record {
                    name,
                    phase: Phase::Applied,
                    checksum: None,
                    additive: None,
                    version: None,
                    applied_at: None,
                    duration_ms: None,
                });
            }
        }
        records.sort_by(|a, b| a.name.cmp(&b.name));
    } else {
        records.retain(|record| record.phase == Phase::Running);
    }
    Ok(records)
}

/// The statements that create both tables if they are missing.
pub(crate) fn create_tables(engine: Engine, ledger: &str) -> [String; 2] {
    let mut seaql = Schema::new(engine.backend()).create_table_from_entity(seaql_migrations::Entity);
    seaql.if_not_exists();
    let own = format!(
        "CREATE TABLE IF NOT EXISTS {} (name varchar(255) NOT NULL PRIMARY KEY, phase varchar(16) NOT NULL, \
         checksum varchar(64), additive boolean NOT NULL, version varchar(64) NOT NULL, \
         applied_at varchar(32) NOT NULL, duration_ms bigint NOT NULL)",
        ident(ledger)
    );
    [engine.backend().build(&seaql).to_string(), own]
}

/// A migration to record.
pub(crate) struct NewRecord<'a> {
    pub(crate) name: &'a str,
    pub(crate) phase: Phase,
    pub(crate) checksum: Option<&'a str>,
    pub(crate) additive: bool,
    pub(crate) version: &'a str,
    pub(crate) duration_ms: u128,
}

/// The statements that record a migration.
pub(crate) fn insert(engine: Engine, ledger: &str, record: &NewRecord<'_>) -> Vec<String> {
    let (seconds, now) = match engine {
        Engine::Postgres => (
            "extract(epoch from clock_timestamp())::bigint",
            r#"to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"#,
        ),
        Engine::Sqlite => ("CAST(strftime('%s', 'now') AS INTEGER)", "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"),
    };
    let name = literal(record.name);
    let mut statements = delete_from_ledger(ledger, record.name);
    statements.push(format!(
        "INSERT INTO {} (name, phase, checksum, additive, version, applied_at, duration_ms) \
         VALUES ({name}, {}, {}, {}, {}, {now}, {})",
        ident(ledger),
        literal(record.phase.name()),
        record.checksum.map_or_else(|| "NULL".to_owned(), literal),
        record.additive,
        literal(record.version),
        record.duration_ms,
    ));
    if record.phase != Phase::Running {
        statements
            .push(format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ({name}, {seconds})"));
    }
    statements
}

fn delete_from_ledger(ledger: &str, name: &str) -> Vec<String> {
    vec![format!("DELETE FROM {} WHERE name = {}", ident(ledger), literal(name))]
}

/// The statements that delete the record of a migration.
pub(crate) fn delete(ledger: &str, name: &str) -> Vec<String> {
    let mut statements = delete_from_ledger(ledger, name);
    statements.push(format!("DELETE FROM seaql_migrations WHERE version = {}", literal(name)));
    statements
}
