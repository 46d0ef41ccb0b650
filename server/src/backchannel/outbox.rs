//! The loop that empties the outbox. A replica claims a row before it sends, so that no two send it at once, and removes it
//! afterwards.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hyper::StatusCode;
use sc_auth_contract::declared::DeclaredClient;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::sleep;

use super::outages::Outages;
use super::request::{Answer, Sender};
use super::retries::retry_at;
use crate::auth::oidc::tokens::{LogoutClaims, sign_logout};
use crate::auth::oidc::{OpenId, Present};
use crate::auth::session::{Sessions, random_uuid};
use crate::clock::Clock;
use crate::logging;
use crate::metrics::LogoutTokenOutcome;
use crate::store::{PendingLogout, StoreError};

/// The most requests at once, and to one application.
const MAX_REQUESTS: usize = 8;
const MAX_REQUESTS_PER_CLIENT: usize = 2;
/// The time between two looks at the outbox, and the same after an error of the database.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
const ERROR_BACKOFF: Duration = Duration::from_secs(30);
/// How long a replica has to send what it has claimed, several times the limit of a request.
const LEASE: Duration = Duration::from_mins(1);

struct Outbox {
    sessions: Arc<Sessions>,
    openid: Arc<OpenId>,
    sender: Arc<Sender>,
    clock: Clock,
    outages: Outages,
}

/// The requests in progress: each is a task of its own, since it may wait for a connection to the database while the loop
/// waits for one too. They end when this is dropped.
#[derive(Default)]
struct Requests {
    tasks: JoinSet<()>,
    clients: HashMap<task::Id, String>,
}

/// Sends what is due, until it is dropped.
pub async fn run(sessions: Arc<Sessions>, openid: Arc<OpenId>, sender: Arc<Sender>, clock: Clock) {
    let outbox = Arc::new(Outbox { sessions, openid, sender, clock, outages: Outages::default() });
    let mut requests = Requests::default();
    loop {
        let mut claimed = Vec::new();
        let result = outbox.claim(requests.count_by_client(), &mut claimed).await;
        // What was claimed before the error is sent.
        for logout in claimed {
            requests.begin(Arc::clone(&outbox), logout);
        }
        let pause = match result {
            Ok(()) => POLL_INTERVAL,
            Err(error) => {
                let error = logging::chain(&error);
                tracing::warn!(error, "could not claim logouts; retrying in {} s", ERROR_BACKOFF.as_secs());
                ERROR_BACKOFF
            }
        };
        let is_failed = pause == ERROR_BACKOFF;
        let next = sleep(pause);
        tokio::pin!(next);
        // A request that ends makes room for the next one; after an error, nothing is claimed for a while.
        loop {
            tokio::select! {
                Some(ended) = requests.tasks.join_next_with_id() => requests.end(ended),
                () = &mut next => break,
            }
            if !is_failed {
                break;
            }
        }
    }
}

impl Requests {
    fn count_by_client(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for client in self.clients.values() {
            *counts.entry(client.clone()).or_default() += 1;
        }
        counts
    }

    fn begin(&mut self, outbox: Arc<Outbox>, logout: PendingLogout) {
        let client = logout.client.clone();
        let task = self.tasks.spawn(async move { outbox.deliver(&logout).await });
        self.clients.insert(task.id(), client);
    }

    fn end(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                let id = error.id();
                tracing::error!(error = logging::chain(&error), "the sending of a logout token failed");
                id
            }
        };
        self.clients.remove(&id);
    }
}

impl Outbox {
    /// Claims as much as can be sent at once; `counts` are the requests in progress. An application that has as many as it can
    /// have does not keep the others waiting, however long its backlog is.
    async fn claim(
        &self,
        mut counts: BTreeMap<String, usize>,
        claimed: &mut Vec<PendingLogout>,
    ) -> Result<(), StoreError> {
        if self.openid.present().is_none() {
            return Ok(());
        }
        let (now, store) = ((self.clock)(), &self.sessions.store);
        loop {
            let room = MAX_REQUESTS.saturating_sub(counts.values().sum());
            if room == 0 {
                return Ok(());
            }
            let is_full =
                |(client, count): (&String, &usize)| (*count >= MAX_REQUESTS_PER_CLIENT).then(|| client.clone());
            let mut except = self.outages.clients(Instant::now());
            except.extend(counts.iter().filter_map(is_full));
            let before = claimed.len();
            for logout in store.due_logouts(now, &except, room as u64).await? {
                let count = counts.entry(logout.client.clone()).or_default();
                if *count < MAX_REQUESTS_PER_CLIENT
                    && let Some(logout) = store.claim_logout(logout, now + LEASE).await?
                {
                    *count += 1;
                    claimed.push(logout);
                }
            }
            if claimed.len() == before {
                return Ok(());
            }
        }
    }

    async fn deliver(&self, logout: &PendingLogout) {
        let result = match self.send(logout).await {
            Ok(Delivery::Refused(status)) => {
                self.outages.end(&logout.client);
                self.failed(logout, &refusal(status), None).await
            }
            Ok(outcome) => {
                self.outages.end(&logout.client);
                let sent = u64::from(outcome == Delivery::Confirmed);
                self.sessions.metrics.count_logout_tokens(LogoutTokenOutcome::Sent, sent);
                self.sessions.store.remove_logout(logout).await
            }
            Err(error) => {
                let pause = self.outages.note(&logout.client, Instant::now());
                self.failed(logout, &logging::chain(error.as_ref()), Some(pause)).await
            }
        };
        if let Err(error) = result {
            tracing::warn!(error = logging::chain(&error), "could not record that a logout token was sent");
        }
    }

    async fn send(&self, logout: &PendingLogout) -> anyhow::Result<Delivery> {
        let present = self.openid.present().context("the clients or the keys cannot be read")?;
        let client_id = DeclaredClient::id_of_key(&logout.client);
        let declared = present.declared.find(client_id).filter(|client| client.key() == logout.client);
        // It may be declared again in a moment. After an hour without it, its rows are deleted.
        let declared = declared.context("the application is not declared")?;
        let Some(uri) = declared.backchannel_uri() else { return Ok(Delivery::Unwanted) };
        let token = self.token(&present, logout, declared)?;
        Ok(match self.sender.post(&uri, &token).await? {
            Answer::Confirmed => Delivery::Confirmed,
            Answer::Refused(status) => Delivery::Refused(status),
        })
    }

    /// Each attempt has a token of its own: the application may have seen the one before.
    fn token(&self, present: &Present, logout: &PendingLogout, declared: &DeclaredClient) -> anyhow::Result<String> {
        let (jti, now) = (random_uuid(&mut rand::rng()).to_string(), (self.clock)());
        let (issuer, id) = (&self.openid.issuer, &declared.client_id);
        let claims = LogoutClaims::new(issuer, id, &logout.sub, logout.sid(), jti, now);
        sign_logout(present.keys.signing(declared.id_token_algorithm), &claims)
    }

    /// `pause` is how long the application gets nothing, if it is down: its other logouts wait too.
    async fn failed(&self, logout: &PendingLogout, error: &str, pause: Option<Duration>) -> Result<(), StoreError> {
        let (now, store, metrics) = ((self.clock)(), &self.sessions.store, &self.sessions.metrics);
        let (client, attempts) = (DeclaredClient::id_of_key(&logout.client), logout.attempts);
        if let Some(pause) = pause {
            store.postpone_others(logout, now, now + pause).await?;
        }
        if let Some(until) = retry_at(logout.created_at, attempts, now) {
            tracing::warn!(client, attempts, error, "could not send a logout token to an application; retrying");
            metrics.count_logout_tokens(LogoutTokenOutcome::Failed, 1);
            store.postpone_logout(logout, until.max(now + pause.unwrap_or_default())).await
        } else {
            tracing::warn!(client, attempts, error, "could not send a logout token to an application within a day");
            metrics.count_logout_tokens(LogoutTokenOutcome::Expired, 1);
            store.remove_logout(logout).await
        }
    }
}

fn refusal(status: StatusCode) -> String {
    let hint = if status.is_redirection() { ", and redirects are not followed" } else { "" };
    format!("it was answered with {status}{hint}")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Confirmed,
    Refused(StatusCode),
    /// The application no longer declares an address.
    Unwanted,
}
