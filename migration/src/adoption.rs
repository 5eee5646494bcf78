//! Checks the rows of a FastAPI blog's database when it is adopted, and reports what the operator must know.

use migration_kit::Adoption;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

/// The FastAPI blog's database.
pub(crate) struct FastApiBlog {
    /// Further messages.
    pub(crate) notices: Vec<String>,
}

/// How many rows a message names.
const NAMED: usize = 10;

#[async_trait::async_trait]
impl Adoption for FastApiBlog {
    async fn notices(&self, txn: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
        let mut notices = vec![hidden_drafts(txn).await?];
        notices.extend(self.notices.iter().cloned());
        for table in ["users", "articles"] {
            notices.extend(times_out_of_range(txn, table).await?);
        }
        Ok(notices)
    }

    async fn wrong_values(&self, txn: &DatabaseTransaction, names: &[&str]) -> Result<Vec<String>, DbErr> {
        let has = |name: &str| names.iter().any(|each| each.ends_with(name));
        if !has("_users_email_key") {
            return Ok(Vec::new());
        }
        let key = match txn.get_database_backend() {
            DbBackend::Postgres => r#"lower(email COLLATE "C")"#,
            _ => "lower(email)",
        };
        let mut wrong = Vec::new();
        let other = format!("SELECT id FROM users WHERE email_key <> {key} ORDER BY id");
        if let Some(ids) = named_ids(txn, &other).await? {
            wrong.push(format!("email_key of users {ids} is not the address in lower case"));
        }
        // Otherwise the migration that has not run yet fills them.
        if has("_users_email_key_fills") {
            let missing = format!(
                "SELECT min(id) AS id FROM users WHERE email_key IS NULL \
                 AND {key} NOT IN (SELECT email_key FROM users WHERE email_key IS NOT NULL) GROUP BY {key} ORDER BY 1"
            );
            if let Some(ids) = named_ids(txn, &missing).await? {
                wrong.push(format!(
                    "email_key of users {ids} is missing (UPDATE users SET email = email WHERE email_key IS NULL \
                     fills it)"
                ));
            }
        }
        Ok(wrong)
    }
}

/// How many articles become hidden. The FastAPI blog showed drafts to everyone, Byline does not.
async fn hidden_drafts(txn: &DatabaseTransaction) -> Result<String, DbErr> {
    let count = "SELECT count(*) AS drafts FROM articles WHERE NOT published";
    let row = txn.query_one_raw(Statement::from_string(txn.get_database_backend(), count)).await?;
    let drafts: i64 = row.map(|row| row.try_get("", "drafts")).transpose()?.unwrap_or(0);
    Ok(match drafts {
        0 => "no drafts: every article stays public".to_owned(),
        1 => "1 draft becomes hidden: only its author sees it (PUBLIC_DRAFTS=true shows it to everyone)"
            .to_owned(),
        _ => format!(
            "{drafts} drafts become hidden: only their authors see them (PUBLIC_DRAFTS=true shows them to everyone)"
        ),
    })
}

/// The rows whose times Byline cannot show as they are.
async fn times_out_of_range(txn: &DatabaseTransaction, table: &str) -> Result<Option<String>, DbErr> {
    if txn.get_database_backend() != DbBackend::Postgres {
        // A migration rewrites them.
        return Ok(None);
    }
    let outside = ["created_at", "updated_at"].map(|column| {
        format!("{column} NOT BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'")
    });
    let query = format!("SELECT id FROM {table} WHERE {} ORDER BY id", outside.join(" OR "));
    Ok(named_ids(txn, &query).await?.map(|ids| {
        format!(
            "warning: a time of {table} {ids} is infinite or not between the years 1 and 9999; it is left as it is, \
             and responses show the nearest time in that range"
        )
    }))
}

/// The ids that a query finds: the first few by number, the others counted. `None` if there are none.
async fn named_ids(txn: &DatabaseTransaction, query: &str) -> Result<Option<String>, DbErr> {
    let rows = txn.query_all_raw(Statement::from_string(txn.get_database_backend(), query)).await?;
    let ids = rows.iter().map(|row| row.try_get::<i32>("", "id")).collect::<Result<Vec<_>, _>>()?;
    let named: Vec<_> = ids.iter().take(NAMED).map(ToString::to_string).collect();
    let others = ids.len().saturating_sub(NAMED);
    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
    Ok((!named.is_empty()).then(|| format!("{}{more}", named.join(", "))))
}
