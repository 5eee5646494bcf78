//! Renders the articles of responses: results are cached by the state of the article, and large contents are rendered
//! on blocking threads.

use std::{fmt, mem::size_of, sync::Arc, thread};

use actix_web::rt::task::spawn_blocking;
use quick_cache::{Weighter, sync::Cache};
use tracing::Span;

use super::{Format, Rendered, render};
use crate::{
    config::Settings,
    db::Throttle,
    http::{
        conditional::RowState,
        error::{Error, Result},
    },
};

/// Contents of up to this size together are rendered on the worker. That takes about a millisecond.
const MAX_ON_WORKER: usize = 8 << 10;

/// Maximum number of blocking threads that render. Each may need a hundred times the size of its content.
const MAX_THREADS: usize = 2;

/// The part of `CACHE_BYTES` that rendered articles may occupy in addition to responses.
const CACHE_PART: u64 = 4;

/// The expected size of a rendered article, in bytes.
const USUAL_SIZE: u64 = 4096;

/// The overhead of the cache for an entry, in bytes.
const BOOKKEEPING: usize = 160;

/// Identifies a content: the id and the state of its article.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    id: i32,
    version: i32,
    state_id: i64,
}

#[derive(Clone, Debug)]
struct Size;

impl Weighter<Key, Arc<Rendered>> for Size {
    fn weight(&self, _key: &Key, rendered: &Arc<Rendered>) -> u64 {
        let bytes = size_of::<Key>() + size_of::<Rendered>() + rendered.html.len() + rendered.excerpt.len();
        u64::try_from(bytes + BOOKKEEPING).unwrap_or(u64::MAX)
    }
}

/// Renders for all requests of the process. Clones share the cache and the threads.
#[derive(Clone)]
pub struct Renderer {
    cache: Option<Arc<Cache<Key, Arc<Rendered>, Size>>>,
    threads: Throttle,
}

/// An article that is to be rendered, or was rendered for an earlier request.
#[derive(Debug)]
pub struct Unrendered {
    /// None if the result is not to be cached.
    key: Option<Key>,
    content: Content,
    /// The excerpt that the author wrote.
    excerpt: Option<String>,
}

#[derive(Debug)]
enum Content {
    Source(Format, String),
    Cached(Arc<Rendered>),
}

/// An article as readers see it.
#[derive(Clone, Debug)]
pub struct RenderedArticle {
    /// Its content.
    pub content: Arc<Rendered>,
    excerpt: Option<String>,
}

impl RenderedArticle {
    /// The excerpt that the author wrote, or the first paragraph.
    pub fn excerpt(&self) -> &str {
        self.excerpt.as_deref().unwrap_or(&self.content.excerpt)
    }
}

impl Unrendered {
    /// The bytes of the content that it holds.
    pub fn size(&self) -> usize {
        match &self.content {
            Content::Source(_, content) => content.len(),
            Content::Cached(_) => 0,
        }
    }

    /// The beginning of a content, of which an excerpt is to be derived. Its HTML is not that of the article.
    pub fn of_beginning(format: Format, content: &str, excerpt: Option<String>) -> Self {
        Self { key: None, content: Content::Source(format, content.to_owned()), excerpt }
    }

    fn render(self) -> (Option<Key>, RenderedArticle) {
        let content = match self.content {
            Content::Source(format, content) => Arc::new(render(format, &content)),
            Content::Cached(rendered) => rendered,
        };
        (self.key, RenderedArticle { content, excerpt: self.excerpt })
    }
}

impl Renderer {
    /// A renderer with these settings.
    pub fn new(settings: &Settings) -> Self {
        let bytes = settings.cache.bytes.div_euclid(CACHE_PART);
        let entries = usize::try_from(bytes.div_euclid(USUAL_SIZE)).unwrap_or(usize::MAX);
        let cache = (bytes > 0).then(|| Arc::new(Cache::with_weighter(entries, bytes, Size)));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let max_wait = settings.http.request_timeout.mul_f64(0.75);
        Self { cache, threads: Throttle::new(cores.min(MAX_THREADS), max_wait) }
    }

    /// The article with this id, state, content and excerpt. Copies the content only if it was not rendered before.
    pub fn prepare(
        &self,
        id: i32,
        state: RowState,
        format: Format,
        content: &str,
        excerpt: Option<String>,
    ) -> Unrendered {
        let key = Key { id, version: state.version, state_id: state.id };
        let cached = self.cache.as_ref().and_then(|cache| cache.get(&key));
        let content = cached.map_or_else(|| Content::Source(format, content.to_owned()), Content::Cached);
        Unrendered { key: Some(key), content, excerpt }
    }

    /// Renders articles, in their order.
    ///
    /// # Errors
    /// [`Error::Busy`] if too many others are rendered.
    pub async fn render(&self, articles: Vec<Unrendered>) -> Result<Vec<RenderedArticle>> {
        let size = articles.iter().map(Unrendered::size).fold(0, usize::saturating_add);
        let work = move || articles.into_iter().map(Unrendered::render).collect::<Vec<_>>();
        let rendered = if size <= MAX_ON_WORKER {
            work()
        } else {
            let admission = self.threads.admit().await.ok_or(Error::Busy)?;
            let span = Span::current();
            let work = move || {
                let rendered = span.in_scope(work);
                drop(admission);
                rendered
            };
            spawn_blocking(work).await.map_err(|error| Error::internal("render an article", error))?
        };
        if let Some(cache) = self.cache.as_ref().filter(|_| size > 0) {
            for (key, article) in rendered.iter().filter_map(|(key, article)| Some((key.as_ref()?, article)))
            {
                cache.insert(*key, Arc::clone(&article.content));
            }
        }
        Ok(rendered.into_iter().map(|(_, article)| article).collect())
    }
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renderer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renderer(cache_bytes: &str) -> Renderer {
        let variables = [("CACHE_BYTES", cache_bytes), ("SECRET_KEY", "0123456789abcdef0123456789abcdef")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Renderer::new(&Settings::from_parts(variables, None).unwrap())
    }

    fn state(version: i32) -> RowState {
        RowState { version, id: 7 }
    }

    #[actix_web::test]
    async fn a_state_of_an_article_is_rendered_once_if_there_is_a_cache() {
        for (bytes, size_of_second) in [("1000000", 0), ("0", 10)] {
            let renderer = renderer(bytes);
            let prepare = |version| renderer.prepare(1, state(version), Format::Markdown, "*content*.", None);
            let first = renderer.render(vec![prepare(1)]).await.unwrap();
            assert_eq!(first[0].content.html, "<p><em>content</em>.</p>\n");
            assert_eq!((prepare(1).size(), prepare(2).size()), (size_of_second, 10));
            let second = renderer.render(vec![prepare(1)]).await.unwrap();
            assert_eq!(second[0].content, first[0].content);
        }
    }

    #[actix_web::test]
    async fn articles_are_rendered_in_their_order_on_a_worker_and_on_a_thread() {
        let renderer = renderer("100000");
        for (version, length) in [(1, 1), (2, MAX_ON_WORKER)] {
            let contents: Vec<String> =
                (0..5).map(|number| format!("{number} {}", "x".repeat(length))).collect();
            let articles = (10..).zip(&contents).map(|(id, content)| {
                renderer.prepare(
                    id,
                    state(version),
                    Format::Plain,
                    content,
                    (id == 12).then(|| "given".to_owned()),
                )
            });
            let rendered = renderer.render(articles.collect()).await.unwrap();
            for (content, article) in contents.iter().zip(&rendered) {
                assert_eq!(article.content.html, format!("<p>{content}</p>\n"));
            }
            assert_eq!(rendered[2].excerpt(), "given");
            assert!(rendered[3].excerpt().starts_with('3'));
        }
    }

    #[actix_web::test]
    async fn the_threads_are_bounded_and_short_contents_need_none() {
        let mut renderer = renderer("0");
        renderer.threads = Throttle::new(1, std::time::Duration::from_millis(10));
        let article = |length| renderer.prepare(1, state(0), Format::Plain, &"x".repeat(length), None);
        let admission = renderer.threads.admit().await.unwrap();
        assert!(matches!(renderer.render(vec![article(MAX_ON_WORKER + 1)]).await, Err(Error::Busy)));
        assert_eq!(renderer.render(vec![article(MAX_ON_WORKER)]).await.unwrap().len(), 1);
        drop(admission);
        assert_eq!(renderer.render(vec![article(MAX_ON_WORKER + 1)]).await.unwrap().len(), 1);
    }
}
