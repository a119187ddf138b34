use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::super::namespace::Change;
use super::super::webdav::{digests, digests_fit};
use super::rules::{Scrutiny, Witness};
use super::{Direction, Failure, Task};

/// Sends the file and, where that is wanted, has the other side tell its digest.
pub(super) async fn push(task: &Task, content: Bytes) -> Result<Change, Failure> {
    let rules = task.rules();
    let order = &task.order;
    let claimed = digests_fit(&order.claimed, &content);
    rules.convinced(Witness::Client, false, claimed)?;
    if !order.overwrite && rules.looks_first() {
        look(task).await?;
    }
    let client = &task.element.transfers.client;
    let content = rules.sends(content);
    let headers = headers(task, &content);
    let reply = client
        .ask(task, Method::PUT, &headers, Some(&content))
        .await?;
    if !rules.succeeded(Direction::Push, reply.status) {
        return Err(Failure::status(reply.status));
    }
    if task.scrutiny == Scrutiny::Afterwards {
        task.local(|local| local.right())?;
    }
    drop(reply);
    if order.verified {
        let told = peer_digest_matches(task, &content).await?;
        rules.convinced(Witness::OtherSide(Direction::Push), true, told)?;
    }
    Ok(Change::Created)
}

/// Whether nothing is there yet. Who does not say so is not overwritten.
async fn look(task: &Task) -> Result<(), Failure> {
    let client = &task.element.transfers.client;
    let headers = &task.order.headers;
    let reply = client.ask(task, Method::HEAD, headers, None).await?;
    match reply.status {
        StatusCode::NOT_FOUND => Ok(()),
        status if status.is_success() => {
            Err("there is something at the destination (412 Precondition Failed)".into())
        }
        status => Err(Failure::status(status)),
    }
}

fn headers(task: &Task, content: &Bytes) -> HeaderMap {
    let order = &task.order;
    let mut headers = order.headers.clone();
    if !order.overwrite && task.rules().conditional() {
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
    let digests = task.rules().announces().then(|| digests(content));
    for (name, digest) in digests.into_iter().flatten() {
        if let Ok(digest) = HeaderValue::try_from(digest) {
            headers.insert(name, digest);
        }
    }
    // What the client says stands for what is found here: they are compared by now.
    if !order.claimed.is_empty() {
        headers.remove("repr-digest");
    }
    for (name, value) in &order.claimed {
        headers.append(name, value.clone());
    }
    headers
}

/// Whether the digest fits that the other side tells of what it has, if it tells one.
async fn peer_digest_matches(task: &Task, content: &Bytes) -> Result<Option<bool>, Failure> {
    let mut headers = task.order.headers.clone();
    headers.insert("want-digest", HeaderValue::from_static("adler32"));
    headers.insert("want-repr-digest", HeaderValue::from_static("adler=10"));
    let client = &task.element.transfers.client;
    let reply = client.ask(task, Method::HEAD, &headers, None).await?;
    Ok(reply
        .status
        .is_success()
        .then(|| digests_fit(&reply.headers, content))
        .flatten())
}
