//! The packets of a run that pass devices of the kernel, in a pcapng file: for looking at what figures alone do not explain.

mod pcapng;

use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::PathKind;
use crate::path::host::Host;
use crate::path::lab;
use crate::report::stream_atomically;
use crate::sys::packet::{self, Heard};

/// How long the capture waits for a packet before it looks whether the run is over.
const PATIENCE: Duration = Duration::from_millis(20);

/// What is to be kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) file: PathBuf,
    /// The most packets that are kept; those after them are not looked at.
    pub(crate) packets: u64,
}

/// A capture that goes on.
#[derive(Debug)]
pub(crate) struct Capture {
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<()>>,
}

impl Capture {
    /// Listens from now on to the devices that packets of a run on this path pass.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW` there.
    pub(crate) fn start(wanted: Wanted, path: PathKind) -> io::Result<Self> {
        let sockets = listeners(path)?;
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = thread::Builder::new().name("capture".to_owned()).spawn(move || {
            stream_atomically(&wanted.file, |file| keep(&sockets, wanted.packets, &told, file))
        })?;
        Ok(Self { over, thread })
    }

    /// Ends the file with what has arrived by now.
    ///
    /// # Errors
    /// When the file could not be written.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.over.store(true, Ordering::Release);
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// One that hears every packet once, or two that do so together: an engine's packet socket sends past listeners on its own host, and so all are
/// heard where they arrive. What goes to this program through a device is heard as it is sent.
fn listeners(path: PathKind) -> io::Result<Vec<OwnedFd>> {
    let on = |host: &Host| {
        let _visit = host.visit()?;
        packet::open_listener(false)
    };
    match (path, lab::built()) {
        (PathKind::Veth | PathKind::Wire, Some(lab)) => {
            Ok(vec![packet::open_listener(false)?, on(lab.host_of_server())?])
        }
        (PathKind::Bridge, Some(lab)) => match lab.switch() {
            Some(switch) => Ok(vec![on(switch.host())?]),
            None => Ok(vec![packet::open_listener(false)?]),
        },
        (PathKind::Tap | PathKind::Tun, _) => Ok(vec![packet::open_listener(true)?]),
        _ => Ok(vec![packet::open_listener(false)?]),
    }
}

/// A packet that was heard and not yet written.
type Pending = Option<(Heard, Vec<u8>)>;

fn keep(
    sockets: &[OwnedFd],
    most: u64,
    over: &AtomicBool,
    file: &mut BufWriter<impl Write>,
) -> io::Result<()> {
    file.write_all(&pcapng::head())?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    let mut pending: Vec<Pending> = sockets.iter().map(|_| None).collect();
    let mut kept = 0;
    while kept < most {
        // Before the look at the sockets: what came until the run was over is kept.
        let was_over = over.load(Ordering::Acquire);
        for (socket, pending) in sockets
            .iter()
            .zip(&mut pending)
            .filter(|(_, pending)| pending.is_none())
        {
            let heard = packet::next_heard(socket, &mut buffer)?;
            *pending = heard.map(|heard| (heard, buffer[..heard.bytes.min(buffer.len())].to_vec()));
        }
        let Some((heard, bytes)) = earliest(&mut pending) else {
            if was_over {
                break;
            }
            packet::wait_to_hear(sockets, PATIENCE)?;
            continue;
        };
        file.write_all(&pcapng::packet(heard.at, &bytes, heard.bytes))?;
        kept += 1;
    }
    let mut lost = 0;
    for socket in sockets.iter().filter(|_| kept < most) {
        lost += packet::missed(socket)?;
    }
    file.write_all(&pcapng::statistics(kept, lost))
}

fn earliest(pending: &mut [Pending]) -> Pending {
    let heard = pending.iter_mut().filter(|pending| pending.is_some());
    heard
        .min_by_key(|pending| pending.as_ref().map(|(heard, _)| heard.at))?
        .take()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn packets_that_pass_a_device_are_kept_once_each_with_their_times_and_no_more_than_asked() {
        let file = std::env::temp_dir().join(format!("handfast-capture-{}.pcapng", std::process::id()));
        let wanted = Wanted {
            file: file.clone(),
            packets: 1_000_000,
        };
        let capture = match Capture::start(wanted, PathKind::Loopback) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return handfast_namespace::skip("packet sockets take CAP_NET_RAW");
            }
            other => other.expect("a socket"),
        };
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        for number in 0..10_u8 {
            let text = [b"captured-by-handfast".as_slice(), &[number]].concat();
            sender
                .send_to(&text, receiver.local_addr().expect("bound"))
                .expect("loopback");
        }
        capture.finish().expect("written");
        let bytes = std::fs::read(&file).expect("written");
        let _ = std::fs::remove_file(file);
        assert!(bytes.starts_with(&pcapng::head()));
        let of = |number: u8| {
            let text = [b"captured-by-handfast".as_slice(), &[number]].concat();
            bytes.windows(text.len()).filter(|window| *window == text).count()
        };
        assert_eq!((0..10).map(of).collect::<Vec<_>>(), [1; 10]);
    }
}
