//! A real Keycloak: its development mode with a realm of the tests, on a free port of this machine, below a temporary folder.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::common::waiting::wait_telling;
use secrecy::ExposeSecret;
use touchstone_reference::Authority;

/// The client of the tests, which may do everything.
pub const CLIENT: &str = "touchstone";
/// A client for one path alone.
pub const NARROW: &str = "narrow";
/// A client whose tokens have `nbf`, and whose service is a member of `/wlcg`.
pub const WITH_NBF: &str = "with-nbf";
/// Somebody who logs in, a member of `/wlcg`.
pub const USER: &str = "alice";

/// Runs the server until standard input ends, as it does when the process of the tests ends, however that comes; then
/// everything goes that was started, and the folder.
const SUPERVISOR: &str = r#"
folder=$1
shift
# Unlike a signal that is ignored, one that is caught is not inherited.
trap : TERM
{
    trap : TERM
    "$@" </dev/null
    echo "Keycloak ended"
} >"$folder/log" 2>&1 &
read -r _
kill -TERM 0
wait
rm -rf -- "$folder"
"#;

/// The one of all tests in this process.
pub static KEYCLOAK: LazyLock<Keycloak> = LazyLock::new(Keycloak::start);

/// A running server.
pub struct Keycloak {
    /// Whoever trusts it trusts this one.
    pub authority: Authority,
    /// The secret of its clients.
    pub secret: String,
    /// The user's password.
    pub password: String,
    port: u16,
    /// Ends the server when its standard input is closed.
    _supervisor: Child,
}

impl Keycloak {
    fn start() -> Self {
        let authority = Authority::new().expect("a certificate authority");
        let secret = format!("client-{}", uuid::Uuid::new_v4().simple());
        let password = format!("password-{}", uuid::Uuid::new_v4().simple());
        let folder = tempfile::Builder::new().prefix("keycloak-").tempdir();
        // The supervisor removes it: nobody drops what is static.
        let folder = folder.expect("a temporary folder").keep();
        arrange(&folder, &authority);
        let mut command = Command::new("sh");
        command
            .args(["-c", SUPERVISOR, "keycloak-supervisor"])
            .arg(&folder)
            .arg(folder.join("bin/kc.sh"))
            .args(["start-dev", "--import-realm", "--db=dev-mem"])
            .args(["--http-host=127.0.0.1", "--http-port=0", "--https-port=0"])
            .arg(format!(
                "--https-certificate-file={}",
                shown(&folder, "cert.pem")
            ))
            .arg(format!(
                "--https-certificate-key-file={}",
                shown(&folder, "key.pem")
            ))
            .env_clear()
            .envs(kept_environment())
            .env("CLIENT_SECRET", &secret)
            .env("USER_PASSWORD", &password)
            .env("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx768m")
            .env(
                "JAVA_OPTS_APPEND",
                format!("-Djava.io.tmpdir={}", shown(&folder, "tmp")),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What the supervisor ends is its own group.
            .process_group(0);
        let supervisor = command.spawn().expect("sh runs");
        let log = folder.join("log");
        let mut port = None;
        let said = || {
            let log = fs::read(&log).unwrap_or_default();
            String::from_utf8_lossy(&log).into_owned()
        };
        wait_telling(
            || format!("Keycloak does not listen:\n{}", said()),
            || {
                let said = said();
                assert!(
                    !said.contains("Keycloak ended"),
                    "it did not start:\n{said}"
                );
                port = listens(&said);
                port.is_some()
            },
        );
        Self {
            authority,
            secret,
            password,
            port: port.expect("it was waited for"),
            _supervisor: supervisor,
        }
    }

    /// The identifier of the realm; no slash at its end.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/realms/wlcg", self.port)
    }
}

/// The port of https, once it is told.
fn listens(log: &str) -> Option<u16> {
    let (_, told) = log.split_once("Listening on: ")?;
    let (_, after) = told.split_once("https://127.0.0.1:")?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    // The line is complete.
    after.contains('\n').then(|| digits.parse().ok())?
}

fn shown(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// What of the tester's environment the server gets: of its own variables (`KC_…`) nothing.
fn kept_environment() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    let names = ["PATH", "HOME", "JAVA", "JAVA_HOME", "LANG"];
    names
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// Where `tests/run` has unpacked it.
fn installed() -> PathBuf {
    let folder = super::target("keycloak");
    assert!(
        folder.join("bin/kc.sh").is_file(),
        "Keycloak is not installed in {}: run tests/run issuer",
        folder.display()
    );
    folder
}

/// A folder in which the server may write, with the large libraries where they are.
fn arrange(folder: &Path, authority: &Authority) {
    let installed = installed();
    for name in [
        "bin",
        "conf",
        "lib/quarkus",
        "providers",
        "themes",
        "data/import",
        "tmp",
    ] {
        fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    for name in [
        "bin/kc.sh",
        "conf/cache-ispn.xml",
        "lib/quarkus-run.jar",
        "version.txt",
    ] {
        fs::copy(installed.join(name), folder.join(name)).expect("a copy");
    }
    // It builds these anew.
    for built in fs::read_dir(installed.join("lib/quarkus")).expect("what was built") {
        let built = built.expect("an entry");
        let copy = folder.join("lib/quarkus").join(built.file_name());
        fs::copy(built.path(), copy).expect("a copy");
    }
    for name in ["lib/lib", "lib/app"] {
        let whole = installed.join(name);
        std::os::unix::fs::symlink(whole, folder.join(name)).expect("a link");
    }
    let realm = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/issuer/realm.json");
    fs::copy(realm, folder.join("data/import/wlcg-realm.json")).expect("the realm");
    let certificate = authority.certificate().expect("a certificate");
    fs::write(folder.join("cert.pem"), &certificate.certificate_pem).expect("a certificate");
    fs::write(folder.join("key.pem"), certificate.key_pem.expose_secret()).expect("its key");
}
