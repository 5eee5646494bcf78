//! A wire to the database that a test can cut, let go dead and mend.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// What the wire does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Whole,
    /// Connections are closed, new ones too.
    Cut,
    /// Nothing passes and nobody is told, as where a machine loses its power.
    Dead,
}

/// Passes on every connection to another address while the wire is whole.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    target: String,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    wire: Wire,
    /// Connections of an earlier generation stay dead when the wire is mended.
    generation: usize,
    open: Vec<TcpStream>,
    ends: bool,
}

impl Proxy {
    /// To `target`, `host:port`.
    pub(crate) fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { wire: Wire::Whole, generation: 0, open: Vec::new(), ends: false };
        let shared =
            Arc::new(Shared { target: target.to_owned(), state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.state.lock().unwrap().ends {
                    break;
                }
                accepting.connect(client);
            }
        });
        Self { shared, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection and refuses new ones.
    pub(crate) fn cut(&self) {
        self.shared.turn(Wire::Cut);
    }

    /// Lets nothing pass any more, in connections that are open and in new ones, without closing any.
    pub(crate) fn die(&self) {
        self.shared.turn(Wire::Dead);
    }

    /// Lets new connections pass. Those that were open when the wire died never hear of it.
    pub(crate) fn mend(&self) {
        self.shared.turn(Wire::Whole);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().ends = true;
        self.shared.turn(Wire::Cut);
        // Wakes the thread that accepts.
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    fn turn(&self, wire: Wire) {
        let mut state = self.state.lock().unwrap();
        if wire == Wire::Cut {
            for stream in state.open.drain(..) {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
        if wire != Wire::Whole {
            state.generation += 1;
        }
        state.wire = wire;
        self.changed.notify_all();
    }

    fn connect(self: &Arc<Self>, client: TcpStream) {
        let mut state = self.state.lock().unwrap();
        if state.wire == Wire::Cut {
            return;
        }
        let server = TcpStream::connect(&self.target).unwrap();
        // A connection that is made while the wire is dead belongs to the dead ones.
        let generation = if state.wire == Wire::Dead { usize::MAX } else { state.generation };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let shared = Arc::clone(self);
            thread::spawn(move || shared.pass_on(&from, &to, generation));
        }
        state.open.extend([client, server]);
    }

    fn pass_on(&self, mut from: &TcpStream, mut to: &TcpStream, generation: usize) {
        let mut buffer = [0; 1 << 14];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let mut state = self.state.lock().unwrap();
            while generation != state.generation && !state.ends {
                state = self.changed.wait(state).unwrap();
            }
            drop(state);
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        from.shutdown(Shutdown::Both).ok();
        to.shutdown(Shutdown::Both).ok();
    }
}
