//! Pages of a list that is not one of articles: users by time, and users by a computed rank.

use byline::{
    db::{
        Connections, Db,
        keyset::{Keyset, OrderBy},
    },
    http::paging::{Cursor, Neighbours, PageRequest, SortKey},
};
use chrono::{DateTime, TimeDelta, Utc};
use entity::user;
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait as _, DbErr, EntityTrait as _, FromQueryResult, QueryResult,
    QuerySelect as _, QueryTrait as _, Set, TryGetable,
    sea_query::{Alias, Expr, Query, SelectStatement},
};
use serde::{Deserialize, Serialize};

use crate::support::{TestDatabase, migrate, test_settings};

/// The names of the users, created in this order, two at a time.
const NAMES: [&str; 7] = ["ann", "ben", "carla", "dora", "emil", "fay", "gustav"];

/// What defines a list of users: nothing but its order.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct UserList;

/// A row of the list.
#[derive(Clone, Debug)]
struct Row<K> {
    id: i32,
    username: String,
    key: K,
}

impl<K: TryGetable> FromQueryResult for Row<K> {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let (id, username) = (row.try_get(prefix, "id")?, row.try_get(prefix, "username")?);
        Ok(Self { id, username, key: row.try_get(prefix, "key")? })
    }
}

impl<K> Row<K> {
    fn place(&self) -> (K, i32)
    where
        K: Clone,
    {
        (self.key.clone(), self.id)
    }
}

struct Users {
    connections: Connections,
    _database: TestDatabase,
}

impl Users {
    async fn create() -> Self {
        let database = TestDatabase::create().await;
        migrate(&database).await;
        let db = Db::lazy(&test_settings(&database, &[])).unwrap();
        let start = DateTime::<Utc>::from_timestamp(1_700_000_000, 0).unwrap();
        for (number, name) in NAMES.into_iter().enumerate() {
            let at = start + TimeDelta::seconds(i64::try_from(number / 2).unwrap());
            let user = user::ActiveModel {
                email: Set(format!("{name}@example.com")),
                username: Set(name.to_owned()),
                hashed_password: Set(String::new()),
                created_at: Set(at.into()),
                updated_at: Set(at.into()),
                ..Default::default()
            };
            user.insert(&db.writer).await.unwrap();
        }
        Self { connections: db.writer, _database: database }
    }

    async fn read<K>(&self, keyset: &Keyset, part: SelectStatement) -> Vec<Row<K>>
    where
        Row<K>: FromQueryResult,
    {
        let statement = self.connections.get_database_backend().build(&keyset.statement(vec![part]));
        Row::<K>::find_by_statement(statement).all(&self.connections).await.unwrap()
    }

    /// Walks the list to its end in pages of two, and back to its start. Returns the pages of both ways.
    async fn walk<K>(
        &self,
        order: impl Fn() -> OrderBy,
        part: impl Fn() -> SelectStatement,
    ) -> [Vec<Vec<String>>; 2]
    where
        K: SortKey,
        Row<K>: FromQueryResult + Clone,
    {
        let mut cursor: Option<Cursor<UserList, K>> = None;
        let mut pages = [Vec::new(), Vec::new()];
        let mut backward = false;
        loop {
            let request = PageRequest { list: UserList, limit: 2, skip: 0, cursor: cursor.clone() };
            let id = OrderBy { expression: Expr::col(Alias::new("id")), name: "id" };
            let page = request.rows(self.read::<K>(&request.keyset(order(), id, true), part()).await);
            let neighbours = request.neighbours(&page, Row::place);
            pages[usize::from(backward)].push(page.rows.into_iter().map(|row| row.username).collect());
            let Neighbours { previous, next } = neighbours;
            let next = if backward { previous.clone() } else { next };
            match next {
                Some(next) => cursor = Some(Cursor::decode(&next).unwrap()),
                None if backward => return pages,
                None => {
                    backward = true;
                    cursor = Some(Cursor::decode(&previous.unwrap()).unwrap());
                }
            }
        }
    }
}

#[actix_web::test]
async fn users_are_paged_by_time() {
    let users = Users::create().await;
    let part = || {
        let select = user::Entity::find().select_only().columns([user::Column::Id, user::Column::Username]);
        select.column_as(user::Column::CreatedAt, "key").into_query()
    };
    let created = || OrderBy { name: "key", ..user::Column::CreatedAt.into() };
    let [forward, backward] = users.walk::<DateTime<Utc>>(created, part).await;
    assert_eq!(forward, [vec!["gustav", "fay"], vec!["emil", "dora"], vec!["carla", "ben"], vec!["ann"]]);
    assert_eq!(backward, [vec!["carla", "ben"], vec!["emil", "dora"], vec!["gustav", "fay"]]);
}

#[actix_web::test]
async fn users_are_paged_by_a_computed_rank() {
    let users = Users::create().await;
    let part = || {
        let rank = Expr::cust(r#"CAST(LENGTH("username") AS DOUBLE PRECISION)"#);
        let select = user::Entity::find().select_only().columns([user::Column::Id, user::Column::Username]);
        let ranked = select.expr_as(rank, "key").into_query();
        Query::select().expr(Expr::cust("*")).from_subquery(ranked, Alias::new("ranked")).to_owned()
    };
    let rank = || OrderBy { expression: Expr::col(Alias::new("key")), name: "key" };
    let [forward, backward] = users.walk::<f64>(rank, part).await;
    assert_eq!(forward, [vec!["gustav", "carla"], vec!["emil", "dora"], vec!["fay", "ben"], vec!["ann"]]);
    assert_eq!(backward, [vec!["fay", "ben"], vec!["emil", "dora"], vec!["gustav", "carla"]]);
}
