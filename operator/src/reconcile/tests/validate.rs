//! Which ScAuth can be built, and why not.

use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::{NAME, embedded, external, owned_by, owner, retained_by, validated};
use crate::api::DeletionPolicy;
use crate::names::ANNOTATION_ALLOW;
use crate::reconcile::observe::Observed;
use crate::reconcile::validate::{Claim, NamespaceUse, claim};

fn with_namespace(metadata: ObjectMeta) -> Observed {
    Observed { namespace: Some(Namespace { metadata, ..Namespace::default() }), ..Observed::default() }
}

fn allowing(names: &str, metadata: ObjectMeta) -> ObjectMeta {
    let annotations = [(ANNOTATION_ALLOW.to_owned(), names.to_owned())].into();
    ObjectMeta { annotations: Some(annotations), ..metadata }
}

#[test]
fn what_the_spec_leaves_out_has_a_default() {
    let small = validated(embedded(), &Observed::default()).unwrap();
    assert_eq!((small.names.scauth.as_str(), small.names.namespace.as_str()), (NAME, NAME));
    assert_eq!((small.replicas, small.policy), (1, DeletionPolicy::Retain));
    assert_eq!(small.image, "registry.test/server:1");
    assert_eq!(small.issuer, "http://tenant-svc.tenant.svc:8000");
    assert_eq!(validated(external(), &Observed::default()).unwrap().replicas, 2);
}

#[test]
fn the_issuer_is_where_clients_reach_the_api() {
    let mut spec = embedded();
    spec["expose"] = json!({"ingress": {"host": "auth.test"}});
    assert_eq!(validated(spec.clone(), &Observed::default()).unwrap().issuer, "http://auth.test");
    spec["expose"]["ingress"]["tls"] = json!({"secretName": "cert"});
    assert_eq!(validated(spec.clone(), &Observed::default()).unwrap().issuer, "https://auth.test");
    spec["auth"] = json!({"issuer": "https://elsewhere.test"});
    assert_eq!(validated(spec, &Observed::default()).unwrap().issuer, "https://elsewhere.test");
}

#[test]
fn an_object_is_ours_by_its_owner_or_by_our_label_and_by_nothing_else() {
    let us = owner(NAME, "our-uid");
    assert_eq!(claim(&owned_by("our-uid"), &us), Claim::Ours);
    assert_eq!(claim(&retained_by(NAME), &us), Claim::Ours);
    assert_eq!(claim(&owned_by("an-earlier-uid"), &us), Claim::Former);
    assert_eq!(claim(&retained_by("another"), &us), Claim::Foreign);
    assert_eq!(claim(&ObjectMeta::default(), &us), Claim::Foreign);
    let mut theirs = owned_by("their-uid");
    theirs.owner_references = Some(vec![owner("another", "their-uid")]);
    assert_eq!(claim(&theirs, &us), Claim::Foreign);
}

#[test]
fn a_namespace_is_used_if_it_is_ours_or_if_its_owner_lets_us_in() {
    let uses = |observed: Observed| validated(embedded(), &observed).map(|validated| validated.namespace);
    assert_eq!(uses(Observed::default()), Ok(NamespaceUse::Managed));
    assert_eq!(uses(with_namespace(owned_by("our-uid"))), Ok(NamespaceUse::Managed));
    assert_eq!(uses(with_namespace(retained_by(NAME))), Ok(NamespaceUse::Managed));
    for names in ["*", NAME, "another, tenant"] {
        assert_eq!(uses(with_namespace(allowing(names, ObjectMeta::default()))), Ok(NamespaceUse::Users), "{names}");
    }
    // Whoever annotates it takes it over: it must never go with us.
    assert_eq!(uses(with_namespace(allowing("*", owned_by("our-uid")))), Ok(NamespaceUse::Returned));
}

#[test]
fn a_namespace_of_others_is_refused_with_the_command_that_opens_it() {
    for metadata in [ObjectMeta::default(), allowing("another", ObjectMeta::default()), retained_by("another")] {
        let refusal = validated(embedded(), &with_namespace(metadata)).unwrap_err();
        assert_eq!((refusal.reason, refusal.is_final), ("NamespaceNotAllowed", false));
        assert!(
            refusal.message.ends_with("kubectl annotate namespace tenant sc-auth.io/allow=tenant"),
            "{}",
            refusal.message
        );
    }
}

#[test]
fn the_operator_s_own_namespace_is_refused_for_good() {
    let mut spec = embedded();
    spec["namespace"] = json!("system");
    let refusal = validated(spec, &Observed::default()).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_final), ("NamespaceNotAllowed", true));
}

#[test]
fn what_is_about_to_go_is_waited_out() {
    let going = ObjectMeta { deletion_timestamp: Some(Time(Timestamp::UNIX_EPOCH)), ..owned_by("our-uid") };
    assert_eq!(validated(embedded(), &with_namespace(going.clone())).unwrap_err().reason, "NamespaceTerminating");
    assert_eq!(
        validated(embedded(), &with_namespace(owned_by("an-earlier-uid"))).unwrap_err().reason,
        "GarbageCollecting"
    );
    let mut observed = with_namespace(owned_by("our-uid"));
    observed.service = Some(Service { metadata: going, ..Service::default() });
    assert_eq!(validated(embedded(), &observed).unwrap_err().reason, "ChildTerminating");
    observed.service = Some(Service { metadata: owned_by("an-earlier-uid"), ..Service::default() });
    assert_eq!(validated(embedded(), &observed).unwrap_err().reason, "GarbageCollecting");
}

#[test]
fn an_object_of_others_with_a_child_s_name_is_a_conflict() {
    let mut observed = with_namespace(owned_by("our-uid"));
    observed.secret = Some(ObjectMeta { name: Some("tenant-secret".into()), ..ObjectMeta::default() });
    let refusal = validated(embedded(), &observed).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_final), ("NameConflict", false));
    assert!(refusal.message.starts_with("Secret tenant-secret belongs to someone else"), "{}", refusal.message);
}
