//! Lists of articles: their order, filters, totals, and what they show of each article.

use actix_web::http::StatusCode;
use chrono::{DateTime, Days, FixedOffset, Utc};
use serde_json::{Value, json};

use crate::support::{Article, Client, Published, Response, TestApp, article_body, percent_encoded};

/// Writes four articles whose titles are letters, and returns a client that reads them.
async fn write_abcd(app: &TestApp) -> Client {
    let ann = app.sign_up("ann").await;
    for title in ["a", "b", "c", "d"] {
        ann.create(&article_body(title)).await;
    }
    app.anonymous()
}

async fn list_titles(client: &Client, path: &str) -> Vec<String> {
    let list = client.get(path).await.expect(StatusCode::OK);
    list.as_array().unwrap().iter().map(|article| article["title"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_list_is_newest_first() {
    let app = TestApp::start().await;
    let client = write_abcd(&app).await;
    assert_eq!(list_titles(&client, "/articles/").await, ["d", "c", "b", "a"]);
}

#[actix_web::test]
async fn of_articles_with_the_same_time_the_higher_id_is_first() {
    let app = TestApp::start().await;
    let client = write_abcd(&app).await;
    app.sql("UPDATE articles SET created_at = (SELECT min(created_at) FROM articles) WHERE title <> 'b'")
        .await;
    assert_eq!(list_titles(&client, "/articles/").await, ["b", "d", "c", "a"]);
    assert_eq!(list_titles(&client, "/articles/?skip=1&limit=2").await, ["d", "c"]);
}

#[actix_web::test]
async fn a_page_without_rows_or_beyond_the_list_is_empty() {
    let app = TestApp::start().await;
    let client = write_abcd(&app).await;
    for path in ["/articles?limit=0", "/articles/?skip=4", "/articles/?skip=9223372036854775807"] {
        assert_eq!(list_titles(&client, path).await, [""; 0], "{path}");
    }
}

#[actix_web::test]
async fn the_last_of_repeated_parameters_counts_and_unknown_ones_are_ignored() {
    let app = TestApp::start().await;
    let client = write_abcd(&app).await;
    assert_eq!(list_titles(&client, "/articles/?limit=1&limit=2&unknown=1").await.len(), 2);
}

/// Six articles each by ann and bob; ann has two drafts among them and bob three.
async fn write_for_totals(app: &TestApp) -> [Client; 3] {
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    for number in 0..6 {
        ann.write(Published::when(number % 3 != 0)).await;
        bob.write(Published::when(number % 2 == 0)).await;
    }
    [app.anonymous(), ann, bob]
}

#[actix_web::test]
async fn a_total_is_not_sent_unless_it_is_asked_for() {
    let app = TestApp::start().await;
    let [anonymous, ..] = write_for_totals(&app).await;
    for query in ["", "limit=0", "limit=1&sort=updated_at"] {
        assert_eq!(anonymous.list(query).await.header("x-total-count"), None, "{query}");
    }
}

#[actix_web::test]
async fn a_total_counts_what_the_viewer_may_see_and_the_filters_select() {
    let app = TestApp::start().await;
    let [anonymous, ann, bob] = &write_for_totals(&app).await;
    for (viewer, query, total) in [
        (anonymous, "limit=2", "7"),
        (anonymous, "limit=0", "7"),
        (anonymous, "skip=100", "7"),
        (anonymous, "author=ann", "4"),
        (anonymous, "author=nobody", "0"),
        (anonymous, "published=false", "0"),
        (ann, "", "9"),
        (ann, "published=false", "2"),
        (ann, "author=bob", "3"),
        (bob, "sort=-updated_at&limit=1", "10"),
        (bob, "author=bob&published=true", "3"),
        (anonymous, "since=2100-01-01", "0"),
    ] {
        let response = viewer.list(&format!("count=exact&{query}")).await;
        response.expect(StatusCode::OK);
        assert_eq!(response.header("x-total-count"), Some(total), "{query}");
    }
}

#[actix_web::test]
async fn a_link_to_the_next_page_keeps_the_total() {
    let app = TestApp::start().await;
    let [_, ann, _] = write_for_totals(&app).await;
    let next = ann.list("count=exact&limit=3").await.linked("next").unwrap();
    assert_eq!(ann.get(&next).await.header("x-total-count"), Some("9"));
}

#[actix_web::test]
async fn a_page_without_rows_has_no_links() {
    let app = TestApp::start().await;
    let [anonymous, ..] = write_for_totals(&app).await;
    let empty = anonymous.list("limit=0").await;
    assert_eq!((empty.ids().len(), empty.header("link")), (0, None));
}

/// Six articles in turn by ann and bob; the last of each is a draft.
struct Six {
    app: TestApp,
    ann: Client,
    bob: Client,
    articles: Vec<Article>,
}

impl Six {
    async fn write() -> Self {
        let app = TestApp::start().await;
        let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
        let mut articles = Vec::new();
        for number in 0..6 {
            articles.push([&ann, &bob][number % 2].write(Published::when(number < 4)).await);
        }
        Self { app, ann, bob, articles }
    }

    fn ids<const N: usize>(&self, numbers: [usize; N]) -> [i64; N] {
        numbers.map(|number| self.articles[number].id)
    }

    /// When an article was created, as the server wrote it.
    fn time(&self, number: usize) -> &str {
        self.articles[number].json["created_at"].as_str().unwrap()
    }

    fn utc(&self, number: usize) -> DateTime<Utc> {
        self.time(number).parse().unwrap()
    }
}

#[actix_web::test]
async fn a_list_by_author_shows_the_authors_drafts_to_the_author_only() {
    let six = Six::write().await;
    assert_eq!(six.app.anonymous().list_ids("author=ann").await, six.ids([2, 0]));
    assert_eq!(six.ann.list_ids("author=ann").await, six.ids([4, 2, 0]));
    assert_eq!(six.ann.list_ids("author=bob").await, six.ids([3, 1]));
}

#[actix_web::test]
async fn a_list_by_an_unknown_author_is_empty() {
    let six = Six::write().await;
    for name in ["Ann", "nobody", "", "ann%20", "%25", "a".repeat(500).as_str()] {
        assert_eq!(six.ann.list_ids(&format!("author={name}")).await, [0; 0], "{name}");
    }
}

#[actix_web::test]
async fn a_list_of_drafts_shows_the_viewers_own_only() {
    let six = Six::write().await;
    assert_eq!(six.ann.list_ids("published=false").await, six.ids([4]));
    assert_eq!(six.bob.list_ids("published=false").await, six.ids([5]));
    assert_eq!(six.bob.list_ids("published=false&author=ann").await, [0; 0]);
    for query in ["published=false", "published=false&author=ann", "published=no&sort=updated_at"] {
        assert_eq!(six.app.anonymous().list(query).await.json(), json!([]), "{query}");
    }
}

#[actix_web::test]
async fn a_list_of_public_articles_shows_those_of_everyone() {
    let six = Six::write().await;
    assert_eq!(six.bob.list_ids("published=true").await, six.ids([3, 2, 1, 0]));
}

#[actix_web::test]
async fn a_period_includes_its_start_and_excludes_its_end() {
    let six = Six::write().await;
    let client = six.app.anonymous();
    let (first, second, third) = (six.time(1), six.time(2), six.time(3));
    for (query, expected) in [
        (format!("since={second}"), six.ids([3, 2]).to_vec()),
        (format!("until={second}"), six.ids([1, 0]).to_vec()),
        (format!("since={first}&until={third}"), six.ids([2, 1]).to_vec()),
        (format!("since={third}&until={first}"), Vec::new()),
    ] {
        assert_eq!(client.list_ids(&query).await, expected, "{query}");
    }
}

#[actix_web::test]
async fn a_period_combines_with_an_order_and_an_author() {
    let six = Six::write().await;
    let query = format!("since={}&sort=updated_at&author=ann", six.time(1));
    assert_eq!(six.ann.list_ids(&query).await, six.ids([2, 4]));
}

#[actix_web::test]
async fn a_time_may_have_any_offset_and_its_plus_need_not_be_encoded() {
    let six = Six::write().await;
    for hours in [5, -8] {
        let offset = FixedOffset::east_opt(hours * 3600).unwrap();
        let time = six.utc(2).with_timezone(&offset).to_rfc3339();
        for time in [percent_encoded(&time), time] {
            let ids = six.app.anonymous().list_ids(&format!("since={time}")).await;
            assert_eq!(ids, six.ids([3, 2]), "{time}");
        }
    }
}

#[actix_web::test]
async fn a_time_may_be_spelled_as_other_languages_print_it() {
    let six = Six::write().await;
    let (client, time) = (six.app.anonymous(), six.utc(2));
    let micros = time.timestamp_micros();
    let spellings = [
        // Python: str() of a datetime with and without an offset, and isoformat()
        time.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string(),
        time.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        // strftime("%z") of C, and of `date`
        time.format("%Y-%m-%dT%H:%M:%S%.6f+0000").to_string(),
        // Unix times: Python's time.time(), and JavaScript's Date.now() with a fraction
        format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
        format!("{}.{:03}", micros / 1000, micros % 1000),
    ];
    for spelling in spellings {
        let encoded = percent_encoded(&spelling);
        for query in [&encoded, &encoded.replace('+', "%20"), &spelling.replace(' ', "+")] {
            assert_eq!(client.list_ids(&format!("since={query}")).await, six.ids([3, 2]), "{query}");
            assert_eq!(client.list_ids(&format!("until={query}")).await, six.ids([1, 0]), "{query}");
        }
    }
}

#[actix_web::test]
async fn a_list_can_be_limited_to_articles_that_changed_in_a_period() {
    let six = Six::write().await;
    let client = six.app.anonymous();
    let before = six.time(3).to_owned();
    let changed = six.ann.patch(&six.articles[0].path(), &json!({ "title": "changed" })).await;
    let changed = changed.expect(StatusCode::OK)["updated_at"].as_str().unwrap().to_owned();
    for (query, expected) in [
        (format!("updated_since={changed}"), six.ids([0]).to_vec()),
        (format!("updated_until={changed}"), six.ids([3, 2, 1]).to_vec()),
        (format!("updated_since={before}"), six.ids([3, 0]).to_vec()),
        (format!("updated_since={before}&sort=updated_at"), six.ids([3, 0]).to_vec()),
        (format!("updated_since={before}&until={before}"), six.ids([0]).to_vec()),
        (format!("updated_since={before}&updated_until={changed}&author=ann"), Vec::new()),
    ] {
        assert_eq!(client.list_ids(&query).await, expected, "{query}");
        let counted = client.list(&format!("{query}&count=exact")).await;
        assert_eq!(counted.header("x-total-count"), Some(&*expected.len().to_string()), "{query}");
    }
}

#[actix_web::test]
async fn a_date_is_the_start_of_its_day() {
    let six = Six::write().await;
    let client = six.app.anonymous();
    let today = six.utc(0).date_naive();
    let in_two_days = today + Days::new(2);
    assert_eq!(client.list_ids(&format!("since={today}&until={in_two_days}")).await.len(), 4);
    assert_eq!(client.list_ids(&format!("until={today}")).await, [0; 0]);
    assert_eq!(client.list_ids(&format!("since={in_two_days}")).await, [0; 0]);
    assert_eq!(client.list_ids("since=0001-01-01&until=9999-12-31T23:59:59Z").await.len(), 4);
}

#[actix_web::test]
async fn a_time_that_cannot_be_read_is_422() {
    let app = TestApp::start().await;
    for name in ["since", "until", "updated_since", "updated_until"] {
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-30",
            "2026-11-23T24:00:00",
            "2026-11-23T10:00:00 UTC",
            "1e9",
            "253402300800000",
            "-4800-01-01",
            "+99999-01-01",
            "+262142-12-31",
            "9999-12-31T23:59:59-01:00",
        ] {
            let response = app.anonymous().list(&format!("{name}={}", percent_encoded(bad))).await;
            expect_one_error(&response, "datetime_parsing", name, bad);
        }
    }
}

#[actix_web::test]
async fn a_parameter_with_an_unknown_value_is_422() {
    let app = TestApp::start().await;
    for (name, value, kind) in [
        ("sort", "title", "literal_error"),
        ("sort", "", "literal_error"),
        ("count", "yes", "literal_error"),
        ("expand", "authors", "literal_error"),
        ("published", "maybe", "bool_parsing"),
        ("author", "%00", "string_pattern_mismatch"),
    ] {
        let response = app.anonymous().list(&format!("{name}={value}")).await;
        expect_one_error(&response, kind, name, value);
    }
}

#[track_caller]
fn expect_one_error(response: &Response, kind: &str, name: &str, value: &str) {
    assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}={value}: {}", response.text());
    let errors = response.validation_errors();
    assert_eq!(errors, [(kind.to_owned(), json!(["query", name]))], "{name}={value}");
}

#[actix_web::test]
async fn public_drafts_are_listed_for_everyone_by_every_filter() {
    let app = TestApp::with(&[("PUBLIC_DRAFTS", "true")]).await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let drafts = [ann.write(Published::No).await, bob.write(Published::No).await];
    ann.write(Published::Yes).await;
    for viewer in [&app.anonymous(), &ann, &bob] {
        let all = viewer.list("published=false&sort=created_at").await;
        assert_eq!(all.json(), json!([drafts[0].json, drafts[1].json]));
        let by_ann = viewer.list("published=false&author=ann").await;
        assert_eq!(by_ann.json(), json!([drafts[0].json]));
    }
}

/// An article by each of two authors, oldest first, and as it is shown with its author.
async fn write_two(app: &TestApp) -> [(Article, Value); 2] {
    let mut written = Vec::new();
    for name in ["ann", "bob"] {
        let author = app.sign_up(name).await;
        let article = author.write(Published::Yes).await;
        let mut expanded = article.json.clone();
        expanded["author"] = json!({
            "id": author.id, "username": name, "display_name": null, "bio": null, "image": null
        });
        written.push((article, expanded));
    }
    written.try_into().unwrap()
}

#[actix_web::test]
async fn authors_are_not_shown_unless_they_are_asked_for() {
    let app = TestApp::start().await;
    let [(first, _), (second, _)] = write_two(&app).await;
    let list = app.anonymous().list("sort=created_at").await;
    assert_eq!(list.json(), json!([first.json, second.json]));
}

#[actix_web::test]
async fn authors_are_shown_in_lists_and_articles_if_they_are_asked_for() {
    let app = TestApp::start().await;
    let written = write_two(&app).await;
    let list = app.anonymous().list("sort=created_at&expand=author").await.json();
    for (shown, (article, expanded)) in list.as_array().unwrap().iter().zip(&written) {
        assert_eq!(shown, expanded);
        let path = format!("{}?expand=author", article.path());
        assert_eq!(app.anonymous().get(&path).await.json(), *expanded);
    }
    assert_eq!(list.as_array().unwrap().len(), 2);
}
