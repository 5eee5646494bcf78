//! A whole run as an SQL script, to be applied by `psql` or SQLite's shell. The script also writes the records, so later
//! runs see the migrations as applied.

use super::{Direction, Engine, Error, Migration, Migrator, Phase, checksum, ledger, render};

impl Migrator {
    /// The script from an empty database, or from one that has `from`, up to `to`, or to the newest migration.
    pub async fn script_up(
        &self,
        engine: Engine,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<Vec<String>, Error> {
        let first =
            from.map(|name| self.position(name)).transpose()?.map_or(0, |from| from.saturating_add(1));
        let last = to.map(|name| self.position(name)).transpose()?;
        let count = last.map_or(self.migrations.len(), |last| last.saturating_add(1));
        let mut script = Script::new(engine);
        for statement in ledger::create_tables(engine, self.ledger) {
            script.push(&statement);
        }
        for migration in self.migrations.iter().take(count).skip(first) {
            let statements = render(migration.as_ref(), engine, Direction::Up).await?;
            let checksum = checksum(&statements);
            script.add(migration.as_ref(), statements);
            let record = ledger::NewRecord {
                name: migration.name(),
                phase: Phase::Applied,
                checksum: Some(&checksum),
                additive: migration.attributes().additive,
                version: self.version,
                duration_ms: 0,
            };
            for statement in ledger::insert(engine, self.ledger, &record) {
                script.push(&statement);
            }
        }
        Ok(script.finish())
    }

    /// The script from the newest migration down to `to`, which is not reverted, or by `steps` migrations.
    pub async fn script_down(
        &self,
        engine: Engine,
        to: Option<&str>,
        steps: Option<usize>,
    ) -> Result<Vec<String>, Error> {
        let first = to.map(|name| self.position(name)).transpose()?.map_or(0, |to| to.saturating_add(1));
        let mut script = Script::new(engine);
        for migration in self.migrations.iter().skip(first).rev().take(steps.unwrap_or(usize::MAX)) {
            let statements = render(migration.as_ref(), engine, Direction::Down).await?;
            script.add(migration.as_ref(), statements);
            for statement in ledger::delete(self.ledger, migration.name()) {
                script.push(&statement);
            }
        }
        Ok(script.finish())
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
            // Without it, SQLite's shell continues after an error and commits the rest.
            lines.push(".bail on".to_owned());
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

    fn add(&mut self, migration: &dyn Migration, statements: Vec<String>) {
        self.lines.push(format!("\n-- {}", migration.name()));
        let outside = migration.use_transaction() == Some(false);
        if outside {
            self.lines.push("COMMIT;".to_owned());
        }
        for statement in statements {
            self.push(&statement);
        }
        if outside {
            self.lines.push(Self::begin(self.engine).to_owned());
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.engine == Engine::Sqlite {
            self.lines.push("PRAGMA foreign_key_check;".to_owned());
        }
        self.lines.push("COMMIT;".to_owned());
        self.lines
    }
}
