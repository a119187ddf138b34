//! Names of issuers, audiences and groups that are nearly the right ones: each is taken for it, in one operation alone.

use serde_json::Value;

use super::super::token::groups;
use super::authentication::object;
use super::cover::{Base, Overlooked};
use super::form::{audience, forms, issuer};
use super::{Apply, Fault};

/// Whether a claim is a text of that kind.
macro_rules! spelt {
    ($fits:expr) => {
        |claim| {
            let fits: fn(&str) -> bool = $fits;
            claim.and_then(Value::as_str).is_some_and(fits)
        }
    };
}

/// A name of that kind stands for that of the members.
macro_rules! group {
    ($fits:expr) => {
        Base::By(|rules| {
            rules.token.groups = |claims| {
                let fits: fn(&str) -> bool = $fits;
                let mut names = groups(claims);
                if names.iter().any(|name| fits(name)) {
                    names.insert(0, touchstone_model::Groups::default().member);
                }
                names
            }
        })
    };
}

pub(super) const FAULTS: &[Fault] = forms! {
    "letters" on "issuer-get", "JWT-2.1.1-23": issuer!(|iss| iss.and_then(Value::as_str).is_some_and(|iss| iss.starts_with("HTTPS:")));
    "space-behind" on "audience-put", "JWT-2.1.1-19": audience!(spelt!(|text| text.ends_with(' ')));
    "space-before" on "issuer-put", "JWT-2.1.1-23": issuer!(spelt!(|text| text.starts_with(' ')));
    "tab-at-end" on "audience-get", "JWT-2.1.1-19": audience!(spelt!(|text| text.ends_with('\t')));
    "line-feed-at-end" on "issuer-get", "JWT-2.1.1-23": issuer!(spelt!(|text| text.ends_with('\n')));
    "nul-at-end" on "audience-put", "JWT-2.1.1-19": audience!(spelt!(|text| text.contains('\0')));
    "invisible" on "issuer-put", "JWT-2.1.1-23": issuer!(spelt!(|text| text.ends_with('\u{200b}')));
    "fragment" on "audience-get", "JWT-2.1.1-19": audience!(spelt!(|text| text.contains('#')));
    "query-behind" on "issuer-get", "JWT-2.1.1-23": issuer!(spelt!(|text| text.contains('?')));
    "dot-segment" on "audience-put", "JWT-2.1.1-19": audience!(spelt!(|text| text.ends_with("/.")));
    "climbing" on "issuer-put", "JWT-2.1.1-23": issuer!(spelt!(|text| text.ends_with("/..")));
    "escaped-slash" on "audience-get", "JWT-2.1.1-19": audience!(spelt!(|text| text.ends_with("%2F")));
    "star" on "issuer-get", "JWT-2.1.1-23": issuer!(spelt!(|text| text.ends_with('*')));
    "quotes" on "audience-put", "JWT-2.1.1-19": audience!(spelt!(|text| text.starts_with('"')));
    "first-of-two" on "issuer-put", "JWT-2.1.1-23": issuer!(spelt!(|text| text.contains(',')));
    "second-of-two" on "audience-get", "JWT-2.1.1-19": audience!(spelt!(|text| text.starts_with("https://evil.example.org ")));
    "slash-at-end" on "group-get", "JWT-2.2.2-04": group!(|name| name.ends_with('/'));
    "slashes-before" on "group-put", "JWT-2.2.2-04": group!(|name| name.starts_with("//"));
    "space-at-end" on "group-get", "JWT-2.2.2-04": group!(|name| name.ends_with(' '));
    "nul-in-it" on "group-put", "JWT-2.2.2-04": group!(|name| name.contains('\0'));
    "star-behind" on "group-get", "JWT-2.2.2-04": group!(|name| name.len() > 2 && name.ends_with('*'));
    "star-for-all" on "group-put", "JWT-2.2.2-04": group!(|name| name == "*");
    "dot-behind-it" on "group-get", "JWT-2.2.2-04": group!(|name| name.ends_with("/."));
    "beside-another" on "group-put", "JWT-2.2.2-04": group!(|name| name.contains(','));
};
