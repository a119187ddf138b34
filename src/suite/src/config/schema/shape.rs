//! The parts of which schemas are made.

use serde_json::{Map, Value, json};

/// What editors look for; later drafts are not known to all of them.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// Text that is not empty.
pub(super) fn text(about: &str) -> Value {
    json!({"description": about, "type": "string", "pattern": "\\S"})
}

/// Text that may be odd.
pub(super) fn any_text(about: &str) -> Value {
    json!({"description": about, "type": "string"})
}

/// Text of that pattern.
pub(super) fn like(about: &str, pattern: &str) -> Value {
    json!({"description": about, "type": "string", "pattern": pattern})
}

/// `true` or `false`.
pub(super) fn flag(about: &str) -> Value {
    json!({"description": about, "type": "boolean"})
}

/// A whole number of at least 1.
pub(super) fn count(about: &str) -> Value {
    json!({"description": about, "type": "integer", "minimum": 1})
}

/// A whole number of at least 1, and not more than `most`.
pub(super) fn count_to(about: &str, most: usize) -> Value {
    json!({"description": about, "type": "integer", "minimum": 1, "maximum": most})
}

/// A time such as `500ms`, `10s` or `1h 30m`.
pub(super) fn duration(about: &str) -> Value {
    let pattern = r"^\s*([0-9]+\s*[a-zA-Zµ]+\s*)+$";
    json!({"description": about, "type": "string", "pattern": pattern, "examples": ["500ms", "10s", "2m"]})
}

/// One of a few words.
pub(super) fn word<'a>(about: &str, words: impl IntoIterator<Item = &'a str>) -> Value {
    json!({"description": about, "enum": words.into_iter().collect::<Vec<_>>()})
}

/// One of the words of a reader's table.
pub(super) fn listed<T>(about: &str, words: &[(&str, T)]) -> Value {
    word(about, words.iter().map(|(word, _)| *word))
}

/// A list.
pub(super) fn list(about: &str, item: Value) -> Value {
    json!({"description": about, "type": "array", "items": item})
}

/// A list with at least one item.
pub(super) fn some(about: &str, item: Value) -> Value {
    json!({"description": about, "type": "array", "items": item, "minItems": 1})
}

/// A value or a list of them.
pub(super) fn one_or_more(about: &str, item: Value) -> Value {
    json!({"description": about, "anyOf": [item.clone(), {"type": "array", "items": item}]})
}

/// Either of several.
pub(super) fn either(about: &str, ways: Vec<Value>) -> Value {
    json!({"description": about, "anyOf": ways})
}

/// `false`, or the mapping.
pub(super) fn unless_false(mut mapping: Value) -> Value {
    let about = mapping
        .as_object_mut()
        .and_then(|map| map.remove("description"));
    json!({"description": about, "anyOf": [{"const": false}, mapping]})
}

/// A mapping whose keys the author chooses.
pub(super) fn named(about: &str, key: Option<&str>, value: Value) -> Value {
    let mut schema = json!({"description": about, "type": "object", "additionalProperties": value});
    if let (Some(key), Some(map)) = (key, schema.as_object_mut()) {
        map.insert("propertyNames".into(), json!({"pattern": key}));
    }
    schema
}

/// A mapping with the keys of a reader's table, of which `needed` have to be there.
///
/// A key without an entry in `property` may hold anything, until a test finds it.
pub(super) fn mapping(
    about: &str,
    keys: &[&str],
    needed: &[&str],
    property: impl Fn(&str) -> Option<Value>,
) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| ((*key).to_owned(), property(key).unwrap_or(json!({}))))
        .collect();
    let mut schema = json!({
        "description": about,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let (false, Some(map)) = (needed.is_empty(), schema.as_object_mut()) {
        map.insert("required".into(), json!(needed));
    }
    schema
}

/// Adds that exactly one of the keys is there.
pub(super) fn one_of(schema: Value, keys: &[&str]) -> Value {
    with(schema, "oneOf", required(keys))
}

/// Adds that at most one of the keys is there.
pub(super) fn at_most_one_of(schema: Value, keys: &[&str]) -> Value {
    let mut ways = required(keys);
    ways.push(json!({"not": {"anyOf": required(keys)}}));
    with(schema, "oneOf", ways)
}

/// Adds a condition that holds beside the others.
pub(super) fn also(schema: Value, condition: Value) -> Value {
    with(schema, "allOf", vec![condition])
}

/// The schema of a file.
pub(super) fn file(title: &str, schema: Value) -> Value {
    let mut whole = json!({"$schema": DRAFT, "title": title});
    if let (Value::Object(whole), Value::Object(schema)) = (&mut whole, schema) {
        whole.extend(schema);
    }
    whole
}

fn required(keys: &[&str]) -> Vec<Value> {
    keys.iter().map(|key| json!({"required": [key]})).collect()
}

fn with(mut schema: Value, key: &str, ways: Vec<Value>) -> Value {
    if let Some(map) = schema.as_object_mut() {
        match (map.contains_key(key), map.get_mut("allOf")) {
            (false, _) => {
                map.insert(key.into(), Value::Array(ways));
            }
            (true, Some(Value::Array(all))) if key == "allOf" => all.extend(ways),
            (true, Some(Value::Array(all))) => all.push(json!({key: ways})),
            (true, _) => {
                map.insert("allOf".into(), json!([{key: ways}]));
            }
        }
    }
    schema
}
