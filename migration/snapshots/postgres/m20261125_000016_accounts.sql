-- up 4b6a07a5cde959aa23bfefce938551d55826c3c676260c58374bdf2e15a9b704
ALTER TABLE users ADD COLUMN is_admin boolean NOT NULL DEFAULT false;
ALTER TABLE users ADD COLUMN is_active boolean NOT NULL DEFAULT true;
ALTER TABLE users ADD COLUMN is_email_confirmed boolean NOT NULL DEFAULT true;
ALTER TABLE users ADD COLUMN display_name character varying(100);
ALTER TABLE users ADD COLUMN bio character varying(1000);
ALTER TABLE users ADD COLUMN image character varying(2000);
ALTER TABLE users ADD COLUMN sessions_ended_at timestamp with time zone;
ALTER TABLE articles ADD COLUMN hidden boolean NOT NULL DEFAULT false;
CREATE TABLE sessions (
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
);
ALTER TABLE sessions ADD CONSTRAINT "fk-sessions-user_id" FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
CREATE INDEX "idx-sessions-expires_at" ON sessions USING btree (expires_at);
CREATE INDEX "idx-sessions-user_id" ON sessions USING btree (user_id);
CREATE TABLE personal_tokens (
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
);
ALTER TABLE personal_tokens ADD CONSTRAINT "fk-personal_tokens-user_id" FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
CREATE INDEX "idx-personal_tokens-user_id" ON personal_tokens USING btree (user_id);
CREATE TABLE email_tokens (
    id character varying(32) NOT NULL,
    user_id integer NOT NULL,
    kind character varying(20) NOT NULL,
    email character varying(255) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT email_tokens_pkey PRIMARY KEY (id)
);
ALTER TABLE email_tokens ADD CONSTRAINT "fk-email_tokens-user_id" FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
CREATE INDEX "idx-email_tokens-expires_at" ON email_tokens USING btree (expires_at);
CREATE INDEX "idx-email_tokens-user_id" ON email_tokens USING btree (user_id);
CREATE TABLE mail_queue (
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
);
CREATE INDEX "idx-mail_queue-next_attempt_at" ON mail_queue USING btree (next_attempt_at);
CREATE TABLE rate_limits (
    key character varying(64) NOT NULL,
    count integer NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT rate_limits_pkey PRIMARY KEY (key)
);
CREATE INDEX "idx-rate_limits-expires_at" ON rate_limits USING btree (expires_at);
CREATE TABLE audit_log (
    id bigserial NOT NULL,
    created_at timestamp with time zone NOT NULL,
    actor_id integer,
    actor character varying(50),
    action character varying(40) NOT NULL,
    target_id integer,
    target character varying(200),
    address character varying(45),
    CONSTRAINT audit_log_pkey PRIMARY KEY (id)
);
CREATE OR REPLACE FUNCTION byline_audit_log_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only';
END
$$;
CREATE OR REPLACE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION byline_audit_log_refuses();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
CREATE OR REPLACE TRIGGER users_profile_changed AFTER UPDATE ON users FOR EACH ROW WHEN ((NEW.display_name, NEW.bio, NEW.image) IS DISTINCT FROM (OLD.display_name, OLD.bio, OLD.image)) EXECUTE FUNCTION byline_users_renamed();
ALTER TABLE users ENABLE ALWAYS TRIGGER users_profile_changed;

-- down
DROP TRIGGER users_profile_changed ON users;
DROP TABLE audit_log;
DROP TABLE rate_limits;
DROP TABLE mail_queue;
DROP TABLE email_tokens;
DROP TABLE personal_tokens;
DROP TABLE sessions;
DROP FUNCTION byline_audit_log_refuses();
ALTER TABLE articles DROP COLUMN hidden;
ALTER TABLE users DROP COLUMN is_admin;
ALTER TABLE users DROP COLUMN is_active;
ALTER TABLE users DROP COLUMN is_email_confirmed;
ALTER TABLE users DROP COLUMN display_name;
ALTER TABLE users DROP COLUMN bio;
ALTER TABLE users DROP COLUMN image;
ALTER TABLE users DROP COLUMN sessions_ended_at;
