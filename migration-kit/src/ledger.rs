//! What a database remembers: SeaORM's `seaql_migrations`, and beside it the kit's own table with what SeaORM's two
//! columns can't hold. Times are the database's own, in UTC.

use sea_orm::{ConnectionTrait, Schema, Statement};
use sea_orm_migration::seaql_migrations;

use super::{
    Engine, Error,
    engine::{ident, literal},
};

/// How a recorded migration came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its statements ran here.
    Applied,
    /// The schema was there already and fitted.
    Adopted,
    /// Started outside of a transaction, not finished.
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

/// One remembered migration. What only the kit's table holds is `None` for one that SeaORM's own tool applied.
#[derive(Clone, Debug)]
pub struct Record {
    /// The migration.
    pub name: String,
    /// How it came there.
    pub phase: Phase,
    /// SHA-256 of its statements; none where they can't be told beforehand.
    pub checksum: Option<String>,
    /// Whether older releases can live with it.
    pub additive: Option<bool>,
    /// The release that applied it.
    pub version: Option<String>,
    /// RFC 3339, UTC.
    pub applied_at: Option<String>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
}

/// The tables of the schema that unqualified names mean, in order; those that belong to extensions left out.
pub(crate) async fn tables(db: &impl ConnectionTrait) -> Result<Vec<String>, Error> {
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

/// Everything recorded, by name. Reads only.
pub(crate) async fn read(
    db: &impl ConnectionTrait,
    ledger: &str,
    tables: &[String],
) -> Result<Vec<Record>, Error> {
    let engine = Engine::of(db)?;
    let has = |name: &str| tables.iter().any(|table| table == name);
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
        // SeaORM's table has the last word on what is applied; a mark of an unfinished one stands only in ours.
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

/// The statements that make both tables where they are missing.
pub(crate) fn install(engine: Engine, ledger: &str) -> [String; 2] {
    let mut theirs = Schema::new(engine.backend()).create_table_from_entity(seaql_migrations::Entity);
    theirs.if_not_exists();
    let ours = format!(
        "CREATE TABLE IF NOT EXISTS {} (name varchar(255) NOT NULL PRIMARY KEY, phase varchar(16) NOT NULL, \
         checksum varchar(64), additive boolean NOT NULL, version varchar(64) NOT NULL, \
         applied_at varchar(32) NOT NULL, duration_ms bigint NOT NULL)",
        ident(ledger)
    );
    [engine.backend().build(&theirs).to_string(), ours]
}

/// What is to be noted of one migration.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) phase: Phase,
    pub(crate) checksum: Option<&'a str>,
    pub(crate) additive: bool,
    pub(crate) version: &'a str,
    pub(crate) duration_ms: u128,
}

/// The statements that record a migration.
pub(crate) fn record(engine: Engine, ledger: &str, entry: &Entry<'_>) -> Vec<String> {
    let (seconds, now) = match engine {
        Engine::Postgres => (
            "extract(epoch from clock_timestamp())::bigint",
            r#"to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"#,
        ),
        Engine::Sqlite => ("CAST(strftime('%s', 'now') AS INTEGER)", "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"),
    };
    let name = literal(entry.name);
    let mut statements = forget_ours(ledger, entry.name);
    statements.push(format!(
        "INSERT INTO {} (name, phase, checksum, additive, version, applied_at, duration_ms) \
         VALUES ({name}, {}, {}, {}, {}, {now}, {})",
        ident(ledger),
        literal(entry.phase.name()),
        entry.checksum.map_or_else(|| "NULL".to_owned(), literal),
        entry.additive,
        literal(entry.version),
        entry.duration_ms,
    ));
    if entry.phase != Phase::Running {
        statements
            .push(format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ({name}, {seconds})"));
    }
    statements
}

fn forget_ours(ledger: &str, name: &str) -> Vec<String> {
    vec![format!("DELETE FROM {} WHERE name = {}", ident(ledger), literal(name))]
}

/// The statements that forget a migration.
pub(crate) fn forget(ledger: &str, name: &str) -> Vec<String> {
    let mut statements = forget_ours(ledger, name);
    statements.push(format!("DELETE FROM seaql_migrations WHERE version = {}", literal(name)));
    statements
}
