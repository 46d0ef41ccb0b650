//! Which ScAuth can be built, and why not.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::{NAME, embedded, environment, external, live, observing, owned_by, owner, retained_by, scauth, validated};
use crate::api::DeletionPolicy;
use crate::kinds::Kind;
use crate::names::ANNOTATION_ALLOW;
use crate::reasons::Reason;
use crate::reconcile::observe::Observed;
use crate::reconcile::validate::{Claim, NamespaceUse, Scale, claim, validate};
use crate::release::Turn;

fn with_namespace(metadata: ObjectMeta) -> Observed {
    observing(Kind::Namespace, metadata)
}

fn allowing(names: &str, metadata: ObjectMeta) -> ObjectMeta {
    let annotations = [(ANNOTATION_ALLOW.to_owned(), names.to_owned())].into();
    ObjectMeta { annotations: Some(annotations), ..metadata }
}

#[test]
fn what_the_spec_leaves_out_has_a_default() {
    let small = validated(embedded(), &Observed::default()).unwrap();
    assert_eq!((small.names.scauth.as_str(), small.names.namespace.as_str()), (NAME, NAME));
    assert_eq!((small.scale, small.policy), (Scale::Fixed(1), DeletionPolicy::Retain));
    assert_eq!(small.release.image, "registry.test/server:9");
    assert_eq!(small.issuer, "http://tenant-svc.tenant.svc:8000");
    assert_eq!(validated(external(), &Observed::default()).unwrap().scale, Scale::Fixed(2));
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
        assert_eq!((refusal.reason, refusal.is_final), (Reason::NamespaceNotAllowed, false));
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
    assert_eq!((refusal.reason, refusal.is_final), (Reason::NamespaceNotAllowed, true));
}

#[test]
fn what_is_about_to_go_is_waited_out() {
    let going = ObjectMeta { deletion_timestamp: Some(Time(Timestamp::UNIX_EPOCH)), ..owned_by("our-uid") };
    assert_eq!(validated(embedded(), &with_namespace(going.clone())).unwrap_err().reason, Reason::NamespaceTerminating);
    assert_eq!(
        validated(embedded(), &with_namespace(owned_by("an-earlier-uid"))).unwrap_err().reason,
        Reason::GarbageCollecting
    );
    let mut observed = with_namespace(owned_by("our-uid"));
    observed.children.insert(Kind::Service, live(Kind::Service, going, json!({})));
    assert_eq!(validated(embedded(), &observed).unwrap_err().reason, Reason::ChildTerminating);
    let former = live(Kind::Service, owned_by("an-earlier-uid"), json!({}));
    observed.children.insert(Kind::Service, former);
    assert_eq!(validated(embedded(), &observed).unwrap_err().reason, Reason::GarbageCollecting);
}

#[test]
fn an_object_of_others_with_a_child_s_name_is_a_conflict() {
    let mut observed = with_namespace(owned_by("our-uid"));
    let metadata = ObjectMeta { name: Some("tenant-secret".into()), ..ObjectMeta::default() };
    observed.secret = Some(Secret { metadata, ..Secret::default() });
    let refusal = validated(embedded(), &observed).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_final), (Reason::NameConflict, false));
    assert!(refusal.message.starts_with("Secret tenant-secret belongs to someone else"), "{}", refusal.message);
}

#[test]
fn only_images_that_the_operator_allows_are_taken() {
    let mut spec = embedded();
    spec["image"] = json!("registry.example.com/server:1");
    let mut environment = environment();
    let check = |environment: &_| validate(&scauth(spec.clone()), &Observed::default(), environment, &Turn::Now);
    assert!(check(&environment).is_ok());
    environment.allowed_images = vec!["docker.io/ours/".into(), "registry.example.com/".into()];
    assert!(check(&environment).is_ok());
    environment.allowed_images.pop();
    let refusal = check(&environment).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_final), (Reason::ImageNotAllowed, true));
    assert!(refusal.message.contains("begin with docker.io/ours/"), "{}", refusal.message);
}

#[test]
fn a_route_is_reached_by_https_unless_the_issuer_says_otherwise() {
    let mut spec = external();
    spec["expose"] = json!({"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": ["auth.test", "b.test"]}});
    assert_eq!(validated(spec.clone(), &Observed::default()).unwrap().issuer, "https://auth.test");
    spec["auth"] = json!({"issuer": "http://auth.test"});
    let validated = validated(spec, &Observed::default()).unwrap();
    assert_eq!(crate::reconcile::validate::url(&validated.spec, &validated.names), "http://auth.test");
}
