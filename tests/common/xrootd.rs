//! A real XRootD as storage element: Debian's packages, one server per instance, all of it below a
//! temporary folder. It listens on every interface, so it is for test machines only.
//!
//! The variable `TOUCHSTONE_XROOTD` names the folder of another version instead, as `tests/xrootd` builds it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::waiting::{HANGS, wait_until};

/// The area's path below the server's URL.
pub const AREA: &str = "/wlcg";
/// The path of a second area, with an issuer of its own.
pub const SECOND: &str = "/wlcg2";
/// The path below the area that members of `/wlcg` may only read.
pub const PROTECTED: &str = "/protected";

/// Lines for an endpoint whose server shares a busy machine with everything else: few requests at a time, so that each is
/// served, and all the time that it takes. Other limits stay, for the server leaves some requests unanswered.
pub const PATIENT: &str = "    limits: {jobs: 8, case: 10m, endpoint: 1h}\n";

/// Names the folder into which another XRootD was installed: its programs are in `bin`, its libraries in `lib`.
pub const PREFIX: &str = "TOUCHSTONE_XROOTD";

const ANY_AUDIENCE: &str = "https://wlcg.cern.ch/jwt/v1/any";
/// The user that Debian's package makes for the daemon, which refuses to be root.
const USER: &str = "xrootd";
/// Where the server's libcurl looks for the certificates that it trusts.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// How the supervisor ends when a server crashes before it is ready: a shell's code for a segmentation fault.
const CRASHED: &str = "exit status: 139";
const POLL: Duration = Duration::from_millis(50);
/// The file that stands for a server that has been ready.
const READY: &str = "ready";
/// The file with the exit code of every death.
const DEATHS: &str = "deaths";

/// Mounts the bundle and runs the server: again when it dies after it was ready, and until standard
/// input ends, which it does when the harness is dropped and when the test process is killed.
const SUPERVISOR: &str = r#"
mount --bind "$1" "$2" || exit 1
ready=$3 deaths=$4 server= ending=
shift 4
ulimit -c 0
trap 'ending=yes; [ -z "$server" ] || kill -KILL $server' TERM
exec 3<&0
{ read -r _; kill -TERM $$; } <&3 &
guard=$!
left=50
while [ $left -gt 0 ]; do
    "$@" 3<&- </dev/null &
    server=$!
    [ -z "$ending" ] || kill -KILL $server
    wait $server
    code=$?
    [ -e "$ready" ] && [ -z "$ending" ] || break
    echo $code >>"$deaths"
    left=$((left - 1))
done
[ -z "$ending" ] || wait $server
kill $guard
exit $code
"#;

/// Whose tokens a server takes, and with which certificate it answers.
#[derive(Clone, Copy, Debug)]
pub struct XrootdOptions<'a> {
    /// The issuer as tokens name it, with the trailing slash: `https://localhost:PORT/`.
    pub issuer: &'a str,
    /// The issuer of the second area.
    pub second_issuer: &'a str,
    /// The CA of the issuer's and the server's certificates.
    pub ca_pem: &'a str,
    /// The server's certificate, for `localhost`.
    pub certificate_pem: &'a str,
    /// Its key.
    pub key_pem: &'a str,
}

/// A running server; it ends with the value.
#[derive(Debug)]
pub struct Xrootd {
    supervisor: Child,
    port: u16,
    folder: TempDir,
}

/// What is at a path of the area.
#[derive(Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A file with these bytes.
    File(Vec<u8>),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("directory"),
            Self::File(bytes) => {
                let start = &bytes[..bytes.len().min(40)];
                write!(f, "file of {} bytes: {}", bytes.len(), start.escape_ascii())
            }
        }
    }
}

/// Says what is missing on this machine for a server to start.
pub fn available() -> Result<(), String> {
    let mut missing = Vec::new();
    if let Some(prefix) = prefix()
        && !prefix.join("bin/xrootd").is_file()
    {
        missing.push(format!(
            "{}/bin/xrootd, which {PREFIX} names",
            prefix.display()
        ));
    }
    if prefix().is_none() {
        missing.extend(missing_in_debian());
    }
    for (command, package) in [
        ("openssl", "openssl"),
        ("curl", "curl"),
        ("unshare", "util-linux"),
        ("mount", "mount"),
    ] {
        if !on_path(command) {
            missing.push(format!("the command {command} (Debian package {package})"));
        }
    }
    if !Path::new(SYSTEM_BUNDLE).is_file() {
        missing.push(format!(
            "the file {SYSTEM_BUNDLE} (Debian package ca-certificates)"
        ));
    }
    if root() && user().is_none() {
        missing.push(format!("the user {USER} (Debian package xrootd-server)"));
    }
    if missing.is_empty() && !namespaces() {
        missing.push(
            "a private mount namespace: be root with CAP_SYS_ADMIN, or have unprivileged user namespaces allowed"
                .to_owned(),
        );
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "XRootD cannot run here. Missing: {}. As root, tests/run installs the packages.",
        missing.join("; ")
    ))
}

impl Xrootd {
    /// Starts a server with an empty area and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not come up; the message ends with the last lines of its log.
    pub fn start(options: XrootdOptions<'_>) -> Self {
        if let Err(missing) = available() {
            panic!("{missing}");
        }
        // The port was free a moment ago, and somebody else may have it by now. And XRootD was seen to crash while it
        // initialises.
        for _ in 0..5 {
            let mut server = Self::spawn(&options)
                .unwrap_or_else(|error| panic!("cannot arrange an XRootD: {error}"));
            match server.wait_until_ready() {
                Ok(()) => {
                    // From now on a death is one to survive.
                    File::create(server.folder.path().join(READY))
                        .unwrap_or_else(|error| panic!("cannot note the start: {error}"));
                    return server;
                }
                Err(_) if server.log().contains("address already in use") => {}
                Err(reason) if reason.contains(CRASHED) => {}
                Err(reason) => panic!("XRootD {reason}. Its log ends:\n{}", server.log_tail()),
            }
        }
        panic!("XRootD did not start five times: its port was in use, or it crashed");
    }

    /// Scheme, host and port.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The area on disk.
    pub fn area_root(&self) -> PathBuf {
        self.folder.path().join("data").join(&AREA[1..])
    }

    /// Everything that the server holds, by path below its root. Files that vanish meanwhile are left out.
    pub fn snapshot(&self) -> BTreeMap<String, Entry> {
        let root = self.folder.path().join("data");
        let mut entries = BTreeMap::new();
        collect(&root, &root, &mut entries)
            .unwrap_or_else(|error| panic!("cannot read its files: {error}"));
        entries
    }

    /// How often the server died since it was ready for the first time.
    pub fn deaths(&self) -> usize {
        let codes = fs::read_to_string(self.folder.path().join(DEATHS)).unwrap_or_default();
        codes.lines().count()
    }

    /// Ends the server and waits until it answers again; this counts as a death.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    pub fn restart(&mut self) {
        let deaths = self.deaths();
        let file = self.folder.path().join("admin/server/xrootd.pid");
        let pid = fs::read_to_string(file).expect("the server's process id");
        // Should it be gone already, that is the death.
        let _ = Command::new("kill").args(["-KILL", pid.trim()]).output();
        wait_until("the server does not die", || self.deaths() != deaths);
        self.survive();
    }

    /// Waits until the server answers again, should it have died.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    pub fn survive(&mut self) {
        if let Err(reason) = self.wait_until_ready() {
            panic!("XRootD {reason}. Its log ends:\n{}", self.log_tail());
        }
    }

    /// Takes tokens for `origin` as well, by which clients know it when a relay stands in front of it; the
    /// server restarts for that.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    pub fn also_known_as(&mut self, origin: &str) {
        let file = self.folder.path().join("scitokens.cfg");
        let text = fs::read_to_string(&file).expect("its configuration");
        let own = self.url();
        fs::write(&file, text.replacen(&own, &format!("{own},{origin}"), 1))
            .expect("its configuration");
        self.restart();
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the server is still run.
    pub fn alive(&mut self) -> bool {
        matches!(self.supervisor.try_wait(), Ok(None))
    }

    /// The last lines of its log, and what it said before it had one.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn spawn(options: &XrootdOptions<'_>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("xrootd-").tempdir()?;
        let port = free_port()?;
        arrange(folder.path(), port, options)?;
        if root() {
            let (uid, gid) = user().ok_or_else(|| io::Error::other(format!("no user {USER}")))?;
            give(folder.path(), uid, gid)?;
        }
        let supervisor = supervise(folder.path())?;
        Ok(Self {
            supervisor,
            port,
            folder,
        })
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = self.supervisor.try_wait() {
                return Err(format!("ended with {status} before it answered"));
            }
            // The log says that the answer comes from this server and from no other on the port.
            let starts = self.log().matches("initialization completed.\n").count();
            let reason = if starts > self.deaths() {
                match self.ask() {
                    Ok(()) => return Ok(()),
                    Err(reason) => reason,
                }
            } else {
                "it still initialises".to_owned()
            };
            if begun.elapsed() > HANGS {
                return Err(format!("hangs: {reason}"));
            }
            sleep(POLL);
        }
    }

    fn ask(&self) -> Result<(), String> {
        let answer = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*"])
            .args(["--max-time", "5", "--request", "OPTIONS", "--fail"])
            .args(["--output", "/dev/null", "--cacert"])
            .arg(self.folder.path().join("ca/ca.pem"))
            .arg(format!("{}{AREA}/", self.url()))
            .output()
            .map_err(|error| error.to_string())?;
        if answer.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&answer.stderr).trim().to_owned())
    }

    fn log(&self) -> String {
        let mut text = String::new();
        // It puts its log into a folder that it makes after its own name.
        for log in ["console.log", "server/server.log"] {
            let bytes = fs::read(self.folder.path().join(log)).unwrap_or_default();
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        text
    }
}

impl Drop for Xrootd {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let begun = Instant::now();
        while self.alive() && begun.elapsed() < HANGS {
            sleep(POLL / 10);
        }
        if self.alive() {
            let _ = self.supervisor.kill();
            let _ = self.supervisor.wait();
        }
    }
}

/// Writes everything that the server reads.
fn arrange(folder: &Path, port: u16, options: &XrootdOptions<'_>) -> io::Result<()> {
    for directory in ["ca", "cache", "admin"] {
        fs::create_dir(folder.join(directory))?;
    }
    fs::create_dir_all(folder.join(format!("data{AREA}{PROTECTED}")))?;
    fs::create_dir_all(folder.join(format!("data{SECOND}")))?;

    fs::write(folder.join("cert.pem"), options.certificate_pem)?;
    fs::write(folder.join("key.pem"), options.key_pem)?;
    fs::set_permissions(folder.join("key.pem"), Permissions::from_mode(0o400))?;
    fs::write(folder.join("ca/ca.pem"), options.ca_pem)?;
    let rehash = Command::new("openssl")
        .arg("rehash")
        .arg(folder.join("ca"))
        .output()?;
    succeeded("openssl rehash", rehash.status, &rehash.stderr)?;

    let secret = Command::new("openssl")
        .args(["rand", "-base64", "-out"])
        .arg(folder.join("macaroon-secret"))
        .arg("64")
        .output()?;
    succeeded("openssl rand", secret.status, &secret.stderr)?;

    let mut bundle = fs::read_to_string(SYSTEM_BUNDLE)?;
    let _ = write!(bundle, "\n{}", options.ca_pem);
    fs::write(folder.join("bundle.pem"), bundle)?;

    fs::write(folder.join("server.cfg"), configuration(folder, port))?;
    fs::write(folder.join("scitokens.cfg"), scitokens(port, options))?;
    fs::write(folder.join("authdb"), groups())
}

fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    // Versions after Debian's ask nobody on this machine otherwise.
    let local = match prefix() {
        Some(_) => "tpc.allow local\ntpc.allow private\n",
        None => "",
    };
    format!(
        "\
{local}all.export {AREA}
all.export {SECOND}
oss.localroot {folder}/data
all.adminpath {folder}/admin
all.pidpath {folder}/admin
xrd.port {port}
xrd.tls {folder}/cert.pem {folder}/key.pem
xrd.tlsca certdir {folder}/ca
xrd.protocol XrdHttp:{port} libXrdHttp.so
xrootd.chksum max 2 adler32
http.header2cgi Authorization authz
http.exthandler xrdtpc libXrdHttpTPC.so
http.exthandler xrdmacaroons libXrdMacaroons.so
macaroons.secretkey {folder}/macaroon-secret
all.sitename touchstone
http.listingdeny no
http.desthttps yes
ofs.authorize
ofs.authlib ++ libXrdAccSciTokens.so config={folder}/scitokens.cfg
ofs.authlib ++ libXrdMacaroons.so
acc.authdb {folder}/authdb
"
    )
}

/// `onmissing = passthrough` leaves tokens without a deciding scope to the groups of [`groups`].
fn scitokens(port: u16, options: &XrootdOptions<'_>) -> String {
    let (issuer, second) = (options.issuer, options.second_issuer);
    format!(
        "\
[Global]
audience = {ANY_AUDIENCE},https://localhost:{port}
onmissing = passthrough
[Issuer test]
issuer = {issuer}
base_path = {AREA}
[Issuer second]
issuer = {second}
base_path = {SECOND}
"
    )
}

/// The server takes the first path of a line that fits, so the longest comes first. A path is the
/// beginning of others: without its slash the area would reach into the second one.
fn groups() -> String {
    format!(
        "\
g /wlcg/test {AREA}{PROTECTED} a {AREA}/ a
g /wlcg {AREA}{PROTECTED} rl {AREA}/ a
"
    )
}

/// Root drops to the package's user; anybody else gets a user namespace to be allowed the mount,
/// and a second one in it to be nobody special again, because the daemon refuses to be root.
fn supervise(folder: &Path) -> io::Result<Child> {
    let mut command = Command::new("unshare");
    command.args(unshare_arguments());
    command.args(["sh", "-c", SUPERVISOR, "xrootd-supervisor"]);
    command.arg(folder.join("bundle.pem")).arg(SYSTEM_BUNDLE);
    command.arg(folder.join(READY)).arg(folder.join(DEATHS));
    if !root() {
        command.args(["unshare", "--user", "--map-user=1000", "--map-group=1000"]);
    }
    if let Some(prefix) = prefix() {
        let libraries = prefix.join("lib");
        command.arg("env");
        command.arg(format!("LD_LIBRARY_PATH={}", libraries.display()));
        command.arg(prefix.join("bin/xrootd"));
    } else {
        command.arg("xrootd");
    }
    if root() {
        command.args(["-R", USER]);
    }
    command.args(["-n", "server", "-c"]);
    command.arg(folder.join("server.cfg"));
    command.arg("-l").arg(folder.join("server.log"));
    let console = File::create(folder.join("console.log"))?;
    command
        // libSciTokens keeps the issuer's keys here for days.
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(console.try_clone()?)
        .stderr(console)
        .spawn()
}

fn unshare_arguments() -> &'static [&'static str] {
    if root() {
        &["--mount"]
    } else {
        &["--user", "--map-root-user", "--mount"]
    }
}

/// Tries what [`supervise`] is going to need.
fn namespaces() -> bool {
    Command::new("unshare")
        .args(unshare_arguments())
        .args(["mount", "--bind", SYSTEM_BUNDLE, SYSTEM_BUNDLE])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}

fn collect(root: &Path, directory: &Path, entries: &mut BTreeMap<String, Entry>) -> io::Result<()> {
    for item in fs::read_dir(directory)? {
        let path = item?.path();
        let name = path.strip_prefix(root).unwrap_or(&path);
        let name = name.to_string_lossy().into_owned();
        let entry = if path.is_dir() {
            match collect(root, &path, entries) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other?,
            }
            Entry::Directory
        } else {
            match fs::read(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => Entry::File(other?),
            }
        };
        entries.insert(name, entry);
    }
    Ok(())
}

/// The server listens on IPv6 and IPv4 at once, so that is where the port has to be free.
fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0"))?;
    Ok(listener.local_addr()?.port())
}

fn succeeded(what: &str, status: ExitStatus, said: &[u8]) -> io::Result<()> {
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(said);
    Err(io::Error::other(format!("{what}: {status}: {said}")))
}

fn root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// User and group id of the package's user.
fn user() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(USER))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    for item in children(path) {
        give(&item, uid, gid)?;
    }
    chown(path, Some(uid), Some(gid))
}

fn on_path(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(command).is_file())
}

/// What of Debian's own XRootD is missing.
fn missing_in_debian() -> Vec<String> {
    let mut missing = Vec::new();
    if !on_path("xrootd") {
        missing.push("the command xrootd (Debian package xrootd-server)".to_owned());
    }
    for (plugin, package) in [
        ("libXrdHttp-", "xrootd-server-plugins"),
        ("libXrdHttpTPC-", "xrootd-server-plugins"),
        ("libXrdAccSciTokens-", "xrootd-scitokens-plugins"),
        ("libXrdMacaroons-", "xrootd-server-plugins"),
    ] {
        if !has_library(plugin) {
            missing.push(format!(
                "XRootD's plugin {plugin}*.so (Debian package {package})"
            ));
        }
    }
    missing
}

/// Where another XRootD than Debian's is.
fn prefix() -> Option<PathBuf> {
    std::env::var_os(PREFIX).map(PathBuf::from)
}

/// Debian has libraries in a folder per architecture.
fn has_library(prefix: &str) -> bool {
    let folders = children(Path::new("/usr/lib"));
    folders
        .iter()
        .flat_map(|folder| children(folder))
        .any(|file| {
            file.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
}

/// What is in a folder; nothing is in anything else.
fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|items| items.flatten().map(|item| item.path()).collect())
        .unwrap_or_default()
}
