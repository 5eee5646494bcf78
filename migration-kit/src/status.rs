//! The state of a database relative to the migrations, found with SELECT alone.

use sea_orm::ConnectionTrait;

use super::{Engine, Error, Migrator, Phase, Record, ledger, render::up_checksum, search_path};

/// Whether a database is the program's.
#[derive(Clone, Debug)]
pub enum DatabaseState {
    /// The database has no tables.
    Empty,
    /// The database has records of the program's migrations.
    Managed(SchemaStatus),
    /// The database has tables but no record of the program: another program made them, or they can be
    /// adopted.
    Unmanaged {
        /// The tables found, by name.
        tables: Vec<String>,
    },
}

/// Which migrations a managed database has.
#[derive(Clone, Debug, Default)]
pub struct SchemaStatus {
    /// All records, by name, without those that only the ledger has.
    pub records: Vec<Record>,
    /// Migrations that are not applied, oldest first.
    pub pending: Vec<String>,
    /// Applied migrations that this release does not know: a newer release applied them.
    pub unknown: Vec<UnknownMigration>,
    /// Migrations that were applied with other SQL than this release has.
    pub changed: Vec<String>,
    /// Migrations that started outside a transaction and did not complete. They are pending as well.
    pub incomplete: Vec<String>,
    /// Migrations that only the ledger has. SeaORM's own tool reverted them, or their rows in
    /// `seaql_migrations` were lost. They are pending as well.
    pub unlisted: Vec<String>,
}

/// An applied migration of a newer release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMigration {
    /// The name.
    pub name: String,
    /// Whether it was recorded as additive.
    pub additive: bool,
}

impl SchemaStatus {
    /// Every migration is applied as this release has it, and no other.
    pub fn is_current(&self) -> bool {
        self.pending.is_empty()
            && self.unknown.is_empty()
            && self.changed.is_empty()
            && self.incomplete.is_empty()
            && self.unlisted.is_empty()
    }

    /// This release can work on the schema: it is current, or newer by additive migrations only.
    pub fn is_usable(&self) -> bool {
        self.pending.is_empty()
            && self.changed.is_empty()
            && self.incomplete.is_empty()
            && self.unlisted.is_empty()
            && self.only_additive_unknown()
    }

    /// Whether a migration was adopted: another program created its tables.
    pub fn is_adopted(&self) -> bool {
        self.records.iter().any(|record| record.phase == Phase::Adopted)
    }

    /// Whether the migration is recorded.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.records.iter().any(|record| record.name == name)
    }

    /// All unknown migrations are additive. True if there are none.
    pub fn only_additive_unknown(&self) -> bool {
        self.unknown.iter().all(|unknown| unknown.additive)
    }

    /// Why the schema is not current, one line for each migration.
    pub fn explain(&self) -> Vec<String> {
        let each = |names: &[String], words: &str| {
            names.iter().map(|name| format!("{name} {words}")).collect::<Vec<_>>()
        };
        let explained = |name: &String| self.incomplete.contains(name) || self.unlisted.contains(name);
        let pending: Vec<_> = self.pending.iter().filter(|name| !explained(name)).cloned().collect();
        let unknown: Vec<_> = self.unknown.iter().map(|unknown| unknown.name.clone()).collect();
        [
            each(&pending, "is not applied"),
            each(&self.incomplete, "is incomplete: it stopped outside a transaction"),
            each(
                &self.unlisted,
                "is recorded in one of the two tables only: `adopt` completes or deletes the record",
            ),
            each(&self.changed, "was changed since it was applied"),
            each(&unknown, "is not known to this release"),
        ]
        .concat()
    }
}

impl Migrator {
    /// The state of the database. Reads only, so the role needs no right to create anything.
    pub async fn state(&self, db: &impl ConnectionTrait) -> Result<DatabaseState, Error> {
        let tables = ledger::table_names(db).await?;
        let records = ledger::records(db, self.ledger, &tables).await?;
        let managed = tables.iter().any(|table| table == self.ledger)
            || records.iter().any(|record| self.names().any(|name| name == record.name));
        if managed {
            return Ok(DatabaseState::Managed(self.status(Engine::of(db)?, records).await?));
        }
        search_path::ensure_not_elsewhere(db, self, &tables).await?;
        let tables: Vec<_> = tables.into_iter().filter(|table| table != "seaql_migrations").collect();
        if tables.is_empty() && records.is_empty() {
            return Ok(DatabaseState::Empty);
        }
        Ok(DatabaseState::Unmanaged { tables })
    }

    async fn status(&self, engine: Engine, records: Vec<Record>) -> Result<SchemaStatus, Error> {
        let mut status = SchemaStatus::default();
        for migration in &self.migrations {
            let name = migration.name();
            let Some(record) = records.iter().find(|record| record.name == name) else {
                status.pending.push(name.to_owned());
                continue;
            };
            if record.phase == Phase::Running || !record.listed {
                let unclear = match record.phase {
                    Phase::Running => &mut status.incomplete,
                    Phase::Applied | Phase::Adopted => &mut status.unlisted,
                };
                unclear.push(name.to_owned());
                status.pending.push(name.to_owned());
                continue;
            }
            let Some(recorded) = record.checksum.as_deref() else { continue };
            let current = up_checksum(migration.as_ref(), engine).await?;
            let accepted = migration.attributes().accepted_checksums.contains(&recorded);
            if current.as_deref() != Some(recorded) && !accepted {
                status.changed.push(name.to_owned());
            }
        }
        for record in &records {
            if !self.names().any(|name| name == record.name) {
                status.unknown.push(UnknownMigration {
                    name: record.name.clone(),
                    additive: record.additive.unwrap_or(false),
                });
            }
        }
        status.records =
            records.into_iter().filter(|record| record.phase == Phase::Running || record.listed).collect();
        Ok(status)
    }
}
