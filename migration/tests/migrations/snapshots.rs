//! The SQL of every migration is the SQL in `snapshots/`: a released migration must not change.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p migration` writes the files.

use std::path::Path;

use migration_kit::snapshots::{update, verify};

#[tokio::test]
async fn the_sql_of_every_migration_is_the_one_that_was_reviewed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        update(&migration::migrator(), &directory).await.unwrap();
    }
    assert_eq!(verify(&migration::migrator(), &directory).await.unwrap(), [""; 0]);
}
