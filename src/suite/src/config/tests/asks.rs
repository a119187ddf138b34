use crate::config::load_catalogue;
use touchstone_model::{
    ClientProof, IssuerExpectation, IssuerRequest, IssuerStep, PublishedDocument, RequestingClient,
    SubjectToken,
};
use touchstone_yaml::SourceFile;

const HEAD: &str = "suite: own\nabout: x\ncases:\n- id: own.one\n  title: t\n  risk: r\n  clauses: [ISS-TOK-01]\n  severity: critical\n  asks:\n";

/// The asks of the first case, or what is wrong with the suite.
fn asks(text: &str) -> Result<Vec<IssuerStep>, String> {
    let source = SourceFile {
        name: "own.yaml".into(),
        text: format!("{HEAD}{text}").into(),
    };
    let catalogue = load_catalogue(&[source]).map_err(|problems| problems.to_string())?;
    let case = catalogue.case(&"own.one".parse().unwrap()).unwrap();
    assert!(case.steps.is_empty() && case.given.is_empty());
    Ok(case.asks.clone())
}

#[test]
fn asks_are_read() {
    let read = asks(
        "  - {token: 'storage.read:/a', expect: [signed, claims]}
  - {token: {scope: 'wlcg.groups:{default-group}', by: member, proof: wrong-secret, audience: [a, b], times: 3}, expect: [refused], optional: true}
  - {exchange: {subject: tampered, scope: x}, expect: [refused]}
  - {metadata: {again: 4}, expect: [same]}
  - {device: openid, expect: [device-reply]}
  - {poll: true, expect: [pending]}
",
    )
    .unwrap();
    assert_eq!(
        read[0].expect,
        [IssuerExpectation::Signed, IssuerExpectation::Claims]
    );
    assert_eq!(read[0].what.scope(), Some("storage.read:/a"));
    let IssuerRequest::Token(token) = &read[1].what else {
        panic!()
    };
    assert_eq!(
        (token.by, token.proof, token.times),
        (RequestingClient::Member, ClientProof::WrongSecret, 3)
    );
    assert_eq!(read[1].what.audience(), ["a", "b"]);
    assert!(read[1].optional && !read[0].optional);
    let IssuerRequest::Exchange(exchange) = &read[2].what else {
        panic!()
    };
    assert_eq!(exchange.subject, SubjectToken::Tampered);
    assert_eq!(
        read[3].what,
        IssuerRequest::Metadata(PublishedDocument::Again(4))
    );
    assert_eq!(read[5].what, IssuerRequest::Poll);
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    for (text, message) in [
        ("token: x", "an ask needs the key `expect`"),
        ("expect: [signed]", "an ask needs one of the keys"),
        (
            "token: x, keys: published, expect: [signed]",
            "exclude each other",
        ),
        ("token: x, expect: []", "`expect` is empty"),
        ("token: x, expect: signed", "expected a list"),
        ("token: x, expect: [sined]", "`expect` cannot be `sined`"),
        (
            "token: x, expect: [signed, signed]",
            "`signed` is there twice",
        ),
        (
            "token: x, expect: [document]",
            "`document` is about a document",
        ),
        (
            "keys: published, expect: [signed]",
            "`signed` says nothing of a document",
        ),
        ("device: x, expect: [signed]", "`signed` is about a token"),
        ("keys: here, expect: [key-set]", "`keys` cannot be `here`"),
        (
            "metadata: {again: 0}, expect: [same]",
            "`again` has to be at least 1",
        ),
        (
            "token: {times: 1000}, expect: [signed]",
            "`times` has to be at most 200",
        ),
        (
            "token: {scopes: x}, expect: [signed]",
            "has no key `scopes`",
        ),
        (
            "token: {by: root}, expect: [signed]",
            "`by` cannot be `root`",
        ),
        (
            "token: 'x:{dir}', expect: [signed]",
            "`{dir}` is no variable",
        ),
        ("token: 'x:{vo', expect: [signed]", "is no variable"),
        ("token: 7, expect: [signed]", "expected text"),
        (
            "exchange: {scope: x}, expect: [refused]",
            "needs the key `subject`",
        ),
        (
            "exchange: {subject: last}, expect: [refused]",
            "an ask with `token` has to come before it",
        ),
        (
            "poll: true, expect: [pending]",
            "an ask with `device` has to come before it",
        ),
        (
            "revoke: {token: mine}, expect: [accepted]",
            "`token` cannot be `mine`",
        ),
    ] {
        let problems = asks(&format!("  - {{{text}}}\n")).expect_err(text);
        assert!(problems.contains("own.yaml:10"), "{text}: {problems}");
        assert!(problems.contains(message), "{text}: {problems}");
    }
}

#[test]
fn a_case_is_about_storage_or_an_issuer() {
    let both = "  - {token: x, expect: [signed]}\n  steps:\n  - {get: f, token: a, expect: ok}\n";
    let problems = asks(both).unwrap_err();
    assert!(
        problems.contains("`asks` and `steps` exclude each other"),
        "{problems}"
    );
    assert!(asks("    []\n").unwrap_err().contains("`asks` is empty"));
}
