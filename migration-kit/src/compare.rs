//! Three schemas that should be one: what the models want, what the migrations build, what the database holds.

use std::collections::BTreeSet;

use sea_orm::{DatabaseConnection, TransactionTrait};

use super::{
    Engine, Error, Kit, Standing, State,
    catalogue::{self, Change, Schema, changes, statements},
    scratch::Scratch,
    script::Direction,
};

/// The three questions of `check`. All empty: everything is as it should be.
#[derive(Clone, Debug, Default)]
pub struct Check {
    /// (a) Not applied, changed since, half-way or unknown, each with its reason.
    pub standing: Vec<String>,
    /// (b) What the models want beyond what the migrations build, per engine.
    pub models: Vec<(Engine, Change)>,
    /// (c) What the migrations build beyond what the database holds.
    pub live: Vec<Change>,
    /// Indexes that the database holds beyond; said, and not counted as a fault.
    pub further: Vec<Change>,
}

impl Check {
    /// No question has a fault for an answer.
    pub fn passed(&self) -> bool {
        self.standing.is_empty() && self.models.is_empty() && self.live.is_empty()
    }
}

/// What separates two schemas on one engine, and the SQL that leads from one to the other and back.
#[derive(Clone, Debug)]
pub struct Difference {
    /// On which engine.
    pub engine: Engine,
    /// Each step.
    pub changes: Vec<Change>,
    /// The SQL of the steps.
    pub up: Vec<String>,
    /// The SQL of the way back.
    pub down: Vec<String>,
}

impl Difference {
    /// The way from `have` to `want`.
    pub fn between(engine: Engine, have: &Schema, want: &Schema) -> Self {
        Self {
            engine,
            changes: changes(have, want),
            up: statements(engine, have, want),
            down: statements(engine, want, have),
        }
    }
}

impl Standing {
    /// What keeps it from being current, one line each.
    pub fn faults(&self) -> Vec<String> {
        let each = |names: &[String], words: &str| {
            names.iter().map(|name| format!("{name} {words}")).collect::<Vec<_>>()
        };
        let pending: Vec<_> =
            self.pending.iter().filter(|name| !self.dirty.contains(name)).cloned().collect();
        let unknown: Vec<_> = self.unknown.iter().map(|unknown| unknown.name.clone()).collect();
        [
            each(&pending, "is not applied"),
            each(&self.dirty, "stopped half-way outside a transaction"),
            each(&self.changed, "was changed since it was applied"),
            each(&unknown, "is not known to this release"),
        ]
        .concat()
    }
}

impl Kit {
    /// Compares all three. Builds what it needs in a scratch place and leaves nothing behind.
    pub async fn check(&self, db: &DatabaseConnection) -> Result<Check, Error> {
        let mut check = Check::default();
        let txn = db.begin().await?;
        let engine = Engine::of(&txn)?;

        let recorded: BTreeSet<String> = match self.state(&txn).await? {
            State::Ours(standing) => {
                check.standing = standing.faults();
                let dirty = &standing.dirty;
                standing
                    .records
                    .into_iter()
                    .map(|record| record.name)
                    .filter(|name| !dirty.contains(name))
                    .collect()
            }
            State::Empty | State::Foreign { .. } => {
                check.standing = self.names().map(|name| format!("{name} is not applied")).collect();
                BTreeSet::new()
            }
        };

        let scratch = Scratch::on(engine, &txn).await?;
        for migration in self.migrations.iter().filter(|migration| recorded.contains(migration.name())) {
            scratch.migrate(migration.as_ref(), Direction::Up).await?;
        }
        let expected = scratch.read().await?;
        scratch.drop().await?;

        let mut managed: BTreeSet<String> = expected.tables.keys().cloned().collect();
        for engine in at_hand(engine) {
            let stages = self.stages(Scratch::on(engine, &txn).await?).await?;
            managed.extend(stages.iter().flat_map(|stage| stage.tables.keys().cloned()));
            let built = stages.into_iter().next_back().unwrap_or_default();
            let want = self.wanted_schema(Scratch::on(engine, &txn).await?).await?;
            check.models.extend(changes(&built, &want).into_iter().map(|change| (engine, change)));
        }

        let live = catalogue::read(&txn).await?.only(|name| managed.contains(name));
        (check.further, check.live) =
            changes(&live, &expected).into_iter().partition(|change| matches!(change, Change::DropIndex(..)));
        txn.rollback().await?;
        Ok(check)
    }

    /// What separates the models from the database. Tables that neither they nor the migrations ever knew are left out.
    pub async fn diff(&self, db: &DatabaseConnection) -> Result<Difference, Error> {
        let txn = db.begin().await?;
        let engine = Engine::of(&txn)?;
        let stages = self.stages(Scratch::on(engine, &txn).await?).await?;
        let want = self.wanted_schema(Scratch::on(engine, &txn).await?).await?;
        let known: BTreeSet<_> =
            stages.iter().chain([&want]).flat_map(|schema| schema.tables.keys()).collect();
        let live = catalogue::read(&txn).await?.only(|name| known.iter().any(|known| *known == name));
        txn.rollback().await?;
        Ok(Difference::between(engine, &live, &want))
    }

    /// What separates the models from the migrations: on SQLite, which is always at hand, and on the engine of `db`.
    pub async fn missing(&self, db: &DatabaseConnection) -> Result<Vec<Difference>, Error> {
        let txn = db.begin().await?;
        let mut differences = Vec::new();
        for engine in at_hand(Engine::of(&txn)?) {
            let stages = self.stages(Scratch::on(engine, &txn).await?).await?;
            let want = self.wanted_schema(Scratch::on(engine, &txn).await?).await?;
            let built = stages.into_iter().next_back().unwrap_or_default();
            differences.push(Difference::between(engine, &built, &want));
        }
        txn.rollback().await?;
        Ok(differences)
    }
}

/// The engines that can be compared on when connected to this one: SQLite needs no server.
fn at_hand(connected: Engine) -> Vec<Engine> {
    match connected {
        Engine::Postgres => vec![Engine::Sqlite, Engine::Postgres],
        Engine::Sqlite => vec![Engine::Sqlite],
    }
}
