//! YAML that Kubernetes' tools read as it was meant. They read YAML 1.1, in which more words than in 1.2 are booleans and
//! numbers.

use anyhow::Context as _;
use regex::Regex;
use serde_json::{Map, Value};

/// Scalars that YAML 1.1, or one of its readers, does not read as strings: booleans, null, merge and value keys,
/// integers with any base, floats, sexagesimal numbers and timestamps.
const NO_STRINGS: &str = r"(?ix)^(
    y | yes | n | no | true | false | on | off
    | ~ | null | << | =
    | [-+]?0b[01_]+ | [-+]?0o[0-7_]+ | [-+]?0x[0-9a-f_]+
    | [-+]?[0-9][0-9_]*(:[0-9_]+)*(\.[0-9_]*)?(e[-+]?[0-9_]+)?
    | [-+]?\.[0-9_]+(e[-+]?[0-9_]+)?
    | [-+]?\.inf | [-+]?\.nan
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([t\ \t].*)?
)$";

/// # Errors
/// If the object cannot be written as YAML.
pub fn to_yaml(object: &Value) -> anyhow::Result<String> {
    let json = object.to_string();
    let escaped = |mark: char| format!("\\x{:02X}", u32::from(mark));
    let mark = ('\u{86}'..='\u{9F}').find(|mark| !json.contains(*mark) && !json.contains(&escaped(*mark)));
    let mark = mark.context("it contains every control character")?;
    let marked = marked(object, &Regex::new(NO_STRINGS)?, mark)?;
    Ok(serde_yaml::to_string(&marked)?.replace(&format!("{}\"", escaped(mark)), "\""))
}

/// Appends the mark to each string that would be written without quotes and read as something else. The writer escapes
/// the mark, a control character, for which it needs double quotes.
fn marked(value: &Value, no_strings: &Regex, mark: char) -> serde_yaml::Result<Value> {
    let text = |text: &String| -> serde_yaml::Result<String> {
        let is_plain = no_strings.is_match(text) && serde_yaml::to_string(text)?.trim_end() == text;
        Ok(if is_plain { format!("{text}{mark}") } else { text.clone() })
    };
    Ok(match value {
        Value::String(string) => Value::String(text(string)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| marked(item, no_strings, mark)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| Ok((text(name)?, marked(value, no_strings, mark)?)));
            Value::Object(fields.collect::<serde_yaml::Result<Map<_, _>>>()?)
        }
        _ => value.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What PyYAML and Go's yaml read as something else than a string.
    const WORDS: &str = "y Y yes Yes YES n N no No NO true True TRUE false False FALSE on On ON off Off OFF \
        ~ null Null NULL << = \
        0 1 +1 -1 007 010 -010 0o7 0O7 -0o7 +0o17 0b1 0B1 -0b10 +0b1 0b1_0 0x1F 0X1f -0x1f +0x1_f 1_000 +1_000 1__0 1_ \
        1:30 -1:30 190:20:30 1:30.5 1_0:30 8080:80 \
        1.5 1. .5 -.5 +.5 .5_0 1e3 1E3 1e+3 1.5e-3 .5e3 1_0.5 1.5_0 6.8523015e+5 685_230.15 \
        .inf .Inf .INF +.inf -.inf -.INF .nan .NaN .NAN \
        2001-12-14 2001-1-1 2001-12-14T21:59:43.10Z 2001-12-14t21:59:43.10-05:00";

    #[test]
    fn strings_that_yaml_1_1_reads_as_something_else_have_quotes_as_value_and_as_key() {
        for word in WORDS.split_whitespace().chain(["", "2001-12-14 21:59:43.10 -5"]) {
            let text = to_yaml(&json!({"value": word, "list": [word], word: "text"})).unwrap();
            let quoted = |quote: char| format!("{quote}{word}{quote}");
            let count = ['"', '\''].map(|quote| text.matches(&quoted(quote)).count()).iter().sum::<usize>();
            assert_eq!(count, 3, "{text}");
            let read: Value = serde_yaml::from_str(&text).unwrap();
            assert_eq!(read, json!({"value": word, "list": [word], word: "text"}), "{text}");
        }
    }

    #[test]
    fn other_strings_and_other_types_stay_as_they_are() {
        for (value, text) in [
            (json!("online"), "online\n"),
            (json!("0.2.0"), "0.2.0\n"),
            (json!("10.0.0.0/8"), "10.0.0.0/8\n"),
            (json!("100m"), "100m\n"),
            (json!("1Gi"), "1Gi\n"),
            (json!("-"), "'-'\n"),
            (json!("a\nno\n"), "|\n  a\n  no\n"),
            (json!([true, null, 1, 1.5]), "- true\n- null\n- 1\n- 1.5\n"),
        ] {
            assert_eq!(to_yaml(&value).unwrap(), text);
        }
    }

    #[test]
    fn a_string_that_contains_the_mark_itself_is_kept() {
        let object = json!({"a": "on", "b": "x\u{86}", "c": "\\x87\"", "d": "on\u{88}"});
        let text = to_yaml(&object).unwrap();
        assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), object, "{text}");
        assert!(text.contains("a: \"on\"\n"), "{text}");
    }
}
