//! Macaroons that are given to the wrong people, allow too much or are taken too easily.

use super::super::answers::Refusal;
use super::super::authorisation::{Operation, permits as token_permits};
use super::super::macaroons::{
    Activity, Meaning, Surroundings, Wanted, genuine, granted, means, permits, reaches, wanted,
    written,
};
use super::super::path::ObjectPath;
use super::super::rules::Verified;
use super::super::token::{Bearer, EXPIRED};
use super::{Apply, Fault};
use touchstone_model::{ANY_AUDIENCE, Audience, Method};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "macaroon-for-anybody",
        about: "Who brings no credential gets a macaroon for whatever is asked.",
        clauses: &["MAC-02", "MAC-13"],
        cases: &["macaroon.issue.no-token", "macaroon.oauth.no-token"],
        apply: Apply::Macaroons(|rules| {
            rules.asker = |verified| verified.or_else(|why| stranger(why, Refusal::NoToken));
            let (granted, bounded) = for_strangers();
            (rules.granted, rules.bounded) = (granted, bounded);
        }),
    },
    Fault {
        name: "macaroon-for-expired",
        about: "Who brings a token that has expired gets a macaroon.",
        clauses: &["MAC-02"],
        cases: &["macaroon.issue.expired-token"],
        apply: Apply::Macaroons(|rules| {
            rules.asker =
                |verified| verified.or_else(|why| stranger(why, Refusal::InvalidToken(EXPIRED)));
            let (granted, bounded) = for_strangers();
            (rules.granted, rules.bounded) = (granted, bounded);
        }),
    },
    Fault {
        name: "macaroon-any-type",
        about: "Every POST is taken for a request for a macaroon, whatever its type.",
        clauses: &["MAC-05"],
        cases: &["macaroon.issue.content-type"],
        apply: Apply::Macaroons(|rules| rules.understood = |_, _| true),
    },
    Fault {
        name: "macaroon-no-type",
        about: "A POST without a type is taken for a request for a macaroon.",
        clauses: &["MAC-05"],
        cases: &["macaroon.issue.content-type"],
        apply: Apply::Macaroons(|rules| {
            rules.understood = |kind, form| {
                kind.is_none_or(|kind| super::super::macaroons::understood(Some(kind), form))
            };
        }),
    },
    Fault {
        name: "macaroon-takes-any-body",
        about: "A request that is no JSON is taken for one without restrictions.",
        clauses: &["MAC-05"],
        cases: &["macaroon.issue.bad-json"],
        apply: Apply::Macaroons(|rules| {
            rules.wanted = |body, form| {
                let json = serde_json::from_slice::<serde_json::Value>(body).is_ok();
                match json || form {
                    true => wanted(body, form),
                    false => wanted(b"{}", form),
                }
            };
        }),
    },
    Fault {
        name: "macaroon-takes-any-validity",
        about: "A validity that is no duration is taken for an hour.",
        clauses: &["MAC-05"],
        cases: &["macaroon.issue.bad-validity"],
        apply: Apply::Macaroons(|rules| {
            rules.wanted = |body, form| {
                wanted(body, form).or_else(|| {
                    let mut request: serde_json::Value = serde_json::from_slice(body).ok()?;
                    request
                        .as_object_mut()?
                        .insert("validity".into(), "PT1H".into());
                    wanted(request.to_string().as_bytes(), form)
                })
            };
        }),
    },
    Fault {
        name: "macaroon-drops-activities",
        about: "Activities that nobody knows are left out of what was asked for.",
        clauses: &["MAC-05"],
        cases: &["macaroon.issue.unknown-activity"],
        apply: Apply::Macaroons(|rules| {
            rules.wanted = |body, form| {
                let text = String::from_utf8_lossy(body).replace(",LEVITATE", "");
                wanted(text.as_bytes(), form)
            };
        }),
    },
    Fault {
        name: "macaroon-beyond-rights",
        about: "A token gets macaroons for every activity in its paths.",
        clauses: &["JWT-2.2.1-50", "MAC-13"],
        cases: &[
            "macaroon.rights.no-upload",
            "macaroon.rights.no-delete",
            "macaroon.oauth.no-upload",
        ],
        apply: Apply::Macaroons(|rules| {
            rules.granted = |asked, held, _| match held {
                [] => Vec::new(),
                _ => asked.to_vec(),
            };
            rules.bounded = |allowed, bearer, asked| {
                let mut capabilities = bearer.capabilities().iter();
                allowed || capabilities.any(|c| asked.path.starts_with(&c.path.path))
            };
        }),
    },
    Fault {
        name: "macaroon-create-deletes",
        about: "A token with storage.create gets macaroons for DELETE.",
        clauses: &["JWT-2.2.1-50"],
        cases: &["macaroon.rights.no-delete"],
        apply: Apply::Macaroons(|rules| {
            rules.granted = |asked, held, bearer| {
                let mut list = granted(asked, held, bearer);
                if held.contains(&Activity::Upload) && asked.contains(&Activity::Delete) {
                    list.push(Activity::Delete);
                }
                list
            };
            rules.bounded = |allowed, _, asked| allowed || asked.operation == Operation::Delete;
        }),
    },
    Fault {
        name: "macaroon-beyond-paths",
        about: "A token gets macaroons for paths that are not its own.",
        clauses: &["JWT-2.2.1-50"],
        cases: &["macaroon.rights.no-parent", "macaroon.rights.no-sibling"],
        apply: Apply::Macaroons(|rules| {
            rules.granted = asked_or_held;
            rules.bounded = |allowed, bearer, asked| {
                let mut capabilities = bearer.capabilities().iter();
                allowed || capabilities.any(|c| token_permits(c.action, asked))
            };
        }),
    },
    Fault {
        name: "macaroon-beyond-prefix",
        about: "A token gets macaroons for paths that begin like its own.",
        clauses: &["JWT-2.2.1-50"],
        cases: &["macaroon.rights.no-sibling"],
        apply: Apply::Macaroons(|rules| {
            rules.granted = asked_or_held;
            rules.bounded = |allowed, bearer, asked| {
                let path = asked.path.to_string();
                let mut capabilities = bearer.capabilities().iter();
                let begins = capabilities.any(|c| {
                    token_permits(c.action, asked) && path.starts_with(&c.path.path.to_string())
                });
                allowed || begins
            };
        }),
    },
    Fault {
        name: "macaroon-outlives-token",
        about: "A macaroon is good for as long as was asked, whenever its token ends.",
        clauses: &["JWT-2.2.1-50"],
        cases: &["macaroon.rights.no-longer"],
        apply: Apply::Macaroons(|rules| rules.lasts = |asked, _| asked),
    },
    Fault {
        name: "macaroon-renews",
        about: "A macaroon gets macaroons for all that its token allows.",
        clauses: &["JWT-2.2.1-50", "MAC-09"],
        cases: &["macaroon.rights.no-escalation"],
        apply: Apply::Macaroons(|rules| {
            rules.asker = |verified| {
                verified.map(|bearer| Bearer {
                    caveats: None,
                    ..bearer
                })
            };
        }),
    },
    Fault {
        name: "macaroon-lasts-a-day",
        about: "Every macaroon is good for a day, whatever was asked.",
        clauses: &["MAC-03", "MAC-08"],
        cases: &["macaroon.issue.granted", "macaroon.before.validity"],
        apply: Apply::Macaroons(|rules| rules.lasts = |_, left| left.min(86_400.0)),
    },
    Fault {
        name: "macaroon-end-lenient",
        about: "A macaroon is taken for another minute after its end.",
        clauses: &["MAC-08"],
        cases: &["macaroon.before.validity"],
        apply: Apply::Macaroons(|rules| {
            rules.means = |text, around| {
                let earlier = Surroundings {
                    now: around.now - 60.0,
                    ..*around
                };
                means(text, &earlier)
            };
        }),
    },
    Fault {
        name: "macaroon-end-ignored",
        about: "Caveats about the end are not looked at.",
        clauses: &["MAC-08", "MAC-09"],
        cases: &["macaroon.before.past"],
        apply: Apply::Macaroons(|rules| {
            rules.means = |text, around| holds_if(text.starts_with("before:"), text, around);
        }),
    },
    Fault {
        name: "macaroon-odd-end-ignored",
        about: "A caveat about the end that cannot be read is not looked at.",
        clauses: &["MAC-08", "MAC-10"],
        cases: &["macaroon.before.unreadable"],
        apply: Apply::Macaroons(|rules| {
            rules.means = |text, around| {
                let meaning = means(text, around);
                let odd = text.starts_with("before:") && meaning == Meaning::Unmet;
                holds_if(odd, text, around)
            };
        }),
    },
    Fault {
        name: "macaroon-no-activity-holds",
        about: "A caveat that names no activity restricts nothing.",
        clauses: &["MAC-06", "MAC-09"],
        cases: &["macaroon.holder.no-activity"],
        apply: Apply::Macaroons(|rules| {
            rules.means = |text, around| holds_if(text == "activity:", text, around);
        }),
    },
    Fault {
        name: "macaroon-download-copies",
        about: "DOWNLOAD allows to copy what it reads to new names.",
        clauses: &["MAC-06"],
        cases: &["macaroon.activity.no-copy"],
        apply: Apply::Macaroons(|rules| {
            rules.permits = |one, asked| {
                let copies = asked.method == Method::Copy;
                (copies && also(Activity::Download, Operation::Create, one, asked.operation))
                    || permits(one, asked)
            };
        }),
    },
    Fault {
        name: "macaroon-last-end-counts",
        about: "Of several ends the last one counts.",
        clauses: &["MAC-08", "MAC-09"],
        cases: &["macaroon.holder.no-later"],
        apply: Apply::Macaroons(|rules| {
            rules.counts = |list| {
                last(list, |one| {
                    matches!(one, Meaning::Before(_) | Meaning::Past)
                })
            };
        }),
    },
    Fault {
        name: "macaroon-last-activity-counts",
        about: "Of several caveats about activities the last one counts.",
        clauses: &["MAC-09"],
        cases: &["macaroon.holder.no-wider-activity"],
        apply: Apply::Macaroons(|rules| {
            rules.counts = |list| last(list, |one| matches!(one, Meaning::Activities(_)));
        }),
    },
    Fault {
        name: "macaroon-first-activity-counts",
        about: "Of several caveats about activities the first one counts.",
        clauses: &["MAC-09"],
        cases: &["macaroon.holder.activity"],
        apply: Apply::Macaroons(|rules| {
            rules.counts = |list| first(list, |one| matches!(one, Meaning::Activities(_)));
        }),
    },
    Fault {
        name: "macaroon-activities-add-up",
        about: "Several caveats about activities allow what any of them names.",
        clauses: &["MAC-09"],
        cases: &[
            "macaroon.holder.activity",
            "macaroon.holder.no-wider-activity",
        ],
        apply: Apply::Macaroons(|rules| {
            rules.counts = |list| {
                let (mut sum, mut rest) = (Vec::new(), Vec::new());
                for meaning in list {
                    match meaning {
                        Meaning::Activities(some) => sum.extend(some),
                        other => rest.push(other),
                    }
                }
                rest.push(Meaning::Activities(sum));
                rest
            };
        }),
    },
    Fault {
        name: "macaroon-last-path-counts",
        about: "Of several caveats about the path the last one counts.",
        clauses: &["MAC-09"],
        cases: &["macaroon.holder.no-wider-path"],
        apply: Apply::Macaroons(|rules| {
            rules.counts = |list| last(list, |one| matches!(one, Meaning::Path(_)));
        }),
    },
    Fault {
        name: "macaroon-first-path-counts",
        about: "Of several caveats about the path the first one counts, which the asker may write.",
        clauses: &["MAC-09", "MAC-12"],
        cases: &["macaroon.holder.path", "macaroon.caveat.path-asked"],
        apply: Apply::Macaroons(|rules| {
            rules.counts = |list| first(list, |one| matches!(one, Meaning::Path(_)));
        }),
    },
    Fault {
        name: "macaroon-path-ignored",
        about: "Caveats about the path are not looked at.",
        clauses: &["MAC-07", "MAC-09"],
        cases: &["macaroon.path.no-outside"],
        apply: Apply::Macaroons(|rules| rules.reaches = |_, _, _| true),
    },
    Fault {
        name: "macaroon-path-prefix",
        about: "The path of a caveat is compared letter by letter.",
        clauses: &["MAC-07"],
        cases: &["macaroon.path.no-sibling"],
        apply: Apply::Macaroons(|rules| {
            rules.reaches = |caveat, path, asked| {
                reaches(caveat, path, asked) || path.to_string().starts_with(&caveat.to_string())
            };
        }),
    },
    Fault {
        name: "macaroon-moves-out",
        about: "The path of a caveat is not looked at for the target of a MOVE.",
        clauses: &["MAC-07"],
        cases: &["macaroon.path.no-move-out"],
        apply: Apply::Macaroons(|rules| {
            rules.reaches = |caveat, path, asked| {
                let target = asked.method == Method::Move && asked.operation == Operation::Create;
                target || reaches(caveat, path, asked)
            };
        }),
    },
    Fault {
        name: "macaroon-path-is-parent",
        about: "A macaroon is issued for the directory above the path of the request.",
        clauses: &["MAC-03", "MAC-07", "MAC-13"],
        cases: &[
            "macaroon.issue.granted",
            "macaroon.path.no-outside",
            "macaroon.oauth.no-outside",
            "macaroon.holder.no-wider-path",
        ],
        apply: Apply::Macaroons(|rules| {
            rules.place = |path| path.parent().unwrap_or_default().escaped() + "/";
        }),
    },
    Fault {
        name: "macaroon-form-path-is-parent",
        about: "The token endpoint issues macaroons for the directory above the path of the scope.",
        clauses: &["MAC-07", "MAC-13"],
        cases: &["macaroon.oauth.no-outside"],
        apply: Apply::Macaroons(|rules| {
            rules.wanted = |body, form| {
                let asked = wanted(body, form)?;
                let above = |path: String| path.rsplit_once('/').map(|(above, _)| above.to_owned());
                Some(Wanted {
                    path: asked.path.and_then(above),
                    ..asked
                })
            };
        }),
    },
    Fault {
        name: "macaroon-form-refused",
        about: "The token endpoint is named, and understands nothing.",
        clauses: &["MAC-13"],
        cases: &["macaroon.oauth.granted"],
        apply: Apply::Macaroons(|rules| {
            rules.wanted = |body, form| wanted(body, form).filter(|_| !form);
        }),
    },
    Fault {
        name: "macaroon-makes-no-parents",
        about: "The directories that lead to the path of a macaroon cannot be made with it.",
        clauses: &["MAC-14"],
        cases: &["macaroon.path.missing-parents"],
        apply: Apply::Macaroons(|rules| {
            rules.reaches = |caveat: &ObjectPath, path, _| path.starts_with(caveat);
        }),
    },
    Fault {
        name: "macaroon-activity-ignored",
        about: "Caveats about activities are not looked at.",
        clauses: &["MAC-06", "MAC-09"],
        cases: &["macaroon.activity.no-upload"],
        apply: Apply::Macaroons(|rules| rules.permits = |_, _| true),
    },
    Fault {
        name: "macaroon-download-uploads",
        about: "DOWNLOAD allows uploads.",
        clauses: &["MAC-06"],
        cases: &[
            "macaroon.activity.no-upload",
            "macaroon.rights.no-escalation",
        ],
        apply: Apply::Macaroons(|rules| {
            rules.permits = |one, asked| {
                also(Activity::Download, Operation::Create, one, asked.operation)
                    || permits(one, asked)
            };
        }),
    },
    Fault {
        name: "macaroon-upload-reads",
        about: "UPLOAD allows to read.",
        clauses: &["MAC-06"],
        cases: &["macaroon.activity.no-download"],
        apply: Apply::Macaroons(|rules| {
            rules.permits = |one, asked| {
                also(Activity::Upload, Operation::Read, one, asked.operation) || permits(one, asked)
            };
        }),
    },
    Fault {
        name: "macaroon-upload-overwrites",
        about: "UPLOAD allows to replace files.",
        clauses: &["MAC-06"],
        cases: &["macaroon.activity.no-overwrite"],
        apply: Apply::Macaroons(|rules| {
            rules.permits = |one, asked| {
                also(Activity::Upload, Operation::Overwrite, one, asked.operation)
                    || permits(one, asked)
            };
        }),
    },
    Fault {
        name: "macaroon-upload-deletes",
        about: "UPLOAD allows to delete.",
        clauses: &["MAC-06"],
        cases: &["macaroon.activity.no-delete"],
        apply: Apply::Macaroons(|rules| {
            rules.permits = |one, asked| {
                also(Activity::Upload, Operation::Delete, one, asked.operation)
                    || permits(one, asked)
            };
        }),
    },
    Fault {
        name: "macaroon-download-lists",
        about: "DOWNLOAD allows to list directories.",
        clauses: &["MAC-06"],
        cases: &["macaroon.activity.no-list"],
        apply: Apply::Macaroons(|rules| {
            rules.permits = |one, asked| {
                also(Activity::Download, Operation::List, one, asked.operation)
                    || permits(one, asked)
            };
        }),
    },
    Fault {
        name: "macaroon-unverified",
        about: "The signature of a macaroon is not looked at, and its identifier need only begin like one.",
        clauses: &["MAC-11"],
        cases: &[
            "macaroon.forged.signature",
            "macaroon.forged.identifier",
            "macaroon.forged.key",
            "macaroon.forged.caveat",
            "macaroon.forged.dropped-caveat",
        ],
        apply: Apply::Macaroons(|rules| {
            rules.genuine = |_, _| true;
            rules.same = |issued, presented| {
                let short = |id: &str| id.get(..id.len().saturating_sub(1)).map(str::to_owned);
                short(issued) == short(presented)
            };
        }),
    },
    Fault {
        name: "macaroon-signature-cut",
        about: "The last bit of the signature is not compared.",
        clauses: &["MAC-11"],
        cases: &["macaroon.forged.signature"],
        apply: Apply::Macaroons(|rules| {
            rules.genuine = |one, key| {
                let mut signature = *one.signature();
                signature[31] ^= 1;
                genuine(one, key) || genuine(&one.with_signature(signature), key)
            };
        }),
    },
    Fault {
        name: "macaroon-empty-key",
        about: "Macaroons that an empty key has signed are taken as well.",
        clauses: &["MAC-11"],
        cases: &["macaroon.forged.key"],
        apply: Apply::Macaroons(|rules| {
            rules.genuine = |one, key| genuine(one, key) || genuine(one, b"")
        }),
    },
    Fault {
        name: "macaroon-unknown-holds",
        about: "Caveats that nobody knows are skipped.",
        clauses: &["MAC-10"],
        cases: &["macaroon.caveat.unknown"],
        apply: Apply::Macaroons(|rules| {
            rules.means = |text, around| {
                let names = ["activity:", "before:", "ip:", "name:", "path:"];
                let known = names.iter().any(|name| text.starts_with(name));
                holds_if(!known, text, around)
            };
        }),
    },
    Fault {
        name: "macaroon-address-ignored",
        about: "Caveats about the address are skipped.",
        clauses: &["MAC-10"],
        cases: &[
            "macaroon.caveat.address",
            "macaroon.caveat.address-and-others",
        ],
        apply: Apply::Macaroons(|rules| {
            rules.means = |text, around| holds_if(text.starts_with("ip:"), text, around);
        }),
    },
    Fault {
        name: "macaroon-later-caveat-heals",
        about: "A caveat that is met makes up for one before it that is not.",
        clauses: &["MAC-09", "MAC-10"],
        cases: &["macaroon.caveat.address-and-others"],
        apply: Apply::Macaroons(|rules| {
            rules.counts = |mut list| {
                if matches!(list.last(), Some(Meaning::Path(_))) {
                    list.retain(|one| *one != Meaning::Unmet);
                }
                list
            };
        }),
    },
    Fault {
        name: "macaroon-name-appended",
        about: "Whoever appends a name to a macaroon bears it.",
        clauses: &["MAC-12"],
        cases: &["macaroon.caveat.name-appended"],
        apply: Apply::Macaroons(|rules| {
            rules.means = |text, around| holds_if(text.starts_with("name:"), text, around);
        }),
    },
    Fault {
        name: "macaroon-name-asked",
        about: "Whoever asks for a macaroon in a name gets it.",
        clauses: &["MAC-12"],
        cases: &["macaroon.caveat.name-asked"],
        apply: Apply::Macaroons(|rules| {
            rules.written = |text| text.starts_with("name:") || written(text);
        }),
    },
    Fault {
        name: "macaroon-lines-split",
        about: "A caveat with line ends is read as several, which add up.",
        clauses: &["MAC-12"],
        cases: &["macaroon.caveat.lines"],
        apply: Apply::Macaroons(|rules| {
            rules.wanted = |body, form| {
                wanted(body, form).or_else(|| {
                    let text = String::from_utf8_lossy(body);
                    let text = text.replace("\\n0012cid activity:", ",");
                    wanted(text.as_bytes(), form)
                })
            };
        }),
    },
    Fault {
        name: "macaroon-cacheable",
        about: "The answer with a macaroon may be kept by caches.",
        clauses: &["MAC-04"],
        cases: &["macaroon.issue.granted"],
        apply: Apply::Macaroons(|rules| rules.unstored = false),
    },
    Fault {
        name: "macaroon-forgets-list",
        about: "LIST is never granted.",
        clauses: &["MAC-01"],
        cases: &["macaroon.issue.granted"],
        apply: Apply::Macaroons(|rules| {
            rules.granted = |asked, held, bearer| {
                let mut list = granted(asked, held, bearer);
                list.retain(|one| *one != Activity::List);
                list
            };
        }),
    },
    Fault {
        name: "macaroon-grants-everything",
        about: "Whatever is asked for, a macaroon has all activities that its token allows.",
        clauses: &["MAC-03", "MAC-06"],
        cases: &[
            "macaroon.activity.no-upload",
            "macaroon.rights.no-escalation",
            "macaroon.holder.no-wider-activity",
        ],
        apply: Apply::Macaroons(|rules| rules.granted = |_, held, _| held.to_vec()),
    },
    Fault {
        name: "macaroon-manage-needs-delete",
        about: "MANAGE makes no directories.",
        clauses: &["MAC-01"],
        cases: &["macaroon.activity.granted", "macaroon.path.missing-parents"],
        apply: Apply::Macaroons(|rules| {
            rules.permits =
                |one, asked| asked.operation != Operation::MakeDirectory && permits(one, asked);
        }),
    },
];

/// Somebody without rights of his own, where the refusal was that one.
fn stranger(why: Refusal, expected: Refusal) -> Verified {
    match why == expected {
        true => Ok(Bearer {
            audience: Some(Audience::One(ANY_AUDIENCE.into())),
            ..Bearer::default()
        }),
        false => Err(why),
    }
}

type Granting = fn(&[Activity], &[Activity], &Bearer) -> Vec<Activity>;
type Bounding = fn(bool, &Bearer, &super::super::authorisation::Question) -> bool;

/// The decisions that let strangers have whatever they ask for.
fn for_strangers() -> (Granting, Bounding) {
    let granting: Granting = |asked, held, bearer| match bearer.issuer.is_empty() {
        true => asked.to_vec(),
        false => granted(asked, held, bearer),
    };
    (granting, |allowed, bearer, _| {
        allowed || bearer.issuer.is_empty()
    })
}

/// What is held of what is asked for, or all that is asked for where nothing is held.
fn asked_or_held(asked: &[Activity], held: &[Activity], bearer: &Bearer) -> Vec<Activity> {
    match held {
        [] => asked.to_vec(),
        held => granted(asked, held, bearer),
    }
}

/// That caveat holds; any other means what it means.
fn holds_if(it: bool, text: &str, around: &Surroundings) -> Meaning {
    match it {
        true => Meaning::Holds,
        false => means(text, around),
    }
}

/// Whether it is that activity and that operation.
fn also(activity: Activity, operation: Operation, one: Activity, asked: Operation) -> bool {
    (activity, operation) == (one, asked)
}

/// All others, and the first of that kind.
fn first(list: Vec<Meaning>, kind: fn(&Meaning) -> bool) -> Vec<Meaning> {
    let mut seen = false;
    let mut list = list;
    list.retain(|one| !(kind(one) && std::mem::replace(&mut seen, true)));
    list
}

/// All others, and the last of that kind.
fn last(list: Vec<Meaning>, kind: fn(&Meaning) -> bool) -> Vec<Meaning> {
    let mut list = first(list.into_iter().rev().collect(), kind);
    list.reverse();
    list
}
