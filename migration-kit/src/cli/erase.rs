//! `fresh` and `reset`: commands that delete all rows, and the confirmation that they need.

use std::io::Write;

use super::{
    EraseArgs, Failure, Settings,
    apply::print_outcome,
    connect::{Access, Target},
    output::{confirm, has_terminal, print_lines, prompt_for_name},
};
use crate::{Error, Migrator, Options, Outcome};

pub(super) async fn fresh(
    migrator: &Migrator,
    settings: &Settings,
    args: &EraseArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url, migrator.program)?;
    let consent = Consent::of(settings, args, &target)?;
    if let Some(db) = target.connect_if_exists().await? {
        let rehearsal = Options { rehearse: true, ..options(args) };
        print_lines(out, &migrator.fresh(&db, &rehearsal).await?.notices)?;
        // The run opens two connections, and no more may be open at a time.
        db.close().await.map_err(Error::from)?;
    }
    consent.obtain(&target, out)?;
    let Some(db) = target.connect(Access::ReadWrite).await? else { return Ok(0) };
    let outcome = migrator.fresh(&db, &options(args)).await?;
    print_outcome(out, &Outcome { notices: Vec::new(), ..outcome }, "applied")?;
    Ok(0)
}

pub(super) async fn reset(
    migrator: &Migrator,
    settings: &Settings,
    args: &EraseArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = Target::parse(&settings.database_url, migrator.program)?;
    let consent = Consent::of(settings, args, &target)?;
    if let Some(db) = target.connect_if_exists().await? {
        let rehearsal = Options { rehearse: true, ..options(args) };
        print_lines(out, &migrator.reset(&db, &rehearsal).await?.notices)?;
        // The run opens two connections, and no more may be open at a time.
        db.close().await.map_err(Error::from)?;
    }
    consent.obtain(&target, out)?;
    let Some(db) = target.connect(Access::ReadWrite).await? else { return Ok(0) };
    print_outcome(out, &migrator.reset(&db, &options(args)).await?, "reverted")?;
    Ok(0)
}

fn options(args: &EraseArgs) -> Options<'static> {
    Options { timeouts: args.timeouts.into(), allow_destructive: true, ..Options::default() }
}

/// The confirmation that is missing before a database may be erased. Outside production, a yes is enough for a database on
/// this machine. Any other database needs its name.
enum Consent {
    Given,
    AskYes,
    AskName,
}

impl Consent {
    /// An error if it is refused already: a wrong name was passed, or there is no terminal to ask on.
    fn of(settings: &Settings, args: &EraseArgs, target: &Target) -> Result<Self, Failure> {
        let yes_is_enough = !settings.production && target.is_local();
        match &args.confirm {
            Some(typed) if *typed == target.name() => Ok(Self::Given),
            Some(_) => Err(not_named(target)),
            None if yes_is_enough && args.yes => Ok(Self::Given),
            None if yes_is_enough => {
                if has_terminal() {
                    Ok(Self::AskYes)
                } else {
                    Err(not_confirmed())
                }
            }
            None => {
                if has_terminal() {
                    Ok(Self::AskName)
                } else {
                    Err(not_named(target))
                }
            }
        }
    }

    fn obtain(self, target: &Target, out: &mut impl Write) -> Result<(), Failure> {
        let name = target.name();
        match self {
            Self::Given => Ok(()),
            Self::AskYes => {
                let yes = confirm(out, &format!("This deletes every row of {name}. Continue?"))?;
                if yes { Ok(()) } else { Err(not_confirmed()) }
            }
            Self::AskName => {
                let typed = prompt_for_name(out, &format!("This deletes every row of {name} ({target})."))?;
                if typed == Some(name) { Ok(()) } else { Err(not_named(target)) }
            }
        }
    }
}

fn not_confirmed() -> Failure {
    Failure::Refused("nothing was changed: not confirmed (without a terminal, pass --yes)".to_owned())
}

fn not_named(target: &Target) -> Failure {
    Failure::Refused(format!(
        "nothing was changed: in production and on other machines, confirm with the name (--confirm {})",
        target.name()
    ))
}
