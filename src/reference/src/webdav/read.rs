use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use jiff::Timestamp;

use super::super::answers::{COLLECTION_METHODS, Outcome};
use super::super::authorisation::Operation;
use super::digest::{Algorithm, Field};
use super::{Plan, RequestContext};
use touchstone_model::Method;

/// A file as GET or HEAD tells of it.
#[derive(Clone, PartialEq)]
pub(in super::super) struct Content {
    pub(in super::super) bytes: Bytes,
    /// How long a HEAD says that it is.
    pub(in super::super) size: u64,
    pub(in super::super) modified: Timestamp,
    /// Without the bytes.
    pub(in super::super) head: bool,
    part: Part,
    /// The digests that are wanted, with the field that they go into.
    digests: Vec<(Field, Algorithm)>,
}

/// Which part of a file is wanted (RFC 9110 section 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    All,
    /// From the first to before the last of these; never empty.
    Some(usize, usize),
    /// None of it is there.
    Outside,
}

pub(super) fn plan(context: &RequestContext) -> Result<Plan, Outcome> {
    let target = &context.visit.target;
    let head = context.visit.method == Method::Head;
    let operation = if head {
        Operation::Stat
    } else {
        Operation::Read
    };
    context.require(operation, target)?;
    let node = context.existing(target)?;
    let Some(bytes) = node.content.clone() else {
        return Err(Outcome::NotAllowed(COLLECTION_METHODS));
    };
    let range = context.header("range").filter(|_| !head);
    let digests = [Field::Digest, Field::Representation]
        .into_iter()
        .flat_map(|field| {
            let header = context.header(field.wish()).unwrap_or_default();
            let wanted = field.wanted(header).into_iter();
            wanted.map(move |algorithm| (field, algorithm))
        })
        .collect();
    Ok(Plan::Show(Content {
        size: bytes.len() as u64,
        part: range.map_or(Part::All, |range| Part::parse(range, bytes.len())),
        bytes,
        modified: node.modified,
        head,
        digests,
    }))
}

impl Content {
    /// All of a file, as GET tells of it.
    pub(in super::super) fn whole(bytes: Bytes) -> Self {
        Self {
            size: bytes.len() as u64,
            bytes,
            modified: Timestamp::now(),
            head: false,
            part: Part::All,
            digests: Vec::new(),
        }
    }

    /// The same with no digest told.
    pub(in super::super) fn without_digests(mut self) -> Self {
        self.digests.clear();
        self
    }

    pub(in super::super) fn status(&self) -> StatusCode {
        match self.part {
            Part::All => StatusCode::OK,
            Part::Some(..) => StatusCode::PARTIAL_CONTENT,
            Part::Outside => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    pub(in super::super) fn into_response(self) -> Response<Body> {
        let total = self.bytes.len();
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        let mut set = |name, text: String| {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        };
        set(header::ACCEPT_RANGES, "bytes".into());
        set(header::CONTENT_TYPE, "application/octet-stream".into());
        set(header::LAST_MODIFIED, http_date(self.modified));
        for field in [Field::Digest, Field::Representation] {
            let wanted = self.digests.iter().filter(|(into, _)| *into == field);
            let told: Vec<String> = wanted
                .map(|(_, algorithm)| field.member(*algorithm, &self.bytes))
                .collect();
            if !told.is_empty() {
                set(field.name(), told.join(","));
            }
        }
        let body = match self.part {
            Part::All if self.head => {
                set(header::CONTENT_LENGTH, self.size.to_string());
                Bytes::new()
            }
            Part::All => self.bytes,
            Part::Some(from, to) => {
                let range = format!("bytes {from}-{}/{total}", to - 1);
                set(header::CONTENT_RANGE, range);
                self.bytes.slice(from..to)
            }
            Part::Outside => {
                set(header::CONTENT_RANGE, format!("bytes */{total}"));
                Bytes::new()
            }
        };
        *response.body_mut() = body.into();
        response
    }
}

/// A time as HTTP headers have it (RFC 9110 section 5.6.7).
pub(super) fn http_date(time: Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&time)
        .unwrap_or_default()
}

impl Part {
    /// Several ranges, other units and what makes no sense are passed over, as a server may.
    fn parse(header: &str, total: usize) -> Self {
        let Some((first, last)) = header
            .strip_prefix("bytes=")
            .and_then(|range| range.trim().split_once('-'))
        else {
            return Self::All;
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            // Longer than any file is as good as the longest.
            digits.then(|| text.parse().unwrap_or(usize::MAX))
        };
        let (from, to) = match (number(first), number(last)) {
            (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(total)),
            (Some(from), None) if last.is_empty() => (from, total),
            (None, Some(length)) if first.is_empty() => (total.saturating_sub(length), total),
            _ => return Self::All,
        };
        if from < to {
            Self::Some(from, to)
        } else {
            Self::Outside
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, part) in [
            ("bytes=0-3", Part::Some(0, 4)),
            ("bytes=8-", Part::Some(8, 10)),
            ("bytes=-3", Part::Some(7, 10)),
            ("bytes=-99", Part::Some(0, 10)),
            ("bytes=5-99999999999999999999999", Part::Some(5, 10)),
            ("bytes=10-", Part::Outside),
            ("bytes=10-12", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=5-3", Part::All),
            ("bytes=a-b", Part::All),
            ("bytes=+1-2", Part::All),
            ("bytes=0-1,3-4", Part::All),
            ("lines=0-1", Part::All),
            ("bytes=-", Part::All),
        ] {
            assert_eq!(Part::parse(header, 10), part, "{header}");
        }
        assert_eq!(Part::parse("bytes=0-", 0), Part::Outside);
    }
}
