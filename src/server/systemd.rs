//! Notifies systemd, or another service manager that sets `NOTIFY_SOCKET`, when the server is ready and when it stops.

use std::time::Duration;

use sd_notify::NotifyState;

/// The server accepts connections, and its database is open.
pub(super) fn ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("Serving requests")]);
}

/// The server stops. The service manager waits at least for this time, whatever its own timeout is.
pub(super) fn stopping(longest: Duration) {
    let extend = format!("EXTEND_TIMEOUT_USEC={}", longest.as_micros());
    let status = NotifyState::Status("Stopping after the requests in flight");
    notify(&[NotifyState::Stopping, status, NotifyState::Custom(&extend)]);
}

/// Does nothing without a service manager.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(cause = %error, "the service manager cannot be notified");
    }
}
