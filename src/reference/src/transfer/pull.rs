use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::BodyExt;

use super::super::element::MAX_BODY;
use super::super::namespace::{Act, Change};
use super::super::webdav::digests_fit;
use super::client::{Reply, unless_idle};
use super::rules::{Scrutiny, Witness};
use super::{Direction, Failure, Task};

const TOO_LONG: &str = "the file is too long";

/// Fetches the file and stores it once all is there and fits.
pub(super) async fn pull(task: &Task) -> Result<Change, Failure> {
    let mut file = Fragment {
        task,
        bytes: Vec::new(),
        broken: Some(None),
    };
    let pulled = receive(&mut file).await.and_then(|()| file.store());
    file.broken = pulled.as_ref().err().cloned().map(Some);
    pulled
}

/// What has come so far.
struct Fragment<'a> {
    task: &'a Task,
    bytes: Vec<u8>,
    /// What came of it if it is dropped now: nothing, for this reason if there was one.
    broken: Option<Option<Failure>>,
}

async fn receive(file: &mut Fragment<'_>) -> Result<(), Failure> {
    let task = file.task;
    let rules = task.rules();
    rules.prepares(&mut task.element.namespace(), &task.visit.target.path);
    if let Some(imagined) = rules.imagines(&task.order.url) {
        file.bytes = imagined.into();
        return Ok(());
    }
    let mut headers = task.order.headers.clone();
    headers.insert("want-digest", HeaderValue::from_static("adler32"));
    headers.insert("want-repr-digest", HeaderValue::from_static("adler=10"));
    let client = &task.element.transfers.client;
    let mut reply = client.ask(task, Method::GET, &headers, None).await?;
    if !rules.succeeded(Direction::Pull, reply.status) {
        return Err(Failure::status(reply.status));
    }
    if encoded(&reply.headers) {
        return Err("the other side sends the file encoded".into());
    }
    body(file, &mut reply).await?;
    let told = digests_fit(&reply.headers, &file.bytes);
    let needed = task.order.verified;
    rules.convinced(Witness::OtherSide(Direction::Pull), needed, told)?;
    let claimed = digests_fit(&task.order.claimed, &file.bytes);
    rules.convinced(Witness::Client, false, claimed)?;
    Ok(())
}

/// Takes the body in, as far as it is as long as it says.
async fn body(file: &mut Fragment<'_>, reply: &mut Reply) -> Result<(), Failure> {
    let announced = reply
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(TOO_LONG.into());
    }
    let cut = loop {
        let frame = match unless_idle(file.task, reply.body.frame()).await? {
            None => break false,
            Some(Err(_)) => break true,
            Some(Ok(frame)) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if file.bytes.len() + data.len() > MAX_BODY {
            return Err(TOO_LONG.into());
        }
        file.bytes.extend_from_slice(&data);
        file.task.progress.reach(file.bytes.len());
    };
    let came = file.bytes.len() as u64;
    match file.task.rules().whole(announced, came, cut) {
        true => Ok(()),
        false => Err("the file broke off".into()),
    }
}

impl Fragment<'_> {
    /// Makes the file appear, if the bearer still may and nothing came in between.
    fn store(&mut self) -> Result<Change, Failure> {
        let task = self.task;
        let rules = task.rules();
        let content = std::mem::take(&mut self.bytes).into();
        let content = rules.stores(content, task.order.streams);
        let mut namespace = task.element.namespace();
        let local = super::local::Local::new(&task.element, &namespace, &task.visit, &task.order);
        if task.scrutiny != Scrutiny::Never {
            local.right()?;
        }
        local.content()?;
        let act = self.put(content);
        task.element
            .rules
            .own()
            .act(&mut namespace, &act, &task.visit.bearer)
            .map_err(|obstacle| super::Outcome::from(obstacle).into())
    }

    fn put(&self, content: Bytes) -> Act {
        Act::Put {
            path: self.task.visit.target.path.clone(),
            content,
        }
    }
}

impl Drop for Fragment<'_> {
    fn drop(&mut self) {
        let left = self
            .broken
            .as_ref()
            .and_then(|reason| self.task.rules().leaves(reason.as_ref(), &self.bytes));
        if let Some(content) = left {
            let act = self.put(content);
            let bearer = &self.task.visit.bearer;
            let mut namespace = self.task.element.namespace();
            let _ = self
                .task
                .element
                .rules
                .own()
                .act(&mut namespace, &act, bearer);
        }
    }
}

/// Whether the bytes are not those of the file (RFC 9110 section 8.4).
fn encoded(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING);
    encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
