//! `endpoints.yaml`.

use serde_json::{Value, json};

use super::super::{
    accounts, downtimes, endpoints, inventory, issuer_profile, issuers, known_failures, limits,
    read_only, secrets, tape_area,
};
use super::shape::{
    at_most_one_of, count, duration, either, file, flag, like, list, listed, mapping, named,
    one_of, one_or_more, text, unless_false, word,
};
use super::suite::profile;

/// As `issuers::name` has it.
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$";
const HTTPS: &str = r"^[Hh][Tt][Tt][Pp][Ss]://[^@\s?#]+$";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
/// Neither `~/…` nor a variable, and no token.
const PATH: &str = r"^(?!~/)(?!eyJ)(?=.*\S)[^$]*$";

pub(super) fn schema() -> Value {
    let whole = mapping(
        "Who issues tokens, and which storage is judged.",
        &inventory::KEYS,
        &["endpoints"],
        |key| {
            Some(match key {
                "issuers" => named(
                    "Who issues tokens, by names that endpoints use.",
                    Some(NAME),
                    issuer(),
                ),
                "endpoints" => {
                    let mut all = named(
                        "What is judged, by names that reports use.",
                        Some(NAME),
                        endpoint(),
                    );
                    all["minProperties"] = json!(1);
                    let tags = endpoints::TAGS;
                    all["propertyNames"]["not"] = json!({"enum": tags});
                    all
                }
                "downtimes" => list(
                    "What is left alone for a time: by own entries, or as others publish it.",
                    downtime(),
                ),
                "oauth" => mapping(
                    "As the wlcg-jwt-compliance-tests have it.",
                    &issuers::OAUTH_KEYS,
                    &[],
                    |_| {
                        Some(mapping(
                            "The tokens.",
                            &issuers::OAUTH_TOKEN_KEYS,
                            &[],
                            |_| Some(url("The issuer's URL.")),
                        ))
                    },
                ),
                "oidc-agent" => {
                    json!({"description": "As the wlcg-jwt-compliance-tests have it; not used."})
                }
                _ => return None,
            })
        },
    );
    file("endpoints.yaml of touchstone", whole)
}

fn url(about: &str) -> Value {
    like(about, HTTPS)
}

/// A path below the area or the root of a server.
fn path(about: &str) -> Value {
    like(about, "^/")
}

fn place(about: &str) -> Value {
    like(about, PATH)
}

fn trust() -> Value {
    one_or_more(
        "CA certificates beside the system's: PEM files, or directories such as /etc/grid-security/certificates.",
        place("A PEM file or a directory."),
    )
}

fn lists() -> Value {
    word(
        "Revocation lists in the directories of `ca` that are out of date: strict, the default, trusts nobody whom they are about, as clients of the grid do; lenient takes them as they are.",
        secrets::LISTS.iter().map(|(word, _)| *word),
    )
}

fn issuer() -> Value {
    let keys = accounts::with(&issuers::BEFORE, &accounts::SOURCES, &issuers::AFTER);
    let issuer = mapping("An issuer of tokens.", &keys, &["url"], |key| {
        Some(match key {
            "url" => url("Its URL, character by character as tokens have it in `iss`."),
            "accounts" => named(
                "Several ways to obtain its tokens: the first is asked that may ask for what is needed.",
                Some(NAME),
                account(),
            ),
            "test-key" => one_or_more(
                "Its private key, for tokens that no honest issuer signs.",
                test_key(),
            ),
            "ca" => trust(),
            "crl" => lists(),
            "limits" => mapping(
                "How gently it is asked.",
                &limits::ISSUER_KEYS,
                &[],
                |key| {
                    Some(match key {
                        "rate" => count("Token requests per second; as many may go at once."),
                        "answer" => duration("For one request."),
                        "patience" => duration("How long to go on asking an issuer that is busy."),
                        _ => return None,
                    })
                },
            ),
            "credential-hosts" => list(
                "Hosts where its metadata may send credentials, beside its own.",
                text("A host; `*` stands for any part of its name."),
            ),
            "known-failures" => list("Shown, but they do not turn a run red.", known_failure()),
            "judge" => either(
                "Whether the issuer is judged in every run, or what is known of it.",
                vec![json!({"type": "boolean"}), judge()],
            ),
            "environment" => environment(),
            source => return self::source(source),
        })
    });
    let alone: Vec<&str> = [&accounts::SOURCES[..], &["accounts"]].concat();
    at_most_one_of(issuer, &alone)
}

fn account() -> Value {
    let keys = accounts::with(&[], &accounts::SOURCES, &accounts::ACCOUNT_KEYS);
    let account = mapping("One way to obtain tokens.", &keys, &[], |key| {
        Some(match key {
            "environment" => environment(),
            "scopes" => one_or_more(
                "The scopes that it may ask for; default: anything.",
                text("A scope."),
            ),
            "groups" => one_or_more(
                "The groups that it may ask for; default: anything.",
                text("A group."),
            ),
            source => return self::source(source),
        })
    });
    one_of(account, &accounts::SOURCES)
}

fn source(kind: &str) -> Option<Value> {
    Some(match kind {
        "client-credentials" => client("A client of its own.", &[], &[]),
        "refresh-token" => client(
            "A refresh token, made by `touchstone token login`.",
            &accounts::REFRESH_KEYS,
            &["file"],
        ),
        "token-exchange" => one_of(
            client(
                "A token that is exchanged for others.",
                &accounts::EXCHANGE_KEYS,
                &[],
            ),
            &accounts::EXCHANGE_KEYS,
        ),
        "oidc-agent" => mapping(
            "An oidc-agent that runs.",
            &accounts::AGENT_KEYS,
            &[],
            |key| {
                Some(match key {
                    "account" => text("The short name of its account; default: by issuer."),
                    "socket" => place("Its socket; default: that of OIDC_SOCK."),
                    _ => return None,
                })
            },
        ),
        "bearer-token-discovery" => json!({
            "description": "The WLCG bearer token discovery: BEARER_TOKEN, BEARER_TOKEN_FILE, …",
            "const": true,
        }),
        "mytoken" => {
            let mytoken = mapping(
                "A mytoken server.",
                &accounts::MYTOKEN_KEYS,
                &["server"],
                |key| {
                    Some(match key {
                        "server" => url("Its URL."),
                        _ => return secret(key, "The mytoken"),
                    })
                },
            );
            one_of(mytoken, &["mytoken-env", "mytoken-file"])
        }
        "vault" => mapping(
            "A Vault server, after htgettoken.",
            &accounts::VAULT_KEYS,
            &["server", "issuer"],
            |key| {
                Some(match key {
                    "server" => url("Its URL."),
                    "issuer" => segment("The issuer's name in Vault."),
                    "role" => segment("The role; default: default."),
                    "credkey" => like("The name of the credential.", "^[A-Za-z0-9._@/-]+$"),
                    _ => return secret(key, "The Vault token"),
                })
            },
        ),
        "command" => either(
            "A program that prints a token, with its arguments; no shell reads them. `{scopes}` and `{audience}` are replaced.",
            vec![
                text("The program."),
                json!({"type": "array", "items": text("A word."), "minItems": 1}),
            ],
        ),
        _ => return secret(kind, "A token that somebody else obtained"),
    })
}

fn environment() -> Value {
    one_or_more(
        "The environment variables that the program of a `command` gets, beside PATH, HOME and the like.",
        like("The name of a variable.", VARIABLE),
    )
}

fn segment(about: &str) -> Value {
    like(about, "^[A-Za-z0-9._@-]+$")
}

/// Where a secret is.
fn secret(key: &str, what: &str) -> Option<Value> {
    if key.ends_with("-env") {
        let about = format!("{what}: the environment variable that holds it.");
        Some(like(&about, VARIABLE))
    } else if key.ends_with("-file") || key == "file" {
        Some(place(&format!("{what}: the file that holds it.")))
    } else {
        None
    }
}

/// A client with further keys.
fn client(about: &str, further: &[&'static str], needed: &[&str]) -> Value {
    let keys = accounts::with(further, &accounts::CLIENT_KEYS, &[]);
    let client = mapping(about, &keys, needed, |key| {
        Some(match key {
            "id" => text("The client's id, which is no secret."),
            "id-env" | "id-file" => return secret(key, "The client's id"),
            "secret-env" | "secret-file" => return secret(key, "The client's secret"),
            "subject-env" | "subject-file" => return secret(key, "The token to exchange"),
            "file" => {
                return secret(
                    key,
                    "The refresh token, written anew when the issuer rotates it",
                );
            }
            "key-file" => place("The private key for `private-key-jwt`."),
            "kid" => text("The id of that key."),
            "authentication" => listed(
                "How the client authenticates; default: basic, and with a `key-file` private-key-jwt.",
                &accounts::WAYS,
            ),
            _ => return None,
        })
    });
    one_of(client, &["id", "id-env", "id-file"])
}

fn test_key() -> Value {
    mapping(
        "A private key.",
        &issuers::TEST_KEY_KEYS,
        &["file"],
        |key| {
            Some(match key {
                "file" => place("The key, in PEM."),
                "kid" => text("Its id; default: its thumbprint (RFC 7638)."),
                _ => return None,
            })
        },
    )
}

fn judge() -> Value {
    let group = || text("A group.");
    mapping(
        "What is known of the issuer.",
        &issuer_profile::KEYS,
        &[],
        |key| {
            Some(match key {
                "always" => flag("It is judged in every run, as with --issuers."),
                "profile" => profile("The version of the profile that it declares."),
                "vo" => text("The VO."),
                "default-groups" => one_or_more(
                    "Groups that a token has when nobody asks for groups.",
                    group(),
                ),
                "optional-groups" => one_or_more(
                    "Groups that a token has only when they are asked for.",
                    group(),
                ),
                "foreign-group" => text("A group in which the client is not."),
                "capability-sets" => named(
                    "Groups that stand for sets of capabilities (profile section 3.3).",
                    None,
                    one_or_more("The scopes of the set.", text("A scope.")),
                ),
                _ => return None,
            })
        },
    )
}

fn endpoint() -> Value {
    mapping(
        "A door of a storage element with the area of a VO.",
        endpoints::KEYS,
        &["endpoint", "paths"],
        |key| {
            Some(match key {
                "desc" => json!({"description": "A remark.", "type": ["string", "null"]}),
                "type" => {
                    json!({"description": "The software, as a remark.", "type": ["string", "null"]})
                }
                "endpoint" => like("Its URL without a path.", HTTPS),
                "paths" => {
                    let mut areas = named("Areas of VOs by name.", None, path("The area's path."));
                    areas["minProperties"] = json!(1);
                    areas
                }
                "issuer" => text("Whose tokens it takes; default: the only issuer."),
                "area" => text("Which of `paths`; default: wlcg, or the only one."),
                "ca" => trust(),
                "crl" => lists(),
                "profile" => {
                    profile("The version of the profile that it declares; default: the newest.")
                }
                "audience" => {
                    let mut audiences = one_or_more(
                        "By which audiences it is known; ordinary tokens have the first. Default: the one for everybody.",
                        text("An audience, as tokens have it in `aud`."),
                    );
                    audiences["anyOf"][1]["minItems"] = json!(1);
                    audiences
                }
                "traits" => traits(),
                "known-failures" => list("Shown, but they do not turn a run red.", known_failure()),
                "second" => mapping(
                    "Another VO's area on the same service.",
                    &endpoints::SECOND_KEYS,
                    &endpoints::SECOND_KEYS,
                    |key| {
                        Some(match key {
                            "path" => path("The area's path."),
                            "issuer" => text("Whose tokens it takes."),
                            _ => return None,
                        })
                    },
                ),
                "limits" => endpoint_limits(),
                "tpc-partner" => text(
                    "From and to which endpoint it copies; otherwise the first other one that is there.",
                ),
                "fresh-tokens" => {
                    flag("It refuses a token that it has seen, so that each request gets its own.")
                }
                "redirect-hosts" => list(
                    "Hosts where a redirect may take the token, beside its own.",
                    text("A host; `*` stands for any part of its name."),
                ),
                _ => return None,
            })
        },
    )
}

fn traits() -> Value {
    mapping(
        "What it can do; cases that need what is missing are skipped.",
        endpoints::TRAIT_KEYS,
        &[],
        |key| {
            Some(match key {
                "directories" => flag("It has directories; default: true."),
                "any-audience" => {
                    flag("It accepts https://wlcg.cern.ch/jwt/v1/any; default: true.")
                }
                "groups" => unless_false(mapping(
                    "Whether it authorises by group, and by which.",
                    &endpoints::GROUP_KEYS,
                    &[],
                    |key| {
                        Some(match key {
                            "member" => group(
                                "Reads and writes everywhere but below `protected`; default: /wlcg.",
                            ),
                            "privileged" => group("Writes there as well; default: /wlcg/test."),
                            "protected" => path("A path below the area; default: /protected."),
                            _ => return None,
                        })
                    },
                )),
                "third-party-copy" => flag("It copies from and to other servers; default: true."),
                "move" => flag("It renames (MOVE); default: true."),
                "propfind" => flag("It tells what is where (PROPFIND); default: true."),
                "digests" => flag("It tells checksums on request; default: true."),
                "public-read" => {
                    flag("Everybody may read there, whatever token is shown; default: false.")
                }
                "tape" => unless_false(mapping(
                    "Where files go to tape.",
                    &tape_area::KEYS,
                    &tape_area::KEYS,
                    |key| {
                        Some(match key {
                            "path" => path("A directory below the area where the cases may write."),
                            "file" => like(
                                "A file below the area that is on tape already.",
                                "^/.*[^/]$",
                            ),
                            _ => return None,
                        })
                    },
                )),
                "macaroons" => flag("It issues macaroons; default: false."),
                "read-only" => unless_false(mapping(
                    "Nothing may be written there; a file that exists.",
                    &read_only::KEYS,
                    &read_only::KEYS,
                    |key| {
                        Some(match key {
                            "file" => like(
                                "Its path below the area, in a directory.",
                                "^/[^/]+/.*[^/]$",
                            ),
                            "checksum" => {
                                like("Its Adler-32.", "^[Aa][Dd][Ll][Ee][Rr]32:[0-9A-Fa-f]{1,8}$")
                            }
                            _ => return None,
                        })
                    },
                )),
                _ => return None,
            })
        },
    )
}

fn group(about: &str) -> Value {
    like(about, r"^/\S*$")
}

fn downtime() -> Value {
    let time = |about| like(about, "^[0-9]{4}-[0-9]{2}-[0-9]{2}");
    let one = mapping(
        "A downtime, or a list of them.",
        &downtimes::KEYS,
        &[],
        |key| {
            Some(match key {
                "gocdb" => place("A GOCDB list of downtimes: an https URL, or a file."),
                "osg" => place("An OSG topology list of downtimes: an https URL, or a file."),
                "ca" => trust(),
                "crl" => lists(),
                "answer" => duration("How long the list may take; default: 20s."),
                "endpoint" => one_or_more(
                    "Whom it concerns.",
                    text("The name of an endpoint; `*` stands for any part of it."),
                ),
                "from" => time("Its first day or moment; default: always."),
                "until" => time("Its last day, or the moment when it ends."),
                "reason" => text("Why."),
                _ => return None,
            })
        },
    );
    one_of(one, &["endpoint", "gocdb", "osg"])
}

fn known_failure() -> Value {
    mapping(
        "A failure that is known.",
        &known_failures::KEYS,
        &["case", "reason"],
        |key| {
            Some(match key {
                "case" => text("The id of the case."),
                "reason" => text("Why it is left as it is."),
                "ticket" => {
                    json!({"description": "Where it is dealt with.", "type": ["string", "integer"]})
                }
                "expires" => like(
                    "The last day on which it counts as known.",
                    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                ),
                _ => return None,
            })
        },
    )
}

fn endpoint_limits() -> Value {
    mapping(
        "How gently and how long it is asked.",
        &limits::KEYS,
        &[],
        |key| {
            Some(match key {
                "jobs" => count("Cases, and requests, at the same time; default: 48."),
                "rate" => {
                    count("Requests per second; a second's worth may go at once; default: 1000.")
                }
                "preflight" => duration("To find out whether it is there."),
                "connect" => duration("To open a connection."),
                "first-byte" => duration("Until an answer begins; default: 45s."),
                "idle" => duration("Between two pieces of a body."),
                "transfer" => duration(
                    "Until the answer to a COPY between servers, and between two pieces of its report.",
                ),
                "case" => duration("For one case."),
                "endpoint" => duration("For all cases."),
                "body" => count("Bytes of an answer that are read."),
                _ => return None,
            })
        },
    )
}
