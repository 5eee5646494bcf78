//! What a run has to do, told from where the database stands.

use super::{Error, Kit, Migration, Options, Standing, State};

impl Kit {
    /// The names that `up` would apply.
    pub fn pending(&self, state: State, options: &Options<'_>) -> Result<Vec<String>, Error> {
        let options = Options { allow_destructive: true, ..*options };
        Ok(self.way_up(state, &options)?.into_iter().map(|migration| migration.name().to_owned()).collect())
    }

    /// The names that `down` would revert.
    pub fn applied(&self, state: State, options: &Options<'_>) -> Result<Vec<String>, Error> {
        Ok(self.way_down(state, options)?.into_iter().map(|migration| migration.name().to_owned()).collect())
    }

    /// What `up` applies, oldest first.
    pub(crate) fn way_up(&self, state: State, options: &Options<'_>) -> Result<Vec<&dyn Migration>, Error> {
        let last = options.to.map(|name| self.position(name)).transpose()?;
        let standing = self.sound(state)?;
        let plan: Vec<_> = self
            .migrations
            .iter()
            .take(last.map_or(usize::MAX, |last| last.saturating_add(1)))
            .filter(|migration| standing.records.iter().all(|record| record.name != migration.name()))
            .map(AsRef::as_ref)
            .collect();
        permit(&plan, options)?;
        Ok(plan)
    }

    /// What `down` reverts, newest first.
    pub(crate) fn way_down(&self, state: State, options: &Options<'_>) -> Result<Vec<&dyn Migration>, Error> {
        let keep = options.to.map(|name| self.position(name)).transpose()?;
        let standing = match state {
            State::Foreign { tables } => {
                return Err(Error::Foreign { program: self.program, tables: tables.join(", ") });
            }
            other => self.sound(other)?,
        };
        Ok(self
            .migrations
            .iter()
            .skip(keep.map_or(0, |keep| keep.saturating_add(1)))
            .rev()
            .filter(|migration| standing.records.iter().any(|record| record.name == migration.name()))
            .take(options.steps.unwrap_or(usize::MAX))
            .map(AsRef::as_ref)
            .collect())
    }

    /// The standing, if it is one that a run may start from.
    fn sound(&self, state: State) -> Result<Standing, Error> {
        let standing = match state {
            State::Empty | State::Foreign { .. } => Standing::default(),
            State::Ours(standing) => standing,
        };
        if let Some(name) = standing.dirty.first() {
            return Err(Error::Dirty(name.clone()));
        }
        if !standing.changed.is_empty() {
            return Err(Error::Changed(standing.changed.join(", ")));
        }
        if !standing.unknown.is_empty() {
            let names: Vec<_> = standing.unknown.iter().map(|unknown| unknown.name.as_str()).collect();
            return Err(Error::Newer {
                program: self.program,
                version: self.version,
                names: names.join(", "),
            });
        }
        Ok(standing)
    }
}

fn permit(plan: &[&dyn Migration], options: &Options<'_>) -> Result<(), Error> {
    let destructive = plan.iter().find(|migration| migration.marks().destructive);
    match destructive {
        Some(migration) if !options.allow_destructive => Err(Error::Destructive(migration.name().to_owned())),
        _ => Ok(()),
    }
}
