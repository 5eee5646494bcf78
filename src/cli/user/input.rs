//! What the operator types: passwords, values of options, and confirmations.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use serde_json::Value;

use super::Failure;
use crate::{
    accounts::administration::schemas::AccountResponse,
    http::validation::{Field, FieldErrors, Input, Limits},
};

/// Prompts for a password on the terminal, or reads a line of standard input. Never an argument, because other
/// users of the machine can see those.
pub(super) fn read_password() -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Parses a value by the rule of the API.
pub(super) fn parse<F: Field>(name: &'static str, text: &str, limits: &Limits) -> Result<F, Failure> {
    let invalid = |invalid| FieldErrors::one(invalid, &["user", name], Value::Null).to_string();
    F::parse(Input::Text(text), limits).map_err(|error| invalid(error).into())
}

/// Asks whether to delete an account. Without a terminal, the answer is no.
pub(super) fn confirm(out: &mut impl Write, account: &AccountResponse, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let mut answer = String::new();
    if io::stdin().is_terminal() {
        let AccountResponse { id, username, .. } = account;
        write!(out, "Delete the account {username:?} (id {id}) with its articles? [y/N] ")?;
        out.flush()?;
        io::stdin().lock().read_line(&mut answer)?;
    }
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err("nothing was deleted: not confirmed (without a terminal, pass --yes)".into()),
    }
}
