//! COPY between two servers.

use touchstone_model::{
    CopySide, Direction, Hearing, PeerBehaviour, ReportDemand, There, Transfer,
};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::suggestions::listed;

/// Keys that only `pull` and `push` have.
pub(super) const KEYS: [&str; 8] = [
    "side",
    "url",
    "there",
    "heard",
    "unheard",
    "report",
    "hang-up",
    "redirecting",
];
/// Other sides that are not ours.
pub(super) const OTHER_SIDES: [(&str, CopySide); 5] = [
    ("partner", CopySide::Partner),
    ("itself", CopySide::Itself),
    ("own", CopySide::Own),
    ("both", CopySide::Both),
    ("nobody", CopySide::Nobody),
];
pub(super) const THERE: [(&str, There); 4] = [
    ("nothing", There::Nothing),
    ("read", There::Read),
    ("create", There::Create),
    ("modify", There::Modify),
];
pub(super) const REPORTED: [(&str, u8); 3] = [("markers", 0), ("connections", 1), ("early", 2)];

/// Reads what a `pull` or `push` step says of the other side.
pub(super) fn read(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Transfer> {
    let direction = match fields.get("pull") {
        Some(_) => Direction::Pull,
        None => Direction::Push,
    };
    let side = side(d, fields, direction);
    let there = there(d, fields, direction);
    let heard = heard(d, fields);
    let unheard = unheard(d, fields);
    let report = report(d, fields);
    let [hang_up, redirecting] = ["hang-up", "redirecting"].map(|name| match fields.get(name) {
        Some(entry) => entry.boolean(d),
        None => Some(false),
    });
    let (side, hang_up) = (side?, hang_up?);
    if let Some(entry) = fields.get("hang-up").filter(|_| hang_up)
        && !matches!(
            side,
            CopySide::Ours(PeerBehaviour::Stalled | PeerBehaviour::Silent)
        )
    {
        d.error(
            entry.key,
            "only a transfer that stands still can be hung up on",
        )
        .help("let our side be `stalled` (pull) or `silent` (push)");
        return None;
    }
    Some(Transfer {
        direction,
        side,
        there: there?,
        heard: heard?,
        unheard: unheard?,
        report: report?,
        hang_up,
        redirecting: redirecting?,
    })
}

fn side(d: &mut Diagnostics<'_>, fields: &Fields<'_>, direction: Direction) -> Option<CopySide> {
    if let Some(url) = fields.get("url") {
        if let Some(side) = fields.get("side") {
            d.error(side.key, "`side` and `url` exclude each other");
            return None;
        }
        return Some(CopySide::Url(url.text(d)?.to_owned()));
    }
    let Some(entry) = fields.get("side") else {
        return Some(CopySide::Ours(PeerBehaviour::Good));
    };
    let parts = PeerBehaviour::ALL.map(|(word, part)| (word, CopySide::Ours(part)));
    let all: Vec<_> = OTHER_SIDES.into_iter().chain(parts).collect();
    let words: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(index, (word, _))| (*word, index))
        .collect();
    let side = all.get(entry.word(d, &words)?)?.1.clone();
    match side {
        CopySide::Ours(part) if !part.plays(direction) => {
            let fitting: Vec<_> = PeerBehaviour::ALL
                .iter()
                .filter(|(_, part)| part.plays(direction))
                .map(|(word, _)| *word)
                .collect();
            let what = match direction {
                Direction::Pull => "source",
                Direction::Push => "sink",
            };
            d.error(entry.mark(), format!("no {what} of ours can be `{part}`"))
                .help(format!("it can be {}", listed(&fitting)));
            None
        }
        CopySide::Itself | CopySide::Own if direction == Direction::Push => {
            d.error(entry.mark(), "the service sends nothing to itself")
                .help("only a `pull` can have `side: itself` or `side: own`");
            None
        }
        side => Some(side),
    }
}

fn there(d: &mut Diagnostics<'_>, fields: &Fields<'_>, direction: Direction) -> Option<There> {
    match fields.get("there") {
        Some(entry) => entry.word(d, &THERE),
        None => Some(match direction {
            Direction::Pull => There::Read,
            Direction::Push => There::Create,
        }),
    }
}

fn heard(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Vec<(String, Hearing)>> {
    let Some(entry) = fields.get("heard") else {
        return Some(Vec::new());
    };
    let one = |entry: Entry<'_>, d: &mut Diagnostics<'_>| {
        let hearing = match entry.text(d)? {
            "present" => Hearing::Present,
            "credential" => Hearing::Credential,
            value => Hearing::Value(value.to_owned()),
        };
        Some((entry.name.to_ascii_lowercase(), hearing))
    };
    entry.named(d)?.into_iter().map(|e| one(e, d)).collect()
}

fn unheard(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Vec<(String, String)>> {
    let Some(entry) = fields.get("unheard") else {
        return Some(Vec::new());
    };
    let one = |entry: Entry<'_>, d: &mut Diagnostics<'_>| {
        Some((entry.name.to_ascii_lowercase(), entry.text(d)?.to_owned()))
    };
    entry.named(d)?.into_iter().map(|e| one(e, d)).collect()
}

fn report(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<ReportDemand> {
    let mut demand = ReportDemand::default();
    let Some(entry) = fields.get("report") else {
        return Some(demand);
    };
    for entry in entry.items(d)? {
        match entry.word(d, &REPORTED)? {
            0 => demand.markers = true,
            1 => demand.connections = true,
            _ => demand.early = true,
        }
    }
    Some(demand)
}
