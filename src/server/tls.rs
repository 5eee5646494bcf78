//! Serves HTTPS: HTTP/2 to clients that know it (ALPN), HTTP/1.1 to the others.

use std::{future::ready, rc::Rc, sync::Arc};

use actix_http::{Protocol, error::DispatchError};
use actix_rt::{net::TcpStream, time::timeout};
use actix_service::{Service, ServiceFactory, fn_factory, fn_service};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_rustls::TlsAcceptor;

use super::{
    connections::{HEAD_TIMEOUT, Http, Limits, http1, logged, set_options},
    http2::Http2,
    turns::Turns,
};
use crate::config::Identity;

/// The names of the protocols for ALPN, the preferred one first.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// TLS 1.2 and 1.3 with the certificate of the server.
///
/// # Errors
/// If the library for cryptography does not support its own defaults.
pub(super) fn acceptor(identity: &Identity) -> Result<TlsAcceptor, rustls::Error> {
    // The provider is named, because the one of the process is ambiguous if dependencies bring several.
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let identity = CertifiedKey::clone(&identity.0);
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    Ok(Arc::new(config).into())
}

/// The service of one worker: `app` on every connection. The handshake has as much time as the head of a request.
pub(super) fn serve(
    app: impl Http,
    acceptor: TlsAcceptor,
    limits: Limits,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    fn_factory(move || {
        let app = app.new_service(());
        let (acceptor, limits) = (acceptor.clone(), limits.clone());
        async move {
            let app = Rc::new(app.await?);
            let shared = Rc::clone(&app);
            let http1 = http1(fn_factory(move || ready(Ok(Rc::clone(&shared)))), limits.stopping.clone());
            let http1 = Rc::new(http1.new_service(()).await?);
            let http2 = Rc::new(Http2::new(app, limits.clone()));
            Ok(fn_service(move |stream: TcpStream| {
                set_options(&stream, limits.write_timeout);
                let peer = stream.peer_addr().ok();
                let accepted = timeout(HEAD_TIMEOUT, acceptor.accept(stream));
                let (http1, http2) = (Rc::clone(&http1), Rc::clone(&http2));
                logged(limits.connections.open(), peer, async move {
                    let accepted = accepted.await.map_err(|_| DispatchError::SlowRequestTimeout)?;
                    let stream = accepted.map_err(DispatchError::Io)?;
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
                    let stream = Turns::new(stream);
                    if is_http2 {
                        http2.serve(stream, peer).await
                    } else {
                        http1.call((stream, Protocol::Http1, peer)).await
                    }
                })
            }))
        }
    })
}
