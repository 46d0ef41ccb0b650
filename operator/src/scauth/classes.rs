//! The IngressClasses of the cluster. They are not watched: one list every half minute costs less than a watch, which
//! older ClusterRoles do not allow.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::networking::v1::IngressClass;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use kube_runtime::reflector::{ObjectRef, Store};
use tokio::sync::mpsc::UnboundedSender;

use super::exposure::IngressClasses;
use crate::api::ScAuth;

/// On the default IngressClass.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
/// How often to look for changes.
const EVERY: Duration = Duration::from_secs(30);

/// All classes, and which of them is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Classes {
    pub controllers: IngressClasses,
    pub default: Option<String>,
}

/// Unknown without the right to list them.
pub async fn list(client: &Client) -> kube::Result<Option<Classes>> {
    let api: Api<IngressClass> = Api::all(client.clone());
    match api.list(&ListParams::default()).await {
        Ok(classes) => Ok(Some(Classes::of(&classes.items))),
        Err(kube::Error::Api(answer)) if answer.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

impl Classes {
    fn of(classes: &[IngressClass]) -> Self {
        let controller = |class: &IngressClass| class.spec.as_ref().and_then(|spec| spec.controller.clone());
        let controllers: BTreeMap<_, _> =
            classes.iter().map(|class| (class.name_any(), controller(class).unwrap_or_default())).collect();
        let is_default = |class: &&IngressClass| {
            class.annotations().get(DEFAULT_CLASS).is_some_and(|is_default| is_default == "true")
        };
        // Like the API server, choose the youngest of several.
        let age = |class: &&IngressClass| (class.creation_timestamp().map(|time| Reverse(time.0)), class.name_any());
        let default = classes.iter().filter(is_default).min_by_key(age).map(kube::ResourceExt::name_any);
        Self { controllers, default }
    }
}

/// Has each ScAuth with an Ingress reconciled when a class is created, deleted, or gets another controller. Runs until it
/// is dropped.
pub async fn follow(client: Client, fleet: Store<ScAuth>, changed: UnboundedSender<ObjectRef<ScAuth>>) {
    let mut known = None;
    loop {
        match list(&client).await {
            Ok(now) => {
                if known.as_ref().is_some_and(|known| *known != now) {
                    for scauth in fleet.state().iter().filter(|scauth| has_ingress(scauth)) {
                        let _ = changed.send(ObjectRef::from_obj(scauth.as_ref()));
                    }
                }
                known = Some(now);
            }
            Err(error) => tracing::debug!(%error, "could not list the IngressClasses"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// In the spec, or one that is left while its ScAuth is suspended.
fn has_ingress(scauth: &ScAuth) -> bool {
    let exposure = scauth.status.as_ref().and_then(|status| status.exposure.as_ref());
    scauth.spec.ingress().is_some() || exposure.is_some_and(|exposure| exposure.address.is_some())
}
