//! The sitemap of the published articles, as sitemaps.org describes it.

use chrono::{DateTime, SecondsFormat, Utc};
use entity::{StoredTime, Visibility, article};
use sea_orm::{ConnectionTrait, PaginatorTrait as _, QueryOrder as _, QuerySelect as _};
use sha2::{Digest as _, Sha256};

use super::site::Site;
use crate::{
    http::{
        conditional::{Conditional, Conditions, EntityTag},
        error::{Error, Result},
        page_bounds::PageBounds,
    },
    publishing::slugs::Slug,
};

/// The maximum number of articles in a part. A part has at most 50,000 pages, the first page of the site among them.
const ARTICLES_IN_PART: u64 = 49_999;

const NAMESPACE: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";

/// The whole sitemap if it has one part, or else the index of its parts.
///
/// # Errors
/// 503 if others read expensive pages for too long.
pub async fn read_sitemap(
    db: &impl ConnectionTrait,
    bounds: &PageBounds,
    site: &Site,
    conditions: &Conditions,
) -> Result<Conditional<String>> {
    let _admission = bounds.admit_expensive().await?;
    let parts = count_parts(db).await?;
    let document = if parts == 1 { part(db, site, 1).await? } else { index(site, parts) };
    Ok(conditional(document, conditions))
}

/// One part of the sitemap.
///
/// # Errors
/// 404 if there is no such part; 503 if others read expensive pages for too long.
pub async fn read_sitemap_part(
    db: &impl ConnectionTrait,
    bounds: &PageBounds,
    site: &Site,
    number: Option<i32>,
    conditions: &Conditions,
) -> Result<Conditional<String>> {
    let _admission = bounds.admit_expensive().await?;
    let number = number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0);
    let parts = count_parts(db).await?;
    let number = number.filter(|number| *number <= parts).ok_or(Error::NotFound("Sitemap"))?;
    Ok(conditional(part(db, site, number).await?, conditions))
}

fn conditional(document: String, conditions: &Conditions) -> Conditional<String> {
    let tag = EntityTag::of_digest(&Sha256::digest(&document));
    if conditions.is_current(&tag) {
        Conditional::NotModified(tag)
    } else {
        Conditional::Modified(document, tag)
    }
}

async fn count_parts(db: &impl ConnectionTrait) -> Result<u64> {
    let articles = article::Entity::visible_to(Visibility::Published).count(db).await?;
    Ok(articles.div_ceil(ARTICLES_IN_PART).max(1))
}

fn index(site: &Site, parts: u64) -> String {
    let mut document = start("sitemapindex");
    for number in 1..=parts {
        let url = escape(&site.of_api(&format!("sitemap-{number}.xml")));
        document.extend(["<sitemap><loc>", &url, "</loc></sitemap>\n"]);
    }
    document + "</sitemapindex>\n"
}

async fn part(db: &impl ConnectionTrait, site: &Site, number: u64) -> Result<String> {
    let articles = article::Entity::visible_to(Visibility::Published)
        .select_only()
        .columns([article::Column::Id, article::Column::Slug, article::Column::UpdatedAt])
        .order_by_asc(article::Column::Id)
        .offset(number.saturating_sub(1).saturating_mul(ARTICLES_IN_PART))
        .limit(ARTICLES_IN_PART)
        .into_tuple::<(i32, Option<String>, StoredTime)>();
    let mut document = start("urlset");
    if number == 1 {
        document.extend(["<url><loc>", &escape(&site.home()), "</loc></url>\n"]);
    }
    for (id, slug, updated_at) in articles.all(db).await? {
        let url = escape(&site.article(&slug.unwrap_or_else(|| Slug::of_id(id)), id));
        let updated = updated_at.get().to_rfc3339_opts(SecondsFormat::Secs, true);
        document.extend(["<url><loc>", &url, "</loc><lastmod>", &updated, "</lastmod></url>\n"]);
    }
    Ok(document + "</urlset>\n")
}

fn start(element: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{element} xmlns=\"{NAMESPACE}\">\n")
}

/// A URL as character data. It contains no control characters.
fn escape(url: &str) -> String {
    url.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text of `robots.txt`: every robot may read everything.
pub fn robots(site: Option<&Site>) -> String {
    let sitemap = site.map(|site| format!("\nSitemap: {}\n", site.of_api("sitemap.xml")));
    format!("User-agent: *\nAllow: /\n{}", sitemap.unwrap_or_default())
}

/// A time as a header of HTTP has it.
pub fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
