//! Parts of a plan, and rows for addresses.

use std::collections::{BTreeSet, HashMap};

use super::*;
use touchstone_model::Mode;

/// The rows of a plan with their cases, by name.
fn rows(plan: &Plan) -> Vec<(String, Vec<String>)> {
    let rows = plan.rows().map(|row| {
        let ids = row.cases.iter().map(|planned| planned.case.id.to_string());
        (row.name.clone(), ids.collect())
    });
    rows.collect()
}

fn fleet(names: &[&str], cases: &str) -> Bench {
    let mut bench = Bench::new(endpoint("one"), issuer(true));
    bench.selection = Selection::new(&[], &[cases.to_owned()]).unwrap();
    bench.inventory.endpoints = names.iter().map(|name| Arc::new(endpoint(name))).collect();
    bench
}

#[test]
fn whole_rows_are_dealt_to_shards_where_there_are_enough() {
    let mut bench = fleet(&["one", "two", "three", "four"], "*");
    bench.selection.issuers = true;
    let whole = rows(&bench.plan().unwrap());
    assert_eq!(whole.len(), 6, "issuers are rows as well");
    let mut dealt = Vec::new();
    for (index, own) in [(1, vec![0, 2, 4]), (2, vec![1, 3, 5])] {
        bench.selection.shard = Some(format!("{index}/2").parse().unwrap());
        let plan = bench.plan().unwrap();
        let expected: Vec<_> = own.iter().map(|k| whole[*k].clone()).collect();
        assert_eq!(rows(&plan), expected);
        let shard = plan.shard.unwrap();
        assert_eq!((shard.index, shard.of, shard.rows), (index, 2, 6));
        assert!(!shard.by_case());
        assert_eq!(
            shard.cases,
            whole.iter().map(|row| row.1.len()).sum::<usize>()
        );
        dealt.push(shard.plan);
    }
    assert_eq!(dealt[0], dealt[1]);
    assert_eq!(dealt[0].len(), 16);
}

#[test]
fn of_fewer_rows_than_shards_the_cases_are_dealt() {
    let mut bench = fleet(&["one", "two"], "capability.*");
    bench.selection.shuffle = Some(7);
    let whole = rows(&bench.plan().unwrap());
    let units: Vec<_> = whole
        .iter()
        .flat_map(|(row, cases)| cases.iter().map(move |case| (row.clone(), case.clone())))
        .collect();
    let mut seen = 0;
    for index in 1..=4 {
        bench.selection.shard = Some(format!("{index}/4").parse().unwrap());
        let plan = bench.plan().unwrap();
        assert!(plan.shard.as_ref().unwrap().by_case());
        let own = rows(&plan);
        assert_eq!(own.len(), 2, "every shard has all rows");
        let own: Vec<_> = own
            .iter()
            .flat_map(|(row, cases)| cases.iter().map(move |case| (row.clone(), case.clone())))
            .collect();
        let expected: Vec<_> = units.iter().skip(index - 1).step_by(4).cloned().collect();
        assert_eq!(own, expected);
        seen += own.len();
    }
    assert_eq!(seen, units.len());
}

#[test]
fn shards_know_whether_they_belong_together() {
    let plan = |change: &dyn Fn(&mut Bench)| {
        let mut bench = fleet(&["one", "two"], "*");
        bench.selection.shard = Some("1/2".parse().unwrap());
        change(&mut bench);
        bench.plan().unwrap().shard.unwrap().plan
    };
    let usual = plan(&|_| {});
    assert_eq!(usual, plan(&|_| {}), "whatever the run is called");
    let changes: [&dyn Fn(&mut Bench); 6] = [
        &|bench| bench.selection.mode = Mode::Strict,
        &|bench| bench.selection.profile = Some(Profile::ALL[0]),
        &|bench| bench.selection.intrusive = !bench.selection.intrusive,
        &|bench| bench.selection.shuffle = Some(1),
        &|bench| bench.inventory.endpoints.truncate(1),
        &|bench| Arc::make_mut(&mut bench.inventory.endpoints[1]).name = "three".into(),
    ];
    for (number, change) in changes.iter().enumerate() {
        assert_ne!(usual, plan(*change), "{number}");
    }
}

#[test]
fn shards_agree_on_the_sample_of_pairs() {
    let mut bench = fleet(&["one", "two", "three", "four"], "tpc.pair.*");
    bench.selection.side = true;
    bench.selection.pairs = Some(3);
    let mut pairs = Vec::new();
    for shard in ["1/2", "2/2"] {
        bench.selection.shard = Some(shard.parse().unwrap());
        let plan = bench.plan().unwrap();
        assert_eq!(plan.pairs.unwrap().tried, 3);
        for row in plan.rows() {
            let with = row.cases.iter().filter_map(|case| case.partner.clone());
            pairs.extend(with.map(|partner| (row.name.clone(), partner)));
        }
    }
    pairs.sort();
    pairs.dedup();
    assert_eq!(pairs.len(), 3);
}

#[test]
fn every_address_is_a_row_with_directories_of_its_own() {
    let mut bench = fleet(&["one", "two"], "*");
    let whole = bench.plan().unwrap();
    let addresses = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap());
    bench.selection.addresses = HashMap::from([("two".to_owned(), addresses.to_vec())]);
    let plan = bench.plan().unwrap();
    let names: Vec<_> = plan.rows().map(|row| row.name).collect();
    assert_eq!(names, ["one", "two@192.0.2.1", "two@[2001:db8::1]"]);
    assert_eq!(plan.partners.len(), 2, "partners are endpoints");
    let [_, four, six] = &plan.endpoints[..] else {
        panic!("three rows")
    };
    assert_eq!(four.endpoint.listed_name(), "two");
    assert_eq!(four.endpoint.url, six.endpoint.url);
    assert_eq!(four.cases.len(), whole.endpoints[1].cases.len());
    let directories = [
        whole.endpoints[1].directory.as_str(),
        &four.directory,
        &six.directory,
    ];
    let [usual, four_dir, six_dir] = directories;
    assert!(usual != four_dir && four_dir != six_dir && six_dir != usual);
    // No object of one is an object of the other, wherever the suites put them.
    let written = |planned: &EndpointPlan| {
        let scripts = planned.cases.iter().filter_map(|case| match &case.action {
            Action::Run(script) => Some(script),
            Action::Skip(_) => None,
        });
        let paths = scripts.flat_map(|script| {
            let given = script.given.iter().map(|object| object.path.clone());
            given.chain(script.directories.iter().cloned())
        });
        paths.collect::<BTreeSet<_>>()
    };
    let (four, six) = (written(four), written(six));
    let shared: Vec<_> = four.intersection(&six).collect();
    assert!(!four.is_empty() && shared.is_empty(), "{shared:?}");
}
