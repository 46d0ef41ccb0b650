//! Keys and credentials change under load, and no request is refused.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use sc_auth_e2e::client::{Client, Load, PASSWORD, until};
use sc_auth_e2e::database;
use sc_auth_e2e::kube::{eventually, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};
use tokio::sync::Mutex;

const NAME: &str = "e2e-rotation";
const HOST: &str = "rotation.example.com";

/// A client that logs in, and a service that verifies its tokens with published keys, which it caches for some logins.
struct Verifier {
    client: Client,
    logins: usize,
    keys: JwkSet,
}

impl Verifier {
    async fn log_in_and_verify(&mut self) -> Result<(), String> {
        let body = json!({"username": "alice", "password": PASSWORD});
        let answer = self.client.try_call("POST", "/api/v1/accounts/login", None, Some(body)).await;
        let Ok((200, answer)) = answer else { return Err(format!("{answer:?}")) };
        self.logins += 1;
        if self.logins.is_multiple_of(20) {
            self.keys = keys(&self.client).await;
        }
        verify(answer["data"]["access_token"].as_str().unwrap(), &self.keys)
    }
}

async fn log_in_and_verify() -> Load {
    let client = Client::at(HOST);
    let keys = keys(&client).await;
    let verifier = Arc::new(Mutex::new(Verifier { client, logins: 0, keys }));
    Load::of(Duration::from_millis(100), move || {
        let verifier = Arc::clone(&verifier);
        async move { verifier.lock().await.log_in_and_verify().await }
    })
}

async fn keys(client: &Client) -> JwkSet {
    let (status, keys) = client.call("GET", "/.well-known/jwks.json", None, None).await;
    assert_eq!(status, 200);
    serde_json::from_value(keys).unwrap()
}

fn verify(token: &str, keys: &JwkSet) -> Result<(), String> {
    let header = decode_header(token).map_err(|error| error.to_string())?;
    let kid = header.kid.unwrap_or_default();
    let key = keys.find(&kid).ok_or_else(|| format!("{kid} signs and is not published"))?;
    let mut rules = Validation::new(header.alg);
    rules.validate_aud = false;
    decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &rules).map_err(|error| error.to_string())?;
    Ok(())
}

fn states(tenant: &Tenant) -> Vec<String> {
    let keys = tenant.status()["keys"].as_array().cloned().unwrap_or_default();
    let access = keys.iter().filter(|key| key["purpose"] == "access");
    let mut found: Vec<_> = access.map(|key| key["state"].as_str().unwrap().to_owned()).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_database_credentials_change_and_no_request_fails_and_no_pod_restarts() {
    let tenant = Tenant::postgres(NAME).host(HOST);
    tenant.apply().ready();
    let client = tenant.client().await;
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;
    let before = tenant.pod_uids();

    let mut loads = vec![log_in_and_verify().await, Load::of_me(HOST, &access, Duration::from_millis(20))];
    tokio::task::block_in_place(|| {
        run(&["annotate", "scauth", NAME, "sc-auth.io/rotate-keys=e2e"]);
        eventually("the next key is published", || states(&tenant) == ["current", "next"]);
        eventually("it signs", || states(&tenant) == ["current", "retired"]);
        // Another user of the database; both passwords are valid.
        database::postgres_user("e2e_rotation", "e2e_rotated", "another password");
        let server = database::postgres_server();
        tenant.use_database(&server.uri_of("e2e_rotated", "another%20password", "e2e_rotation"));
        let has_seen = |pod: &Value| {
            let name = pod["metadata"]["name"].as_str().unwrap();
            run(&["logs", name, "-n", NAME, "-c", "server"]).contains("the database credentials have changed")
        };
        eventually("both pods have seen it", || tenant.pods().iter().all(has_seen));
        // Open connections stay: only new connections of the pool show the new user.
        loads.extend((0..32).map(|_| Load::of_me(HOST, &access, Duration::from_millis(1))));
        eventually("connections of the other user", || database::connections_of("e2e_rotated") > 0);
    });
    for load in loads {
        load.goes_on(5).await;
        load.ends_well().await;
    }
    let pods = tenant.pods();
    let now: Vec<_> = pods.iter().map(|pod| pod["metadata"]["uid"].clone()).collect();
    assert!(before.iter().all(|uid| now.contains(uid)), "no pod was replaced");
    for pod in &pods {
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
    }

    // A revoked key is no longer published.
    let status = tenant.status();
    let signs =
        status["keys"].as_array().unwrap().iter().find(|key| key["purpose"] == "access" && key["state"] == "current");
    let leaked = signs.unwrap()["kid"].as_str().unwrap().to_owned();
    let (access, _) = client.login("alice", PASSWORD).await;
    run(&["annotate", "scauth", NAME, &format!("sc-auth.io/revoke-key={leaked}")]);
    let each: Vec<_> = pods.iter().map(Client::of_pod).collect();
    until("both pods refuse the leaked key and no longer publish it", async || {
        let mut refusals = 0;
        for pod in &each {
            // Clients refresh a token that is answered with this status.
            let is_refused = pod.me(&access).await == 401;
            refusals += usize::from(is_refused && keys(pod).await.find(&leaked).is_none());
        }
        refusals == each.len()
    })
    .await;
}
