//! What the binary can be told to do.

pub mod seed;

use std::{
    error::Error,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use migration::State as Schema;
use sea_orm::DatabaseConnection;

use crate::{
    accounts::users,
    config::{Engine, Environment, Problems, Settings, make_data_dir},
    db::Db,
    http::{
        telemetry,
        validation::{Faults, Members, Reader},
    },
    server::{Server, app},
    state::AppState,
};

/// Anything that ends a command; printed in one line.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The longest that a healthy server may take to say so.
const HEALTH_PATIENCE: Duration = Duration::from_secs(3);

const BEHIND: &str = "the database is behind: run `byline migrate up`, or `byline serve --migrate`";

/// Byline, a self-hosted blog and publishing API.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API; what happens without a command too
    Serve(Serve),
    /// Look after the database's schema
    #[command(subcommand)]
    Migrate(migration::cli::Command),
    /// Look after accounts
    #[command(subcommand)]
    User(User),
    /// Print the OpenAPI document
    Openapi,
    /// Ask a running server whether it is ready; for containers
    Healthcheck,
    /// Fill the database with made-up authors and articles
    Seed(seed::Amount),
}

#[derive(Args, Debug, Default)]
struct Serve {
    /// Apply pending migrations first
    #[arg(long)]
    migrate: bool,
}

#[derive(Debug, Subcommand)]
enum User {
    /// Make an account; the password is asked for, or read from standard input
    Create {
        /// The address, unique without case
        #[arg(long)]
        email: String,
        /// The name to sign in with
        #[arg(long)]
        username: String,
    },
}

/// Does what the command line says.
///
/// # Errors
/// With one line that says why not.
pub async fn run(cli: Cli, settings: Settings) -> Result<ExitCode, Failure> {
    let mut out = io::stdout();
    match cli.command.unwrap_or(Command::Serve(Serve::default())) {
        Command::Serve(serve) => {
            serve_api(settings, &serve).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Migrate(command) => {
            prepare_directory(&settings)?;
            let kit = migration::cli::Settings {
                database_url: settings.database.expose().to_owned(),
                production: settings.environment == Environment::Production,
            };
            Ok(ExitCode::from(migration::cli::run(command, &kit, &mut out).await?))
        }
        Command::User(User::Create { email, username }) => {
            let account = create_user(settings, &email, &username).await?;
            writeln!(out, "{}", serde_json::to_string(&account)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Openapi => {
            writeln!(out, "{}", app::document(&settings).to_pretty_json()?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Healthcheck => check_health(&settings).await,
        Command::Seed(amount) => {
            let db = open(&settings).await?;
            let state = AppState::new(settings, db);
            seed::run(&state.db.pool(), state.passwords(), &amount, state.now()).await?;
            writeln!(out, "{amount}")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn serve_api(settings: Settings, serve: &Serve) -> Result<(), Failure> {
    let _guard = telemetry::start(&settings);
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    prepare_directory(&settings)?;
    let db = Db::lazy(&settings)?;
    prepare_schema(&settings, &db, serve.migrate).await?;
    let server = Server::bind(AppState::new(settings.clone(), db))?;
    let mut out = io::stdout();
    let address = server.address();
    writeln!(out, "{} serves the API on http://{address}", settings.app_name)?;
    writeln!(out, "  try it    http://{address}/docs")?;
    writeln!(out, "  the data  {}", settings.database)?;
    out.flush()?;
    Ok(server.run().await?)
}

/// Adds to the problems of a server's settings what its database would stop at, so that one look shows all.
pub async fn complete(cli: &Cli, mut problems: Problems) -> Problems {
    let serves = match &cli.command {
        None => true,
        Some(Command::Serve(serve)) => !serve.migrate,
        Some(_) => false,
    };
    if let Some(database) = problems.database().filter(|_| serves) {
        // Looking makes no file.
        let url = database.expose().replace("mode=rwc", "mode=ro");
        let state = match sea_orm::Database::connect(url).await {
            Ok(db) => migration::state(&db).await.map_err(|error| error.to_string()),
            Err(_) if database.engine() == Engine::Sqlite => Ok(Schema::Empty),
            Err(error) => Err(error.to_string()),
        };
        match state.map(|state| obstacle(&state, true, false)) {
            Ok(None) => {}
            Ok(Some(obstacle)) => problems.note(obstacle),
            Err(error) => problems.note(format!("DATABASE_URL: {error}")),
        }
    }
    problems
}

/// Why a server doesn't start on a database as it is; what is behind can be mended by migrating.
fn obstacle(state: &Schema, production: bool, accept_newer: bool) -> Option<String> {
    let standing = match state {
        Schema::Ours(standing) => standing,
        Schema::Empty => return production.then(|| BEHIND.to_owned()),
        Schema::Foreign { .. } => {
            return Some(
                "the database holds tables that Byline has not taken over: \
                 look at it with `byline migrate status`, take it over with `byline migrate up`"
                    .to_owned(),
            );
        }
    };
    if !standing.changed.is_empty() || !standing.dirty.is_empty() {
        return Some(format!("the database is not as it was left: {}", standing.faults().join("; ")));
    }
    if production && !accept_newer && !standing.only_additive_unknown() {
        return Some(
            "the database was migrated by a newer release of Byline, in ways that this one may not bear; \
             ACCEPT_NEWER_DATABASE=true starts it all the same"
                .to_owned(),
        );
    }
    (production && !standing.pending.is_empty()).then(|| BEHIND.to_owned())
}

/// The schema must be up to date before the first request. What is missing is applied here only where nobody can be
/// surprised: with `--migrate`, or outside production on a database that is empty or Byline's own.
async fn prepare_schema(settings: &Settings, db: &Db, migrate: bool) -> Result<(), Failure> {
    let pool = db.pool();
    let prepared = migrate_with(&pool, settings, migrate).await;
    // The server may open as many connections as its budget has.
    pool.close().await?;
    prepared
}

async fn migrate_with(pool: &DatabaseConnection, settings: &Settings, migrate: bool) -> Result<(), Failure> {
    let production = settings.environment == Environment::Production;
    let state = migration::state(pool).await?;
    if let Some(obstacle) = obstacle(&state, production && !migrate, settings.accept_newer_database) {
        let mended = migrate && matches!(state, Schema::Foreign { .. });
        if !mended {
            return Err(obstacle.into());
        }
    }
    if matches!(&state, Schema::Ours(standing) if standing.pending.is_empty()) {
        return Ok(());
    }
    let outcome = migration::up(pool).await?;
    for name in &outcome.adopted {
        tracing::info!(name, "found in the database and recorded");
    }
    for name in &outcome.applied {
        tracing::info!(name, "migrated");
    }
    for notice in &outcome.notices {
        tracing::warn!("{notice}");
    }
    Ok(())
}

/// A database that is up to date, for commands that write to it.
async fn open(settings: &Settings) -> Result<Db, Failure> {
    prepare_directory(settings)?;
    let db = Db::lazy(settings)?;
    prepare_schema(settings, &db, false).await?;
    Ok(db)
}

fn prepare_directory(settings: &Settings) -> Result<(), Failure> {
    if settings.database.engine() == Engine::Sqlite {
        make_data_dir(&settings.data_dir)?;
    }
    Ok(())
}

async fn create_user(
    settings: Settings,
    email: &str,
    username: &str,
) -> Result<users::schemas::UserView, Failure> {
    let password = ask_password()?;
    let state = AppState::new(settings.clone(), open(&settings).await?);
    let members = [("email", email), ("username", username), ("password", password.as_str())]
        .map(|(name, value)| (name.into(), value.into()));
    let mut faults = Faults::default();
    let input = Reader::read("user", Members::Pairs(&members), state.rules(), &mut faults);
    let Some(input) = input else { return Err(faults.into_error().into()) };
    Ok(users::service::register(&state.db.writer, state.passwords(), input, state.now()).await?)
}

fn ask_password() -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn check_health(settings: &Settings) -> Result<ExitCode, Failure> {
    // What listens everywhere listens here too.
    let host = match settings.host.as_str() {
        "0.0.0.0" | "::" => "localhost",
        host => host,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("http://{host}:{}/health/ready", settings.port);
    let client = awc::Client::builder().timeout(HEALTH_PATIENCE).finish();
    let answer = client.get(&url).send().await.map_err(|error| format!("{url}: {error}"))?;
    if answer.status().is_success() {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(format!("{url}: {}", answer.status()).into())
    }
}
