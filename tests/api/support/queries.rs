//! The statements of lists and searches: the services on a connection that records them.

use std::{sync::Mutex, time::Duration};

use byline::{
    db::{Connections, ReadRows, RowConsumer, Throttle},
    http::{
        conditional::{Conditional, Conditions, EntityTags},
        validation::{Extractor, FieldErrors, Fields, Members},
    },
    publishing::{
        articles::{list::list_articles, schemas::ArticleFilter},
        search::service::search_articles,
    },
};
use entity::Visibility;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::TestApp;

/// For whom a list is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Viewer {
    Anonymous,
    SignedIn(i32),
    /// Anyone, where `PUBLIC_DRAFTS` is set.
    SeesAllDrafts,
}

/// A list that was read.
#[derive(Debug)]
pub(crate) struct ListRead {
    /// How many articles there are on the page; none if the viewer has the page already.
    pub(crate) articles: Option<usize>,
    pub(crate) tag: String,
    pub(crate) previous: Option<String>,
    pub(crate) next: Option<String>,
    pub(crate) statements: Vec<Statement>,
}

/// Reads the page that `query` asks for, unless `known` is its entity tag.
pub(crate) async fn read_list(app: &TestApp, viewer: Viewer, query: &str, known: Option<&str>) -> ListRead {
    let filter: ArticleFilter = filter(app, query);
    let visibility = match viewer {
        Viewer::Anonymous => Visibility::Published,
        Viewer::SignedIn(id) => Visibility::PublishedAndOwn(id),
        Viewer::SeesAllDrafts => Visibility::All,
    };
    let known = known.map(|tag| EntityTags::Listed(vec![tag.trim_matches('"').to_owned()]));
    let conditions = Conditions { if_none_match: known, ..Conditions::default() };
    let connection = Recording { inner: app.reader(), statements: Mutex::default() };
    let (bounds, renderer) = (app.page_bounds(), app.renderer());
    let read = list_articles(&connection, bounds, renderer, visibility, filter, &conditions).await.unwrap();
    let statements = connection.statements.into_inner().unwrap();
    match read {
        Conditional::Modified(page, tag) => ListRead {
            articles: Some(page.articles.len()),
            tag: tag.header().1,
            previous: page.neighbours.previous,
            next: page.neighbours.next,
            statements,
        },
        Conditional::NotModified(tag) => {
            ListRead { articles: None, tag: tag.header().1, previous: None, next: None, statements }
        }
    }
}

/// The statements of a search.
pub(crate) async fn search_statements(app: &TestApp, query: &str) -> Vec<Statement> {
    let connection = Recording { inner: app.reader(), statements: Mutex::default() };
    let throttle = Throttle::new(1, Duration::from_secs(1));
    search_articles(&connection, &throttle, Visibility::Published, filter(app, query)).await.unwrap();
    connection.statements.into_inner().unwrap()
}

/// The members of a query string.
fn filter<F: Fields>(app: &TestApp, query: &str) -> F {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    Extractor::extract("query", Members::Pairs(&pairs), app.limits(), &mut FieldErrors::default()).unwrap()
}

/// A connection that records its statements.
struct Recording<'a> {
    inner: &'a Connections,
    statements: Mutex<Vec<Statement>>,
}

impl Recording<'_> {
    fn record(&self, statement: &Statement) {
        self.statements.lock().unwrap().push(statement.clone());
    }
}

#[async_trait::async_trait]
impl ReadRows for Recording<'_> {
    async fn query_planned(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.record(&statement);
        self.inner.query_planned(statement).await
    }

    async fn read_rows(&self, statement: Statement, each: RowConsumer<'_>) -> Result<(), DbErr> {
        self.record(&statement);
        self.inner.read_rows(statement, each).await
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Recording<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.record(&statement);
        self.inner.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.record(&Statement::from_string(self.get_database_backend(), sql));
        self.inner.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.record(&statement);
        self.inner.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.record(&statement);
        self.inner.query_all_raw(statement).await
    }
}
