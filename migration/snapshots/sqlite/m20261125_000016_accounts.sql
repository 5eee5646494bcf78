-- up e1d0f31c68274309f8c3eda3adcb2dc5214e69a5f0ab9b15d81efeb59add0649
ALTER TABLE users ADD COLUMN is_admin boolean NOT NULL DEFAULT false;
ALTER TABLE users ADD COLUMN is_active boolean NOT NULL DEFAULT true;
ALTER TABLE users ADD COLUMN is_email_confirmed boolean NOT NULL DEFAULT true;
ALTER TABLE users ADD COLUMN display_name varchar(100);
ALTER TABLE users ADD COLUMN bio varchar(1000);
ALTER TABLE users ADD COLUMN image varchar(2000);
ALTER TABLE users ADD COLUMN sessions_ended_at timestamp_with_timezone_text;
ALTER TABLE articles ADD COLUMN hidden boolean NOT NULL DEFAULT false;
CREATE TABLE sessions (
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
);
CREATE INDEX "idx-sessions-expires_at" ON sessions (expires_at);
CREATE INDEX "idx-sessions-user_id" ON sessions (user_id);
CREATE TABLE personal_tokens (
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
);
CREATE INDEX "idx-personal_tokens-user_id" ON personal_tokens (user_id);
CREATE TABLE email_tokens (
    id varchar(32) NOT NULL,
    user_id integer NOT NULL,
    kind varchar(20) NOT NULL,
    email varchar(255) NOT NULL,
    created_at timestamp_with_timezone_text NOT NULL,
    expires_at timestamp_with_timezone_text NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX "idx-email_tokens-expires_at" ON email_tokens (expires_at);
CREATE INDEX "idx-email_tokens-user_id" ON email_tokens (user_id);
CREATE TABLE mail_queue (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind varchar(40) NOT NULL,
    recipient varchar(255) NOT NULL,
    parameters text NOT NULL,
    created_at timestamp_with_timezone_text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamp_with_timezone_text NOT NULL,
    failed_at timestamp_with_timezone_text,
    last_error varchar(500)
);
CREATE INDEX "idx-mail_queue-next_attempt_at" ON mail_queue (next_attempt_at);
CREATE TABLE rate_limits (
    key varchar(64) NOT NULL,
    count integer NOT NULL,
    expires_at timestamp_with_timezone_text NOT NULL,
    PRIMARY KEY (key)
);
CREATE INDEX "idx-rate_limits-expires_at" ON rate_limits (expires_at);
CREATE TABLE audit_log (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    created_at timestamp_with_timezone_text NOT NULL,
    actor_id integer,
    actor varchar(50),
    action varchar(40) NOT NULL,
    target_id integer,
    target varchar(200),
    address varchar(45)
);
CREATE TRIGGER audit_log_not_updated BEFORE UPDATE ON audit_log FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_log_not_deleted BEFORE DELETE ON audit_log FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
DROP TRIGGER IF EXISTS articles_version_grows; CREATE TRIGGER articles_version_grows AFTER UPDATE ON articles FOR EACH ROW WHEN NEW.version <= OLD.version AND (NEW.id, NEW.title, NEW.content, NEW.published, NEW.author_id, NEW.created_at, NEW.updated_at, NEW.version, NEW.hidden) IS NOT (OLD.id, OLD.title, OLD.content, OLD.published, OLD.author_id, OLD.created_at, OLD.updated_at, OLD.version, OLD.hidden) BEGIN UPDATE articles SET version = OLD.version + 1 WHERE id = NEW.id; END;
DROP TRIGGER IF EXISTS articles_time_updated; CREATE TRIGGER articles_time_updated AFTER UPDATE OF created_at, updated_at ON articles FOR EACH ROW WHEN NEW.created_at IS NOT OLD.created_at AND NEW.created_at IS NOT (SELECT t || '+00:00' FROM (SELECT CASE WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 253402300800 THEN strftime('%Y-%m-%dT%H:%M:%S', x / 1000, 'unixepoch') WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 5373485 THEN strftime('%Y-%m-%dT%H:%M:%S', x, 'unixepoch') WHEN substr(x, 20, 1) <> '.' THEN strftime('%Y-%m-%dT%H:%M:%S', x) ELSE strftime('%Y-%m-%dT%H:%M:%S', substr(x, 1, 19) || ltrim(substr(x, 21), '0123456789')) || CASE WHEN f = '000000' THEN '' WHEN substr(f, 4) = '000' THEN '.' || substr(f, 1, 3) ELSE '.' || f END END AS t FROM (SELECT x, substr(substr(x, 21, length(x) - 20 - length(ltrim(substr(x, 21), '0123456789'))) || '000000', 1, 6) AS f FROM (SELECT NEW.created_at AS x))) WHERE t >= '0001') OR NEW.updated_at IS NOT OLD.updated_at AND NEW.updated_at IS NOT (SELECT t || '+00:00' FROM (SELECT CASE WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 253402300800 THEN strftime('%Y-%m-%dT%H:%M:%S', x / 1000, 'unixepoch') WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 5373485 THEN strftime('%Y-%m-%dT%H:%M:%S', x, 'unixepoch') WHEN substr(x, 20, 1) <> '.' THEN strftime('%Y-%m-%dT%H:%M:%S', x) ELSE strftime('%Y-%m-%dT%H:%M:%S', substr(x, 1, 19) || ltrim(substr(x, 21), '0123456789')) || CASE WHEN f = '000000' THEN '' WHEN substr(f, 4) = '000' THEN '.' || substr(f, 1, 3) ELSE '.' || f END END AS t FROM (SELECT x, substr(substr(x, 21, length(x) - 20 - length(ltrim(substr(x, 21), '0123456789'))) || '000000', 1, 6) AS f FROM (SELECT NEW.updated_at AS x))) WHERE t >= '0001') BEGIN UPDATE articles SET created_at = CASE WHEN NEW.created_at IS OLD.created_at THEN created_at ELSE coalesce((SELECT t || '+00:00' FROM (SELECT CASE WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 253402300800 THEN strftime('%Y-%m-%dT%H:%M:%S', x / 1000, 'unixepoch') WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 5373485 THEN strftime('%Y-%m-%dT%H:%M:%S', x, 'unixepoch') WHEN substr(x, 20, 1) <> '.' THEN strftime('%Y-%m-%dT%H:%M:%S', x) ELSE strftime('%Y-%m-%dT%H:%M:%S', substr(x, 1, 19) || ltrim(substr(x, 21), '0123456789')) || CASE WHEN f = '000000' THEN '' WHEN substr(f, 4) = '000' THEN '.' || substr(f, 1, 3) ELSE '.' || f END END AS t FROM (SELECT x, substr(substr(x, 21, length(x) - 20 - length(ltrim(substr(x, 21), '0123456789'))) || '000000', 1, 6) AS f FROM (SELECT NEW.created_at AS x))) WHERE t >= '0001'), RAISE(ABORT, 'articles.created_at must be a time between the years 1 and 9999')) END, updated_at = CASE WHEN NEW.updated_at IS OLD.updated_at THEN updated_at ELSE coalesce((SELECT t || '+00:00' FROM (SELECT CASE WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 253402300800 THEN strftime('%Y-%m-%dT%H:%M:%S', x / 1000, 'unixepoch') WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 5373485 THEN strftime('%Y-%m-%dT%H:%M:%S', x, 'unixepoch') WHEN substr(x, 20, 1) <> '.' THEN strftime('%Y-%m-%dT%H:%M:%S', x) ELSE strftime('%Y-%m-%dT%H:%M:%S', substr(x, 1, 19) || ltrim(substr(x, 21), '0123456789')) || CASE WHEN f = '000000' THEN '' WHEN substr(f, 4) = '000' THEN '.' || substr(f, 1, 3) ELSE '.' || f END END AS t FROM (SELECT x, substr(substr(x, 21, length(x) - 20 - length(ltrim(substr(x, 21), '0123456789'))) || '000000', 1, 6) AS f FROM (SELECT NEW.updated_at AS x))) WHERE t >= '0001'), RAISE(ABORT, 'articles.updated_at must be a time between the years 1 and 9999')) END WHERE id = NEW.id; END;

-- down
DROP TRIGGER IF EXISTS articles_version_grows; CREATE TRIGGER articles_version_grows AFTER UPDATE ON articles FOR EACH ROW WHEN NEW.version <= OLD.version AND (NEW.id, NEW.title, NEW.content, NEW.published, NEW.author_id, NEW.created_at, NEW.updated_at, NEW.version) IS NOT (OLD.id, OLD.title, OLD.content, OLD.published, OLD.author_id, OLD.created_at, OLD.updated_at, OLD.version) BEGIN UPDATE articles SET version = OLD.version + 1 WHERE id = NEW.id; END;
DROP TRIGGER IF EXISTS articles_time_updated; CREATE TRIGGER articles_time_updated AFTER UPDATE OF created_at, updated_at ON articles FOR EACH ROW WHEN NEW.created_at IS NOT OLD.created_at AND NEW.created_at IS NOT (SELECT t || '+00:00' FROM (SELECT CASE WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 253402300800 THEN strftime('%Y-%m-%dT%H:%M:%S', x / 1000, 'unixepoch') WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 5373485 THEN strftime('%Y-%m-%dT%H:%M:%S', x, 'unixepoch') WHEN substr(x, 20, 1) <> '.' THEN strftime('%Y-%m-%dT%H:%M:%S', x) ELSE strftime('%Y-%m-%dT%H:%M:%S', substr(x, 1, 19) || ltrim(substr(x, 21), '0123456789')) || CASE WHEN f = '000000' THEN '' WHEN substr(f, 4) = '000' THEN '.' || substr(f, 1, 3) ELSE '.' || f END END AS t FROM (SELECT x, substr(substr(x, 21, length(x) - 20 - length(ltrim(substr(x, 21), '0123456789'))) || '000000', 1, 6) AS f FROM (SELECT NEW.created_at AS x))) WHERE t >= '0001') OR NEW.updated_at IS NOT OLD.updated_at AND NEW.updated_at IS NOT (SELECT t || '+00:00' FROM (SELECT CASE WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 253402300800 THEN strftime('%Y-%m-%dT%H:%M:%S', x / 1000, 'unixepoch') WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 5373485 THEN strftime('%Y-%m-%dT%H:%M:%S', x, 'unixepoch') WHEN substr(x, 20, 1) <> '.' THEN strftime('%Y-%m-%dT%H:%M:%S', x) ELSE strftime('%Y-%m-%dT%H:%M:%S', substr(x, 1, 19) || ltrim(substr(x, 21), '0123456789')) || CASE WHEN f = '000000' THEN '' WHEN substr(f, 4) = '000' THEN '.' || substr(f, 1, 3) ELSE '.' || f END END AS t FROM (SELECT x, substr(substr(x, 21, length(x) - 20 - length(ltrim(substr(x, 21), '0123456789'))) || '000000', 1, 6) AS f FROM (SELECT NEW.updated_at AS x))) WHERE t >= '0001') BEGIN UPDATE articles SET created_at = CASE WHEN NEW.created_at IS OLD.created_at THEN created_at ELSE coalesce((SELECT t || '+00:00' FROM (SELECT CASE WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 253402300800 THEN strftime('%Y-%m-%dT%H:%M:%S', x / 1000, 'unixepoch') WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 5373485 THEN strftime('%Y-%m-%dT%H:%M:%S', x, 'unixepoch') WHEN substr(x, 20, 1) <> '.' THEN strftime('%Y-%m-%dT%H:%M:%S', x) ELSE strftime('%Y-%m-%dT%H:%M:%S', substr(x, 1, 19) || ltrim(substr(x, 21), '0123456789')) || CASE WHEN f = '000000' THEN '' WHEN substr(f, 4) = '000' THEN '.' || substr(f, 1, 3) ELSE '.' || f END END AS t FROM (SELECT x, substr(substr(x, 21, length(x) - 20 - length(ltrim(substr(x, 21), '0123456789'))) || '000000', 1, 6) AS f FROM (SELECT NEW.created_at AS x))) WHERE t >= '0001'), RAISE(ABORT, 'articles.created_at must be a time between the years 1 and 9999')) END, updated_at = CASE WHEN NEW.updated_at IS OLD.updated_at THEN updated_at ELSE coalesce((SELECT t || '+00:00' FROM (SELECT CASE WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 253402300800 THEN strftime('%Y-%m-%dT%H:%M:%S', x / 1000, 'unixepoch') WHEN x NOT GLOB '*[^0-9.]*' AND x + 0 >= 5373485 THEN strftime('%Y-%m-%dT%H:%M:%S', x, 'unixepoch') WHEN substr(x, 20, 1) <> '.' THEN strftime('%Y-%m-%dT%H:%M:%S', x) ELSE strftime('%Y-%m-%dT%H:%M:%S', substr(x, 1, 19) || ltrim(substr(x, 21), '0123456789')) || CASE WHEN f = '000000' THEN '' WHEN substr(f, 4) = '000' THEN '.' || substr(f, 1, 3) ELSE '.' || f END END AS t FROM (SELECT x, substr(substr(x, 21, length(x) - 20 - length(ltrim(substr(x, 21), '0123456789'))) || '000000', 1, 6) AS f FROM (SELECT NEW.updated_at AS x))) WHERE t >= '0001'), RAISE(ABORT, 'articles.updated_at must be a time between the years 1 and 9999')) END WHERE id = NEW.id; END;
DROP TABLE audit_log;
DROP TABLE rate_limits;
DROP TABLE mail_queue;
DROP TABLE email_tokens;
DROP TABLE personal_tokens;
DROP TABLE sessions;
ALTER TABLE articles DROP COLUMN hidden;
ALTER TABLE users DROP COLUMN is_admin;
ALTER TABLE users DROP COLUMN is_active;
ALTER TABLE users DROP COLUMN is_email_confirmed;
ALTER TABLE users DROP COLUMN display_name;
ALTER TABLE users DROP COLUMN bio;
ALTER TABLE users DROP COLUMN image;
ALTER TABLE users DROP COLUMN sessions_ended_at;
