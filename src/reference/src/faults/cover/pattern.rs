//! The path of a capability, taken for a regular expression.

use regex_automata::meta::Regex;

use super::super::super::authorisation::{Question, covers};
use super::super::super::path::ObjectPath;
use super::super::super::rules::Rules;

/// The whole path of an object, or that of a directory above it, may match.
pub(super) fn expression(rules: &mut Rules) {
    rules.covers = |scope, asked| covers(scope, asked) || matches(&scope.path.to_string(), asked);
}

fn matches(expression: &str, asked: &Question) -> bool {
    let Ok(expression) = Regex::new(&format!("^(?:{expression})$")) else {
        return false;
    };
    let names = asked.path.names();
    (1..=names.len()).any(|depth| {
        let path = ObjectPath::of(names.iter().take(depth).cloned().collect());
        expression.is_match(path.to_string().as_str())
    })
}
