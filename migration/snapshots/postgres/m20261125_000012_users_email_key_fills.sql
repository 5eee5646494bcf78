-- up db393a76649311ee10e39f22ec5121f51d44c051e3efb237ee8a84c4fceb5d78
CREATE OR REPLACE FUNCTION byline_users_email_key() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    taken boolean;
BEGIN
    NEW.email_key := lower(NEW.email COLLATE "C");
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I WHERE email_key = $1 AND id <> $2)', TG_TABLE_SCHEMA, TG_TABLE_NAME)
        INTO taken USING NEW.email_key, NEW.id;
    IF taken THEN
        NEW.email_key := NULL;
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER users_email_key_inserted BEFORE INSERT ON users FOR EACH ROW WHEN (NEW.email_key IS NULL) EXECUTE FUNCTION byline_users_email_key();
CREATE OR REPLACE TRIGGER users_email_key_updated BEFORE UPDATE OF email, email_key ON users FOR EACH ROW WHEN (NEW.email_key IS NULL OR NEW.email_key = OLD.email_key AND NEW.email <> OLD.email) EXECUTE FUNCTION byline_users_email_key();
UPDATE users SET email_key = lower(email COLLATE "C")
WHERE id IN (SELECT min(id) FROM users WHERE email_key IS NULL GROUP BY lower(email COLLATE "C"))
AND lower(email COLLATE "C") NOT IN (SELECT email_key FROM users WHERE email_key IS NOT NULL);

-- down
DROP TRIGGER users_email_key_updated ON users;
DROP TRIGGER users_email_key_inserted ON users;
DROP FUNCTION byline_users_email_key();
