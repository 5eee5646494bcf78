//! Byline: a self-hosted blog and publishing API in one binary.
//!
//! The map of the house, from the door inwards; arrows point down only.
//!
//! - [`cli`]: what the binary can be told to do; [`config`]: the settings it is told with; [`seed`]: made-up data.
//! - [`server`]: binding, running, stopping. [`app`]: every route and all middleware. [`docs`]: Swagger UI and Redoc.
//! - [`articles`], [`users`], [`auth`], [`health`]: the features, each with `routes` (HTTP), `schemas` (plain data) and `service` (the
//!   database).
//! - [`state`], [`routing`], [`cors`], [`compression`], [`cache`], [`openapi`], [`telemetry`]: what features share towards HTTP.
//! - [`validation`], [`pagination`], [`conditional`], [`timestamp`], [`error`], [`db`]: what everything stands on, above the crates `entity` and `migration`.

pub mod app;
pub mod articles;
pub mod auth;
pub mod cache;
pub mod cli;
pub mod compression;
pub mod conditional;
pub mod config;
pub mod cors;
pub mod db;
pub mod docs;
pub mod error;
pub mod health;
pub mod openapi;
pub mod pagination;
pub mod routing;
pub mod seed;
pub mod server;
pub mod state;
pub mod telemetry;
pub mod timestamp;
pub mod users;
pub mod validation;
