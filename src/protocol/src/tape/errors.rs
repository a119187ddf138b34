use super::super::Judge;
use super::{object, value};
use touchstone_model::{Answer, Finding};

/// Whether an error is one by RFC 7807: an object with its status and a title. What a layer before the
/// API refuses need not be one.
pub fn problem(judge: Judge<'_>, answer: &Answer) -> Option<Finding> {
    let expected = format!(
        "a JSON object with the status {} and a title",
        answer.status
    );
    let actual = match object(answer) {
        Err(reason) => reason,
        Ok(body) => {
            let status = body.get("status").and_then(|status| status.as_u64());
            let title = body.get("title").and_then(|title| title.as_str());
            if status == Some(u64::from(answer.status)) && title.is_some_and(|t| !t.is_empty()) {
                return None;
            }
            format!(
                "the status {} and the title {}",
                value(body.get("status")),
                value(body.get("title"))
            )
        }
    };
    Some(match answer.status {
        401 | 403 => judge.status(Some("TAPE-23"), expected, actual),
        _ => judge.of("TAPE-23", expected, actual),
    })
}
