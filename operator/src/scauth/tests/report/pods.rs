//! What is said of pods that the kubelet has given up.

use serde_json::{Value, json};

use super::super::{external, scauth};
use super::{applied, at, condition, pair, status};
use crate::scauth::observe::Observed;
use crate::scauth::rollout::{self, Pod, Trouble};

fn pod(name: &str, status: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": {}, "status": status})).unwrap()
}

/// As the kubelet leaves it, with the container that it killed.
fn evicted() -> Pod {
    let container = json!({"name": "server", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 137, "reason": "Error"}}});
    pod(
        "a",
        json!({"phase": "Failed", "reason": "Evicted",
        "message": "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
        "containerStatuses": [container]}),
    )
}

fn ready(troubles: Vec<Trouble>) -> ((String, String), String) {
    let observed = Observed { troubles, ..Observed::default() };
    let status = status(&scauth(external()), &observed, &applied(external(), json!({})), at(0));
    (condition(&status, "Ready"), status.conditions[0].message.clone())
}

#[test]
fn an_evicted_pod_has_the_kubelet_s_words() {
    let trouble = rollout::trouble(&evicted()).unwrap();
    let words = "pod a failed: Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.";
    assert_eq!(ready(vec![trouble]), (pair("False", "PodFailed"), words.to_owned()));
    let bare = rollout::trouble(&pod("a", json!({"phase": "Failed"}))).unwrap();
    assert_eq!(bare.message, "pod a failed: Failed: the kubelet gave no message");
}

#[test]
fn what_keeps_a_present_pod_from_running_comes_before_one_that_was_evicted() {
    let waiting = json!([{"name": "server", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}]);
    let mount = json!({"apiVersion": "v1", "kind": "Event", "metadata": {}, "message": "no such volume"});
    for (present, reason) in [
        (
            rollout::trouble(&pod("b", json!({"phase": "Pending", "containerStatuses": waiting}))).unwrap(),
            "ImagePullFailed",
        ),
        (rollout::failed_mount("b", &serde_json::from_value(mount).unwrap()), "MountFailed"),
    ] {
        let troubles = vec![rollout::trouble(&evicted()).unwrap(), present];
        assert_eq!(ready(troubles).0, pair("False", reason));
    }
    assert!(!rollout::is_being_created(&evicted()));
}
