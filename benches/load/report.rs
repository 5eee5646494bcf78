//! The table.

use std::io::{self, Write};

use crate::sample::Sample;

/// One line: a subject's numbers, and for a limit how near Byline comes.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) sample: Sample,
    /// Byline's throughput divided by this one's.
    pub(crate) ratio: Option<f64>,
    pub(crate) target: Option<f64>,
}

pub(crate) fn heading(out: &mut impl Write, title: &str) -> io::Result<()> {
    writeln!(out, "\n{title}\n")?;
    writeln!(
        out,
        "| {:<34} | {:>9} | {:>8} | {:>8} | {:>9} | {:>7} | {:>6} | {:>7} | {:<4} |",
        "", "per s", "p50 ms", "p99 ms", "CPU µs", "MiB", "ratio", "target", "held"
    )?;
    writeln!(
        out,
        "|:{:-<35}|{:->10}:|{:->9}:|{:->9}:|{:->10}:|{:->8}:|{:->7}:|{:->8}:|:{:-<5}|",
        "", "", "", "", "", "", "", "", ""
    )
}

pub(crate) fn line(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    let Sample { rate, p50, p99, cpu, memory, failures, .. } = line.sample;
    let target = line.target.map(|target| format!("≥ {target:.1}")).unwrap_or_default();
    let held = held(line.ratio.zip(line.target).map(|(ratio, target)| ratio >= target));
    writeln!(
        out,
        "| {:<34} | {:>9.0} | {:>8} | {:>8} | {:>9} | {:>7} | {:>6} | {:>7} | {:<4} |",
        line.name,
        rate,
        number(p50, 2),
        number(p99, 2),
        number(cpu, 1),
        number(memory, 0),
        number(line.ratio, 2),
        target,
        held
    )?;
    if failures > 0.0 {
        writeln!(out, "|   {failures:.0} of them failed")?;
    }
    out.flush()
}

/// A ratio that must not be exceeded, in a line of its own.
pub(crate) fn at_most(out: &mut impl Write, name: &str, ratio: f64, most: f64) -> io::Result<()> {
    writeln!(
        out,
        "| {name:<34} | {:>9} | {:>8} | {:>8} | {:>9} | {:>7} | {ratio:>6.2} | {:>7} | {:<4} |",
        "",
        "",
        "",
        "",
        "",
        format!("≤ {most:.1}"),
        held(Some(ratio <= most))
    )
}

fn held(held: Option<bool>) -> &'static str {
    match held {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    }
}

fn number(number: Option<f64>, digits: usize) -> String {
    number.map(|number| format!("{number:.digits$}")).unwrap_or_default()
}
