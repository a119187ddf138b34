//! The requests for macaroons, as they are sent.

use serde_json::{Map, json};
use url::form_urlencoded;

use touchstone_model::{Flavour, Interface, MacaroonRequest, duration};

const CONTENT_TYPE: &str = "Content-Type";

/// The body of a request for `path`.
pub(super) fn body(request: &MacaroonRequest, path: &str) -> String {
    match request.flavour {
        Flavour::Native => {
            let mut members = Map::new();
            let caveats = request.all_caveats();
            if !caveats.is_empty() {
                members.insert("caveats".into(), json!(caveats));
            }
            if !request.validity.is_empty() {
                members.insert("validity".into(), json!(request.validity));
            }
            serde_json::Value::Object(members).to_string()
        }
        Flavour::Oauth => {
            let activities = request.activities.iter();
            let scopes: Vec<_> = activities.map(|one| format!("{one}:{path}")).collect();
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("grant_type", "client_credentials");
            if let Some(validity) = duration(&request.validity) {
                form.append_pair("expire_in", &validity.as_secs().to_string());
            }
            form.append_pair("scope", &scopes.join(" "));
            form.finish()
        }
    }
}

/// The headers of a step, with the type of a request for a macaroon where the suite names none; it names
/// an empty one to send none.
pub(super) fn headers(
    interface: &Interface,
    mut headers: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let Interface::Macaroons(request) = interface else {
        return headers;
    };
    let is_type = |name: &str| name.eq_ignore_ascii_case(CONTENT_TYPE);
    if !headers.iter().any(|(name, _)| is_type(name)) {
        let kind = match request.flavour {
            Flavour::Native => "application/macaroon-request",
            Flavour::Oauth => "application/x-www-form-urlencoded",
        };
        headers.push((CONTENT_TYPE.into(), kind.into()));
    }
    headers.retain(|(name, value)| !(is_type(name) && value.is_empty()));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(flavour: Flavour) -> MacaroonRequest {
        MacaroonRequest {
            activities: vec!["DOWNLOAD".into(), "LIST".into()],
            validity: "PT10M".into(),
            caveats: vec!["path:/a".into()],
            flavour,
        }
    }

    #[test]
    fn bodies_are_those_of_both_flavours() {
        assert_eq!(
            body(&request(Flavour::Native), "/d"),
            r#"{"caveats":["activity:DOWNLOAD,LIST","path:/a"],"validity":"PT10M"}"#
        );
        assert_eq!(
            body(&request(Flavour::Oauth), "/d"),
            "grant_type=client_credentials&expire_in=600&scope=DOWNLOAD%3A%2Fd+LIST%3A%2Fd"
        );
        let bare = MacaroonRequest {
            activities: Vec::new(),
            validity: String::new(),
            caveats: Vec::new(),
            flavour: Flavour::Native,
        };
        assert_eq!(body(&bare, "/d"), "{}");
    }

    #[test]
    fn the_type_is_that_of_the_flavour_or_the_suites() {
        let sent = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(n, v)| ((*n).into(), (*v).into()));
            let interface = Interface::Macaroons(request(Flavour::Native));
            headers(&interface, given.collect())
        };
        let usual = (
            "Content-Type".to_owned(),
            "application/macaroon-request".to_owned(),
        );
        assert_eq!(sent(&[]), [usual]);
        let own = sent(&[("content-type", "text/plain")]);
        assert_eq!(own, [("content-type".to_owned(), "text/plain".to_owned())]);
        assert_eq!(sent(&[("Content-Type", "")]), []);
        assert_eq!(headers(&Interface::Webdav, Vec::new()), []);
    }
}
