use super::inventory::{ENDPOINT, load, told};
use touchstone_model::DowntimeSource;

#[test]
fn downtimes_are_declared_or_published() {
    let text = format!(
        "downtimes:
  - {{endpoint: se, until: 2027-01-31, reason: new disks}}
  - {{endpoint: [\"s*\", se], from: 2027-01-01, until: \"2027-01-31T08:00+01:00\", reason: more}}
  - gocdb: https://goc.example.org/gocdbpi/public/?method=get_downtime&ongoing_only=yes
    ca: ca.pem
    answer: 5s
  - osg: lists/osg.xml
{ENDPOINT}"
    );
    let inventory = load(&text).unwrap().inventory;
    let shown: Vec<String> = inventory
        .downtimes
        .iter()
        .map(|source| match source {
            DowntimeSource::Declared(downtime) => format!(
                "{:?} {} {} {}",
                downtime.of, downtime.from, downtime.until, downtime.source
            ),
            DowntimeSource::Feed(feed) => {
                format!(
                    "{:?} {:?} {:?} {:?}",
                    feed.kind, feed.place, feed.ca, feed.answer
                )
            }
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    Endpoints(["se"]) -009999-01-02T01:59:59Z 2027-02-01T00:00:00Z site/endpoints.yaml:2
    Endpoints(["s*", "se"]) 2027-01-01T00:00:00Z 2027-01-31T07:00:00Z site/endpoints.yaml:3
    Gocdb Url(Url { scheme: "https", cannot_be_a_base: false, username: "", password: None, host: Some(Domain("goc.example.org")), port: None, path: "/gocdbpi/public/", query: Some("method=get_downtime&ongoing_only=yes"), fragment: None }) [Path("site/ca.pem")] 5s
    Osg File("site/lists/osg.xml") [] 20s
    "#);
}

#[test]
fn wrong_downtimes_are_told_with_their_place() {
    let text = format!(
        "downtimes:
  - {{endpoint: sse, until: 2027-01-31, reason: x}}
  - {{endpoint: se, untill: 2027-01-31, reason: x}}
  - {{endpoint: se, from: 2027-02-01, until: 2027-01-31, reason: x}}
  - {{endpoint: se, until: soon, reason: x}}
  - {{gocdb: \"http://goc.example.org/\"}}
  - {{osg: \"https://user:word@goc.example.org/\", from: 2027-01-31}}
  - {{reason: x}}
  - {{endpoint: se, gocdb: file, until: 2027-01-31T08:00, reason: x}}
  - {{endpoint: \"[\", until: 2027-01-31T08:00, reason: x}}
{ENDPOINT}"
    );
    insta::assert_snapshot!(told(&text), @r#"
    site/endpoints.yaml:2:16: no endpoint matches `sse`
        2 |   - {endpoint: sse, until: 2027-01-31, reason: x}
          |                ^^^
      help: did you mean `se`?

    site/endpoints.yaml:3:20: a downtime has no key `untill`
        3 |   - {endpoint: se, untill: …
          |                    ^^^^^^
      help: did you mean `until`?

    site/endpoints.yaml:4:45: `until` is not after `from`
        4 |   - {endpoint: se, from: 2027-02-01, until: 2027-01-31, reason: x}
          |                                             ^^^^^^^^^^
      help: a day alone counts as a whole

    site/endpoints.yaml:5:27: `soon` is no point in time
        5 |   - {endpoint: se, until: soon, reason: x}
          |                           ^^^^
      help: write it like 2027-01-31T08:00Z, or a day like 2027-01-31

    site/endpoints.yaml:6:6: `gocdb` is no https URL
        6 |   - {gocdb: …
          |      ^^^^^
      help: write https://…, without a user in it, or the path of a file

    site/endpoints.yaml:7:6: `osg` is no https URL
      help: write https://…, without a user in it, or the path of a file

    site/endpoints.yaml:7:49: `from` has no meaning beside `osg`

    site/endpoints.yaml:8:6: a downtime needs one of the keys `endpoint`, `gocdb` or `osg`
        8 |   - {reason: x}
          |      ^^^^^^

    site/endpoints.yaml:9:20: `endpoint` and `gocdb` exclude each other
        9 |   - {endpoint: se, gocdb: file, until: 2027-01-31T08:00, reason: x}
          |                    ^^^^^

    site/endpoints.yaml:10:16: this is no pattern: unclosed character class; missing ']'
       10 |   - {endpoint: "[", until: 2027-01-31T08:00, reason: x}
          |                ^^^

    site/endpoints.yaml:10:28: `2027-01-31T08:00` is no point in time
       10 |   - {endpoint: "[", until: 2027-01-31T08:00, reason: x}
          |                            ^^^^^^^^^^^^^^^^
      help: write it like 2027-01-31T08:00Z, or a day like 2027-01-31
    "#);
}
