//! TLS, as clients see it. The files in `tests/api/tls` are valid for a hundred years:
//!
//! ```text
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 -addext basicConstraints=critical,CA:FALSE \
//!     -addext extendedKeyUsage=serverAuth -keyout key.pem -out cert.pem
//! openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out other-key.pem
//! openssl pkcs8 -topk8 -in other-key.pem -out encrypted-key.pem -passout pass:secret
//! ```

use std::{net::SocketAddr, sync::Arc};

use actix_web::rt::net::TcpStream;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The settings of a server with TLS.
pub(crate) const CERTIFICATE_SETTINGS: [(&str, &str); 2] = [
    ("TLS_CERT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/tls/cert.pem")),
    ("TLS_KEY", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/tls/key.pem")),
];

/// A client that trusts the certificate of the tests only, and knows these protocols.
pub(super) fn client(protocols: &[&str]) -> ClientConfig {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(include_bytes!("../tls/cert.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(trusted).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// A connection to a server with TLS.
pub(crate) async fn connect_tls(address: SocketAddr, protocols: &[&str]) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(client(protocols)));
    connector.connect(ServerName::from(address.ip()), stream).await.unwrap()
}
