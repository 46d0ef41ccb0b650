//! Compares the operator's permissions with its requests in the earlier tests, from the API server's audit log: with
//! the admission plugin OwnerReferencesPermissionEnforcement, none was missing and none is unused. `make test` runs
//! this program after `operator` and before `packaging`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

use std::collections::BTreeSet;

use sc_auth_e2e::audit::{Request, requests};
use sc_auth_e2e::manifests::{objects, root};
use serde_json::Value;

/// Verb, group and resource.
type Right = (String, String, String);

/// Required only by OwnerReferencesPermissionEnforcement: `delete`, to set an owner reference on an existing object
/// after a change of deletionPolicy; `update` of an owner's finalizers, because children block its deletion.
const ONLY_CHECKED: [(&str, &str, &str); 4] = [
    ("delete", "", "namespaces"),
    ("delete", "", "persistentvolumeclaims"),
    ("delete", "", "secrets"),
    ("update", "sc-auth.io", "scauths/finalizers"),
];

fn right(verb: &str, group: &str, resource: &str) -> Right {
    (verb.to_owned(), group.to_owned(), resource.to_owned())
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

fn given() -> BTreeSet<Right> {
    let mut given = BTreeSet::new();
    for file in ["cluster-role.yaml", "lease-role.yaml"] {
        let text = std::fs::read_to_string(root().join("config/rbac").join(file)).unwrap();
        for role in objects(&text).iter().filter(|object| object["rules"].is_array()) {
            for rule in role["rules"].as_array().unwrap() {
                for group in strings(&rule["apiGroups"]) {
                    for resource in strings(&rule["resources"]) {
                        given.extend(strings(&rule["verbs"]).into_iter().map(|verb| right(verb, group, resource)));
                    }
                }
            }
        }
    }
    given
}

fn used(requests: &[Request]) -> BTreeSet<Right> {
    let mut used = BTreeSet::new();
    for request in requests.iter().filter(|request| !request.resource.is_empty()) {
        used.insert(right(&request.verb, &request.group, &request.resource));
        // A server-side apply of an object that does not exist yet.
        if request.verb == "patch" && request.code == 201 {
            used.insert(right("create", &request.group, &request.resource));
        }
    }
    used
}

#[test]
fn no_permission_is_missing() {
    let (requests, _) = requests(0);
    assert!(requests.len() > 1_000, "the tests in the cluster must run before this one; run `make test`");
    let refused = requests.iter().filter(|request| request.code == 403 && request.message.contains(" cannot "));
    let refused: BTreeSet<_> = refused.map(|request| &request.message).collect();
    assert_eq!(refused, BTreeSet::new());
    let used = used(&requests);
    let not_given: Vec<_> = used.difference(&given()).cloned().collect();
    assert_eq!(not_given, Vec::<Right>::new());
}

#[test]
fn no_permission_is_unused() {
    let mut used = used(&requests(0).0);
    used.extend(ONLY_CHECKED.map(|(verb, group, resource)| right(verb, group, resource)));
    let in_vain: Vec<_> = given().difference(&used).cloned().collect();
    assert_eq!(in_vain, Vec::<Right>::new(), "remove it, or test the code that needs it");
}
