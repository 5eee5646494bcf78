//! Signing in and being known: passwords, access tokens, and the types that say who may call.
//!
//! A token is proof enough of who one was when it was issued; the account's row is read with every request, so a deleted
//! account is out at once.

pub mod callers;
pub mod passwords;
pub mod sign_in;
pub mod tokens;
pub mod users;

pub use callers::{Anyone, Call, CallerId, CurrentUser, Viewer};
