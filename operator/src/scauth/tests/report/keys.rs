//! Keys that a Secret lacks are named with the Secret.

use serde_json::{Value, json};

use super::super::{external, scauth};
use super::{applied, at, pod, status};
use crate::scauth::observe::Observed;
use crate::scauth::rollout;

/// The Secret of another service, whose keys have other names.
fn with_the_keys_of_another_service() -> Value {
    json!({
        "database": {"external": {"host": "db.test", "name": "auth",
            "credentialsFrom": {"name": "old", "userKey": "db-user", "passwordKey": "db-pass"},
            "tls": {"mode": "verify-ca", "caFrom": {"name": "ca", "key": "ca.crt"}}}},
        "auth": {"legacyTokens": {"secretKeyFrom": {"name": "legacy", "key": "secret"}}},
    })
}

#[test]
fn a_key_that_a_secret_lacks_is_named_with_the_secret() {
    for (complaint, problem) in [
        (
            "DB_USER_FILE: /run/sc-auth/database/db-user: No such file or directory (os error 2)",
            "Secret old has no key db-user: add it, or correct the key in the spec",
        ),
        ("DB_PASS_FILE: /run/sc-auth/database/db-pass is empty", "key db-pass of Secret old is empty: give it a value"),
        (
            "DB_TLS_CA_FILE: /run/sc-auth/database-ca/ca.crt: No such file or directory",
            "Secret ca has no key ca.crt: add it, or correct the key in the spec",
        ),
        (
            "SECRET_KEY_FILE: /run/sc-auth/legacy/secret: No such file or directory",
            "Secret legacy has no key secret: add it, or correct the key in the spec",
        ),
        (
            "reading /run/sc-auth/database/db-user: Permission denied",
            "reading /run/sc-auth/database/db-user: Permission denied",
        ),
        ("connecting: No such file or directory", "connecting: No such file or directory"),
    ] {
        let spec = with_the_keys_of_another_service();
        let container = json!({"name": "migrate", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": {"terminated": {"exitCode": 1, "message": complaint}}});
        let observed = Observed { troubles: vec![rollout::trouble(&pod(container)).unwrap()], ..Observed::default() };
        let status = status(&scauth(spec.clone()), &observed, &applied(spec, json!({})), at(0));
        for kind in ["Ready", "DatabaseReady"] {
            let message = &status.conditions.iter().find(|condition| condition.type_ == kind).unwrap().message;
            assert_eq!(*message, format!("pod tenant-1, migrate: {problem}"), "{kind}");
        }
    }
}

#[test]
fn keys_that_the_kubelet_misses_are_named_with_the_secret() {
    let mut spec = external();
    spec["podTemplate"] = json!({
        "volumes": [{"name": "cfg", "secret": {"secretName": "extra", "items": [{"key": "b", "path": "b"}]}}],
    });
    for (words, expected) in [
        ("server: couldn't find key a in Secret tenant/extra", "server: Secret extra has no key a"),
        (
            "pod a: MountVolume.SetUp failed for volume \"cfg\" : references non-existent secret key: b",
            "pod a: Secret extra has no key b",
        ),
        (
            "pod a, migrate: password authentication failed for user \"app\"",
            "pod a, migrate: password authentication failed for user \"app\"; in the URL, special characters of the password",
        ),
    ] {
        let troubles = vec![rollout::Trouble { cause: rollout::Cause::Start, message: words.into() }];
        let observed = Observed { troubles, ..Observed::default() };
        let status = status(&scauth(spec.clone()), &observed, &applied(spec.clone(), json!({})), at(0));
        assert!(status.conditions[0].message.starts_with(expected), "{}", status.conditions[0].message);
    }
}
