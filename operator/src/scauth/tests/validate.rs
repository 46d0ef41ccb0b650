//! Which ScAuth can be built, and why not.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;
use strum::IntoEnumIterator as _;

use super::{NAME, embedded, environment, external, live, observing, owned_by, owner, resolved, retained_by, scauth};
use crate::api::DeletionPolicy;
use crate::scauth::child::Child;
use crate::scauth::children::build;
use crate::scauth::names::ANNOTATION_ALLOW;
use crate::scauth::observe::Observed;
use crate::scauth::ownership::is_wanted;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::resolved::NamespaceUse;
use crate::scauth::retention::ownership;
use crate::scauth::scale::Scale;
use crate::scauth::validate::validate;
use crate::shared::ownership::Ownership;
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;

fn with_namespace(metadata: ObjectMeta) -> Observed {
    observing(Child::Namespace, metadata)
}

fn allowing(names: &str, metadata: ObjectMeta) -> ObjectMeta {
    let annotations = [(ANNOTATION_ALLOW.to_owned(), names.to_owned())].into();
    ObjectMeta { annotations: Some(annotations), ..metadata }
}

#[test]
fn what_the_spec_leaves_out_has_a_default() {
    let small = resolved(embedded(), &Observed::default()).unwrap();
    assert_eq!((small.names.scauth.as_str(), small.names.namespace.as_str()), (NAME, NAME));
    assert_eq!((small.scale, small.policy), (Scale::Fixed(1), DeletionPolicy::Retain));
    assert_eq!(small.release.image, "registry.test/server:9");
    assert_eq!(small.issuer, "http://tenant-svc.tenant.svc:8000");
    assert_eq!(resolved(external(), &Observed::default()).unwrap().scale, Scale::Fixed(2));
}

#[test]
fn the_issuer_is_where_clients_reach_the_api() {
    let mut spec = embedded();
    spec["expose"] = json!({"ingress": {"host": "auth.test"}});
    assert_eq!(resolved(spec.clone(), &Observed::default()).unwrap().issuer, "http://auth.test");
    spec["expose"]["ingress"]["tls"] = json!({"secretName": "cert"});
    assert_eq!(resolved(spec.clone(), &Observed::default()).unwrap().issuer, "https://auth.test");
    spec["auth"] = json!({"issuer": "https://elsewhere.test"});
    assert_eq!(resolved(spec, &Observed::default()).unwrap().issuer, "https://elsewhere.test");
}

#[test]
fn an_object_is_ours_by_its_owner_or_by_our_label_and_by_nothing_else() {
    let us = owner(NAME, "our-uid");
    assert_eq!(ownership(&owned_by("our-uid"), &us), Ownership::Ours);
    assert_eq!(ownership(&retained_by(NAME), &us), Ownership::Ours);
    assert_eq!(ownership(&owned_by("an-earlier-uid"), &us), Ownership::Former);
    assert_eq!(ownership(&retained_by("another"), &us), Ownership::Foreign);
    assert_eq!(ownership(&ObjectMeta::default(), &us), Ownership::Foreign);
    let mut theirs = owned_by("their-uid");
    theirs.owner_references = Some(vec![owner("another", "their-uid")]);
    assert_eq!(ownership(&theirs, &us), Ownership::Foreign);
}

fn uses(observed: Observed) -> Result<NamespaceUse, Refusal> {
    resolved(embedded(), &observed).map(|resolved| resolved.namespace)
}

#[test]
fn a_namespace_is_used_if_it_is_ours_or_if_its_owner_lets_us_in() {
    assert_eq!(uses(Observed::default()), Ok(NamespaceUse::Managed));
    assert_eq!(uses(with_namespace(owned_by("our-uid"))), Ok(NamespaceUse::Managed));
    assert_eq!(uses(with_namespace(retained_by(NAME))), Ok(NamespaceUse::Managed));
    for names in ["*", NAME, "another, tenant"] {
        assert_eq!(uses(with_namespace(allowing(names, ObjectMeta::default()))), Ok(NamespaceUse::Users), "{names}");
    }
    // The user who annotates the namespace takes it over: the operator must never delete it.
    assert_eq!(uses(with_namespace(allowing("*", owned_by("our-uid")))), Ok(NamespaceUse::Returned));
}

#[test]
fn a_namespace_of_others_is_refused_with_the_command_that_opens_it() {
    for metadata in [ObjectMeta::default(), allowing("another", ObjectMeta::default()), retained_by("another")] {
        let refusal = resolved(embedded(), &with_namespace(metadata)).unwrap_err();
        assert_eq!((refusal.reason, refusal.is_final), (Reason::NamespaceNotAllowed, false));
        assert!(
            refusal.message.ends_with("kubectl annotate namespace tenant sc-auth.io/allow=tenant"),
            "{}",
            refusal.message
        );
    }
}

#[test]
fn a_namespace_that_an_older_scauth_asks_for_too_is_left_to_it() {
    let observed = Observed { rival: Some("older".into()), ..Observed::default() };
    let refused = uses(observed).unwrap_err();
    assert_eq!((refused.reason.to_string().as_str(), refused.is_final), ("NamespaceNotAllowed", false));
    assert!(refused.message.contains("ScAuth older, which is older, asks for namespace"), "{}", refused.message);
    // Once it exists, its owner counts.
    let mut ours = with_namespace(owned_by("our-uid"));
    ours.rival = Some("older".into());
    assert_eq!(uses(ours), Ok(NamespaceUse::Managed));
}

#[test]
fn the_operator_s_own_namespace_is_refused_for_good() {
    let mut spec = embedded();
    spec["namespace"] = json!("system");
    let refusal = resolved(spec, &Observed::default()).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_final), (Reason::NamespaceNotAllowed, true));
}

#[test]
fn what_is_about_to_go_is_waited_out() {
    let going = ObjectMeta { deletion_timestamp: Some(Time(Timestamp::UNIX_EPOCH)), ..owned_by("our-uid") };
    assert_eq!(resolved(embedded(), &with_namespace(going.clone())).unwrap_err().reason, Reason::NamespaceTerminating);
    assert_eq!(
        resolved(embedded(), &with_namespace(owned_by("an-earlier-uid"))).unwrap_err().reason,
        Reason::GarbageCollecting
    );
    let mut observed = with_namespace(owned_by("our-uid"));
    observed.children.insert(Child::Service, live(Child::Service, going, json!({})));
    assert_eq!(resolved(embedded(), &observed).unwrap_err().reason, Reason::ChildTerminating);
    let former = live(Child::Service, owned_by("an-earlier-uid"), json!({}));
    observed.children.insert(Child::Service, former);
    assert_eq!(resolved(embedded(), &observed).unwrap_err().reason, Reason::GarbageCollecting);
}

#[test]
fn an_object_of_others_with_a_child_s_name_is_a_conflict() {
    let mut observed = with_namespace(owned_by("our-uid"));
    let metadata = ObjectMeta { name: Some("tenant-secret".into()), ..ObjectMeta::default() };
    observed.secret = Some(Secret { metadata, ..Secret::default() });
    let refusal = resolved(embedded(), &observed).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_final), (Reason::NameConflict, false));
    assert!(refusal.message.starts_with("Secret tenant-secret belongs to somebody else"), "{}", refusal.message);
}

/// As where another service has a Deployment, a Service and a Secret of those names.
#[test]
fn all_objects_of_others_are_named_at_once() {
    let mut observed = with_namespace(owned_by("our-uid"));
    let named = |name: &str| ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
    for (kind, name) in [(Child::Deployment, "tenant"), (Child::Service, "tenant-svc")] {
        observed.children.insert(kind, live(kind, named(name), json!({})));
    }
    // One that goes by itself says less.
    observed.children.insert(Child::ServiceAccount, live(Child::ServiceAccount, owned_by("an-earlier-uid"), json!({})));
    observed.secret = Some(Secret { metadata: named("tenant-secret"), ..Secret::default() });
    let refusal = resolved(external(), &observed).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_final), (Reason::NameConflict, false));
    let all = "Service tenant-svc, Deployment tenant, Secret tenant-secret belong to somebody else and are not changed";
    assert!(refusal.message.starts_with(all), "{}", refusal.message);
}

#[test]
fn only_images_that_the_operator_allows_are_taken() {
    let mut spec = embedded();
    spec["image"] = json!("registry.example.com/server:1");
    let mut environment = environment();
    let check = |environment: &_| validate(&scauth(spec.clone()), &Observed::default(), environment, &UpgradeTurn::Now);
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
    assert_eq!(resolved(spec.clone(), &Observed::default()).unwrap().issuer, "https://auth.test");
    spec["auth"] = json!({"issuer": "http://auth.test"});
    let resolved = resolved(spec, &Observed::default()).unwrap();
    assert_eq!(resolved.exposure.url(&resolved.names, Some(&resolved.issuer)), "http://auth.test");
}

/// All optional children, by a spec that asks for none of them.
const OPTIONAL: [Child; 5] =
    [Child::DisruptionBudget, Child::Autoscaler, Child::Ingress, Child::HttpRoute, Child::ServiceMonitor];

fn taking(kind: Child, metadata: ObjectMeta, spec: serde_json::Value) -> Observed {
    let mut observed = with_namespace(owned_by("our-uid"));
    observed.take(kind, live(kind, metadata, json!({})), &scauth(spec).spec, &owner(NAME, "our-uid"));
    observed
}

#[test]
fn an_object_with_the_name_of_a_child_that_nobody_asks_for_is_left_alone() {
    for kind in OPTIONAL {
        for metadata in [ObjectMeta::default(), owned_by("an-earlier-uid"), retained_by("another")] {
            let observed = taking(kind, metadata, embedded());
            assert!(resolved(embedded(), &observed).is_ok(), "{kind:?}");
            assert!(!observed.children.contains_key(&kind), "{kind:?} would be deleted");
        }
        let ours = taking(kind, owned_by("our-uid"), embedded());
        assert!(ours.children.contains_key(&kind), "{kind:?} is ours, and goes");
    }
}

#[test]
fn once_the_spec_asks_for_that_child_it_is_a_conflict() {
    let mut all = external();
    all["monitoring"] = json!({});
    all["autoscaling"] = json!({"max": 3});
    let with = |expose| {
        let mut spec = all.clone();
        spec["expose"] = expose;
        spec
    };
    let ingress = with(json!({"ingress": {"host": "auth.test"}}));
    let route = with(json!({"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": ["auth.test"]}}));
    for kind in OPTIONAL {
        let spec = if kind == Child::HttpRoute { &route } else { &ingress };
        let refusal = |metadata| resolved(spec.clone(), &taking(kind, metadata, spec.clone())).unwrap_err().reason;
        assert_eq!(refusal(ObjectMeta::default()), Reason::NameConflict, "{kind:?}");
        assert_eq!(refusal(owned_by("an-earlier-uid")), Reason::GarbageCollecting, "{kind:?}");
    }
}

#[test]
fn what_is_wanted_is_what_is_built() {
    let mut full = external();
    full["monitoring"] = json!({});
    full["autoscaling"] = json!({"max": 3});
    full["expose"] = json!({"ingress": {"host": "auth.test"}});
    let mut route = external();
    route["replicas"] = json!(1);
    route["expose"] = json!({"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": ["auth.test"]}});
    for spec in [embedded(), external(), full, route] {
        let children = build(&resolved(spec.clone(), &Observed::default()).unwrap()).unwrap();
        for kind in Child::iter() {
            assert_eq!(is_wanted(kind, &scauth(spec.clone()).spec), children.contains_key(&kind), "{kind:?} of {spec}");
        }
    }
}

#[test]
fn the_first_admins_secret_is_wanted_only_before_there_are_keys() {
    let metadata = || ObjectMeta { name: Some("tenant-admin".into()), ..ObjectMeta::default() };
    let us = owner(NAME, "our-uid");
    let mut fresh = with_namespace(owned_by("our-uid"));
    fresh.take_admin_secret(metadata(), &us);
    assert_eq!(resolved(embedded(), &fresh).unwrap_err().reason, Reason::NameConflict);
    let mut later = with_namespace(owned_by("our-uid"));
    later.secret = Some(Secret { metadata: owned_by("our-uid"), ..Secret::default() });
    later.take_admin_secret(metadata(), &us);
    assert!(resolved(embedded(), &later).is_ok() && later.admin_secret.is_none());
    later.take_admin_secret(owned_by("our-uid"), &us);
    assert!(later.admin_secret.is_some());
}

#[test]
fn a_scauth_that_cannot_be_read_in_whole_is_refused_for_good() {
    let mut scauth = scauth(embedded());
    scauth.spec.unreadable = Some("spec.replicas: invalid value".into());
    let refusal = validate(&scauth, &Observed::default(), &environment(), &UpgradeTurn::Now).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_final), (Reason::Invalid, true));
    assert!(refusal.message.ends_with("until this is corrected: spec.replicas: invalid value"), "{}", refusal.message);
}
