use super::inventory::{ENDPOINT, load, told};

fn file(hosts: &str) -> String {
    format!(
        "issuers:\n  wlcg:\n    url: https://wlcg.example.org/\n    credential-hosts: {hosts}\n{ENDPOINT}"
    )
}

#[test]
fn issuers_name_hosts_for_credentials() {
    let inventory = load(&file("[login.example.org, '*.example.com']"))
        .unwrap()
        .inventory;
    let hosts = &inventory.issuers[0].credential_hosts;
    assert_eq!(hosts, &["login.example.org", "*.example.com"]);
    for wrong in ["['https://a']", "['a[']", "[7]", "{a: b}"] {
        assert!(
            told(&file(wrong)).contains("site/endpoints.yaml:4:"),
            "{wrong}"
        );
    }
}
