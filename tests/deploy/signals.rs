//! The scripts in `deploy/` get the signal when a job is stopped, and the run has to hear of it: otherwise nobody
//! removes what it has made.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::common::test_bed::TestBed;
use crate::common::waiting::wait_until;

/// What a shell of the pod runs, as the manifest has it.
fn pod() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/indexed-job.yaml");
    let text = std::fs::read_to_string(path).expect("the manifest");
    let job: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"][0], "/bin/sh");
    let script = container["args"][0].as_str();
    script.expect("a script").to_owned()
}

#[test]
fn a_run_hears_of_the_signal_and_tears_down() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let script = |name: &str| deploy.join(name).display().to_string();
    for (name, arguments) in [
        ("touchstone-daily", vec![script("touchstone-daily")]),
        (
            "shard.sh",
            vec![script("htcondor/shard.sh"), "1".into(), "2".into()],
        ),
        ("indexed-job.yaml", vec!["-c".into(), pod()]),
    ] {
        // To the script alone, or to all that a terminal reaches.
        for (signal, group) in [
            (Signal::TERM, false),
            (Signal::INT, true),
            (Signal::HUP, true),
        ] {
            let bed = TestBed::new();
            let storage = bed.storage(&[]);
            // One case after another takes long enough to be stopped in the middle.
            bed.endpoints(&[("se", storage.url())], "    limits: {jobs: 1}\n");
            let before = storage.paths();
            symlink(env!("CARGO_BIN_EXE_touchstone"), bed.path("touchstone")).expect("a link");
            let path = std::env::var("PATH").expect("a path");
            let mut command = Command::new("/bin/sh");
            let environment = bed.touchstone(&[]);
            for (name, value) in environment.get_envs() {
                if let Some(value) = value {
                    command.env(name, value);
                }
            }
            let mut running = command
                .args(&arguments)
                .current_dir(bed.path(""))
                .env("PATH", format!("{}:{path}", bed.path("").display()))
                .env("JOB_COMPLETION_INDEX", "0")
                .env("SHARDS", "2")
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("sh runs");
            wait_until("a run that has made something", || {
                let ended = running.try_wait().expect("a child");
                assert!(ended.is_none(), "{name} has ended: {ended:?}");
                storage.paths() != before
            });
            let process = Pid::from_child(&running);
            let kill = if group {
                kill_process_group
            } else {
                kill_process
            };
            kill(process, signal).expect("it is there");
            let ended = running.wait().expect("an end");
            assert_eq!(ended.code(), Some(130), "{name}");
            assert_eq!(storage.paths(), before, "{name}: it was torn down");
        }
    }
}
