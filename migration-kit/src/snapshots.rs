//! Snapshot files: the SQL of every migration, so that a change of the rendered SQL is seen in review.
//!
//! A directory holds `postgres/NAME.sql` and `sqlite/NAME.sql` for each migration. Commit it, and call
//! [`verify`] in a test: a query builder that renders a released migration differently then fails a test
//! instead of a deployment.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Direction, Engine, Error, Migrator, checksum, render};

/// Compares the files in `directory` with the migrations and returns the differences, one line each.
///
/// # Errors
/// If a file can't be read, or a migration not rendered.
pub async fn verify(migrator: &Migrator, directory: &Path) -> Result<Vec<String>, Error> {
    let mut differences = Vec::new();
    let mut expected = BTreeSet::new();
    for (path, text) in all(migrator, directory).await? {
        match fs::read_to_string(&path) {
            Ok(saved) if saved == text => {}
            Ok(_) => differences.push(format!("{} differs from the migration", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                differences.push(format!("{} is missing", path.display()));
            }
            Err(error) => return Err(failed(&path, error)),
        }
        expected.insert(path);
    }
    for path in existing(directory)? {
        if !expected.contains(&path) {
            differences.push(format!("{} belongs to no migration", path.display()));
        }
    }
    Ok(differences)
}

/// Writes the file of every migration, and deletes files that belong to none.
///
/// # Errors
/// If a file can't be written or deleted, or a migration not rendered.
pub async fn update(migrator: &Migrator, directory: &Path) -> Result<(), Error> {
    let files = all(migrator, directory).await?;
    for path in existing(directory)? {
        if files.iter().all(|(expected, _)| *expected != path) {
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        }
    }
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let folder = directory.join(engine.name());
        fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    }
    for (path, text) in files {
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

async fn all(migrator: &Migrator, directory: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
    let mut files = Vec::new();
    for engine in [Engine::Postgres, Engine::Sqlite] {
        for migration in &migrator.migrations {
            let up = render(migration.as_ref(), engine, Direction::Up).await?;
            let down = render(migration.as_ref(), engine, Direction::Down).await?;
            let text =
                format!("-- up {}\n{};\n\n-- down\n{};\n", checksum(&up), up.join(";\n"), down.join(";\n"));
            files.push((directory.join(engine.name()).join(format!("{}.sql", migration.name())), text));
        }
    }
    Ok(files)
}

fn existing(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let folder = directory.join(engine.name());
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, error))? {
            paths.push(entry.map_err(|error| failed(&folder, error))?.path());
        }
    }
    Ok(paths)
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Snapshot { path: path.display().to_string(), source }
}
