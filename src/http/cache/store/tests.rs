//! What a change invalidates, and what the cache may serve.

use super::*;

const PAGES: Topic = Topic::new("pages");
const NAMES: Topic = Topic::new("names");
const CODINGS: [Option<Coding>; 3] = [None, Some(Coding::Brotli), Some(Coding::Gzip)];

fn valid(bytes: u64) -> Cache {
    let cache = Cache::new(bytes);
    cache.set_valid_until(Instant::now(), Duration::from_mins(1));
    cache
}

fn fill(cache: &Cache, path: &str, subject: Subject, shows: Option<Topic>) {
    let stamp = cache.begin_fill(subject, shows).unwrap();
    cache.insert(path, None, stamp, EntityTag::of_digest(b"1"), Box::new([]), &Bytes::from_static(b"{}"));
}

fn fill_in(cache: &Cache, coding: Option<Coding>, vary: &'static str) {
    let stamp = cache.begin_fill(Subject::Row(PAGES, 1), None).unwrap();
    let headers = Box::new([(VARY, HeaderValue::from_static(vary))]);
    let body = Bytes::from(format!("{coding:?}"));
    cache.insert("/pages/1", coding, stamp, EntityTag::of_digest(b"1"), headers, &body);
}

#[test]
fn a_changed_row_invalidates_itself_and_the_lists_of_its_topic_and_nothing_else() {
    let cache = valid(1 << 20);
    fill(&cache, "/pages/1", Subject::Row(PAGES, 1), None);
    fill(&cache, "/pages/2", Subject::Row(PAGES, 2), None);
    fill(&cache, "/pages/", Subject::List(PAGES), None);
    fill(&cache, "/names/", Subject::List(NAMES), None);
    cache.changed(&[Change::Row(PAGES, 1)]);
    let cached = ["/pages/1", "/pages/2", "/pages/", "/names/"].map(|path| cache.get(path, None).is_some());
    assert_eq!(cached, [false, true, false, true]);
}

#[test]
fn an_inserted_row_invalidates_lists_only() {
    let cache = valid(1 << 20);
    fill(&cache, "/pages/1", Subject::Row(PAGES, 1), None);
    fill(&cache, "/pages/", Subject::List(PAGES), None);
    cache.changed(&[Change::Inserted(PAGES)]);
    assert!(cache.get("/pages/1", None).is_some());
    assert!(cache.get("/pages/", None).is_none());
}

#[test]
fn a_changed_table_invalidates_its_topic_and_a_change_of_everything_all_topics() {
    let cache = valid(1 << 20);
    let fill = || {
        fill(&cache, "/pages/1", Subject::Row(PAGES, 1), None);
        fill(&cache, "/pages/", Subject::List(PAGES), None);
        fill(&cache, "/names/1", Subject::Row(NAMES, 1), None);
    };
    let cached = || ["/pages/1", "/pages/", "/names/1"].map(|path| cache.get(path, None).is_some());
    fill();
    cache.changed(&[Change::Table(PAGES)]);
    assert_eq!(cached(), [false, false, true]);
    fill();
    cache.changed(&[Change::Everything]);
    assert_eq!(cached(), [false, false, false]);
}

#[test]
fn a_response_that_shows_rows_of_another_topic_depends_on_them_too() {
    for (change, is_cached) in [
        (Change::Row(NAMES, 7), false),
        (Change::Table(NAMES), false),
        (Change::Inserted(NAMES), true),
        (Change::Row(PAGES, 2), true),
    ] {
        let cache = valid(1 << 20);
        fill(&cache, "/pages/1", Subject::Row(PAGES, 1), Some(NAMES));
        cache.changed(&[change]);
        assert_eq!(cache.get("/pages/1", None).is_some(), is_cached, "{change:?}");
    }
}

#[test]
fn each_coding_is_a_response_of_its_own_and_a_change_invalidates_all() {
    let cache = valid(1 << 20);
    for (filled, coding) in CODINGS.into_iter().enumerate() {
        fill_in(&cache, coding, VARIES);
        for (number, coding) in CODINGS.into_iter().enumerate() {
            let body = cache.get("/pages/1", coding).map(|entry| entry.body.clone());
            assert_eq!(body, (number <= filled).then(|| format!("{coding:?}").into()));
        }
    }
    cache.changed(&[Change::Row(PAGES, 1)]);
    assert!(CODINGS.iter().all(|coding| cache.get("/pages/1", *coding).is_none()));
}

#[test]
fn a_response_that_is_the_same_in_every_coding_is_stored_once() {
    let cache = valid(1 << 20);
    fill_in(&cache, Some(Coding::Gzip), VARIES);
    cache.changed(&[Change::Row(PAGES, 1)]);
    // The body has become short; the entry of the long one in gzip is still stored.
    fill_in(&cache, Some(Coding::Brotli), "Authorization");
    let short = cache.get("/pages/1", Some(Coding::Brotli)).unwrap();
    for coding in CODINGS {
        assert!(Arc::ptr_eq(&short, &cache.get("/pages/1", coding).unwrap()), "{coding:?}");
    }
}

#[test]
fn a_response_read_before_a_change_is_not_served_after_it() {
    let cache = valid(1 << 20);
    let stamp = cache.begin_fill(Subject::Row(PAGES, 1), None).unwrap();
    cache.changed(&[Change::Row(PAGES, 1)]);
    cache.insert("/pages/1", None, stamp, EntityTag::of_digest(b"1"), Box::new([]), &Bytes::new());
    assert!(cache.get("/pages/1", None).is_none());
}

#[test]
fn a_suspended_cache_serves_nothing_and_is_not_filled() {
    let cache = valid(1 << 20);
    fill(&cache, "/pages/1", Subject::Row(PAGES, 1), None);
    cache.suspend();
    assert!(cache.get("/pages/1", None).is_none());
    assert!(cache.begin_fill(Subject::List(PAGES), None).is_none());
}

#[test]
fn a_new_cache_is_suspended() {
    assert!(Cache::new(1 << 20).begin_fill(Subject::List(PAGES), None).is_none());
}

#[test]
fn its_memory_is_bounded() {
    let cache = valid(1 << 20);
    for id in 0..100_000 {
        fill(&cache, &format!("/pages/{id}"), Subject::Row(PAGES, id), None);
    }
    assert!(cache.entries.as_ref().unwrap().weight() <= 1 << 20);
}

#[test]
fn a_size_of_zero_turns_the_cache_off() {
    assert!(valid(0).begin_fill(Subject::List(PAGES), None).is_none());
}

#[test]
fn an_entry_is_served_for_a_minute_after_the_database_was_asked() {
    let cache = Cache::new(1 << 20);
    cache.set_valid_until(Instant::now(), Duration::from_hours(1));
    let stamp = cache.begin_fill(Subject::Row(PAGES, 1), None).unwrap();
    let is_served = |seconds| {
        let age = nanoseconds(Duration::from_secs_f64(seconds));
        cache.get_at("/pages/1", None, stamp.taken + age).is_some()
    };
    let tag = EntityTag::of_digest(b"1");
    cache.insert("/pages/1", None, stamp, tag, Box::new([]), &Bytes::from_static(b"{}"));
    assert_eq!([0.0, 59.9, 60.0, 600.0].map(is_served), [true, true, false, false]);

    // A new fill starts a new minute.
    let later = Stamp { taken: stamp.taken + nanoseconds(Duration::from_secs(50)), ..stamp };
    let tag = EntityTag::of_digest(b"1");
    cache.insert("/pages/1", None, later, tag, Box::new([]), &Bytes::from_static(b"{}"));
    assert_eq!([60.0, 109.9, 110.0].map(is_served), [true, true, false]);
}
