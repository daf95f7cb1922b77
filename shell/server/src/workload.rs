//! Machines that prove themselves in the TLS handshake (T1, T4): a short-lived certificate of the project's own authority for clients,
//! whose one URI names the machine as SPIFFE does, `spiffe://TRUST-DOMAIN/component/NAME` or `.../supplier/NAME`.
//!
//! TLS checks the chain, the time and the use; it does not look at the URI. That is [`identity_of_peer`], the one place where a
//! certificate becomes a name. What was revoked is the database's to say: the certificate alone never is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use identity::Component;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::error::ServerError;
use crate::tls::files::{self, Readers};

/// Bytes of a SPIFFE id at most (SPIFFE ID, section 2.3).
const ID_BYTES_MAX: usize = 2048;
/// Bytes of a trust domain at most (section 2.1).
const TRUST_DOMAIN_BYTES_MAX: usize = 255;
/// Bytes of a name at most, as everywhere.
const NAME_BYTES_MAX: usize = 64;
/// Life of the authority.
const AUTHORITY_DAYS: u32 = 3650;
/// Life of a client's certificate at most: renewing replaces revoking.
pub const WORKLOAD_SECONDS_MAX: u64 = 7 * 24 * 3600;
/// Certificates begin a little in the past, for machines whose clock is behind.
const BACKDATED: Duration = Duration::from_secs(300);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Random bytes of a serial number (RFC 5280, section 4.1.2.2, allows 20).
const SERIAL_BYTES: usize = 16;

/// Who a machine is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadName {
    /// A part of the pipeline.
    Component(Component),
    /// A supplier, by name.
    Supplier(String),
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(component) => write!(formatter, "component/{component}"),
            Self::Supplier(name) => write!(formatter, "supplier/{name}"),
        }
    }
}

/// A machine that proved itself, and by which certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Who.
    pub name: WorkloadName,
    /// Serial number of the certificate, hex: what a revocation names.
    pub serial: String,
}

/// Why a certificate names nobody here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAWorkload {
    /// It cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// It has no URI, or several.
    #[error("the certificate has not exactly one URI")]
    NotOneUri,
    /// Its URI is no name of this trust domain.
    #[error("the certificate's URI names nobody of this trust domain")]
    Foreign,
}

/// The name in a certificate that TLS has verified. Give it only the certificate of a finished handshake.
///
/// # Errors
/// [`NotAWorkload`].
pub fn identity_of_peer(certificate: &CertificateDer<'_>, trust_domain: &str) -> Result<Workload, NotAWorkload> {
    let read = EndEntityCert::try_from(certificate).map_err(|_| NotAWorkload::Unreadable)?;
    // X.509-SVID, section 2: exactly one.
    let mut uris = read.valid_uri_names();
    let (Some(uri), None) = (uris.next(), uris.next()) else { return Err(NotAWorkload::NotOneUri) };
    let name = name_of(uri, trust_domain).ok_or(NotAWorkload::Foreign)?;
    Ok(Workload { name, serial: HEXLOWER.encode(strip_zeros(read.serial())) })
}

/// DER writes a leading zero where the number would else be negative.
fn strip_zeros(serial: &[u8]) -> &[u8] {
    let start = serial.iter().position(|byte| *byte != 0).unwrap_or(serial.len());
    serial.get(start..).unwrap_or_default()
}

fn name_of(uri: &str, trust_domain: &str) -> Option<WorkloadName> {
    if uri.len() > ID_BYTES_MAX {
        return None;
    }
    let path = uri.strip_prefix("spiffe://")?.strip_prefix(trust_domain)?.strip_prefix('/')?;
    let (kind, name) = path.split_once('/')?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !first || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
        return None;
    }
    match kind {
        "component" => Component::parse(name).map(WorkloadName::Component),
        "supplier" => Some(WorkloadName::Supplier(name.to_owned())),
        _ => None,
    }
}

/// A certificate that was just made.
pub struct IssuedWorkload {
    /// PEM.
    pub certificate: String,
    /// PEM; nobody else has it.
    pub key: String,
    /// Serial number, hex.
    pub serial: String,
    /// Unix seconds.
    pub expires_at: i64,
}

impl fmt::Debug for IssuedWorkload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IssuedWorkload").field("serial", &self.serial).finish_non_exhaustive()
    }
}

/// The project's authority for clients: another key than the one that speaks for the server.
#[derive(Debug)]
pub struct WorkloadAuthority {
    certificate: PathBuf,
    key: PathBuf,
}

impl WorkloadAuthority {
    /// In `<folder>/tls`; made on first use.
    ///
    /// # Errors
    /// [`ServerError`]: a disk error, or a key that others can read.
    pub fn open(folder: &Path, now: SystemTime) -> Result<Self, ServerError> {
        let folder = folder.join("tls");
        let authority = Self { certificate: folder.join("clients-ca.pem"), key: folder.join("clients-ca.key") };
        std::fs::create_dir_all(&folder).map_err(files::failed(&folder))?;
        if !authority.certificate.exists() {
            authority.make(now)?;
        }
        files::check_owner_only(&authority.key)?;
        Ok(authority)
    }

    /// Where its certificate lies: what a listener trusts.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    fn make(&self, now: SystemTime) -> Result<(), ServerError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
        let mut params = authority_params();
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + DAY * AUTHORITY_DAYS).into();
        let certificate = params.self_signed(&key).map_err(crypto)?;
        files::write(&self.key, &key.serialize_pem(), Readers::Owner)?;
        files::write(&self.certificate, &certificate.pem(), Readers::All)
    }

    /// Makes a key and a certificate for a machine.
    ///
    /// # Errors
    /// [`ServerError::Crypto`]: a trust domain or life that cannot be, or the library failed.
    pub fn issue(
        &self,
        name: &WorkloadName,
        trust_domain: &str,
        life: Duration,
        now: SystemTime,
    ) -> Result<IssuedWorkload, ServerError> {
        let refused = |why: &str| ServerError::Crypto(why.to_owned());
        let uri = format!("spiffe://{trust_domain}/{name}");
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if trust_domain.is_empty() || trust_domain.len() > TRUST_DOMAIN_BYTES_MAX || !trust_domain.bytes().all(plain) {
            return Err(refused("the trust domain is none: a-z, 0-9, `.`, `-` and `_`, 255 at most"));
        }
        if name_of(&uri, trust_domain).as_ref() != Some(name) {
            return Err(refused("the name is none: a-z, 0-9, `.`, `-` and `_`, 64 at most"));
        }
        if life.is_zero() || life > Duration::from_secs(WORKLOAD_SECONDS_MAX) {
            return Err(refused("a client's certificate lives from one second to seven days"));
        }
        let authority_pem = files::read(&self.key)?;
        let authority_key = std::str::from_utf8(&authority_pem).map_err(|error| ServerError::Crypto(error.to_string()))?;
        let issuer = Issuer::new(authority_params(), KeyPair::from_pem(authority_key).map_err(crypto)?);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
        let mut serial = [0_u8; SERIAL_BYTES];
        aws_lc_rs::rand::fill(&mut serial).map_err(|_| refused("no random bytes"))?;
        // Positive, and as long as it is: the first byte is from 0x40 to 0x7f.
        if let Some(first) = serial.first_mut() {
            *first = (*first & 0x3f) | 0x40;
        }
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name.to_string());
        params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(crypto)?)];
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + life).into();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer).map_err(crypto)?;
        let ends = (now + life).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(IssuedWorkload {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            serial: HEXLOWER.encode(&serial),
            expires_at: i64::try_from(ends).unwrap_or(i64::MAX),
        })
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Stayward");
    params.distinguished_name.push(DnType::CommonName, "Stayward authority for clients");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn crypto(error: rcgen::Error) -> ServerError {
    ServerError::Crypto(error.to_string())
}

/// Writes a machine's key (0600) and certificate into a folder, as `NAME.key.pem` and `NAME.pem`.
///
/// # Errors
/// [`ServerError::File`].
pub fn write_workload(folder: &Path, stem: &str, issued: &IssuedWorkload) -> Result<(PathBuf, PathBuf), ServerError> {
    std::fs::create_dir_all(folder).map_err(files::failed(folder))?;
    let (certificate, key) = (folder.join(format!("{stem}.pem")), folder.join(format!("{stem}.key.pem")));
    files::write(&key, &issued.key, Readers::Owner)?;
    files::write(&certificate, &issued.certificate, Readers::All)?;
    Ok((certificate, key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls_pki_types::pem::PemObject;

    use super::*;

    const DOMAIN: &str = "churn.example.org";

    fn made(names: Vec<SanType>) -> CertificateDer<'static> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.self_signed(&key).unwrap().der().clone()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    #[test]
    fn what_is_issued_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let authority = WorkloadAuthority::open(folder.path(), now).unwrap();
        for name in [WorkloadName::Component(Component::Monitor), WorkloadName::Supplier("acme".to_owned())] {
            let issued = authority.issue(&name, DOMAIN, Duration::from_secs(3600), now).unwrap();
            let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
            let peer = identity_of_peer(&der, DOMAIN).unwrap();
            assert_eq!((peer.name, peer.serial), (name, issued.serial));
            assert_eq!(identity_of_peer(&der, "other.example.org"), Err(NotAWorkload::Foreign));
        }
        let supplier = |name: &str| WorkloadName::Supplier(name.to_owned());
        for (name, domain, seconds) in [
            (supplier("../component/monitor"), DOMAIN, 60),
            (supplier(""), DOMAIN, 60),
            (supplier("A"), DOMAIN, 60),
            (supplier("acme"), "Churn", 60),
            (supplier("acme"), "", 60),
            (supplier("acme"), "a/b", 60),
            (supplier("acme"), DOMAIN, 0),
            (supplier("acme"), DOMAIN, WORKLOAD_SECONDS_MAX + 1),
        ] {
            assert!(authority.issue(&name, domain, Duration::from_secs(seconds), now).is_err(), "{name} {domain} {seconds}");
        }
    }

    #[test]
    fn one_uri_of_our_domain_is_a_name_and_nothing_else() {
        let named = |names: Vec<SanType>| identity_of_peer(&made(names), DOMAIN).map(|peer| peer.name.to_string());
        assert_eq!(named(vec![uri("spiffe://churn.example.org/component/trainer")]), Ok("component/trainer".to_owned()));
        assert_eq!(named(vec![]), Err(NotAWorkload::NotOneUri));
        let twice =
            vec![uri("spiffe://churn.example.org/component/trainer"), uri("spiffe://churn.example.org/component/monitor")];
        assert_eq!(named(twice), Err(NotAWorkload::NotOneUri));
        assert_eq!(named(vec![SanType::DnsName("trainer".try_into().unwrap())]), Err(NotAWorkload::NotOneUri));
        for text in [
            "https://churn.example.org/component/trainer",
            "spiffe://churn.example.org.evil.example/component/trainer",
            "spiffe://churn.example.org:443/component/trainer",
            "spiffe://x@churn.example.org/component/trainer",
            "spiffe://churn.example.org/component/king",
            "spiffe://churn.example.org/component/trainer/",
            "spiffe://churn.example.org/component/trainer?x",
            "spiffe://churn.example.org//component/trainer",
            "spiffe://churn.example.org/supplier/%61cme",
            "spiffe://churn.example.org/supplier/..",
            "spiffe://churn.example.org/",
        ] {
            assert_eq!(named(vec![uri(text)]), Err(NotAWorkload::Foreign), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
            let _ = identity_of_peer(&CertificateDer::from(bytes), DOMAIN);
            let _ = name_of(&text, DOMAIN);
            let _ = name_of(&format!("spiffe://{DOMAIN}/supplier/{text}"), DOMAIN);
        }
    }
}
