//! How the scope claim is read.

use serde_json::Value;

use super::super::scope::{Scope, claimed};
use super::scopes::{rewritten, text_of};
use super::{Apply, Fault};

/// What opens everything.
const EVERYTHING: &str = "storage.read:/ storage.modify:/";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "absent-scope-opens",
        about: "A token without a scope claim reads and writes everything.",
        clauses: &["JWT-2.2.1-38"],
        cases: &["authentication.claims.scp.read"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                if claim.is_none() {
                    Scope::parse(EVERYTHING)
                } else {
                    claimed(claim)
                }
            }
        }),
    },
    Fault {
        name: "fifty-scopes",
        about: "Of many capabilities the first fifty count.",
        clauses: &["JWT-2.2.1-51"],
        cases: &["capability.several.hundred"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                let mut scope = claimed(claim)?;
                scope.capabilities.truncate(50);
                Some(scope)
            }
        }),
    },
    Fault {
        name: "unknown-scope-spoils",
        about: "A scope that the service does not know spoils the token.",
        clauses: &["JWT-2.2.1-33"],
        cases: &["capability.unknown.skipped"],
        apply: Apply::Element(|rules| {
            rules.token.scope =
                |claim, _| claimed(claim).filter(|_| !text_of(claim).contains("storage.unknown"))
        }),
    },
    Fault {
        name: "longer-names",
        about: "The name of a capability is looked for anywhere in the scope.",
        clauses: &["JWT-2.2.1-34"],
        cases: &["capability.unknown.longer-name"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    text.replace("storage.readx", "storage.read")
                        .replace("xstorage", "storage")
                })
            }
        }),
    },
    Fault {
        name: "scitokens-scopes",
        about: "The scopes read and write of SciTokens count.",
        clauses: &["JWT-2.2.1-34"],
        cases: &["capability.unknown.scitokens-read"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    text.split(' ')
                        .map(|word| {
                            if word.starts_with("read:") {
                                format!("storage.{word}")
                            } else {
                                word.replace("write:/", "storage.modify:/")
                            }
                        })
                        .collect::<Vec<_>>()
                        .join(" ")
                })
            }
        }),
    },
    Fault {
        name: "names-in-any-letters",
        about: "Upper and lower case do not matter in the name of a capability.",
        clauses: &["JWT-2.2.1-35"],
        cases: &["capability.unknown.case-of-letters"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    text.replace("Storage.Read", "storage.read")
                        .replace("STORAGE.READ", "storage.read")
                        .replace("STORAGE.MODIFY", "storage.modify")
                })
            }
        }),
    },
    Fault {
        name: "scope-array",
        about: "A scope claim may be an array.",
        clauses: &["JWT-2.2.1-36"],
        cases: &["capability.claim.array"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| match claim.and_then(Value::as_array) {
                Some(words) => Scope::parse(
                    &words
                        .iter()
                        .filter_map(Value::as_str)
                        .collect::<Vec<_>>()
                        .join(" "),
                ),
                None => claimed(claim),
            }
        }),
    },
    Fault {
        name: "commas-separate",
        about: "Scopes are separated by commas as well.",
        clauses: &["JWT-2.2.1-37"],
        cases: &["capability.separator.comma"],
        apply: Apply::Element(|rules| {
            rules.token.scope =
                |claim, _| rewritten(claim, |text| text.replace(",storage", " storage"))
        }),
    },
    Fault {
        name: "plus-is-space",
        about: "A plus sign in a scope path is a space.",
        clauses: &["JWT-2.2.1-42"],
        cases: &["path.escape.plus-itself"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| rewritten(claim, |text| text.replace('+', "%20"))
        }),
    },
    Fault {
        name: "doubled-spaces-refused",
        about: "A space too many in a scope claim spoils the token.",
        clauses: &["JWT-2.2.1-52"],
        cases: &["capability.separator.doubled-space"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| claimed(claim).filter(|_| !text_of(claim).contains("  "))
        }),
    },
    Fault {
        name: "pathless-is-everything",
        about: "A capability without a path counts for the whole area.",
        clauses: &["JWT-2.2.1-39"],
        cases: &[
            "capability.no-path.read",
            "capability.no-path.modify",
            "capability.no-path.empty",
            "capability.no-path.beside.read",
            "capability.no-path.beside.write",
        ],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| rewritten(claim, |text| with_path(text, "/"))
        }),
    },
    Fault {
        name: "pathless-skipped",
        about: "A capability without a path is passed over, so that the others count.",
        clauses: &["JWT-2.2.1-39", "JWT-2.2.3-04"],
        cases: &[
            "capability.no-path.beside.read",
            "capability.no-path.beside.write",
            "group.broken-capability.no-path",
        ],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    let whole = |word: &&str| {
                        let path = word.split_once(':').map(|(_, path)| path);
                        !word.starts_with("storage.") || path.is_some_and(|path| !path.is_empty())
                    };
                    let kept: Vec<_> = text.split(' ').filter(whole).collect();
                    kept.join(" ")
                })
            }
        }),
    },
    Fault {
        name: "compute-stores",
        about: "Capabilities of computing open storage as well.",
        clauses: &["JWT-2.2.1-47"],
        cases: &["capability.compute.no-get"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    text.replace("compute.read", "storage.read:/")
                        .replace("compute.modify", "storage.modify:/")
                })
            }
        }),
    },
    Fault {
        name: "host-auth-opens",
        about: "host.auth opens everything.",
        clauses: &["JWT-2.2.4-01"],
        cases: &["capability.host-auth"],
        apply: Apply::Element(|rules| {
            rules.token.scope =
                |claim, _| rewritten(claim, |text| text.replace("host.auth", EVERYTHING))
        }),
    },
];

/// The text with `path` for each capability that has none.
fn with_path(text: &str, path: &str) -> String {
    let word = |word: &str| {
        if pathless(word) {
            format!("{}:{path}", word.trim_end_matches(':'))
        } else {
            word.to_owned()
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn pathless(word: &str) -> bool {
    ["storage.read", "storage.modify", "storage.create"].contains(&word.trim_end_matches(':'))
}
