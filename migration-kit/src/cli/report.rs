//! Reports about the migrations and the database: `status`, `history`, `show`, `wait`. They write nothing.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Failure, FormatArgs, Settings,
    connect::{Access, Target},
    output::{Style, print_json, print_table},
};
use crate::{
    DatabaseState, Direction, Engine, Error, Migration, Migrator, Phase, Record, SchemaStatus,
    close_pools_after, render,
};

const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How long the first attempt to connect may take even if the timeout is shorter.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// A migration with its state, as one row of a table.
struct Row<'a> {
    name: &'a str,
    state: &'static str,
    style: Style,
    record: Option<&'a Record>,
}

pub(super) async fn status(
    migrator: &Migrator,
    settings: &Settings,
    format: FormatArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url, migrator.program)?;
    let state = load_state(migrator, &target).await?;
    let no_status = SchemaStatus::default();
    let (database, status) = match &state {
        DatabaseState::Empty => ("empty", &no_status),
        DatabaseState::Unmanaged { .. } => ("unmanaged", &no_status),
        DatabaseState::Managed(status) => ("managed", status),
    };
    let current = database == "managed" && status.is_current();
    let rows = rows(migrator, status);
    if format.json {
        let migrations: Vec<_> = rows.iter().map(|row| row_json(row.name, row.state, row.record)).collect();
        print_json(
            out,
            &json!({ "database": database, "current": current, "additive_only": status.only_additive_unknown(),
                     "migrations": migrations }),
        )?;
    } else {
        writeln!(out, "{target}")?;
        if let DatabaseState::Unmanaged { tables } = &state {
            writeln!(
                out,
                "{} did not create this database; its tables: {}",
                migrator.program,
                tables.join(", ")
            )?;
        }
        print_rows(out, &rows)?;
        if !status.unknown.is_empty() {
            let compatible = if status.only_additive_unknown() { "is" } else { "may not be" };
            writeln!(out, "the database is newer than this release, which {compatible} compatible with it")?;
        }
    }
    Ok(if current { 0 } else { 3 })
}

pub(super) async fn history(
    migrator: &Migrator,
    settings: &Settings,
    format: FormatArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url, migrator.program)?;
    let DatabaseState::Managed(status) = load_state(migrator, &target).await? else {
        if format.json {
            print_json(out, &json!([]))?;
        } else {
            writeln!(out, "{target}: no migration was applied to this database")?;
        }
        return Ok(0);
    };
    let mut rows: Vec<_> = rows(migrator, &status).into_iter().filter(|row| row.record.is_some()).collect();
    rows.sort_by_key(|row| row.record.and_then(|record| record.applied_at.as_deref()));
    if rows.is_empty() && !format.json {
        writeln!(out, "no migration was applied to this database")?;
        return Ok(0);
    }
    if format.json {
        let all: Vec<_> = rows.iter().map(|row| row_json(row.name, row.state, row.record)).collect();
        print_json(out, &Value::Array(all))?;
    } else {
        print_rows(out, &rows)?;
    }
    Ok(0)
}

pub(super) async fn show(
    migrator: &Migrator,
    settings: &Settings,
    name: &str,
    format: FormatArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let migration = migrator.by_name(name)?;
    let target = Target::parse(&settings.database_url, migrator.program)?;
    let status = match load_state(migrator, &target).await? {
        DatabaseState::Managed(status) => status,
        DatabaseState::Empty | DatabaseState::Unmanaged { .. } => SchemaStatus::default(),
    };
    let rows = rows(migrator, &status);
    let (state, record) = rows
        .iter()
        .find(|row| row.name == migration.name())
        .map_or(("pending", None), |row| (row.state, row.record));
    let mut scripts = Vec::new();
    for engine in [Engine::Postgres, Engine::Sqlite] {
        for (word, direction) in [("up", Direction::Up), ("down", Direction::Down)] {
            scripts.push((engine, word, render_if_static(migration, engine, direction).await?));
        }
    }
    if format.json {
        print_json(out, &migration_json(migration, state, record, &scripts))?;
        return Ok(0);
    }
    writeln!(out, "{}: {state}", migration.name())?;
    if let Some(record) = record {
        let row = cells(&Row { name: migration.name(), state, style: Style::Plain, record: Some(record) });
        let details: Vec<_> =
            row.into_iter().skip(2).map(|(_, cell)| cell).filter(|cell| !cell.is_empty()).collect();
        writeln!(out, "{}", details.join(", "))?;
        writeln!(out, "checksum {}", record.checksum.as_deref().unwrap_or("none"))?;
        if let Some(accepted) = &record.accepted {
            writeln!(out, "checksum accepted {accepted}")?;
        }
    }
    writeln!(out, "{}", describe_attributes(migration))?;
    for (engine, word, statements) in scripts {
        writeln!(out, "\n-- {word} on {}", engine.name())?;
        match statements {
            Some(statements) => {
                for statement in statements {
                    writeln!(out, "{statement};")?;
                }
            }
            None => writeln!(out, "-- reads from the database, so its SQL is not known in advance")?,
        }
    }
    Ok(0)
}

pub(super) async fn wait(
    migrator: &Migrator,
    settings: &Settings,
    timeout: Duration,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url, migrator.program)?;
    let started = Instant::now();
    let mut limit = timeout.max(FIRST_ATTEMPT);
    loop {
        let attempt = close_pools_after(Box::pin(reason_not_ready(migrator, &target)));
        let reason = match tokio::time::timeout(limit, attempt).await {
            Ok(Ok(None)) => {
                writeln!(out, "{target} is reachable and up to date")?;
                return Ok(0);
            }
            Ok(Ok(Some(reason))) => format!("{target}: {reason}"),
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => format!("{target}: no answer"),
        };
        if started.elapsed() >= timeout {
            writeln!(out, "timed out: {reason}")?;
            return Ok(3);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
        limit = timeout.saturating_sub(started.elapsed());
    }
}

async fn reason_not_ready(migrator: &Migrator, target: &Target) -> Result<Option<String>, Failure> {
    let Some(db) = target.connect(Access::ReadOnly).await? else {
        return Ok(Some("the database file does not exist".to_owned()));
    };
    Ok(match migrator.state(&db).await? {
        DatabaseState::Empty => Some("the database is empty".to_owned()),
        DatabaseState::Unmanaged { .. } => {
            Some(format!("the database holds tables that {} did not create", migrator.program))
        }
        DatabaseState::Managed(status) if status.is_usable() => None,
        DatabaseState::Managed(status) => Some(status.explain().join("; ")),
    })
}

type Script = (Engine, &'static str, Option<Vec<String>>);

fn migration_json(
    migration: &dyn Migration,
    state: &str,
    record: Option<&Record>,
    scripts: &[Script],
) -> Value {
    let attributes = migration.attributes();
    let of = |engine: Engine| {
        let mut directions = serde_json::Map::new();
        for (_, word, statements) in scripts.iter().filter(|(own, ..)| *own == engine) {
            directions.insert((*word).to_owned(), json!(statements));
        }
        Value::Object(directions)
    };
    json!({
        "record": row_json(migration.name(), state, record),
        "attributes": {
            "additive": attributes.additive,
            "destructive": attributes.destructive,
            "rebuilds_tables": attributes.rebuilds_tables,
            "transactional": migration.use_transaction() != Some(false),
            "accepts": attributes.accepts,
        },
        "sql": { "postgres": of(Engine::Postgres), "sqlite": of(Engine::Sqlite) },
    })
}

fn describe_attributes(migration: &dyn Migration) -> String {
    let attributes = migration.attributes();
    let mut words = vec![if attributes.additive { "additive" } else { "not additive" }];
    if attributes.destructive {
        words.push("destructive");
    }
    if attributes.rebuilds_tables {
        words.push("rebuilds tables on SQLite");
    }
    if migration.use_transaction() == Some(false) {
        words.push("runs alone, outside a transaction");
    }
    words.extend(attributes.accepts);
    words.join(", ")
}

async fn render_if_static(
    migration: &dyn Migration,
    engine: Engine,
    direction: Direction,
) -> Result<Option<Vec<String>>, Error> {
    match render(migration, engine, direction).await {
        Ok(statements) => Ok(Some(statements)),
        Err(Error::NotStatic(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn load_state(migrator: &Migrator, target: &Target) -> Result<DatabaseState, Failure> {
    match target.connect(Access::ReadOnly).await? {
        Some(db) => Ok(migrator.state(&db).await?),
        None => Ok(DatabaseState::Empty),
    }
}

fn rows<'a>(migrator: &'a Migrator, status: &'a SchemaStatus) -> Vec<Row<'a>> {
    let record = |name: &str| status.records.iter().find(|record| record.name == name);
    let mut rows: Vec<_> = migrator
        .names()
        .map(|name| {
            let is_in = |names: &[String]| names.iter().any(|each| each == name);
            let record = record(name);
            let (state, style) = match record {
                _ if is_in(&status.incomplete) => ("incomplete", Style::Failure),
                _ if is_in(&status.unlisted) => ("in one table only", Style::Failure),
                _ if is_in(&status.changed) => ("changed", Style::Failure),
                None => ("pending", Style::Warning),
                Some(record) if record.phase == Phase::Adopted => ("adopted", Style::Success),
                Some(_) => ("applied", Style::Success),
            };
            Row { name, state, style, record }
        })
        .collect();
    rows.extend(status.unknown.iter().map(|unknown| Row {
        name: &unknown.name,
        state: if unknown.additive { "unknown, additive" } else { "unknown" },
        style: if unknown.additive { Style::Warning } else { Style::Failure },
        record: record(&unknown.name),
    }));
    rows
}

fn print_rows(out: &mut impl Write, rows: &[Row<'_>]) -> Result<(), Failure> {
    let cells: Vec<_> = rows.iter().map(cells).collect();
    print_table(out, &["MIGRATION", "STATE", "APPLIED AT", "DURATION", "RELEASE"], &cells)
}

fn cells(row: &Row<'_>) -> Vec<(Style, String)> {
    let plain = |text: Option<String>| (Style::Plain, text.unwrap_or_default());
    let record = row.record;
    vec![
        (Style::Plain, row.name.to_owned()),
        (row.style, row.state.to_owned()),
        plain(record.and_then(|record| record.applied_at.clone())),
        plain(record.and_then(|record| record.duration_ms).map(|duration| format!("{duration} ms"))),
        plain(record.and_then(|record| record.version.clone())),
    ]
}

fn row_json(name: &str, state: &str, record: Option<&Record>) -> Value {
    json!({
        "name": name,
        "state": state,
        "applied_at": record.and_then(|record| record.applied_at.as_deref()),
        "duration_ms": record.and_then(|record| record.duration_ms),
        "version": record.and_then(|record| record.version.as_deref()),
        "additive": record.and_then(|record| record.additive),
        "checksum": record.and_then(|record| record.checksum.as_deref()),
        "checksum_accepted": record.and_then(|record| record.accepted.as_deref()),
    })
}
