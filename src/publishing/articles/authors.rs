//! The authors shown with articles: accounts, whose names and profiles can change while the articles stay the same.

use std::collections::{BTreeMap, BTreeSet};

use entity::user;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use sha2::{Digest as _, Sha256};

use super::schemas::AuthorResponse;
use crate::{
    http::{conditional::EntityTag, error::Result},
    publishing::expansions::{Expand, Expansions},
};

/// Maximum number of ids in one statement. Both databases limit the number of bind values.
const MAX_IDS: usize = 1000;

/// Authors by id; empty unless the request expands them.
#[derive(Debug, Default)]
pub(super) struct Authors(BTreeMap<i32, AuthorResponse>);

impl Authors {
    /// Loads the accounts with these ids, if `expand` asks for them: one statement for up to [`MAX_IDS`]
    /// accounts.
    pub(super) async fn load(
        db: &impl ConnectionTrait,
        expand: &Expansions,
        ids: impl Iterator<Item = i32>,
    ) -> Result<Self> {
        let ids: BTreeSet<i32> =
            if expand.contains(Expand::Author) { ids.collect() } else { BTreeSet::new() };
        let ids: Vec<i32> = ids.into_iter().collect();
        let mut authors = BTreeMap::new();
        for ids in ids.chunks(MAX_IDS) {
            let accounts = user::Entity::find()
                .select_only()
                .columns([
                    user::Column::Id,
                    user::Column::Username,
                    user::Column::DisplayName,
                    user::Column::Bio,
                    user::Column::Image,
                ])
                .filter(user::Column::Id.is_in(ids.iter().copied()))
                .into_tuple::<(i32, String, Option<String>, Option<String>, Option<String>)>();
            authors.extend(accounts.all(db).await?.into_iter().map(
                |(id, username, display_name, bio, image)| {
                    (id, AuthorResponse { id, username, display_name, bio, image })
                },
            ));
        }
        Ok(Self(authors))
    }

    /// The author with this id, if loaded.
    pub(super) fn view(&self, id: i32) -> Option<AuthorResponse> {
        self.0.get(&id).cloned()
    }

    /// The tag of articles shown with these authors; `articles` is their tag without.
    pub(super) fn tag(&self, articles: EntityTag) -> EntityTag {
        if self.0.is_empty() {
            return articles;
        }
        let mut digest = Sha256::new();
        for AuthorResponse { id, username, display_name, bio, image } in self.0.values() {
            digest.update(id.to_le_bytes());
            for text in [Some(username), display_name.as_ref(), bio.as_ref(), image.as_ref()] {
                // No UTF-8 text contains these bytes, so they mark the end of a text and one that is missing.
                digest.update(text.map_or(&[0xfe][..], |text| text.as_bytes()));
                digest.update([0xff]);
            }
        }
        articles.with(&digest.finalize())
    }
}
