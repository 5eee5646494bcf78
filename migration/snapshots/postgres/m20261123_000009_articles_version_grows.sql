-- up 6a0920bbd40ef0cb54c2840d35931f132ef10f43226f915e3462cbcb59fba7e4
CREATE OR REPLACE FUNCTION byline_articles_version_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER articles_version_grows BEFORE UPDATE ON articles FOR EACH ROW WHEN (NEW.version <= OLD.version AND NEW *<> OLD) EXECUTE FUNCTION byline_articles_version_grows();

-- down
DROP TRIGGER articles_version_grows ON articles;
DROP FUNCTION byline_articles_version_grows();
