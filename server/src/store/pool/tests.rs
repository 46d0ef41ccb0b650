mod fake;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Waker};
use std::time::Duration;

use futures::future::join_all;
use sc_auth_contract::status::TroubleReason;
use sea_query::{Alias, Query};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{MySql, Postgres, Sqlite};
use tokio::time::{Instant, sleep, timeout};

use super::driver::prefer_tls;
use super::*;
use crate::store::target::PostgresServers;
use crate::store::{Database, SessionAttrs, Store, StoreError};
use fake::Fake;

const RULES: Rules = Rules {
    size: 8,
    wait: Duration::from_mins(1),
    idle: None,
    lifetime: None,
    is_patient: true,
    busy: TroubleReason::Busy,
};
/// Long enough to connect on a busy machine.
const SHORT: Duration = Duration::from_secs(2);

fn options(fake: &Fake) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(fake.port).username("test");
    options.ssl_mode(PgSslMode::Disable)
}

fn servers(fakes: &[&Fake], needs: SessionAttrs) -> Arc<PostgresServers> {
    Arc::new(PostgresServers::new(fakes.iter().map(|fake| options(fake)).collect(), needs))
}

fn pool(fake: &Fake, rules: Rules) -> Pool<Postgres> {
    Pool::new(servers(&[fake], SessionAttrs::Any), rules, SameDatabase::default())
}

fn embedded(size: u32) -> Pool<Sqlite> {
    let options = "sqlite::memory:".parse().unwrap();
    Pool::new(Box::new(options), Rules { size, ..RULES }, SameDatabase::default())
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_mins(1), "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Lets a future begin, and drops it.
fn begin_and_cancel(future: impl Future) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

/// So many idle connections.
async fn fill(pool: &Pool<Postgres>, count: u32) {
    let connections = join_all((0..count).map(|_| pool.acquire())).await;
    assert!(connections.iter().all(Result::is_ok), "{connections:?}");
}

#[tokio::test]
async fn a_cancelled_caller_leaves_no_connection_behind() {
    let fake = Fake::start().await;
    let pool = pool(&fake, RULES);
    fake.close_door().await;
    begin_and_cancel(pool.acquire());
    assert!(timeout(Duration::from_millis(50), pool.acquire()).await.is_err());
    assert_eq!(pool.count(), (0, 0), "cancelled while it connects");
    fake.open_door();
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.count(), (1, 1));
    fake.silence();
    begin_and_cancel(pool.acquire());
    assert_eq!(pool.count(), (0, 0), "cancelled while it waits for an answer");
    fill(&pool, 8).await;
    assert_eq!(pool.count(), (8, 8), "no permit is lost");
}

#[tokio::test]
async fn a_cancelled_transaction_is_over_before_the_next_caller_has_its_connection() {
    let pool = embedded(1);
    let mut connection = pool.acquire().await.unwrap();
    begin_and_cancel(connection.begin("BEGIN IMMEDIATE"));
    drop(connection);
    let mut connection = pool.acquire().await.unwrap();
    connection.begin("BEGIN IMMEDIATE").await.unwrap();
    begin_and_cancel(connection.commit());
    drop(connection);
    let mut connection = pool.acquire().await.unwrap();
    connection.begin("BEGIN IMMEDIATE").await.unwrap();
    connection.commit().await.unwrap();
    drop(connection);
    until("it is back", async || pool.count() == (1, 1)).await;
}

#[tokio::test]
async fn the_pool_shrinks_to_what_the_server_grants_and_grows_again() {
    let fake = Fake::start().await;
    fake.grant(3);
    let pool = pool(&fake, RULES);
    let held = join_all((0..3).map(|_| pool.acquire())).await;
    let others = join_all((0..5).map(|_| async { pool.acquire().await.map(drop) }));
    let release = async {
        until("it has shrunk", async || pool.0.lock().limit == 3).await;
        drop(held);
    };
    let (results, ()) = tokio::join!(others, release);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(pool.count(), (3, 3));
    fake.grant(100);
    // Callers that wait get the new connections.
    let held = join_all((0..8).map(|_| pool.acquire())).await;
    assert!(held.iter().all(Result::is_ok), "{held:?}");
    drop(held);
    assert_eq!(pool.count(), (8, 8));
    until("nobody asks for more", async || !pool.0.lock().is_growing).await;
    assert_eq!(pool.0.permits.available_permits(), 8);
}

#[tokio::test]
async fn a_caller_learns_why_there_is_no_connection() {
    let fake = Fake::start().await;
    let reason = |error: PoolError| StoreError::from(error).trouble();
    let pool = pool(&fake, Rules { size: 1, wait: SHORT, ..RULES });
    let held = pool.acquire().await.unwrap();
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, PoolError::Busy { granted: 1, reason: TroubleReason::Busy }), "{error}");
    assert_eq!(reason(error), Some(TroubleReason::Busy));
    drop(held);

    fake.grant(1);
    let pool = self::pool(&fake, Rules { wait: SHORT, ..RULES });
    let error = pool.acquire().await.unwrap_err();
    assert_eq!(reason(error), Some(TroubleReason::TooManyConnections), "another program has it");
    fake.grant(2);
    let held = pool.acquire().await.unwrap();
    let error = pool.acquire().await.unwrap_err();
    assert_eq!(reason(error), Some(TroubleReason::TooManyConnections), "its connection is in use");
    let error = pool.acquire().await.unwrap_err();
    assert_eq!(reason(error), Some(TroubleReason::TooManyConnections), "it has shrunk");
    drop(held);

    let fake = Fake::start().await;
    fake.close_door().await;
    let error = self::pool(&fake, Rules { wait: SHORT, ..RULES }).acquire().await.unwrap_err();
    let text = StoreError::from(error);
    assert!(format!("{text:?}").contains("did not answer in time"), "{text:?}");
}

#[tokio::test]
async fn no_connection_is_used_again_that_is_as_old_as_one_that_failed() {
    let fake = Fake::start().await;
    let pool = pool(&fake, RULES);
    fill(&pool, 3).await;
    let held = pool.acquire().await.unwrap();
    pool.renew(Duration::ZERO);
    assert_eq!(pool.count(), (3, 2), "none has failed");

    // While another caller connects.
    let others = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    fake.close_door().await;
    let renew = async {
        until("it connects", async || fake.connects() == 4).await;
        pool.0.lock().failed = Some(Instant::now());
        pool.renew(Duration::from_mins(1));
        fake.open_door();
    };
    let (late, ()) = tokio::join!(pool.acquire(), renew);
    drop((held, others, late.unwrap()));
    assert_eq!(pool.count(), (0, 0));

    fill(&pool, 2).await;
    pool.0.lock().failed = Some(Instant::now());
    pool.renew(Duration::from_mins(1));
    assert_eq!(pool.count(), (2, 2), "new ones fail as well");
}

#[tokio::test]
async fn a_database_that_accepts_no_writes_keeps_its_connections() {
    let fake = Fake::start().await;
    let database = Database::Postgres(servers(&[&fake], SessionAttrs::Any));
    let store = Store::connect(&database, 8).await.unwrap();
    let started = Instant::now();
    let delete = Query::delete().from_table(Alias::new("users")).to_owned();
    for _ in 0..50 {
        let error = store.execute(&delete).await.unwrap_err();
        assert_eq!(error.trouble(), Some(TroubleReason::ReadOnly));
    }
    let most = 2 + usize::try_from(started.elapsed().as_secs()).unwrap();
    assert!(fake.connects() <= most, "{} connects", fake.connects());
}

#[tokio::test]
async fn connections_to_a_machine_without_power_cost_one_caller_one_ping() {
    let fake = Fake::start().await;
    let pool = pool(&fake, RULES);
    fill(&pool, 8).await;
    fake.silence();
    drop(pool.acquire().await.unwrap());
    assert_eq!((pool.count(), fake.connects()), ((1, 1), 9), "the first that does not answer stands for all");
}

#[tokio::test]
async fn a_closed_pool_opens_no_connection() {
    let fake = Fake::start().await;
    let pool = pool(&fake, Rules { size: 1, ..RULES });
    let held = pool.acquire().await.unwrap();
    let waiters = join_all((0..3).map(|_| pool.acquire()));
    let close = async {
        until("the others wait", async || pool.0.permits.available_permits() == 0).await;
        let ((), ()) = tokio::join!(pool.close(), async {
            until("it is closed", async || pool.0.lock().is_closed).await;
            drop(held);
        });
    };
    let (results, ()) = tokio::join!(waiters, close);
    assert!(results.iter().all(|result| matches!(result, Err(PoolError::Closed))), "{results:?}");
    assert!(matches!(pool.acquire().await, Err(PoolError::Closed)));
    assert_eq!((pool.count(), fake.connects()), ((0, 0), 1));
}

#[tokio::test]
async fn a_connection_that_is_dropped_outside_of_a_runtime_is_not_counted() {
    let pool = embedded(2);
    let mut connection = pool.acquire().await.unwrap();
    connection.begin("BEGIN").await.unwrap();
    std::thread::spawn(move || drop(connection)).join().unwrap();
    assert_eq!(pool.count(), (0, 0));
}

#[tokio::test]
async fn the_first_server_that_fits_is_used() {
    let (slow, other) = (Fake::start().await, Fake::start().await);
    // It needs more than its share of the time, and the other does not accept writes.
    other.demote();
    slow.close_door().await;
    let open = async {
        sleep(Duration::from_millis(1_500)).await;
        slow.open_door();
    };
    let both = servers(&[&slow, &other], SessionAttrs::ReadWrite);
    let (connected, ()) = tokio::join!(<Postgres as Driver>::connect(&both), open);
    connected.unwrap();
    assert_eq!((slow.connects(), other.connects()), (1, 1));

    // A server that does not answer at all delays the others by its head start.
    let (dead, well) = (Fake::start().await, Fake::start().await);
    dead.close_door().await;
    let both = servers(&[&dead, &well], SessionAttrs::Any);
    <Postgres as Driver>::connect(&both).await.unwrap();
    <Postgres as Driver>::connect(&both).await.unwrap();
    assert_eq!((dead.connects(), well.connects()), (1, 2), "the one that answered is asked first");

    other.demote();
    let error = <Postgres as Driver>::connect(&servers(&[&dead, &other], SessionAttrs::ReadWrite)).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
}

/// The library has no other sign of these than their texts.
#[tokio::test]
async fn the_texts_of_the_library_are_those_that_are_compared() {
    let fake = Fake::start().await;
    let is_plain = AtomicBool::new(false);
    let options = options(&fake);
    let connect = |encrypted| {
        let mode = if encrypted { PgSslMode::Require } else { PgSslMode::Disable };
        let servers = Arc::new(PostgresServers::new(vec![options.clone().ssl_mode(mode)], SessionAttrs::Any));
        async move { <Postgres as Driver>::connect(&servers).await }
    };
    prefer_tls(&is_plain, "fake", connect).await.unwrap();
    assert!(is_plain.into_inner());

    let options = MySqlConnectOptions::new().host("127.0.0.1").port(fake::mysql().await).username("u").password("p");
    let connect = |mode| {
        let server = MySqlServer::new(Box::new(options.clone().ssl_mode(mode)));
        async move { <MySql as Driver>::connect(&server).await }
    };
    let error = StoreError::from(connect(MySqlSslMode::Preferred).await.unwrap_err());
    assert!(matches!(error, StoreError::Unencrypted), "{error:?}");
}
