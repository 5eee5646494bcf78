//! Measures the database alone, with pgbench, which is part of PostgreSQL.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, sample::Sample, wrk::Load};

/// Finds pgbench on the path or in Debian's directory.
pub(crate) fn find() -> Option<PathBuf> {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    env::split_paths(&on_path).chain(debian).map(|bin| bin.join("pgbench")).find(|path| path.is_file())
}

/// Runs `script` as prepared statements.
pub(crate) fn run(
    pgbench: &Path,
    script: &Path,
    url: &str,
    ids: usize,
    load: Load,
) -> Result<Sample, Failure> {
    let output = Command::new(pgbench)
        .args(["--no-vacuum", "--protocol=prepared"])
        .arg(format!("--client={}", load.connections))
        .arg(format!("--jobs={}", load.threads))
        .arg(format!("--time={}", load.seconds))
        .arg(format!("--define=ids={ids}"))
        .arg("--file")
        .arg(script)
        .arg(url)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok())
        .ok_or_else(|| format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(Sample { requests: rate * f64::from(load.seconds), rate, ..Sample::default() })
}
