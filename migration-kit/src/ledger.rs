//! The records of applied migrations: SeaORM's `seaql_migrations`, and the kit's own table, the ledger, with
//! what SeaORM's two columns can't hold. All times come from the database's clock, in UTC.

use sea_orm::{ConnectionTrait, DatabaseTransaction, Schema, Statement};
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
    /// When and in place of which checksum the present one was accepted by hand; `None` if it never was.
    pub accepted: Option<String>,
    /// Whether SeaORM's table has it. If only the ledger has it, either SeaORM's own tool reverted the
    /// migration or its row was lost.
    pub listed: bool,
}

impl Record {
    /// A record of SeaORM's table alone.
    fn listed(name: String) -> Self {
        Self {
            name,
            phase: Phase::Applied,
            checksum: None,
            additive: None,
            version: None,
            applied_at: None,
            duration_ms: None,
            accepted: None,
            listed: true,
        }
    }

    /// Whether the ledger has it. Without, SeaORM's own tool applied the migration, or its row was lost.
    pub fn in_ledger(&self) -> bool {
        self.applied_at.is_some()
    }
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
        let accepted = if has_accepted(db, ledger).await? { "accepted" } else { "NULL" };
        let sql = format!(
            "SELECT name, phase, checksum, additive, version, applied_at, duration_ms, {accepted} AS accepted \
             FROM {} ORDER BY name",
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
                accepted: row.try_get("", "accepted")?,
                listed: false,
            });
        }
    }
    if has("seaql_migrations") {
        let sql = "SELECT version FROM seaql_migrations ORDER BY version";
        for row in db.query_all_raw(Statement::from_string(engine.backend(), sql)).await? {
            let name: String = row.try_get("", "version")?;
            match records.iter_mut().find(|record| record.name == name) {
                Some(record) => record.listed = true,
                None => records.push(Record::listed(name)),
            }
        }
        records.sort_by(|a, b| a.name.cmp(&b.name));
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

/// The current time as an SQL expression: RFC 3339, UTC.
fn now(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => {
            r#"to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"#
        }
        Engine::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    }
}

/// The statements that record a migration.
pub(crate) fn insert(engine: Engine, ledger: &str, record: &NewRecord<'_>) -> Vec<String> {
    let mut statements = insert_into_ledger(engine, ledger, record);
    if record.phase != Phase::Running {
        statements.push(insert_into_seaql(engine, record.name));
    }
    statements
}

/// The statements that record a migration in the ledger only.
pub(crate) fn insert_into_ledger(engine: Engine, ledger: &str, record: &NewRecord<'_>) -> Vec<String> {
    let mut statements = delete_from_ledger(ledger, record.name);
    statements.push(format!(
        "INSERT INTO {} (name, phase, checksum, additive, version, applied_at, duration_ms) \
         VALUES ({}, {}, {}, {}, {}, {}, {})",
        ident(ledger),
        literal(record.name),
        literal(record.phase.name()),
        record.checksum.map_or_else(|| "NULL".to_owned(), literal),
        record.additive,
        literal(record.version),
        now(engine),
        record.duration_ms,
    ));
    statements
}

/// The statement that records a migration in SeaORM's table only.
pub(crate) fn insert_into_seaql(engine: Engine, name: &str) -> String {
    let seconds = match engine {
        Engine::Postgres => "extract(epoch from clock_timestamp())::bigint",
        Engine::Sqlite => "CAST(strftime('%s', 'now') AS INTEGER)",
    };
    format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ({}, {seconds})", literal(name))
}

/// Whether a checksum was ever accepted: only then the ledger has the column.
async fn has_accepted(db: &impl ConnectionTrait, ledger: &str) -> Result<bool, Error> {
    let engine = Engine::of(db)?;
    let count = match engine {
        Engine::Postgres => format!(
            "SELECT count(*) AS columns FROM pg_catalog.pg_attribute \
             WHERE attrelid = {}::regclass AND attname = 'accepted' AND NOT attisdropped",
            literal(&ident(ledger))
        ),
        Engine::Sqlite => {
            format!(
                "SELECT count(*) AS columns FROM pragma_table_info({}) WHERE name = 'accepted'",
                literal(ledger)
            )
        }
    };
    let row = db.query_one_raw(Statement::from_string(engine.backend(), count)).await?;
    Ok(row.map(|row| row.try_get::<i64>("", "columns")).transpose()?.is_some_and(|columns| columns > 0))
}

/// Puts the present checksum of a migration in place of the recorded one, and records that too.
pub(crate) async fn accept_checksum(
    txn: &DatabaseTransaction,
    ledger: &str,
    name: &str,
    checksum: Option<&str>,
    version: &str,
) -> Result<(), Error> {
    let engine = Engine::of(txn)?;
    // Few databases ever need the column, so the table is created without it.
    if !has_accepted(txn, ledger).await? {
        txn.execute_unprepared(&format!("ALTER TABLE {} ADD COLUMN accepted text", ident(ledger))).await?;
    }
    let sql = format!(
        "UPDATE {} SET accepted = {} || {} || checksum, checksum = {} WHERE name = {}",
        ident(ledger),
        now(engine),
        literal(&format!(" by release {version} in place of ")),
        checksum.map_or_else(|| "NULL".to_owned(), literal),
        literal(name),
    );
    txn.execute_unprepared(&sql).await?;
    Ok(())
}

/// The statement that deletes the record of a migration from the ledger only.
pub(crate) fn delete_from_ledger(ledger: &str, name: &str) -> Vec<String> {
    vec![format!("DELETE FROM {} WHERE name = {}", ident(ledger), literal(name))]
}

/// The statements that delete the record of a migration from both tables.
pub(crate) fn delete(ledger: &str, name: &str) -> Vec<String> {
    let mut statements = delete_from_ledger(ledger, name);
    statements.push(format!("DELETE FROM seaql_migrations WHERE version = {}", literal(name)));
    statements
}
