//! Sessions: one for each sign-in. A refresh token renews the access token, and ending a session rejects both at
//! once, on every server.

pub mod routes;
pub mod schemas;
pub mod service;
