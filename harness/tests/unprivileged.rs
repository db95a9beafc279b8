//! What somebody without privileges gets: engine and kernel on one cable in a user namespace, and for each device that is out of reach a reason
//! with a way out that leads there. Started by root, the program is run as another user.

#[path = "support/scratch.rs"]
mod scratch;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use handfast_namespace::skip;
use serde_json::Value;

use scratch::Scratch;

/// Who owns nothing.
const NOBODY: u32 = 65_534;

/// A directory that the user may write to, with the program in it, which may be where no other user gets at.
struct Home(Scratch);

impl Home {
    fn new(name: &str) -> Self {
        let home = Scratch::new(&format!("unprivileged-{name}"));
        fs::create_dir(&home.0).expect("a new directory");
        fs::set_permissions(&home.0, fs::Permissions::from_mode(0o777)).expect("it is ours");
        let own = env!("CARGO_BIN_EXE_handfast");
        let program = home.0.join("handfast");
        fs::hard_link(own, &program)
            .or_else(|_| fs::copy(own, &program).map(drop))
            .expect("room for the program");
        Self(home)
    }

    /// What the program writes, as JSON.
    fn document(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(self.0.0.join("handfast"));
        command.args(arguments).arg("--json").current_dir(&self.0.0);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().expect("the program starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {errors}"))
    }

    /// The results of a short run.
    fn results(&self, arguments: &[&str]) -> Vec<Value> {
        let out = format!("{}/out", self.0.path());
        let short = ["--duration", "200ms", "--runs", "1", "--out", &out];
        let document = self.document(&[&["run", "rr"], arguments, &short].concat());
        document["results"].as_array().expect("results").clone()
    }

    /// Why a device is out of reach; `None`, loudly, where it is not.
    fn refusal(&self, arguments: &[&str]) -> Option<String> {
        let results = self.results(arguments);
        let reason = results[0]["unsupported_reason"].as_str();
        if reason.is_none() {
            skip(format!("{arguments:?} needs no privilege here"));
        }
        reason.map(str::to_owned)
    }
}

#[test]
fn engine_and_kernel_meet_on_a_cable_in_a_user_namespace() {
    let home = Home::new("cable");
    let each_with_each = [
        "--client",
        "kernel,engine",
        "--server",
        "kernel,engine",
        "--path",
        "veth",
    ];
    for result in home.results(&each_with_each) {
        let pair = &result["stack"];
        if let Some(reason) = result["unsupported_reason"].as_str() {
            assert!(reason.contains("was refused"), "{pair}: {reason}");
            assert!(reason.contains("`handfast doctor` says what helps"), "{reason}");
            return skip(reason);
        }
        let metrics = &result["runs"][0]["metrics"];
        assert!(
            metrics["transactions_per_second"].as_f64() > Some(0.0),
            "{pair}: {result}"
        );
        assert_eq!(metrics["failed"].as_f64(), Some(0.0), "{pair}: {result}");
    }
}

/// Nobody is sent into a user namespace for what none of them gives.
#[test]
fn a_device_that_is_out_of_reach_says_what_would_help() {
    let home = Home::new("devices");
    let engines = ["--client", "kernel", "--server", "engine"];
    let xdp = ["--path", "veth", "--device", "xdp"];
    let places: [(&[&str], &str); 4] = [
        (&xdp, "CAP_BPF"),
        (&["--path", "tap"], "/dev/net/tun"),
        (&["--path", "tun"], "/dev/net/tun"),
        (&["--path", "wire"], "/dev/net/tun"),
    ];
    for (place, what) in places {
        let Some(reason) = home.refusal(&[&engines, place].concat()) else {
            continue;
        };
        assert!(!reason.contains("unshare"), "{place:?}: {reason}");
        for words in [what, "run as root", "`handfast doctor` says what helps"] {
            assert!(reason.contains(words), "{place:?}: {reason} without {words}");
        }
    }
    for verdict in home.document(&["doctor"]).as_array().expect("verdicts") {
        let is_missing = verdict["verdict"] != "works";
        assert_eq!(is_missing, verdict["help"].is_string(), "{verdict}");
    }
}
