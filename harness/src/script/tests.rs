//! The scripts of this project, and what the runner makes of scripts that are wrong.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{IpVersion, Options, Profile, Verdict, run};

fn options(profile: Profile, version: Option<IpVersion>) -> Options {
    Options {
        profile,
        version,
        defines: [].into(),
    }
}

fn exact() -> Options {
    options(Profile::Exact, None)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of scripts") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            found.push(path);
        }
    }
}

fn our_scripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/scripts"),
        &mut found,
    );
    found.sort();
    found
}

/// Plays all scripts on all processors and returns what did not pass, in words.
fn play_all(files: &[PathBuf], options: &Options) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let troubles = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let text = std::fs::read_to_string(file).expect("a readable script");
                    let verdict = run(&text, options);
                    if verdict != Verdict::Passed {
                        troubles
                            .lock()
                            .expect("no panic")
                            .push(verdict.about(file).to_string());
                    }
                }
            });
        }
    });
    troubles.into_inner().expect("no panic")
}

#[test]
fn all_scripts_of_the_engine_pass() {
    let files = our_scripts();
    assert!(files.len() >= 60, "only {} scripts found", files.len());
    let troubles = play_all(&files, &exact());
    assert!(troubles.is_empty(), "\n{}", troubles.join("\n\n"));
}
