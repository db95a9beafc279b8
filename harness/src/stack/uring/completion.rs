//! What completions mean for connections.

use super::super::{Conn, Event, Ready};
use super::Uring;
use super::connection::{Connection, Phase};
use crate::sys::uring::{Completion, Operation};

impl Uring {
    pub(super) fn complete(&mut self, completion: Completion, events: &mut Vec<Event>) {
        match completion.operation {
            Operation::Accept => return self.accepted(&completion, events),
            Operation::ReceiveDatagrams => return self.datagrams_arrived(completion),
            Operation::SendDatagrams => return self.datagrams_sent(&completion),
            _ => {}
        }
        let Some(conn) = self.connections.tenant(completion.token) else {
            self.give_back(completion);
            return;
        };
        if !completion.more
            && let Some(connection) = self.connections.get_mut(conn)
        {
            connection.in_flight.end(completion.operation);
        }
        match completion.operation {
            Operation::Prepare => self.not_prepared(conn),
            Operation::Connect => self.connected(conn, completion.result, events),
            Operation::Receive => self.received(conn, completion, events),
            Operation::Send => self.sent(conn, completion.result, events),
            Operation::Shutdown => self.shut_down(conn, completion.result),
            Operation::Close => self.closed(conn, events),
            Operation::Cancel
            | Operation::Accept
            | Operation::ReceiveDatagrams
            | Operation::SendDatagrams => {}
        }
        self.wind_up(conn);
    }

    fn accepted(&mut self, completion: &Completion, events: &mut Vec<Event>) {
        if let Ok(file) = completion.result {
            let conn = self.connections.insert(Connection::accepted(file));
            self.receive_again(conn);
            events.push(Event {
                conn,
                ready: Ready::ACCEPTED,
            });
        }
        self.listeners[completion.token as usize].accepting = completion.more;
    }

    /// The kernel says nothing of the connect and the receive behind a preparation that failed.
    fn not_prepared(&mut self, conn: Conn) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        if connection.in_flight.has(Operation::Connect) {
            connection.in_flight.end(Operation::Connect);
            connection.in_flight.end(Operation::Receive);
            self.fail(conn);
        }
    }

    fn connected(&mut self, conn: Conn, result: Result<u32, i32>, events: &mut Vec<Event>) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        if let Err(error) = result {
            if error == libc::EADDRNOTAVAIL {
                connection.end(Ready::FAILED | Ready::NO_PORT);
            }
            self.fail(conn);
        } else if connection.phase == Phase::Connecting {
            connection.phase = Phase::Open;
            events.push(Event {
                conn,
                ready: Ready::CONNECTED,
            });
        }
    }

    fn received(&mut self, conn: Conn, completion: Completion, events: &mut Vec<Event>) {
        let more = completion.more;
        match completion.result {
            Ok(0) => {
                self.give_back(completion);
                self.end_of_stream(conn, events);
            }
            Ok(_) => {
                self.keep(conn, completion, events);
                if !more {
                    self.receive_again(conn);
                }
            }
            Err(libc::ENOBUFS) => self.starved.push(conn),
            // It was cancelled on the way to the end, or the connect before it has failed and is told of.
            Err(libc::ECANCELED) => {}
            Err(_) => self.fail(conn),
        }
    }

    fn keep(&mut self, conn: Conn, completion: Completion, events: &mut Vec<Event>) {
        match self.connections.get_mut(conn) {
            Some(connection) if !connection.is_given_up() => {
                connection.arrived.extend(completion.arrived);
                events.push(Event {
                    conn,
                    ready: Ready::READABLE,
                });
            }
            _ => self.give_back(completion),
        }
    }

    fn end_of_stream(&mut self, conn: Conn, events: &mut Vec<Event>) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        connection.at_end = true;
        match connection.phase {
            Phase::Connecting | Phase::Open => events.push(Event {
                conn,
                ready: Ready::READABLE,
            }),
            Phase::Closing if connection.in_flight.has(Operation::Shutdown) => {}
            Phase::Closing => self.go_on_closing(conn),
            Phase::Ending(_) => {}
        }
    }

    fn sent(&mut self, conn: Conn, result: Result<u32, i32>, events: &mut Vec<Event>) {
        let Ok(sent) = result else {
            self.fail(conn);
            return;
        };
        self.tally.payload_bytes += u64::from(sent);
        self.send_draft(conn, events);
        self.go_on_closing(conn);
    }

    fn shut_down(&mut self, conn: Conn, result: Result<u32, i32>) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        if result.is_err() {
            self.fail(conn);
        } else if connection.at_end && connection.phase == Phase::Closing {
            connection.end(Ready::CLOSED);
        }
    }

    fn give_back(&mut self, completion: Completion) {
        if let Some(arrived) = completion.arrived {
            self.ring.give_back(arrived);
        }
    }
}
