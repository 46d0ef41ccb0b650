//! The ServiceMonitor of the Prometheus operator, if the spec asks for metrics.

use serde_json::{Value, json};

use super::metadata::{owned, selector};
use super::service;
use crate::scauth::child::Child;
use crate::scauth::resolved::Resolved;

pub fn build(resolved: &Resolved) -> Option<Value> {
    let wanted = resolved.monitoring.as_ref()?;
    let resource = Child::ServiceMonitor.resource();
    let mut metadata = owned(resolved, &resolved.names.scauth);
    metadata.labels.get_or_insert_default().extend(wanted.labels.clone());
    let mut endpoint = json!({"port": "ops", "path": "/metrics"});
    if let Some(interval) = &wanted.interval {
        endpoint["interval"] = json!(interval);
    }
    let mut labels = selector(resolved);
    labels.extend(service::component());
    Some(json!({
        "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": labels},
            "namespaceSelector": {"matchNames": [resolved.names.namespace]},
            "endpoints": [endpoint],
        },
    }))
}
