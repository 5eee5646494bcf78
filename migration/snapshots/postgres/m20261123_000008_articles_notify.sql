-- up 77163dd5e307fcb2e8b0f4e91d05ad53e8d689438b02fdd30396e638080664e1
CREATE FUNCTION byline_articles_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        touched := 'all';
    ELSE
        SELECT CASE WHEN count(*) > 100 THEN 'all' ELSE 'ids ' || string_agg(id::text, ',') END INTO touched FROM changed;
    END IF;
    IF touched IS NOT NULL THEN
        PERFORM pg_notify('byline_articles', touched);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER articles_inserted AFTER INSERT ON articles REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed();
CREATE TRIGGER articles_updated AFTER UPDATE ON articles REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed();
CREATE TRIGGER articles_deleted AFTER DELETE ON articles REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed();
CREATE TRIGGER articles_truncated AFTER TRUNCATE ON articles FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed();

-- down
DROP TRIGGER articles_truncated ON articles;
DROP TRIGGER articles_deleted ON articles;
DROP TRIGGER articles_updated ON articles;
DROP TRIGGER articles_inserted ON articles;
DROP FUNCTION byline_articles_changed();
