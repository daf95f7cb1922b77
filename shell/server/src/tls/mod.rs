//! TLS in transit (T1, T2): one backend, no default provider, TLS 1.3 and 1.2, certificates that renew themselves.

mod ends;
pub(crate) mod files;
mod own;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{Clients, Identification};
use crate::error::ServerError;

/// What a client may speak inside TLS, best first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Keeps the certificate that is shown, and takes a newer one without a restart.
pub(crate) struct Keeper {
    identification: Identification,
    provider: Arc<CryptoProvider>,
    shown: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keeper")
    }
}

impl Keeper {
    /// Reads or makes the certificate.
    pub(crate) fn open(identification: Identification, now: SystemTime) -> Result<Arc<Self>, ServerError> {
        // Whatever else is in the program finds this provider too; a second one installed before us is no reason to fail.
        let _installed = aws_lc_rs::default_provider().install_default();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let first = read(&identification, &provider, now)?;
        Ok(Arc::new(Self { identification, provider, shown: RwLock::new(first) }))
    }

    /// Reads the certificate again, and renews it where it is our own and ends soon. On an error the old one stays.
    pub(crate) fn refresh(&self, now: SystemTime) -> Result<(), ServerError> {
        let fresh = read(&self.identification, &self.provider, now)?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The settings of the server's side.
    pub(crate) fn config(self: &Arc<Self>, clients: &Clients) -> Result<ServerConfig, ServerError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| ServerError::Crypto(error.to_string()))?;
        let builder = match clients {
            Clients::NotAsked => builder.with_no_client_auth(),
            Clients::Asked { authority, .. } => {
                let mut roots = RootCertStore::empty();
                for certificate in chain(authority)? {
                    roots.add(certificate).map_err(|error| ServerError::Crypto(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| ServerError::Crypto(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

impl ResolvesServerCert for Keeper {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(identification: &Identification, provider: &CryptoProvider, now: SystemTime) -> Result<Arc<CertifiedKey>, ServerError> {
    match identification {
        Identification::Own { folder, host } => {
            let place = own::Place::new(folder, host.as_deref())?;
            own::ready(&place, provider, now)?;
            certified(&place.server, &place.server_key, provider)
        }
        Identification::Given { certificate, key } => certified(certificate, key, provider),
    }
}

fn certified(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, ServerError> {
    let unusable = |path: &Path, why: String| ServerError::Certificate { path: path.to_owned(), why };
    let chain = chain(certificate)?;
    let pem = files::read(key)?;
    let key_der = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unusable(key, error.to_string()))?;
    let signing = provider.key_provider.load_private_key(key_der).map_err(|error| unusable(key, error.to_string()))?;
    let pair = CertifiedKey::new(chain, signing);
    pair.keys_match().map_err(|error| unusable(certificate, error.to_string()))?;
    Ok(Arc::new(pair))
}

/// The certificates of a PEM file, at least one.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServerError> {
    let pem = files::read(path)?;
    let unusable = |why: String| ServerError::Certificate { path: path.to_owned(), why };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| unusable(error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    Ok(chain)
}

#[cfg(test)]
mod tests;
