//! Suites, and registers of clauses.

use serde_json::{Value, json};

use super::super::{
    asks, clauses, covers, macaroons, steps, suites, tape, terms, tokens, transfers,
};
use super::shape::{
    also, any_text, count, count_to, either, file, flag, like, list, listed, mapping, named,
    one_of, some, text, word,
};
use touchstone_model::{
    Expect, IssuerExpectation, PeerBehaviour, Profile, Signature, Tampering, TapeOperation,
};

/// As `model::CaseId` has it.
const CASE_ID: &str = r"^[a-z](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z](?:[a-z0-9-]*[a-z0-9])?)+$";
const SUITE_NAME: &str = "^[a-z](?:[a-z0-9-]*[a-z0-9])?$";
const CLAUSE_ID: &str = r"^(?=.*-)[A-Z0-9.-]{1,40}$";
const HEADER: &str = "^[A-Za-z0-9-]+$";
const VERB: &str = "^[A-Za-z0-9-]+$";
/// In a table, where the id may be filled in.
const CELL_CLAUSE: &str = "^(?:(?=.*-)[A-Z0-9.-]{1,40}|<<[a-z-]+>>)$";
const BODY: &str = "^[a-z0-9-]*$";

pub(super) fn schema() -> Value {
    let whole = json!({
        "description": "Cases, or a register of the clauses that they cite.",
        "type": "object",
        "if": {"required": ["clauses"]},
        "then": register(),
        "else": suite(),
    });
    file("A suite of touchstone", whole)
}

/// A version of the profile, with or without quotes.
pub(super) fn profile(about: &str) -> Value {
    let mut versions: Vec<Value> = Vec::new();
    for profile in Profile::ALL {
        let version = profile.to_string();
        versions.extend(version.parse::<f64>().ok().map(Value::from));
        versions.push(version.into());
    }
    json!({"description": about, "enum": versions})
}

fn register() -> Value {
    mapping(
        "A register of clauses.",
        &clauses::FILE_KEYS,
        &["clauses"],
        |key| {
            Some(match key {
                "documents" => named("What the clauses are quoted from.", None, document()),
                _ => list("The clauses.", clause()),
            })
        },
    )
}

fn document() -> Value {
    let needed = ["title", "url"];
    mapping("A document.", &clauses::DOCUMENT_KEYS, &needed, |key| {
        Some(match key {
            "title" => text("What reports call it."),
            "file" => text("Its file in the repository where it is kept."),
            "commit" => text("The commit of that repository from which the quotations are."),
            "url" => text("Where it can be read."),
            _ => return None,
        })
    })
}

fn quotation() -> Value {
    let keys = &clauses::TEXT_KEYS;
    mapping("What a document says, word for word.", keys, keys, |key| {
        Some(match key {
            "document" => text("One of `documents`."),
            "place" => text("The line or the section where it stands."),
            "quote" => text("The words, without markup and line breaks."),
            _ => return None,
        })
    })
}

fn clause() -> Value {
    let needed = ["id", "source", "basis", "level", "severity", "requirement"];
    mapping("One normative statement.", &clauses::KEYS, &needed, |key| {
        Some(match key {
            "id" => like("Its permanent id, such as JWT-2.2.1-04.", CLAUSE_ID),
            "source" => text("Where it stands."),
            "since" => profile("The version of the profile that has it first."),
            "basis" => listed("Whether it is stated so, or follows.", &clauses::BASES),
            "level" => listed("How much it demands.", &clauses::LEVELS),
            "severity" => listed("What its failure means.", &clauses::SEVERITIES),
            "requirement" => text("What it demands, in a sentence."),
            "untestable" => text("Why no case can judge it."),
            "text" => list("What its sources say.", quotation()),
            _ => return None,
        })
    })
}

fn suite() -> Value {
    let suite = mapping(
        "A suite of cases.",
        &suites::KEYS,
        &["suite", "about"],
        |key| {
            Some(match key {
                "suite" => like(
                    "Its name, with which the ids of its cases start.",
                    SUITE_NAME,
                ),
                "about" => text("What its cases are about."),
                "cases" => some("The cases.", case()),
                "covers" => some("Tables from which cases are made.", cover()),
                _ => return None,
            })
        },
    );
    also(
        suite,
        json!({"anyOf": [{"required": ["cases"]}, {"required": ["covers"]}]}),
    )
}

fn cover() -> Value {
    let needed = ["cover", "about", "rows", "columns"];
    mapping(
        "A table: each row with each column is a case.",
        &covers::KEYS,
        &needed,
        |key| {
            Some(match key {
                "cover" => text("Its name, which the directories of its cases have."),
                "about" => text("What its cases are about."),
                "new-connections" => json!({
                    "description": "Of how many cases one is sent over a connection of its own.",
                    "type": "integer",
                    "minimum": 1,
                }),
                "cell" => mapping("What each case has.", &covers::cell_keys(), &[], part),
                "rows" => some("What is wrong, or tried.", row()),
                "columns" => some("How it is asked.", column()),
                _ => return None,
            })
        },
    )
}

fn row() -> Value {
    let about = "What is wrong, or tried.";
    mapping(about, &covers::row_keys(), &["row", "says"], |key| {
        Some(match key {
            "row" => text("Its name, the second word of the ids of its cases."),
            "says" => text("What `<<row>>` stands for."),
            "like" => list(
                "The cases of lists that show the same where they ask by the same method.",
                like("The id of a case.", CASE_ID),
            ),
            "grants-like" => list(
                "The cases of lists that show the same of what it grants.",
                like("The id of a case.", CASE_ID),
            ),
            "grants" => list(
                "The columns that it allows: what `granted` says is laid over the rest.",
                text("The name of a column."),
            ),
            "only" => list(
                "The only columns that it has.",
                text("The name of a column."),
            ),
            "except" => list(
                "Columns that it does not have.",
                text("The name of a column."),
            ),
            key => return part(key),
        })
    })
}

fn column() -> Value {
    let about = "How it is asked.";
    mapping(about, &covers::column_keys(), &["column", "says"], |key| {
        Some(match key {
            "column" => text("Its name, the last word of the ids of its cases."),
            "says" => text("What `<<column>>` stands for."),
            "except" => list("Rows that it does not have.", text("The name of a row.")),
            key => return part(key),
        })
    })
}

/// What a case is laid together from.
fn part(key: &str) -> Option<Value> {
    Some(match key {
        "with" => json!({
            "description": "What names between `<<` and `>>` stand for.",
            "type": "object",
        }),
        "title" => text("What a case shows."),
        "risk" => text("What may happen where a case fails."),
        "clauses" => some(
            "The clauses that a case judges.",
            like(
                "The id of a clause, or a name that stands for one.",
                CELL_CLAUSE,
            ),
        ),
        "severity" => listed("What the failure of a case means.", &clauses::SEVERITIES),
        "since" => profile("The first version of the profile by which it is judged."),
        "until" => profile("The last version of the profile by which it is judged."),
        "intrusive" => flag("It could hurt a service, and runs only with --intrusive."),
        "slow" => flag("It takes long, and runs only with --slow."),
        "given" => some("What is there before the step.", given()),
        "granted" => mapping(
            "What a case has where the row grants the column.",
            &covers::PARTS,
            &[],
            part,
        ),
        "step" => partial("What the step of a case has."),
        "otherwise" => {
            partial("What the step has that is sent where that one had its other outcome (`or`).")
        }
        _ => return None,
    })
}

/// A part of a step.
fn partial(about: &str) -> Value {
    json!({
        "description": about,
        "type": "object",
        "propertyNames": {"enum": steps::KEYS},
    })
}

fn case() -> Value {
    let needed = ["id", "title", "risk", "clauses", "severity"];
    let case = mapping("One test.", &suites::CASE_KEYS, &needed, |key| {
        Some(match key {
            "id" => {
                let mut id = like(
                    "Its permanent id: the suite's name and further words with dots between them.",
                    CASE_ID,
                );
                id["maxLength"] = json!(80);
                id
            }
            "title" => text("What it shows."),
            "risk" => text("What may happen where it fails."),
            "clauses" => {
                let mut ids = some(
                    "The clauses that it judges; `touchstone list clauses` shows them.",
                    like("The id of a clause.", CLAUSE_ID),
                );
                ids["uniqueItems"] = json!(true);
                ids
            }
            "severity" => listed("What its failure means.", &clauses::SEVERITIES),
            "since" => profile("The first version of the profile by which it is judged."),
            "until" => profile("The last version of the profile by which it is judged."),
            "intrusive" => flag("It could hurt a service, and runs only with --intrusive."),
            "issuer-path" => flag("It needs an issuer with a path in its URL."),
            "slow" => flag("It takes long, and runs only with --slow."),
            "given" => some("What is there before the steps.", given()),
            "steps" => some("The requests to storage, in order.", step()),
            "asks" => some("The requests to an issuer, in order.", ask()),
            _ => return None,
        })
    });
    let asks = json!({"required": ["asks"], "not": {"anyOf": [
        {"required": ["given"]}, {"required": ["steps"]}, {"required": ["issuer-path"]},
    ]}});
    let steps = json!({"required": ["steps"], "not": {"required": ["asks"]}});
    also(case, json!({"oneOf": [asks, steps]}))
}

fn given() -> Value {
    let given = mapping("An object.", &suites::GIVEN_KEYS, &[], |key| {
        Some(match key {
            "file" => path("A file, by its path below the directory of the case."),
            "directory" => path("A directory, by its path below the directory of the case."),
            _ => return None,
        })
    });
    one_of(given, &suites::GIVEN_KEYS)
}

/// A path below the directory of the case.
fn path(about: &str) -> Value {
    like(about, r"^[^/\s]\S*$")
}

fn step() -> Value {
    let step = mapping(
        "One request, and what has to come of it.",
        steps::KEYS,
        &["token", "expect"],
        |key| {
            request(key)
                .or_else(|| outcome(key))
                .or_else(|| special(key))
        },
    );
    let refusals = Expect::ALL.into_iter().filter(|word| word.refusal());
    let refusals: Vec<_> = refusals.map(Expect::as_str).collect();
    let refused = json!({"properties": {"expect": {"enum": refusals}}, "required": ["expect"]});
    let step = one_of(step, steps::METHOD_KEYS);
    also(
        step,
        json!({
            "if": refused,
            "then": {"required": ["control"]},
            "else": {
                "if": {"properties": {"expect": {"enum": [Expect::Ok.as_str(), Expect::Refused.as_str()]}}},
                "else": {"not": {"required": ["control"]}},
            },
        }),
    )
}

/// What is sent.
fn request(key: &str) -> Option<Value> {
    Some(match key {
        "get" | "head" | "delete" | "propfind" | "options" => path(&format!(
            "{} of this path, below the directory of the case.",
            key.to_uppercase()
        )),
        "put" => path("PUT of a file to this path, below the directory of the case."),
        "mkcol" => path("MKCOL: a new directory at this path, below the directory of the case."),
        "move" | "copy" => path("The path of what is moved or copied; `to` is where."),
        "pull" => path("COPY from another server to this path."),
        "push" => path("COPY of this path to another server."),
        "tape" => word(
            "A call of the tape REST API.",
            TapeOperation::ALL.map(TapeOperation::as_str),
        ),
        "macaroon" => path("A request for a macaroon for this path."),
        "to" => path("Where it is moved or copied to."),
        "body" => like(
            "A lower-case word from which the content is made; default: new.",
            BODY,
        ),
        "filling" => word(
            "What the content looks like, where it is not a short line.",
            steps::FILLINGS.map(|(name, _)| name),
        ),
        "content" => any_text("The content, byte by byte, in place of a usual one."),
        "verb" => like("Another method, such as PATCH.", VERB),
        "headers" => named(
            "Further headers.",
            Some(HEADER),
            any_text(
                "The value, where `{etag}` stands for the entity tag that was told of the object before.",
            ),
        ),
        "as" => text("The target of the request as it is sent, byte by byte."),
        "present" => list(
            "The header lines with the credential, for which `{token}` stands.",
            like("A line of a header.", "^[^:]+:"),
        ),
        "query" => text("The query of the request, where `{token}` stands for the credential."),
        "other" => credential("A second credential, for which `{other}` stands.", false),
        "expect-continue" => flag("The body waits for 100 Continue."),
        "http-1-0" => flag("The request line says HTTP/1.0."),
        "kept" => flag("The request goes over the connection of the step before."),
        "cut" => count("The connection is closed after so many bytes of the body."),
        "chunked" => flag("The body is sent in chunks, without its length."),
        "wait" => count("Seconds to wait before the request."),
        "optional" => flag("What the step finds is a recommendation."),
        "redirected" => flag("It goes to where the step before was redirected to."),
        "token" => credential("The credential: a scope, `none`, or a mapping.", true),
        _ => return None,
    })
}

/// What has to come of it.
fn outcome(key: &str) -> Option<Value> {
    Some(match key {
        "expect" => word(
            "What is right; `touchstone explain` tells what each word means.",
            Expect::ALL.map(Expect::as_str),
        ),
        "digest" => word("The digest that the answer has.", steps::DIGESTS),
        "members" => list("What the listing holds.", text("A name.")),
        "hidden" => list("What no listing shows.", text("A name.")),
        "challenge" => word("What WWW-Authenticate says.", steps::CHALLENGES),
        "alike" => flag("The answer is like that of the step before."),
        "allow" => flag("A 405 names the allowed methods."),
        "clause" => like(
            "The clause that its findings cite, of those of the case; default: the first.",
            CLAUSE_ID,
        ),
        "or" => either(
            "Another outcome with which the case goes on.",
            vec![
                word("One that is as lawful.", Expect::ALL.map(Expect::as_str)),
                mapping(
                    "One that breaks a clause.",
                    &terms::OR_KEYS,
                    &terms::OR_KEYS,
                    |key| {
                        Some(match key {
                            "expect" => word("The outcome.", Expect::ALL.map(Expect::as_str)),
                            "clause" => like(
                                "The clause that it breaks, of those of the case.",
                                CLAUSE_ID,
                            ),
                            _ => return None,
                        })
                    },
                ),
            ],
        ),
        "otherwise" => flag(
            "It is sent only where the last step with an `or` had its other outcome; between them are only such.",
        ),
        "lapse" => word(
            "How it is asked for with a token that is over: until the service has noticed that, or once, after one of the same end that was not used before was refused.",
            terms::LAPSES.map(|(name, _)| name),
        ),
        "control" => credential(
            "The token with which the very same request succeeds.",
            false,
        ),
        _ => return None,
    })
}

/// What only third-party copies, calls of the tape REST API and requests for macaroons have.
fn special(key: &str) -> Option<Value> {
    Some(match key {
        "side" => word(
            "Who is at the other side of the copy.",
            transfers::OTHER_SIDES
                .iter()
                .map(|(word, _)| *word)
                .chain(PeerBehaviour::ALL.map(|(word, _)| word)),
        ),
        "url" => text("The URL of the other side; the case is `intrusive` then."),
        "there" => listed(
            "What the token for the other side allows there.",
            &transfers::THERE,
        ),
        "heard" => named(
            "Headers that the other side hears: `present`, `credential`, or the value.",
            None,
            text("What is heard."),
        ),
        "unheard" => named(
            "Headers that the other side does not hear, with the value.",
            None,
            text("What is not heard."),
        ),
        "report" => list(
            "What the report of the copy has.",
            listed("A property.", &transfers::REPORTED),
        ),
        "hang-up" => flag("The client hangs up while the copy stands still."),
        "redirecting" => flag("The other side redirects first."),
        "files" => list(
            "The files that the call is about.",
            text("A path, or `{nearline}`."),
        ),
        "except" => list(
            "Those of them that are refused.",
            text("A path, or `{nearline}`."),
        ),
        "whole" => flag("The call is refused as a whole."),
        "further" => count_to("So many further paths.", tape::FURTHER),
        "json" => json!({"description": "What is sent instead of the usual body."}),
        "request" => listed(
            "Which request the call is about; default: last.",
            &tape::REQUESTS,
        ),
        "settled" => flag("The poll goes on until every file has come to an end."),
        "problem" => flag("The refusal is told as a problem (RFC 9457)."),
        "activities" => list(
            "What the macaroon allows.",
            like("An activity, such as DOWNLOAD.", "^[A-Z_]+$"),
        ),
        "validity" => any_text("How long it is good, such as PT10M."),
        "caveats" => list(
            "Further caveats.",
            any_text("A caveat; a path is `{area}{dir}/…`."),
        ),
        "flavour" => listed(
            "How it is asked for; default: native.",
            &macaroons::FLAVOURS,
        ),
        _ => return None,
    })
}

/// Nothing, a scope, or a mapping; `macaroon` says whether it can be one.
fn credential(about: &str, macaroon: bool) -> Value {
    let scope = text("Scopes with single spaces between them; `none` for no token.");
    let mut ways = vec![scope, token()];
    if macaroon {
        ways.push(presented());
    }
    either(about, ways)
}

fn token() -> Value {
    let alterations = |about: &str| json!({"description": about, "type": "object"});
    mapping("A token.", &tokens::KEYS, &[], |key| {
        Some(match key {
            "scope" => text("Scopes with single spaces between them."),
            "audience" => either(
                "Whom it is for.",
                vec![
                    text("One audience."),
                    some("Several.", text("One of them.")),
                ],
            ),
            "groups" => list("Its groups.", like("A group, or a variable.", "^[/{]")),
            "claims" => alterations(
                "Claims that differ: `null` removes one; a number is in seconds from now for times; `{literal: …}` is the value as it is, `{raw: …}` its JSON text, and `{edited: …}` a text with `{good}`, `{swapped}` (other letters) or `{toggled}` (with or without a slash at its end) for the value of a good token.",
            ),
            "header" => alterations("Parts of its header that differ, written like claims."),
            "repeated" => alterations("Claims that stand in the payload once more."),
            "trailing" => text("What comes in the payload behind its JSON object."),
            "key" => listed(
                "Which of the issuer's keys it is about; whichever there is without.",
                &tokens::KINDS,
            ),
            "signature" => word(
                "How it is signed; default: good.",
                Signature::ALL.map(Signature::as_str),
            ),
            "issuer" => listed("Whose it is; default: own.", &tokens::ISSUERS),
            "text" => any_text("This text in place of a token."),
            _ => return None,
        })
    })
}

fn presented() -> Value {
    mapping(
        "The macaroon of an earlier step.",
        &macaroons::PRESENTED,
        &["macaroon"],
        |key| {
            Some(match key {
                "macaroon" => listed("Which.", &macaroons::WHICH),
                "add" => list("Caveats that the client adds.", any_text("A caveat.")),
                "tamper" => word(
                    "What is wrong with it.",
                    Tampering::ALL.map(Tampering::as_str),
                ),
                _ => return None,
            })
        },
    )
}

fn ask() -> Value {
    let ask = mapping(
        "A request to an issuer, and what is right of its answer.",
        &asks::KEYS,
        &["expect"],
        |key| {
            Some(match key {
                "metadata" => published("The metadata, at this place."),
                "keys" => published("The key set, at this place."),
                "token" => either(
                    "A token: the scope alone, or everything.",
                    vec![text("The scope."), asked_token()],
                ),
                "exchange" => mapping(
                    "A token exchange.",
                    &asks::EXCHANGE_KEYS,
                    &["subject"],
                    |key| {
                        Some(match key {
                            "subject" => listed("What is exchanged.", &asks::SUBJECTS),
                            _ => return asked(key),
                        })
                    },
                ),
                "refresh" => mapping(
                    "A refresh token is used.",
                    &asks::REFRESH_KEYS,
                    &[],
                    |key| {
                        Some(match key {
                            "token" => listed("Which; default: last.", &asks::SPARES),
                            _ => return asked(key),
                        })
                    },
                ),
                "revoke" => mapping("A revocation.", &asks::REVOKE_KEYS, &["token"], |key| {
                    Some(match key {
                        "token" => listed("What is revoked.", &asks::REVOKED),
                        _ => return asked(key),
                    })
                }),
                "userinfo" => listed("The userinfo endpoint, with this token.", &asks::BEARERS),
                "device" => text("A device authorization for this scope."),
                "poll" => flag("The token endpoint is polled for the device."),
                "expect" => {
                    let words = IssuerExpectation::ALL.iter().map(|word| word.as_str());
                    let mut words = some(
                        "What is right of the answer.",
                        word("A word for it.", words),
                    );
                    words["uniqueItems"] = json!(true);
                    words
                }
                "optional" => flag("What is found is a recommendation."),
                _ => return None,
            })
        },
    );
    let kinds = asks::KINDS.iter().map(|kind| json!({"required": [kind]}));
    let alone = json!({"oneOf": kinds.collect::<Vec<_>>()});
    also(ask, json!({"anyOf": [{"required": ["poll"]}, alone]}))
}

fn published(about: &str) -> Value {
    let again = mapping(
        "Asked for so often.",
        &asks::AGAIN_KEYS,
        &asks::AGAIN_KEYS,
        |_| Some(count_to("How often.", asks::TIMES)),
    );
    either(about, vec![listed("The place.", &asks::PUBLISHED), again])
}

fn asked_token() -> Value {
    mapping("A token.", &asks::TOKEN_KEYS, &[], |key| {
        Some(match key {
            "resource" => one_or_several("The resources that it is for (RFC 8707)."),
            "by" => listed("Who asks; default: client.", &asks::ASKERS),
            "grant" => text("The type of grant."),
            "method" => listed("The method; default: post.", &asks::WAYS),
            "times" => count_to("How often.", asks::TIMES),
            _ => return asked(key),
        })
    })
}

/// Keys that several asks have.
fn asked(key: &str) -> Option<Value> {
    Some(match key {
        "scope" => text("The scope that is asked for."),
        "audience" => one_or_several("The audiences that are asked for."),
        "proof" => listed(
            "How the client proves who it is; default: good.",
            &asks::PROOFS,
        ),
        _ => return None,
    })
}

fn one_or_several(about: &str) -> Value {
    super::shape::one_or_more(about, text("One of them."))
}
