//! The steps of a case.

use super::macaroons;
use super::paths;
use super::suites::place;
use super::tape;
use super::terms;
use super::tokens;
use super::transfers;
use touchstone_model::{
    Credential, Expect, Filling, Interface, Method, RawOptions, Step, Tells, Template,
    TemplateError, TokenTemplate, Variable,
};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::suggestions::{listed, nearest};
use touchstone_yaml::tree::Kind;

const METHODS: &[(&str, Method)] = &[
    ("get", Method::Get),
    ("head", Method::Head),
    ("put", Method::Put),
    ("delete", Method::Delete),
    ("mkcol", Method::Mkcol),
    ("propfind", Method::Propfind),
    ("move", Method::Move),
    ("copy", Method::Copy),
    ("options", Method::Options),
    ("pull", Method::Copy),
    ("push", Method::Copy),
    ("tape", Method::Post),
    ("macaroon", Method::Post),
];
pub(super) const METHOD_KEYS: &[&str] = &[
    "get", "head", "put", "delete", "mkcol", "propfind", "move", "copy", "options", "pull", "push",
    "tape", "macaroon",
];
pub(super) const KEYS: &[&str] = &[
    "get",
    "head",
    "put",
    "delete",
    "mkcol",
    "propfind",
    "move",
    "copy",
    "options",
    "pull",
    "push",
    "tape",
    "macaroon",
    "activities",
    "validity",
    "caveats",
    "flavour",
    "to",
    "body",
    "filling",
    "content",
    "verb",
    "headers",
    "as",
    "present",
    "query",
    "other",
    "expect-continue",
    "http-1-0",
    "kept",
    "cut",
    "chunked",
    "wait",
    "optional",
    "redirected",
    "token",
    "expect",
    "digest",
    "members",
    "hidden",
    "challenge",
    "alike",
    "allow",
    "clause",
    "or",
    "otherwise",
    "lapse",
    "control",
    "side",
    "url",
    "there",
    "heard",
    "unheard",
    "report",
    "hang-up",
    "redirecting",
    "files",
    "except",
    "whole",
    "further",
    "json",
    "request",
    "settled",
    "problem",
];
/// Keys that need the byte-exact client.
const WIRE_KEYS: [&str; 9] = [
    "as",
    "present",
    "query",
    "other",
    "expect-continue",
    "http-1-0",
    "kept",
    "cut",
    "chunked",
];

pub(super) const DIGESTS: [&str; 5] = ["adler32", "sha-256", "none", "repr-adler", "repr-sha-256"];
pub(super) const CHALLENGES: [&str; 2] = ["bearer", "invalid_token"];

/// What the content of a file may look like.
pub(super) const FILLINGS: [(&str, Filling); 2] = [
    ("every-byte", Filling::EveryByte),
    ("large", Filling::Large),
];

/// What a PUT without a `body` writes.
const BODY: &str = "new";

/// What a pull without a `body` fetches.
const SOURCE: &str = "fetched";

/// Reads one step.
pub(super) fn read(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Step> {
    let fields = entry.fields(d, "a step", KEYS)?;
    let request = fields.one_of(d, METHOD_KEYS, true).and_then(|entry| {
        let (_, method) = METHODS.iter().find(|(word, _)| *word == entry.name)?;
        match entry.name {
            "tape" => tape::request(d, entry),
            _ => Some((*method, path(d, entry))),
        }
    });
    let method = request.as_ref().map(|(method, _)| *method);
    let interface = interface(d, &fields);
    macaroons::check_keys(d, &fields, &WIRE_KEYS);
    let destination = destination(d, &fields, method);
    let body = body(d, &fields, method);
    let filling = filling(d, &fields, method);
    let content = fields.get("content").map(|entry| literal_text(d, entry));
    let verb = fields.get("verb").map(|entry| verb(d, entry));
    let headers = headers(d, &fields);
    let wire = wire(d, &fields);
    let wait = fields.get("wait").map(|entry| entry.count(d));
    let optional = fields.get("optional").map(|entry| entry.boolean(d));
    let redirected = redirected(d, &fields);
    let tells = tells(d, &fields);
    let terms = terms::read(d, &fields);
    let token = fields
        .require(d, "token")
        .and_then(|entry| tokens::read(d, entry));
    let expect = fields
        .require(d, "expect")
        .and_then(|entry| expect(d, entry, method, interface.as_ref()));
    let control = control(d, &fields, expect, token.as_ref());
    let (method, path) = request?;
    Some(Step {
        interface: interface?,
        method,
        path: path?,
        destination: destination?,
        verb: some(verb)?,
        body: body?,
        filling: filling?,
        content: some(content)?,
        headers: headers?,
        wire: wire?,
        wait: some(wait)?.unwrap_or_default() as u64,
        optional: some(optional)?.unwrap_or_default(),
        redirected: redirected?,
        token: token?,
        expect: expect?,
        tells: tells?,
        terms: terms?,
        control: control?,
        at: place(d, entry.key),
    })
}

/// Whom the step speaks to.
fn interface(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Interface> {
    if fields.get("tape").is_none() {
        tape::absent(d, fields);
    }
    if fields.get("pull").or(fields.get("push")).is_some() {
        if let Some(entry) = WIRE_KEYS.iter().find_map(|key| fields.get(key)) {
            let name = entry.name;
            d.error(entry.key, format!("`{name}` is not for `pull` and `push`"));
        }
        transfers::read(d, fields).map(Interface::Transfer)
    } else if let Some(entry) = transfers::KEYS.iter().find_map(|key| fields.get(key)) {
        d.error(
            entry.key,
            format!("only `pull` and `push` have `{}`", entry.name),
        );
        None
    } else if fields.get("tape").is_some() {
        tape::read(d, fields, KEYS).map(Interface::Tape)
    } else if fields.get("macaroon").is_some() {
        macaroons::read(d, fields).map(Interface::Macaroons)
    } else {
        Some(Interface::Webdav)
    }
}

/// Whether the step goes to where the one before was redirected to: only a GET is safe to send there,
/// and neither path nor query is the suite's.
fn redirected(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<bool> {
    let Some(entry) = fields.get("redirected") else {
        return Some(false);
    };
    let redirected = entry.boolean(d)?;
    let odd = WIRE_KEYS.iter().any(|key| fields.get(key).is_some());
    if redirected && (odd || fields.get("get").is_none()) {
        d.error(entry.key, "only a plain `get` can be `redirected`")
            .help("it is sent to where the step before was redirected to, without the query");
        return None;
    }
    Some(redirected)
}

/// What may be absent, but not wrong.
fn some<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(None) => None,
        Some(value) => Some(value),
    }
}

/// Text that may be empty.
fn literal_text(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    match &entry.value.kind {
        Kind::Text(text) => Some(text.clone()),
        _ => entry.text(d).map(ToOwned::to_owned),
    }
}

/// A method that is none of ours: a token of RFC 9110 section 5.6.2.
fn verb(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let text = entry.text(d)?;
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Some(text.to_owned());
    }
    d.error(entry.mark(), format!("`{text}` is no method"))
        .help("a method is a word, such as `PATCH`");
    None
}

fn headers(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Vec<(String, String)>> {
    let Some(entry) = fields.get("headers") else {
        return Some(Vec::new());
    };
    let mut headers = Vec::new();
    for entry in entry.named(d)? {
        let value = literal_text(d, entry)?;
        let name = entry
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !name || value.chars().any(char::is_control) {
            d.error(entry.key, "this is no header")
                .help("write `name: value`");
            return None;
        }
        headers.push((entry.name.to_owned(), value));
    }
    Some(headers)
}

/// What only the byte-exact client can send.
fn wire(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
) -> Option<Option<RawOptions<Credential<TokenTemplate>>>> {
    if WIRE_KEYS.iter().all(|key| fields.get(key).is_none()) {
        return Some(None);
    }
    let target = fields
        .get("as")
        .map(|entry| entry.text(d).map(ToOwned::to_owned));
    let query = fields
        .get("query")
        .map(|entry| entry.text(d).map(ToOwned::to_owned));
    let present = fields.get("present").map(|entry| {
        let lines: Vec<_> = entry
            .items(d)?
            .into_iter()
            .map(|entry| header_line(d, entry))
            .collect();
        lines.into_iter().collect::<Option<Vec<_>>>()
    });
    let other = match fields.get("other") {
        Some(entry) => other(d, entry),
        None => Some(Credential::None),
    };
    let flags = ["expect-continue", "http-1-0", "kept", "chunked"];
    let [expect_continue, http_1_0, kept, chunked] = flags.map(|name| {
        let entry = fields.get(name);
        entry.and_then(|entry| entry.boolean(d)).unwrap_or_default()
    });
    let cut = fields.get("cut").map(|entry| entry.count(d));
    Some(Some(RawOptions {
        target: some(target)?,
        present: some(present)?,
        query: some(query)?,
        other: other?,
        expect_continue,
        http_1_0,
        kept,
        cut: some(cut)?,
        chunked,
    }))
}

/// The second credential, which no macaroon can be.
fn other(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Credential<TokenTemplate>> {
    if macaroons::is_one(entry) {
        d.error(entry.key, "`other` cannot be a macaroon")
            .help("it is a token or a text");
        return None;
    }
    tokens::read(d, entry)
}

fn header_line(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let line = literal_text(d, entry)?;
    let name = line
        .split_once(':')
        .map(|(name, _)| name)
        .unwrap_or_default();
    // A tab may stand in a value (RFC 9110 section 5.5).
    let illegal = |c: char| c.is_control() && c != '\t';
    if name.is_empty() || line.chars().any(illegal) {
        d.error(entry.mark(), "this is no line of a header")
            .help("write `Name: value`; `{token}` stands for the credential");
        return None;
    }
    Some(line)
}

/// A list of names; none where there is no such key.
fn names(d: &mut Diagnostics<'_>, fields: &Fields<'_>, key: &str) -> Option<Vec<String>> {
    let Some(entry) = fields.get(key) else {
        return Some(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entry.items(d)? {
        names.push(entry.text(d)?.to_owned());
    }
    Some(names)
}

fn tells(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Tells> {
    let digest = match fields.get("digest") {
        Some(entry) => {
            let words = DIGESTS.map(|word| (word, word));
            Some(entry.word(d, &words)?.to_owned())
        }
        None => None,
    };
    let members = names(d, fields, "members")?;
    let hidden = names(d, fields, "hidden")?;
    let challenge = match fields.get("challenge") {
        Some(entry) => {
            let words = CHALLENGES.map(|word| (word, word));
            Some(entry.word(d, &words)?.to_owned())
        }
        None => None,
    };
    let flag = |d: &mut Diagnostics<'_>, name: &str| match fields.get(name) {
        Some(entry) => entry.boolean(d),
        None => Some(false),
    };
    let (alike, allow) = (flag(d, "alike")?, flag(d, "allow")?);
    Some(Tells {
        digest,
        members,
        hidden,
        challenge,
        alike,
        allow,
    })
}

fn destination(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    method: Option<Method>,
) -> Option<Option<Template>> {
    let inside = ["move", "copy"].iter().any(|key| fields.get(key).is_some());
    if !inside {
        if let Some(entry) = fields.get("to")
            && method.is_some()
        {
            d.error(entry.key, "only `move` and `copy` have a `to`");
        }
        return Some(None);
    }
    let to = fields.require(d, "to")?;
    let destination = path(d, to)?;
    for (key, does) in [("move", "moves"), ("copy", "copies")] {
        if fields.get(key).and_then(|entry| entry.text(d)) == to.text(d) {
            d.error(to.mark(), format!("this {does} an object onto itself"));
        }
    }
    Some(Some(destination))
}

fn filling(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    method: Option<Method>,
) -> Option<Filling> {
    let Some(entry) = fields.get("filling") else {
        return Some(Filling::default());
    };
    let pull = fields.get("pull").is_some();
    if method.is_some_and(|method| method != Method::Put) && !pull {
        d.error(entry.key, "only `put` and `pull` have a `filling`");
    }
    if let Some(content) = fields.get("content") {
        d.error(content.key, "`filling` and `content` exclude each other");
    }
    entry.word(d, &FILLINGS)
}

fn body(d: &mut Diagnostics<'_>, fields: &Fields<'_>, method: Option<Method>) -> Option<String> {
    let put = method == Some(Method::Put);
    let pull = fields.get("pull").is_some();
    let Some(entry) = fields.get("body") else {
        return Some(match (put, pull) {
            (true, _) => BODY.to_owned(),
            (_, true) => SOURCE.to_owned(),
            _ => String::new(),
        });
    };
    if !put && !pull && method.is_some() {
        d.error(entry.key, "only `put` and `pull` have a `body`");
    }
    let word = match &entry.value.kind {
        Kind::Text(word) => word.as_str(),
        _ => entry.text(d)?,
    };
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

fn expect(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    method: Option<Method>,
    interface: Option<&Interface>,
) -> Option<Expect> {
    let words = Expect::ALL.map(|word| (word.as_str(), word));
    let expect = entry.word(d, &words)?;
    let fits = |expect, method| match interface {
        Some(Interface::Tape(call)) => tape::fits(expect, call.operation),
        _ => fits(expect, method),
    };
    if let Some(method) = method
        && !fits(expect, method)
    {
        let fitting: Vec<&str> = Expect::ALL
            .into_iter()
            .filter(|word| fits(*word, method))
            .map(Expect::as_str)
            .collect();
        let method = match interface {
            Some(Interface::Tape(call)) => format!("tape: {}", call.operation),
            _ => method.as_str().to_lowercase(),
        };
        d.error(entry.mark(), format!("`{method}` cannot be `{expect}`"))
            .help(format!("it can be {}", listed(&fitting)));
        return None;
    }
    Some(expect)
}

pub(super) fn fits(expect: Expect, method: Method) -> bool {
    use Method::{Copy, Delete, Get, Head, Mkcol, Move, Options, Post, Propfind, Put};
    match expect {
        Expect::Created => matches!(method, Put | Mkcol | Move | Copy),
        Expect::CreatedOrConflict => matches!(method, Put | Mkcol),
        Expect::Deleted | Expect::DeletedOrRefused => method == Delete,
        Expect::Failed => method == Copy,
        Expect::Exists => method == Mkcol,
        Expect::Listed => method == Propfind,
        Expect::NotFound => matches!(method, Get | Head | Propfind | Delete | Move | Copy),
        Expect::Ok => matches!(method, Get | Head | Propfind | Options | Post),
        Expect::OkOrNotFound | Expect::Partial | Expect::Unsatisfiable => method == Get,
        Expect::Replaced => matches!(method, Put | Move | Copy),
        Expect::Any
        | Expect::BadRequest
        | Expect::Conflict
        | Expect::Denied
        | Expect::NotAllowed
        | Expect::PreconditionFailed
        | Expect::Refused
        | Expect::Unauthenticated
        | Expect::UnsupportedType => true,
    }
}

fn control(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    expect: Option<Expect>,
    token: Option<&Credential<TokenTemplate>>,
) -> Option<Option<touchstone_model::TokenTemplate>> {
    let Some(entry) = fields.get("control") else {
        if let Some(expect) = expect.filter(|expect| expect.refusal()) {
            d.error(fields.at, format!("a step that expects `{expect}` needs the key `control`"))
                .help("name the token with which the very same request succeeds; without it a dead service would pass");
            return None;
        }
        return Some(None);
    };
    let controlled =
        |expect: Expect| expect.refusal() || matches!(expect, Expect::Ok | Expect::Refused);
    if expect.is_some_and(|expect| !controlled(expect)) {
        d.error(
            entry.key,
            "`control` is for steps that expect `ok`, `denied`, `refused` or `unauthenticated`",
        )
        .help("remove it");
    }
    let control = tokens::read(d, entry)?;
    // The same token may be presented in another way.
    if token == Some(&control) && fields.get("present").is_none() && fields.get("query").is_none() {
        d.error(entry.mark(), "`control` is the same token as `token`")
            .help("it is the token with which the request succeeds");
    }
    let Credential::Token(control) = control else {
        d.error(entry.mark(), "`control` has to be a token");
        return None;
    };
    Some(Some(control))
}

/// A path relative to the directory of the case, or to that below the protected path.
pub(super) fn path(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Template> {
    let text = entry.text(d)?;
    let template = template(d, entry)?;
    let elsewhere = ["{protected}/", "{second}/", "{tape}/"];
    let inner = elsewhere.iter().find_map(|start| text.strip_prefix(start));
    let (inner, elsewhere) = (inner.unwrap_or(text), inner.is_some());
    if template.variables().count() > usize::from(elsewhere) {
        d.error(entry.mark(), "a path has no variables")
            .help("only `{protected}/`, `{second}/` or `{tape}/` may stand at its start");
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
