//! Requests for feeds and parts of the sitemap.

use crate::{
    fields,
    http::validation::{Id, List},
    publishing::{articles::schemas::AuthorName, tags::names::TagName},
};

fields! {
    /// What a feed is limited to.
    pub struct FeedFilter {
        /// Only articles with all of these tags, at most five.
        tag: Option<List<TagName, 1, 5>>,
        /// Only articles by the user with this name.
        author: Option<AuthorName>,
    }
}

impl FeedFilter {
    /// The tags.
    pub fn tags(&self) -> &[TagName] {
        self.tag.as_ref().map_or(&[], |tags| &tags.0)
    }
}

fields! {
    /// The path of a part of the sitemap.
    pub struct SitemapPath in path {
        /// The number of the part, from 1 on.
        #[example = 1]
        number: Id,
    }
}
