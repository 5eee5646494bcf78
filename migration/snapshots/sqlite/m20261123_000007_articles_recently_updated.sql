-- up 3169b1306b7c9c5078963a5f200b615e6db7ef9a3d4e084063c7e28423af9f2b
CREATE INDEX "articles_updated_at_id_idx" ON "articles" ("updated_at" DESC, "id" DESC);
CREATE INDEX "articles_published_updated_at_id_idx" ON "articles" ("updated_at" DESC, "id" DESC) WHERE "published";
CREATE INDEX "articles_author_id_updated_at_id_idx" ON "articles" ("author_id", "updated_at" DESC, "id" DESC);

-- down
DROP INDEX "articles_author_id_updated_at_id_idx";
DROP INDEX "articles_published_updated_at_id_idx";
DROP INDEX "articles_updated_at_id_idx";
