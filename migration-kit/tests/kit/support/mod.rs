//! What several tests share.

pub(crate) mod database;
pub(crate) mod kill;
pub(crate) mod lost;
pub(crate) mod migrations;

pub(crate) use database::{TestDatabase, connect};
pub(crate) use migrations::{ReadsDatabase, Sql, migrator, sql};
