//! The own certificate authority (T1, T2: TLS from the first run on, without an outside party): made once, able to speak only for
//! this machine's names (RFC 5280, section 4.2.1.10), and short-lived server certificates below it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::{ServerName, UnixTime};

use super::ends::ends;
use super::files::{self, Readers};
use crate::error::ServerError;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Life of the authority.
const AUTHORITY_DAYS: u32 = 3650;
/// Life of the server's certificate.
const SERVER_DAYS: u32 = 90;
/// A certificate that ends sooner is renewed.
const RENEW_DAYS: u32 = 30;
/// Certificates begin a little in the past, for clients whose clock is behind.
const BACKDATED: Duration = Duration::from_secs(3600);
/// Bytes of a DNS name (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Where the files lie, and the names that the server answers to.
pub(super) struct Place {
    folder: PathBuf,
    authority: PathBuf,
    authority_key: PathBuf,
    pub(super) server: PathBuf,
    pub(super) server_key: PathBuf,
    names: Vec<String>,
}

impl Place {
    pub(super) fn new(folder: &Path, host: Option<&str>) -> Result<Self, ServerError> {
        let folder = folder.join("tls");
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        if let Some(host) = host {
            let bad = || ServerError::Host { host: host.to_owned() };
            let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte));
            if !plain || host.len() > HOST_BYTES_MAX || ServerName::try_from(host).is_err() {
                return Err(bad());
            }
            let host = host.to_ascii_lowercase();
            if !names.contains(&host) {
                names.push(host);
            }
        }
        Ok(Self {
            authority: folder.join("ca.pem"),
            authority_key: folder.join("ca.key"),
            server: folder.join("server.pem"),
            server_key: folder.join("server.key"),
            folder,
            names,
        })
    }
}

/// Sees to it that the files are there, hold for all names, and go on to hold for [`RENEW_DAYS`].
pub(super) fn ready(place: &Place, provider: &CryptoProvider, now: SystemTime) -> Result<(), ServerError> {
    std::fs::create_dir_all(&place.folder).map_err(files::failed(&place.folder))?;
    if !place.authority.exists() {
        make_authority(place, now)?;
    }
    check_authority(place, now)?;
    files::check_owner_only(&place.authority_key)?;
    let pair_is_there = place.server.exists() && place.server_key.exists();
    if pair_is_there {
        files::check_owner_only(&place.server_key)?;
    }
    // Later, it must not have ended; now, it must have begun: a clock that was set back is a reason to renew, too.
    let later = now + DAY * RENEW_DAYS;
    let good = pair_is_there && [now, later].iter().all(|at| holds(place, provider, *at).is_ok());
    if !good {
        make_server(place, now)?;
        holds(place, provider, now).map_err(|why| ServerError::Authority { folder: place.folder.clone(), why })?;
    }
    Ok(())
}

fn check_authority(place: &Place, now: SystemTime) -> Result<(), ServerError> {
    let chain = super::chain(&place.authority)?;
    let end = chain.first().and_then(|certificate| ends(certificate)).and_then(|end| u64::try_from(end).ok());
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if end.is_some_and(|end| seconds < end) {
        return Ok(());
    }
    Err(ServerError::Authority { folder: place.folder.clone(), why: "its time is over".to_owned() })
}

/// Checks the server's certificate against the authority as a client would, for each name.
fn holds(place: &Place, provider: &CryptoProvider, at: SystemTime) -> Result<(), String> {
    let read = |path: &Path| super::chain(path).map_err(|error| error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in read(&place.authority)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider.clone()))
        .build()
        .map_err(|error| error.to_string())?;
    let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).map_err(|error| error.to_string())?;
    let chain = read(&place.server)?;
    let Some((first, rest)) = chain.split_first() else { return Err("there is no certificate".to_owned()) };
    for name in &place.names {
        let server = ServerName::try_from(name.as_str()).map_err(|error| error.to_string())?;
        verifier
            .verify_server_cert(first, rest, &server, &[], UnixTime::since_unix_epoch(since_epoch))
            .map_err(|error| format!("`{name}`: {error}"))?;
    }
    Ok(())
}

fn crypto(error: rcgen::Error) -> ServerError {
    ServerError::Crypto(error.to_string())
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Stayward");
    name.push(DnType::CommonName, "Stayward authority of this machine");
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn make_authority(place: &Place, now: SystemTime) -> Result<(), ServerError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
    let mut params = authority_params();
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + DAY * AUTHORITY_DAYS).into();
    let permitted_subtrees = place.names.iter().map(|name| subtree(name)).collect();
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    let certificate = params.self_signed(&key).map_err(crypto)?;
    // The key first: a certificate without its key would be taken for an authority that is there.
    files::write(&place.authority_key, &key.serialize_pem(), Readers::Owner)?;
    files::write(&place.authority, &certificate.pem(), Readers::All)
}

fn subtree(name: &str) -> GeneralSubtree {
    match name.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 32)),
        Ok(address @ IpAddr::V6(_)) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 128)),
        Err(_) => GeneralSubtree::DnsName(name.to_owned()),
    }
}

fn make_server(place: &Place, now: SystemTime) -> Result<(), ServerError> {
    let pem = files::read(&place.authority_key)?;
    let unusable = |why: String| ServerError::Certificate { path: place.authority_key.clone(), why };
    let text = std::str::from_utf8(&pem).map_err(|error| unusable(error.to_string()))?;
    let authority_key = KeyPair::from_pem(text).map_err(|error| unusable(error.to_string()))?;
    let issuer = Issuer::new(authority_params(), authority_key);

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
    let mut params = CertificateParams::new(place.names.clone()).map_err(crypto)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, place.names.last().map_or("localhost", String::as_str));
    params.distinguished_name = name;
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + DAY * SERVER_DAYS).into();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer).map_err(crypto)?;
    // Between the two writes a crash leaves a pair that does not match: `certified` refuses it, so the old pair goes first.
    match std::fs::remove_file(&place.server) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(files::failed(&place.server)(error)),
        Ok(()) | Err(_) => {}
    }
    files::write(&place.server_key, &key.serialize_pem(), Readers::Owner)?;
    files::write(&place.server, &certificate.pem(), Readers::All)
}
