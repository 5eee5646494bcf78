//! The changes that a write made, and the trait of those that are notified of them.

/// The subject of a change: a table, by its name. Features declare their topics as constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic(u64);

/// A change that a write made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The row with this id was updated or deleted. Affects the row and all lists of its table.
    Row(Topic, i32),
    /// Rows were inserted. Affects all lists of the table, but no row that was read before.
    Inserted(Topic),
    /// Any row of the table may have changed.
    Table(Topic),
    /// Any row of any table may have changed.
    Everything,
}

/// Is notified of changes: a cache.
pub trait ChangeListener: Send + Sync {
    /// Called after each write, before it is acknowledged. A write whose outcome is unknown counts as done.
    fn changed(&self, changes: &[Change]);
}

/// For commands of the command line, which have no cache.
impl ChangeListener for () {
    fn changed(&self, _changes: &[Change]) {}
}

impl Topic {
    /// The topic of the table `name`, without its schema.
    pub const fn new(name: &str) -> Self {
        // FNV-1a, because it can be computed in a constant. Two tables with the same hash would only
        // invalidate each other's entries.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut rest = name.as_bytes();
        while let [byte, following @ ..] = rest {
            #[expect(clippy::as_conversions, reason = "lossless, and `u64::from` is not const")]
            let byte = *byte as u64;
            hash = (hash ^ byte).wrapping_mul(0x0100_0000_01b3);
            rest = following;
        }
        Self(hash)
    }
}

impl Change {
    fn topic(self) -> Option<Topic> {
        match self {
            Self::Row(topic, _) | Self::Inserted(topic) | Self::Table(topic) => Some(topic),
            Self::Everything => None,
        }
    }
}

/// The changes of one transaction.
#[derive(Debug, Default)]
pub(super) struct Changes {
    declared: Vec<Change>,
    /// The tables that statements wrote to.
    written: Vec<Topic>,
    unknown: bool,
}

impl Changes {
    /// Records a change that the writer knows more precisely than the statement shows.
    pub(super) fn declare(&mut self, change: Change) {
        if !self.declared.contains(&change) {
            self.declared.push(change);
        }
    }

    /// Records the table that a statement writes to.
    pub(super) fn record_statement(&mut self, sql: &str) {
        match effect(sql) {
            Effect::None => {}
            Effect::Table(topic) if self.written.contains(&topic) => {}
            Effect::Table(topic) => self.written.push(topic),
            Effect::Unknown => self.unknown = true,
        }
    }

    /// Returns all changes. Declared changes of a table replace those derived from its statements.
    pub(super) fn finish(mut self) -> Vec<Change> {
        if self.unknown {
            return vec![Change::Everything];
        }
        let declared: Vec<Topic> = self.declared.iter().filter_map(|change| change.topic()).collect();
        self.written.retain(|topic| !declared.contains(topic));
        self.declared.extend(self.written.into_iter().map(Change::Table));
        self.declared
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Effect {
    None,
    Table(Topic),
    Unknown,
}

/// Derives what a statement may change from its first words, in the form that sea-query writes. A statement
/// in another form may change anything.
fn effect(sql: &str) -> Effect {
    let sql = sql.trim_start();
    // Several statements, or a literal that looks like several.
    if sql.contains(';') {
        return Effect::Unknown;
    }
    if ["SELECT ", "SAVEPOINT ", "RELEASE ", "ROLLBACK "].iter().any(|verb| sql.starts_with(verb)) {
        return Effect::None;
    }
    let table = ["INSERT INTO ", "UPDATE ", "DELETE FROM "].iter().find_map(|verb| sql.strip_prefix(verb));
    table.and_then(table_name).map_or(Effect::Unknown, |name| Effect::Table(Topic::new(name)))
}

/// The last part of the quoted name that `sql` begins with: `"articles"` or `"public"."articles"`.
fn table_name(sql: &str) -> Option<&str> {
    let (name, rest) = sql.strip_prefix('"')?.split_once('"')?;
    match rest.strip_prefix('.') {
        Some(rest) => table_name(rest),
        // A doubled quote is a quote in the name.
        None => (!rest.starts_with('"')).then_some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARTICLES: Topic = Topic::new("articles");
    const USERS: Topic = Topic::new("users");

    #[test]
    fn the_table_of_a_write_is_recognised() {
        for sql in [
            r#"INSERT INTO "articles" ("title") VALUES ($1) RETURNING "id""#,
            r#"UPDATE "articles" SET "title" = ?"#,
            r#"DELETE FROM "public"."articles" WHERE "id" = 1"#,
        ] {
            assert_eq!(effect(sql), Effect::Table(ARTICLES), "{sql}");
        }
    }

    #[test]
    fn a_read_or_a_savepoint_changes_nothing() {
        for sql in [r#"SELECT "id" FROM "articles""#, "SAVEPOINT one", "RELEASE one", "ROLLBACK TO one"] {
            assert_eq!(effect(sql), Effect::None, "{sql}");
        }
    }

    #[test]
    fn anything_else_may_change_everything() {
        for sql in [
            r#"WITH "old" AS (DELETE FROM "articles" RETURNING *) SELECT * FROM "old""#,
            r#"INSERT OR REPLACE INTO "articles" VALUES (1)"#,
            "UPDATE articles SET title = ''",
            r#"UPDATE "odd""name" SET "x" = 1"#,
            r#"SELECT 1; DELETE FROM "articles""#,
            "DROP TABLE articles",
            "",
        ] {
            assert_eq!(effect(sql), Effect::Unknown, "{sql}");
        }
    }

    #[test]
    fn a_declared_change_replaces_what_the_statements_say_of_its_table_only() {
        let mut changes = Changes::default();
        changes.record_statement(r#"UPDATE "articles" SET "title" = ?"#);
        changes.record_statement(r#"UPDATE "users" SET "username" = ?"#);
        changes.declare(Change::Row(ARTICLES, 7));
        changes.declare(Change::Row(ARTICLES, 7));
        assert_eq!(changes.finish(), [Change::Row(ARTICLES, 7), Change::Table(USERS)]);
    }

    #[test]
    fn a_declared_change_does_not_replace_an_unknown_statement() {
        let mut changes = Changes::default();
        changes.record_statement("TRUNCATE articles");
        changes.declare(Change::Row(ARTICLES, 7));
        assert_eq!(changes.finish(), [Change::Everything]);
    }
}
