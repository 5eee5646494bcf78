//! What the server process serves: Byline's own app with the limits beside its routes, and actix without Byline.

use std::io::{self, Write as _};

use actix_web::{
    App, HttpServer,
    rt::{self, System},
    web,
};
use byline::{config::Settings, db::Db, http::telemetry, server::Server, state::AppState};

use crate::{Failure, limits};

/// Serves until the process is killed, and says where in the first line on standard error.
pub(crate) fn serve() -> Result<(), Failure> {
    let settings = Settings::load()?;
    let _guard = telemetry::start(&settings);
    System::new().block_on(async {
        let db = Db::lazy(&settings)?;
        let plain = HttpServer::new(|| App::new().route(limits::CONSTANT, web::get().to(limits::constant)))
            .workers(settings.workers)
            .bind(("127.0.0.1", 0))?;
        let plain_address = plain.addrs().first().copied().ok_or("nothing is bound")?;
        let server = Server::bind_with(AppState::new(settings, db), limits::configure)?;
        writeln!(io::stderr(), "serving http://{} http://{plain_address}", server.address())?;
        rt::spawn(plain.run());
        Ok(server.run().await?)
    })
}
