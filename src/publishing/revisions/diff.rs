//! The difference of two states of an article.

use std::time::Duration;

use serde_json::{Value, json};
use similar::TextDiff;
use tokio::task::spawn_blocking;

use super::schemas::ChangeResponse;
use crate::http::{
    error::{Error, Result},
    page_bounds::PageBounds,
};

/// Contents of up to this size together are compared on the worker.
const MAX_ON_WORKER: usize = 16 << 10;

/// How long two contents are compared. After it, the difference is correct, but not the shortest.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The lines around a change.
const CONTEXT: usize = 3;

/// What is compared of an article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedState {
    /// What the state is called in the difference.
    pub label: String,
    /// The title.
    pub title: String,
    /// The content.
    pub content: String,
    /// The format of the content.
    pub format: String,
    /// The slug.
    pub slug: Option<String>,
    /// The names of the tags.
    pub tags: Vec<String>,
}

/// The members other than the content that differ.
pub fn changes(old: &ComparedState, new: &ComparedState) -> Vec<ChangeResponse> {
    let members: [(&'static str, Value, Value); 4] = [
        ("title", json!(old.title), json!(new.title)),
        ("format", json!(old.format), json!(new.format)),
        ("slug", json!(old.slug), json!(new.slug)),
        ("tags", json!(old.tags), json!(new.tags)),
    ];
    let differing = members.into_iter().filter(|(_, old, new)| old != new);
    differing.map(|(member, old, new)| ChangeResponse { member, old, new }).collect()
}

/// The unified diff of the contents; empty if they are equal. Large contents are compared on a blocking thread, one
/// pair at a time.
///
/// # Errors
/// [`Error::Busy`] if many pairs wait.
pub async fn unified(bounds: &PageBounds, old: ComparedState, new: ComparedState) -> Result<String> {
    if old.content.len().saturating_add(new.content.len()) <= MAX_ON_WORKER {
        return Ok(compare(&old, &new));
    }
    let admission = bounds.admit_expensive().await?;
    let compared = spawn_blocking(move || compare(&old, &new)).await;
    drop(admission);
    compared.map_err(|error| Error::internal("compare revisions", error))
}

fn compare(old: &ComparedState, new: &ComparedState) -> String {
    if old.content == new.content {
        return String::new();
    }
    let diff = TextDiff::configure().timeout(TIMEOUT).diff_lines(old.content.as_str(), new.content.as_str());
    diff.unified_diff().context_radius(CONTEXT).header(&old.label, &new.label).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(content: &str) -> ComparedState {
        ComparedState {
            label: "revision 1".to_owned(),
            title: "t".to_owned(),
            content: content.to_owned(),
            format: "plain".to_owned(),
            slug: None,
            tags: Vec::new(),
        }
    }

    #[test]
    fn equal_states_have_no_difference() {
        assert_eq!(compare(&state("a\nb"), &state("a\nb")), "");
        assert!(changes(&state("a"), &state("b")).is_empty());
    }

    #[test]
    fn a_difference_names_its_states_and_shows_three_lines_around_a_change() {
        let new = ComparedState { label: "current".to_owned(), ..state("1\n2\n3\n4\n5\nsix\n7\n8\n9\n10\n") };
        let diff = compare(&state("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"), &new);
        let expected = "--- revision 1\n+++ current\n@@ -3,7 +3,7 @@\n 3\n 4\n 5\n-6\n+six\n 7\n 8\n 9\n";
        assert_eq!(diff, expected);
    }

    #[test]
    fn comparing_unrelated_contents_ends_in_time() {
        let lines = |seed: u64| -> String {
            (0..60_000_u64).map(|line| format!("{}\n", (line * seed) % 7919)).collect()
        };
        let diff = compare(&state(&lines(7)), &state(&lines(13)));
        assert!(diff.lines().filter(|line| line.starts_with('+')).count() > 1000);
    }
}
