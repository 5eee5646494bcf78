//! `fresh` and `reset`: commands that delete all rows, and the confirmation that they need.

use std::io::Write;

use super::{
    EraseArgs, Failure, Settings,
    apply::print_outcome,
    connect::{Access, Target},
    output::{confirm, prompt_for_name},
};
use crate::{Migrator, Options};

pub(super) async fn fresh(
    migrator: &Migrator,
    settings: &Settings,
    args: &EraseArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = confirmed(settings, args, out)?;
    let Some(db) = target.connect(Access::ReadWrite).await? else { return Ok(0) };
    print_outcome(out, &migrator.fresh(&db, &options(args)).await?, "applied")?;
    Ok(0)
}

pub(super) async fn reset(
    migrator: &Migrator,
    settings: &Settings,
    args: &EraseArgs,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let target = confirmed(settings, args, out)?;
    let Some(db) = target.connect(Access::ReadWrite).await? else { return Ok(0) };
    print_outcome(out, &migrator.reset(&db, &options(args)).await?, "reverted")?;
    Ok(0)
}

fn options(args: &EraseArgs) -> Options<'static> {
    Options { timeouts: args.timeouts.into(), allow_destructive: true, ..Options::default() }
}

/// The database, once erasing it is confirmed. Outside production, a yes is enough for a database on this
/// machine. Any other database needs its name.
fn confirmed(settings: &Settings, args: &EraseArgs, out: &mut impl Write) -> Result<Target, Failure> {
    let target = Target::parse(&settings.database_url)?;
    let name = target.name();
    let typed = match &args.confirm {
        Some(typed) => Some(typed.clone()),
        None if !settings.production && target.is_local() => {
            if args.yes || confirm(out, &format!("This deletes every row of {name}. Continue?"))? {
                return Ok(target);
            }
            let text = "nothing was changed: not confirmed (without a terminal, pass --yes)";
            return Err(Failure::Refused(text.to_owned()));
        }
        None => prompt_for_name(out, &format!("This deletes every row of {name} ({target})."))?,
    };
    if typed.as_deref() == Some(name.as_str()) {
        return Ok(target);
    }
    Err(Failure::Refused(format!(
        "nothing was changed: in production and on other machines, confirm with the name (--confirm {name})"
    )))
}
