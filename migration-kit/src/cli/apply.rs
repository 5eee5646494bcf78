//! `up`, `down`, `adopt` and `repair`.

use std::io::Write;

use super::{
    DownArgs, Failure, Settings, TimeoutArgs, UpArgs,
    connect::{Access, Target},
    output::{Style, confirm, print_lines, styled},
};
use crate::{DatabaseState, Engine, Error, Migrator, Options, Outcome, Repair, SchemaStatus};

pub(super) async fn up(
    migrator: &Migrator,
    settings: &Settings,
    args: &UpArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url, migrator.program)?;
    let to = args.to.as_deref();
    if args.sql {
        let engine = args.engine.map_or(target.engine(), Engine::from);
        print_lines(out, &migrator.script_up(engine, args.from.as_deref(), to).await?)?;
        return Ok(0);
    }
    let options = Options {
        to,
        timeouts: args.timeouts.into(),
        allow_destructive: args.allow_destructive,
        rehearse: args.rehearse,
        ..Options::default()
    };
    if args.dry_run {
        return dry_run(migrator, &target, &options, out).await;
    }
    let Some(db) = target.connect(Access::ReadWrite).await? else { return Ok(0) };
    let outcome = migrator.up(&db, &options).await?;
    if outcome == Outcome::default() {
        writeln!(out, "nothing to do")?;
        return Ok(0);
    }
    print_outcome(out, &outcome, if args.rehearse { "would apply" } else { "applied" })?;
    if args.rehearse {
        writeln!(out, "the run was rolled back; nothing was changed")?;
    }
    Ok(0)
}

async fn dry_run(
    migrator: &Migrator,
    target: &Target,
    options: &Options<'_>,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let state = match target.connect(Access::ReadOnly).await? {
        Some(db) => migrator.state(&db).await?,
        None => DatabaseState::Empty,
    };
    if let DatabaseState::Unmanaged { tables } = &state {
        let (tables, program) = (tables.join(", "), migrator.program);
        writeln!(out, "{program} did not create {tables}; migrations whose tables match are adopted first")?;
    }
    let names = migrator.plan_up(state, options)?;
    if names.is_empty() {
        writeln!(out, "nothing to do")?;
    }
    for name in names {
        writeln!(out, "{} {name}", styled(Style::Warning, "would apply"))?;
    }
    Ok(0)
}

pub(super) async fn down(
    migrator: &Migrator,
    settings: &Settings,
    args: &DownArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url, migrator.program)?;
    let steps = if args.to.is_some() { None } else { Some(args.steps) };
    if args.sql {
        let engine = args.engine.map_or(target.engine(), Engine::from);
        print_lines(out, &migrator.script_down(engine, args.to.as_deref(), steps).await?)?;
        return Ok(0);
    }
    let options =
        Options { to: args.to.as_deref(), steps, timeouts: args.timeouts.into(), ..Options::default() };
    let Some(db) = target.connect(Access::ReadOnly).await? else {
        writeln!(out, "nothing to do")?;
        return Ok(0);
    };
    let names = migrator.plan_down(migrator.state(&db).await?, &options)?;
    // The run opens two connections, and no more may be open at a time.
    db.close().await.map_err(Error::from)?;
    if names.is_empty() {
        writeln!(out, "nothing to do")?;
        return Ok(0);
    }
    if !args.yes {
        for name in &names {
            writeln!(out, "would revert {name}")?;
        }
        if !confirm(out, "Data that only these migrations hold is lost. Revert them?")? {
            return Err(Failure::Refused(
                "nothing was reverted: not confirmed (without a terminal, pass --yes)".to_owned(),
            ));
        }
    }
    let Some(db) = target.connect(Access::ReadWrite).await? else { return Ok(0) };
    print_outcome(out, &migrator.down(&db, &options).await?, "reverted")?;
    Ok(0)
}

pub(super) async fn adopt(
    migrator: &Migrator,
    settings: &Settings,
    at: Option<&str>,
    timeouts: TimeoutArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url, migrator.program)?;
    if target.connect(Access::ReadOnly).await?.is_none() {
        return Err(Error::NothingToAdopt { program: migrator.program }.into());
    }
    let Some(db) = target.connect(Access::ReadWrite).await? else { return Ok(0) };
    let options = Options { timeouts: timeouts.into(), ..Options::default() };
    print_outcome(out, &migrator.adopt(&db, at, &options).await?, "applied")?;
    Ok(0)
}

pub(super) async fn repair(
    migrator: &Migrator,
    settings: &Settings,
    name: Option<&str>,
    repair: Option<Repair>,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url, migrator.program)?;
    let Some(name) = name else { return print_repairs(migrator, &target, out).await };
    let Some(repair) = repair else {
        return Err(Failure::Refused("pass --done or --undone, or --accept-checksum".to_owned()));
    };
    let name = migrator.by_name(name)?.name();
    let Some(db) = target.connect(Access::ReadWrite).await? else { return Ok(0) };
    migrator.repair(&db, name, repair, &Options::default()).await?;
    let result = match repair {
        Repair::Done => "recorded as applied",
        Repair::Undone => "pending again",
        Repair::AcceptChecksum => "recorded with its present checksum; `check` compares the tables",
    };
    writeln!(out, "{name} is {result}")?;
    Ok(0)
}

async fn print_repairs(migrator: &Migrator, target: &Target, out: &mut impl Write) -> Result<u8, Failure> {
    let status = match target.connect(Access::ReadOnly).await? {
        Some(db) => match migrator.state(&db).await? {
            DatabaseState::Managed(status) => status,
            DatabaseState::Empty | DatabaseState::Unmanaged { .. } => SchemaStatus::default(),
        },
        None => SchemaStatus::default(),
    };
    if status.incomplete.is_empty() && status.changed.is_empty() && status.unlisted.is_empty() {
        writeln!(out, "no migration is incomplete or changed")?;
        return Ok(0);
    }
    for name in status.unlisted {
        writeln!(out, "{name} is recorded in one of the two tables only: run `adopt`")?;
    }
    for name in status.changed {
        writeln!(out, "{name} changed since it was applied")?;
        writeln!(out, "  to see its statements:            show {name}")?;
        writeln!(out, "  if both versions build the same:  repair {name} --accept-checksum")?;
    }
    for name in status.incomplete {
        writeln!(out, "{name} is incomplete: it stopped outside a transaction")?;
        writeln!(out, "  to see its statements:            show {name}")?;
        writeln!(out, "  after completing them by hand:    repair {name} --done")?;
        writeln!(out, "  after undoing them by hand:       repair {name} --undone")?;
    }
    Ok(3)
}

/// Prints the migrations of a run. `verb` says what happened to them.
pub(super) fn print_outcome(out: &mut impl Write, outcome: &Outcome, verb: &str) -> Result<(), Failure> {
    for name in &outcome.adopted {
        writeln!(out, "{}  {name}", styled(Style::Success, "adopted"))?;
    }
    for name in &outcome.applied {
        writeln!(out, "{}  {name}", styled(Style::Success, verb))?;
    }
    print_lines(out, &outcome.notices)
}
