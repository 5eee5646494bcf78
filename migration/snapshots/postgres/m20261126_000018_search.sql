-- up a3cdad3f911bcb19c55c641cff2f886687dc1c94b740c290648a526b494afee5
CREATE TABLE search_queue (article_id integer NOT NULL, CONSTRAINT search_queue_pkey PRIMARY KEY (article_id));
CREATE TABLE search_settings (
    id integer NOT NULL,
    language character varying(20) NOT NULL,
    CONSTRAINT search_settings_pkey PRIMARY KEY (id)
);
INSERT INTO search_settings (id, language) VALUES (1, 'simple');
CREATE TABLE article_search (
    article_id integer NOT NULL,
    document tsvector NOT NULL,
    CONSTRAINT article_search_pkey PRIMARY KEY (article_id),
    CONSTRAINT article_search_article_id_fkey FOREIGN KEY (article_id) REFERENCES articles(id) ON DELETE CASCADE
);
CREATE INDEX article_search_document_idx ON article_search USING gin (document);
CREATE OR REPLACE FUNCTION byline_search_article() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (article_id) VALUES (NEW.id)
    ON CONFLICT (article_id) DO UPDATE SET article_id = EXCLUDED.article_id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER search_article_inserted AFTER INSERT ON articles FOR EACH ROW EXECUTE FUNCTION byline_search_article();
CREATE OR REPLACE TRIGGER search_article_updated AFTER UPDATE ON articles FOR EACH ROW WHEN (NEW.title IS DISTINCT FROM OLD.title OR NEW.content IS DISTINCT FROM OLD.content OR NEW.author_id IS DISTINCT FROM OLD.author_id) EXECUTE FUNCTION byline_search_article();
CREATE OR REPLACE FUNCTION byline_search_article_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (article_id)
    SELECT id FROM articles WHERE id IN (OLD.article_id, NEW.article_id) ORDER BY id
    ON CONFLICT (article_id) DO UPDATE SET article_id = EXCLUDED.article_id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER search_article_tags_changed AFTER INSERT OR UPDATE OR DELETE ON article_tags FOR EACH ROW EXECUTE FUNCTION byline_search_article_tags();
CREATE OR REPLACE FUNCTION byline_search_tag() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (article_id)
    SELECT article_id FROM article_tags WHERE tag_id = NEW.id ORDER BY article_id
    ON CONFLICT (article_id) DO UPDATE SET article_id = EXCLUDED.article_id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER search_tag_renamed AFTER UPDATE ON tags FOR EACH ROW WHEN (NEW.name IS DISTINCT FROM OLD.name) EXECUTE FUNCTION byline_search_tag();
CREATE OR REPLACE FUNCTION byline_search_author() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (article_id)
    SELECT id FROM articles WHERE author_id = NEW.id ORDER BY id
    ON CONFLICT (article_id) DO UPDATE SET article_id = EXCLUDED.article_id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER search_author_renamed AFTER UPDATE ON users FOR EACH ROW WHEN (NEW.username IS DISTINCT FROM OLD.username OR NEW.display_name IS DISTINCT FROM OLD.display_name) EXECUTE FUNCTION byline_search_author();
ALTER TABLE articles ENABLE ALWAYS TRIGGER search_article_inserted;
ALTER TABLE articles ENABLE ALWAYS TRIGGER search_article_updated;
ALTER TABLE article_tags ENABLE ALWAYS TRIGGER search_article_tags_changed;
ALTER TABLE tags ENABLE ALWAYS TRIGGER search_tag_renamed;
ALTER TABLE users ENABLE ALWAYS TRIGGER search_author_renamed;
INSERT INTO search_queue (article_id) SELECT id FROM articles;

-- down
DROP TRIGGER search_author_renamed ON users;
DROP TRIGGER search_tag_renamed ON tags;
DROP TRIGGER search_article_tags_changed ON article_tags;
DROP TRIGGER search_article_updated ON articles;
DROP TRIGGER search_article_inserted ON articles;
DROP FUNCTION byline_search_author();
DROP FUNCTION byline_search_tag();
DROP FUNCTION byline_search_article_tags();
DROP FUNCTION byline_search_article();
DROP TABLE article_search;
DROP TABLE search_settings;
DROP TABLE search_queue;
