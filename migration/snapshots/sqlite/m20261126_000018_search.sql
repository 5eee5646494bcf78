-- up 6135ec90d0957a9afafb778a891223f9de0a94a48f61d2af9a499eaceca67913
CREATE TABLE search_queue (article_id integer NOT NULL PRIMARY KEY);
CREATE TABLE article_search (article_id integer NOT NULL PRIMARY KEY, title text NOT NULL, tags text NOT NULL, author text NOT NULL, content text NOT NULL, FOREIGN KEY (article_id) REFERENCES articles (id) ON DELETE CASCADE);
CREATE VIRTUAL TABLE article_fts USING fts5(title, tags, author, content, content='article_search', content_rowid='article_id', tokenize='ascii');
CREATE TRIGGER article_search_inserted AFTER INSERT ON article_search FOR EACH ROW BEGIN INSERT INTO article_fts (rowid, title, tags, author, content) VALUES (NEW.article_id, NEW.title, NEW.tags, NEW.author, NEW.content); END;
CREATE TRIGGER article_search_updated AFTER UPDATE ON article_search FOR EACH ROW BEGIN INSERT INTO article_fts (article_fts, rowid, title, tags, author, content) VALUES ('delete', OLD.article_id, OLD.title, OLD.tags, OLD.author, OLD.content); INSERT INTO article_fts (rowid, title, tags, author, content) VALUES (NEW.article_id, NEW.title, NEW.tags, NEW.author, NEW.content); END;
CREATE TRIGGER article_search_deleted AFTER DELETE ON article_search FOR EACH ROW BEGIN INSERT INTO article_fts (article_fts, rowid, title, tags, author, content) VALUES ('delete', OLD.article_id, OLD.title, OLD.tags, OLD.author, OLD.content); END;
CREATE TRIGGER search_article_inserted AFTER INSERT ON articles FOR EACH ROW BEGIN INSERT INTO search_queue (article_id) VALUES (NEW.id) ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_article_updated AFTER UPDATE ON articles FOR EACH ROW WHEN (NEW.title, NEW.content, NEW.author_id) IS NOT (OLD.title, OLD.content, OLD.author_id) BEGIN INSERT INTO search_queue (article_id) VALUES (NEW.id) ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_article_tags_inserted AFTER INSERT ON article_tags FOR EACH ROW BEGIN INSERT INTO search_queue (article_id) VALUES (NEW.article_id) ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_article_tags_updated AFTER UPDATE ON article_tags FOR EACH ROW BEGIN INSERT INTO search_queue (article_id) VALUES (OLD.article_id) ON CONFLICT DO NOTHING; INSERT INTO search_queue (article_id) VALUES (NEW.article_id) ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_article_tags_deleted AFTER DELETE ON article_tags FOR EACH ROW BEGIN INSERT INTO search_queue (article_id) VALUES (OLD.article_id) ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_tag_renamed AFTER UPDATE ON tags FOR EACH ROW WHEN NEW.name IS NOT OLD.name BEGIN INSERT INTO search_queue (article_id) SELECT article_id FROM article_tags WHERE tag_id = NEW.id ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_author_renamed AFTER UPDATE ON users FOR EACH ROW WHEN (NEW.username, NEW.display_name) IS NOT (OLD.username, OLD.display_name) BEGIN INSERT INTO search_queue (article_id) SELECT id FROM articles WHERE author_id = NEW.id ON CONFLICT DO NOTHING; END;
INSERT INTO search_queue (article_id) SELECT id FROM articles;

-- down
DROP TRIGGER search_author_renamed;
DROP TRIGGER search_tag_renamed;
DROP TRIGGER search_article_tags_deleted;
DROP TRIGGER search_article_tags_updated;
DROP TRIGGER search_article_tags_inserted;
DROP TRIGGER search_article_updated;
DROP TRIGGER search_article_inserted;
DROP TABLE article_fts;
DROP TABLE article_search;
DROP TABLE search_queue;
