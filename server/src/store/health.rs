//! Checks whether the database can be used.

use sea_query::{Alias, Expr, ExprTrait as _, Query, SelectStatement, UnionType};

use super::record::is_about_writes;
use super::schema::{TABLES, Table, VERSION, VERSIONS};
use super::{Engine, Identity, Store, StoreError};

/// The result of the check.
#[derive(Debug)]
pub struct Health {
    /// The version of the schema.
    pub schema: Option<i32>,
    pub identity: Option<Identity>,
    /// Whether the tables can be read and written. A running server continues after a later one has changed the schema.
    pub is_usable: bool,
}

impl Store {
    /// # Errors
    /// If the database is unavailable.
    pub async fn health(&self) -> Result<Health, StoreError> {
        let version = match self.version().await {
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            result => result.ok().flatten(),
        };
        let identity = self.identity().await.ok().flatten();
        let is_usable = match version {
            Some((version,)) => self.can_read(version).await && self.can_write().await,
            None => false,
        };
        Ok(Health { schema: version.map(|(version,)| version), identity, is_usable })
    }

    async fn version(&self) -> Result<Option<(i32,)>, StoreError> {
        let select = Query::select()
            .column(Alias::new("version"))
            .from(Alias::new(VERSIONS.name))
            .and_where(Expr::col(Alias::new("id")).eq(1))
            .to_owned();
        self.fetch_optional(&select).await
    }

    /// Reads a row of the users, and checks that each column of all tables exists.
    async fn can_read(&self, version: i32) -> bool {
        let user = Query::select().column(Alias::new("id")).from(Alias::new("users")).limit(1).to_owned();
        if self.file.check().is_err() || self.fetch_optional::<(i32,)>(&user).await.is_err() {
            return false;
        }
        // A later schema may lack some of the other tables.
        let needed = |table: &&Table| version <= VERSION || ["users", "roles", "sessions"].contains(&table.name);
        let columns = TABLES.iter().filter(needed).map(columns_of).reduce(|mut all, table| {
            all.union(UnionType::All, table);
            all
        });
        match columns {
            Some(columns) => self.fetch_optional::<(i32,)>(&columns).await.is_ok(),
            None => true,
        }
    }

    /// Writes no row unless there was trouble with writing: then it tries whether that is over. Asks an embedded database
    /// only then, since another connection may hold its lock for long.
    async fn can_write(&self) -> bool {
        let is_in_trouble = || self.trouble().is_some_and(|trouble| is_about_writes(trouble.reason));
        let had_trouble = is_in_trouble();
        if !had_trouble && self.engine() == Engine::Sqlite {
            return true;
        }
        let update = Query::update()
            .table(Alias::new(VERSIONS.name))
            .value(Alias::new("version"), Expr::col(Alias::new("version")))
            .and_where(Expr::col(Alias::new("id")).eq(i32::from(had_trouble)))
            .to_owned();
        self.execute(&update).await.is_ok() && !is_in_trouble()
    }
}

/// A query that returns no rows, and fails if a column is missing.
fn columns_of(table: &Table) -> SelectStatement {
    let mut select = Query::select();
    select.expr(Expr::cust("1")).from(Alias::new(table.name)).and_where(Expr::cust("1 = 0"));
    for column in table.columns {
        select.and_where(Expr::col(Alias::new(column.name)).is_not_null());
    }
    select
}
