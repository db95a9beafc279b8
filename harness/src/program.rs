//! This program itself, to be started again for a part of the work.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What starts it anew with a verb: the same program even where its file was deleted or built anew meanwhile, so that all runs of a
/// comparison are of one build.
///
/// # Errors
/// When the system does not tell where the file is.
pub(crate) fn again(verb: &str) -> io::Result<Command> {
    let mut command = Command::new(still_there(std::env::current_exe()?));
    command.arg(verb);
    Ok(command)
}

/// Of a file that is gone, the kernel tells a name that does not exist, and keeps it open by another.
fn still_there(file: PathBuf) -> PathBuf {
    if file.exists() {
        file
    } else {
        Path::new("/proc/self/exe").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_built_anew_goes_on_as_what_it_was() {
        let own = std::env::current_exe().expect("the tests' own program");
        assert_eq!(still_there(own.clone()), own);
        let deleted = PathBuf::from(format!("{} (deleted)", own.display()));
        let program = still_there(deleted);
        let same = std::fs::canonicalize(program).expect("it can be opened");
        assert_eq!(same, own.canonicalize().expect("it is there"));
    }
}
