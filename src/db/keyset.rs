//! Keyset pagination in SQL: one page of rows ordered by `(key, id)`.
//!
//! A page deep in the list costs the same as the first page, and rows added or removed elsewhere do not shift
//! it.

use sea_orm::{
    ColumnTrait, Order, Value,
    sea_query::{Alias, Asterisk, Expr, ExprTrait as _, Query, SelectStatement, UnionType},
};

/// One of the two expressions that rows are ordered by.
#[derive(Clone, Debug)]
pub struct OrderBy {
    /// The expression, valid inside each part.
    pub expression: Expr,
    /// The name under which each part selects it.
    pub name: &'static str,
}

impl<C: ColumnTrait> From<C> for OrderBy {
    fn from(column: C) -> Self {
        Self { expression: column.into_expr(), name: column.as_str() }
    }
}

/// An order, a position in it, and a page size.
#[derive(Clone, Debug)]
pub struct Keyset {
    /// The sort key: a time or a rank.
    pub key: OrderBy,
    /// The id, which breaks ties.
    pub id: OrderBy,
    /// Whether rows are read from the highest key to the lowest.
    pub descending: bool,
    /// Start after the row with this key and id.
    pub after: Option<(Value, i32)>,
    /// The key of that row as the database has it, if `after` does not contain it exactly.
    pub exact_key: Option<Expr>,
    /// Number of rows to skip.
    pub skip: u64,
    /// Maximum number of rows to read.
    pub limit: u64,
}

impl Keyset {
    /// The statement that reads the page from the union of `parts`, which must be disjoint. Each part is read
    /// in the order of its index and only as far as the page needs, and the parts are merged.
    pub fn statement(&self, parts: Vec<SelectStatement>) -> SelectStatement {
        let direction = || if self.descending { Order::Desc } else { Order::Asc };
        let mut parts: Vec<SelectStatement> = parts
            .into_iter()
            .map(|mut part| {
                if let Some((key, id)) = &self.after {
                    let row = Expr::tuple([self.key.expression.clone(), self.id.expression.clone()]);
                    let key = self.exact_key.clone().unwrap_or_else(|| Expr::val(key.clone()));
                    let place = Expr::tuple([key, Expr::val(*id)]);
                    part.and_where(if self.descending { row.lt(place) } else { row.gt(place) });
                }
                part.order_by_expr(self.key.expression.clone(), direction())
                    .order_by_expr(self.id.expression.clone(), direction())
                    .to_owned()
            })
            .collect();
        if let [only] = parts.as_mut_slice() {
            return only.limit(bounded(self.limit)).offset(bounded(self.skip)).to_owned();
        }
        let reach = bounded(self.limit.saturating_add(self.skip));
        let mut merged = parts.into_iter().enumerate().map(|(number, mut part)| {
            let part = part.limit(reach).to_owned();
            Query::select()
                .column(Asterisk)
                .from_subquery(part, Alias::new(format!("part{number}")))
                .to_owned()
        });
        let mut statement = merged.next().unwrap_or_default();
        for part in merged {
            statement.union(UnionType::All, part);
        }
        statement
            .order_by_expr(Expr::col(Alias::new(self.key.name)), direction())
            .order_by_expr(Expr::col(Alias::new(self.id.name)), direction())
            .limit(bounded(self.limit))
            .offset(bounded(self.skip))
            .to_owned()
    }
}

/// Limits a number of rows to the maximum that both databases accept.
fn bounded(rows: u64) -> u64 {
    Ord::min(rows, i64::MAX.unsigned_abs())
}
