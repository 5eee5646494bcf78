//! Commands that compare and judge: `check`, `diff`, `lint`.

use std::io::Write;

use serde_json::{Value, json};

use super::{
    Diff, Failure, Format, Settings,
    connect::{Access, Target},
    output::{Tone, json as print_json, paint, table},
    source,
};
use crate::{Difference, Kit, State};

/// A read-only connection, or one to an empty database where there is no file yet.
async fn connect(settings: &Settings) -> Result<sea_orm::DatabaseConnection, Failure> {
    if let Some(db) = Target::parse(&settings.database_url)?.connect(Access::Read).await? {
        return Ok(db);
    }
    match Target::parse("sqlite::memory:")?.connect(Access::Write).await? {
        Some(db) => Ok(db),
        None => Err(Failure::Unreachable("SQLite has no memory".to_owned())),
    }
}

pub(super) async fn check(
    kit: &Kit,
    settings: &Settings,
    format: Format,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let db = connect(settings).await?;
    let check = kit.check(&db).await?;
    let models: Vec<_> =
        check.models.iter().map(|(engine, change)| format!("{}: {change}", engine.name())).collect();
    let live: Vec<_> = check.live.iter().map(ToString::to_string).collect();
    let further: Vec<_> = check.further.iter().map(ToString::to_string).collect();
    if format.json {
        print_json(
            out,
            &json!({ "passed": check.passed(), "standing": check.standing, "entities": models, "live": live,
                     "further": further }),
        )?;
    } else {
        for (question, faults) in [
            ("(a) everything is applied", &check.standing),
            ("(b) the entities are what the migrations build", &models),
            ("(c) the database is what the migrations build", &live),
        ] {
            let (tone, word) = if faults.is_empty() { (Tone::Good, "yes") } else { (Tone::Bad, "no") };
            writeln!(out, "{question}: {}", paint(tone, word))?;
            for fault in faults {
                writeln!(out, "    {fault}")?;
            }
        }
        for index in further {
            writeln!(out, "note: {index}; it does no harm")?;
        }
    }
    Ok(if check.passed() { 0 } else { 3 })
}

pub(super) async fn diff(
    kit: &Kit,
    settings: &Settings,
    diff: &Diff,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let db = connect(settings).await?;
    if let Some(name) = &diff.write {
        return write(kit, &db, diff, name, out).await;
    }
    let difference = kit.diff(&db).await?;
    if diff.sql {
        for statement in &difference.up {
            writeln!(out, "{statement};")?;
        }
    } else if diff.format.json {
        print_json(out, &told(&difference))?;
    } else {
        if difference.changes.is_empty() {
            writeln!(out, "no difference")?;
        }
        list(out, &difference)?;
        if let State::Ours(standing) = kit.state(&db).await?
            && !standing.pending.is_empty()
        {
            writeln!(out, "note: {} not applied yet, and part of this", standing.pending.join(", "))?;
        }
    }
    Ok(0)
}

async fn write(
    kit: &Kit,
    db: &sea_orm::DatabaseConnection,
    diff: &Diff,
    name: &str,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let other = match &diff.postgres_url {
        Some(url) => Target::parse(url)?.connect(Access::Read).await?,
        None => None,
    };
    let differences = kit.missing(other.as_ref().unwrap_or(db)).await?;
    if differences.iter().all(|difference| difference.changes.is_empty()) {
        writeln!(out, "no difference between the entities and the migrations; nothing was written")?;
        return Ok(0);
    }
    for difference in &differences {
        writeln!(out, "on {}:", difference.engine.name())?;
        list(out, difference)?;
    }
    source::write(&diff.tree.source, name, &differences, out)
}

fn list(out: &mut impl Write, difference: &Difference) -> Result<(), Failure> {
    for change in &difference.changes {
        let tone = if change.destructive() { Tone::Bad } else { Tone::Plain };
        let note = if change.destructive() { "  (may lose data; a rename looks like this too)" } else { "" };
        writeln!(out, "{}{note}", paint(tone, &format!("{} {change}", change.sign())))?;
    }
    Ok(())
}

fn told(difference: &Difference) -> Value {
    let changes: Vec<_> = difference
        .changes
        .iter()
        .map(|change| {
            json!({ "table": change.table(), "text": change.to_string(), "destructive": change.destructive() })
        })
        .collect();
    json!({ "engine": difference.engine.name(), "changes": changes, "up": difference.up, "down": difference.down })
}

pub(super) async fn lint(kit: &Kit, all: bool, format: Format, out: &mut impl Write) -> Result<u8, Failure> {
    let findings = kit.lint().await?;
    let open = findings.iter().filter(|finding| !finding.accepted).count();
    let shown: Vec<_> = findings.into_iter().filter(|finding| all || !finding.accepted).collect();
    if format.json {
        let values: Vec<_> = shown
            .iter()
            .map(|finding| {
                json!({ "migration": finding.migration, "code": finding.code, "text": finding.text,
                        "engine": finding.engine, "accepted": finding.accepted })
            })
            .collect();
        print_json(out, &Value::Array(values))?;
    } else if shown.is_empty() {
        writeln!(out, "no dangerous step that its migration does not answer for")?;
    } else {
        let rows: Vec<_> = shown
            .iter()
            .map(|finding| {
                let tone = if finding.accepted { Tone::Plain } else { Tone::Bad };
                vec![
                    (Tone::Plain, finding.migration.clone()),
                    (tone, finding.code.to_owned()),
                    (Tone::Plain, finding.engine.unwrap_or("both").to_owned()),
                    (Tone::Plain, if finding.accepted { "accepted" } else { "" }.to_owned()),
                    (Tone::Plain, finding.text.clone()),
                ]
            })
            .collect();
        table(out, &["MIGRATION", "CODE", "ENGINE", "", "WHAT"], &rows)?;
    }
    Ok(if open == 0 { 0 } else { 3 })
}
