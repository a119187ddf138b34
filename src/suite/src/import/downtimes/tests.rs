use super::*;

const GOCDB: &str = include_str!("../../../../../tests/downtimes/gocdb.xml");
const OSG: &str = include_str!("../../../../../tests/downtimes/osg.xml");

fn shown(published: &PublishedDowntimes) -> String {
    let lines = published.downtimes.iter().map(|downtime| {
        format!(
            "{:?} {} to {}: {} ({})",
            downtime.of, downtime.from, downtime.until, downtime.reason, downtime.source
        )
    });
    let mut lines: Vec<String> = lines.collect();
    lines.push(format!("unreadable: {}", published.unreadable));
    lines.join("\n")
}

#[test]
fn outages_of_gocdb_count_and_warnings_do_not() {
    let published = read(FeedKind::Gocdb, GOCDB).unwrap();
    insta::assert_snapshot!(shown(&published), @r#"
    Hosts(["door.example.org", "se-one.example.org"]) 2026-11-22T08:00:00Z to 2026-11-23T08:00:00Z: New disk servers & a new kernel (GOCDB https://goc.example.org/portal/index.php?Page_Type=Downtime&id=30001)
    unreadable: 1
    "#);
}

#[test]
fn affected_endpoints_of_gocdb_are_urls_or_hosts() {
    let hosts = |url: &str| {
        let list = format!(
            "<results><DOWNTIME><SEVERITY>OUTAGE</SEVERITY><START_DATE>1795334400</START_DATE><END_DATE>1795420800</END_DATE><AFFECTED_ENDPOINTS><ENDPOINT><URL>{url}</URL></ENDPOINT></AFFECTED_ENDPOINTS></DOWNTIME></results>"
        );
        let published = read(FeedKind::Gocdb, &list).unwrap();
        let hosts = published
            .downtimes
            .into_iter()
            .map(|downtime| match downtime.of {
                Affected::Hosts(hosts) => hosts.concat(),
                other => panic!("{other:?}"),
            });
        hosts.collect::<Vec<_>>().join(" ")
    };
    for (url, host) in [
        ("davs://Se.example.org:8443/wlcg", "se.example.org"),
        ("se.example.org", "se.example.org"),
        ("se.example.org:8443", "se.example.org"),
        ("se.example.org:8443/wlcg?x=1", "se.example.org"),
        ("SE.Example.org.", "se.example.org"),
        ("[2001:db8::1]:1094", "[2001:db8::1]"),
        ("n/a", ""),
        ("unknown", ""),
        ("see the ticket", ""),
    ] {
        assert_eq!(hosts(url), host, "{url}");
    }
}

#[test]
fn outages_of_osg_count_and_lesser_ones_do_not() {
    let published = read(FeedKind::Osg, OSG).unwrap();
    insta::assert_snapshot!(shown(&published), @r#"
    Hosts(["xrootd.example.edu"]) 2026-11-22T14:00:00Z to 2026-11-23T08:30:00Z: Cooling (OSG topology, resource EXAMPLE-XROOTD)
    unreadable: 0
    "#);
}

#[test]
fn hours_are_told_twice_by_osg() {
    let time = |text| osg_time(text).map(|time| time.to_string());
    for (text, expected) in [
        ("Nov 22, 2026 20:00 PM UTC", "2026-11-22T20:00:00Z"),
        ("Nov 22, 2026 08:00 PM UTC", "2026-11-22T20:00:00Z"),
        ("Nov 2, 2026 08:00 AM UTC", "2026-11-02T08:00:00Z"),
        ("Nov 02, 2026 00:30 AM UTC", "2026-11-02T00:30:00Z"),
        ("Nov 02, 2026 12:30 AM UTC", "2026-11-02T00:30:00Z"),
        ("Nov 02, 2026 12:30 PM UTC", "2026-11-02T12:30:00Z"),
        ("Nov 02, 2026 12:30 UTC", "2026-11-02T12:30:00Z"),
    ] {
        assert_eq!(time(text).as_deref(), Some(expected), "{text}");
    }
    for text in [
        "",
        "UTC",
        "soon",
        "Nov 02, 2026 25:00 PM UTC",
        "Nov 02, 2026 12:30 PM CET",
    ] {
        assert_eq!(time(text), None, "{text}");
    }
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let deep = "<a>".repeat(400_000);
    let many = format!("<results>{}</results>", "<a/>".repeat(1_100_000));
    let entities = "<!DOCTYPE r [<!ENTITY a \"aaaa\">]><results>&a;</results>";
    let told = |text: &str| read(FeedKind::Gocdb, text).unwrap_err();
    let texts = [
        "",
        "{}",
        "<html/>",
        OSG,
        entities,
        &deep,
        &many,
        &" ".repeat(LARGEST + 1),
    ];
    let reasons: Vec<String> = texts.into_iter().map(told).collect();
    insta::assert_snapshot!(reasons.join("\n"), @"
    it is not well-formed XML (the document does not have a root node)
    it is not well-formed XML (unknown token at 1:1)
    it is no list of downtimes of GOCDB: it begins with <html> instead of <results>
    it is no list of downtimes of GOCDB: it begins with <Downtimes> instead of <results>
    it is not well-formed XML (XML with DTD detected)
    its elements stand too deep in one another
    it is not well-formed XML (nodes limit reached)
    it is larger than 10 MiB
    ");
}

#[test]
fn hostile_text_is_tamed() {
    let long = "x".repeat(5000);
    let text = OSG
        .replace("Cooling", &format!("\u{85}a\n\n b {long}"))
        .replace("EXAMPLE-XROOTD", &long);
    let published = read(FeedKind::Osg, &text).unwrap();
    let downtime = &published.downtimes[0];
    assert!(!downtime.reason.contains(char::is_control));
    assert!(
        downtime.reason.starts_with("a b xxx"),
        "{}",
        downtime.reason
    );
    assert!(downtime.reason.chars().count() <= DESCRIPTION + 1);
    assert!(downtime.source.len() < 200);
}
