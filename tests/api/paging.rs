//! Paging while others write: pages lose and repeat nothing.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use fake::{
    Fake as _,
    rand::{SeedableRng as _, rngs::StdRng},
};
use serde_json::json;

use crate::support::{Client, Published, SORTS, TestApp};

/// Two authors who write between the reads of others. They change some articles and leave all others alone.
struct ConcurrentWriter<'a> {
    authors: [&'a Client; 2],
    /// The articles that may change, with their authors.
    changing: Vec<(usize, i64)>,
    random: StdRng,
}

impl ConcurrentWriter<'_> {
    /// Creates, deletes, publishes, withdraws or edits an article.
    async fn write(&mut self) {
        let author: usize = (0..2).fake_with_rng(&mut self.random);
        let action: usize = (0..4).fake_with_rng(&mut self.random);
        let number: usize = (0..1000).fake_with_rng(&mut self.random);
        if action == 0 || self.changing.is_empty() {
            let article = self.authors[author].write(Published::when(number.is_multiple_of(2))).await;
            self.changing.push((author, article.id));
            return;
        }
        let at = number % self.changing.len();
        let (author, id) = self.changing[at];
        let (author, path) = (self.authors[author], format!("/articles/{id}"));
        match action {
            1 => {
                self.changing.swap_remove(at);
                author.delete(&path).await.expect(StatusCode::NO_CONTENT);
            }
            2 => {
                let shown = author.get(&path).await.expect(StatusCode::OK);
                let change = json!({ "published": shown["published"] == false });
                author.patch(&path, &change).await.expect(StatusCode::OK);
            }
            _ => {
                let change = json!({ "title": format!("edit {at}") });
                author.patch(&path, &change).await.expect(StatusCode::OK);
            }
        }
    }
}

/// The ids that a viewer sees who follows the links from the first page to the last, and from there back to
/// the first.
async fn walk(viewer: &Client, query: &str, writer: &mut ConcurrentWriter<'_>) -> [Vec<i64>; 2] {
    let mut path = format!("/articles/?{query}");
    let mut forwards = Vec::new();
    let last = loop {
        let page = viewer.get(&path).await;
        forwards.extend(page.ids());
        writer.write().await;
        match page.linked("next") {
            Some(next) => path = next,
            None => break page,
        }
    };
    let mut backwards = last.ids();
    let mut previous = last.linked("prev");
    while let Some(path) = previous {
        let page = viewer.get(&path).await;
        backwards.splice(0..0, page.ids());
        writer.write().await;
        previous = page.linked("prev");
    }
    [forwards, backwards]
}

#[actix_web::test]
async fn a_walk_shows_what_does_not_change_exactly_once_and_in_order() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (mut changing, mut unchanged) = (Vec::new(), BTreeSet::new());
    for number in 0..36 {
        let author = number % 2;
        let article = [&ann, &bob][author].write(Published::when(number % 5 != 0)).await;
        if number % 3 == 0 {
            changing.push((author, article.id));
        } else {
            unchanged.insert(article.id);
        }
    }
    // Several articles have the same time, in both orders.
    app.sql("UPDATE articles SET created_at = (SELECT max(created_at) FROM articles WHERE id < 10) WHERE id BETWEEN 10 AND 18").await;
    app.sql("UPDATE articles SET updated_at = (SELECT max(updated_at) FROM articles WHERE id < 20) WHERE id BETWEEN 20 AND 29").await;
    let anonymous = app.anonymous();
    let mut writer = ConcurrentWriter { authors: [&ann, &bob], changing, random: StdRng::seed_from_u64(1) };

    for sort in SORTS {
        for (viewer, name) in [(&anonymous, "anonymous"), (&ann, "ann")] {
            let limit: usize = (1..6).fake_with_rng(&mut writer.random);
            let all = viewer.list_ids(&format!("sort={sort}&limit=1000")).await;
            let expected: Vec<i64> = all.into_iter().filter(|id| unchanged.contains(id)).collect();
            let walks = walk(viewer, &format!("sort={sort}&limit={limit}"), &mut writer).await;
            for (seen, direction) in walks.into_iter().zip(["forwards", "backwards"]) {
                let context = format!("{name}, {sort}, {limit} a page, {direction}");
                // An edit moves an article within the order of updates, so that it may be seen twice
                // there.
                if sort.ends_with("created_at") {
                    let once: BTreeSet<_> = seen.iter().collect();
                    assert_eq!(once.len(), seen.len(), "{context}: repeated in {seen:?}");
                }
                let kept: Vec<i64> = seen.into_iter().filter(|id| unchanged.contains(id)).collect();
                assert_eq!(kept, expected, "{context}");
            }
        }
    }
}
