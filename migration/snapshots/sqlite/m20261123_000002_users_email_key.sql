-- up 6cdd6e52d4b3ec4dc5fa24beb0a988b6905aa67aafb87c9b07023c98a279e68d
ALTER TABLE "users" ADD COLUMN "email_key" varchar(255) NULL;
UPDATE "users" SET "email_key" = lower("email") WHERE "id" IN (SELECT min("id") FROM "users" GROUP BY lower("email"));
CREATE UNIQUE INDEX "users_email_key_key" ON "users" ("email_key");

-- down
DROP INDEX "users_email_key_key";
ALTER TABLE "users" DROP COLUMN "email_key";
