//! Prints the table of results.

use std::io::{self, Write};

use crate::sample::Sample;

/// The target of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Minimum ratio.
    AtLeast(f64),
    /// Maximum ratio.
    AtMost(f64),
    /// Maximum resident memory, in MiB.
    Memory(f64),
}

/// One line: the numbers of a subject, and the ratio of Byline to it.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    /// `None` if the line shows only a ratio.
    pub(crate) sample: Option<Sample>,
    /// The number of Byline divided by that of the subject.
    pub(crate) ratio: Option<f64>,
    pub(crate) target: Option<Target>,
}

impl Target {
    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least:.2}"),
            Self::AtMost(most) => format!("≤ {most:.2}"),
            Self::Memory(most) => format!("≤ {most:.0} MiB"),
        }
    }

    /// Whether the target is met; `None` if there is no number.
    fn is_met(self, line: &Line<'_>) -> Option<bool> {
        match self {
            Self::AtLeast(least) => line.ratio.map(|ratio| ratio >= least),
            Self::AtMost(most) => line.ratio.map(|ratio| ratio <= most),
            Self::Memory(most) => line.sample?.memory.map(|memory| memory <= most),
        }
    }
}

pub(crate) fn heading(out: &mut impl Write, title: &str) -> io::Result<()> {
    writeln!(out, "\n{title}\n")?;
    writeln!(
        out,
        "| {:<50} | {:>9} | {:>8} | {:>8} | {:>9} | {:>7} | {:>6} | {:>8} | {:<4} |",
        "", "per s", "p50 ms", "p99 ms", "CPU µs", "MiB", "ratio", "target", "held"
    )?;
    writeln!(
        out,
        "|:{:-<51}|{:->10}:|{:->9}:|{:->9}:|{:->10}:|{:->8}:|{:->7}:|{:->9}:|:{:-<5}|",
        "", "", "", "", "", "", "", "", ""
    )
}

pub(crate) fn line(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    let sample = line.sample.unwrap_or_default();
    let held = match line.target.and_then(|target| target.is_met(line)) {
        Some(true) if sample.failures == 0.0 => "yes",
        Some(_) => "NO",
        None => "",
    };
    writeln!(
        out,
        "| {:<50} | {:>9} | {:>8} | {:>8} | {:>9} | {:>7} | {:>6} | {:>8} | {held:<4} |",
        line.name,
        number(line.sample.map(|sample| sample.rate), 0),
        number(sample.p50, 2),
        number(sample.p99, 2),
        number(sample.cpu, 1),
        number(sample.memory, 0),
        number(line.ratio, 2),
        line.target.map(Target::text).unwrap_or_default(),
    )?;
    if sample.failures > 0.0 {
        writeln!(out, "|   {:.0} of them failed", sample.failures)?;
    }
    out.flush()
}

fn number(number: Option<f64>, digits: usize) -> String {
    number.map(|number| format!("{number:.digits$}")).unwrap_or_default()
}
