-- up 911e7c8eab0661010f6ae3022d86bf0728a3645b0beb94ff8c7db525aba73f8d
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_inserted;
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_updated;
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_deleted;
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_truncated;
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_version_grows;
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_time_inserted;
ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_time_updated;
ALTER TABLE users ENABLE ALWAYS TRIGGER users_renamed;
ALTER TABLE users ENABLE ALWAYS TRIGGER users_email_key_inserted;
ALTER TABLE users ENABLE ALWAYS TRIGGER users_email_key_updated;
ALTER TABLE users ENABLE ALWAYS TRIGGER users_time_inserted;
ALTER TABLE users ENABLE ALWAYS TRIGGER users_time_updated;

-- down
ALTER TABLE articles ENABLE TRIGGER articles_inserted;
ALTER TABLE articles ENABLE TRIGGER articles_updated;
ALTER TABLE articles ENABLE TRIGGER articles_deleted;
ALTER TABLE articles ENABLE TRIGGER articles_truncated;
ALTER TABLE articles ENABLE TRIGGER articles_version_grows;
ALTER TABLE articles ENABLE TRIGGER articles_time_inserted;
ALTER TABLE articles ENABLE TRIGGER articles_time_updated;
ALTER TABLE users ENABLE TRIGGER users_renamed;
ALTER TABLE users ENABLE TRIGGER users_email_key_inserted;
ALTER TABLE users ENABLE TRIGGER users_email_key_updated;
ALTER TABLE users ENABLE TRIGGER users_time_inserted;
ALTER TABLE users ENABLE TRIGGER users_time_updated;
