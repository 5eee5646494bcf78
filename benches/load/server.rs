//! The server under load: Byline with the routes of the limits, and actix without Byline.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use actix_web::{
    App, HttpServer,
    rt::{self, System},
    web::{self, ThinData},
};
use byline::{
    clock::Clock,
    config::{Flags, Purpose, Settings},
    db::Db,
    http::telemetry,
    server::Server,
    traces::Traces,
};

use crate::{
    Failure,
    limits::{self, Limits},
};

/// Serves until the process is killed, and writes the addresses to the first line of standard error.
pub(crate) fn serve() -> Result<(), Failure> {
    let settings = Settings::load(Purpose::Server, &Flags::default())?;
    let _guard = telemetry::start(&settings);
    let _traces = Traces::start(&settings.monitoring)?;
    System::new().block_on(async {
        let db = Db::lazy(&settings)?;
        let plain = HttpServer::new(|| App::new().route(limits::CONSTANT, web::get().to(limits::constant)))
            .workers(settings.http.workers)
            .bind(("127.0.0.1", 0))?;
        let plain_address = plain.addrs().first().copied().ok_or("no address is bound")?;
        let clock = Clock::system();
        let state = Limits { settings: Arc::new(settings.clone()), clock: clock.clone() };
        let server = Server::bind_with(&settings, db, &clock, move |config| {
            config.app_data(ThinData(state.clone()));
            limits::configure(config);
        })?;
        writeln!(
            io::stderr(),
            "serving http://{} http://{plain_address}",
            server.address().ok_or("no address is bound")?
        )?;
        rt::spawn(plain.run());
        Ok(server.run().await?)
    })
}
