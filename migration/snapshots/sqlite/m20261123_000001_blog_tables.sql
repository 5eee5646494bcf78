-- up 2245ef84b0cad5a614a4cfcbf4716e062362670571f19cefa40b90cccbff5bfc
CREATE TABLE "users" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "email" varchar(255) NOT NULL UNIQUE, "username" varchar(50) NOT NULL UNIQUE, "hashed_password" varchar(255) NOT NULL, "created_at" timestamp_with_timezone_text NOT NULL, "updated_at" timestamp_with_timezone_text NOT NULL );
CREATE TABLE "articles" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "title" varchar(200) NOT NULL, "content" text NOT NULL, "published" boolean NOT NULL, "author_id" integer NOT NULL, "created_at" timestamp_with_timezone_text NOT NULL, "updated_at" timestamp_with_timezone_text NOT NULL, FOREIGN KEY ("author_id") REFERENCES "users" ("id") ON DELETE CASCADE );

-- down
DROP TABLE "articles";
DROP TABLE "users";
