//! Rejects times that Byline cannot show, whichever client writes them: `infinity`, and years before 1 or after
//! 9999. On SQLite, where a time is text and text sorts by its spelling, another spelling is rewritten into the
//! one that Byline writes.
//!
//! Existing rows of an adopted database keep their values, and can still be changed in other columns: that is
//! why PostgreSQL has triggers here and no CHECK, which every UPDATE of such a row would violate.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::run_on;
use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct TimesInRange;

impl Migration for TimesInRange {
    fn attributes(&self) -> Attributes {
        Attributes::ADDITIVE
    }
}

const TABLES: [&str; 2] = ["users", "articles"];
const COLUMNS: [&str; 2] = ["created_at", "updated_at"];

const FUNCTION: &str = r"CREATE OR REPLACE FUNCTION byline_time_out_of_range() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
        MESSAGE = format('created_at and updated_at of %s must be between the years 1 and 9999', TG_TABLE_NAME);
END
$$";

fn postgres(table: &str) -> [String; 2] {
    let outside = |column: &str| {
        format!(
            "NEW.{column} NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00'"
        )
    };
    let inserted = COLUMNS.map(outside).join(" OR ");
    let updated =
        COLUMNS.map(|column| format!("NEW.{column} <> OLD.{column} AND {}", outside(column))).join(" OR ");
    [
        format!(
            "CREATE OR REPLACE TRIGGER {table}_time_inserted BEFORE INSERT ON {table} FOR EACH ROW \
             WHEN ({inserted}) EXECUTE FUNCTION byline_time_out_of_range()"
        ),
        format!(
            "CREATE OR REPLACE TRIGGER {table}_time_updated BEFORE UPDATE OF {} ON {table} FOR EACH ROW \
             WHEN ({updated}) EXECUTE FUNCTION byline_time_out_of_range()",
            COLUMNS.join(", ")
        ),
    ]
}

/// An expression for the time `value` in the spelling that sqlx writes: UTC with `T`, no fraction or one of 3 or
/// 6 digits, and `+00:00`. NULL if it is not a time. SQLite's own functions round to milliseconds, so they
/// calculate without the fraction. A number is a Julian day, a Unix time, or a Unix time in milliseconds. The
/// modifier `auto` would say the same, but is missing in SQLite before 3.38.
pub(super) fn canonical(value: &str) -> String {
    let seconds = "'%Y-%m-%dT%H:%M:%S'";
    format!(
        "(SELECT t || '+00:00' FROM (SELECT CASE \
         WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 253402300800 THEN strftime({seconds}, x / 1000, 'unixepoch') \
         WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 5373485 THEN strftime({seconds}, x, 'unixepoch') \
         WHEN substr(x, 20, 1) <> '.' THEN strftime({seconds}, x) \
         ELSE strftime({seconds}, substr(x, 1, 19) || ltrim(substr(x, 21), '0123456789')) || CASE \
         WHEN f = '000000' THEN '' WHEN substr(f, 4) = '000' THEN '.' || substr(f, 1, 3) ELSE '.' || f END \
         END AS t FROM (SELECT x, substr(substr(x, 21, length(x) - 20 - length(ltrim(substr(x, 21), '0123456789'))) \
         || '000000', 1, 6) AS f FROM (SELECT {value} AS x))) WHERE t >= '0001')"
    )
}

/// Rewriting a row that was just inserted raises its version, which then starts at 2. An UPDATE trigger leaves a
/// value alone that the statement does not change.
pub(super) fn sqlite(table: &str) -> [String; 3] {
    let checked = |column: &str| {
        let message = format!("{table}.{column} must be a time between the years 1 and 9999");
        format!("coalesce({}, RAISE(ABORT, '{message}'))", canonical(&format!("NEW.{column}")))
    };
    let differs = |column: &str| format!("NEW.{column} IS NOT {}", canonical(&format!("NEW.{column}")));
    let inserted = COLUMNS.map(|column| format!("{column} = {}", checked(column))).join(", ");
    let updated = COLUMNS.map(|column| {
        let same = format!("NEW.{column} IS OLD.{column}");
        format!("{column} = CASE WHEN {same} THEN {column} ELSE {} END", checked(column))
    });
    let changed = COLUMNS
        .map(|column| format!("NEW.{column} IS NOT OLD.{column} AND {}", differs(column)))
        .join(" OR ");
    let rewritten = COLUMNS.map(|column| format!("{column} = coalesce({}, {column})", canonical(column)));
    let rewrite = COLUMNS.map(|column| format!("{column} IS NOT coalesce({}, {column})", canonical(column)));
    [
        format!("UPDATE {table} SET {} WHERE {}", rewritten.join(", "), rewrite.join(" OR ")),
        format!(
            "DROP TRIGGER IF EXISTS {table}_time_inserted; CREATE TRIGGER {table}_time_inserted AFTER INSERT ON {table} FOR EACH ROW WHEN {} \
             BEGIN UPDATE {table} SET {inserted} WHERE id = NEW.id; END",
            COLUMNS.map(differs).join(" OR ")
        ),
        format!(
            "DROP TRIGGER IF EXISTS {table}_time_updated; CREATE TRIGGER {table}_time_updated AFTER UPDATE OF {} ON {table} FOR EACH ROW WHEN {changed} \
             BEGIN UPDATE {table} SET {} WHERE id = NEW.id; END",
            COLUMNS.join(", "),
            updated.join(", ")
        ),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for TimesInRange {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, &[FUNCTION]).await?;
        for table in TABLES {
            let statements: Vec<String> = match manager.get_database_backend() {
                DbBackend::Postgres => postgres(table).into(),
                _ => sqlite(table).into(),
            };
            for statement in statements {
                manager.get_connection().execute_unprepared(&statement).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            for event in ["updated", "inserted"] {
                let on = match manager.get_database_backend() {
                    DbBackend::Postgres => format!(" ON {table}"),
                    _ => String::new(),
                };
                let statement = format!("DROP TRIGGER {table}_time_{event}{on}");
                manager.get_connection().execute_unprepared(&statement).await?;
            }
        }
        run_on(DbBackend::Postgres, manager, &["DROP FUNCTION byline_time_out_of_range()"]).await
    }
}
