//! Stops the server after a signal, in steps that lose no request.

use std::{future::pending, io, time::Duration};

use actix_web::{dev, rt::time::sleep};
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{listeners::Listeners, systemd};
use crate::http::draining::Draining;

/// The time in which connections whose handshake had begun are completed and accepted. Then the listeners are closed,
/// which resets those that are not accepted.
const ACCEPTING: Duration = Duration::from_secs(1);

/// How the server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// After the requests in flight.
    Gracefully,
    /// A second signal asked for it.
    AtOnce,
}

/// What stopping needs.
pub(super) struct Stop {
    /// Received from now on.
    pub(super) signals: Signals,
    /// What requests know about it.
    pub(super) draining: Draining,
    /// How long the server serves after SIGTERM.
    pub(super) drain: Duration,
    /// The longest time from the first signal to the end of the process.
    pub(super) longest: Duration,
    /// The sockets on which clients connect.
    pub(super) listeners: Listeners,
}

impl Stop {
    /// Serves until a signal. After SIGTERM, serves for `drain`, while it asks clients to close their connections;
    /// then accepts no more connections and finishes the requests in flight. After SIGINT, SIGQUIT or a second
    /// signal, ends at once.
    ///
    /// # Errors
    /// If accepting connections fails.
    pub(super) async fn serve(mut self, server: dev::Server) -> io::Result<Stopped> {
        let handle = server.handle();
        let mut stopped = Stopped::Gracefully;
        let stop = async {
            let signal = self.signals.next().await;
            systemd::stopping(self.longest);
            if signal == SignalKind::terminate() {
                let graceful = async {
                    drain(&self.draining, self.drain, &self.listeners).await;
                    handle.stop(true).await;
                };
                select! {
                    () = graceful => {}
                    _ = self.signals.next() => stopped = Stopped::AtOnce,
                }
            } else {
                stopped = Stopped::AtOnce;
            }
            if stopped == Stopped::AtOnce {
                handle.stop(false).await;
            }
            pending().await
        };
        let outcome = select! {
            end = server => end,
            never = stop => never,
        };
        outcome.map(|()| stopped)
    }
}

/// Serves for `time`, then lets no new connections begin.
async fn drain(draining: &Draining, time: Duration, listeners: &Listeners) {
    draining.begin();
    if time.is_zero() {
        return;
    }
    tracing::info!(seconds = time.as_secs(), "draining: SIGTERM was received");
    sleep(time).await;
    listeners.refuse_new();
    sleep(ACCEPTING).await;
}

/// The signals that stop the server.
pub(super) struct Signals([(SignalKind, Signal); 3]);

impl Signals {
    /// Receives these signals from now on, instead of ending the process. Needs a runtime.
    ///
    /// # Errors
    /// If the operating system does not allow it.
    pub(super) fn listen() -> io::Result<Self> {
        let listen = |kind| signal(kind).map(|signal| (kind, signal));
        Ok(Self([
            listen(SignalKind::terminate())?,
            listen(SignalKind::interrupt())?,
            listen(SignalKind::quit())?,
        ]))
    }

    async fn next(&mut self) -> SignalKind {
        let [(terminate, first), (interrupt, second), (quit, third)] = &mut self.0;
        select! {
            _ = first.recv() => *terminate,
            _ = second.recv() => *interrupt,
            _ = third.recv() => *quit,
        }
    }
}
