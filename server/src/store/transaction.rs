//! Transactions.

use std::future::Future;
use std::pin::Pin;

use backon::Retryable as _;
use sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder};
use sea_query_sqlx::SqlxBinder;
use sqlx::{AssertSqlSafe, MySql, Postgres, Sqlite, Transaction};

use super::{AnyRow, Engine, Pool, Store, StoreError, backoff, on_engine};

/// A transaction on one engine. It is rolled back when it is dropped.
#[derive(Debug)]
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    MySql(Transaction<'static, MySql>),
    Postgres(Transaction<'static, Postgres>),
}

/// The future of a transaction's work: boxed, because it borrows the transaction.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

impl Store {
    /// Begins a transaction that will write.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        self.file.check()?;
        Ok(match &self.pool {
            // Otherwise two transactions could both read first, and neither could then write.
            Pool::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Pool::MySql(pool) => Tx::MySql(pool.begin().await?),
            Pool::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Begins a transaction that only reads.
    pub(super) async fn begin_read(&self) -> Result<Tx, StoreError> {
        match &self.pool {
            Pool::Sqlite(pool) => Ok(Tx::Sqlite(pool.begin().await?)),
            Pool::MySql(_) | Pool::Postgres(_) => self.begin().await,
        }
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
        once.retry(backoff()).when(StoreError::is_transient).await
    }
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
            Self::Sqlite(tx) => tx.commit().await,
            Self::MySql(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        };
        Ok(result?)
    }

    pub async fn fetch_optional<R: AnyRow>(
        &mut self,
        statement: &(impl SqlxBinder + Sync),
    ) -> Result<Option<R>, StoreError> {
        on_engine!(Self, self, statement, |sql, values, tx| {
            Ok(sqlx::query_as_with(AssertSqlSafe(sql), values).fetch_optional(&mut **tx).await?)
        })
    }

    pub async fn fetch_all<R: AnyRow>(&mut self, statement: &(impl SqlxBinder + Sync)) -> Result<Vec<R>, StoreError> {
        on_engine!(Self, self, statement, |sql, values, tx| {
            Ok(sqlx::query_as_with(AssertSqlSafe(sql), values).fetch_all(&mut **tx).await?)
        })
    }

    /// The same for a statement whose text varies.
    pub async fn fetch_varying<R: AnyRow>(
        &mut self,
        statement: &(impl SqlxBinder + Sync),
    ) -> Result<Vec<R>, StoreError> {
        on_engine!(Self, self, statement, |sql, values, tx| {
            Ok(sqlx::query_as_with(AssertSqlSafe(sql), values).persistent(false).fetch_all(&mut **tx).await?)
        })
    }

    /// Runs a statement without keeping it prepared. Returns the number of matched rows.
    pub async fn execute(&mut self, statement: &(impl SqlxBinder + Sync)) -> Result<u64, StoreError> {
        on_engine!(Self, self, statement, |sql, values, tx| {
            Ok(sqlx::query_with(AssertSqlSafe(sql), values).persistent(false).execute(&mut **tx).await?.rows_affected())
        })
    }

    /// The same, kept prepared.
    pub async fn execute_prepared(&mut self, statement: &(impl SqlxBinder + Sync)) -> Result<u64, StoreError> {
        on_engine!(Self, self, statement, |sql, values, tx| {
            Ok(sqlx::query_with(AssertSqlSafe(sql), values).execute(&mut **tx).await?.rows_affected())
        })
    }

    /// Rows of a query that is written for one engine.
    pub async fn raw_rows<R: AnyRow>(&mut self, sql: &str) -> Result<Vec<R>, StoreError> {
        let sql = AssertSqlSafe(sql.to_owned());
        Ok(match self {
            Self::Sqlite(tx) => sqlx::query_as(sql).persistent(false).fetch_all(&mut **tx).await?,
            Self::MySql(tx) => sqlx::query_as(sql).persistent(false).fetch_all(&mut **tx).await?,
            Self::Postgres(tx) => sqlx::query_as(sql).persistent(false).fetch_all(&mut **tx).await?,
        })
    }

    /// Runs a statement that is written for one engine.
    pub async fn raw(&mut self, sql: &str) -> Result<(), StoreError> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ())?,
            Self::MySql(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ())?,
            Self::Postgres(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ())?,
        }
        Ok(())
    }
}
