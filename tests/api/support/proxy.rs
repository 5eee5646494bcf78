//! A proxy in front of a database, with which a test interrupts the connection.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// What becomes of the connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    /// Connections are closed, new ones too.
    Refused,
    /// Nothing passes and nothing is closed, as if a machine lost its power.
    Silent,
}

/// Forwards every connection to another address while the link is up.
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
    link: Link,
    /// Connections of an earlier generation stay silent when the link is restored.
    generation: usize,
    open: Vec<TcpStream>,
    stopped: bool,
}

impl Proxy {
    /// Starts a proxy for `target`, `host:port`.
    fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { link: Link::Up, generation: 0, open: Vec::new(), stopped: false };
        let shared =
            Arc::new(Shared { target: target.to_owned(), state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.state.lock().unwrap().stopped {
                    break;
                }
                accepting.connect(client);
            }
        });
        Self { shared, address }
    }

    /// Starts a proxy for the database at `url`, and returns the URL through it.
    pub(crate) fn for_database(url: &str) -> (Self, String) {
        let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
        let target = authority.rsplit('@').next().unwrap();
        let proxy = Self::to(target);
        let proxied = url.replacen(target, &proxy.address.to_string(), 1);
        (proxy, proxied)
    }

    /// Closes every connection and refuses new ones.
    pub(crate) fn disconnect(&self) {
        self.shared.set_link(Link::Refused);
    }

    /// Lets nothing pass any more, on open connections and on new ones, without closing any.
    pub(crate) fn go_silent(&self) {
        self.shared.set_link(Link::Silent);
    }

    /// Lets new connections pass. Those that were open when the link went silent stay silent.
    pub(crate) fn restore(&self) {
        self.shared.set_link(Link::Up);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().stopped = true;
        self.shared.set_link(Link::Refused);
        // Wakes the thread that accepts.
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    fn set_link(&self, link: Link) {
        let mut state = self.state.lock().unwrap();
        if link == Link::Refused {
            for stream in state.open.drain(..) {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
        if link != Link::Up {
            state.generation += 1;
        }
        state.link = link;
        self.changed.notify_all();
    }

    fn connect(self: &Arc<Self>, client: TcpStream) {
        let mut state = self.state.lock().unwrap();
        if state.link == Link::Refused {
            return;
        }
        let server = TcpStream::connect(&self.target).unwrap();
        // A connection that is made while the link is silent stays silent.
        let generation = if state.link == Link::Silent { usize::MAX } else { state.generation };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let shared = Arc::clone(self);
            thread::spawn(move || shared.forward(&from, &to, generation));
        }
        state.open.extend([client, server]);
    }

    fn forward(&self, mut from: &TcpStream, mut to: &TcpStream, generation: usize) {
        let mut buffer = [0; 1 << 14];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let mut state = self.state.lock().unwrap();
            while generation != state.generation && !state.stopped {
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
