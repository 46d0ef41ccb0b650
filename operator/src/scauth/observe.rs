//! Reads the live state. User Secrets are read as metadata only.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{ApiResource, ListParams};
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use strum::IntoEnumIterator as _;

use super::hosts::Hosts;
use super::ownership::counts;
use super::references::{Reference, references};
use super::storage::{self, Storage};
use crate::api::{ScAuth, ScAuthSpec};
use crate::scauth::child::Child;
use crate::scauth::health::PodReports;
use crate::scauth::names::{LABEL_SCAUTH, Names};
use crate::scauth::retention::ownership;
use crate::scauth::rollout::{self, Rollout};
use crate::shared::ownership::Ownership;

/// On the default IngressClass.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

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
    pub admin_secret: Option<ObjectMeta>,
    /// Another owner's autoscaler of our Deployment, which the spec does not ask for.
    pub foreign_autoscaler: Option<DynamicObject>,
    /// Whether another owner created a PodDisruptionBudget; only read beside such an autoscaler.
    pub has_foreign_budget: bool,
    /// The Secrets that the spec names and that do not exist.
    pub missing_secrets: Vec<Reference>,
    /// Whether the Ingress has no address of its class, and the class does not exist.
    pub lacks_ingress_class: bool,
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

pub async fn observe(client: &Client, scauth: &ScAuth) -> kube::Result<Observed> {
    let names = Names::of(scauth);
    let mut observed = observe_children(client, scauth, &names).await?;
    observed.missing_secrets = references(&scauth.spec, &names);
    if !observed.children.contains_key(&Child::Namespace) {
        return Ok(observed);
    }
    find_foreign_autoscaler(client, scauth, &names, &mut observed).await?;
    secrets(client, scauth, &names, &mut observed).await?;
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
            // The API server's NotFound names the object if it knows the kind.
            Err(kube::Error::Api(answer)) if answer.code == 404 => {
                if child.definition().is_some() && answer.details.as_ref().is_none_or(|details| details.name.is_empty())
                {
                    observed.unknown_kinds.insert(child);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(observed)
}

/// Unknown without the right to list classes.
async fn ingress_classes(client: &Client) -> kube::Result<Option<Vec<PartialObjectMeta<IngressClass>>>> {
    let api: Api<IngressClass> = Api::all(client.clone());
    match api.list_metadata(&ListParams::default()).await {
        Ok(classes) => Ok(Some(classes.items)),
        Err(kube::Error::Api(answer)) if answer.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the class certainly does not exist.
pub async fn lacks_ingress_class(client: &Client, name: &str) -> kube::Result<bool> {
    let classes = ingress_classes(client).await?;
    Ok(classes.is_some_and(|classes| classes.iter().all(|class| class.name_any() != name)))
}

/// The class of an Ingress without one; unknown without the right to list classes.
pub async fn default_class(client: &Client) -> kube::Result<Option<String>> {
    let Some(mut classes) = ingress_classes(client).await? else { return Ok(None) };
    classes.retain(|class| class.annotations().get(DEFAULT_CLASS).is_some_and(|is_default| is_default == "true"));
    // Like the API server, choose the youngest of several.
    classes.sort_by_key(|class| (class.creation_timestamp().map(|time| Reverse(time.0)), class.name_any()));
    Ok(classes.first().map(kube::ResourceExt::name_any))
}

async fn secrets(client: &Client, scauth: &ScAuth, names: &Names, observed: &mut Observed) -> kube::Result<()> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &names.namespace);
    observed.secret = api.get_opt(&names.secret()).await?;
    if let (Some(secret), Some(owner)) =
        (api.get_metadata_opt(&names.admin_secret()).await?, scauth.controller_owner_ref(&()))
    {
        observed.take_admin_secret(secret.metadata, &owner);
    }
    // Of a Secret that several fields name, only one request.
    let wanted: BTreeSet<_> = observed.missing_secrets.iter().map(|reference| reference.secret.clone()).collect();
    for name in wanted {
        let secret: Option<PartialObjectMeta<Secret>> = api.get_metadata_opt(&name).await?;
        if secret.is_some() {
            observed.missing_secrets.retain(|reference| reference.secret != name);
        }
    }
    Ok(())
}

/// Called only while pods are missing.
async fn troubles(client: &Client, names: &Names, observed: &mut Observed) -> kube::Result<()> {
    let ours = ListParams::default().labels(&format!("{LABEL_SCAUTH}={}", names.scauth));
    let pods: Api<rollout::Pod> =
        Api::namespaced_with(client.clone(), &names.namespace, &ApiResource::erase::<Pod>(&()));
    let pods = pods.list(&ours).await?.items;
    let mut troubles: Vec<_> = pods.iter().filter_map(rollout::trouble).collect();
    troubles.sort();
    if troubles.is_empty()
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
    observed.troubles = troubles;
    Ok(())
}
