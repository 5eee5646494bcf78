//! `check`, `diff` and `lint`: comparisons and findings.

use std::io::Write;

use sea_orm::DatabaseConnection;
use serde_json::{Value, json};

use super::{
    DiffArgs, Failure, FormatArgs, Settings,
    connect::{Access, Target},
    output::{Style, print_json, print_table, styled},
    source,
};
use crate::{DatabaseState, Difference, Migrator};

/// A read-only connection. If the SQLite file does not exist, a connection to an empty database in memory.
async fn connect(migrator: &Migrator, settings: &Settings) -> Result<DatabaseConnection, Failure> {
    if let Some(db) =
        Target::parse(&settings.database_url, migrator.program)?.connect(Access::ReadOnly).await?
    {
        return Ok(db);
    }
    match Target::parse("sqlite::memory:", migrator.program)?.connect(Access::ReadWrite).await? {
        Some(db) => Ok(db),
        None => Err(Failure::Unreachable("SQLite has no database in memory".to_owned())),
    }
}

pub(super) async fn check(
    migrator: &Migrator,
    settings: &Settings,
    format: FormatArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let db = connect(migrator, settings).await?;
    let check = migrator.check(&db).await?;
    let models: Vec<_> =
        check.models.iter().map(|(engine, change)| format!("{}: {change}", engine.name())).collect();
    let live: Vec<_> =
        check.live.iter().map(ToString::to_string).chain(check.sequences.iter().cloned()).collect();
    if format.json {
        print_json(
            out,
            &json!({ "passed": check.passed(), "history": check.history, "models": models, "live": live,
                     "notes": check.notes }),
        )?;
    } else {
        for (question, differences) in [
            ("(a) every migration is applied, and no other", &check.history),
            ("(b) the migrations build what the models want", &models),
            ("(c) the database has what its migrations build", &live),
        ] {
            let (style, word) =
                if differences.is_empty() { (Style::Success, "yes") } else { (Style::Failure, "no") };
            writeln!(out, "{question}: {}", styled(style, word))?;
            for difference in differences {
                writeln!(out, "    {difference}")?;
            }
        }
        for note in &check.notes {
            writeln!(out, "{note}; this does not fail the check")?;
        }
    }
    Ok(if check.passed() { 0 } else { 3 })
}

pub(super) async fn diff(
    migrator: &Migrator,
    settings: &Settings,
    args: &DiffArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let db = connect(migrator, settings).await?;
    if let Some(name) = &args.write {
        return write(migrator, &db, settings, args, name, out).await;
    }
    let difference = migrator.diff(&db).await?;
    let pending = match migrator.state(&db).await? {
        DatabaseState::Managed(status) => status.pending,
        DatabaseState::Empty | DatabaseState::Unmanaged { .. } => Vec::new(),
    };
    let pending = (!pending.is_empty())
        .then(|| format!("note: this includes pending migrations: {}", pending.join(", ")));
    if args.sql {
        if let Some(note) = pending {
            writeln!(out, "-- {note}")?;
        }
        for statement in &difference.up {
            writeln!(out, "{statement};")?;
        }
    } else if args.format.json {
        print_json(out, &difference_json(&difference))?;
    } else {
        if difference.changes.is_empty() {
            writeln!(out, "no difference")?;
        }
        print_changes(out, &difference)?;
        if let Some(note) = pending {
            writeln!(out, "{note}")?;
        }
    }
    Ok(0)
}

async fn write(
    migrator: &Migrator,
    db: &DatabaseConnection,
    settings: &Settings,
    args: &DiffArgs,
    name: &str,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let postgres = match &args.postgres_url {
        Some(url) => Target::parse(url, migrator.program)?.connect(Access::ReadOnly).await?,
        None => None,
    };
    let differences = migrator.missing(postgres.as_ref().unwrap_or(db)).await?;
    if differences.iter().all(|difference| difference.changes.is_empty()) {
        writeln!(out, "the migrations build what the models want; nothing was written")?;
        return Ok(0);
    }
    for difference in &differences {
        writeln!(out, "on {}:", difference.engine.name())?;
        print_changes(out, difference)?;
    }
    source::write(&settings.source, &args.source, name, &differences, out)
}

fn print_changes(out: &mut impl Write, difference: &Difference) -> Result<(), Failure> {
    for change in &difference.changes {
        let style = if change.destructive() { Style::Failure } else { Style::Plain };
        let note =
            if change.destructive() { "  (may lose data; a rename appears like this too)" } else { "" };
        writeln!(out, "{}{note}", styled(style, &format!("{} {change}", change.sign())))?;
    }
    Ok(())
}

fn difference_json(difference: &Difference) -> Value {
    let changes: Vec<_> = difference
        .changes
        .iter()
        .map(|change| {
            json!({ "table": change.table(), "text": change.to_string(), "destructive": change.destructive() })
        })
        .collect();
    json!({ "engine": difference.engine.name(), "changes": changes, "up": difference.up, "down": difference.down })
}

pub(super) async fn lint(
    migrator: &Migrator,
    all: bool,
    format: FormatArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let findings = migrator.lint().await?;
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
        writeln!(out, "no findings that are not accepted")?;
    } else {
        let rows: Vec<_> = shown
            .iter()
            .map(|finding| {
                let style = if finding.accepted { Style::Plain } else { Style::Failure };
                vec![
                    (Style::Plain, finding.migration.clone()),
                    (style, finding.code.to_owned()),
                    (Style::Plain, finding.engine.unwrap_or("both").to_owned()),
                    (Style::Plain, if finding.accepted { "accepted" } else { "" }.to_owned()),
                    (Style::Plain, finding.text.clone()),
                ]
            })
            .collect();
        print_table(out, &["MIGRATION", "CODE", "ENGINE", "", "FINDING"], &rows)?;
    }
    Ok(if open == 0 { 0 } else { 3 })
}
