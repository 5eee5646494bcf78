//! Output and input on the terminal: tables, colours, JSON, confirmations.

use std::io::{BufRead, IsTerminal, Write};

use serde_json::Value;

use super::Failure;

/// The colour of a word.
#[derive(Clone, Copy)]
pub(super) enum Style {
    Plain,
    Success,
    Warning,
    Failure,
}

/// `text` in colour, if standard output is a terminal and `NO_COLOR` is not set.
pub(super) fn styled(style: Style, text: &str) -> String {
    let code = match style {
        Style::Plain => return text.to_owned(),
        Style::Success => "32",
        Style::Warning => "33",
        Style::Failure => "31",
    };
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Prints a table. Each column is as wide as its widest cell.
pub(super) fn print_table(
    out: &mut impl Write,
    head: &[&str],
    rows: &[Vec<(Style, String)>],
) -> Result<(), Failure> {
    let mut widths: Vec<_> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, (_, cell)) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |cells: &[(Style, String)]| {
        let mut text = String::new();
        for ((style, cell), width) in cells.iter().zip(&widths) {
            text.push_str(&styled(*style, cell));
            text.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()).saturating_add(2)));
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(&head.iter().map(|cell| (Style::Plain, (*cell).to_owned())).collect::<Vec<_>>())?;
    for row in rows {
        line(row)?;
    }
    Ok(())
}

/// Prints a JSON value, indented.
pub(super) fn print_json(out: &mut impl Write, value: &Value) -> Result<(), Failure> {
    Ok(writeln!(out, "{value:#}")?)
}

/// Prints lines.
pub(super) fn print_lines(out: &mut impl Write, lines: &[String]) -> Result<(), Failure> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Asks a question on the terminal. Without a terminal the answer is no.
pub(super) fn confirm(out: &mut impl Write, question: &str) -> Result<bool, Failure> {
    let answer = prompt(out, &format!("{question} [y/N] "))?;
    Ok(answer.is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes")))
}

/// Prints what is about to happen, and asks for the database's name on the terminal. Without a terminal there
/// is none.
///
/// # Errors
/// If the terminal cannot be used.
pub fn prompt_for_name(out: &mut impl Write, consequence: &str) -> Result<Option<String>, Failure> {
    prompt(out, &format!("{consequence} Type the name of the database to continue: "))
}

/// Whether questions can be asked.
pub(super) fn has_terminal() -> bool {
    std::io::stdin().is_terminal()
}

fn prompt(out: &mut impl Write, text: &str) -> Result<Option<String>, Failure> {
    if !has_terminal() {
        return Ok(None);
    }
    write!(out, "{text}")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(Some(answer.trim().to_owned()))
}
