-- up 94994b67f1d3953da518578df5ba3612391de7411e25b9d4d6471f8c19d10369
CREATE INDEX "articles_created_at_id_idx" ON "articles" ("created_at" DESC, "id" DESC);

-- down
DROP INDEX "articles_created_at_id_idx";
