//! The last answer of each ScAuth's pods, and when the next poll is due. An answer is dropped when the pods change: it
//! does not describe their successors.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use tokio::sync::Notify;

use super::{Health, PodReports};
use crate::api::ScAuth;
use crate::scauth::rollout::Rollout;

/// Interval between two polls of healthy pods.
const EVERY: Duration = Duration::from_secs(30);
/// The first delay for unhealthy pods, which doubles up to `EVERY`.
const SOON: Duration = Duration::from_secs(1);
/// Pods that fail to answer this often count as unreachable.
const TRIES: u32 = 3;

/// The knowledge about each ScAuth. By default nothing is polled, as in a dry run.
#[derive(Debug, Clone, Default)]
pub struct HealthCache {
    known: Arc<Mutex<HashMap<String, Entry>>>,
    wanted: Arc<Notify>,
    /// The clock, if the pods are polled.
    clock: Option<fn() -> Timestamp>,
}

#[derive(Debug, Default)]
struct Entry {
    pods: Pods,
    /// Counts the changes of the pods.
    version: u64,
    reports: PodReports,
    silences: u32,
    /// When the first unanswered poll was noticed.
    silent_since: Option<Timestamp>,
    delay: Duration,
    /// `None` means at once.
    next: Option<Instant>,
    is_being_asked: bool,
}

/// Distinguishes these pods from their predecessors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pods {
    exist: bool,
    are_all_ready: bool,
    since: Option<String>,
}

/// A poll that is due.
#[derive(Debug, PartialEq, Eq)]
pub struct Ask {
    version: u64,
    /// Whether the last answer was healthy and nothing has changed since.
    pub is_settled: bool,
}

impl HealthCache {
    /// For an operator whose pods are polled by [`crate::scauth::poll::run`].
    pub fn asking(clock: fn() -> Timestamp) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answers of the pods of this rollout.
    pub fn of(&self, name: &str, rollout: &Rollout) -> PodReports {
        let pods = Pods {
            exist: rollout.replicas > 0,
            are_all_ready: rollout.is_done(),
            since: rollout.available_since.clone(),
        };
        let mut known = self.known();
        let entry = known.entry(name.to_owned()).or_default();
        if self.clock.is_some() && (entry.version == 0 || entry.pods != pods) {
            let version = entry.version + 1;
            // A poll of the pods before may wait for its time limit, and its answer does not count: a new one need not
            // wait for it.
            *entry = Entry { pods, version, reports: PodReports::NotPolled, delay: SOON, ..Entry::default() };
            if entry.pods.exist {
                self.wanted.notify_one();
            }
        }
        entry.reports.clone()
    }

    /// Stores answers without a poll.
    pub fn tell(&self, name: &str, health: Health) {
        self.known().entry(name.to_owned()).or_default().reports = PodReports::Received(Box::new(health));
    }

    /// Waits until a poll is due at once.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    pub fn keep_only(&self, names: &HashSet<String>) {
        self.known().retain(|name, _| names.contains(name));
    }

    /// The poll that is due, if any; the next one waits until [`Self::set`] completes it.
    pub fn due(&self, name: &str, now: Instant) -> Option<Ask> {
        let mut known = self.known();
        let entry = known.get_mut(name)?;
        if entry.is_being_asked || !entry.pods.exist || entry.next.is_some_and(|next| next > now) {
            return None;
        }
        entry.is_being_asked = true;
        Some(Ask { version: entry.version, is_settled: entry.is_settled() })
    }

    /// Returns whether the answer is new.
    pub fn set(&self, scauth: &ScAuth, ask: &Ask, answer: Option<Health>, now: Instant) -> bool {
        let mut known = self.known();
        let Some(entry) = known.get_mut(&scauth.name_any()) else { return false };
        if entry.version != ask.version {
            // The pods have changed meanwhile.
            return false;
        }
        entry.is_being_asked = false;
        let is_news = entry.take(answer, scauth, self.clock);
        if is_news {
            entry.delay = SOON;
        }
        let delay = if entry.is_settled() { EVERY } else { entry.delay };
        entry.next = now.checked_add(delay);
        entry.delay = (entry.delay * 2).min(EVERY);
        is_news
    }
}

impl Entry {
    fn is_settled(&self) -> bool {
        self.pods.are_all_ready && self.reports.health().is_some_and(Health::is_well)
    }

    fn take(&mut self, answer: Option<Health>, scauth: &ScAuth, clock: Option<fn() -> Timestamp>) -> bool {
        let Some(health) = answer else {
            // This does not concern the database: the probes report on the pod.
            self.silences = self.silences.saturating_add(1);
            self.silent_since = self.silent_since.or_else(|| clock.map(|clock| clock()));
            let is_news = !matches!(self.reports, PodReports::Unreachable { .. }) && self.silences >= TRIES;
            if is_news {
                self.reports = PodReports::Unreachable { since: self.silent_since };
            }
            return is_news;
        };
        self.silences = 0;
        self.silent_since = None;
        let is_news = match &self.reports {
            PodReports::Received(before) => **before != health,
            PodReports::NotPolled | PodReports::Unreachable { .. } => !health.is_told_by(scauth),
        };
        self.reports = PodReports::Received(Box::new(health));
        is_news
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::ScAuthStatus;
    use crate::scauth::clients::Clients;

    fn scauth() -> ScAuth {
        let spec = json!({"database": {"embedded": {}}});
        let scauth =
            json!({"apiVersion": "sc-auth.io/v1alpha1", "kind": "ScAuth", "metadata": {"name": "a"}, "spec": spec});
        serde_json::from_value(scauth).unwrap()
    }

    fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    /// Whether the answer is news to an operator that has just started, if the status has these conditions beside Ready.
    fn is_news(answer: Health, others: Value) -> bool {
        let health_cache = HealthCache::asking(|| Timestamp::UNIX_EPOCH);
        health_cache.of("a", &serving());
        let mut conditions: Vec<Condition> = serde_json::from_value(others).unwrap();
        for kind in ["Ready", "DatabaseReady"] {
            conditions.push(serde_json::from_value(condition(kind, "True", "Done", "")).unwrap());
        }
        let status = Some(ScAuthStatus { conditions, ..ScAuthStatus::default() });
        let ask = health_cache.due("a", Instant::now()).unwrap();
        health_cache.set(&ScAuth { status, ..scauth() }, &ask, Some(answer), Instant::now())
    }

    fn serving() -> Rollout {
        Rollout { is_observed: true, wanted: 1, replicas: 1, updated: 1, ready: 1, available: 1, ..Rollout::default() }
    }

    fn silent() -> PodReports {
        PodReports::Unreachable { since: Some(Timestamp::UNIX_EPOCH) }
    }

    fn health(database_reachable: bool) -> Health {
        Health { database_reachable, ..Health::default() }
    }

    /// Polls once, as soon as that is due.
    fn answer(health_cache: &HealthCache, now: &mut Instant, answer: Option<Health>) -> bool {
        let ask = (0..100).find_map(|_| {
            let ask = health_cache.due("a", *now);
            *now += if ask.is_some() { Duration::ZERO } else { Duration::from_secs(1) };
            ask
        });
        health_cache.set(&scauth(), &ask.unwrap(), answer, *now)
    }

    #[test]
    fn only_a_change_has_a_scauth_reconciled() {
        let (health_cache, mut now) = (HealthCache::asking(|| Timestamp::UNIX_EPOCH), Instant::now());
        assert_eq!(health_cache.of("a", &serving()), PodReports::NotPolled);
        let answers = [true, true, false, false, true];
        let news = answers.map(|reachable| answer(&health_cache, &mut now, Some(health(reachable))));
        assert_eq!(news, [true, false, true, false, true]);
        assert!(!answer(&health_cache, &mut now, None), "no answer says nothing");
        assert_eq!(health_cache.of("a", &serving()), PodReports::Received(Box::new(health(true))));
    }

    #[test]
    fn those_that_are_well_are_asked_every_half_minute_and_others_sooner() {
        let (health_cache, mut now) = (HealthCache::asking(|| Timestamp::UNIX_EPOCH), Instant::now());
        health_cache.of("a", &serving());
        answer(&health_cache, &mut now, Some(health(true)));
        assert_eq!(health_cache.due("a", now + Duration::from_secs(29)), None);
        assert!(health_cache.due("a", now + EVERY).unwrap().is_settled);
        health_cache.set(&scauth(), &Ask { version: 1, is_settled: true }, Some(health(false)), now);
        assert!(!health_cache.due("a", now + Duration::from_secs(1)).unwrap().is_settled);
    }

    #[test]
    fn what_earlier_pods_said_is_forgotten() {
        let (health_cache, mut now) = (HealthCache::asking(|| Timestamp::UNIX_EPOCH), Instant::now());
        health_cache.of("a", &serving());
        answer(&health_cache, &mut now, Some(health(true)));
        let later = || Rollout { available_since: Some("later".into()), ..serving() };
        let ask = health_cache.due("a", now + EVERY).unwrap();
        assert_eq!(health_cache.of("a", &later()), PodReports::NotPolled);
        assert!(!health_cache.set(&scauth(), &ask, Some(health(true)), now), "it is of an earlier pod");
        assert_eq!(health_cache.of("a", &later()), PodReports::NotPolled);
        assert!(health_cache.due("a", now).is_some(), "at once");
    }

    #[test]
    fn new_pods_are_asked_while_those_before_them_have_not_answered() {
        let (health_cache, now) = (HealthCache::asking(|| Timestamp::UNIX_EPOCH), Instant::now());
        let starting = Rollout { ready: 0, available: 0, ..serving() };
        health_cache.of("a", &starting);
        let first = health_cache.due("a", now).unwrap();
        assert_eq!(health_cache.due("a", now), None, "it is being asked");
        health_cache.of("a", &serving());
        let second = health_cache.due("a", now).unwrap();
        assert!(!health_cache.set(&scauth(), &first, None, now));
        assert_eq!(health_cache.due("a", now), None, "the second is still being asked");
        assert!(health_cache.set(&scauth(), &second, Some(health(true)), now));
    }

    #[test]
    fn pods_that_cannot_be_asked_are_taken_at_their_probes_word() {
        let (health_cache, mut now) = (HealthCache::asking(|| Timestamp::UNIX_EPOCH), Instant::now());
        health_cache.of("a", &serving());
        let news = [(); 4].map(|()| answer(&health_cache, &mut now, None));
        assert_eq!(news, [false, false, true, false]);
        assert_eq!(health_cache.of("a", &serving()), silent());
        assert_eq!(HealthCache::default().of("a", &serving()), PodReports::default(), "where nobody asks");
    }

    #[test]
    fn the_last_word_of_pods_that_fall_silent_does_not_count_for_good() {
        let (health_cache, mut now) = (HealthCache::asking(|| Timestamp::UNIX_EPOCH), Instant::now());
        health_cache.of("a", &serving());
        let mut hear = |health: Option<Health>| answer(&health_cache, &mut now, health);
        assert!(hear(Some(health(false))));
        assert_eq!([(); 2].map(|()| hear(None)), [false, false], "it may pass");
        assert!(!hear(Some(health(false))), "it did");
        assert_eq!([(); 4].map(|()| hear(None)), [false, false, true, false]);
        assert_eq!(health_cache.of("a", &serving()), silent());
        assert!(hear(Some(health(false))), "it answers again");
        assert_eq!(health_cache.of("a", &serving()), PodReports::Received(Box::new(health(false))));
    }

    #[test]
    fn what_a_status_says_already_is_no_news() {
        assert!(!is_news(health(true), json!([])));
        assert!(is_news(health(false), json!([])));
    }

    #[test]
    fn another_report_of_the_applications_with_the_same_status_is_news() {
        let refused = |names: &[&str]| Clients {
            refused: names.len(),
            first_refused: names.iter().map(|name| format!("{name}: bad")).collect(),
            ..Clients::default()
        };
        let told = "1 application in Secret a-declared is refused: shop: bad";
        let openid = |reason: &str, message: &str| {
            let status = if reason == "ClientsLoaded" { "True" } else { "False" };
            json!([condition("OpenIdReady", status, reason, message)])
        };
        let unreadable = Clients { problem: Some("it is not JSON".into()), ..Clients::default() };
        let loaded = |served| Clients { served, ..Clients::default() };
        for (declared, openid, expected) in [
            (Some(refused(&["shop"])), openid("ClientsRefused", told), false),
            (Some(refused(&["blog"])), openid("ClientsRefused", told), true),
            (Some(refused(&["shop", "blog"])), openid("ClientsRefused", told), true),
            (Some(unreadable), openid("ClientsRefused", told), true),
            (Some(Clients { lacks_keys: true, ..refused(&["shop"]) }), openid("ClientsRefused", told), true),
            (
                Some(loaded(2)),
                openid("ClientsLoaded", "2 applications in Secret a-declared are served, with issuer https://a"),
                false,
            ),
            (
                Some(loaded(2)),
                openid("ClientsLoaded", "12 applications in Secret a-declared are served, with issuer https://a"),
                true,
            ),
            (Some(loaded(1)), json!([]), true),
            (None, openid("ClientsRefused", told), true),
            // What the pods do not know.
            (Some(loaded(1)), openid("IssuerNotUsable", "no https"), false),
            (None, openid("IssuerNotUsable", "no https"), false),
            (Some(loaded(1)), openid("PodsUnreachable", "no pod has answered"), true),
        ] {
            let answer = Health { declared: declared.clone(), ..health(true) };
            assert_eq!(is_news(answer, openid.clone()), expected, "{declared:?} {openid}");
        }
    }
}
