//! Which migrations a run applies or reverts, given the state of the database.

use super::{DatabaseState, Error, Migration, Migrator, Options, SchemaStatus};

impl Migrator {
    /// The names of the migrations that `up` would apply, destructive ones included.
    pub fn plan_up(&self, state: DatabaseState, options: &Options<'_>) -> Result<Vec<String>, Error> {
        let options = Options { allow_destructive: true, ..*options };
        Ok(self
            .migrations_up(state, &options)?
            .into_iter()
            .map(|migration| migration.name().to_owned())
            .collect())
    }

    /// The names of the migrations that `down` would revert.
    pub fn plan_down(&self, state: DatabaseState, options: &Options<'_>) -> Result<Vec<String>, Error> {
        Ok(self
            .migrations_down(state, options)?
            .into_iter()
            .map(|migration| migration.name().to_owned())
            .collect())
    }

    /// The migrations that `up` applies, oldest first.
    pub(crate) fn migrations_up(
        &self,
        state: DatabaseState,
        options: &Options<'_>,
    ) -> Result<Vec<&dyn Migration>, Error> {
        let last = options.to.map(|name| self.position(name)).transpose()?;
        let status = self.runnable_status(state)?;
        let plan: Vec<_> = self
            .migrations
            .iter()
            .take(last.map_or(usize::MAX, |last| last.saturating_add(1)))
            .filter(|migration| !status.has(migration.name()))
            .map(AsRef::as_ref)
            .collect();
        ensure_allowed(&plan, options)?;
        Ok(plan)
    }

    /// The migrations that `down` reverts, newest first.
    pub(crate) fn migrations_down(
        &self,
        state: DatabaseState,
        options: &Options<'_>,
    ) -> Result<Vec<&dyn Migration>, Error> {
        let target = options.to.map(|name| self.position(name)).transpose()?;
        let status = match state {
            DatabaseState::Unmanaged { tables } => {
                return Err(Error::Unmanaged { program: self.program, tables: tables.join(", ") });
            }
            other => self.runnable_status(other)?,
        };
        Ok(self
            .migrations
            .iter()
            .skip(target.map_or(0, |target| target.saturating_add(1)))
            .rev()
            .filter(|migration| status.has(migration.name()))
            .take(options.steps.unwrap_or(usize::MAX))
            .map(AsRef::as_ref)
            .collect())
    }

    /// The status, or an error if a run must not start from it.
    fn runnable_status(&self, state: DatabaseState) -> Result<SchemaStatus, Error> {
        let status = match state {
            DatabaseState::Empty | DatabaseState::Unmanaged { .. } => SchemaStatus::default(),
            DatabaseState::Managed(status) => status,
        };
        if let Some(name) = status.incomplete.first() {
            return Err(Error::Incomplete(name.clone()));
        }
        if !status.unlisted.is_empty() {
            return Err(Error::Unlisted { names: status.unlisted.join(", "), ledger: self.ledger });
        }
        if !status.changed.is_empty() {
            return Err(Error::Changed(status.changed.join(", ")));
        }
        self.ensure_known(&status)?;
        Ok(status)
    }

    /// An error if a newer release migrated the database.
    pub(crate) fn ensure_known(&self, status: &SchemaStatus) -> Result<(), Error> {
        if status.unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = status.unknown.iter().map(|unknown| unknown.name.as_str()).collect();
        Err(Error::Newer { program: self.program, version: self.version, names: names.join(", ") })
    }
}

fn ensure_allowed(plan: &[&dyn Migration], options: &Options<'_>) -> Result<(), Error> {
    let destructive = plan.iter().find(|migration| migration.attributes().destructive);
    match destructive {
        Some(migration) if !options.allow_destructive => Err(Error::Destructive(migration.name().to_owned())),
        _ => Ok(()),
    }
}
