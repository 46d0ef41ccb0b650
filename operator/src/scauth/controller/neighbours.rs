//! Which ScAuths to reconcile when another one claims, gets or releases a host: those that also claim it; and at the end of
//! a list, those in it.

use std::collections::{HashMap, HashSet};

use kube::ResourceExt as _;
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher::Event;

use crate::api::ScAuth;
use crate::scauth::hosts::Stake;

/// The last observed claims of each watched ScAuth.
#[derive(Default)]
pub struct Neighbours {
    stakes: HashMap<String, Stake>,
    /// By host, the names of those that claim or hold it.
    by_host: HashMap<String, HashSet<String>>,
    /// The names in a list so far.
    listed: HashSet<String>,
    /// The ScAuths that the list affects, and those in it. They are reconciled at its end: until then the store contains
    /// the earlier ones.
    waiting: HashSet<String>,
}

impl Neighbours {
    /// The ScAuths to reconcile, beside the one that the event is about.
    pub fn touched(&mut self, event: &Event<ScAuth>) -> Vec<ObjectRef<ScAuth>> {
        let names: HashSet<String> = match event {
            Event::Init => {
                self.listed.clear();
                self.waiting.clear();
                return Vec::new();
            }
            Event::InitApply(scauth) => {
                self.listed.insert(scauth.name_any());
                let touched = self.seen(scauth);
                self.waiting.extend(touched);
                self.waiting.insert(scauth.name_any());
                return Vec::new();
            }
            Event::Apply(scauth) => self.seen(scauth),
            Event::Delete(scauth) => self.gone(&scauth.name_any()),
            Event::InitDone => {
                let gone: Vec<_> = self.stakes.keys().filter(|name| !self.listed.contains(*name)).cloned().collect();
                let touched: Vec<_> = gone.iter().flat_map(|name| self.gone(name)).collect();
                std::mem::take(&mut self.waiting).into_iter().chain(touched).collect()
            }
        };
        names.iter().map(|name| ObjectRef::new(name)).collect()
    }

    fn seen(&mut self, scauth: &ScAuth) -> HashSet<String> {
        let (name, stake) = (scauth.name_any(), Stake::of(scauth));
        if self.stakes.get(&name) == Some(&stake) {
            return HashSet::new();
        }
        let mut touched = self.gone(&name);
        for host in stake.hosts() {
            let claimants = self.by_host.entry(host.clone()).or_default();
            touched.extend(claimants.iter().cloned());
            claimants.insert(name.clone());
        }
        self.stakes.insert(name, stake);
        touched
    }

    /// Forgets the ScAuth of this name. Returns the others that claim or hold one of its hosts.
    fn gone(&mut self, name: &str) -> HashSet<String> {
        let mut touched = HashSet::new();
        for host in self.stakes.remove(name).iter().flat_map(Stake::hosts) {
            let Some(claimants) = self.by_host.get_mut(host) else { continue };
            claimants.remove(name);
            touched.extend(claimants.iter().cloned());
            if claimants.is_empty() {
                self.by_host.remove(host);
            }
        }
        touched
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn scauth(name: &str, host: &str) -> ScAuth {
        let expose = if host.is_empty() { json!({"none": {}}) } else { json!({"ingress": {"host": host}}) };
        let spec: Value = json!({"database": {"embedded": {}}, "expose": expose});
        serde_json::from_value(json!({"metadata": {"name": name, "uid": name}, "spec": spec})).unwrap()
    }

    fn touched(neighbours: &mut Neighbours, event: &Event<ScAuth>) -> Vec<String> {
        let mut names: Vec<_> = neighbours.touched(event).into_iter().map(|reference| reference.name).collect();
        names.sort();
        names
    }

    #[test]
    fn those_who_claim_the_host_are_touched_when_it_is_claimed_changed_or_given_up() {
        let mut neighbours = Neighbours::default();
        let mut touched = |event| touched(&mut neighbours, &event);
        assert_eq!(touched(Event::Apply(scauth("a", "x.test"))), [""; 0]);
        assert_eq!(touched(Event::Apply(scauth("quiet", ""))), [""; 0]);
        assert_eq!(touched(Event::Apply(scauth("b", "x.test"))), ["a"]);
        assert_eq!(touched(Event::Apply(scauth("b", "x.test"))), [""; 0], "nothing changed");
        assert_eq!(touched(Event::Apply(scauth("a", "y.test"))), ["b"], "it gives the host up");
        assert_eq!(touched(Event::Apply(scauth("a", "x.test"))), ["b"]);
        assert_eq!(touched(Event::Delete(scauth("a", "x.test"))), ["b"]);
    }

    #[test]
    fn one_that_went_while_nobody_listened_is_missed_in_the_next_list() {
        let mut neighbours = Neighbours::default();
        for name in ["a", "b"] {
            touched(&mut neighbours, &Event::Apply(scauth(name, "x.test")));
        }
        assert_eq!(touched(&mut neighbours, &Event::Init), [""; 0]);
        assert_eq!(touched(&mut neighbours, &Event::InitApply(scauth("b", "x.test"))), [""; 0]);
        assert_eq!(touched(&mut neighbours, &Event::InitDone), ["b"], "a is gone, and b was in the list");
    }

    #[test]
    fn a_change_that_a_list_brings_counts_once_the_list_is_complete() {
        let mut neighbours = Neighbours::default();
        for name in ["a", "b"] {
            touched(&mut neighbours, &Event::Apply(scauth(name, "x.test")));
        }
        assert_eq!(touched(&mut neighbours, &Event::Init), [""; 0]);
        assert_eq!(touched(&mut neighbours, &Event::InitApply(scauth("a", "y.test"))), [""; 0]);
        assert_eq!(touched(&mut neighbours, &Event::InitApply(scauth("b", "x.test"))), [""; 0]);
        assert_eq!(touched(&mut neighbours, &Event::InitDone), ["a", "b"]);
    }
}
