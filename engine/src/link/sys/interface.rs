//! What the kernel knows of a network interface (`netdevice(7)`).

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_ulong, ifreq};
use socket2::{Domain, Socket, Type};

use crate::link::error::{OpenError, Privilege};

/// Links with Ethernet headers (`<linux/if_arp.h>`).
pub(in crate::link) const ETHERNET: u16 = 1;
/// The loopback interface, which has Ethernet headers, too.
pub(in crate::link) const LOOPBACK: u16 = 772;
/// Links without headers, such as TUN's.
pub(in crate::link) const NO_HEADERS: u16 = 0xfffe;

/// An interface of the calling thread's network namespace, by its name.
#[derive(Debug)]
pub(in crate::link) struct Interface {
    socket: Socket,
    name: InterfaceName,
}

/// What an interface does to packets that are sent through it (`<linux/ethtool.h>`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) enum Feature {
    /// Computes checksums.
    SendChecksums = 0x17,
    /// Cuts runs of TCP segments.
    TcpSegmentation = 0x1f,
    /// Takes runs of segments from the stack, whoever cuts them.
    Segmentation = 0x24,
}

/// Whether there is an interface of this number in the namespace of a socket.
pub(in crate::link) fn exists(socket: BorrowedFd<'_>, index: u32) -> bool {
    // SAFETY: an `ifreq` is plain data, for which all zeros is a valid value.
    let mut request: ifreq = unsafe { mem::zeroed() };
    request.ifr_ifru.ifru_ifindex = index.cast_signed();
    // SAFETY: SIOCGIFNAME reads and writes one `ifreq`, which is alive.
    let result = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCGIFNAME as c_ulong as _,
            &raw mut request,
        )
    };
    result >= 0
}

/// A name as the kernel takes it: at most 15 bytes and a zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) struct InterfaceName([u8; libc::IFNAMSIZ]);

impl InterfaceName {
    /// # Errors
    /// [`OpenError::Invalid`] when the kernel would not take the name.
    pub(in crate::link) fn new(name: &str) -> Result<Self, OpenError> {
        // The kernel puts a number in the place of a `%d`.
        let own = name.strip_suffix("%d").unwrap_or(name);
        let is_taken = |byte: u8| !matches!(byte, 0 | b'/' | b':' | b'%') && !byte.is_ascii_whitespace();
        let fits = name.len() < libc::IFNAMSIZ && own.bytes().all(is_taken) && !matches!(name, "." | "..");
        if !fits {
            return Err(OpenError::Invalid(format!(
                "`{name}` is no interface name: at most {} bytes without `/`, `:`, `%` and blanks",
                libc::IFNAMSIZ - 1
            )));
        }
        let mut bytes = [0; libc::IFNAMSIZ];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self(bytes))
    }

    /// The name that a request holds.
    pub(super) fn of(request: &ifreq) -> Self {
        let mut bytes = request.ifr_name.map(libc::c_char::cast_unsigned);
        bytes[libc::IFNAMSIZ - 1] = 0;
        Self(bytes)
    }

    /// A request for the interface of this name.
    pub(super) fn request(&self) -> ifreq {
        // SAFETY: an `ifreq` is plain data, for which all zeros is a valid value.
        let mut request: ifreq = unsafe { mem::zeroed() };
        request.ifr_name = self.0.map(|byte| byte.cast_signed() as libc::c_char);
        request
    }

    /// The name as text.
    pub(in crate::link) fn text(&self) -> String {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        String::from_utf8_lossy(&self.0[..len]).into_owned()
    }
}

impl Interface {
    /// # Errors
    /// Without a socket to ask the kernel through.
    pub(in crate::link) fn new(name: InterfaceName) -> Result<Self, OpenError> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).map_err(|source| OpenError::System {
            step: "opening a socket for questions about interfaces",
            source,
        })?;
        Ok(Self { socket, name })
    }

    fn ask(&self, code: c_ulong, request: &mut ifreq, step: &'static str) -> Result<(), OpenError> {
        // SAFETY: `code` is one of the calls below, each of which reads and writes one `ifreq` and, for SIOCETHTOOL, the two words that it
        // points to, all of which are alive.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), code as _, &raw mut *request) };
        if result >= 0 {
            return Ok(());
        }
        let source = io::Error::last_os_error();
        match source.raw_os_error() {
            Some(libc::ENODEV) => Err(OpenError::NoInterface(self.name.text())),
            _ => Err(OpenError::at(step, Privilege::NET_ADMIN)(source)),
        }
    }

    /// The name as text.
    pub(in crate::link) fn name(&self) -> String {
        self.name.text()
    }

    /// The number of the interface.
    pub(in crate::link) fn index(&self) -> Result<u32, OpenError> {
        let mut request = self.name.request();
        self.ask(
            libc::SIOCGIFINDEX as c_ulong,
            &mut request,
            "asking for the interface's index",
        )?;
        // SAFETY: the call has filled in this member.
        let index = unsafe { request.ifr_ifru.ifru_ifindex };
        Ok(index.cast_unsigned())
    }

    /// The type of the link's headers (`ARPHRD_...`), and the station's address if they are Ethernet's.
    pub(in crate::link) fn hardware(&self) -> Result<(u16, [u8; 6]), OpenError> {
        let mut request = self.name.request();
        self.ask(
            libc::SIOCGIFHWADDR as c_ulong,
            &mut request,
            "asking for the interface's hardware address",
        )?;
        // SAFETY: the call has filled in this member.
        let hardware = unsafe { request.ifr_ifru.ifru_hwaddr };
        let mut address = [0; 6];
        for (to, from) in address.iter_mut().zip(hardware.sa_data) {
            *to = from.cast_unsigned();
        }
        Ok((hardware.sa_family, address))
    }

    /// Bytes of the largest packet.
    pub(in crate::link) fn mtu(&self) -> Result<u32, OpenError> {
        let mut request = self.name.request();
        self.ask(
            libc::SIOCGIFMTU as c_ulong,
            &mut request,
            "asking for the interface's MTU",
        )?;
        // SAFETY: the call has filled in this member.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        Ok(mtu.cast_unsigned())
    }

    /// Sets the MTU unless it is so already, which takes no privilege.
    pub(in crate::link) fn set_mtu(&self, mtu: u32) -> Result<(), OpenError> {
        if self.mtu()? == mtu {
            return Ok(());
        }
        let mut request = self.name.request();
        request.ifr_ifru.ifru_mtu = mtu.cast_signed();
        self.ask(
            libc::SIOCSIFMTU as c_ulong,
            &mut request,
            "setting the interface's MTU",
        )
    }

    /// Brings the interface up unless it is already, which takes no privilege.
    pub(in crate::link) fn bring_up(&self) -> Result<(), OpenError> {
        let mut request = self.name.request();
        self.ask(
            libc::SIOCGIFFLAGS as c_ulong,
            &mut request,
            "asking for the interface's flags",
        )?;
        // SAFETY: the call has filled in this member.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        let up = libc::IFF_UP as libc::c_short;
        if flags & up != 0 {
            return Ok(());
        }
        request.ifr_ifru.ifru_flags = flags | up;
        self.ask(
            libc::SIOCSIFFLAGS as c_ulong,
            &mut request,
            "bringing the interface up",
        )
    }

    /// Leaves a feature to those who send.
    pub(in crate::link) fn switch_off(&self, feature: Feature) -> Result<(), OpenError> {
        let mut command = [feature as u32, 0];
        let mut request = self.name.request();
        request.ifr_ifru.ifru_data = command.as_mut_ptr().cast();
        self.ask(
            libc::SIOCETHTOOL as c_ulong,
            &mut request,
            "changing what the interface does to packets",
        )
    }
}
