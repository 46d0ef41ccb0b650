//! What is there. Of Secrets only the metadata is asked for: their content is nobody's business but the pods'.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::validate::names;
use crate::api::{ScAuth, ScAuthSpec};
use crate::names::{LABEL_SCAUTH, Names};

/// The live objects that a ScAuth's children are compared with.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    pub namespace: Option<Namespace>,
    pub service_account: Option<ServiceAccount>,
    pub secret: Option<ObjectMeta>,
    pub admin_secret: Option<ObjectMeta>,
    pub volume_claim: Option<PersistentVolumeClaim>,
    pub deployment: Option<Deployment>,
    pub service: Option<Service>,
    pub ingress: Option<Ingress>,
    /// The Secrets that the spec names and that are not there.
    pub missing_secrets: Vec<String>,
    pub pods: Vec<Pod>,
}

impl Observed {
    /// The children that there are, by kind.
    pub fn children(&self) -> impl Iterator<Item = (&'static str, &ObjectMeta)> {
        [
            ("ServiceAccount", self.service_account.as_ref().map(|child| &child.metadata)),
            ("Secret", self.secret.as_ref()),
            ("Secret", self.admin_secret.as_ref()),
            ("PersistentVolumeClaim", self.volume_claim.as_ref().map(|child| &child.metadata)),
            ("Deployment", self.deployment.as_ref().map(|child| &child.metadata)),
            ("Service", self.service.as_ref().map(|child| &child.metadata)),
            ("Ingress", self.ingress.as_ref().map(|child| &child.metadata)),
        ]
        .into_iter()
        .filter_map(|(kind, metadata)| metadata.map(|metadata| (kind, metadata)))
    }
}

pub async fn observe(client: &Client, scauth: &ScAuth) -> kube::Result<Observed> {
    let names = names(scauth);
    let Some(namespace) = Api::<Namespace>::all(client.clone()).get_opt(&names.namespace).await? else {
        return Ok(Observed { missing_secrets: referenced_secrets(&scauth.spec), ..Observed::default() });
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &names.namespace);
    let mut missing_secrets = Vec::new();
    for name in referenced_secrets(&scauth.spec) {
        if secrets.get_metadata_opt(&name).await?.is_none() {
            missing_secrets.push(name);
        }
    }
    Ok(Observed {
        namespace: Some(namespace),
        service_account: get(client, &names, names.service_account()).await?,
        secret: secrets.get_metadata_opt(&names.secret()).await?.map(|secret| secret.metadata),
        admin_secret: secrets.get_metadata_opt(&names.admin_secret()).await?.map(|secret| secret.metadata),
        volume_claim: match scauth.spec.database.embedded {
            Some(_) => get(client, &names, &names.volume_claim()).await?,
            None => None,
        },
        deployment: get(client, &names, names.deployment()).await?,
        service: get(client, &names, &names.service()).await?,
        ingress: get(client, &names, &names.ingress()).await?,
        missing_secrets,
        pods: pods(client, &names).await?,
    })
}

async fn get<K>(client: &Client, names: &Names, name: &str) -> kube::Result<Option<K>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    Api::<K>::namespaced(client.clone(), &names.namespace).get_opt(name).await
}

async fn pods(client: &Client, names: &Names) -> kube::Result<Vec<Pod>> {
    let ours = ListParams::default().labels(&format!("{LABEL_SCAUTH}={}", names.scauth));
    Ok(Api::<Pod>::namespaced(client.clone(), &names.namespace).list(&ours).await?.items)
}

/// The Secrets that the pods need and that a person, or another operator, makes.
pub fn referenced_secrets(spec: &ScAuthSpec) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(external) = &spec.database.external {
        names.extend(external.url_from.as_ref().map(|key| key.name.clone()));
        names.extend(external.credentials_from.as_ref().map(|credentials| credentials.name.clone()));
        names.extend(external.tls.as_ref().and_then(|tls| tls.ca_from.as_ref()).map(|key| key.name.clone()));
    }
    let legacy = spec.auth.as_ref().and_then(|auth| auth.legacy_tokens.as_ref());
    names.extend(legacy.map(|legacy| legacy.secret_key_from.name.clone()));
    names.sort();
    names.dedup();
    names
}
