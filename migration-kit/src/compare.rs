//! Compares three schemas: what the models want, what the migrations build, and what the database holds.

use std::collections::BTreeSet;

use sea_orm::{DatabaseConnection, DatabaseTransaction, TransactionTrait};

use super::{
    DatabaseState, Engine, Error, Migrator,
    catalogue::{self, Change, LONGEST_ENTRY, Schema, changes, long_column, sequences_behind, statements},
    scratch::Scratch,
};

/// The answers to the three questions of `check`. It passes if they are empty.
#[derive(Clone, Debug, Default)]
pub struct Check {
    /// (a) Migrations that are pending, changed, incomplete or unknown, each with the reason.
    pub history: Vec<String>,
    /// (b) How the schema that the migrations build differs from the models, per engine.
    pub models: Vec<(Engine, Change)>,
    /// (c) How the database differs from the schema that its applied migrations build.
    pub live: Vec<Change>,
    /// (c) Sequences of the database that would give a number that is in use.
    pub sequences: Vec<String>,
    /// What does not fail the check: indexes in the database that no migration makes, and what could not be
    /// compared.
    pub notes: Vec<String>,
}

impl Check {
    /// All three questions are answered with yes.
    pub fn passed(&self) -> bool {
        self.history.is_empty() && self.models.is_empty() && self.live.is_empty() && self.sequences.is_empty()
    }
}

/// Separates the changes that an administrator may have made on purpose, each as a sentence, from differences.
/// An additional index is one of them unless it is unique: then it rejects rows that the program accepts.
pub(crate) fn separate_notes(live: &Schema, changes: Vec<Change>) -> (Vec<String>, Vec<Change>) {
    let mut notes = Vec::new();
    let mut differences = Vec::new();
    for change in changes {
        match &change {
            Change::DropIndex(name, index) if !index.unique => {
                let long = live.tables.get(name).and_then(|table| long_column(table, index));
                notes.push(match long {
                    Some(column) => format!(
                        "warning: {change}; writing a long {name}.{column} fails, because an entry of a btree \
                         index has at most {LONGEST_ENTRY} bytes"
                    ),
                    None => format!("note: {change}"),
                });
            }
            _ => differences.push(change),
        }
    }
    (notes, differences)
}

/// The differences between two schemas on one engine, and the SQL for both directions.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The engine.
    pub engine: Engine,
    /// The changes.
    pub changes: Vec<Change>,
    /// The SQL of the changes.
    pub up: Vec<String>,
    /// The SQL that reverts them.
    pub down: Vec<String>,
}

impl Difference {
    /// What turns `have` into `want`.
    pub fn between(engine: Engine, have: &Schema, want: &Schema) -> Self {
        Self {
            engine,
            changes: changes(have, want),
            up: statements(engine, have, want),
            down: statements(engine, want, have),
        }
    }
}

impl Migrator {
    /// Compares all three schemas. Scratch schemas are rolled back, so the database does not change.
    pub async fn check(&self, db: &DatabaseConnection) -> Result<Check, Error> {
        let mut check = Check::default();
        let txn = db.begin().await?;
        let engine = Engine::of(&txn)?;

        let applied: BTreeSet<String> = match self.state(&txn).await? {
            DatabaseState::Managed(status) => {
                check.history = status.explain();
                let incomplete = &status.incomplete;
                status
                    .records
                    .into_iter()
                    .map(|record| record.name)
                    .filter(|name| !incomplete.contains(name))
                    .collect()
            }
            DatabaseState::Empty | DatabaseState::Unmanaged { .. } => {
                check.history = self.names().map(|name| format!("{name} is not applied")).collect();
                BTreeSet::new()
            }
        };

        let mut managed = BTreeSet::new();
        for engine in comparable_engines(engine) {
            let built = self.build(Scratch::open(engine, &txn).await?, |_| true).await?;
            managed.extend(built.tables);
            let want = self.wanted_schema(Scratch::open(engine, &txn).await?).await?;
            check.models.extend(changes(&built.schema, &want).into_iter().map(|change| (engine, change)));
        }

        let live = catalogue::load(&txn).await?.filter(|name| managed.contains(name));
        let expected = self.expected(&txn, &live, &applied, &mut check.notes).await?;
        let (notes, differences) = separate_notes(&live, changes(&live, &expected));
        check.notes.extend(notes);
        check.live = differences;
        if expected.without_objects {
            check.notes.push(
                "note: triggers were not compared, because this role may not create schemas".to_owned(),
            );
        }
        if engine == Engine::Postgres {
            check.sequences = sequences_behind(&txn, &live).await?;
        }
        txn.rollback().await?;
        Ok(check)
    }

    /// The schema that the applied migrations build. If one before the newest has no record, perhaps only its
    /// record is lost. Then it is, of what they build with and without those, what the database differs from
    /// least.
    async fn expected(
        &self,
        txn: &DatabaseTransaction,
        live: &Schema,
        applied: &BTreeSet<String>,
        notes: &mut Vec<String>,
    ) -> Result<Schema, Error> {
        let engine = Engine::of(txn)?;
        let newest = self.names().enumerate().filter(|(_, name)| applied.contains(*name)).last();
        let (count, newest) = newest.map_or((0, ""), |(position, name)| (position.saturating_add(1), name));
        let built = self.build(Scratch::open(engine, txn).await?, |name| applied.contains(name)).await;
        let built = match built {
            Ok(built) if self.names().take(count).all(|name| applied.contains(name)) => {
                return Ok(built.schema);
            }
            Ok(built) => Some(built.schema),
            // An applied migration needs one without a record.
            Err(Error::Statement { .. }) => None,
            Err(other) => return Err(other),
        };
        let names: BTreeSet<_> = self.names().take(count).collect();
        let all = self.build(Scratch::open(engine, txn).await?, |name| names.contains(name)).await?.schema;
        let differences = |schema: &Schema| separate_notes(live, changes(live, schema)).1.len();
        match built {
            Some(built) if differences(&built) <= differences(&all) => Ok(built),
            _ => {
                notes.push(format!(
                    "note: not all migrations before {newest} have a record; the database is compared as if they \
                     were applied. If it does not differ, only records are lost: run `adopt`"
                ));
                Ok(all)
            }
        }
    }

    /// How the database differs from the models, and its triggers from those of the migrations. Tables that
    /// neither the models nor any migration names are ignored.
    pub async fn diff(&self, db: &DatabaseConnection) -> Result<Difference, Error> {
        let txn = db.begin().await?;
        let engine = Engine::of(&txn)?;
        let built = self.build(Scratch::open(engine, &txn).await?, |_| true).await?;
        let want = self.wanted_schema(Scratch::open(engine, &txn).await?).await?;
        let want = want.with_objects_of(&built.schema);
        let live = catalogue::load(&txn)
            .await?
            .filter(|name| built.tables.contains(name) || want.tables.contains_key(name));
        txn.rollback().await?;
        Ok(Difference::between(engine, &live, &want))
    }

    /// How the migrations differ from the models: on SQLite, and on the engine of `db`.
    pub async fn missing(&self, db: &DatabaseConnection) -> Result<Vec<Difference>, Error> {
        let txn = db.begin().await?;
        let mut differences = Vec::new();
        for engine in comparable_engines(Engine::of(&txn)?) {
            let built = self.build(Scratch::open(engine, &txn).await?, |_| true).await?.schema;
            let want = self.wanted_schema(Scratch::open(engine, &txn).await?).await?;
            let want = want.with_objects_of(&built);
            differences.push(Difference::between(engine, &built, &want));
        }
        txn.rollback().await?;
        Ok(differences)
    }
}

/// The engines on which schemas can be built: the connected one, and SQLite, which needs no server.
fn comparable_engines(connected: Engine) -> Vec<Engine> {
    match connected {
        Engine::Postgres => vec![Engine::Sqlite, Engine::Postgres],
        Engine::Sqlite => vec![Engine::Sqlite],
    }
}
