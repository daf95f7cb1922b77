//! One key and one signature of any of the schemes, for callers that take what a supplier has (T1).

use crate::minisign::{MinisignKey, MinisignSignature};
use crate::openpgp::{OpenpgpCertificate, OpenpgpSignature};
use crate::ssh::{SshSignature, SshSigner};
use crate::{Refusal, Scheme, Signed};

/// A public key that somebody registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// Of minisign.
    Minisign(MinisignKey),
    /// Of SSH, with what its line says.
    Ssh(SshSigner),
    /// Of OpenPGP, with its subkeys.
    Openpgp(Box<OpenpgpCertificate>),
}

/// A signature that came with bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Of minisign.
    Minisign(MinisignSignature),
    /// Of SSH.
    Ssh(SshSignature),
    /// Of OpenPGP.
    Openpgp(OpenpgpSignature),
}

impl PublicKey {
    /// Reads a key's text in the form of its scheme: minisign's key file, a line of SSH, an armoured OpenPGP certificate.
    ///
    /// # Errors
    /// Another form, an algorithm that is not accepted, over a limit.
    pub fn parse(scheme: Scheme, text: &str) -> Result<Self, Refusal> {
        match scheme {
            Scheme::Minisign => MinisignKey::parse(text).map(Self::Minisign),
            Scheme::Ssh => SshSigner::parse(text).map(Self::Ssh),
            Scheme::Openpgp => OpenpgpCertificate::parse(text.as_bytes()).map(Box::new).map(Self::Openpgp),
        }
    }

    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Minisign(_) => Scheme::Minisign,
            Self::Ssh(_) => Scheme::Ssh,
            Self::Openpgp(_) => Scheme::Openpgp,
        }
    }

    /// Its name, as the scheme's own program shows it.
    pub fn id(&self) -> String {
        match self {
            Self::Minisign(key) => key.id(),
            Self::Ssh(signer) => signer.key().fingerprint(),
            Self::Openpgp(certificate) => certificate.fingerprint(),
        }
    }

    /// A name that no other key has, for registers: unlike minisign's key IDs, which their makers choose.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Minisign(key) => key.fingerprint(),
            Self::Ssh(_) | Self::Openpgp(_) => self.id(),
        }
    }

    /// Whether the signature says that this key made it; nothing proves it yet.
    pub fn is_named_by(&self, signature: &Signature) -> bool {
        match (self, signature) {
            (Self::Minisign(key), Signature::Minisign(signature)) => key.is_named_by(signature),
            (Self::Ssh(signer), Signature::Ssh(signature)) => signer.is_named_by(signature),
            (Self::Openpgp(certificate), Signature::Openpgp(signature)) => certificate.is_named_by(signature),
            (Self::Minisign(_) | Self::Ssh(_) | Self::Openpgp(_), _) => false,
        }
    }

    /// Whether the signature of the message holds at `now` (Unix seconds).
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`] for another key or scheme, and each way in which key and signature can be wrong.
    pub fn verify(&self, signature: &Signature, message: &[u8], now: i64) -> Result<Signed, Refusal> {
        match (self, signature) {
            (Self::Minisign(key), Signature::Minisign(signature)) => key.verify(signature, message),
            (Self::Ssh(signer), Signature::Ssh(signature)) => signer.verify(signature, message, now),
            (Self::Openpgp(certificate), Signature::Openpgp(signature)) => certificate.verify(signature, message, now),
            (Self::Minisign(_) | Self::Ssh(_) | Self::Openpgp(_), _) => Err(Refusal::UnknownKey { key: signature.key_name() }),
        }
    }
}

impl Signature {
    /// Reads a signature in the form of its scheme.
    ///
    /// # Errors
    /// Another form, an algorithm that is not accepted, over a limit, cut short.
    pub fn parse(scheme: Scheme, bytes: &[u8]) -> Result<Self, Refusal> {
        match scheme {
            Scheme::Minisign => MinisignSignature::parse(bytes).map(Self::Minisign),
            Scheme::Ssh => SshSignature::parse(bytes).map(Self::Ssh),
            Scheme::Openpgp => OpenpgpSignature::parse(bytes).map(Self::Openpgp),
        }
    }

    /// The key that it names; nothing proves that it signed.
    pub fn key_name(&self) -> String {
        match self {
            Self::Minisign(signature) => signature.key_name(),
            Self::Ssh(signature) => signature.key_name(),
            Self::Openpgp(signature) => signature.key_name(),
        }
    }
}
