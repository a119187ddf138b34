use std::fmt::Write;

use crate::config::Catalogue;
use crate::model::{
    Alteration, Arrangement, Audience, Basis, Case, Clause, Method, Step, Template, TokenTemplate,
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
    let _ = writeln!(text, "    with      {}", token(step.token.as_ref()));
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
            token(Some(control))
        );
    }
    for asked in [step.token.as_ref(), step.control.as_ref()]
        .into_iter()
        .flatten()
    {
        if !asked.claims.is_empty() {
            text.push_str(
                "    needs     a test issuer whose key is known to touchstone (`test-key:`)\n",
            );
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

fn token(token: Option<&TokenTemplate>) -> String {
    let Some(token) = token else {
        return "no token".into();
    };
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
    for (claim, alteration) in &token.claims {
        parts.push(match alteration {
            Alteration::Remove => format!("no {claim}"),
            Alteration::FromNow(seconds) => format!("{claim} {seconds:+} s from now"),
            Alteration::Value(value) => format!("{claim} = {value}"),
        });
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
