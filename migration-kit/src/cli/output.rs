//! Tables for people, colours only on a terminal, JSON for programs.

use std::io::{BufRead, IsTerminal, Write};

use serde_json::Value;

use super::{Failure, connect::Target};

/// How a word is to look.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Plain,
    Good,
    Waiting,
    Bad,
}

/// `text` in colour, if standard output is a terminal and nobody objects.
pub(super) fn paint(tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Good => "32",
        Tone::Waiting => "33",
        Tone::Bad => "31",
    };
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Columns as wide as their widest cell.
pub(super) fn table(
    out: &mut impl Write,
    head: &[&str],
    rows: &[Vec<(Tone, String)>],
) -> Result<(), Failure> {
    let mut widths: Vec<_> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, (_, cell)) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |cells: &[(Tone, String)]| {
        let mut text = String::new();
        for ((tone, cell), width) in cells.iter().zip(&widths) {
            text.push_str(&paint(*tone, cell));
            text.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()).saturating_add(2)));
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(&head.iter().map(|cell| (Tone::Plain, (*cell).to_owned())).collect::<Vec<_>>())?;
    for row in rows {
        line(row)?;
    }
    Ok(())
}

/// One value on lines of its own.
pub(super) fn json(out: &mut impl Write, value: &Value) -> Result<(), Failure> {
    Ok(writeln!(out, "{value:#}")?)
}

/// A yes from a person at a terminal; no terminal is a no.
pub(super) fn agrees(out: &mut impl Write, question: &str) -> Result<bool, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(false);
    }
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The database's name, typed by a person at a terminal.
pub(super) fn types_name(out: &mut impl Write, target: &Target) -> Result<Option<String>, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(None);
    }
    write!(out, "This destroys every row of {}. Type its name to go on: ", target.name())?;
    out.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(Some(answer.trim().to_owned()))
}
