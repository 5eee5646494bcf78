//! What operators use to watch the server.

pub mod health;
