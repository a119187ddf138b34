//! Whether a service offers at all what it need not.

use touchstone_model::{Answer, Expect, Method};

use super::report::{Ending, ending};

/// Why the answer to a `method` request says that the service does not offer it.
///
/// A COPY may be taken for one between services, which is answered with a success at once and with a
/// report in the body that tells how the transfer ended.
pub fn unoffered(method: Method, expect: Expect, answer: &Answer) -> Option<String> {
    // A credential that is not enough need not be told; the control is.
    if !expect.refusal() && matches!(answer.status, 405 | 501) {
        return Some(format!(
            "the service does not offer {method}: it was answered {}",
            answer.status
        ));
    }
    let failed = matches!(ending(answer), Ending::Failed(_));
    (method == Method::Copy && answer.success() && failed).then(|| {
        format!(
            "the service does not offer {method} inside itself: it was answered {} and a failed transfer between services",
            answer.status
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unoffered(method: Method, expect: Expect, status: u16, body: &str) -> bool {
        let answer = Answer {
            status,
            body: body.into(),
            ..Answer::default()
        };
        super::unoffered(method, expect, &answer).is_some()
    }

    #[test]
    fn only_a_good_request_tells_by_its_status() {
        for status in [405, 501] {
            assert!(unoffered(Method::Copy, Expect::Created, status, ""));
            assert!(!unoffered(Method::Copy, Expect::Denied, status, ""));
        }
        for status in [201, 403, 404, 500, 503] {
            assert!(!unoffered(Method::Copy, Expect::Created, status, "a page"));
        }
    }

    #[test]
    fn a_failed_transfer_between_services_is_no_copy() {
        let report = "Perf Marker\nEnd\nfailure: no such host\n\n";
        for expect in [Expect::Created, Expect::Denied] {
            assert!(unoffered(Method::Copy, expect, 201, report));
            assert!(!unoffered(Method::Copy, expect, 201, "success: Created\n"));
            for (report, failed) in [
                ("failure: x\ncaused by: y\n  at z", true),
                ("failure: x\nsuccess: y", true),
                ("success: x\nfailure: y", false),
            ] {
                assert_eq!(
                    unoffered(Method::Copy, expect, 201, report),
                    failed,
                    "{report}"
                );
            }
            assert!(!unoffered(Method::Move, expect, 201, report));
            assert!(!unoffered(Method::Copy, expect, 403, report));
        }
    }
}
