//! Reads the fields of a body into a struct. All problems are collected, so that a client gets the complete list at
//! once.

use std::collections::BTreeSet;

use serde::Deserializer;
use serde::de::value::{Error, SeqDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use crate::account::{Problem, Rule};
use crate::http::error::{ApiError, FieldErrors};

/// The problems of a body's fields.
#[derive(Debug, Default)]
pub struct Problems {
    errors: FieldErrors,
    /// Fields without a value of the right type: the struct has a placeholder instead.
    unread: BTreeSet<&'static str>,
}

/// Reads a body. Missing fields and those of a wrong type get a placeholder, and are among the problems.
///
/// # Errors
/// If `T` has a field of an unsupported type.
pub fn read<T: DeserializeOwned>(mut object: Map<String, Value>) -> Result<(T, Problems), ApiError> {
    let mut problems = Problems::default();
    let body = T::deserialize(Body { object: &mut object, problems: &mut problems })
        .map_err(|error| ApiError::Internal(anyhow::Error::new(error)))?;
    for (name, _) in object {
        problems.add(&name, Problem::UnknownField);
    }
    Ok((body, problems))
}

impl Problems {
    pub fn add(&mut self, name: &str, problem: Problem) {
        self.errors.entry(name.to_owned()).or_default().push(problem.to_string());
    }

    /// Whether the field has a problem so far.
    pub fn has(&self, name: &str) -> bool {
        self.errors.contains_key(name)
    }

    /// Adds the ways in which the field breaks the rule.
    pub fn check(&mut self, name: &str, text: &str, rule: Rule) {
        if !self.has(name) {
            rule.problems(text).into_iter().for_each(|problem| self.add(name, problem));
        }
    }

    /// The value of an optional field, if it exists and has the right type.
    pub fn given<'a, T>(&self, name: &str, value: Option<&'a T>) -> Option<&'a T> {
        value.filter(|_| !self.unread.contains(name))
    }

    /// Call this before changing anything.
    ///
    /// # Errors
    /// All problems.
    pub fn refuse(self) -> Result<(), ApiError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Fields(self.errors)) }
    }
}

struct Body<'a> {
    object: &'a mut Map<String, Value>,
    problems: &'a mut Problems,
}

impl<'de> Deserializer<'de> for Body<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Access { body: self, fields: fields.iter(), current: "" })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("a body is a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// All fields of the type, whether the object has them or not.
struct Access<'a> {
    body: Body<'a>,
    fields: std::slice::Iter<'static, &'static str>,
    current: &'static str,
}

impl<'de> MapAccess<'de> for Access<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.fields.next() else { return Ok(None) };
        self.current = name;
        seed.deserialize((*name).into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.body.object.remove(self.current);
        seed.deserialize(Field { name: self.current, value, problems: self.body.problems })
    }
}

/// One field; its value is `None` if the object does not have it.
struct Field<'a> {
    name: &'static str,
    value: Option<Value>,
    problems: &'a mut Problems,
}

impl Field<'_> {
    fn text(&mut self) -> Option<String> {
        match self.value.take() {
            // PostgreSQL cannot store NUL.
            Some(Value::String(text)) if !text.contains('\0') => Some(text),
            other => self.fail(other.as_ref(), Problem::NotString),
        }
    }

    /// A list of texts.
    fn texts(&mut self) -> Option<Vec<String>> {
        let items = match self.value.take() {
            Some(Value::Array(items)) => items,
            other => return self.fail(other.as_ref(), Problem::NotList),
        };
        let texts: Option<Vec<_>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        match texts {
            Some(texts) => Some(texts),
            None => self.fail(Some(&Value::Array(items)), Problem::NotString),
        }
    }

    fn fail<T>(&mut self, value: Option<&Value>, wrong_type: Problem) -> Option<T> {
        let problem = match value {
            None => Problem::Missing,
            Some(Value::Null) => Problem::Null,
            Some(_) => wrong_type,
        };
        self.problems.unread.insert(self.name);
        self.problems.add(self.name, problem);
        None
    }
}

impl<'de> Deserializer<'de> for Field<'_> {
    type Error = Error;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_string<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text().unwrap_or_default())
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        let flag = match self.value.take() {
            Some(Value::Bool(flag)) => Some(flag),
            other => self.fail(other.as_ref(), Problem::NotBoolean),
        };
        visitor.visit_bool(flag.unwrap_or_default())
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.texts().unwrap_or_default().into_iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = self.text();
        let found = text.as_ref().and_then(|text| variants.iter().find(|variant| *variant == text));
        if text.is_some() && found.is_none() {
            self.problems.add(self.name, Problem::NotOneOf(variants));
        }
        visitor.visit_enum(found.or(variants.first()).copied().unwrap_or_default().into_deserializer())
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom(format_args!("the field {} has an unsupported type", self.name)))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::account::{EMAIL, NAME, USERNAME};
    use crate::http::bodies::{ChangeUserBody, CreateUserBody};

    fn read_as<T: DeserializeOwned>(value: Value) -> (T, Problems) {
        let Value::Object(object) = value else { panic!() };
        read(object).unwrap()
    }

    fn refusal(problems: Problems) -> Value {
        match problems.refuse() {
            Ok(()) => json!({}),
            Err(ApiError::Fields(errors)) => json!(errors),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_problems_are_listed_at_once() {
        let (body, mut problems) = read_as::<CreateUserBody>(
            json!({"username": "al", "name": 7, "email": "nobody", "nick": "x", "role_name": null}),
        );
        problems.check("username", &body.username, USERNAME);
        problems.check("name", &body.name, NAME);
        problems.check("email", &body.email, EMAIL);
        assert_eq!(
            refusal(problems),
            json!({
                "username": ["Shorter than minimum length 3."],
                "name": ["Not a valid string."],
                "email": ["Not a valid email address."],
                "password": ["Missing data for required field."],
                "role_name": ["Field may not be null."],
                "nick": ["Unknown field."],
            })
        );
    }

    #[test]
    fn an_optional_field_can_be_missing_but_not_null_or_of_another_type() {
        let refused = |value: Value| refusal(read_as::<ChangeUserBody>(value).1);
        assert_eq!(refused(json!({"uuid": "u"})), json!({}));
        assert_eq!(
            refused(json!({"uuid": "u", "name": null, "disabled": 1, "role_name": "King", "email": "a\0b"})),
            json!({
                "name": ["Field may not be null."],
                "disabled": ["Not a valid boolean."],
                "role_name": ["Must be one of: Admin, User."],
                "email": ["Not a valid string."],
            })
        );
        for (groups, problem) in [
            (json!("staff"), "Not a valid list."),
            (json!(null), "Field may not be null."),
            (json!(["staff", 7]), "Not a valid string."),
        ] {
            assert_eq!(refused(json!({"uuid": "u", "groups": groups})), json!({"groups": [problem]}));
        }
        assert_eq!(refused(json!({"uuid": "u", "groups": ["staff"]})), json!({}));
        let (body, problems) = read_as::<ChangeUserBody>(json!({"name": "A", "email": 7}));
        assert_eq!(problems.given("name", body.name.as_ref()).map(String::as_str), Some("A"));
        assert_eq!(problems.given("email", body.email.as_ref()), None);
    }
}
