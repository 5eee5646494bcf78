//! Prints accounts and sessions, for people and as JSON.

use std::io::Write;

use super::{Failure, explain};
use crate::{
    accounts::{
        administration::{
            schemas::{AccountResponse, UserList},
            service,
        },
        sessions::schemas::SessionResponse,
    },
    db::Connections,
    http::{id_paging::IdPage, timestamp::Timestamp},
};

/// Prints one account.
pub(super) fn print_account(
    out: &mut impl Write,
    account: &AccountResponse,
    json: bool,
) -> Result<(), Failure> {
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(account)?)?);
    }
    let AccountResponse { id, username, email, created_at, .. } = account;
    writeln!(out, "id        {id}")?;
    writeln!(out, "username  {}", printable(username))?;
    writeln!(out, "email     {}", printable(email))?;
    writeln!(out, "role      {}", role(account))?;
    writeln!(out, "state     {}", state(account))?;
    Ok(writeln!(out, "created   {}", time(*created_at))?)
}

/// Prints all accounts whose name or address starts with `prefix`. Loads them page by page.
pub(super) async fn print_accounts(
    out: &mut impl Write,
    reader: &Connections,
    prefix: Option<String>,
    json: bool,
) -> Result<(), Failure> {
    let mut page = IdPage::first(UserList { prefix });
    loop {
        let (accounts, neighbours) = service::list_users(reader, &page).await.map_err(explain)?;
        for account in &accounts {
            if json {
                writeln!(out, "{}", serde_json::to_string(account)?)?;
            } else {
                let (username, email) = (printable(&account.username), printable(&account.email));
                let (role, state) = (role(account), state(account));
                writeln!(out, "{:>8}  {username:<24}  {role:<13}  {state:<9}  {email}", account.id)?;
            }
        }
        match accounts.last() {
            Some(last) if neighbours.next.is_some() => page = page.after(last.id.into()),
            _ => return Ok(()),
        }
    }
}

/// Prints the sessions of an account.
pub(super) fn print_sessions(
    out: &mut impl Write,
    sessions: &[SessionResponse],
    json: bool,
) -> Result<(), Failure> {
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(sessions)?)?);
    }
    for session in sessions {
        let SessionResponse { id, device, address, created_at, last_used_at, .. } = session;
        let (created, used) = (time(*created_at), time(*last_used_at));
        let device = printable(device.as_deref().unwrap_or("-"));
        writeln!(out, "{id}  created {created}  last used {used}  {address:<15}  {device}")?;
    }
    Ok(())
}

fn role(account: &AccountResponse) -> &'static str {
    if account.is_admin { "administrator" } else { "user" }
}

fn state(account: &AccountResponse) -> &'static str {
    if account.is_active { "active" } else { "suspended" }
}

fn time(Timestamp(time): Timestamp) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Text without control characters, which could control the terminal. Names of the FastAPI blog can have some.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
