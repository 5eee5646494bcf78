-- up 200d8b3202f630b1d8d592fb69a8381d05cb9c54919810afedd8b7b776cf5410
ALTER TABLE articles ADD COLUMN slug character varying(80);
ALTER TABLE articles ADD COLUMN format character varying(8) NOT NULL DEFAULT 'plain';
ALTER TABLE articles ADD COLUMN excerpt character varying(500);
ALTER TABLE articles ADD COLUMN published_at timestamp with time zone;
ALTER TABLE articles ADD COLUMN scheduled_at timestamp with time zone;
ALTER TABLE articles DISABLE TRIGGER articles_version_grows;
UPDATE articles SET published_at = created_at WHERE published OR hidden;
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_version_grows;
CREATE OR REPLACE FUNCTION byline_publication_time_out_of_range() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
        MESSAGE = format('published_at and scheduled_at of %s must be between the years 1 and 9999', TG_TABLE_NAME);
END
$$;
CREATE OR REPLACE TRIGGER articles_publication_time_inserted BEFORE INSERT ON articles FOR EACH ROW WHEN (NEW.published_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00' OR NEW.scheduled_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00') EXECUTE FUNCTION byline_publication_time_out_of_range();
CREATE OR REPLACE TRIGGER articles_publication_time_updated BEFORE UPDATE OF published_at, scheduled_at ON articles FOR EACH ROW WHEN (NEW.published_at IS DISTINCT FROM OLD.published_at AND NEW.published_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00' OR NEW.scheduled_at IS DISTINCT FROM OLD.scheduled_at AND NEW.scheduled_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00') EXECUTE FUNCTION byline_publication_time_out_of_range();
CREATE OR REPLACE FUNCTION byline_articles_published_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.published_at := CASE TG_OP WHEN 'INSERT' THEN NEW.created_at ELSE now() END;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER articles_published_at_set BEFORE INSERT OR UPDATE ON articles FOR EACH ROW WHEN (NEW.published AND NEW.published_at IS NULL) EXECUTE FUNCTION byline_articles_published_at();
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_publication_time_inserted;
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_publication_time_updated;
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_published_at_set;
CREATE UNIQUE INDEX articles_slug_key ON articles USING btree (slug) WHERE (published OR hidden);
CREATE INDEX articles_drafts_slug_author_id_id_idx ON articles USING btree (slug, author_id, id) WHERE (NOT published);
CREATE INDEX articles_without_slug_id_idx ON articles USING btree (id) WHERE (slug IS NULL);
CREATE INDEX articles_scheduled_at_id_idx ON articles USING btree (scheduled_at, id) WHERE (scheduled_at IS NOT NULL);
CREATE INDEX articles_published_published_at_id_idx ON articles USING btree (published_at DESC, id DESC) WHERE published;
CREATE INDEX articles_published_author_id_published_at_id_idx ON articles USING btree (author_id, published_at DESC, id DESC) WHERE published;
CREATE INDEX articles_drafts_published_at_id_idx ON articles USING btree (published_at DESC, id DESC) WHERE (NOT published AND published_at IS NOT NULL);
CREATE INDEX articles_drafts_author_id_published_at_id_idx ON articles USING btree (author_id, published_at DESC, id DESC) WHERE (NOT published AND published_at IS NOT NULL);
CREATE TABLE slug_redirects (
    slug character varying(80) NOT NULL,
    article_id integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT slug_redirects_pkey PRIMARY KEY (slug)
);
ALTER TABLE slug_redirects ADD CONSTRAINT "fk-slug_redirects-article_id" FOREIGN KEY (article_id) REFERENCES articles(id) ON DELETE CASCADE;
CREATE INDEX "idx-slug_redirects-article_id" ON slug_redirects USING btree (article_id);
CREATE TABLE tags (
    id serial NOT NULL,
    key character varying(200) NOT NULL,
    name character varying(50) NOT NULL,
    CONSTRAINT tags_key_key UNIQUE (key),
    CONSTRAINT tags_pkey PRIMARY KEY (id)
);
CREATE TABLE article_tags (
    article_id integer NOT NULL,
    tag_id integer NOT NULL,
    position integer NOT NULL,
    CONSTRAINT "pk-article_tags" PRIMARY KEY (article_id, tag_id)
);
ALTER TABLE article_tags ADD CONSTRAINT "fk-article_tags-article_id" FOREIGN KEY (article_id) REFERENCES articles(id) ON DELETE CASCADE;
ALTER TABLE article_tags ADD CONSTRAINT "fk-article_tags-tag_id" FOREIGN KEY (tag_id) REFERENCES tags(id);
CREATE INDEX article_tags_tag_id_article_id_idx ON article_tags USING btree (tag_id, article_id);
CREATE TABLE article_revisions (
    id bigserial NOT NULL,
    article_id integer NOT NULL,
    number integer NOT NULL,
    title character varying(200) NOT NULL,
    content text NOT NULL,
    format character varying(8) NOT NULL,
    slug character varying(80),
    tags text NOT NULL,
    editor_id integer,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT article_revisions_pkey PRIMARY KEY (id)
);
ALTER TABLE article_revisions ADD CONSTRAINT "fk-article_revisions-article_id" FOREIGN KEY (article_id) REFERENCES articles(id) ON DELETE CASCADE;
ALTER TABLE article_revisions ADD CONSTRAINT "fk-article_revisions-editor_id" FOREIGN KEY (editor_id) REFERENCES users(id) ON DELETE SET NULL;
CREATE INDEX "idx-article_revisions-editor_id" ON article_revisions USING btree (editor_id);
CREATE UNIQUE INDEX article_revisions_article_id_number_key ON article_revisions USING btree (article_id, number);
CREATE TABLE article_previews (
    id character varying(32) NOT NULL,
    article_id integer NOT NULL,
    creator_id integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT article_previews_pkey PRIMARY KEY (id)
);
ALTER TABLE article_previews ADD CONSTRAINT "fk-article_previews-article_id" FOREIGN KEY (article_id) REFERENCES articles(id) ON DELETE CASCADE;
ALTER TABLE article_previews ADD CONSTRAINT "fk-article_previews-creator_id" FOREIGN KEY (creator_id) REFERENCES users(id) ON DELETE CASCADE;
CREATE INDEX "idx-article_previews-article_id" ON article_previews USING btree (article_id);
CREATE INDEX "idx-article_previews-creator_id" ON article_previews USING btree (creator_id);
CREATE INDEX "idx-article_previews-expires_at" ON article_previews USING btree (expires_at);
CREATE OR REPLACE FUNCTION byline_article_tags_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        touched := 'all';
    ELSE
        SELECT CASE WHEN count(DISTINCT article_id) > 100 THEN 'all' ELSE 'ids ' || string_agg(DISTINCT article_id::text, ',') END
            INTO touched FROM changed;
    END IF;
    IF touched IS NOT NULL THEN
        PERFORM pg_notify('byline_articles', touched);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER article_tags_inserted AFTER INSERT ON article_tags REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byline_article_tags_changed();
CREATE OR REPLACE TRIGGER article_tags_updated AFTER UPDATE ON article_tags REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byline_article_tags_changed();
CREATE OR REPLACE TRIGGER article_tags_deleted AFTER DELETE ON article_tags REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byline_article_tags_changed();
CREATE OR REPLACE TRIGGER article_tags_truncated AFTER TRUNCATE ON article_tags FOR EACH STATEMENT EXECUTE FUNCTION byline_article_tags_changed();
CREATE OR REPLACE FUNCTION byline_tags_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('byline_articles', 'all');
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER tags_changed AFTER UPDATE OR DELETE ON tags FOR EACH ROW EXECUTE FUNCTION byline_tags_changed();
ALTER TABLE article_tags ENABLE ALWAYS TRIGGER article_tags_inserted;
ALTER TABLE article_tags ENABLE ALWAYS TRIGGER article_tags_updated;
ALTER TABLE article_tags ENABLE ALWAYS TRIGGER article_tags_deleted;
ALTER TABLE article_tags ENABLE ALWAYS TRIGGER article_tags_truncated;
ALTER TABLE tags ENABLE ALWAYS TRIGGER tags_changed;

-- down
DROP TABLE article_previews;
DROP TABLE article_revisions;
DROP TABLE article_tags;
DROP TABLE tags;
DROP TABLE slug_redirects;
DROP FUNCTION byline_tags_changed();
DROP FUNCTION byline_article_tags_changed();
DROP TRIGGER articles_published_at_set ON articles;
DROP TRIGGER articles_publication_time_updated ON articles;
DROP TRIGGER articles_publication_time_inserted ON articles;
DROP FUNCTION byline_articles_published_at();
DROP FUNCTION byline_publication_time_out_of_range();
DROP INDEX articles_drafts_author_id_published_at_id_idx;
DROP INDEX articles_drafts_published_at_id_idx;
DROP INDEX articles_published_author_id_published_at_id_idx;
DROP INDEX articles_published_published_at_id_idx;
DROP INDEX articles_scheduled_at_id_idx;
DROP INDEX articles_without_slug_id_idx;
DROP INDEX articles_drafts_slug_author_id_id_idx;
DROP INDEX articles_slug_key;
ALTER TABLE articles DROP COLUMN slug;
ALTER TABLE articles DROP COLUMN format;
ALTER TABLE articles DROP COLUMN excerpt;
ALTER TABLE articles DROP COLUMN published_at;
ALTER TABLE articles DROP COLUMN scheduled_at;
