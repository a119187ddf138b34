//! The steps of a case.

use super::diagnostics::Diagnostics;
use super::fields::{Entry, Fields};
use super::paths;
use super::suites::place;
use super::tokens::{self, Credential};
use super::words::{listed, nearest};
use crate::model::{Expect, Method, Step, Template, TemplateError, Variable};

const METHODS: [(&str, Method); 7] = [
    ("get", Method::Get),
    ("head", Method::Head),
    ("put", Method::Put),
    ("delete", Method::Delete),
    ("mkcol", Method::Mkcol),
    ("propfind", Method::Propfind),
    ("move", Method::Move),
];
const METHOD_KEYS: [&str; 7] = ["get", "head", "put", "delete", "mkcol", "propfind", "move"];
const KEYS: [&str; 12] = [
    "get", "head", "put", "delete", "mkcol", "propfind", "move", "to", "body", "token", "expect",
    "control",
];

/// What a PUT without a `body` writes.
const BODY: &str = "new";

/// Reads one step.
pub(super) fn read(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Step> {
    let fields = entry.fields(d, "a step", &KEYS)?;
    let request = fields.one_of(d, &METHOD_KEYS, true).and_then(|entry| {
        let (_, method) = METHODS.into_iter().find(|(word, _)| *word == entry.name)?;
        Some((method, path(d, entry)))
    });
    let method = request.as_ref().map(|(method, _)| *method);
    let destination = destination(d, &fields, method);
    let body = body(d, &fields, method);
    let token = fields
        .require(d, "token")
        .and_then(|entry| tokens::read(d, entry));
    let expect = fields
        .require(d, "expect")
        .and_then(|entry| expect(d, entry, method));
    let control = control(d, &fields, expect, token.as_ref());
    let (method, path) = request?;
    Some(Step {
        method,
        path: path?,
        destination: destination?,
        body: body?,
        token: token?.into_template(),
        expect: expect?,
        control: control?,
        at: place(d, entry.key),
    })
}

fn destination(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    method: Option<Method>,
) -> Option<Option<Template>> {
    if method != Some(Method::Move) {
        if let Some(entry) = fields.get("to")
            && method.is_some()
        {
            d.error(entry.key, "only `move` has a `to`");
        }
        return Some(None);
    }
    let to = fields.require(d, "to")?;
    let destination = path(d, to)?;
    if fields.get("move").and_then(|entry| entry.text(d)) == to.text(d) {
        d.error(to.mark(), "this moves an object onto itself");
    }
    Some(Some(destination))
}

fn body(d: &mut Diagnostics<'_>, fields: &Fields<'_>, method: Option<Method>) -> Option<String> {
    let put = method == Some(Method::Put);
    let Some(entry) = fields.get("body") else {
        return Some(if put { BODY.to_owned() } else { String::new() });
    };
    if !put && method.is_some() {
        d.error(entry.key, "only `put` has a `body`");
    }
    let word = entry.text(d)?;
    if word
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        Some(word.to_owned())
    } else {
        d.error(entry.mark(), "a `body` is a lower-case word")
            .help("the runner makes the content from it");
        None
    }
}

fn expect(d: &mut Diagnostics<'_>, entry: Entry<'_>, method: Option<Method>) -> Option<Expect> {
    let words = Expect::ALL.map(|word| (word.as_str(), word));
    let expect = entry.word(d, &words)?;
    if let Some(method) = method
        && !fits(expect, method)
    {
        let fitting: Vec<&str> = Expect::ALL
            .into_iter()
            .filter(|word| fits(*word, method))
            .map(Expect::as_str)
            .collect();
        let method = method.as_str().to_lowercase();
        d.error(entry.mark(), format!("`{method}` cannot be `{expect}`"))
            .help(format!("it can be {}", listed(&fitting)));
        return None;
    }
    Some(expect)
}

fn fits(expect: Expect, method: Method) -> bool {
    use Method::{Delete, Get, Head, Mkcol, Move, Propfind, Put};
    match expect {
        Expect::Created => matches!(method, Put | Mkcol | Move),
        Expect::Deleted => method == Delete,
        Expect::NotFound => matches!(method, Get | Head | Propfind | Delete),
        Expect::Ok => matches!(method, Get | Head | Propfind),
        Expect::Replaced => matches!(method, Put | Move),
        Expect::Denied | Expect::Unauthenticated => true,
    }
}

fn control(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    expect: Option<Expect>,
    token: Option<&Credential>,
) -> Option<Option<crate::model::TokenTemplate>> {
    let Some(entry) = fields.get("control") else {
        if let Some(expect) = expect.filter(|expect| expect.refusal()) {
            d.error(fields.at, format!("a step that expects `{expect}` needs the key `control`"))
                .help("name the token with which the very same request succeeds; without it a dead service would pass");
            return None;
        }
        return Some(None);
    };
    if expect.is_some_and(|expect| !expect.refusal()) {
        d.error(
            entry.key,
            "`control` is for steps that expect `denied` or `unauthenticated`",
        )
        .help("remove it");
    }
    let control = tokens::read(d, entry)?;
    if token == Some(&control) {
        d.error(entry.mark(), "`control` is the same token as `token`")
            .help("it is the token with which the request succeeds");
    }
    let Some(control) = control.into_template() else {
        d.error(entry.mark(), "`control` has to be a token");
        return None;
    };
    if !control.claims.is_empty() {
        d.error(entry.mark(), "`control` has altered claims")
            .help("a control is a token that an honest issuer gives");
    }
    Some(Some(control))
}

/// A path relative to the directory of the case, or to that below the protected path.
pub(super) fn path(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Template> {
    let text = entry.text(d)?;
    let template = template(d, entry)?;
    let (inner, protected) = match text.strip_prefix("{protected}/") {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    if template.variables().count() > usize::from(protected) {
        d.error(entry.mark(), "a path has no variables")
            .help("only `{protected}/` may stand at its start");
        return None;
    }
    if inner.starts_with('/') {
        d.error(entry.mark(), "a path does not start with a slash")
            .help("it is relative to the directory of the case");
        return None;
    }
    match inner.split('/').try_for_each(paths::component) {
        Ok(()) => Some(template),
        Err(refusal) => {
            let draft = d.error(entry.mark(), refusal.message);
            draft.help(refusal.help);
            if let Some(part) = refusal.part {
                draft.on(part);
            }
            None
        }
    }
}

/// Text in which each pair of braces holds a variable.
pub(super) fn template(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Template> {
    let text = entry.text(d)?;
    let names = Variable::ALL.map(Variable::name);
    match Template::parse(text) {
        Ok(template) => Some(template),
        Err(TemplateError::Unknown(name)) => {
            let help = match nearest(&name, names) {
                Some(nearest) => format!("did you mean `{{{nearest}}}`?"),
                None => format!("there is {}", listed(&names)),
            };
            d.error(entry.mark(), format!("there is no variable `{{{name}}}`"))
                .help(help)
                .on(format!("{{{name}}}"));
            None
        }
        Err(TemplateError::Unbalanced) => {
            d.error(entry.mark(), "a brace lacks its partner")
                .help("braces stand around variables only");
            None
        }
    }
}
