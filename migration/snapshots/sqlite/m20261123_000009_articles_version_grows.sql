-- up 0508119d01f450cc3b40b046caa4faf3ae31e50c169dbb3618b8ca3528811f23
DROP TRIGGER IF EXISTS articles_version_grows;
CREATE TRIGGER articles_version_grows AFTER UPDATE ON articles FOR EACH ROW WHEN NEW.version <= OLD.version AND (NEW.id, NEW.title, NEW.content, NEW.published, NEW.author_id, NEW.created_at, NEW.updated_at, NEW.version) IS NOT (OLD.id, OLD.title, OLD.content, OLD.published, OLD.author_id, OLD.created_at, OLD.updated_at, OLD.version) BEGIN UPDATE articles SET version = OLD.version + 1 WHERE id = NEW.id; END;

-- down
DROP TRIGGER articles_version_grows;
