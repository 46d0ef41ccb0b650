//! The address in the status of an Ingress, and the class and the controller that it was written for. A change of class
//! leaves it there.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::core::DynamicObject;

use super::{IngressClasses, LONGEST_ADDRESS, addresses, class_of};
use crate::api::{IngressAddress, ScAuth};

/// The field managers that have written addresses, by the controller of the class.
pub type Writers = BTreeMap<String, BTreeSet<String>>;

/// The field managers in the status of all ScAuths.
pub fn writers<'a>(fleet: impl IntoIterator<Item = &'a ScAuth>) -> Writers {
    let mut writers = Writers::new();
    let addresses = fleet.into_iter().filter_map(|scauth| scauth.status.as_ref()?.exposure.as_ref()?.address.as_ref());
    for (controller, writer) in
        addresses.filter_map(|address| Some((address.controller.clone()?, address.writer.clone()?)))
    {
        writers.entry(controller).or_default().insert(writer);
    }
    writers
}

/// The address in the Ingress, empty if there is none. It keeps the class and the controller that it was first seen with
/// until the controller of another class writes it again: `before` is what was known of it. An Ingress without an address
/// keeps the class that it had first. `classes` is absent if they are unknown.
pub fn address(
    ingress: &DynamicObject,
    before: Option<&IngressAddress>,
    classes: Option<&IngressClasses>,
    writers: &Writers,
) -> IngressAddress {
    let controller = |class: &str| classes.and_then(|classes| classes.get(class)).map(|name| cut(name));
    let class = cut(class_of(ingress).unwrap_or_default());
    let Some(value) = addresses(ingress) else {
        let new =
            || IngressAddress { controller: controller(&class), class: class.clone(), ..IngressAddress::default() };
        return IngressAddress { value: String::new(), ..before.cloned().unwrap_or_else(new) };
    };
    let (writer, written) = last_write(ingress).unzip();
    let now = IngressAddress {
        value,
        controller: controller(&class),
        class,
        writer: writer.flatten(),
        written: written.flatten(),
    };
    let Some(before) = before else { return now };
    let before = IngressAddress {
        controller: before.controller.clone().or_else(|| controller(&before.class)),
        writer: before.writer.clone().or_else(|| now.writer.clone().filter(|_| before.is_same_as(&now))),
        ..before.clone()
    };
    if before.is_same_as(&now) {
        return before;
    }
    if is_late(&before, &now, writers) {
        return IngressAddress { value: now.value, written: now.written, writer: now.writer, ..before };
    }
    now
}

/// Whether a controller of an earlier class has written the address, after the change of class.
fn is_late(before: &IngressAddress, now: &IngressAddress, writers: &Writers) -> bool {
    let is_same_writer = now.writer.is_some() && before.writer == now.writer;
    let is_same_controller = before.controller.is_some() && before.controller == now.controller;
    let is_replaced = now.controller.is_some() && before.controller.is_some() && !is_same_controller;
    let is_moved = before.class != now.class || is_replaced;
    is_moved && !is_same_controller && (is_same_writer || is_of_another_controller(now, writers))
}

/// Whether its writer is known to write for another controller than that of the class, and not for that one.
fn is_of_another_controller(now: &IngressAddress, writers: &Writers) -> bool {
    let Some(writer) = &now.writer else { return false };
    let mut controllers = writers.iter().filter(|(_, known)| known.contains(writer)).map(|(name, _)| name).peekable();
    controllers.peek().is_some() && controllers.all(|name| Some(name) != now.controller.as_ref())
}

/// When the address was last changed.
pub fn address_written(ingress: &DynamicObject) -> Option<Timestamp> {
    last_write(ingress)?.1.map(|time| time.0)
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

    fn found(live: &DynamicObject, before: Option<&IngressAddress>, classes: &IngressClasses) -> IngressAddress {
        address(live, before, Some(classes), &Writers::new())
    }

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
        let first = found(&ingress("a", "192.0.2.1", "a", 1), None, &known);
        assert_eq!((first.class.as_str(), first.controller.as_deref()), ("a", Some("x/a")));
        for (class, writer, expected) in [("b", "a", "a"), ("b", "b", "b"), ("c", "a", "c"), ("gone", "a", "a")] {
            let next = found(&ingress(class, "192.0.2.2", writer, 2), Some(&first), &known);
            assert_eq!((next.class.as_str(), next.value.as_str()), (expected, "192.0.2.2"), "{class} by {writer}");
        }
    }

    #[test]
    fn a_class_that_got_another_controller_is_another_class() {
        let (before, after) = (classes(&[("a", "x/a")]), classes(&[("a", "x/b")]));
        let first = found(&ingress("a", "192.0.2.1", "a", 1), None, &before);
        for (writer, expected) in [("a", "x/a"), ("b", "x/b")] {
            let next = found(&ingress("a", "192.0.2.2", writer, 2), Some(&first), &after);
            assert_eq!(next.controller.as_deref(), Some(expected), "{writer}");
        }
    }

    #[test]
    fn a_first_address_by_the_controller_of_the_class_before_does_not_count() {
        let known = classes(&[("a", "x/a"), ("b", "x/b"), ("c", "x/c")]);
        let writers: Writers = [("x/a", "a"), ("x/c", "both"), ("x/b", "both")]
            .into_iter()
            .map(|(controller, writer)| (controller.to_owned(), [writer.to_owned()].into()))
            .collect();
        let mut bare = ingress("a", "", "a", 1);
        bare.data["status"] = Value::Null;
        let before = found(&bare, None, &known);
        assert_eq!((before.class.as_str(), before.value.as_str()), ("a", ""));
        bare.data["spec"]["ingressClassName"] = json!("b");
        assert_eq!(found(&bare, Some(&before), &known), before);
        for (writer, expected) in [("a", "a"), ("b", "b"), ("both", "b"), ("unknown", "b")] {
            let live = ingress("b", "192.0.2.1", writer, 2);
            let now = address(&live, Some(&before), Some(&known), &writers);
            assert_eq!((now.class.as_str(), now.writer.as_deref()), (expected, Some(writer)));
            let again = address(&live, Some(&now), Some(&known), &writers);
            assert_eq!(again, now, "{writer}");
        }
        // Without a change of class, nobody else can be meant.
        let never_changed = address(&ingress("b", "192.0.2.1", "a", 2), None, Some(&known), &writers);
        assert_eq!(never_changed.class, "b");
    }

    #[test]
    fn an_address_that_was_removed_and_written_again_by_the_same_controller_does_not_count() {
        let known = classes(&[("a", "x/a"), ("b", "x/b")]);
        let first = found(&ingress("a", "192.0.2.1", "a", 1), None, &known);
        let mut bare = ingress("b", "", "a", 2);
        bare.data["status"] = Value::Null;
        let removed = found(&bare, Some(&first), &known);
        for (writer, expected) in [("a", "a"), ("b", "b")] {
            let now = found(&ingress("b", "192.0.2.1", writer, 3), Some(&removed), &known);
            assert_eq!(now.class, expected);
        }
    }

    /// As from an operator that did not record them.
    #[test]
    fn what_was_not_recorded_is_added() {
        let known = classes(&[("a", "x/a")]);
        let live = ingress("a", "192.0.2.1", "a", 1);
        let full = found(&live, None, &known);
        let bare = IngressAddress { controller: None, writer: None, ..full.clone() };
        assert_eq!(found(&live, Some(&bare), &known), full);
    }
}
