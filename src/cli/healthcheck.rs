//! `byline healthcheck`: checks whether the server with the same settings is ready.

use std::{io, path::Path, sync::Arc, time::Duration};

use actix_rt::{net::UnixStream, time::timeout};
use awc::{Client, Connector};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Failure;
use crate::config::{Host, Settings};

/// The maximum duration of the check.
const TIMEOUT: Duration = Duration::from_secs(3);

const PATH: &str = "/health/ready";

/// More than the whole response.
const MAX_BYTES: u64 = 16 << 10;

pub(super) async fn run(settings: &Settings) -> Result<(), Failure> {
    match &settings.http.host {
        Host::Unix(path) => ask_socket(path).await,
        // A server that listens on all addresses can be reached at this one.
        Host::Name(host) if ["0.0.0.0", "::"].contains(&host.as_str()) => ask("localhost", settings).await,
        Host::Name(host) => ask(host, settings).await,
    }
}

async fn ask(host: &str, settings: &Settings) -> Result<(), Failure> {
    let is_encrypted = settings.http.tls_certificate.is_some();
    let scheme = if is_encrypted { "https" } else { "http" };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("{scheme}://{host}:{}{PATH}", settings.http.port);
    let mut connector = Connector::new().timeout(TIMEOUT);
    if is_encrypted {
        connector = connector.rustls_0_23(Arc::new(any_certificate()?));
    }
    let client = Client::builder().connector(connector).timeout(TIMEOUT).finish();
    let response = client.get(&url).send().await.map_err(|error| format!("{url}: {error}"))?;
    if response.status().is_success() { Ok(()) } else { Err(format!("{url}: {}", response.status()).into()) }
}

/// The HTTP client connects to ports only.
async fn ask_socket(path: &Path) -> Result<(), Failure> {
    let exchange = async {
        let mut stream = UnixStream::connect(path).await?;
        let request = format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut response = String::new();
        stream.take(MAX_BYTES).read_to_string(&mut response).await?;
        io::Result::Ok(response)
    };
    let url = format!("unix:{}{PATH}", path.display());
    let response = timeout(TIMEOUT, exchange).await.map_err(|_| format!("{url}: timeout"))?;
    let response = response.map_err(|error| format!("{url}: {error}"))?;
    let status = response.lines().next().and_then(|line| line.split_once(' ')).map(|(_, status)| status);
    match status {
        Some(status) if status.starts_with('2') => Ok(()),
        status => Err(format!("{url}: {}", status.unwrap_or("no response")).into()),
    }
}

fn any_certificate() -> Result<ClientConfig, Error> {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions()?.dangerous();
    Ok(builder.with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))).with_no_client_auth())
}

/// Accepts every certificate. The certificate of the server names another host than the one that this machine uses,
/// and may have been renewed since the server started. The check sends nothing secret, and believes only a status.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
