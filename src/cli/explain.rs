use std::fmt::Write;

use crate::config::Catalogue;
use crate::model::{
    Arrangement, Audience, Basis, Case, Clause, Credential, Means, Method, Signature, Step,
    Template, TokenTemplate, altered,
};

use super::args::ExplainArgs;
use super::output::{self, Failed};
use super::{exit, inputs};

/// `touchstone explain`
pub fn main(arguments: &ExplainArgs) -> Result<u8, Failed> {
    let catalogue = inputs::catalogue(arguments.suites.as_deref())?;
    let cases: Vec<_> = catalogue
        .suites
        .iter()
        .flat_map(|suite| &suite.cases)
        .collect();
    let text = if let Some(case) = cases.iter().find(|case| case.id.as_str() == arguments.id) {
        explain_case(case, &catalogue)
    } else if let Some(clause) = catalogue
        .clauses
        .iter()
        .find(|c| c.id.as_str() == arguments.id)
    {
        explain_clause(clause, &catalogue)
    } else {
        let names: Vec<_> = cases
            .iter()
            .map(|case| case.id.as_str())
            .chain(catalogue.clauses.iter().map(|clause| clause.id.as_str()))
            .collect();
        let message = format!("`{}` is neither a case nor a clause", arguments.id);
        return Err(Failed::Usage(inputs::unknown(
            &message,
            &arguments.id,
            &names,
            "cases",
        )));
    };
    output::result(&text)?;
    Ok(exit::OK)
}

fn explain_case(case: &Case, catalogue: &Catalogue) -> String {
    let mut text = format!(
        "{}  ({}, {})\n{}\n\n",
        case.id, case.severity, case.at, case.title
    );
    let _ = writeln!(text, "What a failure means\n  {}\n", case.risk);
    text.push_str("What it judges\n");
    for id in &case.clauses {
        if let Some(clause) = catalogue.clauses.iter().find(|clause| clause.id == *id) {
            text.push_str(&sentence(clause));
        }
    }
    if !case.given.is_empty() {
        text.push_str("\nWhat is arranged before, in a directory of the case's own\n");
        for given in &case.given {
            let _ = match given {
                Arrangement::File(path) => writeln!(text, "  the file {path}"),
                Arrangement::Directory(path) => writeln!(text, "  the directory {path}"),
            };
        }
    }
    text.push_str("\nWhat is sent, and what is right\n");
    for step in &case.steps {
        explain_step(&mut text, step);
    }
    text.push_str("\n{dir} is the case's directory, below the area of the endpoint.\n");
    text
}

fn explain_step(text: &mut String, step: &Step) {
    let to = step
        .destination
        .as_ref()
        .map(|to| format!(" to {to}"))
        .unwrap_or_default();
    let _ = writeln!(text, "  {} {}{to}", step.method, step.path);
    let _ = writeln!(text, "    with      {}", credential(&step.token));
    explain_shape(text, step);
    let word = crate::check::word(step.expect, step.method);
    let right: Vec<_> = word.right.iter().map(u16::to_string).collect();
    let tolerated = match (step.expect.refusal(), word.tolerated) {
        (true, _) => "; another refusal (4xx) is a warning".to_owned(),
        (false, []) => String::new(),
        (false, some) => {
            let some: Vec<_> = some.iter().map(u16::to_string).collect();
            format!("; {} is a warning", some.join(" or "))
        }
    };
    let _ = writeln!(
        text,
        "    expected  {} ({}{tolerated})",
        step.expect,
        right.join(" or ")
    );
    let _ = writeln!(text, "    proof     {}", proof(step));
    if let Some(control) = &step.control {
        let _ = writeln!(
            text,
            "    control   the same request with {} has to succeed",
            token(control)
        );
    }
    for asked in step.token.token().into_iter().chain(&step.control) {
        if asked.means() > Means::PublicKey {
            text.push_str(
                "    needs     a test issuer whose key is known to touchstone (`test-key:`)\n",
            );
        }
    }
}

/// What is unusual about the request.
fn explain_shape(text: &mut String, step: &Step) {
    if let Some(verb) = &step.verb {
        let _ = writeln!(text, "    method    {verb}");
    }
    for (name, value) in &step.headers {
        let _ = writeln!(text, "    header    {name}: {value}");
    }
    let Some(wire) = &step.wire else { return };
    if let Some(target) = &wire.target {
        let _ = writeln!(text, "    sent as   {target}");
    }
    for line in wire.present.iter().flatten() {
        let _ = writeln!(text, "    header    {line}");
    }
    if let Some(query) = &wire.query {
        let _ = writeln!(text, "    query     ?{query}");
    }
    if wire.other.token().is_some() {
        let _ = writeln!(
            text,
            "    and       {}, where {{other}} stands",
            credential(&wire.other)
        );
    }
    for (set, words) in [
        (wire.expect_continue, "with Expect: 100-continue"),
        (wire.kept, "on the case's one connection"),
        (wire.chunked, "chunked"),
        (wire.cut.is_some(), "broken off in the middle of the body"),
    ] {
        if set {
            let _ = writeln!(text, "    sent      {words}");
        }
    }
}

/// How the step is proven beyond its status.
fn proof(step: &Step) -> &'static str {
    match (step.expect.refusal(), step.method) {
        (true, method) if method.writes() => {
            "nothing has changed, as the observer sees by reading it back"
        }
        (true, _) => "the answer holds no byte of the file",
        (false, Method::Get) => "the bytes are those that were stored",
        (false, Method::Head | Method::Propfind) => "the size is that of the file",
        (false, method) if method.writes() => {
            "it really happened, as the observer sees by reading it back"
        }
        (false, _) => "the status",
    }
}

fn credential(credential: &Credential<TokenTemplate>) -> String {
    match credential {
        Credential::None => "no token".into(),
        Credential::Text(text) => format!(
            "the text {:?} instead of a token",
            text.chars().take(60).collect::<String>()
        ),
        Credential::Token(asked) => token(asked),
    }
}

fn token(token: &TokenTemplate) -> String {
    let mut parts = Vec::new();
    let scope = token.scope.to_string();
    if !scope.is_empty() {
        parts.push(format!("scope \"{scope}\""));
    }
    if !token.groups.is_empty() {
        parts.push(format!("groups {}", list(&token.groups)));
    }
    match &token.audience {
        None => {}
        Some(Audience::One(one)) => parts.push(format!("audience {one}")),
        Some(Audience::Many(many)) => parts.push(format!("audiences [{}]", list(many))),
    }
    parts.extend(altered(&token.claims));
    parts.extend(altered(&token.header).map(|text| format!("header {text}")));
    parts.extend(
        token
            .repeated
            .keys()
            .map(|claim| format!("{claim} once more")),
    );
    if token.signature != Signature::Good {
        parts.push(format!("signature {}", token.signature.as_str()));
    }
    if token.second {
        parts.push("of the second area's issuer".into());
    }
    format!("a token: {}", parts.join(", "))
}

fn list(templates: &[Template]) -> String {
    templates
        .iter()
        .map(Template::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn explain_clause(clause: &Clause, catalogue: &Catalogue) -> String {
    let mut text = sentence(clause);
    let since = match clause.since {
        Some(since) => format!(", since profile {since}"),
        None => String::new(),
    };
    let basis = match clause.basis {
        Basis::Stated => "stated by the profile",
        Basis::Rfc => "from an RFC or a like specification",
        Basis::Derived => "derived: our reading, not the letter of the source",
    };
    let _ = writeln!(text, "\n  source    {}{since}", clause.source);
    let _ = writeln!(text, "  basis     {basis}");
    let _ = writeln!(text, "  severity  {}", clause.severity);
    if let Some(reason) = &clause.untestable {
        let _ = writeln!(text, "\nNo case can judge it\n  {reason}");
        return text;
    }
    text.push_str("\nJudged by\n");
    let cases = catalogue.cases_of(&clause.id);
    for case in &cases {
        let _ = writeln!(text, "  {}  {}", case.id, case.title);
    }
    if cases.is_empty() {
        text.push_str("  no case yet\n");
    }
    text
}

/// The clause, its level and its rule; marked where it is our reading of the sources.
fn sentence(clause: &Clause) -> String {
    let mark = clause.basis.mark();
    format!(
        "  {} {}{mark}: {}\n",
        clause.id, clause.level, clause.requirement
    )
}
