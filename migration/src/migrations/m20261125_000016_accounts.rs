//! Roles and profiles of accounts; their sessions, tokens and links; the queue of e-mail; counters for limits; and
//! the log of administrative actions.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::{count_changes_of, run_on};
use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct Accounts;

impl Migration for Accounts {
    fn attributes(&self) -> Attributes {
        // New columns have defaults, so that the FastAPI blog can still insert.
        Attributes::ADDITIVE
    }
}

/// A row trigger compares the values of a profile; a change is announced like that of a name.
const POSTGRES: &[&str] = &[
    "ALTER TABLE users ADD COLUMN is_admin boolean NOT NULL DEFAULT false",
    "ALTER TABLE users ADD COLUMN is_active boolean NOT NULL DEFAULT true",
    "ALTER TABLE users ADD COLUMN is_email_confirmed boolean NOT NULL DEFAULT true",
    "ALTER TABLE users ADD COLUMN display_name character varying(100)",
    "ALTER TABLE users ADD COLUMN bio character varying(1000)",
    "ALTER TABLE users ADD COLUMN image character varying(2000)",
    "ALTER TABLE users ADD COLUMN sessions_ended_at timestamp with time zone",
    "ALTER TABLE articles ADD COLUMN hidden boolean NOT NULL DEFAULT false",
    r"CREATE TABLE sessions (
    id character varying(32) NOT NULL,
    user_id integer NOT NULL,
    refresh_hash character varying(64) NOT NULL,
    previous_hash character varying(64),
    device character varying(200),
    address character varying(45) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone NOT NULL,
    refresh_expires_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (id)
)",
    r#"ALTER TABLE sessions ADD CONSTRAINT "fk-sessions-user_id" FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE"#,
    r#"CREATE INDEX "idx-sessions-expires_at" ON sessions USING btree (expires_at)"#,
    r#"CREATE INDEX "idx-sessions-user_id" ON sessions USING btree (user_id)"#,
    r"CREATE TABLE personal_tokens (
    id serial NOT NULL,
    user_id integer NOT NULL,
    name character varying(100) NOT NULL,
    hash character varying(64) NOT NULL,
    scopes character varying(200) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    CONSTRAINT personal_tokens_hash_key UNIQUE (hash),
    CONSTRAINT personal_tokens_pkey PRIMARY KEY (id)
)",
    r#"ALTER TABLE personal_tokens ADD CONSTRAINT "fk-personal_tokens-user_id" FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE"#,
    r#"CREATE INDEX "idx-personal_tokens-user_id" ON personal_tokens USING btree (user_id)"#,
    r"CREATE TABLE email_tokens (
    id character varying(32) NOT NULL,
    user_id integer NOT NULL,
    kind character varying(20) NOT NULL,
    email character varying(255) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT email_tokens_pkey PRIMARY KEY (id)
)",
    r#"ALTER TABLE email_tokens ADD CONSTRAINT "fk-email_tokens-user_id" FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE"#,
    r#"CREATE INDEX "idx-email_tokens-expires_at" ON email_tokens USING btree (expires_at)"#,
    r#"CREATE INDEX "idx-email_tokens-user_id" ON email_tokens USING btree (user_id)"#,
    r"CREATE TABLE mail_queue (
    id bigserial NOT NULL,
    kind character varying(40) NOT NULL,
    recipient character varying(255) NOT NULL,
    parameters text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamp with time zone NOT NULL,
    failed_at timestamp with time zone,
    last_error character varying(500),
    CONSTRAINT mail_queue_pkey PRIMARY KEY (id)
)",
    r#"CREATE INDEX "idx-mail_queue-next_attempt_at" ON mail_queue USING btree (next_attempt_at)"#,
    r"CREATE TABLE rate_limits (
    key character varying(64) NOT NULL,
    count integer NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT rate_limits_pkey PRIMARY KEY (key)
)",
    r#"CREATE INDEX "idx-rate_limits-expires_at" ON rate_limits USING btree (expires_at)"#,
    r"CREATE TABLE audit_log (
    id bigserial NOT NULL,
    created_at timestamp with time zone NOT NULL,
    actor_id integer,
    actor character varying(50),
    action character varying(40) NOT NULL,
    target_id integer,
    target character varying(200),
    address character varying(45),
    CONSTRAINT audit_log_pkey PRIMARY KEY (id)
)",
    r"CREATE OR REPLACE FUNCTION byline_audit_log_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only';
END
$$",
    "CREATE OR REPLACE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log \
     FOR EACH STATEMENT EXECUTE FUNCTION byline_audit_log_refuses()",
    "ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only",
    "CREATE OR REPLACE TRIGGER users_profile_changed AFTER UPDATE ON users FOR EACH ROW \
     WHEN ((NEW.display_name, NEW.bio, NEW.image) IS DISTINCT FROM (OLD.display_name, OLD.bio, OLD.image)) \
     EXECUTE FUNCTION byline_users_renamed()",
    "ALTER TABLE users ENABLE ALWAYS TRIGGER users_profile_changed",
];

const SQLITE: &[&str] = &[
    "ALTER TABLE users ADD COLUMN is_admin boolean NOT NULL DEFAULT false",
    "ALTER TABLE users ADD COLUMN is_active boolean NOT NULL DEFAULT true",
    "ALTER TABLE users ADD COLUMN is_email_confirmed boolean NOT NULL DEFAULT true",
    "ALTER TABLE users ADD COLUMN display_name varchar(100)",
    "ALTER TABLE users ADD COLUMN bio varchar(1000)",
    "ALTER TABLE users ADD COLUMN image varchar(2000)",
    "ALTER TABLE users ADD COLUMN sessions_ended_at timestamp_with_timezone_text",
    "ALTER TABLE articles ADD COLUMN hidden boolean NOT NULL DEFAULT false",
    r"CREATE TABLE sessions (
    id varchar(32) NOT NULL,
    user_id integer NOT NULL,
    refresh_hash varchar(64) NOT NULL,
    previous_hash varchar(64),
    device varchar(200),
    address varchar(45) NOT NULL,
    created_at timestamp_with_timezone_text NOT NULL,
    last_used_at timestamp_with_timezone_text NOT NULL,
    refresh_expires_at timestamp_with_timezone_text NOT NULL,
    expires_at timestamp_with_timezone_text NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
)",
    r#"CREATE INDEX "idx-sessions-expires_at" ON sessions (expires_at)"#,
    r#"CREATE INDEX "idx-sessions-user_id" ON sessions (user_id)"#,
    r"CREATE TABLE personal_tokens (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id integer NOT NULL,
    name varchar(100) NOT NULL,
    hash varchar(64) NOT NULL,
    scopes varchar(200) NOT NULL,
    created_at timestamp_with_timezone_text NOT NULL,
    expires_at timestamp_with_timezone_text NOT NULL,
    last_used_at timestamp_with_timezone_text,
    UNIQUE (hash),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
)",
    r#"CREATE INDEX "idx-personal_tokens-user_id" ON personal_tokens (user_id)"#,
    r"CREATE TABLE email_tokens (
    id varchar(32) NOT NULL,
    user_id integer NOT NULL,
    kind varchar(20) NOT NULL,
    email varchar(255) NOT NULL,
    created_at timestamp_with_timezone_text NOT NULL,
    expires_at timestamp_with_timezone_text NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
)",
    r#"CREATE INDEX "idx-email_tokens-expires_at" ON email_tokens (expires_at)"#,
    r#"CREATE INDEX "idx-email_tokens-user_id" ON email_tokens (user_id)"#,
    r"CREATE TABLE mail_queue (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind varchar(40) NOT NULL,
    recipient varchar(255) NOT NULL,
    parameters text NOT NULL,
    created_at timestamp_with_timezone_text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamp_with_timezone_text NOT NULL,
    failed_at timestamp_with_timezone_text,
    last_error varchar(500)
)",
    r#"CREATE INDEX "idx-mail_queue-next_attempt_at" ON mail_queue (next_attempt_at)"#,
    r"CREATE TABLE rate_limits (
    key varchar(64) NOT NULL,
    count integer NOT NULL,
    expires_at timestamp_with_timezone_text NOT NULL,
    PRIMARY KEY (key)
)",
    r#"CREATE INDEX "idx-rate_limits-expires_at" ON rate_limits (expires_at)"#,
    r"CREATE TABLE audit_log (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    created_at timestamp_with_timezone_text NOT NULL,
    actor_id integer,
    actor varchar(50),
    action varchar(40) NOT NULL,
    target_id integer,
    target varchar(200),
    address varchar(45)
)",
    "CREATE TRIGGER audit_log_not_updated BEFORE UPDATE ON audit_log FOR EACH ROW \
     BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END",
    "CREATE TRIGGER audit_log_not_deleted BEFORE DELETE ON audit_log FOR EACH ROW \
     BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END",
];

const POSTGRES_DOWN: &[&str] = &[
    "DROP TRIGGER users_profile_changed ON users",
    "DROP TABLE audit_log",
    "DROP TABLE rate_limits",
    "DROP TABLE mail_queue",
    "DROP TABLE email_tokens",
    "DROP TABLE personal_tokens",
    "DROP TABLE sessions",
    "DROP FUNCTION byline_audit_log_refuses()",
    "ALTER TABLE articles DROP COLUMN hidden",
    "ALTER TABLE users DROP COLUMN is_admin",
    "ALTER TABLE users DROP COLUMN is_active",
    "ALTER TABLE users DROP COLUMN is_email_confirmed",
    "ALTER TABLE users DROP COLUMN display_name",
    "ALTER TABLE users DROP COLUMN bio",
    "ALTER TABLE users DROP COLUMN image",
    "ALTER TABLE users DROP COLUMN sessions_ended_at",
];

const SQLITE_DOWN: &[&str] = &[
    "DROP TABLE audit_log",
    "DROP TABLE rate_limits",
    "DROP TABLE mail_queue",
    "DROP TABLE email_tokens",
    "DROP TABLE personal_tokens",
    "DROP TABLE sessions",
    "ALTER TABLE articles DROP COLUMN hidden",
    "ALTER TABLE users DROP COLUMN is_admin",
    "ALTER TABLE users DROP COLUMN is_active",
    "ALTER TABLE users DROP COLUMN is_email_confirmed",
    "ALTER TABLE users DROP COLUMN display_name",
    "ALTER TABLE users DROP COLUMN bio",
    "ALTER TABLE users DROP COLUMN image",
    "ALTER TABLE users DROP COLUMN sessions_ended_at",
];

#[async_trait::async_trait]
impl MigrationTrait for Accounts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE).await?;
        count_changes_of(manager, &["hidden"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES_DOWN).await?;
        // SQLite does not drop a column that a trigger names.
        count_changes_of(manager, &[]).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE_DOWN).await
    }
}
