//! JSON in which no name is lost: of two members with one name, a plain value keeps the last, which may be the weaker one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A value as it is written.
#[derive(Debug)]
pub(super) enum Node {
    Plain(Value),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Node {
    /// Its value, and the first name that one of its objects has twice.
    pub fn into_value(self) -> (Value, Option<String>) {
        let mut repeated = None;
        let value = self.without_repeated(&mut repeated);
        (value, repeated)
    }

    fn without_repeated(self, repeated: &mut Option<String>) -> Value {
        match self {
            Self::Plain(value) => value,
            Self::List(items) => items.into_iter().map(|item| item.without_repeated(repeated)).collect(),
            Self::Object(members) => {
                let mut map = Map::new();
                for (name, member) in members {
                    if map.contains_key(&name) && repeated.is_none() {
                        *repeated = Some(name.clone());
                    }
                    let member = member.without_repeated(repeated);
                    map.insert(name, member);
                }
                Value::Object(map)
            }
        }
    }

    /// The texts of all its members with this name.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let Self::Object(members) = self else { return Vec::new() };
        let texts = members.iter().filter(|(own, _)| own == name).filter_map(|(_, member)| match member {
            Self::Plain(Value::String(text)) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Node::Object(object))
    }
}
