-- up 73521be7864ea2951ab81a3a1751838a61194442b5d631de183d7500e2b0eaf8
ALTER TABLE "users" ADD COLUMN "email_key" varchar(255) NULL;
UPDATE "users" SET "email_key" = lower("email" COLLATE "C") WHERE "id" IN (SELECT min("id") FROM "users" GROUP BY lower("email" COLLATE "C"));
CREATE UNIQUE INDEX "users_email_key_key" ON "users" ("email_key");

-- down
DROP INDEX "users_email_key_key";
ALTER TABLE "users" DROP COLUMN "email_key";
