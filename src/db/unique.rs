//! Which unique constraint a statement violated.

use sea_orm::{DbErr, RuntimeErr};

/// The violated constraint: its name on PostgreSQL (`users_email_key`), its columns on SQLite (`users.email`).
/// `None` if the error is another one. A statement that violates several constraints reports one of them.
pub fn violated_unique(error: &DbErr) -> Option<&str> {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return None;
    };
    let sqlx::Error::Database(answer) = cause.as_ref() else { return None };
    let constraint =
        answer.constraint().or_else(|| answer.message().strip_prefix("UNIQUE constraint failed: "));
    constraint.filter(|_| answer.is_unique_violation())
}
