//! A real HorizontalPodAutoscaler, with a real metrics-server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sc_auth_e2e::audit::requests;
use sc_auth_e2e::client::{Client, Load, PASSWORD};
use sc_auth_e2e::kube::{eventually, get, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

const NAME: &str = "e2e-autoscaling";
const HOST: &str = "autoscaling.example.com";

/// The lowest number of ready pods until `stop`.
fn watch_the_ready(stop: &AtomicBool) -> i64 {
    let mut fewest = i64::MAX;
    while !stop.load(Ordering::Relaxed) {
        fewest = fewest.min(get("deployment", NAME, NAME)["status"]["readyReplicas"].as_i64().unwrap_or(0));
        std::thread::sleep(Duration::from_millis(200));
    }
    fewest
}

async fn log_in_continuously(stop: Arc<AtomicBool>) {
    let client = Client::at(HOST);
    while !stop.load(Ordering::Relaxed) {
        let body = json!({"username": "alice", "password": PASSWORD});
        // 503 if the queue is full: only the load matters here.
        drop(client.try_call("POST", "/api/v1/accounts/login", None, Some(body)).await);
    }
}

fn replicas() -> i64 {
    get("deployment", NAME, NAME)["spec"]["replicas"].as_i64().unwrap()
}

/// The operator's writes to the Deployment, from the audit log.
fn writes_to_the_deployment(from: usize) -> usize {
    let path = format!("/namespaces/{NAME}/deployments/{NAME}");
    requests(from).0.iter().filter(|request| request.is_write() && request.uri.contains(&path)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_follow_the_load_and_never_fall_below_the_old_number_on_the_way() {
    let tenant = Tenant::postgres(NAME).host(HOST);
    tenant.apply_with(json!({"replicas": 3})).ready();
    let client = tenant.client().await;
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;

    let stop = Arc::new(AtomicBool::new(false));
    let asking = Load::of_me(HOST, &access, Duration::from_millis(20));
    let watch = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || watch_the_ready(&stop))
    };
    tenant.apply_with(json!({"autoscaling": {"min": 3, "max": 4, "cpu": 200}})).ready();
    tokio::task::block_in_place(|| {
        eventually("the autoscaler measures", || {
            let autoscaler = get("hpa", NAME, NAME);
            !autoscaler["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"].is_null()
        });
    });
    let (_, from) = requests(0);
    let idle = Arc::new(AtomicBool::new(false));
    let loads: Vec<_> = (0..6).map(|_| tokio::spawn(log_in_continuously(Arc::clone(&idle)))).collect();
    tokio::task::block_in_place(|| {
        eventually("a fourth pod", || replicas() == 4);
        idle.store(true, Ordering::Relaxed);
        // Only the autoscaler scales it down again.
        eventually("three again", || replicas() == 3);
    });
    for load in loads {
        load.await.unwrap();
    }
    assert_eq!(writes_to_the_deployment(from), 0, "the operator leaves the Deployment to the autoscaler");

    tenant.apply_with(json!({"replicas": 3})).ready();
    assert!(get("hpa", NAME, NAME).is_null());
    run(&["scale", "scauth", NAME, "--replicas", "4"]);
    tenant.ready();
    assert_eq!(replicas(), 4);
    stop.store(true, Ordering::Relaxed);
    assert_eq!(watch.join().unwrap(), 3, "the lowest number of ready pods");
    asking.ends_well().await;
}
