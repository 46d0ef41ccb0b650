//! The claim of the embedded database's volume compared with the spec. A volume keeps its class and never shrinks; it
//! can grow if its class allows expansion, while the pod keeps serving.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::api::{Embedded, VolumeStatus};
use crate::scauth::names::FIELD_MANAGER;
use crate::shared::error::ApplyError;
use crate::shared::quantity::Quantity;
use crate::shared::reasons::Reason;

const DEFAULT_SIZE: &str = "1Gi";
/// The requested size in a claim.
const REQUEST: &str = "/spec/resources/requests/storage";

/// The requests of the claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub request: String,
    /// `None` selects the cluster's default class.
    pub class: Option<String>,
    pub state: State,
}

/// How the volume compares with the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It matches, or does not exist yet.
    Settled,
    /// It is larger, or has another class, and cannot change.
    Kept(String),
    /// It is about to grow.
    Growing(String),
    /// The claim requests something else and has no volume; it cannot change until it has one.
    Pending(String),
}

/// The fields of a live claim.
struct Live<'a> {
    name: &'a str,
    namespace: &'a str,
    request: &'a str,
    capacity: Option<&'a str>,
    class: Option<&'a str>,
    is_bound: bool,
    owns_class: bool,
    resizing: Option<&'a str>,
}

impl<'a> Live<'a> {
    fn of(claim: &'a DynamicObject) -> Option<Self> {
        let text = |path: &str| claim.data.pointer(path).and_then(Value::as_str);
        let conditions = claim.data.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let words = conditions.filter(|condition| condition["status"] == "True");
        Some(Self {
            name: claim.metadata.name.as_deref().unwrap_or_default(),
            namespace: claim.metadata.namespace.as_deref().unwrap_or_default(),
            request: text(REQUEST)?,
            capacity: text("/status/capacity/storage"),
            class: text("/spec/storageClassName"),
            is_bound: text("/status/phase") == Some("Bound"),
            owns_class: owns_class(&claim.metadata),
            resizing: words.filter_map(|word| word["message"].as_str()).find(|message| !message.is_empty()),
        })
    }
}

/// Whether we sent the class: a field that we stop sending would be removed.
fn owns_class(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:storageClassName").is_some())
    })
}

/// The requests of the claim, in a form that the API server accepts.
pub fn settle(embedded: &Embedded, claim: Option<&DynamicObject>) -> Volume {
    let size = embedded.size.as_ref().map(ToString::to_string);
    let wanted = size.as_deref().unwrap_or(DEFAULT_SIZE);
    let as_wanted = |state| Volume { request: wanted.to_owned(), class: embedded.storage_class_name.clone(), state };
    let Some(live) = claim.and_then(Live::of) else { return as_wanted(State::Settled) };
    let is_sent = live.owns_class || embedded.storage_class_name.is_some();
    let class = match live.class {
        Some(class) => is_sent.then(|| class.to_owned()),
        None => embedded.storage_class_name.clone().filter(|_| !live.is_bound),
    };
    let (request, state) =
        if live.is_bound { bound(embedded, wanted, &live) } else { unbound(embedded, wanted, &live) };
    Volume { request, class, state }
}

fn is_other_class(embedded: &Embedded, live: &Live<'_>) -> bool {
    matches!((embedded.storage_class_name.as_deref(), live.class), (Some(wanted), Some(class)) if wanted != class)
}

fn bound(embedded: &Embedded, wanted: &str, live: &Live<'_>) -> (String, State) {
    let capacity = live.capacity.unwrap_or(live.request);
    let (Some(size), Some(asked), Some(has)) =
        (Quantity::parse(wanted), Quantity::parse(live.request), Quantity::parse(capacity))
    else {
        return (wanted.to_owned(), State::Settled);
    };
    if size > has {
        let words = live.resizing.map(|words| format!(": {words}")).unwrap_or_default();
        let growing = format!("the volume grows from {capacity} to {wanted}{words}");
        return (wanted.to_owned(), State::Growing(growing));
    }
    let request = if size == asked { wanted } else { live.request };
    let mut kept = Vec::new();
    if asked > has {
        kept.push(format!(
            "the volume has {capacity}, and its claim still requests {}, which cannot be reduced",
            live.request
        ));
    } else if asked > size {
        kept.push(format!(
            "the volume stays at {capacity}, which is more than spec.database.embedded.size: volumes cannot shrink"
        ));
    }
    if is_other_class(embedded, live) {
        kept.push(format!("the volume stays in StorageClass {}", live.class.unwrap_or_default()));
    }
    let state = if kept.is_empty() { State::Settled } else { State::Kept(kept.join("; ")) };
    (request.to_owned(), state)
}

fn unbound(embedded: &Embedded, wanted: &str, live: &Live<'_>) -> (String, State) {
    let is_same_size = Quantity::parse(wanted) == Quantity::parse(live.request);
    let request = if is_same_size { wanted } else { live.request };
    if is_same_size && !is_other_class(embedded, live) {
        return (request.to_owned(), State::Settled);
    }
    let class = live.class.map(|class| format!(" of StorageClass {class}")).unwrap_or_default();
    let pending = format!(
        "PersistentVolumeClaim {0} requests {1}{class} and cannot change until it is bound to a volume; it has no data: if it \
         stays unbound, run kubectl -n {2} delete pvc {0}, and the operator creates it from the spec",
        live.name, live.request, live.namespace
    );
    (request.to_owned(), State::Pending(pending))
}

/// The same claim without the growth; `None` if it does not request any.
pub fn without_growth(desired: &Value, live: Option<&DynamicObject>) -> Option<Value> {
    let asked = live?.data.pointer(REQUEST)?;
    let mut desired = desired.clone();
    let request = desired.pointer_mut(REQUEST)?;
    if request.as_str().and_then(Quantity::parse) == asked.as_str().and_then(Quantity::parse) {
        return None;
    }
    *request = json!(asked);
    Some(desired)
}

/// Why a volume does not grow, from the API server's refusal.
pub fn refusal(error: &ApplyError, claim: &DynamicObject) -> (Reason, String) {
    let text = |path: &str| claim.data.pointer(path).and_then(Value::as_str);
    let has = text("/status/capacity/storage").or_else(|| text(REQUEST)).unwrap_or_default();
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let words = error.to_string();
    if !words.contains("must support resize") {
        return (error.reason(), format!("the volume stays at {has}, and the pod serves: {words}"));
    }
    let class = text("/spec/storageClassName").filter(|class| !class.is_empty());
    let class = class.map_or_else(
        || "it has no StorageClass".to_owned(),
        |class| format!("StorageClass {class} does not allow expansion"),
    );
    let message = format!(
        "PersistentVolumeClaim {name} cannot grow: {class}; the pod serves, and the volume stays at {has}: set \
         spec.database.embedded.size back to {has}, or set allowVolumeExpansion on the class, if its driver supports it"
    );
    (Reason::VolumeNotExpandable, message)
}

/// The volume in the status.
pub fn status(claim: &DynamicObject) -> VolumeStatus {
    let text = |path: &str| claim.data.pointer(path).and_then(Value::as_str).map(str::to_owned);
    VolumeStatus { capacity: text("/status/capacity/storage"), storage_class_name: text("/spec/storageClassName") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(request: &str) -> Value {
        json!({"spec": {"resources": {"requests": {"storage": request}}}})
    }

    #[test]
    fn another_spelling_of_a_size_is_no_growth() {
        let mut live = DynamicObject::new("", &crate::scauth::child::Child::VolumeClaim.resource());
        live.data = claim("1Gi");
        assert_eq!(without_growth(&claim("1024Mi"), Some(&live)), None);
        assert_eq!(without_growth(&claim("2Gi"), Some(&live)), Some(claim("1Gi")));
    }
}
