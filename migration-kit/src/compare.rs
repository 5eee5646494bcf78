//! Compares three schemas: what the models want, what the migrations build, and what the database holds.

use std::collections::BTreeSet;

use sea_orm::{DatabaseConnection, TransactionTrait};

use super::{
    DatabaseState, Direction, Engine, Error, Migrator,
    catalogue::{self, Change, Schema, changes, statements},
    scratch::Scratch,
};

/// The answers to the three questions of `check`. It passes if all three are empty.
#[derive(Clone, Debug, Default)]
pub struct Check {
    /// (a) Migrations that are pending, changed, incomplete or unknown, each with the reason.
    pub history: Vec<String>,
    /// (b) How the schema that the migrations build differs from the models, per engine.
    pub models: Vec<(Engine, Change)>,
    /// (c) How the database differs from the schema that its applied migrations build.
    pub live: Vec<Change>,
    /// Indexes in the database that no migration makes. They do not fail the check.
    pub extra_indexes: Vec<Change>,
}

impl Check {
    /// All three questions are answered with yes.
    pub fn passed(&self) -> bool {
        self.history.is_empty() && self.models.is_empty() && self.live.is_empty()
    }
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

        let scratch = Scratch::open(engine, &txn).await?;
        for migration in self.migrations.iter().filter(|migration| applied.contains(migration.name())) {
            scratch.migrate(migration.as_ref(), Direction::Up).await?;
        }
        let expected = scratch.load().await?;
        scratch.discard().await?;

        let mut managed: BTreeSet<String> = expected.tables.keys().cloned().collect();
        for engine in comparable_engines(engine) {
            let steps = self.schema_after_each(Scratch::open(engine, &txn).await?).await?;
            managed.extend(steps.iter().flat_map(|step| step.tables.keys().cloned()));
            let built = steps.into_iter().next_back().unwrap_or_default();
            let want = self.wanted_schema(Scratch::open(engine, &txn).await?).await?;
            check.models.extend(changes(&built, &want).into_iter().map(|change| (engine, change)));
        }

        let live = catalogue::load(&txn).await?.filter(|name| managed.contains(name));
        (check.extra_indexes, check.live) =
            changes(&live, &expected).into_iter().partition(|change| matches!(change, Change::DropIndex(..)));
        txn.rollback().await?;
        Ok(check)
    }

    /// How the database differs from the models. Tables that neither the models nor any migration names are
    /// ignored.
    pub async fn diff(&self, db: &DatabaseConnection) -> Result<Difference, Error> {
        let txn = db.begin().await?;
        let engine = Engine::of(&txn)?;
        let steps = self.schema_after_each(Scratch::open(engine, &txn).await?).await?;
        let want = self.wanted_schema(Scratch::open(engine, &txn).await?).await?;
        let known: BTreeSet<_> =
            steps.iter().chain([&want]).flat_map(|schema| schema.tables.keys()).collect();
        let live = catalogue::load(&txn).await?.filter(|name| known.iter().any(|known| *known == name));
        txn.rollback().await?;
        Ok(Difference::between(engine, &live, &want))
    }

    /// How the migrations differ from the models: on SQLite, and on the engine of `db`.
    pub async fn missing(&self, db: &DatabaseConnection) -> Result<Vec<Difference>, Error> {
        let txn = db.begin().await?;
        let mut differences = Vec::new();
        for engine in comparable_engines(Engine::of(&txn)?) {
            let steps = self.schema_after_each(Scratch::open(engine, &txn).await?).await?;
            let want = self.wanted_schema(Scratch::open(engine, &txn).await?).await?;
            let built = steps.into_iter().next_back().unwrap_or_default();
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
