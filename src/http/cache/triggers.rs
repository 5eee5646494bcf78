//! Checks on PostgreSQL, with every heartbeat, that the triggers that announce writes are those of the migrations.

use migration::notify::{CHANNEL, TRIGGERS, function_sources};
use sqlx::{Row as _, postgres::PgListener};

use super::Cache;

/// Sends a heartbeat, and returns the triggers that are missing or different and the state of all. Every ALTER
/// TABLE and CREATE OR REPLACE changes the state, so that a trigger that was disabled for a moment is noticed.
const HEARTBEAT: &str = "
WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS wanted (name, tab, definition, source)),
found AS (
    SELECT wanted.name, t.oid::text || ' ' || t.xmin::text || ' ' || p.xmin::text AS state,
           t.tgenabled = 'A' AND pg_get_triggerdef(t.oid, true) = wanted.definition AND p.prosrc = wanted.source AS same
    FROM wanted
    JOIN pg_trigger t ON t.tgname = wanted.name AND t.tgrelid = to_regclass(wanted.tab)
    JOIN pg_proc p ON p.oid = t.tgfoid
)
SELECT ARRAY(SELECT name FROM wanted WHERE name NOT IN (SELECT name FROM found WHERE same) ORDER BY name) AS wrong,
       coalesce((SELECT string_agg(state, ',' ORDER BY state) FROM found), '') AS state,
       pg_notify($5, $6)::text";

/// What the triggers must be, and what they were last.
pub(super) struct Triggers {
    sources: Vec<String>,
    state: Option<String>,
}

impl Triggers {
    /// Reads what they must be from the migrations.
    pub(super) async fn load() -> Result<Self, migration::Error> {
        let sources = function_sources().await?;
        let source = |function| sources.get(function).cloned().unwrap_or_default();
        Ok(Self { sources: TRIGGERS.iter().map(|trigger| source(trigger.function)).collect(), state: None })
    }

    /// Sends a heartbeat with this payload and checks the triggers. If they are not as expected, the cache
    /// is not used.
    pub(super) async fn send_heartbeat(
        &mut self,
        listener: &mut PgListener,
        payload: String,
        cache: &Cache,
    ) -> Result<(), sqlx::Error> {
        let row = sqlx::query(HEARTBEAT)
            .bind(TRIGGERS.map(|trigger| trigger.name))
            .bind(TRIGGERS.map(|trigger| trigger.table))
            .bind(TRIGGERS.map(|trigger| trigger.definition))
            .bind(&self.sources)
            .bind(CHANNEL)
            .bind(payload)
            .fetch_one(listener)
            .await?;
        let (wrong, state): (Vec<String>, String) = (row.try_get("wrong")?, row.try_get("state")?);
        if self.state.as_ref() != Some(&state) {
            // Writes may not have been announced in the meantime.
            cache.invalidate_all();
            self.state = Some(state);
        }
        report(cache, &wrong);
        Ok(())
    }
}

/// Tells the cache, and logs it if that is new.
fn report(cache: &Cache, wrong: &[String]) {
    let announced = wrong.is_empty();
    if cache.set_writes_announced(announced) == announced {
        return;
    }
    if announced {
        tracing::info!("the cache is used again: the database's triggers are as expected");
    } else {
        tracing::warn!(
            triggers = wrong.join(", "),
            "the cache is not used: these triggers are missing, disabled or changed; `byline migrate check` says how"
        );
    }
}
