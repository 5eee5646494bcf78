//! A running server, and the few of its internals that tests use.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    FromRequest, Handler, Responder,
    body::MessageBody,
    dev::{ServerHandle, ServiceResponse},
    http::Method,
    rt,
    test::{TestRequest, call_service, init_service},
    web::{Data, ServiceConfig},
};
use byline::{
    accounts::{expiry::delete_expired, recovery::service::request_address_change},
    clock::Clock,
    config::Settings,
    db::{Admission, Connections, Db, Transaction},
    http::{
        cache::{
            Cache,
            listener::{HEARTBEAT_TIMEOUT, POLL_TIMEOUT},
        },
        cors::Policy,
        error::Error,
        page_bounds::PageBounds,
        resource::{Endpoint, Endpoints},
        validation::Limits,
    },
    publishing::{
        articles::service::{assign_slug, publish_scheduled},
        rendering::Renderer,
        tags::orphans::delete_orphans,
    },
    server::{
        Server,
        app::{AppState, create_app, document, documentation},
    },
};
use chrono::TimeDelta;
use entity::user;
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, Set, Statement, TryGetable,
};
use serde_json::Value;
use test_support::TestDatabase;
use tokio_util::sync::CancellationToken;

use super::{CERTIFICATE_SETTINGS, Client, Metrics, ORIGIN, SECRET_KEY, database, now};

/// The longest time that a server on PostgreSQL trusts its cache after it last heard from its listener.
pub(crate) const LISTENER_TIMEOUT: Duration = HEARTBEAT_TIMEOUT;

/// A running server of one test.
pub(crate) struct TestApp {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    handle: ServerHandle,
    db: Db,
    state: AppState,
    pub(crate) database: Arc<TestDatabase>,
}

impl TestApp {
    /// Starts a server with default settings on an empty database.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts a server with further settings on an empty database.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::on(Arc::new(database::migrated().await), settings)
    }

    /// Starts a server with further settings on `database`.
    pub(crate) fn on(database: Arc<TestDatabase>, settings: &[(&str, &str)]) -> Self {
        Self::with_routes(database, settings, |_| {})
    }

    /// Starts a server with default settings and further routes on an empty database.
    pub(crate) fn serving(further: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        Self::with_routes(Arc::new(TestDatabase::sqlite()), &[], further)
    }

    /// The same with TLS, and with further settings.
    pub(crate) fn serving_tls(
        settings: &[(&str, &str)],
        further: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        let settings = [&CERTIFICATE_SETTINGS, settings].concat();
        Self::with_routes(Arc::new(TestDatabase::sqlite()), &settings, further)
    }

    fn with_routes(
        database: Arc<TestDatabase>,
        settings: &[(&str, &str)],
        further: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        Self::with_clock(database, settings, &Clock::system(), further)
    }

    fn with_clock(
        database: Arc<TestDatabase>,
        settings: &[(&str, &str)],
        clock: &Clock,
        further: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        let settings = test_settings(&database, settings);
        let db = Db::lazy(&settings).unwrap();
        let server = Server::bind_with(&settings, db.clone(), clock, further).unwrap();
        let (address, metrics_address) = (server.address().unwrap(), server.metrics_address());
        let (handle, state) = (server.server_handle(), server.state().clone());
        rt::spawn(server.run());
        Self { address, metrics_address, handle, db, state, database }
    }

    /// Starts a server with further settings on an empty database, whose clock is stopped. [`TestApp::advance`]
    /// moves it.
    pub(crate) async fn stopped(settings: &[(&str, &str)]) -> Self {
        Self::with_clock(Arc::new(database::migrated().await), settings, &Clock::fixed(now()), |_| {})
    }

    /// Deletes the rows that have expired, as the task does.
    pub(crate) async fn delete_expired(&self) {
        let (writer, now) = (&self.state.accounts.writer, self.state.accounts.clock.now());
        delete_expired(writer, now, &CancellationToken::new()).await.unwrap();
    }

    /// Deletes the tags without articles, as the task does.
    pub(crate) async fn delete_orphaned_tags(&self) {
        delete_orphans(&self.state.publishing.writer, &CancellationToken::new()).await.unwrap();
    }

    /// Publishes a draft if it is due, as the task does.
    pub(crate) async fn publish_scheduled(&self, id: i64) -> bool {
        let (writer, clock) = (&self.state.publishing.writer, &self.state.publishing.clock);
        publish_scheduled(writer, i32::try_from(id).unwrap(), clock.now()).await.unwrap()
    }

    /// Assigns a slug to an article without one, as the task does.
    pub(crate) async fn assign_slug(&self, id: i64) -> bool {
        assign_slug(&self.state.publishing.writer, i32::try_from(id).unwrap()).await.unwrap()
    }

    /// Starts another server on the database of this one.
    pub(crate) fn another(&self, settings: &[(&str, &str)]) -> Self {
        Self::on(Arc::clone(&self.database), settings)
    }

    /// Stops the server, and waits for the end of its requests.
    pub(crate) async fn stop(self) {
        self.handle.stop(true).await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The metrics of a server with `METRICS_BIND`.
    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::scrape(self.metrics_address.unwrap()).await
    }

    pub(crate) fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// A client without an account.
    pub(crate) fn anonymous(&self) -> Client {
        Client::of(self.address)
    }

    /// Creates an account and signs in.
    pub(crate) async fn sign_up(&self, name: &str) -> Client {
        self.anonymous().sign_up(name).await
    }

    /// Changes the database past the services, and empties the cache as they would.
    pub(crate) async fn sql(&self, statement: &str) {
        self.sql_keeping_cache(statement).await;
        self.cache().invalidate_all();
    }

    /// Changes the database on the server's own connection, which the cache does not notice.
    pub(crate) async fn sql_keeping_cache(&self, statement: &str) {
        self.db.writer.execute_unprepared(statement).await.unwrap();
    }

    /// Inserts an account that registration would not accept, and returns its id.
    pub(crate) async fn insert_user(
        &self,
        email: &str,
        name: &str,
        email_key: Option<&str>,
        hash: &str,
    ) -> i64 {
        let now = self.state.accounts.clock.now();
        let row = user::ActiveModel {
            email: Set(email.to_owned()),
            username: Set(name.to_owned()),
            email_key: Set(email_key.map(ToOwned::to_owned)),
            hashed_password: Set(hash.to_owned()),
            created_at: Set(now.into()),
            updated_at: Set(now.into()),
            ..Default::default()
        };
        row.insert(&self.db.writer).await.unwrap().id.into()
    }

    /// The only column of the only row of a query.
    pub(crate) async fn text(&self, query: &str) -> String {
        self.value(query).await
    }

    /// The only column of the only row of a query.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.value(query).await
    }

    async fn value<T: TryGetable>(&self, query: &str) -> T {
        let query = Statement::from_string(self.database.engine(), query);
        let row = self.db.reader.query_one_raw(query).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    }

    /// Moves the clock of the server, stops it there, and lets the server look at its queue of mail.
    pub(crate) fn advance(&self, by: TimeDelta) {
        self.state.accounts.clock.advance(by);
        self.look_for_mail();
    }

    /// Lets the server look at its queue of mail.
    pub(crate) fn look_for_mail(&self) {
        self.state.accounts.delivery.notify();
    }

    /// Asks for another address of an account, as its owner does.
    pub(crate) async fn request_address_change(&self, user_id: i64, email: &str) -> Result<(), Error> {
        let id = i32::try_from(user_id).unwrap();
        let account = user::Entity::find_by_id(id).one(&self.db.reader).await.unwrap().unwrap();
        let (accounts, email) = (&self.state.accounts, email.to_owned());
        let now = accounts.clock.now();
        let request = async move |txn: &Transaction| request_address_change(txn, &account, &email, now).await;
        accounts.writer.transaction(request).await?;
        self.look_for_mail();
        Ok(())
    }

    /// The longest time for which a server may show what another process has changed.
    pub(crate) fn staleness_bound(&self) -> Duration {
        if self.database.engine() == DbBackend::Postgres { HEARTBEAT_TIMEOUT } else { POLL_TIMEOUT }
    }

    /// The cache of responses to anonymous reads.
    pub(super) fn cache(&self) -> &Cache {
        &self.state.http.cache
    }

    /// The connections that reads use.
    pub(super) fn reader(&self) -> &Connections {
        &self.db.reader
    }

    /// Occupies the server as an expensive page does, until the result is dropped.
    pub(crate) async fn read_expensively(&self) -> Admission {
        self.page_bounds().admit_expensive().await.unwrap()
    }

    pub(super) fn page_bounds(&self) -> &PageBounds {
        &self.state.publishing.page_bounds
    }

    pub(super) fn renderer(&self) -> &Renderer {
        &self.state.publishing.renderer
    }

    /// The limits that requests are checked against.
    pub(super) fn limits(&self) -> &Limits {
        &self.state.http.limits
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // No request is in flight any more; the runtime of the test ends the server.
        drop(self.handle.stop(false));
    }
}

/// The settings of a test's server: a free port, one worker, cheap hashes.
pub(crate) fn test_settings(database: &TestDatabase, further: &[(&str, &str)]) -> Settings {
    let directory = database.directory().display().to_string();
    let database = database::settings_of(database);
    let common = [
        ("DATA_DIR", directory.as_str()),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("WORKERS", "1"),
        ("BCRYPT_COST", "4"),
        ("SECRET_KEY", SECRET_KEY),
    ];
    let settings =
        common.iter().chain(further).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    // A later value replaces an earlier one.
    Settings::from_parts(database.into_iter().chain(settings), None).unwrap()
}

/// The OpenAPI document of a server with default settings.
pub(crate) fn openapi_document() -> Value {
    let directory = tempfile::tempdir().unwrap();
    let settings = [("DATA_DIR".to_owned(), directory.path().display().to_string())];
    serde_json::to_value(document(&Settings::from_parts(settings, None).unwrap())).unwrap()
}

/// An internal error with this cause.
pub(crate) fn further_error(cause: &'static str) -> Error {
    Error::internal("serve a further route", cause)
}

/// Sends one GET to the application of a server with a further route, `/further`, on the thread of the test.
pub(crate) async fn get_further<F, Args>(
    settings: &[(&str, &str)],
    handler: F,
) -> ServiceResponse<impl MessageBody>
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let database = TestDatabase::sqlite();
    let settings = test_settings(&database, settings);
    let db = Db::lazy(&settings).unwrap();
    let state = AppState::new(&settings, &db, Arc::new(Cache::new(0)), &Clock::system());
    let documentation = Some(Data::new(documentation(&settings)));
    let app = create_app(state, Policy::new(&settings.http.cors_origins), documentation);
    let app = app.configure(|config| {
        let further = [Endpoint::undocumented(Method::GET, "/further", handler)];
        Endpoints::default().and(further).register(config, None);
    });
    let request = TestRequest::get().uri("/further").insert_header(("origin", ORIGIN)).to_request();
    call_service(&init_service(app).await, request).await
}
