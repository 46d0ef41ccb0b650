//! The API as a client sees it: through the ingress by its host name, or one pod directly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

pub const PASSWORD: &str = "correct horse battery";

/// A variable that the cluster's environment sets.
pub fn environment(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set. Run `make test`, or eval \"$(dev/cluster env)\"."))
}

pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    /// Through the ingress.
    pub fn at(host: &str) -> Self {
        let ingress: SocketAddr = format!("{}:80", environment("SCDEV_INGRESS")).parse().unwrap();
        let http = reqwest::Client::builder().resolve(host, ingress).build().unwrap();
        Self { http, base: format!("http://{host}") }
    }

    /// One pod.
    pub fn of_pod(pod: &Value) -> Self {
        let address = pod["status"]["podIP"].as_str().unwrap();
        Self { http: reqwest::Client::new(), base: format!("http://{address}:8000") }
    }

    pub async fn try_call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Result<(u16, Value), reqwest::Error> {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub async fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> (u16, Value) {
        self.try_call(method, path, token, body).await.unwrap()
    }

    pub async fn register(&self, username: &str) {
        let body = json!({
            "username": username, "name": "Some Body", "email": format!("{username}@example.com"), "password": PASSWORD,
        });
        let (status, answer) = self.call("POST", "/api/v1/accounts/register", None, Some(body)).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Access and refresh token.
    pub async fn login(&self, username: &str, password: &str) -> (String, String) {
        let body = json!({"username": username, "password": password});
        let (status, answer) = self.call("POST", "/api/v1/accounts/login", None, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        let token = |name: &str| answer["data"][name].as_str().unwrap().to_owned();
        (token("access_token"), token("refresh_token"))
    }

    /// The status of `GET /api/v1/accounts/me`.
    pub async fn me(&self, access: &str) -> u16 {
        self.call("GET", "/api/v1/accounts/me", Some(access), None).await.0
    }

    pub async fn logout(&self, access: &str) {
        assert_eq!(self.call("DELETE", "/api/v1/accounts/logout", Some(access), None).await.0, 200);
    }

    /// Waits until the ingress has a route to a server.
    pub async fn answers(&self) {
        for _ in 0..150 {
            if matches!(self.try_call("GET", "/", None, None).await, Ok((200, _))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{} does not answer", self.base);
    }

    /// Waits until the ingress has no route any more.
    pub async fn vanishes(&self) {
        for _ in 0..150 {
            if matches!(self.try_call("GET", "/", None, None).await, Ok((404, _))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{} still answers", self.base);
    }
}

/// Asks for a user's own account again and again until told to stop. Returns how often, and what was not 200.
pub async fn stay_logged_in(
    host: &str,
    access: String,
    pause: Duration,
    stop: Arc<AtomicBool>,
) -> (usize, Vec<String>) {
    let client = Client::at(host);
    let (mut asked, mut failures) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        asked += 1;
        match client.try_call("GET", "/api/v1/accounts/me", Some(&access), None).await {
            Ok((200, _)) => {}
            other => failures.push(format!("{other:?}")),
        }
        tokio::time::sleep(pause).await;
    }
    (asked, failures)
}
