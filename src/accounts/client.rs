//! The client that signs in: its address and its device.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};

use crate::http::client_address::ClientAddress;

/// The maximum length of a device's name, in code points.
const MAX_DEVICE: usize = 200;

/// A client, as its sessions show it.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its IP address.
    pub address: ClientAddress,
    /// Its header `User-Agent`, without control characters and cut to 200 code points.
    pub device: Option<String>,
}

impl FromRequest for Client {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let address = ClientAddress::of(request.head(), request.app_data());
        let agent = request.headers().get(header::USER_AGENT);
        let device = agent.map(|agent| {
            let agent = String::from_utf8_lossy(agent.as_bytes());
            agent.chars().filter(|character| !character.is_control()).take(MAX_DEVICE).collect()
        });
        ready(Ok(Self { address, device }))
    }
}
