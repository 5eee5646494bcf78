-- up fa8495945877247ea40c4e199e0553f6776a58c4d60b18817bd161d6da20cd64
CREATE INDEX "articles_published_created_at_id_idx" ON "articles" ("created_at" DESC, "id" DESC) WHERE "published";

-- down
DROP INDEX "articles_published_created_at_id_idx";
