use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{Stream, StreamExt, stream};
use secrecy::ExposeSecret;

use super::{QUERY, State, locked};
use touchstone_model::{PeerBehaviour, PeerRequest};

/// Requests of one scene that are remembered.
const MOST: usize = 64;
/// Bytes of an upload that are remembered.
const KEPT: usize = 1 << 20;
/// Characters of a header's value that are remembered.
const VALUE: usize = 16 << 10;

/// In how many pieces, and with which pauses, something takes its time.
const PIECES: usize = 6;
const PACE: Duration = Duration::from_millis(200);
const SLOW_PACE: Duration = Duration::from_secs(6);
/// Until the first half of the data has gone out.
const FLUSH: Duration = Duration::from_millis(20);
/// What a source that never ends announces.
const ENDLESS: usize = 4 << 20;

/// What a page of HTML looks like that must not be taken for data.
const PAGE: &str = "<!DOCTYPE html><title>error</title><p>not what you asked for\n";

const WANT_DIGEST: &str = "want-digest";
const WANT_REPR_DIGEST: &str = "want-repr-digest";

/// Answers a request to the scene, if there is one. `onward` is where its redirect leads.
pub(super) async fn answer(
    state: Option<Arc<State>>,
    request: Request,
    secure: bool,
    onward: bool,
) -> Response<Body> {
    let Some(state) = state else {
        return page(StatusCode::NOT_FOUND);
    };
    let active = ActiveRequest::enter(&state);
    let (parts, body) = request.into_parts();
    let index = state.remember(&parts, secure);
    if state.part == PeerBehaviour::Queried && parts.uri.query() != Some(QUERY) {
        return page(StatusCode::FORBIDDEN);
    }
    if let Some(refusal) = state.refuses(&parts.headers, onward) {
        return refusal;
    }
    let redirects = matches!(
        state.part,
        PeerBehaviour::Elsewhere | PeerBehaviour::Cleartext | PeerBehaviour::Circling
    );
    if redirects && (!onward || state.part == PeerBehaviour::Circling) {
        return state.redirect();
    }
    match parts.method.as_str() {
        "GET" => state.get(&parts.headers, active).await,
        "HEAD" => state.head(&parts.headers),
        "PUT" => state.put(&parts.headers, index, body, active).await,
        "DELETE" => {
            locked(&state.stored).take();
            status(StatusCode::NO_CONTENT)
        }
        _ => status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Somebody who is being served.
struct ActiveRequest(Arc<State>);

impl ActiveRequest {
    fn enter(state: &Arc<State>) -> Self {
        state.present.send_modify(|count| *count += 1);
        Self(Arc::clone(state))
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.present.send_modify(|count| *count -= 1);
    }
}

impl State {
    fn remember(&self, parts: &axum::http::request::Parts, secure: bool) -> Option<usize> {
        let mut heard = locked(&self.heard);
        if heard.len() == MOST {
            return None;
        }
        let headers = parts.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (
                name.as_str().to_owned(),
                value.chars().take(VALUE).collect(),
            )
        });
        heard.push(PeerRequest {
            method: parts.method.as_str().chars().take(32).collect(),
            target: parts.uri.to_string().chars().take(VALUE).collect(),
            headers: headers.collect(),
            secure,
            body: Vec::new(),
            complete: true,
        });
        Some(heard.len() - 1)
    }

    /// What is said to somebody who is not served, whatever is asked.
    fn refuses(&self, headers: &HeaderMap, onward: bool) -> Option<Response<Body>> {
        let code = match self.part {
            PeerBehaviour::Missing => StatusCode::NOT_FOUND,
            PeerBehaviour::Unauthorized => StatusCode::UNAUTHORIZED,
            PeerBehaviour::Forbidden => StatusCode::FORBIDDEN,
            PeerBehaviour::Failing => StatusCode::INTERNAL_SERVER_ERROR,
            _ => {
                // Whoever is sent elsewhere need not bring the credential along.
                let credential = self.credential.as_ref().filter(|_| !onward)?;
                let wanted = format!("Bearer {}", credential.expose_secret());
                let given = headers.get(header::AUTHORIZATION);
                if given.is_some_and(|given| given.as_bytes() == wanted.as_bytes()) {
                    return None;
                }
                StatusCode::UNAUTHORIZED
            }
        };
        // Whoever keeps only what a checksum fits is told one that does.
        let mut response = page(code);
        let told = self.described(headers, PAGE.as_bytes());
        response.headers_mut().extend(told.into_parts().0.headers);
        Some(response)
    }

    fn redirect(&self) -> Response<Body> {
        let mut response = status(StatusCode::TEMPORARY_REDIRECT);
        if let Some(Ok(to)) = self.onward.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(header::LOCATION, to);
        }
        response
    }

    fn head(&self, headers: &HeaderMap) -> Response<Body> {
        let stored = locked(&self.stored).clone();
        let content = match (stored, self.part, self.content.is_empty()) {
            (Some(stored), ..) => stored,
            (None, PeerBehaviour::Empty, _) => Vec::new(),
            (None, PeerBehaviour::Occupied, _) => b"something else".to_vec(),
            (None, _, true) => return status(StatusCode::NOT_FOUND),
            (None, _, false) => self.content.clone(),
        };
        let mut response = self.described(headers, &content);
        length(&mut response, content.len());
        response
    }

    /// 200 with what is told about the content beside its bytes.
    fn described(&self, wanted: &HeaderMap, content: &[u8]) -> Response<Body> {
        let mut response = status(StatusCode::OK);
        let told = match self.part {
            PeerBehaviour::Undigested | PeerBehaviour::Partial => return response,
            PeerBehaviour::Misdigested | PeerBehaviour::Misrepresented => b"other data".as_slice(),
            _ => content,
        };
        let sum = adler2::adler32_slice(told);
        let asked = |name| wanted.contains_key(name);
        let mut tell = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                let name = HeaderName::from_static(name);
                response.headers_mut().insert(name, value);
            }
        };
        if asked(WANT_DIGEST) || self.part == PeerBehaviour::Misdigested {
            tell("digest", format!("adler32={sum:08x}"));
        }
        if asked(WANT_REPR_DIGEST) || self.part == PeerBehaviour::Misrepresented {
            tell(
                "repr-digest",
                format!("adler=:{}:", STANDARD.encode(sum.to_be_bytes())),
            );
        }
        response
    }

    async fn get(self: &Arc<Self>, headers: &HeaderMap, active: ActiveRequest) -> Response<Body> {
        match self.part {
            PeerBehaviour::Silent => return forever(active).await,
            PeerBehaviour::NoContent => {
                let mut response = self.described(headers, b"");
                *response.status_mut() = StatusCode::NO_CONTENT;
                return response;
            }
            _ => {}
        }
        let whole = &self.content;
        let mut response = self.described(headers, whole);
        let half = (self.part == PeerBehaviour::Partial)
            .then(|| (whole.len() / 2).checked_sub(1).map(|last| (0, last)))
            .flatten();
        let part = range(headers, whole.len()).or(half);
        let content = match part {
            Some((first, last)) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let text = format!("bytes {first}-{last}/{}", whole.len());
                if let Ok(value) = HeaderValue::from_str(&text) {
                    response.headers_mut().insert(header::CONTENT_RANGE, value);
                }
                whole[first..=last].to_vec()
            }
            None => whole.clone(),
        };
        match self.part {
            PeerBehaviour::Trickling => length(&mut response, ENDLESS),
            PeerBehaviour::Chunked => {}
            _ => length(&mut response, content.len()),
        }
        *response.body_mut() = Body::from_stream(self.data(content, active));
        response
    }

    /// The bytes as the part sends them.
    fn data(
        self: &Arc<Self>,
        content: Vec<u8>,
        active: ActiveRequest,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let part = self.part;
        let size = match part {
            PeerBehaviour::Paced | PeerBehaviour::Slow => content.len().div_ceil(PIECES).max(1),
            PeerBehaviour::Cut | PeerBehaviour::Stalled => content.len().div_ceil(2).max(1),
            PeerBehaviour::Trickling => 1,
            _ => content.len().max(1),
        };
        let mut pieces: Vec<Bytes> = content.chunks(size).map(Bytes::copy_from_slice).collect();
        pieces.reverse();
        let flow = Flow {
            active,
            pieces,
            sent: 0,
        };
        stream::unfold(flow, move |mut flow| async move {
            let pause = match part {
                PeerBehaviour::Paced | PeerBehaviour::Trickling => PACE,
                PeerBehaviour::Slow => SLOW_PACE,
                // What has not gone out yet would be lost with the connection.
                PeerBehaviour::Cut => FLUSH,
                _ => Duration::ZERO,
            };
            if flow.sent > 0 && !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if flow.sent == 1 && part == PeerBehaviour::Cut {
                return Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), flow));
            }
            if flow.sent == 1 && part == PeerBehaviour::Stalled {
                flow.active.0.halfway.notify_one();
                std::future::pending::<()>().await;
            }
            flow.sent += 1;
            let next = match part {
                PeerBehaviour::Trickling => Some(Bytes::from_static(b".")),
                _ => flow.pieces.pop(),
            };
            match next {
                Some(piece) => {
                    if flow.pieces.is_empty() {
                        *locked(&flow.active.0.finished) = Some(Instant::now());
                    }
                    Some((Ok(piece), flow))
                }
                None => None,
            }
        })
    }

    async fn put(
        &self,
        headers: &HeaderMap,
        index: Option<usize>,
        body: Body,
        active: ActiveRequest,
    ) -> Response<Body> {
        if self.part == PeerBehaviour::Occupied && headers.contains_key(header::IF_NONE_MATCH) {
            return status(StatusCode::PRECONDITION_FAILED);
        }
        let (bytes, complete) = read(body).await;
        *locked(&self.finished) = Some(Instant::now());
        if let Some(index) = index
            && let Some(heard) = locked(&self.heard).get_mut(index)
        {
            heard.body.clone_from(&bytes);
            heard.complete = complete;
        }
        if self.part == PeerBehaviour::Silent {
            self.halfway.notify_one();
            return forever(active).await;
        }
        if !complete {
            return status(StatusCode::BAD_REQUEST);
        }
        let replaced =
            locked(&self.stored).replace(bytes).is_some() || self.part == PeerBehaviour::Occupied;
        status(match replaced {
            true => StatusCode::NO_CONTENT,
            false => StatusCode::CREATED,
        })
    }
}

struct Flow {
    active: ActiveRequest,
    /// The last first.
    pieces: Vec<Bytes>,
    sent: usize,
}

/// Never answers; whoever hangs up ends it.
async fn forever(active: ActiveRequest) -> Response<Body> {
    let never: Infallible = std::future::pending().await;
    drop(active);
    match never {}
}

/// What came of a body, and whether it came to its end.
async fn read(body: Body) -> (Vec<u8>, bool) {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        let Ok(piece) = piece else {
            return (bytes, false);
        };
        let room = KEPT - bytes.len();
        bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            return (bytes, false);
        }
    }
    (bytes, true)
}

/// `bytes=first-last` within the content (RFC 9110 section 14.1.2); anything else is not for us.
fn range(headers: &HeaderMap, length: usize) -> Option<(usize, usize)> {
    let text = headers.get(header::RANGE)?.to_str().ok()?;
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let last = match last {
        "" => length.checked_sub(1)?,
        last => last.parse::<usize>().ok()?.min(length.checked_sub(1)?),
    };
    (first <= last).then_some((first, last))
}

fn status(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

fn page(code: StatusCode) -> Response<Body> {
    let mut response = status(code);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    *response.body_mut() = PAGE.into();
    response
}

fn length(response: &mut Response<Body>, length: usize) {
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
}
