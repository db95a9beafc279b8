//! Files below the root, and nothing outside of it.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::path::Wanted;

/// The folder that is served.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    File(OpenFile),
    Folder,
}

/// A file, as it was when it was opened.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    length: u64,
    modified: SystemTime,
    tag: String,
}

impl Root {
    /// Opens the folder.
    ///
    /// # Errors
    /// What is wrong with it, and the way out.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
            format!(
                "--root {}: {}; name a folder that can be read",
                path.display(),
                io::Error::from(error)
            )
        })?;
        let root = Self(folder);
        match root.open_beneath(Path::new(".")) {
            Err(Errno::NOSYS) => Err(
                "--root needs openat2(2), by which no path leads out of the folder: Linux 5.6 or later"
                    .to_owned(),
            ),
            _ => Ok(root),
        }
    }

    /// Opens a file. The kernel sees to it that no link on the way leads out of the root, even if files change while it looks.
    ///
    /// # Errors
    /// What the system says; `CrossesDevices` for a link that leads out, `PermissionDenied` for what is neither a file nor a folder.
    pub(super) fn find(&self, wanted: &Wanted) -> io::Result<Found> {
        let file = File::from(self.open_beneath(wanted.as_path())?);
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Ok(Found::Folder);
        }
        if !metadata.is_file() {
            return Err(Errno::ACCESS.into());
        }
        Ok(Found::File(OpenFile::new(file, &metadata)?))
    }

    fn open_beneath(&self, path: &Path) -> Result<OwnedFd, Errno> {
        // Without NONBLOCK, a pipe in the folder would keep the thread for ever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        loop {
            match rustix::fs::openat2(&self.0, path, flags, Mode::empty(), resolve) {
                // Something was renamed while the kernel looked, so that it could not be sure.
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
    }
}

impl OpenFile {
    fn new(file: File, metadata: &fs::Metadata) -> io::Result<Self> {
        let modified = metadata.modified()?;
        Ok(Self {
            length: metadata.len(),
            modified,
            tag: format!(
                "\"{:x}-{:x}-{:x}\"",
                metadata.len(),
                metadata.mtime(),
                metadata.mtime_nsec()
            ),
            file,
        })
    }

    /// Its bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// When it was changed last.
    pub(super) fn modified(&self) -> SystemTime {
        self.modified
    }

    /// Another one for other contents (RFC 9110 section 8.8.3).
    pub(super) fn tag(&self) -> String {
        self.tag.clone()
    }
}
