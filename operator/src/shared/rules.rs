//! Evaluates validation rules of a schema without an API server. Rules are written in CEL (Common Expression Language),
//! of which this supports `has`, `!`, `&&`, `||`, `==`, `!=`, literals, `matches`, `startsWith`, `exists_one` and
//! `isQuantity`. Any other rule is left to the API server.

use regex::Regex;
use serde_json::Value;

use super::quantity::Quantity;

/// Whether the value satisfies the rule; `None` if the rule uses an unsupported feature.
pub fn holds(rule: &str, this: &Value) -> Option<bool> {
    let mut reader = Reader { rest: rule, this };
    let found = reader.either()?;
    reader.rest.trim_start().is_empty().then_some(found.as_bool()?)
}

/// Evaluates while it parses. A missing field is null, which no stored field is.
struct Reader<'a> {
    rest: &'a str,
    this: &'a Value,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Option<()> {
        self.eat(token).then_some(())
    }

    fn either(&mut self) -> Option<Value> {
        let mut left = self.both()?;
        while self.eat("||") {
            let right = self.both()?;
            left = Value::Bool(left.as_bool()? | right.as_bool()?);
        }
        Some(left)
    }

    fn both(&mut self) -> Option<Value> {
        let mut left = self.comparison()?;
        while self.eat("&&") {
            let right = self.comparison()?;
            left = Value::Bool(left.as_bool()? & right.as_bool()?);
        }
        Some(left)
    }

    fn comparison(&mut self) -> Option<Value> {
        let left = self.negation()?;
        let is_equal = self.eat("==");
        if !is_equal && !self.eat("!=") {
            return Some(left);
        }
        Some(Value::Bool((left == self.negation()?) == is_equal))
    }

    fn negation(&mut self) -> Option<Value> {
        if self.eat("!") {
            return Some(Value::Bool(!self.negation()?.as_bool()?));
        }
        self.term()
    }

    fn term(&mut self) -> Option<Value> {
        if self.eat("(") {
            let inner = self.either()?;
            return self.expect(")").map(|()| inner);
        }
        if self.eat("[") {
            return self.exactly_one();
        }
        if self.eat("has(") {
            self.expect("self")?;
            let field = self.field()?;
            return self.expect(")").map(|()| Value::Bool(!field.is_null()));
        }
        if self.eat("isQuantity(string(self") {
            let amount = self.field()?;
            return self.expect("))").map(|()| Value::Bool(is_quantity(&amount)));
        }
        if self.eat("self") {
            let field = self.field()?;
            return if self.eat("(") { None } else { Some(field) };
        }
        self.literal()
    }

    /// `.a.b`, optionally with a method call at the end.
    fn field(&mut self) -> Option<Value> {
        let mut found = self.this;
        while self.eat(".") {
            let name = self.name();
            if self.eat("(") {
                let text = self.literal()?;
                self.expect(")")?;
                return call(name, found.as_str().unwrap_or_default(), text.as_str()?);
            }
            // CEL escapes a field whose name is a keyword as `__name__`.
            let name = name.strip_prefix("__").and_then(|name| name.strip_suffix("__")).unwrap_or(name);
            found = found.get(name).unwrap_or(&Value::Null);
        }
        Some(found.clone())
    }

    fn name(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    fn literal(&mut self) -> Option<Value> {
        if !self.eat("'") {
            self.rest = self.rest.trim_start();
            return self.name().parse::<i64>().ok().map(Value::from);
        }
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        loop {
            match characters.next()? {
                (at, '\'') => {
                    self.rest = &self.rest[at + 1..];
                    return Some(Value::String(text));
                }
                (_, '\\') => text.push(characters.next().map(|(_, c)| c).filter(|c| "\\'".contains(*c))?),
                (_, c) => text.push(c),
            }
        }
    }

    /// `[a, b].exists_one(x, x)`
    fn exactly_one(&mut self) -> Option<Value> {
        let mut count = 0;
        loop {
            count += u32::from(self.either()?.as_bool()?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect("].exists_one(")?;
        let variable = self.name();
        self.expect(",")?;
        self.expect(variable)?;
        self.expect(")")?;
        Some(Value::Bool(count == 1))
    }
}

fn is_quantity(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64(),
        other => other.as_str().is_some_and(|text| Quantity::parse(text).is_some()),
    }
}

fn call(method: &str, text: &str, argument: &str) -> Option<Value> {
    match method {
        "matches" => Some(Value::Bool(Regex::new(argument).ok()?.is_match(text))),
        "startsWith" => Some(Value::Bool(text.starts_with(argument))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_about_fields_are_understood() {
        let this = json!({"a": 1, "b": {"c": "Domains", "namespace": "x"}});
        for (rule, expected) in [
            ("has(self.a) != has(self.z)", true),
            ("has(self.a)==has(self.z)", false),
            ("!has(self.z) || (has(self.a) && has(self.b.z))", true),
            ("!has(self.b.c) || !(has(self.z) || has(self.a))", false),
            ("(has(self.b.c) && self.b.c == 'Domains') == has(self.a)", true),
            ("!has(self.a) || self.a == 2", false),
            ("[has(self.a), has(self.b), has(self.z)].exists_one(set, set)", false),
            ("[has(self.a), has(self.y), has(self.z)].exists_one(set, set)", true),
            ("self.b.c.matches('^D[a-z\\\\.]+$') && !self.b.c.startsWith('X')", true),
            ("has(self.b.__namespace__)", true),
        ] {
            assert_eq!(holds(rule, &this), Some(expected), "{rule}");
        }
        assert_eq!(holds("self.matches('^b$')", &json!("b")), Some(true));
        for (value, expected) in [(json!("1.5Gi"), true), (json!(5), true), (json!("1GB"), false), (json!(1.5), false)]
        {
            assert_eq!(holds("isQuantity(string(self))", &value), Some(expected), "{value}");
        }
    }

    #[test]
    fn others_are_left_to_the_api_server() {
        for rule in [
            "self.all(name, name.matches('a'))",
            "has(self.a) == has(oldSelf.a)",
            "self.a >= 1",
            "has(self.a) ? self.a : 2",
            "quantity(self.a).compareTo(quantity('1')) >= 0",
            "{'s': 1}[self.a] == 1",
            "'s' in ['s']",
            "self.a.size() == 1",
            "has(self.a",
            "self.a == 'x",
            "self.matches('[')",
            "",
        ] {
            assert_eq!(holds(rule, &json!({"a": 1})), None, "{rule}");
        }
    }
}
