use super::*;

const LIMITS: Limits = Limits { max_page_size: None, max_body_bytes: 1024 };

fn is_valid(slug: &str) -> bool {
    Slug::parse(Input::Text(slug), &LIMITS).is_ok()
}

#[test]
fn a_slug_consists_of_the_words_of_the_title() {
    for (title, slug) in [
        ("Hello, World!", "hello-world"),
        ("  C++ & Rust -- a   comparison ", "c-rust-a-comparison"),
        ("Über Größe", "uber-grosse"),
        ("Ænima œuvre Łódź", "aenima-oeuvre-lodz"),
        ("Привет, мир", "privet-mir"),
        ("北京", "bei-jing"),
        ("ELEVEN\u{130}", "eleveni"),
        ("a\u{0}b", "a-b"),
        ("rock'n'roll", "rock-n-roll"),
        ("", "post"),
        ("?!…", "post"),
        ("1984", "post-1984"),
        ("2001: 7", "2001-7"),
        ("Article 7", "post-article-7"),
        ("Article", "article"),
        ("Article seven", "article-seven"),
    ] {
        assert_eq!(Slug::derive(title).as_ref(), slug, "{title:?}");
    }
}

#[test]
fn every_derived_slug_is_valid_and_has_at_most_80_bytes() {
    let long = "word ".repeat(40);
    let titles =
        ["x".repeat(200), "9".repeat(200), "article ".repeat(3), format!("article {}", "7".repeat(190))];
    let unusual = [
        "\u{301}",
        "🦄🦄",
        "\u{ffff}",
        "ß".repeat(200).as_str(),
        "北".repeat(200).as_str(),
        &long,
        "-a-",
        "--",
    ]
    .map(str::to_owned);
    for title in titles.iter().chain(&unusual) {
        let slug = Slug::derive(title);
        assert!(is_valid(slug.as_ref()) && slug.as_ref().len() <= MAX, "{title:?}: {slug}");
        for number in [2, 10, 4_000_000_000] {
            let numbered = slug.numbered(number);
            assert!(is_valid(numbered.as_ref()) && numbered.as_ref().len() <= MAX, "{title:?}: {numbered}");
            assert!(numbered.as_ref().ends_with(&format!("-{number}")), "{numbered}");
        }
    }
    assert_eq!(Slug::derive(&long).as_ref(), "word-".repeat(16).trim_end_matches('-'));
}

#[test]
fn a_slug_is_lower_case_words_that_are_no_number_and_not_reserved() {
    for (slug, valid) in [
        ("a", true),
        ("hello-world", true),
        ("2024-11", true),
        ("article", true),
        ("article-7a", true),
        ("articles-7", true),
        (&"a".repeat(80), true),
        ("", false),
        (&"a".repeat(81), false),
        ("Hello", false),
        ("a--b", false),
        ("-a", false),
        ("a-", false),
        ("a_b", false),
        ("ä", false),
        ("a b", false),
        ("a\n", false),
        ("a\u{0}", false),
        ("7", false),
        ("007", false),
        ("article-7", false),
        ("article-99999999999999999999", false),
    ] {
        assert_eq!(is_valid(slug), valid, "{slug:?}");
    }
}

#[test]
fn the_slug_of_an_article_without_one_names_its_id() {
    let of = |slug: &str| Slug(slug.to_owned()).reserved_id();
    assert_eq!(of(&Slug::of_id(i32::MAX)), Some(i32::MAX));
    for other in ["article", "article-", "article-x", "article-7x", "article-+7", "article-99999999999", "7"]
    {
        assert_eq!(of(other), None, "{other}");
    }
}
