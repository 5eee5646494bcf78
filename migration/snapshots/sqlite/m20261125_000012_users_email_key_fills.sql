-- up ddebf51fab9f988f403aa77c001ded2e64dcc1237287eca5ca7f511cea385e1a
DROP TRIGGER IF EXISTS users_email_key_inserted; CREATE TRIGGER users_email_key_inserted AFTER INSERT ON users FOR EACH ROW WHEN NEW.email_key IS NULL BEGIN UPDATE users SET email_key = lower(NEW.email) WHERE id = NEW.id AND NOT EXISTS (SELECT 1 FROM users WHERE email_key = lower(NEW.email)); END;
DROP TRIGGER IF EXISTS users_email_key_updated; CREATE TRIGGER users_email_key_updated AFTER UPDATE OF email, email_key ON users FOR EACH ROW WHEN NEW.email_key IS NULL OR NEW.email_key = OLD.email_key AND NEW.email <> OLD.email BEGIN UPDATE users SET email_key = CASE WHEN EXISTS (SELECT 1 FROM users WHERE email_key = lower(NEW.email) AND id <> NEW.id) THEN NULL ELSE lower(NEW.email) END WHERE id = NEW.id AND email_key IS NOT CASE WHEN EXISTS (SELECT 1 FROM users WHERE email_key = lower(NEW.email) AND id <> NEW.id) THEN NULL ELSE lower(NEW.email) END; END;
UPDATE users SET email_key = lower(email) WHERE id IN (SELECT min(id) FROM users WHERE email_key IS NULL GROUP BY lower(email)) AND lower(email) NOT IN (SELECT email_key FROM users WHERE email_key IS NOT NULL);

-- down
DROP TRIGGER users_email_key_updated;
DROP TRIGGER users_email_key_inserted;
