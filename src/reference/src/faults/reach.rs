//! How paths of scopes and of requests are read and compared, in less plain ways.

use super::super::answers::Refusal;
use super::super::authorisation::{Operation, Question, allows, covers};
use super::super::path::{End, ObjectPath, RequestPath, WrittenPath};
use super::destination::almighty;
use super::path::starts_alike;
use super::scopes::rewritten;
use super::{Apply, Fault};
use touchstone_model::Method;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "scope-prefix-match-on-stat",
        about: "When looking, the path of a capability is compared as a string.",
        clauses: &["JWT-2.2.1-09"],
        cases: &["path.sibling-prefix.head", "path.sibling-prefix.propfind"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked.operation == Operation::Stat && starts_alike(scope, asked))
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "scope-prefix-match-on-renames",
        about: "When renaming, the path of a capability is compared as a string.",
        clauses: &["JWT-2.2.1-09"],
        cases: &["path.sibling-prefix.move"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked.operation == Operation::RenameFile && starts_alike(scope, asked))
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "file-scope-uploads-not",
        about: "A path does not cover the upload of the file of that name.",
        clauses: &["JWT-2.2.1-10"],
        cases: &["path.file.create"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(asked.operation == Operation::Create
                    && asked.method == Method::Put
                    && bearer
                        .capabilities()
                        .iter()
                        .any(|one| one.path.path == *asked.path))
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "path-ignored-on-stat",
        about: "The path of a capability does not matter when looking.",
        clauses: &["JWT-2.2.1-29"],
        cases: &[
            "path.outside.head",
            "path.outside.propfind",
            "path.sibling-prefix.head",
            "path.sibling-prefix.propfind",
            "digest.outside",
            "bearer.oracle.looking",
            "bearer.none.other-forms",
        ],
        apply: Apply::Element(|rules| {
            rules.covers =
                |scope, asked| (asked.operation == Operation::Stat) || covers(scope, asked)
        }),
    },
    Fault {
        name: "listing-above-path",
        about: "Directories above the path of a capability are listed with all that is in them.",
        clauses: &["JWT-2.2.1-29"],
        cases: &["path.outside.listing"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                let looks = matches!(asked.operation, Operation::Stat | Operation::List);
                (looks && scope.path.starts_with(asked.path)) || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "trailing-slash-makes-nothing",
        about: "A path with a trailing slash covers no new directory.",
        clauses: &["JWT-2.2.1-11"],
        cases: &["path.trailing-slash.create"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                !(scope.slash && asked.operation == Operation::MakeDirectory)
                    && covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "path-letters-alike",
        about: "Upper and lower case do not matter in a path.",
        clauses: &["JWT-2.2.1-35"],
        cases: &[
            "path.letters",
            "path.sibling-prefix.read",
            "path.sibling-prefix.put",
            "path.sibling-prefix.delete",
            "path.sibling-prefix.mkcol",
            "path.trailing-slash.not-a-file",
            "path.sibling-prefix.head",
            "path.sibling-prefix.propfind",
            "path.sibling-prefix.move",
            "path.trailing-slash.not-a-file-delete",
            "tape.stage.sibling-prefix",
            "macaroon.rights.no-sibling",
            "tpc.pull.sibling",
            "path.sibling-prefix.destination",
            "path.sibling-prefix.copy",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked
                    .path
                    .to_string()
                    .to_lowercase()
                    .starts_with(&scope.path.to_string().to_lowercase()))
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "doubled-slash-cuts",
        about: "A path ends at a doubled slash.",
        clauses: &["JWT-2.2.1-41"],
        cases: &["path.scope.doubled-slash", "capability.unknown.skipped"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    text.split("//").next().unwrap_or_default().to_owned()
                })
            }
        }),
    },
    Fault {
        name: "relative-is-root",
        about: "A path without a leading slash counts for the whole area.",
        clauses: &["JWT-2.2.1-40", "JWT-2.2.1-41"],
        cases: &["path.scope.relative", "capability.no-path.empty"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    text.split(' ')
                        .map(|word| match word.split_once(':') {
                            Some((name, path))
                                if name.starts_with("storage.") && !path.starts_with('/') =>
                            {
                                format!("{name}:/")
                            }
                            _ => word.to_owned(),
                        })
                        .collect::<Vec<_>>()
                        .join(" ")
                })
            }
        }),
    },
    Fault {
        name: "dots-are-dropped",
        about: "Dot segments of a path are dropped with what follows.",
        clauses: &["JWT-2.2.1-41"],
        cases: &["path.scope.dots"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    text.split("/../").next().unwrap_or_default().to_owned()
                })
            }
        }),
    },
    Fault {
        name: "escaped-dots-are-dropped",
        about: "Escaped dot segments of a path are dropped with what follows.",
        clauses: &["JWT-2.2.1-41"],
        cases: &["path.scope.escaped-dots"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    text.split("/%2e%2e/").next().unwrap_or_default().to_owned()
                })
            }
        }),
    },
    Fault {
        name: "scope-escapes-kept",
        about: "The escapes of a scope path are not decoded.",
        clauses: &["JWT-2.2.1-42"],
        cases: &["path.escape.space", "path.escape.plus"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| rewritten(claim, |text| text.replace('%', "%25"))
        }),
    },
    Fault {
        name: "lower-case-escapes-kept",
        about: "Escapes with lower-case digits are not decoded.",
        clauses: &["JWT-2.2.1-42"],
        cases: &["path.escape.plus"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| rewritten(claim, |text| text.replace("%2b", "%252b"))
        }),
    },
    Fault {
        name: "scope-escapes-twice",
        about: "A scope path is decoded twice.",
        clauses: &["JWT-2.2.1-42"],
        cases: &["path.escape.once"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| rewritten(claim, |text| text.replace("%25", "%"))
        }),
    },
    Fault {
        name: "escaped-slash-separates",
        about: "An escaped slash in a scope path separates.",
        clauses: &["JWT-2.2.1-43"],
        cases: &["path.escape.slash"],
        apply: Apply::Element(|rules| {
            rules.token.scope =
                |claim, _| rewritten(claim, |text| text.replace("%2F", "/").replace("%2f", "/"))
        }),
    },
    Fault {
        name: "broken-pattern-opens",
        about: "A scope path that is a broken pattern matches everything.",
        clauses: &["JWT-2.2.1-44"],
        cases: &["path.pattern.broken"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                rewritten(claim, |text| {
                    if text.ends_with(['(', '[', '+']) {
                        "storage.read:/".to_owned()
                    } else {
                        text.to_owned()
                    }
                })
            }
        }),
    },
    Fault {
        name: "scope-is-a-glob",
        about: "The path of a capability is matched as a glob.",
        clauses: &["JWT-2.2.1-44"],
        cases: &[
            "path.pattern.asterisk",
            "path.pattern.character-class",
            "path.trailing-slash.not-a-file",
            "path.trailing-slash.not-a-file-delete",
        ],
        apply: Apply::Element(|rules| {
            rules.covers =
                |scope, asked| (globbed(&scope.path.to_string(), asked)) || covers(scope, asked)
        }),
    },
    Fault {
        name: "scope-is-an-expression",
        about: "The path of a capability is matched as a regular expression.",
        clauses: &["JWT-2.2.1-44"],
        cases: &[
            "path.pattern.dot",
            "path.pattern.asterisk",
            "path.pattern.character-class",
            "path.trailing-slash.not-a-file",
            "path.trailing-slash.not-a-file-delete",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (globbed(&as_glob(&scope.path.to_string()), asked)) || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "request-dots-climb",
        about: "Dot segments of a request are resolved after the right was judged.",
        clauses: &["JWT-2.2.1-45"],
        cases: &[
            "path.request.dots",
            "path.request.doubled-slash",
            "path.request.dots-delete",
            "path.request.dots-destination",
            "macaroon.path.no-dot-segments",
        ],
        apply: Apply::Element(|rules| {
            rules.request_path = |text, _| climbing(text, |text| text.to_owned())
        }),
    },
    Fault {
        name: "request-escaped-dots-climb",
        about: "Escaped dot segments of a request are resolved after the right was judged.",
        clauses: &["JWT-2.2.1-45"],
        cases: &["path.request.escaped-dots", "macaroon.path.no-dot-segments"],
        apply: Apply::Element(|rules| {
            rules.request_path =
                |text, _| climbing(text, |text| replaced(text, &[("%2e", "."), ("%2E", ".")]))
        }),
    },
    Fault {
        name: "request-escaped-slashes-climb",
        about: "Escaped slashes of a request separate after the right was judged.",
        clauses: &["JWT-2.2.1-45"],
        cases: &["path.request.escaped-slash"],
        apply: Apply::Element(|rules| {
            rules.request_path = |text, _| climbing(text, |text| replaced(text, &[("%2f", "/")]))
        }),
    },
    Fault {
        name: "request-semicolons-climb",
        about: "Parameters of a path are cut off after the right was judged.",
        clauses: &["JWT-2.2.1-45"],
        cases: &["path.request.semicolon"],
        apply: Apply::Element(|rules| {
            rules.request_path = |text, _| climbing(text, |text| replaced(text, &[("..;", "..")]))
        }),
    },
    Fault {
        name: "request-doubled-slashes-climb",
        about: "Doubled slashes of a request are joined after the right was judged.",
        clauses: &["JWT-2.2.1-45"],
        cases: &["path.request.doubled-slash"],
        apply: Apply::Element(|rules| {
            rules.request_path = |text, _| climbing(text, |text| replaced(text, &[("//..", "/..")]))
        }),
    },
    Fault {
        name: "request-backslashes-climb",
        about: "Backslashes of a request separate after the right was judged.",
        clauses: &["JWT-2.2.1-45"],
        cases: &["path.request.backslash"],
        apply: Apply::Element(|rules| {
            rules.request_path = |text, _| climbing(text, |text| replaced(text, &[("%5c", "/")]))
        }),
    },
    Fault {
        name: "request-decoded-twice",
        about: "The path of a request is decoded once more after the right was judged.",
        clauses: &["JWT-2.2.1-45"],
        cases: &["path.request.double-encoded"],
        apply: Apply::Element(|rules| {
            rules.request_path = |text, _| {
                climbing(text, |text| {
                    replaced(text, &[("%252e", "."), ("%252f", "/")])
                })
            }
        }),
    },
    Fault {
        name: "request-doubled-slashes-open",
        about: "A path with a doubled slash is served to any token.",
        clauses: &["JWT-2.2.1-45", "JWT-2.2.1-14"],
        cases: &["path.request.slashes"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |_, parts, bearer| {
                let bearer = bearer?;
                Ok(match parts.uri.path().contains("//") {
                    true => almighty(bearer),
                    false => bearer,
                })
            }
        }),
    },
    Fault {
        name: "other-header-opens",
        about: "A request with X-Rewrite-URL is judged by that path, and served from its own.",
        clauses: &["JWT-2.2.1-14"],
        cases: &["path.request.other-headers"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |_, parts, bearer| {
                let bearer = bearer?;
                Ok(match parts.headers.contains_key("x-rewrite-url") {
                    true => almighty(bearer),
                    false => bearer,
                })
            }
        }),
    },
    Fault {
        name: "dots-climb-in-deletes",
        about: "Dot segments, escaped or not, in a deletion are resolved after the right was judged.",
        clauses: &["JWT-2.2.1-45"],
        cases: &["path.request.dots-delete"],
        apply: Apply::Element(|rules| {
            rules.request_path = |text, end| {
                if end == End::Target(Method::Delete) {
                    climbing(text, |text| text.replace("%2e", "."))
                } else {
                    RequestPath::parse(text)
                }
            }
        }),
    },
    Fault {
        name: "dots-climb-in-destinations",
        about: "Dot segments in the Destination are resolved after the right was judged.",
        clauses: &["JWT-2.2.1-45"],
        cases: &["path.request.dots-destination"],
        apply: Apply::Element(|rules| {
            rules.request_path = |text, end| {
                if end == End::Destination {
                    climbing(text, |text| text.to_owned())
                } else {
                    RequestPath::parse(text)
                }
            }
        }),
    },
    Fault {
        name: "scope-paths-absolute",
        about: "A scope path may also name an object from the root of the service.",
        clauses: &["JWT-2.2.3-05"],
        cases: &["path.area.relative"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                let inner = ObjectPath::of(scope.path.names().iter().skip(1).cloned().collect());
                let area = scope
                    .path
                    .names()
                    .first()
                    .is_some_and(|name| name == "wlcg");
                (area && asked.path.starts_with(&inner)) || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "area-is-everything",
        about: "An issuer speaks for everything that is in no area.",
        clauses: &["JWT-2.2.3-06", "JWT-2.2.3-07"],
        cases: &["path.area.no-put-outside", "path.area.no-prefix-outside"],
        apply: Apply::Element(|rules| {
            rules.within = |path, area| path.below(area).or_else(|| Some(path.clone()))
        }),
    },
    Fault {
        name: "area-prefix-match",
        about: "The path of an area is compared as a string.",
        clauses: &["JWT-2.2.3-07"],
        cases: &["path.area.no-prefix-outside"],
        apply: Apply::Element(|rules| {
            rules.within = |path, area| {
                path.below(area).or_else(|| {
                    path.to_string()
                        .starts_with(&area.to_string())
                        .then(|| path.clone())
                })
            }
        }),
    },
    Fault {
        name: "escaped-letters-refused",
        about: "A path with an escaped letter is refused.",
        clauses: &["JWT-2.2.1-46"],
        cases: &["path.request.same"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |_, parts, verified| match parts.uri.path().contains("%64") {
                true => Err(Refusal::InsufficientScope),
                false => verified,
            }
        }),
    },
];

/// The text with each first word replaced by the second; untouched where none occurs.
fn replaced(text: &str, words: &[(&str, &str)]) -> String {
    let found = words.iter().any(|(word, _)| text.contains(word));
    // Without the word there is nothing special about dots: they are refused as ever.
    if !found {
        return String::new();
    }
    let mut text = text.to_owned();
    for (word, by) in words {
        text = text.replace(word, by);
    }
    text
}

/// Judged as it is written, but meant as `shape` has it with its dot segments resolved.
fn climbing(text: &str, shape: fn(&str) -> String) -> Option<RequestPath> {
    let shaped = shape(text);
    if !shaped.split('/').any(|name| name == "..") {
        return RequestPath::parse(text);
    }
    let mut meant: Vec<&str> = Vec::new();
    for name in shaped.split('/').filter(|name| !name.is_empty()) {
        if name == ".." {
            meant.pop();
        } else {
            meant.push(name);
        }
    }
    let names = text.split('/').filter(|name| !name.is_empty());
    Some(RequestPath {
        judged: ObjectPath::of(names.map(str::to_owned).collect()),
        meant: WrittenPath::parse(&format!("/{}", meant.join("/")))?.path,
        slash: text.ends_with('/'),
    })
}

/// Whether the path or one above it matches the pattern.
fn globbed(pattern: &str, asked: &Question) -> bool {
    let Ok(glob) = globset::GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
    else {
        return false;
    };
    let matcher = glob.compile_matcher();
    let names = asked.path.names();
    (1..=names.len()).any(|depth| {
        let path = ObjectPath::of(names.iter().take(depth).cloned().collect());
        matcher.is_match(path.to_string())
    })
}

/// A regular expression as the glob that matches about the same.
fn as_glob(expression: &str) -> String {
    expression
        .replace(".*", "*")
        .replace("a.c", "a?c")
        .replace('(', "{")
        .replace('|', ",")
        .replace(')', "}")
        .replace('$', "")
}
