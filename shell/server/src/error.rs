//! Why the server does not start (T2, T3: it rather stays closed than open without TLS).

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the TLS identity cannot be read or written.
    #[error("cannot use `{path}`: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A private key can be read by others.
    #[error("private key `{path}` can be read by others than its owner (mode {mode:o})")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A certificate or key is not usable.
    #[error("certificate or key in `{path}` is not usable: {why}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The host name cannot stand in a certificate.
    #[error("`{host}` is not a host name")]
    Host {
        /// As it was given.
        host: String,
    },
    /// The own authority was made for other names, or its time is over.
    #[error("the certificate authority in `{folder}` does not cover these names or this time: {why}")]
    Authority {
        /// The folder `tls`.
        folder: PathBuf,
        /// What the check said.
        why: String,
    },
    /// The crypto library refused.
    #[error("the crypto library refused: {0}")]
    Crypto(String),
}

impl ServerError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Listen { .. } => "choose another port, or stop the program that holds this one".to_owned(),
            Self::File { .. } => "check that the folder exists and that this user may read and write it".to_owned(),
            Self::Exposed { path, .. } => {
                format!("run `chmod 600 {}`, and make a new key if others may have read it", path.display())
            }
            Self::Certificate { .. } => "give a PEM certificate chain, the server's first, and its PKCS#8 key".to_owned(),
            Self::Host { .. } => "give a plain DNS name such as `churn.example.org`, or an address".to_owned(),
            Self::Authority { folder, .. } => {
                format!(
                    "remove the folder `{}`; a new authority is made at the next start, give its `ca.pem` to the callers",
                    folder.display()
                )
            }
            Self::Crypto(_) => "this is a fault of the program or the machine; try again, then report it".to_owned(),
        }
    }
}
