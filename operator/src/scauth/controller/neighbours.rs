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
        let before = self.stakes.insert(name.clone(), stake.clone());
        if before.as_ref() == Some(&stake) {
            return HashSet::new();
        }
        let mut touched = self.beside(&name, &stake);
        touched.extend(before.iter().flat_map(|before| self.beside(&name, before)));
        touched
    }

    fn gone(&mut self, name: &str) -> HashSet<String> {
        self.stakes.remove(name).map(|stake| self.beside(name, &stake)).unwrap_or_default()
    }

    fn beside(&self, name: &str, stake: &Stake) -> HashSet<String> {
        let others = self.stakes.iter().filter(|(other, theirs)| other.as_str() != name && theirs.touches(stake));
        others.map(|(other, _)| other.clone()).collect()
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
