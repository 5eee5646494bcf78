//! Signing in and being known.
