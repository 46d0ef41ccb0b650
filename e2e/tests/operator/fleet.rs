//! A new release of the operator upgrades a fleet: one ScAuth after another, until the first failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sc_auth_e2e::audit::{Request, requests};
use sc_auth_e2e::kube::{condition, eventually, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

use crate::operator;

const AUTOMATIC: [&str; 3] = ["e2e-fleet-a", "e2e-fleet-b", "e2e-fleet-c"];
const MANUAL: &str = "e2e-fleet-manual";

fn start(name: &'static str, upgrade: &str) -> Tenant {
    let tenant = Tenant::postgres(name).with(json!({"replicas": 1, "upgrade": upgrade}));
    tenant.apply();
    tenant
}

fn image(tenant: &Tenant) -> Value {
    tenant.status()["image"].clone()
}

/// The highest number of ScAuths that were not Ready at the same time, until `stop`.
fn watch(stop: &AtomicBool) -> usize {
    let mut most = 0;
    while !stop.load(Ordering::Relaxed) {
        let list: Value = serde_json::from_str(&run(&["get", "scauth", "-o", "json"])).unwrap();
        let fleet = list["items"].as_array().unwrap().iter();
        let fleet = fleet.filter(|one| AUTOMATIC.iter().any(|name| one["metadata"]["name"] == *name));
        let is_ready = |one: &&Value| {
            let mut conditions = one["status"]["conditions"].as_array().unwrap().iter();
            conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        most = most.max(fleet.filter(|one| !is_ready(one)).count());
        std::thread::sleep(Duration::from_millis(200));
    }
    most
}

/// Triggers two reconciles. The second begins when the first has finished.
fn is_looked_at(name: &str) {
    for look in ["first", "second"] {
        let from = requests(0).1;
        run(&["annotate", "scauth", name, "--overwrite", &format!("example.com/look={look}")]);
        eventually("the operator looks at it", || {
            let looks =
                |request: &Request| request.verb == "get" && request.uri.contains(&format!("deployments/{name}"));
            requests(from).0.iter().any(looks)
        });
    }
}

#[test]
fn automatic_upgrades_stop_at_the_first_failure_and_continue_with_the_next_release() {
    let _alone = operator::alone();
    let automatic = AUTOMATIC.map(|name| start(name, "Automatic"));
    let manual = start(MANUAL, "Manual");
    let all = || automatic.iter().chain([&manual]);
    all().for_each(Tenant::ready);
    let old = image(&manual);
    let before: Vec<_> = all().map(Tenant::pod_uids).collect();

    operator::offer("docker.io/local/broken:1");
    eventually("the first one tries", || condition(AUTOMATIC[0], "Ready")["reason"] == "ImagePullFailed");
    eventually("the next one waits for it", || {
        let message = condition(AUTOMATIC[1], "Ready")["message"].as_str().unwrap_or_default().to_owned();
        message.contains(AUTOMATIC[0])
    });
    for name in [AUTOMATIC[1], AUTOMATIC[2], MANUAL] {
        is_looked_at(name);
    }
    assert_eq!([image(&automatic[1]), image(&automatic[2]), image(&manual)], [old.clone(), old.clone(), old.clone()]);
    let now: Vec<_> = all().map(Tenant::pod_uids).collect();
    assert!(before[0].iter().all(|uid| now[0].contains(uid)), "the old pod of the failed one still serves");
    assert_eq!(before[1..], now[1..], "the others do not change");

    let good = old.as_str().unwrap().replace("registry.example.com/", "docker.io/local/");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&stop));
        operator::offer(&good);
        eventually("all have it", || automatic.iter().all(|tenant| image(tenant) == good.as_str()));
        automatic.iter().for_each(Tenant::ready);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(watch.join().unwrap(), 1, "one after another");
    });
    assert_eq!(manual.pod_uids(), before[3], "without automatic upgrades, the pods stay");
    let columns = run(&["get", "scauth", MANUAL]);
    assert!(columns.contains(env!("CARGO_PKG_VERSION")), "the new release is shown: {columns}");
    run(&["delete", "scauth", AUTOMATIC[0], AUTOMATIC[1], AUTOMATIC[2], MANUAL]);
    operator::offer_the_default();
}
