//! Where requests that can write may go.
//!
//! A run holds tokens with which whole areas can be removed, and its paths come from ledgers, listings, suites and
//! redirects. Whatever those say: nothing that could write leaves a client but for what lies below a directory of the
//! run, however the server may read the path.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use touchstone_model::{Endpoint, Marker, RequestShape, RunId};

/// Escapes of what has a meaning in paths; no name that touchstone makes has them.
const TELLING: [&str; 5] = ["%00", "%2e", "%2f", "%3b", "%5c"];

/// What one client may write.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Allowed>);

#[derive(Debug)]
enum Allowed {
    /// Nothing, because of this.
    Nothing(&'static str),
    /// What a run makes.
    Run(Territory),
    /// Calls of the tape REST API there.
    Api(Url),
    /// What is posted to one address.
    Posting(Url),
    #[cfg(test)]
    Everything,
}

/// Where a run has its directories.
#[derive(Debug)]
struct Territory {
    run: RunId,
    /// Of the endpoint.
    own: Ground,
    /// Those paths beside the area are the run's as well.
    beside: [String; 3],
    /// The endpoints that may be the other end of a transfer.
    partners: Vec<Ground>,
}

/// One endpoint.
#[derive(Debug)]
struct Ground {
    /// Scheme, host and port.
    origin: String,
    host: String,
    port: Option<u16>,
    /// Paths of the directories in which those of runs are, as URLs have them and decoded.
    places: Vec<String>,
}

/// What of a path is the same wherever a request is redirected.
#[derive(Debug)]
pub(super) struct Kept(String);

impl Guard {
    /// Nothing may be written.
    pub fn nothing() -> Self {
        Self(Arc::new(Allowed::Nothing("it is only looked at")))
    }

    /// What `run` makes at `endpoint`, and at those that may be the other end of its transfers.
    pub fn of_run<'a>(
        endpoint: &Endpoint,
        run: &RunId,
        partners: impl Iterator<Item = &'a Endpoint>,
    ) -> Self {
        if endpoint.traits.read_only.is_some() {
            return Self(Arc::new(Allowed::Nothing("the endpoint is read-only")));
        }
        let name = Marker::beside(run, endpoint.listed_name());
        Self(Arc::new(Allowed::Run(Territory {
            run: run.clone(),
            own: Ground::of(endpoint),
            beside: [
                format!("/{name}"),
                format!("{}-{name}", endpoint.area),
                format!("{}-{name}", decoded(&endpoint.area)),
            ],
            partners: partners.map(Ground::of).collect(),
        })))
    }

    /// Calls of the tape REST API at `base`, unless nothing may be written.
    pub fn api(&self, base: &Url) -> Self {
        self.beside_files(base, Allowed::Api)
    }

    /// What is posted to `url`, where the service issues tokens of its own, unless nothing may be written.
    pub fn posting(&self, url: &Url) -> Self {
        self.beside_files(url, Allowed::Posting)
    }

    /// For addresses that a service announces: among the files nothing is one.
    fn beside_files(&self, url: &Url, allowed: fn(Url) -> Allowed) -> Self {
        let path = decoded(url.path());
        let below = |path: &str, above: &str| {
            let rest = path.strip_prefix(above);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let among = |ground: &Ground| {
            let places = ground.places.iter().filter(|place| !place.is_empty());
            let path = path.trim_end_matches('/');
            let mut places = places.into_iter();
            places.any(|place| below(path, place) || !path.is_empty() && below(place, path))
        };
        let among = |territory: &Territory| {
            std::iter::once(&territory.own)
                .chain(&territory.partners)
                .any(among)
        };
        Self(Arc::new(match &*self.0 {
            Allowed::Nothing(_) => return self.clone(),
            Allowed::Run(territory) if among(territory) => {
                Allowed::Nothing("its address is said to be among the files")
            }
            _ => allowed(url.clone()),
        }))
    }

    /// Whatever is asked for.
    #[cfg(test)]
    pub(crate) fn open() -> Self {
        Self(Arc::new(Allowed::Everything))
    }

    /// Whether an object at `url` may be written or removed.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn permits(&self, url: &str) -> Result<(), String> {
        let shape = RequestShape {
            verb: "DELETE",
            headers: &[],
            target: url,
            body: false,
        };
        self.begin(shape, url, false).map(drop)
    }

    /// Judges a request to `url` before it is sent. What of its path every redirect has to keep; `None` where it cannot
    /// write. An `exact` request goes out byte for byte; of any other one the path has to be as URLs have it.
    pub(super) fn begin(
        &self,
        shape: RequestShape<'_>,
        url: &str,
        exact: bool,
    ) -> Result<Option<Kept>, String> {
        let Some(what) = shape.could_write() else {
            return Ok(None);
        };
        let allowed = match &*self.0 {
            Allowed::Nothing(reason) => {
                return Err(format!("not sent: {reason}, and {what} could write"));
            }
            #[cfg(test)]
            Allowed::Everything => return Ok(None),
            Allowed::Api(base) => below(base, url).map(Kept),
            Allowed::Posting(address) => {
                let same = shape.verb == "POST" && url == address.as_str() && plain(url);
                same.then(|| Kept(decoded(&address.path()[1..])))
            }
            Allowed::Run(territory) => {
                let kept = territory.kept(url, exact);
                let mut destinations = destinations(shape.headers);
                match destinations.find(|to| !territory.leads(to)) {
                    Some(to) => return Err(strange(&what, to)),
                    None => kept,
                }
            }
        };
        allowed.map(Some).ok_or_else(|| strange(&what, url))
    }

    /// What redirects have to keep of a look at `url` that is to say whether an object is still there.
    pub(super) fn looking(&self, url: &str) -> Option<Kept> {
        match &*self.0 {
            Allowed::Run(territory) => territory.kept(url, false),
            _ => None,
        }
    }
}

impl Kept {
    /// Whether `to` names the same object: a server may have it in another place, below another directory, and the
    /// query is its own.
    pub(super) fn in_place(&self, to: &Url) -> bool {
        let kept = self.0.trim_end_matches('/');
        let decoded = decoded(to.path());
        // Where a path ends for some is not where it ends for others.
        if [&decoded, &self::decoded(&decoded)]
            .iter()
            .any(|path| ends_early(path))
        {
            return false;
        }
        let mut readings = readings(&decoded);
        readings.all(|path| {
            let front = path.trim_end_matches('/').strip_suffix(kept);
            front.is_some_and(|front| front.ends_with('/'))
        })
    }

    /// The same where `target` is asked for at `to` byte for byte, and the path that has to be kept was sent like that: it
    /// stands there as it was, below directories that can be read in one way, or as one of its readings.
    pub(super) fn in_place_as_written(&self, to: &Url, target: &str) -> bool {
        let once = decoded(without_query(target));
        if ends_early(&once) || ends_early(&decoded(&once)) {
            return false;
        }
        let (path, kept) = (once.trim_end_matches('/'), self.0.trim_end_matches('/'));
        let below = |front: &str| front.ends_with('/') && telling_nothing(front);
        let as_it_was = path.strip_suffix(kept).is_some_and(below);
        let resolved = || {
            let whole = format!("/{kept}");
            let mut ways = readings(&whole).filter(|way| way.len() > 1);
            telling_nothing(path) && ways.any(|way| path.ends_with(way.trim_end_matches('/')))
        };
        as_it_was || resolved() || self.in_place(to)
    }
}

/// Whether a decoded path has nothing that some servers read as something else than names; empty components are none.
fn telling_nothing(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let mut names = path.split('/');
    !path.contains([';', '\\'])
        && !TELLING.iter().any(|escape| lower.contains(escape))
        && !names.any(|name| matches!(name, "." | ".."))
}

impl Territory {
    /// The component with the name of the run and all that follows, decoded; `None` if `url` is not the run's however its path is
    /// read.
    fn kept(&self, url: &str, exact: bool) -> Option<Kept> {
        if !exact && !plain(url) {
            return None;
        }
        let path = self.own.path(url)?;
        let own = |reading: String| {
            self.own.inside(&reading, &self.run) || self.beside.contains(&reading)
        };
        if url.contains('#') || !however_read(path, own) {
            return None;
        }
        let decoded = decoded(path);
        let mut components = decoded.match_indices('/').map(|(at, _)| &decoded[at + 1..]);
        let named = |rest: &&str| {
            let name = rest.split('/').next().unwrap_or_default();
            name.contains(self.run.as_str())
        };
        components.find(named).map(|rest| Kept(rest.to_owned()))
    }

    /// Whether a `Destination` is an object of the run, here or at the other end of a transfer.
    fn leads(&self, to: &str) -> bool {
        // Without one there is no place.
        if to.is_empty() || nowhere(to) {
            return true;
        }
        let known = std::iter::once(&self.own).chain(&self.partners);
        let (path, grounds): (_, Vec<_>) = match to.split_once("://") {
            Some((_, rest)) => {
                let path = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
                let place = Url::parse(to).ok();
                let at = |ground: &&Ground| {
                    place.as_ref().is_some_and(|place| {
                        let port = place.port_or_known_default();
                        let host = place.host_str() == Some(&ground.host);
                        host && (port.is_none() || port == ground.port)
                    })
                };
                (path, known.filter(at).collect())
            }
            None => (to, vec![&self.own]),
        };
        let marked = |path: &str| {
            let mut names = path.split('/').filter_map(Marker::parse);
            names.any(|marker| *marker.run() == self.run)
        };
        let ours = |path: String| match grounds.as_slice() {
            // Our own other side, or somebody who is given no credential.
            [] => marked(&path),
            grounds => grounds.iter().any(|ground| ground.inside(&path, &self.run)),
        };
        !to.contains('#') && however_read(without_query(path), ours)
    }
}

impl Ground {
    fn of(endpoint: &Endpoint) -> Self {
        let places = endpoint.places();
        let plain: Vec<_> = places.iter().map(|place| decoded(place)).collect();
        Self {
            origin: endpoint.origin(),
            host: endpoint.url.host_str().unwrap_or_default().to_owned(),
            port: endpoint.url.port_or_known_default(),
            places: places.into_iter().chain(plain).collect(),
        }
    }

    /// The path of `url`, as it stands there; `None` if it is not of this endpoint.
    fn path<'u>(&self, url: &'u str) -> Option<&'u str> {
        let rest = url.strip_prefix(&self.origin)?;
        rest.starts_with('/').then(|| without_query(rest))
    }

    /// Whether `path` is, or lies below, a directory of `run`.
    fn inside(&self, path: &str, run: &RunId) -> bool {
        let mut below = self.places.iter().filter_map(|place| {
            let rest = path.strip_prefix(place.as_str())?;
            rest.strip_prefix('/')
        });
        below.any(|rest| {
            let name = rest.split('/').next().unwrap_or_default();
            Marker::parse(name).is_some_and(|marker| marker.run() == run)
        })
    }
}

/// Whether a URL names a host that nobody has: one below `.invalid` (RFC 6761 section 6.4), or the address of a broadcast, to
/// which no connection is opened (RFC 1122 section 4.2.3.10).
fn nowhere(url: &str) -> bool {
    let url = Url::parse(url).ok();
    match url.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name.ends_with(".invalid"),
        Some(Host::Ipv4(address)) => address.is_broadcast(),
        _ => false,
    }
}

fn strange(what: &str, url: &str) -> String {
    format!(
        "not sent: {what} could write, and {} is nothing that this run may make in the places that the configuration names",
        without_query(url).escape_debug()
    )
}

/// The path of `url` without its first slash, if it is below `base` however it is read.
fn below(base: &Url, url: &str) -> Option<String> {
    let rest = url.strip_prefix(base.as_str().trim_end_matches('/'))?;
    let path = &url[base.origin().ascii_serialization().len()..];
    (plain(url) && rest.starts_with('/')).then(|| decoded(&path[1..]))
}

fn destinations(headers: &[(String, String)]) -> impl Iterator<Item = &str> {
    let named = |name: &str| name.eq_ignore_ascii_case("destination");
    headers
        .iter()
        .filter(move |(name, _)| named(name))
        .map(|(_, value)| value.trim())
}

/// Whether there is one way to read `url`: a parser changes nothing, there is no query, and no escape stands for what has a meaning.
fn plain(url: &str) -> bool {
    let Ok(parsed) = Url::parse(url) else {
        return false;
    };
    let path = parsed.path();
    let decoded = decoded(path);
    let one = decoded.strip_suffix('/').unwrap_or(&decoded);
    // Some servers decode twice.
    let telling = |text: &str| {
        let lower = text.to_ascii_lowercase();
        TELLING.iter().any(|escape| lower.contains(escape))
    };
    parsed.as_str() == url
        && !url.contains(['?', '#'])
        && !telling(path)
        && !telling(&decoded)
        && readings(one).all(|reading| reading == one)
}

fn without_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// Whether it is `so` of a path however a server may read it: as it was sent, or decoded once or twice.
fn however_read(path: &str, so: impl Fn(String) -> bool) -> bool {
    let once = decoded(path);
    let twice = decoded(&once);
    let whole = !ends_early(&once) && !ends_early(&twice);
    whole && [path, &once, &twice].into_iter().flat_map(readings).all(so)
}

/// Whether a decoded path ends at one of its characters for some servers, as a string of C, or before a query.
fn ends_early(decoded: &str) -> bool {
    decoded.contains(['?', '#']) || decoded.contains(char::is_control)
}

/// The paths as which servers may understand `path`: as it is; without its dot segments; and that with what some drop or take for
/// a separator: parameters of components (RFC 3986 section 3.3), backslashes, empty components.
fn readings(path: &str) -> impl Iterator<Item = String> {
    let simple = !path.contains([';', '\\'])
        && !path.contains("//")
        && !path.split('/').any(|name| matches!(name, "." | ".."));
    let ways = if simple { 0 } else { 8_u8 };
    let read = move |way: u8| {
        let separators: &[char] = if way & 1 != 0 { &['/', '\\'] } else { &['/'] };
        let mut kept: Vec<&str> = Vec::new();
        for component in path.split(separators).skip(1) {
            let component = match way & 2 != 0 {
                true => component.split(';').next().unwrap_or_default(),
                false => component,
            };
            match component {
                "." => {}
                ".." => {
                    kept.pop();
                }
                "" if way & 4 != 0 => {}
                name => kept.push(name),
            }
        }
        format!("/{}", kept.join("/"))
    };
    std::iter::once(path.to_owned()).chain((0..ways).map(read))
}

#[cfg(test)]
pub(crate) mod tests;
