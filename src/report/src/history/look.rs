//! Reading: rows, runs, and the histories of cases.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use touchstone_model::{
    CaseId, CaseOutcome, EndpointOutcome, RunId, RunLine, RunOutcome, Trend, TrendPoint, Verdict,
};

use super::letter::{Found, Tally};
use super::track::{Track, decided};
use super::{History, HistoryError, Stamp, layout};

/// The name of the last run of all cases at all endpoints that came to its end; of the last one at all where each run had
/// a part alone.
pub const LATEST: &str = "latest";
/// The name of the last but one.
pub const PREVIOUS: &str = "previous";

/// What many runs said of one case at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseHistory {
    /// The endpoint.
    pub endpoint: String,
    /// The case.
    pub case: CaseId,
    /// The endpoint from or to which it copied, where that was prescribed.
    pub partner: Option<String>,
    /// What the last run said that had it.
    pub verdict: Verdict,
    /// Whether that is a known failure.
    pub known: bool,
    /// When the first run began of the series that has this verdict.
    pub since: Timestamp,
    /// When the last run began in which it passed, with or without warnings.
    pub last_good: Option<Timestamp>,
    /// How often the verdict was another one than before, in the runs of `strip`; errors and skips do not count.
    pub changes: usize,
    /// A letter for each of the endpoint's last runs, oldest first: `P`ass, `W`arn, `F`ail, `K`nown failure, `E`rror,
    /// `S`kip, and `-` where the run did not have the case.
    pub strip: String,
}

/// What one run said of one endpoint, with one partner.
pub(super) struct Part {
    pub stamp: Stamp,
    pub partner: Option<String>,
    pub software: Option<String>,
    pub cases: i64,
    pub verdicts: String,
}

impl Part {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            stamp: Stamp::of(row)?,
            partner: row.get(Stamp::WIDTH)?,
            software: row.get(Stamp::WIDTH + 1)?,
            cases: row.get(Stamp::WIDTH + 2)?,
            verdicts: row.get(Stamp::WIDTH + 3)?,
        })
    }

    /// Whether the run ended before it could say anything.
    pub(super) fn untold(&self, found: Found) -> bool {
        self.stamp.interrupted && found.verdict == Verdict::Error
    }
}

/// Lists of cases that were read already.
#[derive(Default)]
pub(super) struct Lists(HashMap<i64, Arc<[CaseId]>>);

impl Lists {
    pub(super) fn get(
        &mut self,
        history: &History,
        number: i64,
    ) -> Result<Arc<[CaseId]>, HistoryError> {
        if let Some(list) = self.0.get(&number) {
            return Ok(Arc::clone(list));
        }
        let read = history.connection.query_row(
            "SELECT ids FROM cases WHERE number = ?1",
            [number],
            |row| {
                let ids: String = row.get(0)?;
                serde_json::from_str::<Vec<CaseId>>(&ids).map_err(|error| layout::wrong(0, error))
            },
        );
        let list: Arc<[CaseId]> = read.map_err(|error| history.failed(error))?.into();
        self.0.insert(number, Arc::clone(&list));
        Ok(list)
    }
}

impl History {
    /// The last runs, newest first.
    ///
    /// # Errors
    /// The history could not be read.
    pub fn runs(&self, most: usize) -> Result<Vec<RunLine>, HistoryError> {
        let read = || -> rusqlite::Result<Vec<RunLine>> {
            let mut runs = self.connection.prepare(&format!(
                "SELECT {}, run.duration, run.version, run.number FROM run ORDER BY started DESC, id DESC LIMIT ?1",
                Stamp::COLUMNS
            ))?;
            let mut verdicts = self
                .connection
                .prepare("SELECT endpoint, verdicts FROM result WHERE run = ?1 ORDER BY place")?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let mut lines = Vec::new();
            let mut rows = runs.query([most])?;
            while let Some(row) = rows.next()? {
                let stamp = Stamp::of(row)?;
                let mut tally = Tally::default();
                let (mut endpoints, mut last) = (0, String::new());
                let mut of_run = verdicts.query([row.get::<_, i64>(Stamp::WIDTH + 2)?])?;
                while let Some(row) = of_run.next()? {
                    let endpoint: String = row.get(0)?;
                    endpoints += usize::from(endpoints == 0 || endpoint != last);
                    last = endpoint;
                    tally.count(row.get_ref(1)?.as_str()?);
                }
                lines.push(RunLine {
                    totals: stamp.point(None, tally),
                    duration_ms: row
                        .get::<_, i64>(Stamp::WIDTH)?
                        .try_into()
                        .unwrap_or_default(),
                    version: row.get(Stamp::WIDTH + 1)?,
                    interrupted: stamp.interrupted,
                    partial: stamp.partial,
                    endpoints,
                });
            }
            Ok(lines)
        };
        read().map_err(|error| self.failed(error))
    }

    /// The names of all endpoints that any run had.
    ///
    /// # Errors
    /// The history could not be read.
    pub fn endpoints(&self) -> Result<Vec<String>, HistoryError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self
                .connection
                .prepare("SELECT DISTINCT endpoint FROM result ORDER BY endpoint")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        read().map_err(|error| self.failed(error))
    }

    /// The last runs at each of `endpoints` that came to their end.
    ///
    /// # Errors
    /// The history could not be read.
    pub fn trends(&self, endpoints: &[String]) -> Result<Vec<Trend>, HistoryError> {
        let mut trends = Vec::new();
        for endpoint in endpoints {
            let mut runs = points(&self.recent(endpoint, Trend::SHOWN)?);
            runs.reverse();
            if !runs.is_empty() {
                trends.push(Trend {
                    endpoint: endpoint.clone(),
                    runs,
                });
            }
        }
        Ok(trends)
    }

    /// The history of each case that one of the endpoint's last runs had, in the order of the newest of these.
    ///
    /// # Errors
    /// The history could not be read.
    pub fn cases(&self, endpoint: &str, last: usize) -> Result<Vec<CaseHistory>, HistoryError> {
        let parts = self.parts(endpoint, i64::MAX)?;
        let mut columns: Vec<&RunId> = parts.iter().map(|part| &part.stamp.run).collect();
        columns.dedup();
        columns.truncate(last);
        let width = columns.len();
        let mut lists = Lists::default();
        let mut places: HashMap<(CaseId, Option<&str>), usize> = HashMap::new();
        // Most runs have the same list of cases: looked up once for each list.
        let mut by_list: HashMap<(i64, Option<&str>), Vec<Option<usize>>> = HashMap::new();
        let mut followed: Vec<(CaseHistory, Track, Vec<u8>)> = Vec::new();
        let mut column = 0;
        let mut run = None;
        for part in &parts {
            if run
                .replace(&part.stamp.run)
                .is_some_and(|run| run != &part.stamp.run)
            {
                column += 1;
            }
            let partner = part.partner.as_deref();
            let ids = lists.get(self, part.cases)?;
            let of_list = by_list
                .entry((part.cases, partner))
                .or_insert_with(|| vec![None; ids.len()]);
            let cells = ids.iter().zip(of_list);
            for ((id, place), found) in cells.zip(self.found(part, ids.len())?) {
                if part.untold(found) {
                    continue;
                }
                let started = part.stamp.started;
                if place.is_none() {
                    *place = places.get(&(id.clone(), partner)).copied();
                }
                let entry = match place.and_then(|place| followed.get_mut(place)) {
                    Some(entry) => {
                        entry.1.back(found, started);
                        entry
                    }
                    None if column < width => {
                        places.insert((id.clone(), partner), followed.len());
                        *place = Some(followed.len());
                        let case = CaseHistory {
                            endpoint: endpoint.to_owned(),
                            case: id.clone(),
                            partner: part.partner.clone(),
                            verdict: found.verdict,
                            known: found.known,
                            since: started,
                            last_good: super::track::good(found.verdict).then_some(started),
                            changes: 0,
                            strip: String::new(),
                        };
                        followed.push((
                            case,
                            Track::new(found.verdict, started),
                            vec![b'-'; width],
                        ));
                        let Some(entry) = followed.last_mut() else {
                            continue;
                        };
                        entry
                    }
                    None => continue,
                };
                // The newest column is the last one.
                if let Some(cell) = width
                    .checked_sub(column + 1)
                    .and_then(|place| entry.2.get_mut(place))
                {
                    *cell = found.letter() as u8;
                }
            }
        }
        Ok(followed
            .into_iter()
            .map(|(mut case, track, strip)| {
                case.since = track.since();
                case.last_good = case.last_good.or(track.last_good());
                case.changes = changes(&strip);
                case.strip = strip.into_iter().map(char::from).collect();
                case
            })
            .collect())
    }

    /// What a run said: `name` is its id, the beginning of one, [`LATEST`] or [`PREVIOUS`].
    ///
    /// # Errors
    /// There is no such run, or several; the history could not be read.
    pub fn outcome(&self, name: &str) -> Result<RunOutcome, HistoryError> {
        let (number, stamp) = self.run(name)?;
        let mut lists = Lists::default();
        let mut endpoints = Vec::new();
        self.add(number, &mut lists, &mut endpoints)?;
        Ok(RunOutcome {
            run: stamp.run,
            started: stamp.started,
            partial: stamp.partial,
            endpoints,
        })
    }

    /// What is known when a run is over, for one that came later to be compared with: what the run said, and for each case
    /// that it did not have, what the last run before it said that had the case, back to the last whole one. Of
    /// [`PREVIOUS`], runs of a part between it and [`LATEST`] count as well. `name` is as for [`History::outcome`].
    ///
    /// # Errors
    /// As [`History::outcome`].
    pub fn base(&self, name: &str) -> Result<RunOutcome, HistoryError> {
        let (number, stamp) = self.run(name)?;
        let own = layout::nanoseconds(stamp.started);
        let (from, until) = match (stamp.partial, name) {
            (true, _) => (self.whole_before(own)?, own),
            (false, PREVIOUS) => (own, layout::nanoseconds(self.run(LATEST)?.1.started)),
            (false, _) => (own, own),
        };
        let read = || -> rusqlite::Result<Vec<i64>> {
            let mut statement = self.connection.prepare(
                "SELECT number FROM run WHERE number <> ?1 AND started >= ?2 AND started < ?3 ORDER BY started, id",
            )?;
            statement
                .query_map(params![number, from, until], |row| row.get(0))?
                .collect()
        };
        let others = read().map_err(|error| self.failed(error))?;
        let mut lists = Lists::default();
        let mut endpoints = Vec::new();
        // Later ones replace what earlier ones said.
        let (before, after) = match stamp.partial {
            true => (others, Vec::new()),
            false => (Vec::new(), others),
        };
        for run in before.into_iter().chain([number]).chain(after) {
            self.add(run, &mut lists, &mut endpoints)?;
        }
        Ok(RunOutcome {
            run: stamp.run,
            started: stamp.started,
            partial: false,
            endpoints,
        })
    }

    /// When the last run began before then that had all cases and endpoints.
    fn whole_before(&self, started: i64) -> Result<i64, HistoryError> {
        let read = || {
            self.connection
                .query_row(
                    "SELECT max(started) FROM run WHERE NOT partial AND started < ?1",
                    [started],
                    |row| row.get::<_, Option<i64>>(0),
                )
                .optional()
        };
        let found = read().map_err(|error| self.failed(error))?;
        Ok(found.flatten().unwrap_or(i64::MIN))
    }

    /// Adds what a run said; it replaces what is there of the same cases.
    fn add(
        &self,
        run: i64,
        lists: &mut Lists,
        endpoints: &mut Vec<EndpointOutcome>,
    ) -> Result<(), HistoryError> {
        let read = || -> rusqlite::Result<Vec<(String, Part)>> {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT {}, partner, software, cases, verdicts, endpoint FROM result JOIN run ON run.number = result.run
                 WHERE result.run = ?1 ORDER BY place",
                Stamp::COLUMNS
            ))?;
            statement
                .query_map([run], |row| {
                    Ok((row.get(Stamp::WIDTH + 4)?, Part::of(row)?))
                })?
                .collect()
        };
        for (name, part) in read().map_err(|error| self.failed(error))? {
            let ids = lists.get(self, part.cases)?;
            let found = self.found(&part, ids.len())?;
            let place = match endpoints.iter().position(|one| one.name == name) {
                Some(place) => place,
                None => {
                    endpoints.push(EndpointOutcome {
                        name,
                        software: None,
                        cases: Vec::new(),
                    });
                    endpoints.len() - 1
                }
            };
            let Some(endpoint) = endpoints.get_mut(place) else {
                continue;
            };
            if part.software.is_some() {
                endpoint.software.clone_from(&part.software);
            }
            let mut places: HashMap<(CaseId, Option<String>), usize> = endpoint
                .cases
                .iter()
                .enumerate()
                .map(|(place, case)| ((case.case.clone(), case.partner.clone()), place))
                .collect();
            for (case, found) in ids.iter().zip(found) {
                let key = (case.clone(), part.partner.clone());
                let known = places
                    .get(&key)
                    .and_then(|place| endpoint.cases.get_mut(*place));
                let outcome = CaseOutcome {
                    case: case.clone(),
                    partner: part.partner.clone(),
                    verdict: found.verdict,
                    known: found.known,
                };
                match known {
                    Some(_) if part.untold(found) => {}
                    Some(known) => *known = outcome,
                    None => {
                        places.insert(key, endpoint.cases.len());
                        endpoint.cases.push(outcome);
                    }
                }
            }
        }
        Ok(())
    }

    fn run(&self, name: &str) -> Result<(i64, Stamp), HistoryError> {
        let columns = format!("SELECT {}, number FROM run", Stamp::COLUMNS);
        let both = |row: &Row<'_>| Ok((row.get(Stamp::WIDTH)?, Stamp::of(row)?));
        let nth = match name {
            LATEST => Some(0),
            PREVIOUS => Some(1),
            _ => None,
        };
        let read = || -> rusqlite::Result<Vec<(i64, Stamp)>> {
            if let Some(nth) = nth {
                let query = format!(
                    "{columns} WHERE {} ORDER BY started DESC, id DESC LIMIT 1 OFFSET ?1",
                    Stamp::WHOLE
                );
                let found = self.connection.query_row(&query, [nth], both).optional()?;
                return Ok(found.into_iter().collect());
            }
            let mut statement = self.connection.prepare(&format!(
                "{columns} WHERE substr(id, 1, length(?1)) = ?1 ORDER BY started DESC, id DESC LIMIT 4"
            ))?;
            statement.query_map([name], both)?.collect()
        };
        let mut found = read().map_err(|error| self.failed(error))?;
        let hint = match found.len() {
            1 if !name.is_empty() => return Ok(found.swap_remove(0)),
            0 => match nth {
                Some(_) => " yet: too few runs came to their end".to_owned(),
                None => "; `touchstone history` lists its runs".to_owned(),
            },
            _ => {
                let some = found.iter().take(3).map(|(_, stamp)| stamp.run.as_str());
                let some: Vec<_> = some.collect();
                format!(
                    " alone: several begin like that, such as {}",
                    some.join(", ")
                )
            }
        };
        Err(HistoryError::NoRun {
            path: self.path.clone(),
            name: name.to_owned(),
            hint,
        })
    }

    /// What the runs said of an endpoint that began before then, the newest first.
    pub(super) fn parts(&self, endpoint: &str, before: i64) -> Result<Vec<Part>, HistoryError> {
        let read = || -> rusqlite::Result<Vec<Part>> {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT {}, partner, software, cases, verdicts FROM result JOIN run ON run.number = result.run
                 WHERE endpoint = ?1 AND started < ?2 ORDER BY started DESC, id DESC, place",
                Stamp::COLUMNS
            ))?;
            statement
                .query_map(params![endpoint, before], Part::of)?
                .collect()
        };
        read().map_err(|error| self.failed(error))
    }

    /// The same for the last runs that came to their end.
    fn recent(&self, endpoint: &str, runs: usize) -> Result<Vec<Part>, HistoryError> {
        let read = || -> rusqlite::Result<Vec<Part>> {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT {}, partner, software, cases, verdicts FROM result JOIN run ON run.number = result.run
                 WHERE endpoint = ?1 AND run IN
                    (SELECT DISTINCT number FROM result JOIN run ON run.number = result.run
                     WHERE endpoint = ?1 AND {} ORDER BY started DESC, id DESC LIMIT ?2)
                 ORDER BY started DESC, id DESC, place",
                Stamp::COLUMNS,
                Stamp::WHOLE
            ))?;
            let runs = i64::try_from(runs).unwrap_or(i64::MAX);
            statement
                .query_map(params![endpoint, runs], Part::of)?
                .collect()
        };
        read().map_err(|error| self.failed(error))
    }

    /// The verdicts of a part, if they are those of so many cases.
    pub(super) fn found(&self, part: &Part, cases: usize) -> Result<Vec<Found>, HistoryError> {
        let found: Option<Vec<_>> = part.verdicts.bytes().map(Found::of).collect();
        match found.filter(|found| found.len() == cases) {
            Some(found) => Ok(found),
            None => Err(HistoryError::Damaged {
                path: self.path.clone(),
                what: format!(
                    "the verdicts of run {} are not those of its cases",
                    part.stamp.run
                ),
            }),
        }
    }
}

/// A point for each run of all cases that came to its end, in the order of the parts; where each had a part alone, for
/// each that came to its end.
pub(super) fn points(parts: &[Part]) -> Vec<TrendPoint> {
    let mut points = Vec::new();
    let any_whole = parts.iter().any(|part| !part.stamp.partial);
    for run in parts.chunk_by(|one, other| one.stamp.run == other.stamp.run) {
        let counts = |part: &&Part| !(part.stamp.interrupted || any_whole && part.stamp.partial);
        let Some(first) = run.first().filter(counts) else {
            continue;
        };
        let mut tally = Tally::default();
        for part in run {
            tally.count(&part.verdicts);
        }
        points.push(first.stamp.point(first.software.clone(), tally));
    }
    points
}

fn changes(strip: &[u8]) -> usize {
    let verdicts: Vec<_> = strip
        .iter()
        .filter_map(|letter| Found::of(*letter))
        .map(|found| found.verdict)
        .filter(|verdict| decided(*verdict))
        .collect();
    verdicts
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .count()
}
