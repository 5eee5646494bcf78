-- up 05259eb8ad67a691ba6004d563213afcf82dcb8b3f7d8de1edb375d3a07d4b51
CREATE TABLE "users" ( "id" serial NOT NULL PRIMARY KEY, "email" varchar(255) NOT NULL UNIQUE, "username" varchar(50) NOT NULL UNIQUE, "hashed_password" varchar(255) NOT NULL, "created_at" timestamp with time zone NOT NULL DEFAULT (now()), "updated_at" timestamp with time zone NOT NULL DEFAULT (now()) );
CREATE TABLE "articles" ( "id" serial NOT NULL PRIMARY KEY, "title" varchar(200) NOT NULL, "content" text NOT NULL, "published" bool NOT NULL, "author_id" integer NOT NULL, "created_at" timestamp with time zone NOT NULL DEFAULT (now()), "updated_at" timestamp with time zone NOT NULL DEFAULT (now()), CONSTRAINT "articles_author_id_fkey" FOREIGN KEY ("author_id") REFERENCES "users" ("id") ON DELETE CASCADE );

-- down
DROP TABLE "articles";
DROP TABLE "users";
