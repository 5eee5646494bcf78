//! Commands that change a database.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use super::{
    Down, Erase, Failure, Settings, Up, Waits,
    connect::{Access, Target},
    output::{Tone, agrees, paint, types_name},
};
use crate::{Engine, Error, Kit, Options, Outcome, State};

const POLL: Duration = Duration::from_millis(250);

pub(super) async fn up(kit: &Kit, settings: &Settings, up: &Up, out: &mut impl Write) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url)?;
    let to = up.to.as_deref();
    if up.sql {
        let engine = up.engine.map_or(target.engine(), Engine::from);
        return print(out, &kit.script_up(engine, to).await?);
    }
    let options = Options {
        to,
        limits: up.waits.limits(),
        allow_destructive: up.allow_destructive,
        rehearse: up.rehearse,
        ..Options::default()
    };
    if up.dry_run {
        return dry_run(kit, &target, &options, out).await;
    }
    let Some(db) = target.connect(Access::Write).await? else { return Ok(0) };
    let outcome = kit.up(&db, &options).await?;
    if outcome == Outcome::default() {
        writeln!(out, "nothing to do")?;
        return Ok(0);
    }
    report(out, &outcome, if up.rehearse { "would apply" } else { "applied" })?;
    if up.rehearse {
        writeln!(out, "rehearsed on the live data and rolled back; nothing was changed")?;
    }
    Ok(0)
}

async fn dry_run(
    kit: &Kit,
    target: &Target,
    options: &Options<'_>,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let state = match target.connect(Access::Read).await? {
        Some(db) => kit.state(&db).await?,
        None => State::Empty,
    };
    if let State::Foreign { tables } = &state {
        writeln!(out, "not made by {}: {}; what fits is adopted first", kit.program, tables.join(", "))?;
    }
    let plan = kit.pending(state, options)?;
    if plan.is_empty() {
        writeln!(out, "nothing to do")?;
    }
    for name in plan {
        writeln!(out, "{} {name}", paint(Tone::Waiting, "would apply"))?;
    }
    Ok(0)
}

pub(super) async fn down(
    kit: &Kit,
    settings: &Settings,
    down: &Down,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url)?;
    let steps = if down.to.is_some() { None } else { Some(down.steps) };
    if down.sql {
        let engine = down.engine.map_or(target.engine(), Engine::from);
        return print(out, &kit.script_down(engine, down.to.as_deref(), steps).await?);
    }
    let options =
        Options { to: down.to.as_deref(), steps, limits: down.waits.limits(), ..Options::default() };
    let Some(db) = target.connect(Access::Read).await? else {
        writeln!(out, "nothing to do")?;
        return Ok(0);
    };
    let plan = kit.applied(kit.state(&db).await?, &options)?;
    if plan.is_empty() {
        writeln!(out, "nothing to do")?;
        return Ok(0);
    }
    if !down.yes {
        for name in &plan {
            writeln!(out, "to be reverted: {name}")?;
        }
        if !agrees(out, "What only these hold is lost. Revert them?")? {
            return Err(Failure::Refused(
                "not reverted: nobody agreed (without a terminal, say --yes)".to_owned(),
            ));
        }
    }
    let Some(db) = target.connect(Access::Write).await? else { return Ok(0) };
    report(out, &kit.down(&db, &options).await?, "reverted")?;
    Ok(0)
}

pub(super) async fn adopt(
    kit: &Kit,
    settings: &Settings,
    at: Option<&str>,
    waits: Waits,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url)?;
    if target.connect(Access::Read).await?.is_none() {
        return Err(Error::NothingToAdopt { program: kit.program }.into());
    }
    let Some(db) = target.connect(Access::Write).await? else { return Ok(0) };
    let options = Options { limits: waits.limits(), ..Options::default() };
    report(out, &kit.adopt(&db, at, &options).await?, "applied")?;
    Ok(0)
}

pub(super) async fn repair(
    kit: &Kit,
    settings: &Settings,
    name: Option<&str>,
    done: bool,
    undone: bool,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url)?;
    let dirty = match target.connect(Access::Read).await? {
        Some(db) => match kit.state(&db).await? {
            State::Ours(standing) => standing.dirty,
            State::Empty | State::Foreign { .. } => Vec::new(),
        },
        None => Vec::new(),
    };
    let Some(name) = name else {
        if dirty.is_empty() {
            writeln!(out, "nothing stopped half-way")?;
            return Ok(0);
        }
        for name in dirty {
            writeln!(out, "{name} stopped half-way outside a transaction")?;
            writeln!(out, "  see its statements: show {name}")?;
            writeln!(out, "  then finish them by hand: repair {name} --done")?;
            writeln!(out, "  or undo what ran: repair {name} --undone")?;
        }
        return Ok(3);
    };
    if !done && !undone {
        return Err(Failure::Refused("say what was done: --done or --undone".to_owned()));
    }
    let name = kit.find(name)?.name();
    let Some(db) = target.connect(Access::Write).await? else { return Ok(0) };
    kit.repair(&db, name, done, &Options::default()).await?;
    writeln!(out, "{name} is {}", if done { "recorded as applied" } else { "pending again" })?;
    Ok(0)
}

pub(super) async fn wait(
    kit: &Kit,
    settings: &Settings,
    timeout: Duration,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url)?;
    let started = Instant::now();
    loop {
        let why = match ready(kit, &target).await {
            Ok(None) => {
                writeln!(out, "{} is reachable and up to date", target.name())?;
                return Ok(0);
            }
            Ok(Some(why)) => why,
            Err(failure) => failure.to_string(),
        };
        if started.elapsed() >= timeout {
            writeln!(out, "not in time: {why}")?;
            return Ok(3);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Why the database is not ready yet.
async fn ready(kit: &Kit, target: &Target) -> Result<Option<String>, Failure> {
    let Some(db) = target.connect(Access::Read).await? else { return Ok(Some("no database yet".to_owned())) };
    Ok(match kit.state(&db).await? {
        State::Empty => Some("the database is empty".to_owned()),
        State::Foreign { .. } => Some(format!("the database is not {}'s", kit.program)),
        State::Ours(standing) if standing.is_usable() => None,
        State::Ours(standing) => Some(standing.faults().join("; ")),
    })
}

pub(super) async fn fresh(
    kit: &Kit,
    settings: &Settings,
    erase: &Erase,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = permitted(settings, erase, out)?;
    let Some(db) = target.connect(Access::Write).await? else { return Ok(0) };
    report(out, &kit.fresh(&db, &erasing(erase)).await?, "applied")?;
    Ok(0)
}

pub(super) async fn reset(
    kit: &Kit,
    settings: &Settings,
    erase: &Erase,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = permitted(settings, erase, out)?;
    let Some(db) = target.connect(Access::Write).await? else { return Ok(0) };
    report(out, &kit.reset(&db, &erasing(erase)).await?, "reverted")?;
    Ok(0)
}

fn erasing(erase: &Erase) -> Options<'static> {
    Options { limits: erase.waits.limits(), allow_destructive: true, ..Options::default() }
}

/// Outside production a yes is enough for a database on this machine; any other wants its name.
fn permitted(settings: &Settings, erase: &Erase, out: &mut impl Write) -> Result<Target, Failure> {
    let target = Target::parse(&settings.database_url)?;
    let name = target.name();
    let typed = match &erase.confirm {
        Some(typed) => Some(typed.clone()),
        None if !settings.production && target.is_local() => {
            if erase.yes || agrees(out, &format!("This destroys every row of {name}. Go on?"))? {
                return Ok(target);
            }
            let text = "nothing was changed: nobody agreed (without a terminal, say --yes)";
            return Err(Failure::Refused(text.to_owned()));
        }
        None => types_name(out, &target)?,
    };
    if typed.as_deref() == Some(name.as_str()) {
        return Ok(target);
    }
    Err(Failure::Refused(format!(
        "nothing was changed: in production, and on other machines, the name must be typed (--confirm {name})"
    )))
}

fn report(out: &mut impl Write, outcome: &Outcome, word: &str) -> Result<(), Failure> {
    for name in &outcome.adopted {
        writeln!(out, "{}  {name}", paint(Tone::Good, "adopted"))?;
    }
    for name in &outcome.applied {
        writeln!(out, "{}  {name}", paint(Tone::Good, word))?;
    }
    for notice in &outcome.notices {
        writeln!(out, "{notice}")?;
    }
    Ok(())
}

fn print(out: &mut impl Write, lines: &[String]) -> Result<u8, Failure> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(0)
}
