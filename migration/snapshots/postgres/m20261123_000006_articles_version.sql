-- up 1e27241abe89e959d6437f7a6f86e5b9643f9026bd55a4c4be38a09fecb4073d
ALTER TABLE "articles" ADD COLUMN "version" integer NOT NULL DEFAULT 1;

-- down
ALTER TABLE "articles" DROP COLUMN "version";
