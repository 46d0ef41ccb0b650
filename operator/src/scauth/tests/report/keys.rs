//! Keys that a Secret or ConfigMap lacks are named with that object.

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

/// Volumes of a person with the files of the database.
fn with_volumes() -> Value {
    json!({
        "database": {"external": {"host": "db.test", "name": "auth", "userFile": "/vault/user", "passwordFile": "/vault/pw/a"}},
        "podTemplate": {
            "volumes": [
                {"name": "cfg", "secret": {"secretName": "extra", "items": [{"key": "b", "path": "b"}]}},
                {"name": "db", "secret": {"secretName": "vault"}},
                {"name": "pw", "projected": {"sources": [
                    {"secret": {"name": "other", "items": [{"key": "c", "path": "c"}]}},
                    {"secret": {"name": "pass", "items": [{"key": "p", "path": "a"}]}},
                    {"configMap": {"name": "some", "items": [{"key": "d", "path": "d"}]}},
                ]}},
                {"name": "map", "configMap": {"name": "roots", "items": [{"key": "ca.crt", "path": "ca"}]}},
                {"name": "two", "projected": {"sources": [{"secret": {"name": "x"}}, {"secret": {"name": "y"}}]}},
                {"name": "driver", "csi": {"driver": "secrets-store.csi.k8s.io"}},
            ],
            "volumeMounts": [
                {"name": "db", "mountPath": "/vault"},
                {"name": "pw", "mountPath": "/vault/pw/"},
                {"name": "map", "mountPath": "/tls/ca.pem", "subPath": "ca"},
                {"name": "two", "mountPath": "/two"},
                {"name": "driver", "mountPath": "/csi"},
            ],
        },
    })
}

fn told(words: &str) -> String {
    let troubles = vec![rollout::Trouble { cause: rollout::Cause::Start, message: words.into() }];
    let observed = Observed { troubles, ..Observed::default() };
    let status = status(&scauth(with_volumes()), &observed, &applied(with_volumes(), json!({})), at(0));
    status.conditions[0].message.clone()
}

#[test]
fn a_file_of_a_volume_is_named_with_the_object_and_the_key_behind_it() {
    for (words, expected) in [
        (
            "DB_USER_FILE: /vault/user: No such file or directory",
            "Secret vault has no key user: add it, or correct the path",
        ),
        ("DB_USER_FILE: /vault/user is empty", "key user of Secret vault is empty: give it a value"),
        (
            "DB_PASS_FILE: /vault/pw/a: No such file or directory",
            "Secret pass has no key p: add it, or correct the path",
        ),
        ("DB_TLS_CA_FILE: /tls/ca.pem: No such file or directory", "ConfigMap roots has no key ca.crt: add it"),
    ] {
        let message = told(&format!("pod a, migrate: {words}"));
        assert!(message.starts_with(&format!("pod a, migrate: {expected}")), "{message}");
    }
    // Nobody knows which of two Secrets has that key, and what a driver mounts.
    for file in ["/two/z", "/csi/z", "/vault/pw/z", "/elsewhere/z", "/vault/x/y"] {
        let words = format!("pod a, migrate: DB_USER_FILE: {file}: No such file or directory");
        assert_eq!(told(&words), words);
    }
}

#[test]
fn keys_that_the_kubelet_misses_are_named_with_the_object() {
    let failed =
        |volume: &str, words: &str| format!("pod a: MountVolume.SetUp failed for volume \"{volume}\" : {words}");
    for (words, expected) in [
        ("server: couldn't find key a in Secret tenant/extra".to_owned(), "server: Secret extra has no key a"),
        ("server: couldn't find key a in ConfigMap tenant/some".to_owned(), "server: ConfigMap some has no key a"),
        (failed("cfg", "references non-existent secret key: b"), "pod a: Secret extra has no key b"),
        (failed("pw", "references non-existent secret key: p"), "pod a: Secret pass has no key p"),
        (
            failed("map", "configmap references non-existent config key: ca.crt"),
            "pod a: ConfigMap roots has no key ca.crt",
        ),
        (failed("pw", "configmap references non-existent config key: d"), "pod a: ConfigMap some has no key d"),
    ] {
        let message = told(&words);
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn a_password_in_a_url_is_said_to_be_encoded() {
    let words = "pod a, migrate: password authentication failed for user \"app\"";
    let troubles = vec![rollout::Trouble { cause: rollout::Cause::Start, message: words.into() }];
    let observed = Observed { troubles, ..Observed::default() };
    let status = status(&scauth(external()), &observed, &applied(external(), json!({})), at(0));
    let expected = format!("{words}; in the URL, special characters of the password");
    assert!(status.conditions[0].message.starts_with(&expected), "{}", status.conditions[0].message);
}
