//! A process's own way to the broker: a TCP proxy whose wire can be cut, at any time or at the very step of a commit,
//! or be slow.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::broker::Listener;
use super::daemon::free_port;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Whole,
    /// Each answer of the broker comes so much later, one after the other on each connection.
    Slow(Duration),
    /// Nothing passes, and nobody is told.
    Cut,
    /// Requests reach the broker; its answers do not come back.
    Deaf,
    /// Connections are reset, and new ones too.
    Refused,
}

impl Wire {
    fn passes(self, way: Way) -> bool {
        match self {
            Wire::Whole | Wire::Slow(_) => true,
            Wire::Deaf => way == Way::ToBroker,
            Wire::Cut | Wire::Refused => false,
        }
    }
}

/// Steps of a commit, by the key of Kafka's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Produce = 0,
    OffsetCommit = 8,
    AddOffsetsToTransaction = 25,
    EndTransaction = 26,
    CommitOffsetsInTransaction = 28,
}

impl Step {
    /// Where a request begins with what was read; small ones come whole, which is enough for a trap.
    fn begins(self, read: &[u8]) -> bool {
        read.get(4..6) == Some(&(self as u16).to_be_bytes())
    }
}

/// Where answers begin in what comes of a connection: each is led by its length.
#[derive(Default)]
struct Answers {
    length: [u8; 4],
    /// How much of the length is known.
    known: usize,
    left: usize,
}

impl Answers {
    fn beginning_in(&mut self, mut read: &[u8]) -> usize {
        let mut begun = 0;
        while !read.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(read.len());
                self.left -= passed;
                read = &read[passed..];
                continue;
            }
            begun += usize::from(self.known == 0);
            self.length[self.known] = read[0];
            read = &read[1..];
            self.known += 1;
            if self.known == self.length.len() {
                self.left = u32::from_be_bytes(self.length) as usize;
                self.known = 0;
            }
        }
        begun
    }
}

/// Does something when a step is taken.
pub struct Trap {
    pub step: Step,
    /// Whether the request reaches the broker first.
    pub after: bool,
    pub spring: Box<dyn FnOnce() + Send>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToBroker,
    FromBroker,
}

/// Lives as long as this process: its threads have nobody to tell them to end.
#[derive(Clone)]
pub struct Door {
    pub listener: Listener,
    shared: Arc<Shared>,
}

struct Shared {
    broker: u16,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    wire: Wire,
    trap: Option<Trap>,
    links: BTreeMap<u64, [TcpStream; 2]>,
    opened: u64,
}

impl Door {
    pub fn open() -> Door {
        let listener = Listener { port: free_port(), advertised: free_port() };
        let front = TcpListener::bind(("127.0.0.1", listener.advertised)).expect("a port for the proxy");
        let state = State { wire: Wire::Whole, trap: None, links: BTreeMap::new(), opened: 0 };
        let shared = Arc::new(Shared { broker: listener.port, state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || front.incoming().flatten().for_each(|client| accepting.accept(client)));
        Door { listener, shared }
    }

    /// For `kafka.brokers`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.listener.advertised)
    }

    pub fn wire(&self) -> Wire {
        self.shared.state().wire
    }

    /// In the place of one that was not sprung.
    pub fn set_trap(&self, trap: Option<Trap>) {
        self.shared.state().trap = trap;
    }

    pub fn has_trap(&self) -> bool {
        self.shared.state().trap.is_some()
    }

    pub fn set(&self, wire: Wire) {
        let mut state = self.shared.state();
        state.wire = wire;
        if wire == Wire::Refused {
            reset(&mut state);
        }
        self.shared.changed.notify_all();
    }

    /// As `set(Wire::Whole)`, but what was held back is lost with its connections instead of delivered late.
    pub fn mend_by_reset(&self) {
        let mut state = self.shared.state();
        reset(&mut state);
        state.wire = Wire::Whole;
        self.shared.changed.notify_all();
    }
}

fn reset(state: &mut State) {
    for socket in std::mem::take(&mut state.links).into_values().flatten() {
        // It may be closed already.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, client: TcpStream) {
        if self.state().wire == Wire::Refused {
            return;
        }
        // Where the broker is away, the client's connection ends too.
        let Ok(broker) = TcpStream::connect(("127.0.0.1", self.broker)) else { return };
        let clone = |socket: &TcpStream| {
            socket.set_nodelay(true).expect("a TCP option");
            socket.try_clone().expect("a descriptor")
        };
        let mut state = self.state();
        state.opened += 1;
        let number = state.opened;
        state.links.insert(number, [clone(&client), clone(&broker)]);
        drop(state);
        for (from, to, way) in [(clone(&client), clone(&broker), Way::ToBroker), (broker, client, Way::FromBroker)] {
            let shared = Arc::clone(self);
            thread::spawn(move || shared.copy(from, to, way, number));
        }
    }

    /// Hands on what comes until either side ends; a cut wire holds the end back too.
    fn copy(&self, mut from: TcpStream, mut to: TcpStream, way: Way, number: u64) {
        let mut buffer = vec![0; 64 << 10];
        let mut answers = Answers::default();
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            if way == Way::FromBroker {
                (0..answers.beginning_in(&buffer[..read])).for_each(|_| self.take_time(number));
            }
            let trap = self.trap(way, &buffer[..read]);
            let after = trap.and_then(|trap| {
                if trap.after {
                    Some(trap)
                } else {
                    (trap.spring)();
                    None
                }
            });
            self.wait_until_it_passes(way, number);
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
            if let Some(trap) = after {
                (trap.spring)();
            }
        }
        if let Some(link) = self.state().links.remove(&number) {
            link.iter().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
        }
    }

    fn trap(&self, way: Way, read: &[u8]) -> Option<Trap> {
        self.state().trap.take_if(|trap| way == Way::ToBroker && trap.step.begins(read))
    }

    /// As long as an answer takes on a slow wire, unless that is mended first.
    fn take_time(&self, number: u64) {
        let state = self.state();
        let Wire::Slow(delay) = state.wire else { return };
        let slow = |state: &mut State| state.wire == Wire::Slow(delay) && state.links.contains_key(&number);
        drop(self.changed.wait_timeout_while(state, delay, slow));
    }

    fn wait_until_it_passes(&self, way: Way, number: u64) {
        let held = |state: &mut State| !state.wire.passes(way) && state.links.contains_key(&number);
        drop(self.changed.wait_while(self.state(), held));
    }
}
