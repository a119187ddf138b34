use super::catalogue::steps;
use crate::config::load_catalogue;
use touchstone_model::{CopySide, Direction, Hearing, Interface, PeerBehaviour, There, Transfer};

fn transfers(id: &str) -> Vec<Transfer> {
    let catalogue = load_catalogue(&[]).unwrap();
    let case = catalogue.case(&id.parse().unwrap()).unwrap();
    let steps = case.steps.iter();
    steps
        .filter_map(|step| match &step.interface {
            Interface::Transfer(transfer) => Some(transfer.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn what_is_not_said_is_usual() {
    let [pull] = transfers("tpc.pull").try_into().unwrap();
    assert_eq!(pull.direction, Direction::Pull);
    assert_eq!(
        (pull.side, pull.there),
        (CopySide::Ours(PeerBehaviour::Good), There::Read)
    );
    let [push] = transfers("tpc.push").try_into().unwrap();
    assert_eq!(
        (push.direction, push.there),
        (Direction::Push, There::Create)
    );
}

#[test]
fn what_our_side_hears_is_read() {
    let [pull] = transfers("tpc.forward.pull").try_into().unwrap();
    assert_eq!(
        pull.heard,
        [
            ("authorization".into(), Hearing::Credential),
            ("x-touchstone".into(), Hearing::Value("one".into())),
            ("x-second".into(), Hearing::Value("two".into())),
        ]
    );
    let [push] = transfers("tpc.hang-up.push").try_into().unwrap();
    assert!(push.hang_up && push.side == CopySide::Ours(PeerBehaviour::Silent));
}

#[test]
fn wrong_transfers_are_told() {
    for (step, messages) in [
        (
            "- {pull: f, side: occupied, token: a, expect: created}",
            &["no source of ours can be `occupied`", "it can be `good`"][..],
        ),
        (
            "- {push: g, side: cut, token: a, expect: created}",
            &["no sink of ours can be `cut`"],
        ),
        (
            "- {pull: f, side: god, token: a, expect: created}",
            &["`side`", "did you mean `good`?"],
        ),
        (
            "- {pull: f, side: good, url: 'file:///x', token: a, expect: refused}",
            &["`side` and `url` exclude each other"],
        ),
        (
            "- {pull: f, url: 'file:///x', token: a, expect: refused}",
            &["is `intrusive`", "add `intrusive: true`"],
        ),
        (
            "- {pull: f, hang-up: true, token: a, expect: failed}",
            &["only a transfer that stands still can be hung up on"],
        ),
        (
            "- {get: g, side: good, token: a, expect: ok}",
            &["only `pull` and `push` have `side`"],
        ),
        (
            "- {pull: f, kept: true, token: a, expect: created}",
            &["`kept` is not for `pull` and `push`"],
        ),
        (
            "- {pull: f, to: h, token: a, expect: created}",
            &["only `move` and `copy` have a `to`"],
        ),
        (
            "- {pull: f, report: [marker], token: a, expect: created}",
            &["did you mean `markers`?"],
        ),
        (
            "- {push: h, token: a, expect: created}",
            &["there is nothing at `h`"],
        ),
        (
            "- {pull: g, token: a, expect: created}",
            &["`g` is already there", "expect `replaced`"],
        ),
        (
            "- {pull: f, token: a, expect: replaced}",
            &["there is nothing at `f`"],
        ),
        (
            "- {pull: f, token: a, expect: deleted}",
            &["`copy` cannot be `deleted`"],
        ),
        (
            "- {put: f, token: a, expect: failed}",
            &["`put` cannot be `failed`"],
        ),
    ] {
        let told = steps(&format!("  given: [{{file: g}}]\n  steps:\n  {step}\n"));
        for message in messages {
            assert!(told.contains(message), "{message}\n{told}");
        }
        assert!(told.contains(":11:") || told.contains(":10:"), "{told}");
    }
}
