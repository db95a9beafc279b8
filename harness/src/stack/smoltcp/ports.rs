//! Local ports of connecting sockets, which smoltcp leaves to its user.

const LOWEST: u16 = 1024;

/// The ports from 1024 up, used in turn, so that one comes back as late as possible.
#[derive(Debug)]
pub(super) struct Ports {
    in_use: Box<[bool]>,
    next: u16,
}

impl Ports {
    pub(super) fn new() -> Self {
        Self {
            in_use: vec![false; usize::from(u16::MAX) + 1].into_boxed_slice(),
            next: LOWEST,
        }
    }

    /// The next free port; `None` when there is none. O(1) unless most are taken.
    pub(super) fn allocate(&mut self) -> Option<u16> {
        for _ in LOWEST..=u16::MAX {
            let port = self.next;
            self.next = port.checked_add(1).unwrap_or(LOWEST);
            if !std::mem::replace(&mut self.in_use[usize::from(port)], true) {
                return Some(port);
            }
        }
        None
    }

    pub(super) fn release(&mut self, port: u16) {
        self.in_use[usize::from(port)] = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_used_before_one_comes_back() {
        let mut ports = Ports::new();
        let first = ports.allocate().expect("free");
        ports.release(first);
        let rest: Vec<_> = (LOWEST..u16::MAX)
            .map(|_| ports.allocate().expect("free"))
            .collect();
        assert!(!rest.contains(&first));
        assert_eq!(ports.allocate(), Some(first));
        assert_eq!(ports.allocate(), None, "all are taken");
        ports.release(rest[7]);
        assert_eq!(ports.allocate(), Some(rest[7]));
    }
}
