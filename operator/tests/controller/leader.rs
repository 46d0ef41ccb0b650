//! Who leads, and who comes next.

use std::time::{Duration, Instant};

use crate::harness::{admin, config, eventually};
use crate::operators::{Operator, clean, namespace};

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_leads_within_twenty_seconds_of_a_kill_and_at_once_after_a_stop() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "leader").await;
    let first = Operator::start("first", "leader", config().await, &[]);
    eventually("the first leads", || first.leads()).await;
    let second = Operator::start("second", "leader", config().await, &[]);
    eventually("the second is ready", || async { second.page("/readyz").await.0 == 200 }).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!second.leads().await, "there is one leader");

    let killed = Instant::now();
    first.kill();
    eventually("the second leads", || second.leads()).await;
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());

    let third = Operator::start("third", "leader", config().await, &[]);
    eventually("the third is ready", || async { third.page("/readyz").await.0 == 200 }).await;
    let stopped = Instant::now();
    second.stop().await;
    eventually("the third leads", || third.leads()).await;
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    third.stop().await;
}
