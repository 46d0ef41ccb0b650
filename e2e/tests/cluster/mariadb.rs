//! MariaDB, and two replicas.

use std::time::Duration;

use sc_auth_e2e::client::{Client, Load, PASSWORD};
use sc_auth_e2e::kube::{eventually, get, items, run};
use sc_auth_e2e::tenant::Tenant;

const NAME: &str = "e2e-mariadb";
const HOST: &str = "mariadb.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_act_as_one_service_and_no_request_fails_while_they_are_replaced() {
    let tenant = Tenant::mariadb(NAME).host(HOST);
    tenant.apply().ready();
    let both = tenant.pods();
    assert_eq!(both.len(), 2);
    let (first, second) = (Client::of_pod(&both[0]), Client::of_pod(&both[1]));
    first.register("alice").await;
    let (access, _) = first.login("alice", PASSWORD).await;
    assert_eq!(second.me(&access).await, 200);
    second.logout(&access).await;
    assert_eq!(first.me(&access).await, 401);

    let ingress = tenant.client().await;
    let (access, _) = ingress.login("alice", PASSWORD).await;
    let loads: Vec<_> = (0..4).map(|_| Load::of_me(HOST, &access, Duration::from_millis(10))).collect();
    tokio::task::block_in_place(|| {
        let name = both[0]["metadata"]["name"].as_str().unwrap();
        run(&["delete", "pod", name, "-n", NAME, "--wait=false"]);
        eventually("it has drained", || get("pod", name, NAME).is_null());
        tenant.ready();
        run(&["rollout", "restart", "deployment", NAME, "-n", NAME]);
        run(&["rollout", "status", "deployment", NAME, "-n", NAME, "--timeout=240s"]);
        let count = || items("pods", NAME, &format!("sc-auth.io/scauth={NAME}")).len();
        eventually("the last of the old pods has drained", || count() == 2);
    });
    for load in loads {
        load.goes_on(5).await;
        load.ends_well().await;
    }
}
