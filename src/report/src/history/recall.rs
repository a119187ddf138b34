//! What earlier runs found for the cases of a run.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::OptionalExtension;

use touchstone_model::{CaseId, Past, RunRecord, Trend, TrendPoint};

use super::look::{Lists, Part};
use super::track::Track;
use super::{History, HistoryError, Stamp, layout};

/// The place of a case in the record, by its id and its partner.
type Places<'a> = HashMap<(&'a str, Option<&'a str>), usize>;

impl History {
    /// Fills in what runs found that began before this one: [`RunRecord::past`] and each result's past.
    ///
    /// # Errors
    /// The history could not be read; the record is as before.
    pub fn recall(&self, record: &mut RunRecord) -> Result<(), HistoryError> {
        let previous = self.previous(record)?;
        let started = record.run.started;
        let mut tracks: Vec<Track> = record
            .results
            .iter()
            .map(|result| Track::new(result.verdict, started))
            .collect();
        let mut trends = Vec::new();
        let mut places: HashMap<&str, Places<'_>> = HashMap::new();
        for (place, result) in record.results.iter().enumerate() {
            let of_endpoint = places.entry(&result.endpoint).or_default();
            of_endpoint.insert((result.case.as_str(), result.partner.as_deref()), place);
        }
        let none = Places::new();
        let mut lists = Lists::default();
        for endpoint in &record.endpoints {
            let places = places.get(endpoint.name.as_str()).unwrap_or(&none);
            let parts = self.parts(&endpoint.name, layout::nanoseconds(started))?;
            self.follow(&parts, places, &mut lists, &mut tracks)?;
            let runs = trend(&parts);
            if !runs.is_empty() {
                trends.push(Trend {
                    endpoint: endpoint.name.clone(),
                    runs,
                });
            }
        }
        for (result, track) in record.results.iter_mut().zip(&tracks) {
            result.past = track.past();
        }
        record.past = previous.map(|stamp| Past {
            previous: stamp.run,
            started: stamp.started,
            trends,
        });
        Ok(())
    }

    /// The last run before this one that came to its end and had one of its endpoints.
    fn previous(&self, record: &RunRecord) -> Result<Option<Stamp>, HistoryError> {
        let read = || -> rusqlite::Result<Option<Stamp>> {
            let mut newest: Option<Stamp> = None;
            let mut statement = self.connection.prepare(&format!(
                "SELECT {} FROM run WHERE started < ?1 AND NOT interrupted AND EXISTS
                    (SELECT 1 FROM result WHERE result.endpoint = ?2 AND result.run = run.number)
                 ORDER BY partial, started DESC, id DESC LIMIT 1",
                Stamp::COLUMNS
            ))?;
            let before = layout::nanoseconds(record.run.started);
            for endpoint in &record.endpoints {
                let found = statement
                    .query_row((before, &endpoint.name), Stamp::of)
                    .optional()?;
                let key = |stamp: &Stamp| (!stamp.partial, stamp.started, stamp.run.clone());
                if found.as_ref().map(key) > newest.as_ref().map(key) {
                    newest = found;
                }
            }
            Ok(newest)
        };
        read().map_err(|error| self.failed(error))
    }

    /// Leads every track through the parts, the newest first.
    fn follow(
        &self,
        parts: &[Part],
        places: &Places<'_>,
        lists: &mut Lists,
        tracks: &mut [Track],
    ) -> Result<(), HistoryError> {
        let mut places_of: HashMap<(i64, Option<&str>), Vec<Option<usize>>> = HashMap::new();
        for part in parts {
            let partner = part.partner.as_deref();
            let places = match places_of.entry((part.cases, partner)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let ids = lists.get(self, part.cases)?;
                    let place = |id: &CaseId| places.get(&(id.as_str(), partner)).copied();
                    new.insert(ids.iter().map(place).collect())
                }
            };
            for (place, found) in places.iter().zip(self.found(part, places.len())?) {
                if let Some(track) = place.and_then(|place| tracks.get_mut(place))
                    && !part.untold(found)
                {
                    track.back(found, part.stamp.started);
                }
            }
        }
        Ok(())
    }
}

/// The last runs that came to their end, oldest first.
fn trend(parts: &[Part]) -> Vec<TrendPoint> {
    let mut points = super::look::points(parts);
    points.truncate(Trend::SHOWN);
    points.reverse();
    points
}
