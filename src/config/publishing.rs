//! Settings of articles and of the site that shows them.

use url::Url;

use super::declare::settings_group;
use super::kind::{Kind, boolean, choice, number};
use super::reader::Reader;

/// The format of a new article that names none: `DEFAULT_FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentFormat {
    /// Markdown.
    Markdown,
    /// Text.
    Plain,
    /// HTML.
    Html,
}

const FORMATS: &[(&str, ContentFormat)] =
    &[("markdown", ContentFormat::Markdown), ("plain", ContentFormat::Plain), ("html", ContentFormat::Html)];

/// The text search configurations that PostgreSQL has since version 14: the values of `SEARCH_LANGUAGE`.
const LANGUAGES: &[(&str, &str)] = &[
    ("simple", "simple"),
    ("arabic", "arabic"),
    ("armenian", "armenian"),
    ("basque", "basque"),
    ("catalan", "catalan"),
    ("danish", "danish"),
    ("dutch", "dutch"),
    ("english", "english"),
    ("finnish", "finnish"),
    ("french", "french"),
    ("german", "german"),
    ("greek", "greek"),
    ("hindi", "hindi"),
    ("hungarian", "hungarian"),
    ("indonesian", "indonesian"),
    ("irish", "irish"),
    ("italian", "italian"),
    ("lithuanian", "lithuanian"),
    ("nepali", "nepali"),
    ("norwegian", "norwegian"),
    ("portuguese", "portuguese"),
    ("romanian", "romanian"),
    ("russian", "russian"),
    ("serbian", "serbian"),
    ("spanish", "spanish"),
    ("swedish", "swedish"),
    ("tamil", "tamil"),
    ("turkish", "turkish"),
    ("yiddish", "yiddish"),
];

/// The URL of the site, without a slash at its end: `PUBLIC_URL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    host: String,
}

impl PublicUrl {
    /// The URL of `path` on the site. It begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// The name of the host, which identifies the site.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text)
            .ok()
            .filter(|url| is_web(url) && url.query().is_none() && url.fragment().is_none());
        let url = url.filter(|url| !url.path().ends_with('/') || url.path() == "/");
        let url = url.ok_or("must be a URL such as https://blog.example, without a slash at its end")?;
        let host = url.host_str().unwrap_or_default().to_owned();
        Ok(Self { text: url.as_str().trim_end_matches('/').to_owned(), host })
    }
}

/// The URL of the page of an article, with `{slug}` or `{id}`: `ARTICLE_URL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArticleUrl(String);

/// What an [`ArticleUrl`] contains one of.
const PARTS: [&str; 2] = ["{slug}", "{id}"];

impl ArticleUrl {
    /// The URL of the page of this article.
    pub fn fill(&self, slug: &str, id: i32) -> String {
        let [slug_part, id_part] = PARTS;
        self.0.replace(slug_part, slug).replace(id_part, &id.to_string())
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut found = PARTS.into_iter().filter(|part| text.contains(part));
        let (Some(part), None) = (found.next(), found.next()) else {
            return Err("must contain either {slug} or {id}");
        };
        // Neither a host nor a port, and nothing that the parser of URLs would encode.
        let marker = "byline.0.article";
        let url = Url::parse(&text.replacen(part, marker, 1)).ok().filter(is_web);
        let url =
            url.filter(|url| url.as_str().matches(marker).count() == 1 && !url.authority().contains(marker));
        let url = url
            .filter(|url| !url.as_str().contains("%7B"))
            .ok_or("must be a URL such as https://blog.example/posts/{slug}")?;
        Ok(Self(url.as_str().replace(marker, part)))
    }

    fn on(site: &PublicUrl) -> Self {
        Self(site.join("/posts/{slug}"))
    }
}

fn is_web(url: &Url) -> bool {
    ["http", "https"].contains(&url.scheme())
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
}

settings_group! {
    /// Articles
    PublishingSettings {
        /// `true` shows unpublished articles to everyone, like the FastAPI blog did.
        PUBLIC_DRAFTS => public_drafts: bool = boolean().default("false");

        /// Format of new articles for which the request names none.
        DEFAULT_FORMAT => default_format: ContentFormat = choice(FORMATS).default("markdown");

        /// Maximum number of former states that are kept of each article. 0 keeps none.
        MAX_REVISIONS => max_revisions: u32 = number(0..=10_000).default("100");

        /// Language whose forms of words search recognises, on PostgreSQL. `simple` compares whole words, as search
        /// on SQLite does in any case. After a change, all articles are indexed again.
        SEARCH_LANGUAGE => search_language: &'static str = choice(LANGUAGES).default("simple");

        /// The site that shows the articles, for feeds and the sitemap. It serves `/feeds/`, `/sitemap.xml` and
        /// `/robots.txt` of this server under `ROOT_PATH`.
        PUBLIC_URL => public_url: Option<PublicUrl> = site().map(Some).computed(
            "in development `http://localhost:3000`; in production none, and no feeds", "https://blog.example",
            |reader| Some(default_site(reader)),
        );

        /// The page of an article. `{slug}` or `{id}` stands for that of the article.
        ARTICLE_URL => article_url: Option<ArticleUrl> =
            Kind::parsed("a URL with `{slug}` or `{id}`", ArticleUrl::parse).map(Some).computed(
                "`PUBLIC_URL/posts/{slug}`", "https://blog.example/posts/{slug}",
                |reader| Some(chosen_site(reader).as_ref().map(ArticleUrl::on)),
            );
    }
}

fn site() -> Kind<PublicUrl> {
    Kind::parsed("a URL", PublicUrl::parse)
}

fn default_site(reader: &Reader<'_>) -> Option<PublicUrl> {
    if reader.is_production() { None } else { PublicUrl::parse("http://localhost:3000").ok() }
}

/// The site, as far as it is valid.
fn chosen_site(reader: &Reader<'_>) -> Option<PublicUrl> {
    match reader.text("PUBLIC_URL") {
        Some(text) => PublicUrl::parse(text).ok(),
        None => default_site(reader),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_is_a_web_address_without_a_slash_at_its_end() {
        for (text, joined) in [
            ("https://blog.example", "https://blog.example/a"),
            ("https://blog.example/", "https://blog.example/a"),
            ("http://localhost:3000", "http://localhost:3000/a"),
            ("https://Bücher.example:443/blog", "https://xn--bcher-kva.example/blog/a"),
            ("https://[::1]/b%20c", "https://[::1]/b%20c/a"),
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap().join("/a"), joined);
        }
        for text in [
            "",
            "blog.example",
            "/blog",
            "ftp://blog.example",
            "mailto:a@blog.example",
            "https://",
            "https://a@blog.example",
            "https://blog.example?a",
            "https://blog.example#a",
            "https://blog.example/blog/",
            "javascript:alert(1)",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_page_of_an_article_has_its_slug_or_its_id() {
        for (text, filled) in [
            ("https://blog.example/posts/{slug}", "https://blog.example/posts/a-b"),
            ("https://blog.example/?p={id}#content", "https://blog.example/?p=7#content"),
            ("https://blog.example/#/{slug}.html", "https://blog.example/#/a-b.html"),
            ("https://Blog.example/ä b/{id}", "https://blog.example/%C3%A4%20b/7"),
        ] {
            assert_eq!(ArticleUrl::parse(text).unwrap().fill("a-b", 7), filled);
        }
        for text in [
            "",
            "https://blog.example/posts",
            "https://blog.example/{slug}/{id}",
            "https://blog.example/{slug}/{slug}",
            "https://{slug}.blog.example/",
            "https://{id}/",
            "https://blog.example:{id}/",
            "https://{slug}@blog.example/",
            "/posts/{slug}",
            "ftp://blog.example/{slug}",
            "javascript:{slug}",
            "https://blog.example/{slug}/{year}",
        ] {
            assert!(ArticleUrl::parse(text).is_err(), "{text}");
        }
    }
}
