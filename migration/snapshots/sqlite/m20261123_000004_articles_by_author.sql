-- up fb11538e8c982bd6b79fd4f87beef50a16ab275cadcb1f00146a238f6bb5e1dd
CREATE INDEX "articles_author_id_created_at_id_idx" ON "articles" ("author_id", "created_at" DESC, "id" DESC);

-- down
DROP INDEX "articles_author_id_created_at_id_idx";
