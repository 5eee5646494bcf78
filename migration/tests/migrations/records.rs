//! Lost records of Byline's migrations have one way out each.

use crate::support::{TestDatabase, lost::assert_adopt_resolves_every_loss};

#[tokio::test]
async fn adopt_resolves_every_loss_of_records_on_sqlite() {
    assert_adopt_resolves_every_loss(migration::migrator(), TestDatabase::sqlite).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn adopt_resolves_every_loss_of_records_on_postgres() {
    assert_adopt_resolves_every_loss(migration::migrator(), TestDatabase::postgres).await;
}
