//! The migrations, oldest first.

mod m20260101_000001_shelves;
mod m20260101_000002_books;
mod m20260301_000001_newest_first;

use migration_kit::Migration;

/// All migrations. `new` and `diff --write` add to the end of the list.
pub(crate) fn all() -> Vec<Box<dyn Migration>> {
    vec![
        Box::new(m20260101_000001_shelves::Shelves),
        Box::new(m20260101_000002_books::Books),
        Box::new(m20260301_000001_newest_first::NewestFirst),
    ]
}
