-- up 05bc8847bd561ba5e0554a5bab19fa2305544165d103015d90f550e8f884d6bc
DO $$
BEGIN
    EXECUTE format('ALTER TABLE articles ADD COLUMN state_id bigint NOT NULL DEFAULT %L', uuid_hash_extended(gen_random_uuid(), 0));
END
$$;
ALTER TABLE articles ALTER COLUMN state_id SET DEFAULT uuid_hash_extended(gen_random_uuid(), 0);
CREATE OR REPLACE FUNCTION byline_articles_version_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := greatest(NEW.version, OLD.version + 1);
    NEW.state_id := uuid_hash_extended(gen_random_uuid(), 0);
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER articles_version_grows BEFORE UPDATE ON articles FOR EACH ROW WHEN ((NEW.version <= OLD.version OR NEW.state_id = OLD.state_id) AND NEW *<> OLD) EXECUTE FUNCTION byline_articles_version_grows();

-- down
CREATE OR REPLACE TRIGGER articles_version_grows BEFORE UPDATE ON articles FOR EACH ROW WHEN (NEW.version <= OLD.version AND NEW *<> OLD) EXECUTE FUNCTION byline_articles_version_grows();
CREATE OR REPLACE FUNCTION byline_articles_version_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;
ALTER TABLE articles DROP COLUMN state_id;
