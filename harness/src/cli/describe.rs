//! What a name means.

use std::path::Path;
use std::process::ExitCode;

use crate::config::file;
use crate::describe::{describe, index, of_plans};
use crate::output;
use crate::session::Exit;

/// Prints what each of `names` means, or all metrics when there is none.
pub(super) fn print(names: &[String]) -> ExitCode {
    let described: Result<Vec<_>, _> = names.iter().map(|name| one(name)).collect();
    let text = match described {
        Ok(texts) if texts.is_empty() => index(),
        Ok(texts) => texts.join("\n"),
        Err(error) => {
            note!("error: {error}");
            return Exit::Usage.into();
        }
    };
    Exit::of_printing(output::print(&text)).into()
}

/// What `name` means; of a scenario file what it would run.
///
/// # Errors
/// When nothing has that name, or the file has something wrong in it.
pub(super) fn one(name: &str) -> Result<String, String> {
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return describe(name);
    }
    let entries = file::read(path, &[]).map_err(|wrong| wrong.to_string())?;
    Ok(of_plans(&super::run::plans(entries)))
}
