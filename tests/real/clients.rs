//! Clients that nobody here wrote judge the embedded storage element: gfal2, davix and rclone do with it, and between two of
//! it, what they are made for, and litmus looks how it speaks WebDAV.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use touchstone_model::{ClientAuthentication, Method, OAuthClient, SecretRef, TokenSource};
use touchstone_reference::{Storage, StorageOptions};

use crate::common::bearer::Bearer;
use crate::common::site::ask;
use crate::common::test_bed::TestBed;

/// What a transfer service holds for both ends.
const SCOPES: &str = "storage.read:/ storage.modify:/";
const ANYWHERE: &str = "https://wlcg.cern.ch/jwt/v1/any";
/// The bindings of gfal2 are for Debian's Python.
const PYTHON: &str = "/usr/bin/python3";
const GFAL2: &str = include_str!("gfal2.py");
const CONTENT: &str = "what the clients carry\r\n";
/// Of [`CONTENT`].
const ADLER32: &str = "70320880";

/// Two storage elements of one issuer, and a folder for clients.
struct Site {
    bed: TestBed,
    here: Storage,
    there: Storage,
    token: SecretString,
}

impl Site {
    fn new() -> Self {
        let bed = TestBed::new();
        let [here, there] = [(); 2].map(|()| {
            bed.start(StorageOptions {
                recorded: true,
                ..bed.two_areas()
            })
        });
        let token = token(&bed, SCOPES);
        fs::create_dir(bed.path("trusted")).expect("a folder");
        fs::copy(bed.path("ca.pem"), bed.path("trusted/ca.pem")).expect("a copy");
        let mut rehash = Command::new("openssl");
        rehash.arg("rehash").arg(bed.path("trusted"));
        let rehashed = rehash.output().expect("openssl runs");
        assert!(rehashed.status.success(), "{rehashed:?}");
        fs::write(bed.path("f"), CONTENT).expect("a file");
        Self {
            bed,
            here,
            there,
            token,
        }
    }

    /// A URL at the first storage element.
    fn here(&self, path: &str) -> String {
        format!("{}/wlcg/{path}", self.here.url())
    }

    /// One at the second.
    fn there(&self, path: &str) -> String {
        format!("{}/wlcg/{path}", self.there.url())
    }

    fn local(&self, name: &str) -> PathBuf {
        self.bed.path(name)
    }

    /// What is in a file of the folder.
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.local(name)).expect("a text")
    }

    /// A program with nothing of the tester's own settings, and with the laboratory's authority and token.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.bed.folder.path())
            .env("LANG", "C.UTF-8")
            .env("X509_CERT_DIR", self.local("trusted"))
            .env("RCLONE_CA_CERT", self.local("ca.pem"))
            .current_dir(self.bed.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What it says when it ends well, given `input`.
    fn run(&self, mut command: Command, input: &str) -> String {
        let program = command.get_program().to_owned();
        let child = command.spawn();
        let mut child =
            child.unwrap_or_else(|why| panic!("{program:?}: {why}; tests/run installs it"));
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("its end");
        let [said, told] = [output.stdout, output.stderr].map(|bytes| self.shown(&bytes));
        assert!(
            output.status.success(),
            "{program:?}: {}\n{said}\n{told}\nhere: {:#?}\nthere: {:#?}",
            output.status,
            self.here.requests(),
            self.there.requests(),
        );
        said
    }

    /// What a program says, without the token.
    fn shown(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        text.replace(self.token.expose_secret(), "$TOKEN")
    }

    /// What comes of operations of gfal2, one by one.
    fn gfal2(&self, operations: &[Value]) -> Vec<Value> {
        let mut python = self.command(PYTHON);
        python.env("BEARER_TOKEN", self.token.expose_secret());
        self.operate(python, &json!({"operations": operations}))
    }

    /// The same as a transfer service does it, with a token for each end.
    fn transfer(&self, scopes: [&str; 2], operations: &[Value]) -> Vec<Value> {
        let [here, there] = scopes.map(|scope| token(&self.bed, scope));
        let tokens =
            json!({self.here.url(): here.expose_secret(), self.there.url(): there.expose_secret()});
        let asked = json!({"tokens": tokens, "operations": operations});
        self.operate(self.command(PYTHON), &asked)
    }

    fn operate(&self, mut python: Command, asked: &Value) -> Vec<Value> {
        python.args(["-I", "-c", GFAL2]);
        let said = self.run(python, &asked.to_string());
        let line = said.lines().last().expect("a line");
        serde_json::from_str(line).expect("results")
    }

    /// A program of davix, with a token for each of two ends.
    fn davix(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.command(program);
        let token = self.token.expose_secret();
        command
            .arg("--capath")
            .arg(self.local("trusted"))
            .args(["--retry", "1"])
            .args(["-H", &format!("Authorization: Bearer {token}")])
            .args(arguments);
        self.run(command, "")
    }

    fn rclone(&self, arguments: &[&str]) -> String {
        let mut command = self.command("/usr/bin/rclone");
        command
            .env("RCLONE_CONFIG", self.local("no-rclone.conf"))
            .env("RCLONE_WEBDAV_URL", self.here(""))
            .env("RCLONE_WEBDAV_BEARER_TOKEN", self.token.expose_secret())
            .args(["--retries", "1", "--low-level-retries", "1"])
            .args(arguments);
        self.run(command, "")
    }

    /// Paths at the first storage element below a directory of the area.
    fn paths(&self, directory: &str) -> BTreeSet<String> {
        let prefix = format!("/wlcg/{directory}/");
        let paths = self.here.paths().into_iter();
        paths
            .filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned))
            .filter(|path| !path.is_empty())
            .collect()
    }
}

/// A token for every service of the laboratory.
fn token(bed: &TestBed, scope: &str) -> SecretString {
    let secret = SecretRef::Held(bed.issuer.client_secret().clone());
    let source = TokenSource::ClientCredentials(OAuthClient {
        id: SecretRef::Held(bed.issuer.client_id().into()),
        authentication: ClientAuthentication::Basic(secret),
    });
    ask(bed, source, scope, ANYWHERE)
        .expect("a token")
        .secret
        .clone()
}

/// Which header names came with requests of that method for that path, one line each.
fn asked<'a>(requests: &'a [String], method: &str, path: &str) -> Vec<&'a str> {
    let begins = format!("{method} /wlcg/{path} ");
    let names = requests.iter().map(|line| line.strip_prefix(&begins));
    names.flatten().collect()
}

/// The storage element that carries out a transfer asks for a digest, and gfal2 and davix say what coding they take.
fn by_storage(names: &str) -> bool {
    let has = |name: &str| names.split(',').any(|other| other == name);
    (has("want-repr-digest") || has("repr-digest")) && !has("te")
}

/// The one request of that method for the path was another service's.
fn expect_third_party(storage: &Storage, method: &str, path: &str) {
    let requests = storage.requests();
    let found = asked(&requests, method, path);
    assert!(
        found.len() == 1 && found.iter().all(|names| by_storage(names)),
        "{method} {path}: {requests:#?}"
    );
}

#[test]
fn gfal2_makes_reads_and_removes_what_it_likes() {
    let site = Site::new();
    let [file, back] = ["f", "back"].map(|name| format!("file://{}", site.local(name).display()));
    let results = site.gfal2(&[
        json!(["mkdir_rec", site.here("gfal2/a/b")]),
        json!(["stat", site.here("gfal2/a/b")]),
        json!(["copy", file, site.here("gfal2/new/parents/f")]),
        json!(["stat", site.here("gfal2/new/parents/f")]),
        json!(["checksum", site.here("gfal2/new/parents/f")]),
        json!([
            "rename",
            site.here("gfal2/new/parents/f"),
            site.here("gfal2/a/g")
        ]),
        json!(["rename", site.here("gfal2/a"), site.here("gfal2/c")]),
        json!(["listdir", site.here("gfal2/c")]),
        json!(["copy", site.here("gfal2/c/g"), back]),
        json!(["copy", file, site.here("gfal2/c/g"), null, true]),
        json!(["unlink", site.here("gfal2/c/g")]),
        json!(["rmdir", site.here("gfal2/c/b")]),
    ]);
    assert_eq!(results[1][0], "directory");
    assert_eq!(results[3], json!(["file", CONTENT.len()]));
    assert_eq!(results[4], ADLER32);
    assert_eq!(results[7], json!(["b", "g"]));
    assert_eq!(site.read("back"), CONTENT);
    let left = BTreeSet::from(["c/", "new/", "new/parents/"].map(str::to_owned));
    assert_eq!(site.paths("gfal2"), left);
}

#[test]
fn a_third_party_copy_of_gfal2_is_one() {
    let site = Site::new();
    let file = format!("file://{}", site.local("f").display());
    let results = site.gfal2(&[
        json!(["copy", file, site.there("source")]),
        json!([
            "copy",
            site.there("source"),
            site.here("pulled/with/parents/f"),
            "3rd pull"
        ]),
        json!(["checksum", site.here("pulled/with/parents/f")]),
        json!([
            "copy",
            site.here("pulled/with/parents/f"),
            site.there("pushed/with/parents/f"),
            "3rd push"
        ]),
        json!(["checksum", site.there("pushed/with/parents/f")]),
        // A file that is replaced is deleted before.
        json!([
            "copy",
            site.there("source"),
            site.here("pulled/with/parents/f"),
            "3rd pull",
            true
        ]),
        json!(["copy", site.there("source"), site.here("as-installed")]),
        json!([
            "copy",
            site.there("pushed/with/parents/f"),
            format!("file://{}", site.local("back").display())
        ]),
    ]);
    assert_eq!(results[2], ADLER32);
    assert_eq!(results[4], ADLER32);
    assert_eq!(site.read("back"), CONTENT);
    let there = site.there.requests();
    let read = asked(&there, "GET", "source");
    assert!(
        read.len() == 3 && read.iter().all(|names| by_storage(names)),
        "{there:#?}"
    );
    expect_third_party(&site.there, "PUT", "pushed/with/parents/f");
    // Nothing came through the client, as it would have where the copy was refused.
    let here = site.here.requests();
    for method in ["GET", "PUT"] {
        assert_eq!(
            asked(&here, method, "pulled/with/parents/f"),
            [""; 0],
            "{here:#?}"
        );
    }
    // As it is installed, it would rather carry the data itself than fail; it need not.
    assert_eq!(asked(&here, "PUT", "as-installed"), [""; 0], "{here:#?}");
    let copies = asked(&here, "COPY", "pulled/with/parents/f");
    assert_eq!(copies.len(), 3, "{here:#?}");
    assert_eq!(unsent("tpc.fts.success", copies[0]), [""; 0]);
    assert_eq!(unsent("tpc.fts.push", copies[1]), [""; 0]);
}

/// Headers of a client's COPY that the COPY of that case does not have.
fn unsent<'a>(case: &str, names: &'a str) -> Vec<&'a str> {
    let catalogue = touchstone_suite::config::load_catalogue(&[]).expect("the embedded suites");
    let case = catalogue.cases().find(|found| found.id.as_str() == case);
    let case = case.expect("a case of that name");
    let mut steps = case.steps.iter();
    let copy = steps.find(|step| step.method == Method::Copy);
    let own = [
        "authorization",
        "credential",
        "destination",
        "host",
        "source",
        "transferheaderauthorization",
        "user-agent",
    ];
    let sent: BTreeSet<_> = copy
        .expect("a COPY")
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .chain(own.map(str::to_owned))
        .collect();
    names
        .split(',')
        .filter(|name| !sent.contains(*name))
        .collect()
}

#[test]
fn a_transfer_service_copies_with_a_token_for_each_end() {
    let site = Site::new();
    let file = format!("file://{}", site.local("f").display());
    site.gfal2(&[
        json!(["copy", file, site.there("source")]),
        json!(["copy", file, site.here("other/source")]),
    ]);
    let pulled = [
        json!([
            "copy",
            site.there("source"),
            site.here("new/pulled"),
            "3rd pull"
        ]),
        json!(["checksum", site.here("new/pulled")]),
    ];
    let results = site.transfer([SCOPES, "storage.read:/source"], &pulled);
    assert_eq!(results[1], ADLER32);
    let pushed = [
        json!([
            "copy",
            site.here("other/source"),
            site.there("new/pushed"),
            "3rd push"
        ]),
        json!(["checksum", site.there("new/pushed")]),
    ];
    let results = site.transfer(["storage.read:/other", SCOPES], &pushed);
    assert_eq!(results[1], ADLER32);
    expect_third_party(&site.there, "GET", "source");
    expect_third_party(&site.there, "PUT", "new/pushed");
    // It tells for which of its jobs, and nobody minds.
    let here = site.here.requests();
    let copies = [
        asked(&here, "COPY", "new/pulled"),
        asked(&here, "COPY", "other/source"),
    ]
    .concat();
    let told = |names: &&str| names.split(',').any(|name| name == "clientinfo");
    assert!(copies.len() == 2 && copies.iter().all(told), "{here:#?}");
}

#[test]
fn davix_makes_reads_copies_and_removes_what_it_likes() {
    let site = Site::new();
    let local = site.local("f").display().to_string();
    let back = site.local("back").display().to_string();
    let other = format!(
        "TransferHeaderAuthorization: Bearer {}",
        site.token.expose_secret()
    );
    let (here, there) = (site.here("davix"), site.there("davix-pushed"));
    let file = format!("{here}/f");
    site.davix("davix-mkdir", &[&here]);
    site.davix("davix-put", &[&local, &file]);
    let listed = site.davix("davix-ls", &["-l", &here]);
    assert!(
        listed
            .lines()
            .any(|line| line.ends_with('f') && line.contains(&CONTENT.len().to_string())),
        "{listed}"
    );
    site.davix("davix-get", &[&file, &back]);
    assert_eq!(site.read("back"), CONTENT);
    let credentials = ["-H", &other, "-H", "Credential: none"];
    site.davix(
        "davix-cp",
        &[&credentials[..], &["--copy-mode", "push", &file, &there]].concat(),
    );
    expect_third_party(&site.there, "PUT", "davix-pushed");
    let pulled = format!("{here}/pulled");
    site.davix(
        "davix-cp",
        &[&credentials[..], &["--copy-mode", "pull", &there, &pulled]].concat(),
    );
    expect_third_party(&site.there, "GET", "davix-pushed");
    fs::remove_file(&back).expect("it is there");
    site.davix("davix-get", &[&pulled, &back]);
    assert_eq!(site.read("back"), CONTENT);
    site.davix("davix-rm", &[&file]);
    let left = BTreeSet::from(["pulled".to_owned()]);
    assert_eq!(site.paths("davix"), left);
    site.davix("davix-rm", &[&here]);
    let gone = |path: &String| path.starts_with("/wlcg/davix");
    assert!(
        !site.here.paths().iter().any(gone),
        "{:?}",
        site.here.paths()
    );
}

#[test]
fn rclone_keeps_a_folder_there() {
    let site = Site::new();
    fs::create_dir_all(site.local("folder/sub")).expect("a folder");
    for (name, text) in [
        ("folder/f", CONTENT),
        ("folder/sub/g", "more"),
        ("folder/empty", ""),
    ] {
        fs::write(site.local(name), text).expect("a file");
    }
    site.rclone(&["mkdir", ":webdav:rclone"]);
    site.rclone(&["copy", "folder", ":webdav:rclone/folder"]);
    let listed = site.rclone(&["lsf", "--recursive", ":webdav:rclone"]);
    let listed: BTreeSet<_> = listed.lines().collect();
    let right = [
        "folder/",
        "folder/empty",
        "folder/f",
        "folder/sub/",
        "folder/sub/g",
    ];
    assert_eq!(listed, BTreeSet::from(right));
    let listed = site.rclone(&["ls", ":webdav:rclone/folder"]);
    assert!(listed.contains(&format!("{} f", CONTENT.len())), "{listed}");
    site.rclone(&["check", "--download", "folder", ":webdav:rclone/folder"]);
    site.rclone(&["copyto", ":webdav:rclone/folder/f", ":webdav:rclone/copied"]);
    site.rclone(&["moveto", ":webdav:rclone/folder/f", ":webdav:rclone/moved"]);
    site.rclone(&["moveto", ":webdav:rclone/folder", ":webdav:rclone/other"]);
    site.rclone(&["copyto", ":webdav:rclone/moved", "moved"]);
    site.rclone(&["copyto", ":webdav:rclone/copied", "copied"]);
    assert_eq!([site.read("moved"), site.read("copied")], [CONTENT; 2]);
    let left = [
        "copied",
        "moved",
        "other/",
        "other/empty",
        "other/sub/",
        "other/sub/g",
    ];
    assert!(
        BTreeSet::from(left.map(str::to_owned)).is_subset(&site.paths("rclone")),
        "{:?}",
        site.paths("rclone")
    );
    site.rclone(&["purge", ":webdav:rclone"]);
    let gone = |path: &String| path.starts_with("/wlcg/rclone");
    assert!(
        !site.here.paths().iter().any(gone),
        "{:?}",
        site.here.paths()
    );
}

/// The programs of litmus, how many of their tests are run, and which of these fail at a service without properties of clients and
/// without locks: WebDAV is spoken without them (docs/webdav.md).
const LITMUS: [(&str, usize, &[&str]); 5] = [
    ("basic", 16, &[]),
    ("copymove", 13, &[]),
    // PROPPATCH is not allowed, so that nothing is set which could be found.
    ("props", 14, &["propset", "propmanyns", "propget"]),
    ("locks", 3, &[]),
    ("http", 4, &[]),
];

/// The names of the tests that failed, of what litmus says.
fn failed(said: &str) -> Vec<&str> {
    let lines = said.lines().filter_map(|line| line.split_once(" FAIL"));
    lines
        .filter_map(|(before, _)| before.rsplit_once(". "))
        .map(|(_, name)| name.trim_end_matches('.'))
        .collect()
}

#[test]
fn litmus_finds_webdav_without_properties_and_locks() {
    let site = Site::new();
    let bearer = Bearer::start(&site.bed, &site.here, &site.token);
    for (program, count, unspoken) in LITMUS {
        site.gfal2(&[json!([
            "mkdir_rec",
            site.here(&format!("litmus/{program}"))
        ])]);
        let mut litmus = site.command("/usr/bin/litmus");
        litmus
            .env("TESTS", program)
            .arg("--keep-going")
            .arg(format!("{}/wlcg/litmus/{program}/", bearer.url()));
        let said = site.run(litmus, "");
        let passed = count - unspoken.len();
        let summary = format!("<- summary for `{program}': of {count} tests run: {passed} passed");
        assert!(said.contains(&summary), "{said}");
        assert_eq!(failed(&said), unspoken, "{said}\n{:#?}", bearer.asked());
    }
    // What is not spoken is not claimed either.
    let mut curl = site.command("/usr/bin/curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--include"])
        .args(["--request", "OPTIONS", "--request-target", "/wlcg/"])
        .arg(format!("{}/", bearer.url()));
    let options = site.run(curl, "").to_ascii_lowercase();
    assert!(options.contains("\ndav: 1\r\n"), "{options}");
    for method in ["lock", "proppatch"] {
        assert!(!options.contains(method), "{options}");
    }
}
