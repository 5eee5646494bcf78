//! A feed and its three formats: Atom (RFC 4287), RSS 2.0 and JSON Feed 1.1.

use std::collections::BTreeMap;

use atom_syndication as atom;
use chrono::{DateTime, SecondsFormat, Utc};
use rss::extension::{Extension, dublincore::DublinCoreExtension};
use serde_json::{Value, json};

use crate::http::error::{Error, Result};

/// The formats of feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedFormat {
    /// RFC 4287.
    Atom,
    /// RSS 2.0 with the modules `content` and Dublin Core.
    Rss,
    /// JSON Feed 1.1.
    Json,
}

impl FeedFormat {
    /// The media type of a document in this format.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Json => "application/feed+json; charset=utf-8",
        }
    }

    /// The path of a feed in this format, relative to the root of the API.
    pub fn path(self) -> &'static str {
        match self {
            Self::Atom => "feeds/atom.xml",
            Self::Rss => "feeds/rss.xml",
            Self::Json => "feeds/feed.json",
        }
    }
}

/// A feed. Its texts may contain any character.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The name of the site, and of what the feed is limited to.
    pub title: String,
    /// The URL of the site.
    pub site: String,
    /// The URL of the feed.
    pub url: String,
    /// When one of its articles last changed.
    pub updated: DateTime<Utc>,
    /// The newest articles, newest first.
    pub entries: Vec<FeedEntry>,
}

/// An article in a feed.
#[derive(Clone, Debug)]
pub struct FeedEntry {
    /// A URI that never changes.
    pub id: String,
    /// The URL of the article's page.
    pub url: String,
    /// The title.
    pub title: String,
    /// The name of the author.
    pub author: String,
    /// The tags.
    pub tags: Vec<String>,
    /// The excerpt.
    pub summary: String,
    /// The content as HTML with absolute URLs; `None` if it is too large for a feed.
    pub html: Option<String>,
    /// When the article was first published.
    pub published: DateTime<Utc>,
    /// When the article last changed.
    pub updated: DateTime<Utc>,
}

impl Feed {
    /// The document in this format.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be written.
    pub fn write(self, format: FeedFormat) -> Result<Vec<u8>> {
        let feed = self.readable();
        let unwritten = |error: String| Error::internal("write a feed", error);
        match format {
            FeedFormat::Atom => {
                feed.atom().write_to(Vec::new()).map_err(|error| unwritten(error.to_string()))
            }
            FeedFormat::Rss => feed.rss().write_to(Vec::new()).map_err(|error| unwritten(error.to_string())),
            FeedFormat::Json => {
                serde_json::to_vec(&feed.json()).map_err(|error| unwritten(error.to_string()))
            }
        }
    }

    /// The same without the characters that XML does not allow.
    fn readable(self) -> Self {
        let entries = self.entries.into_iter().map(|entry| FeedEntry {
            title: readable(entry.title),
            author: readable(entry.author),
            tags: entry.tags.into_iter().map(readable).collect(),
            summary: readable(entry.summary),
            html: entry.html.map(readable),
            ..entry
        });
        Self { entries: entries.collect(), title: readable(self.title), ..self }
    }

    fn atom(self) -> atom::Feed {
        let link = |href: &str, rel: &str| atom::Link {
            href: href.to_owned(),
            rel: rel.to_owned(),
            ..atom::Link::default()
        };
        let entries = self.entries.into_iter().map(|entry| atom::Entry {
            links: vec![link(&entry.url, "alternate")],
            id: entry.id,
            title: atom::Text::plain(entry.title),
            updated: entry.updated.fixed_offset(),
            published: Some(entry.published.fixed_offset()),
            authors: vec![atom::Person { name: entry.author, ..atom::Person::default() }],
            categories: entry.tags.into_iter().map(category).collect(),
            summary: Some(atom::Text::plain(entry.summary)),
            content: entry.html.map(|html| atom::Content {
                value: Some(html),
                content_type: Some("html".to_owned()),
                ..atom::Content::default()
            }),
            ..atom::Entry::default()
        });
        atom::Feed {
            entries: entries.collect(),
            title: atom::Text::plain(self.title),
            links: vec![link(&self.url, "self"), link(&self.site, "alternate")],
            id: self.url,
            updated: self.updated.fixed_offset(),
            ..atom::Feed::default()
        }
    }

    fn rss(self) -> rss::Channel {
        let items = self.entries.into_iter().map(|entry| rss::Item {
            title: Some(entry.title),
            link: Some(entry.url),
            guid: Some(rss::Guid { value: entry.id, permalink: false }),
            pub_date: Some(entry.published.to_rfc2822()),
            dublin_core_ext: Some(DublinCoreExtension {
                creators: vec![entry.author],
                ..DublinCoreExtension::default()
            }),
            categories: entry.tags.into_iter().map(|name| rss::Category { name, domain: None }).collect(),
            description: Some(entry.summary),
            content: entry.html,
            ..rss::Item::default()
        });
        rss::Channel {
            items: items.collect(),
            description: self.title.clone(),
            title: self.title,
            link: self.site,
            last_build_date: Some(self.updated.to_rfc2822()),
            extensions: BTreeMap::from([("atom".to_owned(), own_link(self.url))]),
            namespaces: BTreeMap::from([("atom".to_owned(), "http://www.w3.org/2005/Atom".to_owned())]),
            ..rss::Channel::default()
        }
    }

    fn json(self) -> Value {
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let items = self.entries.into_iter().map(|entry| {
            // An item must have a content.
            let (member, content) = match entry.html {
                Some(html) => ("content_html", html),
                None => ("content_text", entry.summary.clone()),
            };
            json!({
                "id": entry.id,
                "url": entry.url,
                "title": entry.title,
                member: content,
                "summary": entry.summary,
                "date_published": time(entry.published),
                "date_modified": time(entry.updated),
                "authors": [{ "name": entry.author }],
                "tags": entry.tags,
            })
        });
        json!({
            "version": "https://jsonfeed.org/version/1.1",
            "title": self.title,
            "home_page_url": self.site,
            "feed_url": self.url,
            "items": items.collect::<Vec<Value>>(),
        })
    }
}

fn category(term: String) -> atom::Category {
    atom::Category { term, ..atom::Category::default() }
}

/// `atom:link` of a channel, which names its own URL.
fn own_link(url: String) -> BTreeMap<String, Vec<Extension>> {
    let attributes = [("href", url), ("rel", "self".to_owned()), ("type", "application/rss+xml".to_owned())];
    let link = Extension {
        name: "atom:link".to_owned(),
        attrs: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..Extension::default()
    };
    BTreeMap::from([("link".to_owned(), vec![link])])
}

/// Removes the characters that a document in XML 1.0 cannot contain, not even as references (section 2.2). Line ends
/// become line feeds, as every parser of XML reads them.
pub(super) fn readable(text: String) -> String {
    let is_allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
    if text.chars().all(is_allowed) { text } else { text.chars().filter(|it| is_allowed(*it)).collect() }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn feed(text: &str) -> Feed {
        let time = DateTime::UNIX_EPOCH + TimeDelta::microseconds(1_795_448_600_000_001);
        let entry = |html| FeedEntry {
            id: "tag:blog.example,2026-11-23:articles/1".to_owned(),
            url: "https://blog.example/posts/a?b=c&d".to_owned(),
            title: text.to_owned(),
            author: text.to_owned(),
            tags: vec![text.to_owned(), "b".to_owned()],
            summary: text.to_owned(),
            html,
            published: time,
            updated: time,
        };
        Feed {
            title: text.to_owned(),
            site: "https://blog.example/".to_owned(),
            url: "https://blog.example/feeds/atom.xml?tag=a&tag=b".to_owned(),
            updated: time,
            entries: vec![entry(Some(format!("<p>{text}</p>"))), entry(None)],
        }
    }

    fn trimmed(text: Option<&str>) -> &str {
        text.unwrap_or_default().trim()
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        let expected = readable(text.to_owned());
        let written = |format| feed(text).write(format).unwrap();
        let read = atom::Feed::read_from(&*written(FeedFormat::Atom)).unwrap();
        prop_assert_eq!(read.entries().len(), 2);
        prop_assert_eq!(read.entries()[0].title().as_str().trim(), expected.trim());
        let content = read.entries()[0].content().unwrap();
        prop_assert_eq!(trimmed(content.value()), format!("<p>{expected}</p>"));
        prop_assert!(read.entries()[1].content().is_none());
        let read = rss::Channel::read_from(&*written(FeedFormat::Rss)).unwrap();
        prop_assert_eq!(read.items().len(), 2);
        prop_assert_eq!(trimmed(read.items()[0].title()), expected.trim());
        prop_assert_eq!(trimmed(read.items()[0].description()), expected.trim());
        let read: Value = serde_json::from_slice(&written(FeedFormat::Json)).unwrap();
        prop_assert_eq!(read["items"][0]["title"].as_str().unwrap(), expected);
        prop_assert_eq!(&read["items"][1]["content_text"], &read["items"][1]["summary"]);
        Ok(())
    }

    proptest! {
        #[test]
        fn every_text_can_be_read_back_without_what_xml_forbids(text in any::<String>()) {
            check(&text)?;
        }

        #[test]
        fn every_markup_can_be_read_back(text in "[<>&\"'\\]\\[! \r\n\t\u{0}\u{b}\u{1f}\u{85}\u{fffe}\u{10ffff}a;#x-]{0,30}") {
            check(&text)?;
        }
    }

    #[test]
    fn the_characters_that_xml_forbids_are_removed_and_no_others() {
        for code in (0..=0x10_ffff).filter_map(char::from_u32) {
            let is_forbidden =
                (code < ' ' && !"\t\n\r".contains(code)) || ['\u{fffe}', '\u{ffff}'].contains(&code);
            assert_eq!(readable(code.to_string()).is_empty(), is_forbidden, "{code:?}");
        }
    }

    #[test]
    fn a_feed_names_its_own_url_and_that_of_the_site() {
        let atom = String::from_utf8(feed("a").write(FeedFormat::Atom).unwrap()).unwrap();
        assert!(
            atom.contains("href=\"https://blog.example/feeds/atom.xml?tag=a&amp;tag=b\" rel=\"self\""),
            "{atom}"
        );
        assert!(atom.contains("href=\"https://blog.example/\" rel=\"alternate\""), "{atom}");
        let rss = String::from_utf8(feed("a").write(FeedFormat::Rss).unwrap()).unwrap();
        assert!(rss.contains("xmlns:atom=\"http://www.w3.org/2005/Atom\""), "{rss}");
        assert!(
            rss.contains("<atom:link href=\"https://blog.example/feeds/atom.xml?tag=a&amp;tag=b\""),
            "{rss}"
        );
        assert!(
            rss.contains("<guid isPermaLink=\"false\">tag:blog.example,2026-11-23:articles/1</guid>"),
            "{rss}"
        );
        assert!(rss.contains("<dc:creator>a</dc:creator>"), "{rss}");
    }
}
