-- up d36ad7df47b9857736de104d392596355e5b834081e2e1acc2cc351d5b6bab5e
ALTER TABLE articles ADD COLUMN state_id integer NOT NULL DEFAULT 0;
UPDATE articles SET state_id = random();
CREATE TRIGGER articles_state_id_set AFTER INSERT ON articles FOR EACH ROW WHEN NEW.state_id = 0 BEGIN UPDATE articles SET state_id = random() WHERE id = NEW.id; END;
CREATE TRIGGER articles_state_id_renewed AFTER UPDATE OF version ON articles FOR EACH ROW WHEN NEW.version <> OLD.version AND NEW.state_id = OLD.state_id BEGIN UPDATE articles SET state_id = random() WHERE id = NEW.id; END;

-- down
DROP TRIGGER articles_state_id_renewed;
DROP TRIGGER articles_state_id_set;
ALTER TABLE articles DROP COLUMN state_id;
