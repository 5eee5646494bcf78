//! The SQL of every migration is kept in `snapshots/`, so that a query builder that words it differently is seen in
//! review before a database reports a changed checksum. `UPDATE_SNAPSHOTS=1 cargo test -p migration` rewrites them.

use std::{collections::BTreeSet, fs, path::Path};

use migration_kit::{Direction, Engine, checksum, render};

#[tokio::test]
async fn the_sql_of_every_migration_is_the_one_that_was_reviewed() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(engine.name());
        fs::create_dir_all(&folder).unwrap();
        let mut files = BTreeSet::new();
        for migration in migration::migrator().migrations {
            let up = render(migration.as_ref(), engine, Direction::Up).await.unwrap();
            let down = render(migration.as_ref(), engine, Direction::Down).await.unwrap();
            let text =
                format!("-- up {}\n{};\n\n-- down\n{};\n", checksum(&up), up.join(";\n"), down.join(";\n"));
            let file = folder.join(format!("{}.sql", migration.name()));
            if update {
                fs::write(&file, &text).unwrap();
            }
            let kept = fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(kept, text, "{} is not what {} says", migration.name(), file.display());
            files.insert(file);
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert!(files.contains(&path), "{} belongs to no migration", path.display());
        }
    }
}
