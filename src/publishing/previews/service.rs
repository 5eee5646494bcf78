//! Creates, lists, revokes and follows links that show an article.

use chrono::{DateTime, Utc};
use entity::{Visibility, article, article_preview, user};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, Set,
    sea_query::{ExprTrait as _, LockType},
};

use super::schemas::{PreviewCreate, PreviewCreated, PreviewResponse};
use crate::{
    accounts::secrets::{Secrets, new_id},
    db::{Transaction, Writer},
    http::{
        conditional::{Conditional, Conditions},
        error::{Error, Result},
        timestamp::Timestamp,
        validation::{Id, Lifetime},
    },
    publishing::{
        articles::{
            editor::{Editor, NOT_FOUND, check_writable_row, load_writable, visible},
            schemas::ArticleResponse,
            service::load,
        },
        expansions::Expansions,
        rendering::Renderer,
    },
};

/// The most links of an article at the same time.
const MAX_PREVIEWS: u64 = 20;

/// What the secret of a link is derived for.
const PURPOSE: &str = "make a link that shows an article";

const NO_PREVIEW: Error = Error::NotFound("Preview");

/// Creates a link to the article with this id.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Conflict`] if the article has too many links.
pub async fn create_preview(
    writer: &Writer,
    secrets: &Secrets,
    editor: &Editor,
    article_id: Id,
    input: &PreviewCreate,
    now: DateTime<Utc>,
) -> Result<PreviewCreated> {
    let article_id = article_id.get().ok_or(NOT_FOUND)?;
    let PreviewCreate { expires_in: Lifetime(lifetime) } = *input;
    let id = new_id();
    let token = format!("{id}.{}", secrets.derive(PURPOSE, &id)?);
    let row = article_preview::ActiveModel {
        id: Set(id),
        article_id: Set(article_id),
        creator_id: Set(editor.id.0),
        created_at: Set(now.into()),
        expires_at: Set((now + lifetime).into()),
    };
    let editor = editor.clone();
    let insert = async move |txn: &Transaction| {
        // The lock makes concurrent requests count one after the other.
        let article = visible(editor.visibility, article_id).lock(LockType::NoKeyUpdate);
        check_writable_row(article.one(txn).await?, &editor, None)?;
        let of_article = article_preview::Column::ArticleId.eq(article_id);
        let expired = article_preview::Entity::delete_many().filter(of_article.clone());
        expired.filter(article_preview::Column::ExpiresAt.lte(now)).exec(txn).await?;
        if article_preview::Entity::find().filter(of_article).count(txn).await? >= MAX_PREVIEWS {
            return Err(Error::Conflict("The article has too many previews; revoke one first"));
        }
        Ok(row.clone().insert(txn).await?)
    };
    Ok(PreviewCreated { token: token.into(), preview: view(writer.transaction(insert).await?) })
}

/// The links to the article with this id that have not expired, the newest first.
///
/// # Errors
/// [`Error::NotFound`], then [`Error::Forbidden`].
pub async fn list_previews(
    db: &impl ConnectionTrait,
    editor: &Editor,
    article_id: Id,
    now: DateTime<Utc>,
) -> Result<Vec<PreviewResponse>> {
    let article_id = load_writable(db, editor, article_id, None).await?.id;
    let rows = article_preview::Entity::find()
        .filter(article_preview::Column::ArticleId.eq(article_id))
        .filter(article_preview::Column::ExpiresAt.gt(now))
        .order_by_desc(article_preview::Column::CreatedAt)
        .order_by_desc(article_preview::Column::Id)
        .limit(MAX_PREVIEWS);
    Ok(rows.all(db).await?.into_iter().map(view).collect())
}

/// Revokes a link at once.
///
/// # Errors
/// [`Error::NotFound`], then [`Error::Forbidden`]; [`Error::NotFound`] if the article has no such link.
pub async fn revoke_preview(
    writer: &Writer,
    editor: &Editor,
    article_id: Id,
    preview_id: String,
) -> Result<()> {
    let article_id = load_writable(writer.connections(), editor, article_id, None).await?.id;
    if !is_id(&preview_id) {
        return Err(NO_PREVIEW);
    }
    let delete = article_preview::Entity::delete_many()
        .filter(article_preview::Column::ArticleId.eq(article_id))
        .filter(article_preview::Column::Id.eq(preview_id));
    let deleted = writer.statement([], async move |db| delete.exec(db).await.map_err(Error::from));
    if deleted.await?.rows_affected == 0 { Err(NO_PREVIEW) } else { Ok(()) }
}

/// The article that a link shows.
///
/// # Errors
/// [`Error::NotFound`] if the token is not valid: the link expired or was revoked, or its creator changed the password
/// since, is suspended, or may not change the article any more.
pub async fn read_preview(
    db: &impl ConnectionTrait,
    renderer: &Renderer,
    secrets: &Secrets,
    token: &str,
    expand: &Expansions,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    let (id, secret) = token.split_once('.').ok_or(NO_PREVIEW)?;
    if !is_id(id) || !secrets.is_derived(PURPOSE, id, secret)? {
        return Err(NO_PREVIEW);
    }
    let is_author = article::Column::AuthorId.into_expr().eq(user::Column::Id.into_expr());
    // A change of the password ends the sessions of the account. That of the author counts too, if an administrator
    // created the link.
    let created = article_preview::Column::CreatedAt.into_expr();
    let ended = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::Column::SessionsEndedAt.into_expr().gte(created))
        .into_query();
    let article = article_preview::Entity::find_by_id(id)
        .inner_join(article::Entity)
        .inner_join(user::Entity)
        .select_only()
        .column(article_preview::Column::ArticleId)
        .filter(article_preview::Column::ExpiresAt.gt(now))
        .filter(user::Column::IsActive.into_expr())
        .filter(Condition::any().add(is_author).add(user::Column::IsAdmin.into_expr()))
        .filter(article_preview::Column::CreatorId.not_in_subquery(ended.clone()))
        .filter(article::Column::AuthorId.not_in_subquery(ended))
        .into_tuple::<i32>()
        .one(db)
        .await?
        .ok_or(NO_PREVIEW)?;
    // The link is the right to see this one article.
    let article = article::Entity::visible_to(Visibility::All).filter(article::Column::Id.eq(article));
    match load(db, renderer, article, expand, &Conditions::default()).await?.ok_or(NO_PREVIEW)? {
        Conditional::Modified(article, _) => Ok(article),
        Conditional::NotModified(_) => Err(NO_PREVIEW),
    }
}

/// Whether a text has the form of an id.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn view(row: article_preview::Model) -> PreviewResponse {
    let article_preview::Model { id, article_id: _, creator_id, created_at, expires_at } = row;
    let (created_at, expires_at) = (Timestamp(created_at.get()), Timestamp(expires_at.get()));
    PreviewResponse { id, creator_id, created_at, expires_at }
}
