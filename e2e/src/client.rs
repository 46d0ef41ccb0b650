//! A client of the API, through the ingress by host name, or directly to one pod.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::kube::PATIENCE;

/// The password of each account that [`Client::register`] creates.
pub const PASSWORD: &str = "correct horse battery";

/// A variable that the cluster's environment sets.
pub fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set. Run `make test`, or eval \"$(dev/cluster env)\" and \"$(dev/databases env)\".")
    })
}

/// Calls the API at one address.
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

    /// Status and body of an answer: JSON, or else the text. Fails without an answer.
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

    /// The same, for a call that must be answered.
    pub async fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> (u16, Value) {
        self.try_call(method, path, token, body).await.unwrap()
    }

    /// Registers an account, which must succeed.
    pub async fn register(&self, username: &str) {
        let body = json!({
            "username": username, "name": "Some Body", "email": format!("{username}@example.com"), "password": PASSWORD,
        });
        let (status, answer) = self.call("POST", "/api/v1/accounts/register", None, Some(body)).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Logs in, which must succeed. Returns the access and the refresh token.
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

    /// Logs out, which must succeed.
    pub async fn logout(&self, access: &str) {
        assert_eq!(self.call("DELETE", "/api/v1/accounts/logout", Some(access), None).await.0, 200);
    }

    /// Waits until the ingress routes to a server.
    pub async fn answers(&self) {
        self.root_answers(200).await;
    }

    /// Waits until the ingress no longer has a route.
    pub async fn vanishes(&self) {
        self.root_answers(404).await;
    }

    async fn root_answers(&self, status: u16) {
        let what = format!("{} answers {status}", self.base);
        until(&what, async || self.try_call("GET", "/", None, None).await.is_ok_and(|answer| answer.0 == status)).await;
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A client that sends one request after another until it is stopped, and records failures.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    task: JoinHandle<Vec<String>>,
}

impl Load {
    /// `request` fails with the problem of its answer.
    pub fn of<F>(pause: Duration, mut request: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send,
    {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&answered));
        let task = tokio::spawn(async move {
            let mut failures = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                failures.extend(request().await.err());
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(pause).await;
            }
            failures
        });
        Self { stop, answered, task }
    }

    /// Requests the account of a logged-in user.
    pub fn of_me(host: &str, access: &str, pause: Duration) -> Self {
        let (client, access) = (Arc::new(Client::at(host)), access.to_owned());
        Self::of(pause, move || {
            let (client, access) = (Arc::clone(&client), access.clone());
            async move {
                match client.try_call("GET", "/api/v1/accounts/me", Some(&access), None).await {
                    Ok((200, _)) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            }
        })
    }

    /// Waits until `count` more requests have been answered.
    pub async fn goes_on(&self, count: usize) {
        let before = self.answered.load(Ordering::Relaxed);
        until("more requests are answered", async || self.answered.load(Ordering::Relaxed) >= before + count).await;
    }

    /// Stops the client. No request may have failed.
    pub async fn ends_well(self) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.task.await.unwrap();
        let count = self.answered.load(Ordering::Relaxed);
        assert!(failures.is_empty(), "{} of {count} failed: {:?}", failures.len(), &failures[..failures.len().min(5)]);
        assert!(count > 0, "no request was sent");
    }
}
