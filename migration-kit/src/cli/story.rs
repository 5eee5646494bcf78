//! What is, and how it came to be: `status`, `history`, `show`. Nothing here writes.

use std::io::Write;

use serde_json::{Value, json};

use super::{
    Failure, Format, Settings,
    connect::{Access, Target},
    output::{Tone, json as print_json, table},
};
use crate::{Engine, Error, Kit, Marks, Migration, Phase, Record, Standing, State, script};

/// One migration and where it stands.
struct Line<'a> {
    name: &'a str,
    state: &'static str,
    tone: Tone,
    record: Option<&'a Record>,
}

pub(super) async fn status(
    kit: &Kit,
    settings: &Settings,
    format: Format,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let state = read(kit, settings).await?;
    let nothing = Standing::default();
    let (word, standing) = match &state {
        State::Empty => ("empty", &nothing),
        State::Foreign { .. } => ("foreign", &nothing),
        State::Ours(standing) => ("ours", standing),
    };
    let current = word == "ours" && standing.is_current();
    let lines = lines(kit, standing);
    if format.json {
        let migrations: Vec<_> = lines.iter().map(|line| told(line.name, line.state, line.record)).collect();
        print_json(
            out,
            &json!({ "database": word, "current": current, "additive_only": standing.only_additive_unknown(),
                     "migrations": migrations }),
        )?;
    } else {
        if let State::Foreign { tables } = &state {
            writeln!(out, "{} did not make this database; it holds {}", kit.program, tables.join(", "))?;
        }
        let rows: Vec<_> = lines.iter().map(cells).collect();
        table(out, &["MIGRATION", "STATE", "APPLIED AT", "TOOK", "BY"], &rows)?;
        if !standing.unknown.is_empty() {
            let safe = if standing.only_additive_unknown() { "can" } else { "can not be trusted to" };
            writeln!(out, "the database is newer than this release, which {safe} work on it")?;
        }
    }
    Ok(if current { 0 } else { 3 })
}

pub(super) async fn history(
    kit: &Kit,
    settings: &Settings,
    format: Format,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let State::Ours(standing) = read(kit, settings).await? else {
        if format.json {
            print_json(out, &json!([]))?;
        } else {
            writeln!(out, "nothing was ever applied here")?;
        }
        return Ok(0);
    };
    let mut lines: Vec<_> = lines(kit, &standing).into_iter().filter(|line| line.record.is_some()).collect();
    lines.sort_by_key(|line| line.record.and_then(|record| record.applied_at.as_deref()));
    if format.json {
        let all: Vec<_> = lines.iter().map(|line| told(line.name, line.state, line.record)).collect();
        print_json(out, &Value::Array(all))?;
    } else {
        let rows: Vec<_> = lines.iter().map(cells).collect();
        table(out, &["MIGRATION", "STATE", "APPLIED AT", "TOOK", "BY"], &rows)?;
    }
    Ok(0)
}

pub(super) async fn show(
    kit: &Kit,
    settings: &Settings,
    name: &str,
    format: Format,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let migration = kit.find(name)?;
    let standing = match read(kit, settings).await? {
        State::Ours(standing) => standing,
        State::Empty | State::Foreign { .. } => Standing::default(),
    };
    let lines = lines(kit, &standing);
    let (state, record) = lines
        .iter()
        .find(|line| line.name == migration.name())
        .map_or(("pending", None), |line| (line.state, line.record));
    let mut scripts = Vec::new();
    for engine in [Engine::Postgres, Engine::Sqlite] {
        for (word, direction) in [("up", script::Direction::Up), ("down", script::Direction::Down)] {
            scripts.push((engine, word, sql(migration, engine, direction).await?));
        }
    }
    let marks = migration.marks();
    if format.json {
        let of = |engine: Engine| {
            let mut both = serde_json::Map::new();
            for (_, word, statements) in scripts.iter().filter(|(own, ..)| *own == engine) {
                both.insert((*word).to_owned(), json!(statements));
            }
            Value::Object(both)
        };
        let value = json!({
            "record": told(migration.name(), state, record),
            "marks": {
                "additive": marks.additive,
                "destructive": marks.destructive,
                "rebuilds_tables": marks.rebuilds_tables,
                "transactional": migration.use_transaction() != Some(false),
                "accepts": marks.accepts,
            },
            "sql": { "postgres": of(Engine::Postgres), "sqlite": of(Engine::Sqlite) },
        });
        print_json(out, &value)?;
        return Ok(0);
    }
    writeln!(out, "{}: {state}", migration.name())?;
    if let Some(record) = record {
        let row = cells(&Line { name: migration.name(), state, tone: Tone::Plain, record: Some(record) });
        let said: Vec<_> =
            row.into_iter().skip(2).map(|(_, cell)| cell).filter(|cell| !cell.is_empty()).collect();
        writeln!(out, "{}", said.join(", "))?;
        writeln!(out, "checksum {}", record.checksum.as_deref().unwrap_or("none"))?;
    }
    writeln!(out, "{}", words(marks, migration))?;
    for (engine, word, statements) in scripts {
        writeln!(out, "\n-- {word} on {}", engine.name())?;
        match statements {
            Some(statements) => {
                for statement in statements {
                    writeln!(out, "{statement};")?;
                }
            }
            None => writeln!(out, "-- reads from the database, so it can't be told beforehand")?,
        }
    }
    Ok(0)
}

fn words(marks: Marks, migration: &dyn Migration) -> String {
    let mut words = vec![if marks.additive { "additive" } else { "not additive" }];
    if marks.destructive {
        words.push("loses data");
    }
    if marks.rebuilds_tables {
        words.push("rebuilds tables on SQLite");
    }
    if migration.use_transaction() == Some(false) {
        words.push("runs alone, outside a transaction");
    }
    words.extend(marks.accepts);
    words.join(", ")
}

async fn sql(
    migration: &dyn Migration,
    engine: Engine,
    direction: script::Direction,
) -> Result<Option<Vec<String>>, Error> {
    match script::render(migration, engine, direction).await {
        Ok(statements) => Ok(Some(statements)),
        Err(Error::NotStatic(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn read(kit: &Kit, settings: &Settings) -> Result<State, Failure> {
    match Target::parse(&settings.database_url)?.connect(Access::Read).await? {
        Some(db) => Ok(kit.state(&db).await?),
        None => Ok(State::Empty),
    }
}

fn lines<'a>(kit: &'a Kit, standing: &'a Standing) -> Vec<Line<'a>> {
    let record = |name: &str| standing.records.iter().find(|record| record.name == name);
    let mut lines: Vec<_> = kit
        .names()
        .map(|name| {
            let has = |names: &[String]| names.iter().any(|each| each == name);
            let record = record(name);
            let (state, tone) = match record {
                _ if has(&standing.dirty) => ("half-way", Tone::Bad),
                _ if has(&standing.changed) => ("changed", Tone::Bad),
                None => ("pending", Tone::Waiting),
                Some(record) if record.phase == Phase::Adopted => ("adopted", Tone::Good),
                Some(_) => ("applied", Tone::Good),
            };
            Line { name, state, tone, record }
        })
        .collect();
    lines.extend(standing.unknown.iter().map(|unknown| Line {
        name: &unknown.name,
        state: if unknown.additive { "unknown, additive" } else { "unknown" },
        tone: if unknown.additive { Tone::Waiting } else { Tone::Bad },
        record: record(&unknown.name),
    }));
    lines
}

fn cells(line: &Line<'_>) -> Vec<(Tone, String)> {
    let plain = |text: Option<String>| (Tone::Plain, text.unwrap_or_default());
    let record = line.record;
    vec![
        (Tone::Plain, line.name.to_owned()),
        (line.tone, line.state.to_owned()),
        plain(record.and_then(|record| record.applied_at.clone())),
        plain(record.and_then(|record| record.duration_ms).map(|took| format!("{took} ms"))),
        plain(record.and_then(|record| record.version.clone())),
    ]
}

fn told(name: &str, state: &str, record: Option<&Record>) -> Value {
    json!({
        "name": name,
        "state": state,
        "applied_at": record.and_then(|record| record.applied_at.as_deref()),
        "duration_ms": record.and_then(|record| record.duration_ms),
        "version": record.and_then(|record| record.version.as_deref()),
        "additive": record.and_then(|record| record.additive),
        "checksum": record.and_then(|record| record.checksum.as_deref()),
    })
}
