//! Defines for `byline version` what the binary is built from: commit and date in release builds, features and target in
//! all.
//!
//! A debug build has no commit, because each commit would rebuild the library and all tests. Without git, as in a
//! container, the builder sets `BYLINE_COMMIT` and `SOURCE_DATE_EPOCH`.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let features: Vec<String> = env::vars_os()
        .filter_map(|(name, _)| {
            Some(name.to_str()?.strip_prefix("CARGO_FEATURE_")?.to_lowercase().replace('_', "-"))
        })
        .collect();
    println!("cargo::rustc-env=BYLINE_FEATURES={}", features.join(","));
    println!("cargo::rustc-env=BYLINE_TARGET={}", env::var("TARGET").unwrap_or_default());
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        name_commit();
    }
}

fn name_commit() {
    for name in ["BYLINE_COMMIT", "SOURCE_DATE_EPOCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let is_repository = is_repository();
    if is_repository {
        // It has a line for each change of what is checked out. A file that does not exist would rebuild every time.
        let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists());
        if let Some(log) = log {
            println!("cargo::rerun-if-changed={log}");
        }
    }
    let of_commit = |format| git(&["log", "-1", format]).filter(|_| is_repository);
    if let Some(commit) = set("BYLINE_COMMIT").or_else(|| of_commit("--format=%H")) {
        println!("cargo::rustc-env=BYLINE_COMMIT={commit}");
    }
    if let Some(seconds) = set("SOURCE_DATE_EPOCH").or_else(|| of_commit("--format=%ct")) {
        println!("cargo::rustc-env=BYLINE_DATE={seconds}");
    }
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the repository is this one, and not one into which the source was unpacked.
fn is_repository() -> bool {
    let directory = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let root = git(&["rev-parse", "--show-toplevel"]).and_then(|root| Path::new(&root).canonicalize().ok());
    root.is_some() && root == Path::new(&directory).canonicalize().ok()
}

/// The output of git; `None` if it fails or is not there.
fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}
