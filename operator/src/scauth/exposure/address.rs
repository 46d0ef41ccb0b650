//! The address in the status of an Ingress, and the class and the controller that it was written for. A change of class
//! leaves it there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use kube::core::DynamicObject;

use super::{IngressClasses, LONGEST_ADDRESS, addresses, class_of};
use crate::api::IngressAddress;

/// The address in the Ingress. It keeps the class and the controller that it was first seen with until the controller of
/// another class writes it again: `before` is what was known of it. `classes` is absent if they are unknown.
pub fn address(
    ingress: &DynamicObject,
    before: Option<&IngressAddress>,
    classes: Option<&IngressClasses>,
) -> Option<IngressAddress> {
    let controller = |class: &str| classes.and_then(|classes| classes.get(class)).map(|name| cut(name));
    let class = cut(class_of(ingress).unwrap_or_default());
    let (writer, written) = last_write(ingress).unzip();
    let now = IngressAddress {
        value: addresses(ingress)?,
        controller: controller(&class),
        class,
        writer: writer.flatten(),
        written: written.flatten(),
    };
    let Some(before) = before else { return Some(now) };
    let before = IngressAddress {
        controller: before.controller.clone().or_else(|| controller(&before.class)),
        writer: before.writer.clone().or_else(|| now.writer.clone().filter(|_| before.is_same_as(&now))),
        ..before.clone()
    };
    if before.is_same_as(&now) {
        return Some(before);
    }
    Some(if is_late(&before, &now) { IngressAddress { value: now.value, written: now.written, ..before } } else { now })
}

/// Whether the controller of the class before has written the address once more, after the change of class.
fn is_late(before: &IngressAddress, now: &IngressAddress) -> bool {
    let is_same_writer = now.writer.is_some() && before.writer == now.writer;
    let is_same_controller = before.controller.is_some() && before.controller == now.controller;
    let is_replaced = now.controller.is_some() && before.controller.is_some() && !is_same_controller;
    is_same_writer && !is_same_controller && (before.class != now.class || is_replaced)
}

/// Who last changed the address, and when.
fn last_write(ingress: &DynamicObject) -> Option<(Option<String>, Option<Time>)> {
    let entries = ingress.managed_fields().iter();
    let writers = entries.filter(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.is_some_and(|fields| fields.pointer("/f:status/f:loadBalancer").is_some())
    });
    let last = writers.max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    Some((last.manager.as_deref().map(cut), last.time.clone()))
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_ADDRESS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ingress(class: &str, address: &str, writer: &str, second: u8) -> DynamicObject {
        let fields = json!({"f:status": {"f:loadBalancer": {"f:ingress": {}}}});
        let ingress: Value = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "a", "managedFields": [{
                "manager": writer, "operation": "Update", "subresource": "status", "fieldsType": "FieldsV1",
                "time": format!("2026-01-01T00:00:{second:02}Z"), "fieldsV1": fields,
            }]},
            "spec": {"ingressClassName": class},
            "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
        });
        serde_json::from_value(ingress).unwrap()
    }

    fn classes(classes: &[(&str, &str)]) -> IngressClasses {
        classes.iter().map(|(name, controller)| ((*name).to_owned(), (*controller).to_owned())).collect()
    }

    #[test]
    fn the_controller_of_the_class_before_does_not_write_for_the_one_after() {
        let known = classes(&[("a", "x/a"), ("b", "x/b"), ("c", "x/a")]);
        let first = address(&ingress("a", "192.0.2.1", "a", 1), None, Some(&known)).unwrap();
        assert_eq!((first.class.as_str(), first.controller.as_deref()), ("a", Some("x/a")));
        for (class, writer, expected) in [("b", "a", "a"), ("b", "b", "b"), ("c", "a", "c"), ("gone", "a", "a")] {
            let next = address(&ingress(class, "192.0.2.2", writer, 2), Some(&first), Some(&known)).unwrap();
            assert_eq!((next.class.as_str(), next.value.as_str()), (expected, "192.0.2.2"), "{class} by {writer}");
        }
    }

    #[test]
    fn a_class_that_got_another_controller_is_another_class() {
        let (before, after) = (classes(&[("a", "x/a")]), classes(&[("a", "x/b")]));
        let first = address(&ingress("a", "192.0.2.1", "a", 1), None, Some(&before)).unwrap();
        for (writer, expected) in [("a", "x/a"), ("b", "x/b")] {
            let next = address(&ingress("a", "192.0.2.2", writer, 2), Some(&first), Some(&after)).unwrap();
            assert_eq!(next.controller.as_deref(), Some(expected), "{writer}");
        }
    }

    /// As from an operator that did not record them.
    #[test]
    fn what_was_not_recorded_is_added() {
        let known = classes(&[("a", "x/a")]);
        let live = ingress("a", "192.0.2.1", "a", 1);
        let full = address(&live, None, Some(&known)).unwrap();
        let bare = IngressAddress { controller: None, writer: None, ..full.clone() };
        assert_eq!(address(&live, Some(&bare), Some(&known)), Some(full));
    }
}
