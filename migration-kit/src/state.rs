//! Where a database stands towards the migrations: read, never written, with no right beyond SELECT.

use sea_orm::ConnectionTrait;

use super::{Engine, Error, Kit, Phase, Record, execute::sum, ledger};

/// What a database is to the program.
#[derive(Clone, Debug)]
pub enum State {
    /// No tables at all.
    Empty,
    /// The program's own, or adopted by it.
    Ours(Standing),
    /// Tables, and no record of the program: another program's, or one to be adopted.
    Foreign {
        /// The tables found, by name.
        tables: Vec<String>,
    },
}

/// How far a database of the program's has come.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Everything recorded, by name.
    pub records: Vec<Record>,
    /// Known and not applied, oldest first.
    pub pending: Vec<String>,
    /// Applied and not known here: a newer release was at work.
    pub unknown: Vec<Unknown>,
    /// Applied with other SQL than today's.
    pub changed: Vec<String>,
    /// Started outside a transaction and not finished.
    pub dirty: Vec<String>,
}

/// A migration of a newer release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its name.
    pub name: String,
    /// Whether it was recorded as one that older releases can live with.
    pub additive: bool,
}

impl Standing {
    /// Nothing to do and nothing to explain.
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.unknown.is_empty() && self.changed.is_empty() && self.dirty.is_empty()
    }

    /// Current, or newer by migrations that this release can live with.
    pub fn is_usable(&self) -> bool {
        self.pending.is_empty()
            && self.changed.is_empty()
            && self.dirty.is_empty()
            && self.only_additive_unknown()
    }

    /// A newer release migrated this database, and all that it did is safe for this one.
    pub fn only_additive_unknown(&self) -> bool {
        self.unknown.iter().all(|unknown| unknown.additive)
    }
}

impl Kit {
    /// Where the database stands. Reads only, so it needs no right to create anything.
    pub async fn state(&self, db: &impl ConnectionTrait) -> Result<State, Error> {
        let tables = ledger::tables(db).await?;
        let records = ledger::read(db, self.ledger, &tables).await?;
        let ours = tables.iter().any(|table| table == self.ledger)
            || records.iter().any(|record| self.names().any(|name| name == record.name));
        if ours {
            return Ok(State::Ours(self.standing(Engine::of(db)?, records).await?));
        }
        let tables: Vec<_> = tables.into_iter().filter(|table| table != "seaql_migrations").collect();
        Ok(if tables.is_empty() && records.is_empty() { State::Empty } else { State::Foreign { tables } })
    }

    async fn standing(&self, engine: Engine, records: Vec<Record>) -> Result<Standing, Error> {
        let mut standing = Standing::default();
        for migration in &self.migrations {
            let name = migration.name();
            let Some(record) = records.iter().find(|record| record.name == name) else {
                standing.pending.push(name.to_owned());
                continue;
            };
            if record.phase == Phase::Running {
                standing.dirty.push(name.to_owned());
                standing.pending.push(name.to_owned());
                continue;
            }
            let Some(recorded) = record.checksum.as_deref() else { continue };
            let today = sum(migration.as_ref(), engine).await?;
            let accepted = migration.marks().accepted_checksums.contains(&recorded);
            if today.as_deref() != Some(recorded) && !accepted {
                standing.changed.push(name.to_owned());
            }
        }
        for record in &records {
            if !self.names().any(|name| name == record.name) {
                standing
                    .unknown
                    .push(Unknown { name: record.name.clone(), additive: record.additive.unwrap_or(false) });
            }
        }
        standing.records = records;
        Ok(standing)
    }
}
