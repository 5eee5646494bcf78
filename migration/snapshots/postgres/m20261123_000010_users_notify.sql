-- up 47ec699b447f5832fdb51d725b5b0ed77a3e1e63f0141eb55743cd26bf4da116
CREATE OR REPLACE FUNCTION byline_users_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('byline_articles', 'all');
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER users_renamed AFTER UPDATE ON users FOR EACH ROW WHEN (NEW.username IS DISTINCT FROM OLD.username) EXECUTE FUNCTION byline_users_renamed();

-- down
DROP TRIGGER users_renamed ON users;
DROP FUNCTION byline_users_renamed();
