-- up 6b3fc615c0302be97d2e8d07ef539832e18019e6dddd83c3cf3efc859255dfa4
CREATE OR REPLACE FUNCTION byline_time_out_of_range() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
        MESSAGE = format('created_at and updated_at of %s must be between the years 1 and 9999', TG_TABLE_NAME);
END
$$;
CREATE OR REPLACE TRIGGER users_time_inserted BEFORE INSERT ON users FOR EACH ROW WHEN (NEW.created_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00' OR NEW.updated_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00') EXECUTE FUNCTION byline_time_out_of_range();
CREATE OR REPLACE TRIGGER users_time_updated BEFORE UPDATE OF created_at, updated_at ON users FOR EACH ROW WHEN (NEW.created_at <> OLD.created_at AND NEW.created_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00' OR NEW.updated_at <> OLD.updated_at AND NEW.updated_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00') EXECUTE FUNCTION byline_time_out_of_range();
CREATE OR REPLACE TRIGGER articles_time_inserted BEFORE INSERT ON articles FOR EACH ROW WHEN (NEW.created_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00' OR NEW.updated_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00') EXECUTE FUNCTION byline_time_out_of_range();
CREATE OR REPLACE TRIGGER articles_time_updated BEFORE UPDATE OF created_at, updated_at ON articles FOR EACH ROW WHEN (NEW.created_at <> OLD.created_at AND NEW.created_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00' OR NEW.updated_at <> OLD.updated_at AND NEW.updated_at NOT BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00') EXECUTE FUNCTION byline_time_out_of_range();

-- down
DROP TRIGGER users_time_updated ON users;
DROP TRIGGER users_time_inserted ON users;
DROP TRIGGER articles_time_updated ON articles;
DROP TRIGGER articles_time_inserted ON articles;
DROP FUNCTION byline_time_out_of_range();
