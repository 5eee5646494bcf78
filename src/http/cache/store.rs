//! The entries of the cache and the generations that they depend on.

use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash},
    mem::size_of,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use actix_web::{
    http::header::{HeaderName, HeaderValue, VARY},
    web::Bytes,
};
use quick_cache::{Equivalent, Weighter, sync};

use crate::{
    db::{Change, ChangeListener, Topic},
    http::{
        compression::{Coding, VARIES},
        conditional::EntityTag,
    },
};

/// The maximum age of an entry. It bounds how long a write can stay unnoticed that no trigger announced.
const MAX_AGE: Duration = Duration::from_mins(1);

/// The number of generations that all rows share. A write invalidates this fraction of all entries for single
/// rows.
const ROW_GENERATIONS: usize = 4096;

/// The number of generations of each kind that all topics share.
const TOPIC_GENERATIONS: usize = 64;

/// The expected size of an entry in bytes.
const USUAL_ENTRY: u64 = 2048;

/// The overhead of the store for an entry, in bytes: its slots in a hash table and in a list.
const BOOKKEEPING: usize = 160;

/// The allocator rounds the size of a block up, by as much as a quarter. Measured for articles of 1 KB: this part of
/// their sizes.
const ROUNDING: usize = 6;

/// The data that a response shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One row.
    Row(Topic, i32),
    /// A list of rows, which every write to the topic can change.
    List(Topic),
}

/// A complete response.
#[derive(Debug)]
pub struct Entry {
    /// The headers, except those that differ between requests.
    pub headers: Box<[(HeaderName, HeaderValue)]>,
    /// The body.
    pub body: Bytes,
    /// The entity tag.
    pub tag: EntityTag,
    stamp: Stamp,
}

impl Entry {
    /// Whether the response has another body in another content coding.
    fn varies(&self) -> bool {
        self.headers.iter().any(|(name, value)| *name == VARY && value == VARIES)
    }

    /// The memory that the entry needs, in bytes.
    fn size(&self) -> usize {
        let headers =
            self.headers.iter().map(|(_, value)| size_of::<(HeaderName, HeaderValue)>() + value.len());
        size_of::<Self>() + headers.sum::<usize>() + self.body.len() + self.tag.size()
    }
}

/// The path with its query, and the content coding of the response.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    path: Box<str>,
    coding: Option<Coding>,
}

/// A borrowed [`Key`]; it hashes the same.
#[derive(Hash)]
struct KeyRef<'a> {
    path: &'a str,
    coding: Option<Coding>,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.path == &*key.path && self.coding == key.coding
    }
}

/// The generations that a response depends on, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    subject: Subject,
    /// Another topic whose rows the response shows.
    shows: Option<Topic>,
    generations: [u64; 4],
    /// When, in nanoseconds since the cache was created.
    taken: u64,
}

/// How the cache is used, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct CacheUsage {
    /// The number of entries.
    pub entries: u64,
    /// Their memory, in bytes.
    pub bytes: u64,
    /// The most memory that they may have, in bytes.
    pub max_bytes: u64,
    /// Whether responses may be served: the cache is on, and knows all changes by other processes.
    pub is_trusted: bool,
}

/// The cache of one process.
#[derive(Debug)]
pub struct Cache {
    entries: Option<sync::Cache<Key, Arc<Entry>, EntrySize>>,
    /// Incremented when a row changes.
    rows: Generations,
    /// Incremented when the lists of a topic change.
    lists: Generations,
    /// Incremented when any row of a topic changes.
    topics: Generations,
    /// Incremented when all rows of a topic, or everything, may have changed.
    tables: Generations,
    everything: AtomicU64,
    created: Instant,
    valid_until: AtomicU64,
    writes_announced: AtomicBool,
}

#[derive(Clone, Debug)]
struct EntrySize;

impl Weighter<Key, Arc<Entry>> for EntrySize {
    fn weight(&self, key: &Key, entry: &Arc<Entry>) -> u64 {
        let bytes = size_of::<Key>() + key.path.len() + entry.size() + BOOKKEEPING;
        u64::try_from(bytes + bytes.div_euclid(ROUNDING)).unwrap_or(u64::MAX)
    }
}

/// Counters that keys share by their hash.
#[derive(Debug)]
struct Generations(Box<[AtomicU64]>);

impl Generations {
    fn new(number: usize) -> Self {
        Self((0..number).map(|_| AtomicU64::new(0)).collect())
    }

    fn at(&self, key: impl Hash) -> Option<&AtomicU64> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let number = u64::try_from(self.0.len()).ok()?;
        self.0.get(usize::try_from(hash.checked_rem(number)?).ok()?)
    }

    fn get(&self, key: impl Hash) -> u64 {
        self.at(key).map_or(0, |generation| generation.load(SeqCst))
    }

    fn increment(&self, key: impl Hash) {
        if let Some(generation) = self.at(key) {
            generation.fetch_add(1, SeqCst);
        }
    }
}

impl Cache {
    /// A cache of at most `bytes` of memory, keys and bookkeeping included; 0 turns it off.
    pub fn new(bytes: u64) -> Self {
        let entries = usize::try_from(bytes.div_ceil(USUAL_ENTRY)).unwrap_or(usize::MAX);
        Self {
            entries: (bytes > 0).then(|| sync::Cache::with_weighter(entries, bytes, EntrySize)),
            rows: Generations::new(ROW_GENERATIONS),
            lists: Generations::new(TOPIC_GENERATIONS),
            topics: Generations::new(TOPIC_GENERATIONS),
            tables: Generations::new(TOPIC_GENERATIONS),
            everything: AtomicU64::new(0),
            created: Instant::now(),
            valid_until: AtomicU64::new(0),
            writes_announced: AtomicBool::new(true),
        }
    }

    /// Whether the cache is in use.
    pub fn is_on(&self) -> bool {
        self.entries.is_some()
    }

    /// Whether a body of this size can be stored.
    pub fn fits(&self, bytes: u64) -> bool {
        self.entries.as_ref().is_some_and(|entries| bytes <= entries.shard_capacity())
    }

    /// The cached response to `path` with its query, for a client that accepts `coding`, if it is still
    /// valid.
    pub fn get(&self, path: &str, coding: Option<Coding>) -> Option<Arc<Entry>> {
        self.get_at(path, coding, self.now())
    }

    fn get_at(&self, path: &str, coding: Option<Coding>, now: u64) -> Option<Arc<Entry>> {
        let entries = self.entries.as_ref()?;
        let current = |coding| {
            let entry = entries.get(&KeyRef { path, coding })?;
            let Stamp { subject, shows, generations, taken } = entry.stamp;
            let is_fresh = now.saturating_sub(taken) < nanoseconds(MAX_AGE);
            (is_fresh && self.is_valid_at(now) && self.generations(subject, shows) == generations)
                .then_some(entry)
        };
        current(coding).or_else(|| current(None).filter(|entry| !entry.varies()))
    }

    /// Must be called before the database is read for a response that shows `subject`, together with rows of
    /// the topic `shows`. `None` if the response cannot be cached.
    pub fn begin_fill(&self, subject: Subject, shows: Option<Topic>) -> Option<Stamp> {
        let taken = self.now();
        (self.is_on() && self.is_valid_at(taken)).then(|| Stamp {
            subject,
            shows,
            generations: self.generations(subject, shows),
            taken,
        })
    }

    /// Stores a response. If it is the same in every content coding, it is stored once.
    pub fn insert(
        &self,
        path: &str,
        coding: Option<Coding>,
        stamp: Stamp,
        tag: EntityTag,
        headers: Box<[(HeaderName, HeaderValue)]>,
        body: &Bytes,
    ) {
        // Copied, because the buffer of the body may have up to twice its size.
        let body = Bytes::copy_from_slice(body);
        let entry = Arc::new(Entry { headers, body, tag, stamp });
        if let Some(entries) = &self.entries {
            let coding = coding.filter(|_| entry.varies());
            entries.insert(Key { path: path.into(), coding }, entry);
        }
    }

    /// Invalidates every entry.
    pub fn invalidate_all(&self) {
        self.everything.fetch_add(1, SeqCst);
    }

    /// States that every change committed before `seen` is known. Entries may be served until `period` after
    /// it.
    pub fn set_valid_until(&self, seen: Instant, period: Duration) {
        let until = seen.saturating_duration_since(self.created).saturating_add(period);
        self.valid_until.store(nanoseconds(until), SeqCst);
    }

    /// States that changes by other processes may be unknown from now on. Nothing is served until
    /// [`Cache::set_valid_until`].
    pub fn suspend(&self) {
        self.valid_until.store(0, SeqCst);
    }

    /// States whether the database announces writes by other processes. While it does not, nothing is served.
    /// Returns the previous value.
    pub fn set_writes_announced(&self, announced: bool) -> bool {
        self.writes_announced.swap(announced, SeqCst)
    }

    /// Whether the cache is in use and the database does not announce writes by other processes.
    pub fn is_out_of_use(&self) -> bool {
        self.is_on() && !self.writes_announced.load(SeqCst)
    }

    /// How the cache is used.
    pub fn usage(&self) -> CacheUsage {
        let entries = self.entries.as_ref();
        CacheUsage {
            entries: entries.map_or(0, |entries| u64::try_from(entries.len()).unwrap_or(u64::MAX)),
            bytes: entries.map_or(0, sync::Cache::weight),
            max_bytes: entries.map_or(0, sync::Cache::capacity),
            is_trusted: self.is_on() && self.is_valid_at(self.now()),
        }
    }

    fn now(&self) -> u64 {
        nanoseconds(self.created.elapsed())
    }

    fn is_valid_at(&self, now: u64) -> bool {
        self.writes_announced.load(SeqCst) && now < self.valid_until.load(SeqCst)
    }

    fn generations(&self, subject: Subject, shows: Option<Topic>) -> [u64; 4] {
        let (own, topic) = match subject {
            Subject::Row(topic, id) => (self.rows.get((topic, id)), topic),
            Subject::List(topic) => (self.lists.get(topic), topic),
        };
        let other = shows.map_or(0, |topic| self.topics.get(topic));
        [own, self.tables.get(topic), other, self.everything.load(SeqCst)]
    }
}

impl ChangeListener for Cache {
    fn changed(&self, changes: &[Change]) {
        for change in changes {
            match *change {
                Change::Row(topic, id) => {
                    self.rows.increment((topic, id));
                    self.lists.increment(topic);
                    self.topics.increment(topic);
                }
                // No response shows a row that did not exist.
                Change::Inserted(topic) => self.lists.increment(topic),
                Change::Table(topic) => {
                    self.tables.increment(topic);
                    self.topics.increment(topic);
                }
                Change::Everything => self.invalidate_all(),
            }
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
