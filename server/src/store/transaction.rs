//! Transactions.

use std::future::Future;
use std::pin::Pin;

use sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder};
use sea_query_sqlx::SqlxBinder;
use sqlx::{AssertSqlSafe, MySql, Postgres, Sqlite};

use super::pool::{Driver, PooledConnection};
use super::{AnyRow, Engine, Pools, Store, StoreError, on_engine};

/// A transaction on one engine. It is rolled back when it is dropped.
#[derive(Debug)]
pub enum Tx {
    Sqlite(PooledConnection<Sqlite>),
    MySql(PooledConnection<MySql>),
    Postgres(PooledConnection<Postgres>),
}

/// The future of a transaction's work: boxed, because it borrows the transaction.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

impl Store {
    /// Begins a transaction that will write.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        self.file.check()?;
        // Otherwise two transactions could both read first, and neither could then write.
        Self::begin_with(self.writer(), "BEGIN IMMEDIATE").await
    }

    /// Begins a transaction that only reads.
    pub(super) async fn begin_read(&self) -> Result<Tx, StoreError> {
        Self::begin_with(&self.pool, "BEGIN").await
    }

    async fn begin_with(pool: &Pools, of_sqlite: &'static str) -> Result<Tx, StoreError> {
        Ok(match pool {
            Pools::Sqlite(pool) => Tx::Sqlite(begun(pool.acquire().await?, of_sqlite).await?),
            Pools::MySql(pool) => Tx::MySql(begun(pool.acquire().await?, "BEGIN").await?),
            Pools::Postgres(pool) => Tx::Postgres(begun(pool.acquire().await?, "BEGIN").await?),
        })
    }

    /// Runs `work` in a transaction, and retries all of it if the engine aborted it.
    pub(super) async fn transaction<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send,
        F: for<'a> Fn(&'a mut Tx) -> Work<'a, T> + Send + Sync,
    {
        let once = || async {
            let mut tx = self.begin().await?;
            let result = work(&mut tx).await?;
            tx.commit().await?;
            Ok(result)
        };
        let result = self.attempt(once).await?;
        self.record.has_written();
        Ok(result)
    }
}

async fn begun<D: Driver>(
    mut connection: PooledConnection<D>,
    sql: &'static str,
) -> Result<PooledConnection<D>, StoreError> {
    connection.begin(sql).await?;
    Ok(connection)
}

macro_rules! raw_rows {
    ($tx:ident, $sql:ident) => {{
        let result = sqlx::query_as($sql).persistent(false).fetch_all($tx.inner()?).await;
        Ok($tx.checked(result)?)
    }};
}

macro_rules! raw {
    ($tx:ident, $sql:ident) => {{
        let result = sqlx::raw_sql($sql).execute($tx.inner()?).await;
        $tx.checked(result)?;
        Ok(())
    }};
}

impl Tx {
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::MySql(_) => Engine::MySql,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        let result = match self {
            Self::Sqlite(mut tx) => tx.commit().await,
            Self::MySql(mut tx) => tx.commit().await,
            Self::Postgres(mut tx) => tx.commit().await,
        };
        Ok(result?)
    }

    pub async fn fetch_optional<R: AnyRow>(
        &mut self,
        statement: &(impl SqlxBinder + Sync),
    ) -> Result<Option<R>, StoreError> {
        Ok(self.fetch(statement, true).await?.into_iter().next())
    }

    pub async fn fetch_all<R: AnyRow>(&mut self, statement: &(impl SqlxBinder + Sync)) -> Result<Vec<R>, StoreError> {
        self.fetch(statement, true).await
    }

    /// The same for a statement whose text varies.
    pub async fn fetch_varying<R: AnyRow>(
        &mut self,
        statement: &(impl SqlxBinder + Sync),
    ) -> Result<Vec<R>, StoreError> {
        self.fetch(statement, false).await
    }

    async fn fetch<R: AnyRow>(
        &mut self,
        statement: &(impl SqlxBinder + Sync),
        persistent: bool,
    ) -> Result<Vec<R>, StoreError> {
        on_engine!(Self, self, statement, |sql, values, tx| {
            let query = sqlx::query_as_with(AssertSqlSafe(sql), values);
            let query = query.persistent(persistent && tx.keeps_statements());
            let result = query.fetch_all(tx.inner()?).await;
            Ok(tx.checked(result)?)
        })
    }

    /// Runs a statement without keeping it prepared. Returns the number of matched rows.
    pub async fn execute(&mut self, statement: &(impl SqlxBinder + Sync)) -> Result<u64, StoreError> {
        self.execute_as(statement, false).await
    }

    /// The same, kept prepared.
    pub async fn execute_prepared(&mut self, statement: &(impl SqlxBinder + Sync)) -> Result<u64, StoreError> {
        self.execute_as(statement, true).await
    }

    async fn execute_as(&mut self, statement: &(impl SqlxBinder + Sync), persistent: bool) -> Result<u64, StoreError> {
        on_engine!(Self, self, statement, |sql, values, tx| {
            let query = sqlx::query_with(AssertSqlSafe(sql), values);
            let query = query.persistent(persistent && tx.keeps_statements());
            let result = query.execute(tx.inner()?).await;
            Ok(tx.checked(result)?.rows_affected())
        })
    }

    /// Rows of a query that is written for one engine.
    pub async fn raw_rows<R: AnyRow>(&mut self, sql: &str) -> Result<Vec<R>, StoreError> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(tx) => raw_rows!(tx, sql),
            Self::MySql(tx) => raw_rows!(tx, sql),
            Self::Postgres(tx) => raw_rows!(tx, sql),
        }
    }

    /// Runs a statement that is written for one engine.
    pub async fn raw(&mut self, sql: &str) -> Result<(), StoreError> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(tx) => raw!(tx, sql),
            Self::MySql(tx) => raw!(tx, sql),
            Self::Postgres(tx) => raw!(tx, sql),
        }
    }
}
