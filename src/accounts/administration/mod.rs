//! Administration: accounts and their roles, and the log of administrative actions. What administrators do over
//! the API, the operator does from the command line, with the same functions.

pub mod audit;
pub mod operator;
pub mod routes;
pub mod schemas;
pub mod service;
