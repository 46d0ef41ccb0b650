//! Which changes the next reconcile of an object is for. The watches also report what the last reconcile itself has
//! created or reported, and what it has seen already: a reconcile for these alone would find nothing to do.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The limit of recorded changes; beyond it the next reconcile always runs.
const MOST: usize = 100;
/// How long to wait for the watch to report a status that was written, and how often to look. The watch may skip it.
const ECHO_LIMIT: Duration = Duration::from_secs(1);
const ECHO_INTERVAL: Duration = Duration::from_millis(20);

/// One version of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version(u64);

impl Version {
    /// `None` for an object that is not stored.
    pub fn of(metadata: &ObjectMeta) -> Option<Self> {
        let (uid, version) = (metadata.uid.as_ref()?, metadata.resource_version.as_ref()?);
        let mut hasher = DefaultHasher::new();
        (uid, version).hash(&mut hasher);
        Some(Self(hasher.finish()))
    }
}

/// The changes of all objects of one kind and of their children, by the object's name.
#[derive(Debug, Default)]
pub struct Changes(Mutex<HashMap<String, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    /// Reported since the last reconcile has begun.
    reported: Vec<Version>,
    /// Whether something else has changed.
    must_run: bool,
    /// What the last reconcile has seen or created.
    seen: HashSet<Version>,
    /// When the next reconcile is due without a change; `None` unless the last one has succeeded.
    due: Option<Instant>,
    /// The object with the status that the last reconcile wrote, until a watch reports it, and how long to wait for it.
    awaited: Option<(Version, Instant)>,
}

impl Changes {
    /// An object, or a child of it, has this version now; `None` if it may also be gone.
    pub fn report(&self, name: &str, version: Option<Version>) {
        let mut all = self.all();
        let entry = all.entry(name.to_owned()).or_default();
        entry.awaited = entry.awaited.filter(|(awaited, _)| Some(*awaited) != version);
        match version.filter(|_| entry.reported.len() < MOST) {
            Some(version) => entry.reported.push(version),
            None => entry.must_run = true,
        }
    }

    /// Begins a reconcile, unless the last one has seen all that was reported since: then this is how long to wait for
    /// the next one. It also waits for the status that the last one wrote: with the status before, a reconcile would write
    /// it, and publish its events, a second time.
    pub fn begin(&self, name: &str, now: Instant) -> Option<Duration> {
        let mut all = self.all();
        let entry = all.entry(name.to_owned()).or_default();
        let is_seen = !entry.reported.is_empty() && entry.reported.iter().all(|version| entry.seen.contains(version));
        let rest = entry.due.and_then(|due| due.checked_duration_since(now));
        if let Some(rest) = rest.filter(|_| is_seen && !entry.must_run) {
            entry.reported.clear();
            return Some(rest);
        }
        if entry.awaited.is_some_and(|(_, until)| now < until) {
            return Some(ECHO_INTERVAL);
        }
        *entry = Entry::default();
        None
    }

    /// A reconcile has succeeded. `seen` is what it has read, and what it has created as it would create it again;
    /// `written` is the object with the status that it wrote.
    pub fn end(
        &self,
        name: &str,
        seen: impl IntoIterator<Item = Version>,
        written: Option<Version>,
        now: Instant,
        delay: Duration,
    ) {
        let mut all = self.all();
        let entry = all.entry(name.to_owned()).or_default();
        entry.seen = seen.into_iter().chain(written).collect();
        entry.due = now.checked_add(delay);
        let awaited = written.filter(|written| !entry.reported.contains(written));
        entry.awaited = awaited.and_then(|written| Some((written, now.checked_add(ECHO_LIMIT)?)));
    }

    /// The number of objects with known changes, also of deleted ones.
    pub fn count(&self) -> usize {
        self.all().len()
    }

    /// Forgets deleted objects.
    pub fn keep_only(&self, exists: impl Fn(&str) -> bool) {
        self.all().retain(|name, _| exists(name));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_mins(5);

    fn version(uid: &str, version: &str) -> Version {
        let (uid, resource_version) = (Some(uid.to_owned()), Some(version.to_owned()));
        Version::of(&ObjectMeta { uid, resource_version, ..ObjectMeta::default() }).unwrap()
    }

    /// After a reconcile that has seen `a` in version 1.
    fn seen(now: Instant) -> Changes {
        let changes = Changes::default();
        assert_eq!(changes.begin("x", now), None, "the first one runs");
        changes.end("x", [version("a", "1")], None, now, EVERY);
        changes
    }

    #[test]
    fn what_a_reconcile_has_seen_begins_no_other_and_does_not_move_the_next_one() {
        let now = Instant::now();
        let changes = seen(now);
        changes.report("x", Some(version("a", "1")));
        assert_eq!(changes.begin("x", now + EVERY / 2), Some(EVERY / 2));
        assert_eq!(changes.begin("x", now + EVERY), None, "it is due");
    }

    #[test]
    fn any_other_change_begins_one() {
        let now = Instant::now();
        for changed in [Some(version("a", "2")), Some(version("b", "1")), None] {
            let changes = seen(now);
            changes.report("x", Some(version("a", "1")));
            changes.report("x", changed);
            assert_eq!(changes.begin("x", now), None, "{changed:?}");
        }
        let changes = seen(now);
        changes.report("x", Some(version("a", "1")));
        assert_eq!(changes.begin("x", now + EVERY * 2), None, "one that is due runs with it");
    }

    #[test]
    fn what_changes_during_a_reconcile_begins_the_next_one_unless_that_has_seen_it() {
        let now = Instant::now();
        for (changed, begins) in [("1", false), ("2", true)] {
            let changes = Changes::default();
            assert_eq!(changes.begin("x", now), None);
            changes.report("x", Some(version("a", changed)));
            changes.end("x", [version("a", "1")], None, now, EVERY);
            assert_eq!(changes.begin("x", now).is_none(), begins, "{changed}");
        }
    }

    #[test]
    fn a_reconcile_waits_for_the_status_that_the_last_one_wrote() {
        let now = Instant::now();
        let (written, other) = (version("x", "2"), version("a", "2"));
        let ended = || {
            let changes = seen(now);
            changes.end("x", [version("a", "1")], Some(written), now, EVERY);
            changes.report("x", Some(other));
            changes
        };
        let changes = ended();
        assert_eq!(changes.begin("x", now), Some(ECHO_INTERVAL));
        changes.report("x", Some(written));
        assert_eq!(changes.begin("x", now), None, "the other change is not forgotten");
        assert_eq!(ended().begin("x", now + ECHO_LIMIT), None, "a watch that lists again may skip a version");
    }

    #[test]
    fn a_status_that_is_reported_before_the_reconcile_ends_is_not_waited_for() {
        let (now, written) = (Instant::now(), version("x", "2"));
        let changes = Changes::default();
        assert_eq!(changes.begin("x", now), None);
        changes.report("x", Some(written));
        changes.report("x", Some(version("a", "2")));
        changes.end("x", [version("a", "1")], Some(written), now, EVERY);
        assert_eq!(changes.begin("x", now), None);
    }

    #[test]
    fn after_a_failure_nothing_is_known() {
        let now = Instant::now();
        let changes = seen(now);
        changes.report("x", None);
        assert_eq!(changes.begin("x", now), None);
        // It does not end.
        changes.report("x", Some(version("a", "1")));
        assert_eq!(changes.begin("x", now), None);
    }

    #[test]
    fn a_thousand_changes_take_no_more_memory_than_some() {
        let now = Instant::now();
        let changes = seen(now);
        for _ in 0..1_000 {
            changes.report("x", Some(version("a", "1")));
        }
        assert!(changes.all()["x"].reported.len() <= MOST);
        assert_eq!(changes.begin("x", now), None);
    }

    #[test]
    fn an_object_that_is_gone_is_forgotten() {
        let changes = seen(Instant::now());
        changes.keep_only(|name| name != "x");
        assert!(changes.all().is_empty());
    }
}
