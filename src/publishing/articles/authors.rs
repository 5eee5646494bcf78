//! The authors shown with articles: accounts, whose names can change while the articles stay the same.

use std::collections::{BTreeMap, BTreeSet};

use entity::user;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use sha2::{Digest as _, Sha256};

use super::schemas::{AuthorResponse, Expand};
use crate::http::{conditional::EntityTag, error::Result};

/// Maximum number of ids in one statement. Both databases limit the number of bind values.
const MAX_IDS: usize = 1000;

/// Authors by id; empty unless the request expands them.
#[derive(Debug, Default)]
pub(super) struct Authors(BTreeMap<i32, String>);

impl Authors {
    /// Loads the accounts with these ids, if `expand` asks for them: one statement for up to [`MAX_IDS`]
    /// accounts.
    pub(super) async fn load(
        db: &impl ConnectionTrait,
        expand: Option<Expand>,
        ids: impl Iterator<Item = i32>,
    ) -> Result<Self> {
        let ids: BTreeSet<i32> = match expand {
            Some(Expand::Author) => ids.collect(),
            None => BTreeSet::new(),
        };
        let ids: Vec<i32> = ids.into_iter().collect();
        let mut authors = BTreeMap::new();
        for ids in ids.chunks(MAX_IDS) {
            let names = user::Entity::find()
                .select_only()
                .columns([user::Column::Id, user::Column::Username])
                .filter(user::Column::Id.is_in(ids.iter().copied()))
                .into_tuple::<(i32, String)>();
            authors.extend(names.all(db).await?);
        }
        Ok(Self(authors))
    }

    /// The author with this id, if loaded.
    pub(super) fn view(&self, id: i32) -> Option<AuthorResponse> {
        self.0.get(&id).map(|username| AuthorResponse { id, username: username.clone() })
    }

    /// The tag of articles shown with these authors; `articles` is their tag without.
    pub(super) fn tag(&self, articles: EntityTag) -> EntityTag {
        if self.0.is_empty() {
            return articles;
        }
        let mut digest = Sha256::new();
        for (id, username) in &self.0 {
            digest.update(id.to_le_bytes());
            digest.update(username);
            // No UTF-8 text contains this byte, so it marks the end of a name.
            digest.update([0xff]);
        }
        articles.with(&digest.finalize())
    }
}
