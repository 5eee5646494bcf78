//! Who wrote what is shown, where that is asked for: accounts, whose names may change without the articles.

use std::collections::{BTreeMap, BTreeSet};

use entity::user;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use sha2::{Digest as _, Sha256};

use super::schemas::{AuthorView, Expand};
use crate::http::{conditional::Tag, error::Result};

/// Accounts by their ids; none where they are not to be shown.
#[derive(Debug, Default)]
pub(super) struct Authors(BTreeMap<i32, String>);

impl Authors {
    /// Those of the articles that these accounts wrote: one query, however many there are.
    pub(super) async fn read(
        db: &impl ConnectionTrait,
        expand: Option<Expand>,
        ids: impl Iterator<Item = i32>,
    ) -> Result<Self> {
        let ids: BTreeSet<i32> = match expand {
            Some(Expand::Author) => ids.collect(),
            None => BTreeSet::new(),
        };
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let names = user::Entity::find()
            .select_only()
            .columns([user::Column::Id, user::Column::Username])
            .filter(user::Column::Id.is_in(ids))
            .into_tuple::<(i32, String)>();
        Ok(Self(names.all(db).await?.into_iter().collect()))
    }

    /// The account of this id, if it is to be shown.
    pub(super) fn show(&self, id: i32) -> Option<AuthorView> {
        self.0.get(&id).map(|username| AuthorView { id, username: username.clone() })
    }

    /// The tag of articles that are shown with their authors, from the one that they have without.
    pub(super) fn tag(&self, articles: Tag) -> Tag {
        if self.0.is_empty() {
            return articles;
        }
        let mut digest = Sha256::new();
        for (id, username) in &self.0 {
            digest.update(id.to_le_bytes());
            digest.update(username);
            // No text has this byte, so it tells where a name ends.
            digest.update([0xff]);
        }
        articles.with(&digest.finalize())
    }
}
