//! The whole of a run as a script, for those who apply SQL by other means. It keeps the records too, so the next run
//! here finds everything in place.

use super::{
    Engine, Error, Kit, Migration, Phase,
    ledger::{self, Entry},
    script::{Direction, checksum, render},
};

impl Kit {
    /// Up from an empty database to `to`, or to the newest.
    pub async fn script_up(&self, engine: Engine, to: Option<&str>) -> Result<Vec<String>, Error> {
        let last = to.map(|name| self.position(name)).transpose()?;
        let count = last.map_or(self.migrations.len(), |last| last.saturating_add(1));
        let mut script = Script::new(engine);
        for statement in ledger::install(engine, self.ledger) {
            script.push(&statement);
        }
        for migration in self.migrations.iter().take(count) {
            let statements = render(migration.as_ref(), engine, Direction::Up).await?;
            let checksum = checksum(&statements);
            script.migration(migration.as_ref(), statements);
            let entry = Entry {
                name: migration.name(),
                phase: Phase::Applied,
                checksum: Some(&checksum),
                additive: migration.marks().additive,
                version: self.version,
                duration_ms: 0,
            };
            for statement in ledger::record(engine, self.ledger, &entry) {
                script.push(&statement);
            }
        }
        Ok(script.end())
    }

    /// Back from the newest, to `to`, which stays, or by `steps`.
    pub async fn script_down(
        &self,
        engine: Engine,
        to: Option<&str>,
        steps: Option<usize>,
    ) -> Result<Vec<String>, Error> {
        let keep = to.map(|name| self.position(name)).transpose()?.map_or(0, |keep| keep.saturating_add(1));
        let mut script = Script::new(engine);
        for migration in self.migrations.iter().skip(keep).rev().take(steps.unwrap_or(usize::MAX)) {
            let statements = render(migration.as_ref(), engine, Direction::Down).await?;
            script.migration(migration.as_ref(), statements);
            for statement in ledger::forget(self.ledger, migration.name()) {
                script.push(&statement);
            }
        }
        Ok(script.end())
    }
}

struct Script {
    engine: Engine,
    lines: Vec<String>,
}

impl Script {
    fn new(engine: Engine) -> Self {
        let mut lines = Vec::new();
        if engine == Engine::Sqlite {
            lines.push("PRAGMA foreign_keys = OFF;".to_owned());
        }
        lines.push(Self::begin(engine).to_owned());
        Self { engine, lines }
    }

    fn begin(engine: Engine) -> &'static str {
        match engine {
            Engine::Postgres => "BEGIN;",
            Engine::Sqlite => "BEGIN IMMEDIATE;",
        }
    }

    fn push(&mut self, statement: &str) {
        self.lines.push(format!("{};", statement.trim_end_matches(';')));
    }

    fn migration(&mut self, migration: &dyn Migration, statements: Vec<String>) {
        self.lines.push(format!("\n-- {}", migration.name()));
        let alone = migration.use_transaction() == Some(false);
        if alone {
            self.lines.push("COMMIT;".to_owned());
        }
        for statement in statements {
            self.push(&statement);
        }
        if alone {
            self.lines.push(Self::begin(self.engine).to_owned());
        }
    }

    fn end(mut self) -> Vec<String> {
        if self.engine == Engine::Sqlite {
            self.lines.push("PRAGMA foreign_key_check;".to_owned());
        }
        self.lines.push("COMMIT;".to_owned());
        self.lines
    }
}
