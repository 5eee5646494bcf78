//! What every stranger may read, kept in memory as it was answered, compressed too: public articles and pages of public lists.
//!
//! It can't lie. Every entry remembers the generation of what it shows, read *before* the database was asked, and is good
//! only while that generation is the current one. A write moves the generation before it is acknowledged, so the next read of
//! this server is never stale; and what a slow read brings back from before a write is never served. Writes elsewhere are heard of by
//! [`watch`], which says until when the cache may be trusted: without its word nothing is served from here.

pub mod listener;
pub mod middleware;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use actix_web::{
    http::header::{HeaderName, HeaderValue, VARY},
    web::Bytes,
};
use quick_cache::{Equivalent, Weighter, sync};

use crate::http::{
    compression::{Coding, VARIES},
    conditional::Tag,
};

/// Articles share so many generations: a write makes the entries of this fraction of them be read anew.
const GENERATIONS: u32 = 4096;

/// What an entry costs beside its key and body: headers and bookkeeping, in bytes, rounded up.
const OVERHEAD: usize = 1024;

/// Entries of about this size are expected, in bytes.
const USUAL_ENTRY: u64 = 2048;

/// What an entry shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One article.
    Article(i32),
    /// A list, which any write may change.
    List,
}

/// An answer, ready to be sent again.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its headers, but for those that differ from request to request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Bytes,
    /// Its entity tag.
    pub tag: Tag,
    stamp: Stamp,
}

impl Entry {
    /// Whether others get the same answer in another coding.
    fn varies(&self) -> bool {
        self.headers.iter().any(|(name, value)| *name == VARY && value == VARIES)
    }
}

/// What an answer is kept under: a path with its query, and the coding of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    path: Box<str>,
    coding: Option<Coding>,
}

/// A key that is looked for; it hashes as [`Key`] does.
#[derive(Hash)]
struct Wanted<'a> {
    path: &'a str,
    coding: Option<Coding>,
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.path == &*key.path && self.coding == key.coding
    }
}

/// The generations of a subject at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    subject: Subject,
    own: u64,
    all: u64,
}

/// The cache of one process.
#[derive(Debug)]
pub struct Cache {
    entries: Option<sync::Cache<Key, Arc<Entry>, Weight>>,
    articles: Box<[AtomicU64]>,
    lists: AtomicU64,
    all: AtomicU64,
    born: Instant,
    trusted_until: AtomicU64,
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<Key, Arc<Entry>> for Weight {
    fn weight(&self, key: &Key, entry: &Arc<Entry>) -> u64 {
        let bytes = key.path.len().saturating_add(entry.body.len()).saturating_add(OVERHEAD);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Cache {
    /// A cache of at most so many bytes, keys and bookkeeping included; 0 keeps nothing.
    pub fn new(bytes: u64) -> Self {
        let entries = usize::try_from(bytes.div_ceil(USUAL_ENTRY)).unwrap_or(usize::MAX);
        Self {
            entries: (bytes > 0).then(|| sync::Cache::with_weighter(entries, bytes, Weight)),
            articles: (0..GENERATIONS).map(|_| AtomicU64::new(0)).collect(),
            lists: AtomicU64::new(0),
            all: AtomicU64::new(0),
            born: Instant::now(),
            trusted_until: AtomicU64::new(0),
        }
    }

    /// Whether there is anything to watch for.
    pub fn is_on(&self) -> bool {
        self.entries.is_some()
    }

    /// The answer kept for this path with its query, to who takes `coding`, if it is still the answer.
    pub fn find(&self, path: &str, coding: Option<Coding>) -> Option<Arc<Entry>> {
        let entries = self.entries.as_ref()?;
        let current = |coding| {
            let entry = entries.get(&Wanted { path, coding })?;
            (self.is_trusted() && self.stamp(entry.stamp.subject) == entry.stamp).then_some(entry)
        };
        current(coding).or_else(|| current(None).filter(|entry| !entry.varies()))
    }

    /// Says that the database is about to be asked for `subject`; none where the answer could not be kept.
    pub fn expect(&self, subject: Subject) -> Option<Stamp> {
        (self.is_on() && self.is_trusted()).then(|| self.stamp(subject))
    }

    /// Keeps an answer that was expected; one that is the same in every coding once for all.
    pub fn keep(
        &self,
        path: &str,
        coding: Option<Coding>,
        stamp: Stamp,
        tag: Tag,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: &Bytes,
    ) -> Arc<Entry> {
        // A body grew while it was written, and brings up to as many bytes again that it has no use for.
        let body = Bytes::copy_from_slice(body);
        let entry = Arc::new(Entry { headers, body, tag, stamp });
        if let Some(entries) = &self.entries {
            let coding = coding.filter(|_| entry.varies());
            entries.insert(Key { path: path.into(), coding }, Arc::clone(&entry));
        }
        entry
    }

    /// An article was, or may have been, written.
    pub fn forget(&self, id: i32) {
        self.article(id).fetch_add(1, SeqCst);
        self.forget_lists();
    }

    /// Some article was, or may have been, written that nobody can have read before.
    pub fn forget_lists(&self) {
        self.lists.fetch_add(1, SeqCst);
    }

    /// Anything may have been written.
    pub fn forget_all(&self) {
        self.all.fetch_add(1, SeqCst);
    }

    /// All that was written before `seen` is known of; what is kept may be served for `period` from then on.
    pub fn trust(&self, seen: Instant, period: Duration) {
        let until = seen.saturating_duration_since(self.born).saturating_add(period);
        self.trusted_until.store(nanoseconds(until), SeqCst);
    }

    /// Nothing is known for sure any more.
    pub fn distrust(&self) {
        self.trusted_until.store(0, SeqCst);
    }

    fn is_trusted(&self) -> bool {
        nanoseconds(self.born.elapsed()) < self.trusted_until.load(SeqCst)
    }

    fn stamp(&self, subject: Subject) -> Stamp {
        let own = match subject {
            Subject::Article(id) => self.article(id),
            Subject::List => &self.lists,
        };
        Stamp { subject, own: own.load(SeqCst), all: self.all.load(SeqCst) }
    }

    /// Ids are given out in turn, so neighbours have generations of their own.
    fn article(&self, id: i32) -> &AtomicU64 {
        let at = usize::try_from(id.unsigned_abs() % GENERATIONS).unwrap_or_default();
        self.articles.get(at).unwrap_or(&self.all)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cache: &Cache, key: &str, subject: Subject) {
        let stamp = cache.expect(subject).unwrap();
        cache.keep(key, None, stamp, Tag::of_version(1), Vec::new(), &Bytes::from_static(b"{}"));
    }

    fn trusted(bytes: u64) -> Cache {
        let cache = Cache::new(bytes);
        cache.trust(Instant::now(), Duration::from_mins(1));
        cache
    }

    #[test]
    fn a_write_makes_its_article_and_all_lists_be_read_anew_and_nothing_else() {
        let cache = trusted(1 << 20);
        kept(&cache, "/articles/1", Subject::Article(1));
        kept(&cache, "/articles/2", Subject::Article(2));
        kept(&cache, "/articles/", Subject::List);
        cache.forget(1);
        assert!(cache.find("/articles/1", None).is_none());
        assert!(cache.find("/articles/2", None).is_some());
        assert!(cache.find("/articles/", None).is_none());
        cache.forget_all();
        assert!(cache.find("/articles/2", None).is_none());
    }

    fn kept_in(cache: &Cache, coding: Option<Coding>, vary: &'static str) {
        let stamp = cache.expect(Subject::Article(1)).unwrap();
        let headers = vec![(VARY, HeaderValue::from_static(vary))];
        let body = Bytes::from(format!("{coding:?}"));
        cache.keep("/articles/1", coding, stamp, Tag::of_version(1), headers, &body);
    }

    const CODINGS: [Option<Coding>; 3] = [None, Some(Coding::Brotli), Some(Coding::Gzip)];

    #[test]
    fn each_coding_is_an_answer_of_its_own_and_a_write_ends_them_all() {
        let cache = trusted(1 << 20);
        for (known, coding) in CODINGS.into_iter().enumerate() {
            kept_in(&cache, coding, VARIES);
            for (at, coding) in CODINGS.into_iter().enumerate() {
                let found = cache.find("/articles/1", coding).map(|entry| entry.body.clone());
                assert_eq!(found, (at <= known).then(|| format!("{coding:?}").into()));
            }
        }
        cache.forget(1);
        assert!(CODINGS.iter().all(|coding| cache.find("/articles/1", *coding).is_none()));
    }

    #[test]
    fn what_is_the_same_in_every_coding_is_kept_once_for_all() {
        let cache = trusted(1 << 20);
        kept_in(&cache, Some(Coding::Gzip), VARIES);
        cache.forget(1);
        // It has become short, and what it was in gzip still lies there.
        kept_in(&cache, Some(Coding::Brotli), "Authorization");
        let short = cache.find("/articles/1", Some(Coding::Brotli)).unwrap();
        for coding in CODINGS {
            assert!(Arc::ptr_eq(&short, &cache.find("/articles/1", coding).unwrap()), "{coding:?}");
        }
    }

    #[test]
    fn what_was_read_before_a_write_is_not_served_after_it() {
        let cache = trusted(1 << 20);
        let stamp = cache.expect(Subject::Article(1)).unwrap();
        cache.forget(1);
        cache.keep("/articles/1", None, stamp, Tag::of_version(1), Vec::new(), &Bytes::new());
        assert!(cache.find("/articles/1", None).is_none());
    }

    #[test]
    fn without_trust_nothing_is_served_and_nothing_expected() {
        let cache = trusted(1 << 20);
        kept(&cache, "/articles/1", Subject::Article(1));
        cache.distrust();
        assert!(cache.find("/articles/1", None).is_none());
        assert!(cache.expect(Subject::List).is_none());
        assert!(Cache::new(1 << 20).expect(Subject::List).is_none());
    }

    #[test]
    fn the_bytes_are_bounded_and_none_is_off() {
        let cache = trusted(1 << 20);
        for id in 0..100_000 {
            kept(&cache, &format!("/articles/{id}"), Subject::Article(id));
        }
        assert!(cache.entries.as_ref().unwrap().weight() <= 1 << 20);
        assert!(trusted(0).expect(Subject::List).is_none());
    }
}
