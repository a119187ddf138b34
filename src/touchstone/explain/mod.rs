mod ask;
mod step;
mod tape;
mod token;
mod transfer;

use std::fmt::Write;

use touchstone_model::{Arrangement, Basis, Case, Clause, Variable};
use touchstone_report::text::{line, terminal};
use touchstone_suite::config::Catalogue;

use crate::args::ExplainArgs;
use crate::output::{self, Failed};
use crate::{exit, inputs};

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
    output::result(&terminal(&text))?;
    Ok(exit::OK)
}

fn explain_case(case: &Case, catalogue: &Catalogue) -> String {
    let mut text = format!(
        "{}  ({}, {})\n{}\n",
        case.id,
        case.severity,
        case.at,
        line(&case.title)
    );
    for condition in conditions(case) {
        let _ = writeln!(text, "{condition}");
    }
    let _ = writeln!(text, "\nWhat a failure means\n  {}\n", line(&case.risk));
    text.push_str("What it judges\n");
    for id in &case.clauses {
        if let Some(clause) = catalogue.clauses.iter().find(|clause| clause.id == *id) {
            text.push_str(&sentence(clause));
            let _ = writeln!(text, "    ({})", clause.source);
            for quotation in &clause.text {
                let _ = writeln!(text, "    {quotation}");
            }
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
    if !case.asks.is_empty() {
        text.push_str("\nWhat the issuer is asked, and what is right\n");
        for asked in &case.asks {
            ask::explain(&mut text, asked);
        }
        ask::legend(&mut text);
        return text;
    }
    text.push_str("\nWhat is sent, and what is right\n");
    for step in &case.steps {
        step::explain(&mut text, step);
    }
    let tokens = case.steps.iter().flat_map(|step| {
        let other = step.wire.as_ref().and_then(|wire| wire.other.token());
        let own = step.token.token().into_iter();
        own.chain(other).chain(&step.control)
    });
    let how = token::obtain(tokens);
    if !how.is_empty() {
        let _ = write!(text, "\nHow such tokens are obtained\n{how}");
    }
    legend(&mut text);
    text
}

/// When it runs at all.
fn conditions(case: &Case) -> Vec<String> {
    let mut conditions = Vec::new();
    if case.intrusive {
        conditions
            .push("It could hurt a service, so that it runs only with --intrusive.".to_owned());
    }
    if case.slow {
        conditions.push("It takes long, so that it runs only with --slow.".into());
    }
    match case.profiles {
        (None, None) => {}
        (Some(first), None) => conditions.push(format!("It is about profile {first} and later.")),
        (None, Some(last)) => conditions.push(format!("It is about profiles up to {last}.")),
        (Some(first), Some(last)) => {
            conditions.push(format!("It is about profiles {first} to {last}."));
        }
    }
    conditions
}

/// What the braces in `text` stand for.
fn legend(text: &mut String) {
    let mut legend = String::new();
    for variable in Variable::ALL {
        let name = format!("{{{}}}", variable.name());
        if text.contains(&name) {
            let _ = writeln!(legend, "  {name:18} {}", meaning(variable));
        }
    }
    let _ = write!(
        text,
        "\nPaths without a variable in front are below the case's directory.\n{legend}"
    );
}

fn meaning(variable: Variable) -> &'static str {
    match variable {
        Variable::Dir => "the case's directory, below the area of the endpoint",
        Variable::Endpoint => "scheme, host and port of the endpoint",
        Variable::Host => "the host of the endpoint, without its port",
        Variable::Audience => {
            "each audience that the endpoint declares (`audience:`), otherwise its URL"
        }
        Variable::Area => "the path of the area on the service",
        Variable::Issuer => "the issuer of the endpoint's tokens",
        Variable::Group => {
            "the group that reads and writes the area (`traits: {groups: {member}}`)"
        }
        Variable::PrivilegedGroup => "the group that writes the protected path as well",
        Variable::Protected => "the case's directory below the protected path",
        Variable::Second => "the case's directory in the second area (`second:`)",
        Variable::SecondArea => "the path of the second area",
        Variable::SecondIssuer => "the issuer of the second area's tokens",
        Variable::Tape => {
            "the case's directory below the path whose files go to tape (`traits: {tape: …}`)"
        }
        Variable::Nearline => "the file that is on tape already (`traits: {tape: {file}}`)",
        Variable::Marker => {
            "the name of an object beside the area that only this run could have made"
        }
        Variable::Listener => {
            "a server of ours that nobody trusts (`--listen`); who connects to it fails"
        }
        Variable::ListenerHost => "host and port of that server of ours (`--listen`)",
    }
}

fn explain_clause(clause: &Clause, catalogue: &Catalogue) -> String {
    let mut text = sentence(clause);
    let since = match clause.since {
        Some(since) => format!(", since profile {since}"),
        None => String::new(),
    };
    let basis = match clause.basis {
        Basis::Stated => "stated by the specification",
        Basis::Rfc => "from an RFC or a like specification",
        Basis::Derived => "derived: our reading, not the letter of the source",
    };
    let _ = writeln!(text, "\n  source    {}{since}", clause.source);
    let _ = writeln!(text, "  basis     {basis}");
    let _ = writeln!(text, "  severity  {}", clause.severity);
    for quotation in &clause.text {
        let _ = writeln!(text, "  text      {quotation}");
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_model::{IssuerVariable, Quotation};

    fn explained(id: &str) -> String {
        let catalogue = inputs::catalogue(None).unwrap();
        let case = catalogue.cases().find(|case| case.id.as_str() == id);
        explain_case(case.unwrap(), &catalogue)
    }

    /// A line for each case: a difference names it, and `touchstone explain` of the version before shows what it said.
    #[test]
    fn the_explanation_of_every_case_is_as_it_was() {
        use sha2::{Digest as _, Sha256};
        let catalogue = inputs::catalogue(None).unwrap();
        let mut lines = String::new();
        for case in catalogue.cases() {
            let sum = Sha256::digest(explain_case(case, &catalogue));
            let digest: String = sum.iter().take(6).map(|b| format!("{b:02x}")).collect();
            let _ = writeln!(lines, "{} {digest}", case.id);
        }
        insta::assert_snapshot!("explanations", lines);
    }

    #[test]
    fn every_case_tells_what_it_is_about() {
        let catalogue = inputs::catalogue(None).unwrap();
        for case in catalogue.cases() {
            let text = explain_case(case, &catalogue);
            let id = &case.id;
            assert!(
                text.contains(&case.risk) && text.contains(&case.title),
                "{id}"
            );
            for clause in &case.clauses {
                let clause = catalogue.clauses.iter().find(|c| c.id == *clause).unwrap();
                assert!(text.contains(&clause.requirement), "{id}");
                let quoted = |quotation: &Quotation| text.contains(&quotation.quote);
                assert!(clause.text.iter().all(quoted), "{id}");
            }
            let words: usize = case.asks.iter().map(|ask| ask.expect.len()).sum();
            assert_eq!(text.matches("    right     ").count(), words, "{id}");
            for variable in IssuerVariable::ALL {
                let name = format!("{{{}}}", variable.name());
                let told = text.contains(&format!("  {name} "));
                let used = !case.asks.is_empty() && text.contains(&name);
                assert_eq!(used, told && used, "{id}: {name}");
            }
            for word in ["    expected  ", "    proof     ", "    with      "] {
                assert_eq!(text.matches(word).count(), case.steps.len(), "{id}: {word}");
            }
            let controls = case.steps.iter().filter(|step| step.control.is_some());
            assert_eq!(
                text.matches("    control   ").count(),
                controls.count(),
                "{id}"
            );
            assert!(
                !text.contains("()") && !text.contains("a token: \n"),
                "{text}"
            );
            let how = text.split_once("How such tokens are obtained\n");
            assert!(
                how.is_some_and(|(_, how)| how.starts_with("  ")) || !text.contains("a token: "),
                "{text}"
            );
            for variable in Variable::ALL {
                let name = format!("{{{}}}", variable.name());
                let told = text.contains(&format!("  {name} "));
                assert_eq!(text.contains(&name), told, "{id}: {name}");
            }
            assert_eq!(case.intrusive, text.contains("--intrusive"), "{id}");
            assert_eq!(case.slow, text.contains("--slow"), "{id}");
        }
    }

    #[test]
    fn every_clause_tells_its_basis_and_its_cases() {
        let catalogue = inputs::catalogue(None).unwrap();
        assert!(catalogue.clauses.len() > 300);
        for clause in &catalogue.clauses {
            let text = explain_clause(clause, &catalogue);
            let id = &clause.id;
            assert!(text.contains(&clause.requirement), "{id}");
            assert!(text.contains(&clause.source.to_string()), "{id}");
            let derived = clause.basis == Basis::Derived;
            assert_eq!(text.contains("our reading"), derived, "{id}");
            if let Some(reason) = &clause.untestable {
                assert!(text.contains(reason.as_str()), "{id}");
            } else {
                for case in catalogue.cases_of(id) {
                    assert!(text.contains(case.id.as_str()), "{id}: {}", case.id);
                }
            }
        }
    }

    #[test]
    fn what_is_odd_about_a_request_is_told() {
        for (id, parts) in [
            (
                "bearer.two-ways.authz",
                &[
                    "query     ?authz={other}",
                    "header    Authorization: Bearer {token}",
                    "where {other} stands",
                ][..],
            ),
            (
                "path.request.dots",
                &["sent as   a/../b/secret   byte for byte"],
            ),
            (
                "webdav.put.cut",
                &["broken off after 20 bytes", "waiting for 2 s"],
            ),
            ("capability.read.no-patch", &["method    PATCH on the wire"]),
            (
                "connection.expired",
                &["on the case's one connection", "--slow", "`test-key:`"],
            ),
            (
                "authentication.signature.flipped",
                &["with one bit of the signature changed", "that needs no key"],
            ),
            (
                "authentication.header.remote-key.jku-unasked",
                &[
                    "nobody has connected to {listener}",
                    "no issuer has published",
                ],
            ),
            (
                "isolation.second.no-get",
                &["of the second area's issuer", "{second-issuer} gives"],
            ),
            ("group.member.read", &["scope `wlcg.groups:`"]),
        ] {
            let text = explained(id);
            for part in parts {
                assert!(text.contains(part), "{part}\n{text}");
            }
        }
    }
}
