use std::sync::Arc;

use url::Host;

use touchstone_model::{
    ANY_AUDIENCE, Ability, Arrangement, Audience, Case, Clause, CopySide, Endpoint, Interface,
    Means, Method, Profile, Step, Template, TokenTemplate, Variable, altered,
};

use super::{Selection, Site};

/// What keeps `case` from running at `site`, in words; inferred from what the case says.
pub(super) fn lacking(
    site: &Site<'_>,
    case: &Case,
    clauses: &[Clause],
    selection: &Selection,
) -> Option<String> {
    unasked(case, selection)
        .or_else(|| other_time(site.profile, "endpoint", case, clauses))
        .or_else(|| token_source(site, case))
        .or_else(|| traits(site, case))
        .or_else(|| transfers(site, case, selection))
        .or_else(|| unheard(site, case, selection))
}

/// Why a case is not for what is judged by `profile`; `what` says what it is.
pub(super) fn other_time(
    profile: Profile,
    what: &str,
    case: &Case,
    clauses: &[Clause],
) -> Option<String> {
    other_profile(profile, what, case).or_else(|| too_new(profile, what, case, clauses))
}

pub(super) fn unasked(case: &Case, selection: &Selection) -> Option<String> {
    if case.intrusive && !selection.intrusive {
        Some("it could hurt the service; --intrusive runs it".into())
    } else if case.slow && !selection.slow {
        Some("it takes long; --slow runs it".into())
    } else {
        None
    }
}

fn other_profile(profile: Profile, what: &str, case: &Case) -> Option<String> {
    let (first, last) = case.profiles;
    let outside =
        first.is_some_and(|first| profile < first) || last.is_some_and(|last| profile > last);
    outside.then(|| {
        let range = match (first, last) {
            (Some(first), Some(last)) => format!("{first} to {last}"),
            (Some(first), None) => format!("{first} and later"),
            (None, Some(last)) => format!("up to {last}"),
            (None, None) => String::new(),
        };
        format!("it is about profile {range}; the {what} is judged by {profile}")
    })
}

fn too_new(profile: Profile, what: &str, case: &Case, clauses: &[Clause]) -> Option<String> {
    let first = case.clauses.first()?;
    let clause = clauses.iter().find(|clause| clause.id == *first)?;
    let since = clause.since.filter(|since| *since > profile)?;
    Some(format!(
        "{first} is a rule since profile {since}; the {what} is judged by {profile}"
    ))
}

fn token_source(site: &Site<'_>, case: &Case) -> Option<String> {
    let Some(name) = &site.endpoint.issuer else {
        return Some("the endpoint has no issuer; name one with `issuer:` or --issuer".into());
    };
    let Some(issuer) = site.inventory.issuer(name) else {
        return Some(format!(
            "the issuer `{name}` is not defined below `issuers:`"
        ));
    };
    let abilities = issuer.abilities();
    if !abilities.any {
        return Some(format!(
            "no way to obtain tokens of the issuer `{name}`; give client-credentials, a token or a test-key below `issuers:`, or the flags of `touchstone run --help`"
        ));
    }
    tokens(case).find_map(|token| match token.means() {
        Means::Honest => None,
        means => beyond(site, means, token),
    })
}

/// Why a token that no honest issuer gives cannot be made.
fn beyond(site: &Site<'_>, means: Means, token: &TokenTemplate) -> Option<String> {
    let name = site.endpoint.issuer.as_deref().unwrap_or_default();
    let has_key = |name: &str| {
        let issuer = site.inventory.issuer(name);
        issuer.is_some_and(|issuer| !issuer.test_keys.is_empty())
    };
    let missing = match means {
        Means::Honest | Means::Tampering => false,
        Means::Key => !has_key(name),
        Means::SecondKey => {
            let second = site.endpoint.second.as_ref();
            second.is_some_and(|second| !has_key(&second.issuer))
        }
        // Whether a key or a token of that kind is at hand comes out when the token is made.
        Means::EcKey | Means::RsaKey => !has_key(name),
        Means::EcToken | Means::PublicKey => false,
    };
    missing.then(|| {
        let altered: Vec<_> = altered(&token.claims)
            .chain(altered(&token.header).map(|text| format!("header {text}")))
            .collect();
        let what = match altered.as_slice() {
            [] => format!("signed in a way of its own ({})", token.signature.as_str()),
            altered => format!("with {}", altered.join(" and ")),
        };
        format!(
            "needs a token {what}, which only a test issuer whose key we hold can make; give `test-key:` for `{name}`"
        )
    })
}

fn traits(site: &Site<'_>, case: &Case) -> Option<String> {
    let traits = &site.endpoint.traits;
    let lacks = |ability: &Ability| !ability.declared(site.endpoint) && needs(*ability, case);
    if let Some(ability) = OF_FILES.iter().find(|ability| lacks(ability)) {
        return Some(match ability {
            Ability::Directories => "the endpoint declares that it has no directories".into(),
            Ability::Groups => {
                "the endpoint declares no authorisation by group (`traits: {groups: …}`)".into()
            }
            Ability::Macaroons => {
                "the endpoint declares no macaroons (`traits: {macaroons: true}`)".into()
            }
            other => format!(
                "the endpoint declares that it {} ({})",
                other.lacking(),
                other.denied()
            ),
        });
    }
    if traits.public_read && only_hides(case) {
        return Some(
            "the endpoint declares that everybody may read there (`traits: {public-read: true}`)"
                .into(),
        );
    }
    let beside_it = |variable| matches!(variable, Variable::Area | Variable::Marker);
    if site.endpoint.area.is_empty() && variables(case).any(beside_it) {
        return Some("the endpoint's area is the root of the service".into());
    }
    let other_area = |variable| {
        matches!(
            variable,
            Variable::Second | Variable::SecondArea | Variable::SecondIssuer
        )
    };
    let second = tokens(case).any(|token| token.second || token.means() == Means::SecondKey);
    if site.endpoint.second.is_none() && (second || variables(case).any(other_area)) {
        return Some("the endpoint declares no second area of another issuer (`second:`)".into());
    }
    if case.issuer_path && !second_issuer_has_path(site) {
        return Some("the issuer of the second area has no path in its URL".into());
    }
    if traits.tape.is_none() && needs(Ability::Tape, case) {
        return Some("the endpoint declares no tape (`traits: {tape: {path, file}}`)".into());
    }
    if !traits.any_audience && tokens(case).any(names_everybody) {
        return Some(format!(
            "the endpoint declares that it does not accept the audience {ANY_AUDIENCE}"
        ));
    }
    None
}

/// Those that are a matter of files; transfers and tape need more than a trait.
const OF_FILES: [Ability; 6] = [
    Ability::Directories,
    Ability::Groups,
    Ability::Macaroons,
    Ability::Propfind,
    Ability::Move,
    Ability::Digests,
];

/// What `case` needs of a service.
pub(super) fn all(case: &Case) -> Vec<Ability> {
    let mut all = Ability::ALL.to_vec();
    all.retain(|ability| needs(*ability, case));
    all
}

/// Whether `case` needs that of a service.
fn needs(ability: Ability, case: &Case) -> bool {
    let sends = |method: Method| case.steps.iter().any(|step| step.method == method);
    match ability {
        Ability::Directories => {
            let mut given = case.given.iter();
            given.any(|given| matches!(given, Arrangement::Directory(_)))
                || sends(Method::Mkcol)
                || acts_on_parents(case)
        }
        // OPTIONS tells of a WebDAV service, which is none without PROPFIND (RFC 4918 section 18.1).
        Ability::Propfind => sends(Method::Propfind) || sends(Method::Options),
        Ability::Move => sends(Method::Move),
        Ability::ThirdPartyCopy => sides(case).next().is_some(),
        Ability::Groups => variables(case).any(|variable| {
            matches!(
                variable,
                Variable::Group | Variable::PrivilegedGroup | Variable::Protected
            )
        }),
        Ability::Digests => case.steps.iter().any(|step| step.tells.digest.is_some()),
        Ability::Macaroons => {
            let asks = |step: &Step| matches!(step.interface, Interface::Macaroons(_));
            case.steps.iter().any(asks)
        }
        Ability::Tape => calls_tape(case) || variables(case).any(Variable::of_tape),
    }
}

/// Whether a step of `case` would change or list a directory that is there because of the files in it.
fn acts_on_parents(case: &Case) -> bool {
    let given = Vec::from_iter(case.given.iter().map(|given| given.path().to_string()));
    let above = |path: &str| {
        let directory = format!("{}/", path.trim_end_matches('/'));
        given.iter().any(|given| given.starts_with(&directory))
    };
    let lists = |step: &Step| step.method == Method::Propfind;
    let plain = |step: &Step| matches!(step.interface, Interface::Webdav);
    let mut steps = case
        .steps
        .iter()
        .filter(|step| plain(step) && (step.method.writes() || lists(step)));
    steps.any(|step| above(&step.path.to_string()))
}

/// Whether all that `case` wants to be refused is reading.
fn only_hides(case: &Case) -> bool {
    let refused = || case.steps.iter().filter(|step| step.expect.refusal());
    let reads = |step: &Step| matches!(step.method, Method::Get | Method::Head | Method::Propfind);
    refused().next().is_some() && refused().all(reads)
}

fn calls_tape(case: &Case) -> bool {
    let mut steps = case.steps.iter();
    steps.any(|step| matches!(step.interface, Interface::Tape(_)))
}

fn second_issuer_has_path(site: &Site<'_>) -> bool {
    let second = site.endpoint.second.as_ref();
    let issuer = second.and_then(|second| site.inventory.issuer(&second.issuer));
    let url = issuer.and_then(|issuer| url::Url::parse(&issuer.url).ok());
    url.is_some_and(|url| url.path() != "/")
}

/// What keeps the transfers of a case from being done.
fn transfers(site: &Site<'_>, case: &Case, selection: &Selection) -> Option<String> {
    let mut sides = sides(case).peekable();
    sides.peek()?;
    let endpoint = site.endpoint;
    if !endpoint.traits.third_party_copy {
        return Some(
            "the endpoint declares that it copies from and to no other server (`traits: {third-party-copy: false}`)"
                .into(),
        );
    }
    if endpoint.traits.read_only.is_some() {
        return Some("the endpoint is read-only, and a COPY could write".into());
    }
    let (mut ours, mut partner) = (false, false);
    for side in sides {
        match side {
            CopySide::Ours(_) => ours = true,
            CopySide::Partner => partner = true,
            CopySide::Itself if loopback(endpoint) && !selection.itself => {
                return Some(
                    "it asks whether the service connects to the loopback address of its machine for others, and the endpoint itself is there".into(),
                );
            }
            CopySide::Own if endpoint.traits.public_read => {
                return Some(
                    "the endpoint declares that everybody may read there (`traits: {public-read: true}`)"
                        .into(),
                );
            }
            // In both headers somebody who does not exist will do: nobody is to be asked.
            CopySide::Itself
            | CopySide::Own
            | CopySide::Both
            | CopySide::Url(_)
            | CopySide::Nobody => {}
        }
    }
    if ours && !selection.side {
        return Some(
            "it watches what the storage element sends to another server, which we play; give `--listen HOST[:PORT] --listen-certificate FILE --listen-key FILE`, a name of this machine that it can reach and a certificate for it that it trusts".into(),
        );
    }
    let others = |other: &&Arc<Endpoint>| match &endpoint.tpc_partner {
        Some(name) => other.name == *name,
        None => other.name != endpoint.listed_name(),
    };
    let mut candidates = site.inventory.endpoints.iter().filter(others);
    if partner && !candidates.any(|other| other.traits.read_only.is_none()) {
        return Some("it copies between two endpoints, and there is no second one that can be written to (`tpc-partner:` names one)".into());
    }
    None
}

/// The other sides of the transfers of a case.
pub(super) fn sides(case: &Case) -> impl Iterator<Item = &CopySide> {
    case.steps.iter().filter_map(|step| match &step.interface {
        Interface::Transfer(transfer) => Some(&transfer.side),
        Interface::Webdav | Interface::Tape(_) | Interface::Macaroons(_) => None,
    })
}

/// Whether the endpoint's URL says that it is on this machine.
fn loopback(endpoint: &Endpoint) -> bool {
    match endpoint.url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether the endpoint could not reach the listener that the case needs.
fn unheard(site: &Site<'_>, case: &Case, selection: &Selection) -> Option<String> {
    let plays = |side: &CopySide| matches!(side, CopySide::Ours(_));
    let listening = |variable| matches!(variable, Variable::Listener | Variable::ListenerHost);
    let needed = variables(case).any(listening) || sides(case).any(plays);
    (needed && !loopback(site.endpoint) && !selection.listen).then(|| {
        "it watches whether and how the storage element connects to a server of ours, which it could not reach; give `--listen HOST[:PORT]`, a name of this machine that it can reach".into()
    })
}

fn names_everybody(token: &TokenTemplate) -> bool {
    match &token.audience {
        None => false,
        Some(Audience::One(one)) => one.to_string() == ANY_AUDIENCE,
        Some(Audience::Many(many)) => many.iter().any(|one| one.to_string() == ANY_AUDIENCE),
    }
}

fn tokens(case: &Case) -> impl Iterator<Item = &TokenTemplate> {
    case.steps.iter().flat_map(|step| {
        let other = step.wire.as_ref().and_then(|wire| wire.other.token());
        step.token
            .token()
            .into_iter()
            .chain(other)
            .chain(&step.control)
    })
}

/// The variables in the paths of `case`.
pub(super) fn path_variables(case: &Case) -> impl Iterator<Item = Variable> + '_ {
    let given = case.given.iter().map(|given| given.path());
    let steps = case
        .steps
        .iter()
        .flat_map(|step| std::iter::once(&step.path).chain(&step.destination));
    let called = case.steps.iter().flat_map(|step| match &step.interface {
        Interface::Tape(call) => call.files.as_slice(),
        _ => &[],
    });
    let called = called.filter_map(|path| Template::parse(path).ok());
    let called = called.flat_map(|path| path.variables().collect::<Vec<_>>());
    let paths = given.chain(steps).flat_map(|path| path.variables());
    paths.chain(called)
}

fn variables(case: &Case) -> impl Iterator<Item = Variable> + '_ {
    let texts = case.steps.iter().flat_map(|step| {
        let target = step.wire.as_ref().and_then(|wire| wire.target.as_ref());
        let headers = step.headers.iter().map(|(_, value)| value);
        let url = match &step.interface {
            Interface::Transfer(transfer) => match &transfer.side {
                CopySide::Url(url) => Some(url),
                _ => None,
            },
            Interface::Webdav | Interface::Tape(_) | Interface::Macaroons(_) => None,
        };
        target.into_iter().chain(headers).chain(url)
    });
    let written = texts.flat_map(|text| {
        let template = Template::parse(text).ok();
        let variables = template.map(|template| template.variables().collect::<Vec<_>>());
        variables.unwrap_or_default()
    });
    path_variables(case)
        .chain(tokens(case).flat_map(|token| token.variables()))
        .chain(written)
}
