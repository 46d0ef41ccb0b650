//! Reads the live state. Of a user's Secrets, only the one with the certificate of the Ingress is read with its content.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, ListParams};
use kube::core::{DynamicObject, Status};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use sc_auth_contract::places::ADMIN_USERNAME;
use strum::IntoEnumIterator as _;

use super::certificate;
use super::exposure::{Exposure, Ingress, IngressClasses, Writers};
use super::hosts::Hosts;
use super::ownership::counts;
use super::references::{Kind, Reference, Role, references};
use super::storage::{self, Storage};
use crate::api::{ScAuth, ScAuthSpec};
use crate::scauth::child::Child;
use crate::scauth::health::PodReports;
use crate::scauth::names::{LABEL_SCAUTH, Names};
use crate::scauth::retention::ownership;
use crate::scauth::rollout::{self, Rollout};
use crate::shared::ownership::Ownership;

/// The live objects that a ScAuth's children are compared with.
#[derive(Clone, Default)]
pub struct Observed {
    pub children: BTreeMap<Child, DynamicObject>,
    /// Kinds that the cluster does not have.
    pub unknown_kinds: BTreeSet<Child>,
    /// The hosts that other ScAuths hold, or also claim.
    pub hosts: Hosts,
    /// An older ScAuth that asks for the same namespace; only looked for while nobody has it.
    pub rival: Option<String>,
    /// The generated Secret with the keys, whose content the operator may read.
    pub secret: Option<Secret>,
    /// The Secret with the first Admin's password, without its content.
    pub admin_secret: Option<ObjectMeta>,
    /// The name of the first Admin in that Secret.
    pub admin_name: Option<String>,
    /// Another owner's autoscaler of our Deployment, which the spec does not ask for.
    pub foreign_autoscaler: Option<DynamicObject>,
    /// Whether another owner created a PodDisruptionBudget; only read beside such an autoscaler.
    pub has_foreign_budget: bool,
    /// The Secrets and ConfigMaps that the spec names and that do not exist.
    pub missing: Vec<Reference>,
    /// The IngressClasses; `None` if no Ingress names one, or without the right to list them.
    pub ingress_classes: Option<IngressClasses>,
    /// Who writes addresses for which controller; only looked for while the Ingress has another class than at first.
    pub writers: Writers,
    /// The Ingress whose certificate was looked for: the one in the spec, or the live one while the spec is not applied.
    pub ingress: Option<Ingress>,
    /// What is wrong with the certificate of the Ingress, in the Secret that exists.
    pub bad_certificate: Option<String>,
    /// What is known of the embedded database's volume beside its claim.
    pub storage: Storage,
    /// Why pods do not run, the most specific reason first.
    pub troubles: Vec<rollout::Trouble>,
    /// Whether a pod waits for its volumes. A failure appears only as an event, and events are not watched.
    pub is_mounting: bool,
    /// The pods' own reports.
    pub reports: PodReports,
}

impl Observed {
    /// All relevant objects that must be ours, by kind; the namespace has its own rules.
    pub fn owned(&self) -> impl Iterator<Item = (String, &ObjectMeta)> {
        let children = self.children.iter().filter(|(child, _)| **child != Child::Namespace);
        let children = children.map(|(child, live)| (child.resource().kind, &live.metadata));
        let secrets = [self.secret.as_ref().map(|secret| &secret.metadata), self.admin_secret.as_ref()];
        children.chain(secrets.into_iter().flatten().map(|metadata| ("Secret".to_owned(), metadata)))
    }

    /// Forgets objects of others that have a child's name: the status must not describe them. The namespace has its own
    /// rules.
    pub fn keep_own(&mut self, owner: &OwnerReference) {
        let is_ours = |metadata: &ObjectMeta| ownership(metadata, owner) == Ownership::Ours;
        self.children.retain(|child, live| *child == Child::Namespace || is_ours(&live.metadata));
        self.secret.take_if(|secret| !is_ours(&secret.metadata));
        self.admin_secret.take_if(|secret| !is_ours(secret));
    }

    /// Adds an object with a child's name, if it is relevant.
    pub fn take(&mut self, child: Child, live: DynamicObject, spec: &ScAuthSpec, owner: &OwnerReference) {
        if counts(child, spec, &live.metadata, owner) {
            self.children.insert(child, live);
        } else if child == Child::Autoscaler && scales(&live, owner) {
            self.foreign_autoscaler = Some(live);
        }
    }

    /// The same for the Secret with the first Admin's password: once the keys or the Deployment exist, it is neither
    /// created nor needed.
    pub fn take_admin_secret(&mut self, live: ObjectMeta, owner: &OwnerReference) {
        let is_wanted = self.secret.is_none() && !self.children.contains_key(&Child::Deployment);
        if is_wanted || ownership(&live, owner) == Ownership::Ours {
            self.admin_secret = Some(live);
        }
    }
}

/// Whether it is another owner's autoscaler of our Deployment.
fn scales(autoscaler: &DynamicObject, owner: &OwnerReference) -> bool {
    let target = &autoscaler.data["spec"]["scaleTargetRef"];
    target["kind"] == "Deployment"
        && target["name"] == owner.name
        && autoscaler.metadata.deletion_timestamp.is_none()
        && ownership(&autoscaler.metadata, owner) == Ownership::Foreign
}

/// Finds another owner's autoscaler of our Deployment under any name, unless the spec has its own, and a
/// PodDisruptionBudget beside it.
pub async fn find_foreign_autoscaler(
    client: &Client,
    scauth: &ScAuth,
    names: &Names,
    observed: &mut Observed,
) -> kube::Result<()> {
    let owner = scauth.controller_owner_ref(&()).filter(|_| scauth.spec.autoscaling.is_none());
    let Some(owner) = owner else { return Ok(()) };
    let list = async |child: Child| child.api(client, &names.namespace).list(&ListParams::default()).await;
    if observed.foreign_autoscaler.is_none() {
        let all = list(Child::Autoscaler).await?.items;
        observed.foreign_autoscaler = all.into_iter().find(|autoscaler| scales(autoscaler, &owner));
    }
    if observed.foreign_autoscaler.is_some() {
        let budgets = list(Child::DisruptionBudget).await?.items;
        let is_foreign = |budget: &DynamicObject| ownership(&budget.metadata, &owner) == Ownership::Foreign;
        observed.has_foreign_budget = budgets.iter().any(is_foreign);
    }
    Ok(())
}

pub async fn observe(client: &Client, scauth: &ScAuth, now: Timestamp) -> kube::Result<Observed> {
    let names = Names::of(scauth);
    let mut observed = observe_children(client, scauth, &names).await?;
    let exposure = exposure(scauth, &names, &observed);
    observed.missing = references(&scauth.spec, &names, &exposure);
    if let Exposure::Ingress(ingress) = &exposure {
        observed.ingress = Some(ingress.clone());
    }
    if !observed.children.contains_key(&Child::Namespace) {
        return Ok(observed);
    }
    find_foreign_autoscaler(client, scauth, &names, &mut observed).await?;
    secrets(client, scauth, &names, &mut observed).await?;
    named(client, &names, &exposure, &mut observed, now).await?;
    if let Some(claim) = observed.children.get(&Child::VolumeClaim) {
        observed.storage = storage::look(client, claim).await?;
    }
    if let Some(deployment) = observed.children.get(&Child::Deployment)
        && !Rollout::of(deployment).is_done()
    {
        troubles(client, &names, &mut observed).await?;
    }
    Ok(observed)
}

/// How clients reach the API now, or will once the spec is applied.
fn exposure(scauth: &ScAuth, names: &Names, observed: &Observed) -> Exposure {
    let wanted = Exposure::of(&scauth.spec, names);
    let is_applied = scauth.spec.suspend != Some(true) && scauth.metadata.deletion_timestamp.is_none();
    if is_applied { wanted } else { Exposure::live(&observed.children, &wanted) }
}

/// Reads only the children.
pub async fn observe_children(client: &Client, scauth: &ScAuth, names: &Names) -> kube::Result<Observed> {
    let mut observed = Observed::default();
    // Without a uid, which each stored object has, ownership cannot be determined.
    let Some(owner) = scauth.controller_owner_ref(&()) else { return Ok(observed) };
    let Some(namespace) = Child::Namespace.api(client, &names.namespace).get_opt(&names.namespace).await? else {
        return Ok(observed);
    };
    observed.children.insert(Child::Namespace, namespace);
    for child in Child::iter().filter(|child| *child != Child::Namespace) {
        if child == Child::VolumeClaim && scauth.spec.database.embedded.is_none() {
            continue;
        }
        match child.api(client, &names.namespace).get(&child.name(names)).await {
            Ok(live) => observed.take(child, live, &scauth.spec, &owner),
            Err(kube::Error::Api(answer)) if answer.code == 404 => {
                observed.unknown_kinds.extend(is_unknown(child, &answer).then_some(child));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(observed)
}

/// Whether the cluster does not have the kind: otherwise, the API server's NotFound names the object.
fn is_unknown(child: Child, answer: &Status) -> bool {
    child.definition().is_some() && answer.details.as_ref().is_none_or(|details| details.name.is_empty())
}

/// The kinds that the cluster does not have, for a namespace that does not exist yet.
pub async fn unknown_kinds(client: &Client, names: &Names) -> BTreeSet<Child> {
    let mut unknown = BTreeSet::new();
    for child in Child::iter().filter(|child| child.definition().is_some()) {
        let found = child.api(client, &names.namespace).get(&child.name(names)).await;
        if matches!(found, Err(kube::Error::Api(answer)) if answer.code == 404 && is_unknown(child, &answer)) {
            unknown.insert(child);
        }
    }
    unknown
}

/// The generated Secret with the keys.
pub async fn secret(client: &Client, names: &Names) -> kube::Result<Option<Secret>> {
    Api::namespaced(client.clone(), &names.namespace).get_opt(&names.secret()).await
}

async fn secrets(client: &Client, scauth: &ScAuth, names: &Names, observed: &mut Observed) -> kube::Result<()> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &names.namespace);
    observed.secret = secret(client, names).await?;
    if let (Some(secret), Some(owner)) = (api.get_opt(&names.admin_secret()).await?, scauth.controller_owner_ref(&())) {
        let name = secret.data.and_then(|mut data| String::from_utf8(data.remove(ADMIN_USERNAME)?.0).ok());
        observed.take_admin_secret(secret.metadata, &owner);
        observed.admin_name = name.filter(|_| observed.admin_secret.is_some());
    }
    Ok(())
}

/// Looks for what the spec names. Of an object that several fields name, only one request.
async fn named(
    client: &Client,
    names: &Names,
    exposure: &Exposure,
    observed: &mut Observed,
    now: Timestamp,
) -> kube::Result<()> {
    let wanted: BTreeSet<_> =
        observed.missing.iter().map(|reference| (reference.kind, reference.name.clone())).collect();
    for (kind, name) in wanted {
        let is_it = |reference: &Reference| reference.kind == kind && reference.name == name;
        let is_certificate = observed.missing.iter().any(|one| is_it(one) && one.role == Role::Certificate);
        let exists = match (kind, exposure) {
            (Kind::Secret, Exposure::Ingress(ingress)) if is_certificate => {
                let api: Api<Secret> = Api::namespaced(client.clone(), &names.namespace);
                let secret = api.get_opt(&name).await?;
                observed.bad_certificate =
                    secret.as_ref().and_then(|secret| certificate::problem(secret, &ingress.host, now));
                secret.is_some()
            }
            (Kind::Secret, _) => {
                let api: Api<Secret> = Api::namespaced(client.clone(), &names.namespace);
                api.get_metadata_opt(&name).await?.is_some()
            }
            (Kind::ConfigMap, _) => has_config_map(client, names, &name).await?,
        };
        if exists {
            observed.missing.retain(|reference| !is_it(reference));
        }
    }
    Ok(())
}

/// Without the right to read ConfigMaps, as in the ClusterRole of release 0.2, none is reported missing.
async fn has_config_map(client: &Client, names: &Names, name: &str) -> kube::Result<bool> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &names.namespace);
    match api.get_metadata_opt(name).await {
        Ok(found) => Ok(found.is_some()),
        Err(kube::Error::Api(answer)) if answer.code == 403 => Ok(true),
        Err(error) => Err(error),
    }
}

/// Called only while pods are missing.
async fn troubles(client: &Client, names: &Names, observed: &mut Observed) -> kube::Result<()> {
    let ours = ListParams::default().labels(&format!("{LABEL_SCAUTH}={}", names.scauth));
    let pods: Api<rollout::Pod> =
        Api::namespaced_with(client.clone(), &names.namespace, &ApiResource::erase::<Pod>(&()));
    let pods = pods.list(&ours).await?.items;
    let mut troubles: Vec<_> = pods.iter().filter_map(rollout::trouble).collect();
    // Pods that failed stay, and say nothing about those that replace them.
    if troubles.iter().all(|trouble| trouble.cause == rollout::Cause::Failed)
        && let Some(waiting) = pods.iter().find(|pod| rollout::is_being_created(pod))
    {
        let name = waiting.name_any();
        let failed = ListParams::default().fields(&format!("reason=FailedMount,involvedObject.name={name}")).limit(5);
        let events: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &names.namespace, &ApiResource::erase::<Event>(&()));
        let events = events.list(&failed).await?.items;
        troubles.extend(events.last().map(|event| rollout::failed_mount(&name, event)));
        observed.is_mounting = true;
    }
    troubles.sort();
    observed.troubles = troubles;
    Ok(())
}
