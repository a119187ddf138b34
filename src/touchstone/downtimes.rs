//! Who is in downtime: what the inventory declares, and the lists that it names.

use std::io::Read;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;

use touchstone_engine::files::open_regular;
use touchstone_engine::http::{explain, plain_client};
use touchstone_model::{Downtime, DowntimeFeed, DowntimeSource, FeedPlace, Inventory};
use touchstone_report::text::{count, line};
use touchstone_suite::import::downtimes::{LARGEST, PublishedDowntimes, read};

use super::output;

/// Every downtime that can be had, and a note for each list that cannot: it never costs the run.
pub async fn all(inventory: &Inventory) -> (Vec<Downtime>, Vec<String>) {
    let mut downtimes = Vec::new();
    let mut notes = Vec::new();
    let sources = inventory.downtimes.iter().map(async |source| match source {
        DowntimeSource::Declared(downtime) => (vec![downtime.clone()], None),
        DowntimeSource::Feed(feed) => published(feed).await,
    });
    for (found, note) in join_all(sources).await {
        downtimes.extend(found);
        notes.extend(note);
    }
    for note in &notes {
        output::note(note);
    }
    (downtimes, notes)
}

async fn published(feed: &DowntimeFeed) -> (Vec<Downtime>, Option<String>) {
    let place = match &feed.place {
        FeedPlace::Url(url) => host(url),
        FeedPlace::File(path) => path.display().to_string(),
    };
    let who = feed.kind.as_str();
    match fetch(feed).await.and_then(|text| read(feed.kind, &text)) {
        Ok(PublishedDowntimes {
            downtimes,
            unreadable,
        }) => {
            let note = (unreadable > 0).then(|| {
                format!(
                    "Downtimes of {who} ({place}): {} could not be read and were left out",
                    count(unreadable, "outage")
                )
            });
            (downtimes, note)
        }
        Err(reason) => {
            let reason = line(&reason);
            let note = format!(
                "Downtimes of {who} ({place}) are not known: {reason}; the run goes on without them"
            );
            (Vec::new(), Some(note))
        }
    }
}

/// The URL without its query, in which people put keys.
fn host(url: &url::Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

async fn fetch(feed: &DowntimeFeed) -> Result<String, String> {
    let bytes = match &feed.place {
        FeedPlace::Url(url) => {
            let work = download(feed, url.clone());
            match tokio::time::timeout(feed.answer, work).await {
                Ok(bytes) => bytes?,
                Err(_) => return Err(late(feed.answer)),
            }
        }
        FeedPlace::File(path) => {
            let mut bytes = Vec::new();
            open_regular(path)
                .and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut bytes))
                .map_err(|error| format!("it cannot be read: {error}"))?;
            bytes
        }
    };
    if bytes.len() > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".into())
}

fn late(deadline: Duration) -> String {
    let deadline = humantime::format_duration(deadline);
    format!("no whole answer within {deadline}")
}

async fn download(feed: &DowntimeFeed, url: url::Url) -> Result<Vec<u8>, String> {
    let client = plain_client(&feed.ca, feed.answer).map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await;
    let answer = answer.map_err(|error| explain(&error))?;
    let status = answer.status().as_u16();
    if status != 200 {
        let moved = (300..400).contains(&status);
        let to = answer.headers().get("location").filter(|_| moved);
        let to = to.and_then(|to| to.to_str().ok());
        let to = to.map(|to| format!("; it points to {to}, and redirects are not followed"));
        return Err(format!("the answer was {status}{}", to.unwrap_or_default()));
    }
    let mut bytes = Vec::new();
    let mut body = answer.bytes_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| explain(&error))?;
        bytes.extend_from_slice(&piece);
        if bytes.len() > LARGEST {
            break;
        }
    }
    Ok(bytes)
}
