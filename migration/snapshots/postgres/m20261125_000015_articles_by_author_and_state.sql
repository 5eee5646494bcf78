-- up 2b6808e11591adec1c04c4f62567921711ad6a7cef109e6f69c660155bd686db
CREATE INDEX "articles_published_author_id_created_at_id_idx" ON "articles" ("author_id", "created_at" DESC, "id" DESC) WHERE "published";
CREATE INDEX "articles_drafts_author_id_created_at_id_idx" ON "articles" ("author_id", "created_at" DESC, "id" DESC) WHERE NOT "published";
CREATE INDEX "articles_published_author_id_updated_at_id_idx" ON "articles" ("author_id", "updated_at" DESC, "id" DESC) WHERE "published";
CREATE INDEX "articles_drafts_author_id_updated_at_id_idx" ON "articles" ("author_id", "updated_at" DESC, "id" DESC) WHERE NOT "published";

-- down
DROP INDEX "articles_published_author_id_created_at_id_idx";
DROP INDEX "articles_drafts_author_id_created_at_id_idx";
DROP INDEX "articles_published_author_id_updated_at_id_idx";
DROP INDEX "articles_drafts_author_id_updated_at_id_idx";
