//! When there is work to do.

use sc_auth_contract::keys::Algorithm;

use super::{Cluster, DAY, NOW, plan};
use crate::scauth::rotation::{Plan, is_due, next_step};

#[test]
fn nothing_is_due_while_a_published_key_waits() {
    let request = Plan { rotate: Some("after the incident".into()), ..plan() };
    let algorithm = Plan { algorithm: Some(Algorithm::ES256), ..plan() };
    for plan in [request, algorithm] {
        let mut cluster = Cluster::new();
        assert!(is_due(&cluster.stored(), &plan, (NOW + 1).into()));
        cluster.reconcile(&plan, NOW + 1);
        assert_eq!(next_step(&cluster.stored(), &plan).seconds(), NOW + 901);
        assert!(!is_due(&cluster.stored(), &plan, (NOW + 900).into()), "{plan:?}");
        assert!(is_due(&cluster.stored(), &plan, (NOW + 901).into()));
        cluster.reconcile(&plan, NOW + 901);
        assert!(!is_due(&cluster.stored(), &plan, (NOW + 902).into()), "{plan:?}");
    }
}

#[test]
fn a_change_of_the_algorithm_is_the_next_step() {
    let cluster = Cluster::new();
    let changed = Plan { algorithm: Some(Algorithm::RS256), ..plan() };
    assert!(next_step(&cluster.stored(), &changed).seconds() <= NOW);
    let same = Plan { algorithm: Some(Algorithm::EdDSA), ..plan() };
    assert_eq!(next_step(&cluster.stored(), &same).seconds(), NOW + 10 * DAY - 900);
}
