use super::catalogue::{HEAD, suite};
use touchstone_model::{Alternative, Expect, Lapsing, StepTerms};

fn read(step: &str) -> Result<StepTerms, String> {
    let text = format!("{HEAD}  given: [{{file: f}}]\n  steps:\n  - {{{step}}}\n");
    let text = text.replace("[JWT-2.2.1-01]", "[JWT-2.2.1-01, DAV-14]");
    suite(&text).map(|catalogue| {
        let case = catalogue.cases().next().unwrap();
        case.steps.last().unwrap().terms.clone()
    })
}

#[test]
fn terms_are_read() {
    let token = "token: 'storage.read:/'";
    let plain = read(&format!("get: f, {token}, expect: ok")).unwrap();
    assert_eq!(plain, StepTerms::default());
    let lawful = read(&format!(
        "get: f, {token}, expect: ok, or: refused, clause: DAV-14"
    ))
    .unwrap();
    assert_eq!(
        lawful,
        StepTerms {
            clause: Some("DAV-14".parse().unwrap()),
            or: Some(Alternative {
                expect: Expect::Refused,
                clause: None
            }),
            ..StepTerms::default()
        }
    );
    let told = read(&format!(
        "get: f, {token}, expect: ok, or: {{expect: refused, clause: DAV-14}}}}\n  - {{head: f, otherwise: true, {token}, expect: ok"
    ));
    assert!(told.unwrap().otherwise);
    let over = "get: f, token: {scope: 'storage.read:/', claims: {exp: 5}}, expect: unauthenticated, lapse: polled, control: 'storage.read:/'";
    assert_eq!(read(over).unwrap().lapse, Some(Lapsing::Polled));
    // Two may follow one another.
    let once = over.replace("polled", "once, otherwise: true");
    let told = read(&format!(
        "get: f, {token}, expect: ok, or: refused}}\n  - {{{once}}}\n  - {{{once}"
    ));
    let told = told.unwrap();
    assert_eq!((told.otherwise, told.lapse), (true, Some(Lapsing::Once)));
}

#[test]
fn terms_that_mean_nothing_are_refused() {
    let ok = "get: f, token: 'storage.read:/', expect: ok";
    for (step, part) in [
        (format!("{ok}, clause: DAV-01"), "`DAV-01` is none of those of the case"),
        (format!("{ok}, or: {{expect: refused, clause: DAV-01}}"), "`DAV-01` is none of those"),
        (format!("{ok}, or: {{expect: refused}}"), "another outcome needs the key `clause`"),
        (format!("{ok}, or: refusd"), "did you mean `refused`"),
        (format!("{ok}, or: created"), "`get` cannot be `created`"),
        (format!("{ok}, otherwise: true"), "`otherwise` follows a step with an `or`"),
        (format!("{ok}, or: refused}}\n  - {{{ok}}}\n  - {{{ok}, otherwise: true"), "`otherwise` follows a step with an `or`"),
        (format!("{ok}, lapse: twice"), "`lapse` cannot be `twice`"),
        (format!("{ok}, lapse: polled"), "a step with `lapse` expects `unauthenticated`"),
        (format!("{ok}, claus: DAV-14"), "did you mean `clause`"),
        ("push: f, token: 'storage.read:/', expect: created, or: refused".into(), "only a plain request has an `or`"),
        ("tape: archiveinfo, files: ['{tape}/f'], token: 'storage.poll:/', expect: ok, otherwise: true".into(), "has no key `otherwise`"),
    ] {
        let problem = read(&step).unwrap_err();
        assert!(problem.contains(part), "{step}: {problem}");
    }
}
