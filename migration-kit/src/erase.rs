//! Removes the program's tables from a database: for `fresh`, which creates them again, and for `reset`.

use std::collections::BTreeSet;

use sea_orm::{DatabaseConnection, DatabaseTransaction, TransactionTrait};

use super::{
    DatabaseState, Direction, Engine, Error, Migrator, Options, Outcome,
    catalogue::{self, changes},
    engine::{ident, literal},
    error::Cause,
    execute::run_statement,
    ledger, render,
    scratch::Scratch,
    sql::{Token, normalize, parenthesized, split_at_commas, tokenize},
};

/// What is dropped in addition to the records.
#[derive(Default)]
pub(crate) struct Erase {
    /// The tables that any migration makes.
    tables: BTreeSet<String>,
    /// The routines that any migration makes, with their arguments.
    routines: BTreeSet<String>,
    /// What the tables have and no migration makes, one line each.
    lost: Vec<String>,
}

impl Migrator {
    /// Drops every table and routine that any migration makes, with all rows, and applies all migrations
    /// again, in one transaction up to the first migration that runs outside one. Other tables are not
    /// touched. If anything else in the database depends on the tables, nothing changes.
    pub async fn fresh(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        if let DatabaseState::Managed(status) = self.state(db).await? {
            self.ensure_known(&status)?;
        }
        let erase = self.own_objects(db).await?;
        let plan: Vec<_> = self.migrations.iter().map(AsRef::as_ref).collect();
        let session = self.open_session(db, options, &plan, true).await?;
        let result = self.apply_all(&session, options, Some(&erase)).await;
        session.close().await?;
        let mut outcome = result?;
        outcome.notices.extend(erase.lost);
        Ok(outcome)
    }

    /// Reverts all migrations and deletes the records.
    pub async fn reset(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let options = Options { to: None, steps: None, ..*options };
        let plan = self.migrations_down(self.state(db).await?, &options)?;
        let session = self.open_session(db, &options, &plan, true).await?;
        let result = self.revert_all(&session, &options, &plan, Some(&Erase::default())).await;
        session.close().await?;
        result
    }

    /// Drops the named objects and deletes the records. Never with CASCADE: what else depends on the tables
    /// is not the program's.
    pub(crate) async fn erase(
        &self,
        txn: &DatabaseTransaction,
        options: &Options<'_>,
        erase: &Erase,
    ) -> Result<(), Error> {
        let tables = erase.tables.iter().map(String::as_str).chain([self.ledger]).map(ident);
        let mut statements = match Engine::of(txn)? {
            // One statement for all of them, because they reference each other.
            Engine::Postgres => {
                vec![format!("DROP TABLE IF EXISTS {}", tables.collect::<Vec<_>>().join(", "))]
            }
            Engine::Sqlite => tables.map(|table| format!("DROP TABLE IF EXISTS {table}")).collect(),
        };
        statements.extend(erase.routines.iter().map(|routine| format!("DROP ROUTINE IF EXISTS {routine}")));
        // Another SeaORM program may use the same table.
        if ledger::table_names(txn).await?.iter().any(|table| table == "seaql_migrations") {
            let names: Vec<_> = self.names().map(literal).collect();
            statements.push(format!("DELETE FROM seaql_migrations WHERE version IN ({})", names.join(", ")));
        }
        for sql in statements {
            run_statement(txn, options, "", &sql).await.map_err(|error| Error::NotErased(Cause(error)))?;
        }
        Ok(())
    }

    async fn own_objects(&self, db: &DatabaseConnection) -> Result<Erase, Error> {
        let txn = db.begin().await?;
        let engine = Engine::of(&txn)?;
        let built = self.build(Scratch::open(engine, &txn).await?, |_| true).await?;
        let mut erase = Erase::default();
        erase.tables.extend(built.tables);
        let live = catalogue::load(&txn).await?.filter(|name| erase.tables.contains(name));
        txn.rollback().await?;
        let extra = changes(&live, &built.schema).into_iter().filter(|change| change.sign() == '-');
        erase.lost.extend(extra.map(|change| format!("{change}: it is deleted and not created again")));
        if engine == Engine::Postgres {
            for migration in &self.migrations {
                match render(migration.as_ref(), engine, Direction::Up).await {
                    Ok(statements) => erase.routines.extend(statements.iter().filter_map(|sql| routine(sql))),
                    Err(Error::NotStatic(_)) => {}
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(erase)
    }
}

/// The routine that a statement creates, with its arguments, as DROP ROUTINE expects it.
fn routine(statement: &str) -> Option<String> {
    let tokens: Vec<_> = tokenize(statement)
        .into_iter()
        .skip_while(|token| token.is("create") || token.is("or") || token.is("replace"))
        .collect();
    let (kind, rest) = tokens.split_first()?;
    if !tokenize(statement).first()?.is("create") || !(kind.is("function") || kind.is("procedure")) {
        return None;
    }
    let open = rest.iter().position(|token| *token == Token::Symbol('('))?;
    let (arguments, _) = parenthesized(rest, open)?;
    let arguments = split_at_commas(arguments).into_iter().map(|argument| {
        let end = argument.iter().position(|token| token.is("default") || *token == Token::Symbol('='));
        normalize(argument.get(..end.unwrap_or(argument.len())).unwrap_or_default())
    });
    let name = normalize(rest.get(..open)?);
    Some(format!("{name}({})", arguments.collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::routine;

    #[test]
    fn the_routine_that_a_statement_creates_is_named_with_its_arguments() {
        for (sql, expected) in [
            ("CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN END $$", Some("touch()")),
            (
                "create or replace function Add(a integer, b int = 1) returns int",
                Some("add(a integer, b int)"),
            ),
            (
                "CREATE PROCEDURE \"Do It\"(IN x numeric(3, 1) DEFAULT 2)",
                Some("\"Do It\"(in x numeric (3, 1))"),
            ),
            ("CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION touch()", None),
            ("DROP FUNCTION touch()", None),
            ("CREATE TABLE function_names (id integer)", None),
        ] {
            assert_eq!(routine(sql).as_deref(), expected, "{sql}");
        }
    }
}
