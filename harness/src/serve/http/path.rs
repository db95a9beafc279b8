//! Paths of requests, as paths of files.

use std::path::{Path, PathBuf};

/// What stands for a folder.
const INDEX: &str = "index.html";

/// A file that is asked for: a path without `.` and `..`, relative to the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted(PathBuf);

impl Wanted {
    /// What the path of a request asks for; `None` for what cannot be a file's: a bad escape, a NUL or slash in disguise, a step upwards.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut wanted = PathBuf::new();
        for part in path.split('/') {
            let part = unescape(part)?;
            match part.as_str() {
                "" | "." => {}
                ".." => return None,
                name if name.contains(['/', '\0']) => return None,
                name => wanted.push(name),
            }
        }
        if path.ends_with('/') || wanted.as_os_str().is_empty() {
            wanted.push(INDEX);
        }
        Some(Self(wanted))
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.0
    }

    /// The last part; of it, the ending tells what is in the file.
    pub(super) fn file_name(&self) -> &str {
        self.0
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
    }
}

/// Takes percent-encoding off (RFC 3986 section 2.1). `None` unless UTF-8 comes out.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(digits[0])? << 4 | digit(digits[1])?) as u8);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    fn file(path: &str) -> Option<String> {
        Wanted::parse(path).map(|wanted| wanted.as_path().to_str().expect("UTF-8").to_owned())
    }

    #[test]
    fn folders_stand_for_their_index_and_escapes_for_characters() {
        assert_eq!(file("/").as_deref(), Some("index.html"));
        assert_eq!(file("/a/b.txt").as_deref(), Some("a/b.txt"));
        assert_eq!(file("//a/./b/").as_deref(), Some("a/b/index.html"));
        assert_eq!(file("/with%20space%C3%A9").as_deref(), Some("with spaceé"));
        assert_eq!(Wanted::parse("/a/b.txt").expect("a path").file_name(), "b.txt");
    }

    #[test]
    fn no_path_leads_upwards_or_hides_what_it_is() {
        for path in [
            "/..",
            "/a/../b",
            "/%2e%2e/etc",
            "/.%2e",
            "/a%2fb",
            "/a%00",
            "/%",
            "/%4",
            "/%zz",
            "/%ff",
        ] {
            assert_eq!(file(path), None, "{path}");
        }
        assert_eq!(file("/...").as_deref(), Some("..."), "an odd name, but a name");
    }
}
