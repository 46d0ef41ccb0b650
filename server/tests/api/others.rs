//! Two ScAuths on one database detect each other; two replicas of one do not.

use serde_json::json;

use crate::database::{Database, Engine};
use crate::harness::{Server, until};
use crate::identity::deploy;

crate::on_every_database_server!(two_on_one_database_see_each_other);

async fn two_on_one_database_see_each_other(engine: Engine) {
    let (server, mut database) = Server::with_admin(engine).await;
    drop(server);
    let others = async |server: &Server| server.status().await["others"].clone();
    deploy(&database, "one", None);
    let first = Server::start(&database, &[]).await;
    let replica = Server::start(&database, &[]).await;
    until("they are there", async || !database.texts("SELECT id FROM sc_auth_heartbeats").await.is_empty()).await;
    assert_eq!((others(&first).await, others(&replica).await), (json!([]), json!([])));

    // Each Deployment has its own folder.
    let mut second = Database::create(Engine::Sqlite).await;
    second.url = std::mem::take(&mut database.url);
    deploy(&second, "two", None);
    let other = Server::start(&second, &[]).await;
    let seen = |name: &str| json!([{"name": name, "uid": format!("uid-of-{name}"), "created": 1_700_000_000}]);
    until("one is seen", async || others(&other).await == seen("one")).await;
    until("two is seen", async || others(&first).await == seen("two") && others(&replica).await == seen("two")).await;
    second.execute("UPDATE sc_auth_heartbeats SET last_seen_at = last_seen_at - 301").await;
    assert_eq!(others(&first).await, json!([]), "it was not seen for five minutes");

    // One that was deleted just before this one was created has left heartbeats; one that still runs writes more.
    drop(other);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let file = json!({"name": "one", "uid": "uid-of-one", "created": now, "instance": "instance-of-one"});
    std::fs::write(database.folder.path().join("scauth.json"), file.to_string()).unwrap();
    let beat = async |at: u64| {
        let beat = format!("UPDATE sc_auth_heartbeats SET last_seen_at = {at} WHERE uid = 'uid-of-two'");
        second.execute(&beat).await;
    };
    beat(now + 100).await;
    until("the one before does not count", async || others(&first).await == json!([])).await;
    beat(now + 200).await;
    assert_eq!(others(&first).await, seen("two"));
}
