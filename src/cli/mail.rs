//! `byline mail …`: shows the queue of e-mail, and sends messages again.

use std::{io::Write, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use entity::mail;
use serde_json::{Value, json};

use super::{Failure, schema};
use crate::{clock::Clock, config::Settings, db::Writer, mail::queue};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List messages that were not delivered yet, oldest first
    List {
        /// Maximum number of messages
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Send messages again, also those that were given up. A message that is being sent may be sent twice
    Retry {
        #[command(flatten)]
        chosen: Chosen,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Chosen {
    /// The id of a message
    id: Option<i64>,
    /// Every message
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(settings: &Settings, command: Command, out: &mut impl Write) -> Result<(), Failure> {
    let db = schema::open(settings, false).await?.db;
    let done = match command {
        Command::List { limit, json } => {
            let rows = queue::list(&db.reader, limit.into()).await;
            rows.map_err(Failure::from).and_then(|rows| print(&rows, json, out))
        }
        Command::Retry { chosen: Chosen { id, .. }, json } => {
            let writer = Writer::new(db.writer.clone(), Arc::new(()), settings.http.request_timeout);
            retry(&writer, id, json, out).await
        }
    };
    db.close().await;
    done
}

fn print(rows: &[mail::Model], json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json {
        let rows: Vec<Value> = rows.iter().map(as_json).collect();
        return Ok(writeln!(out, "{}", Value::from(rows))?);
    }
    for row in rows {
        let mail::Model { id, kind, recipient, attempts, .. } = row;
        let state = match row.failed_at {
            Some(failed_at) => format!("given up at {}", time(failed_at.get())),
            None => format!("due at {}", time(row.next_attempt_at.get())),
        };
        let reason = row.last_error.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        writeln!(out, "{id}  {kind}  to {recipient}  attempts: {attempts}, {state}{reason}")?;
    }
    Ok(())
}

async fn retry(writer: &Writer, id: Option<i64>, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let now = Clock::system().now();
    let retried = writer.statement([], async move |db| queue::retry(db, id, now).await).await?;
    match id {
        Some(id) if retried == 0 => return Err(format!("there is no e-mail {id} in the queue").into()),
        _ if json => writeln!(out, "{}", json!({ "retried": retried }))?,
        _ if retried == 1 => writeln!(out, "1 e-mail is due now")?,
        _ => writeln!(out, "{retried} e-mails are due now")?,
    }
    Ok(())
}

fn as_json(row: &mail::Model) -> Value {
    json!({
        "id": row.id,
        "kind": row.kind,
        "recipient": row.recipient,
        "created_at": time(row.created_at.get()),
        "attempts": row.attempts,
        "next_attempt_at": time(row.next_attempt_at.get()),
        "failed_at": row.failed_at.map(|failed_at| time(failed_at.get())),
        "last_error": row.last_error,
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
