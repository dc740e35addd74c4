//! TLS: certificates in, an acceptor out. TLS 1.2 and 1.3, HTTP/1.1 only.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file cannot be read, or holds no certificate.
    #[error("{path} should hold a certificate in PEM form: {why}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key file cannot be read, or holds no private key.
    #[error("{path} should hold a private key in PEM form: {why}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Certificate and key were read and do not work.
    #[error("certificate and key cannot be used together: {0}")]
    Unusable(rustls::Error),
    /// No self-signed certificate could be made.
    #[error("no self-signed certificate could be made: {0}")]
    SelfSigned(String),
}

/// The acceptor, and the certificate that it shows.
pub(crate) fn acceptor(tls: &Tls, listen: SocketAddr) -> Result<(TlsAcceptor, CertificateDer<'static>), TlsError> {
    let (chain, key) = match tls {
        Tls::Files { cert, key } => {
            let certificate = |why: String| TlsError::Certificate { path: cert.clone(), why };
            let chain = CertificateDer::pem_file_iter(cert)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| certificate(error.to_string()))?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| TlsError::Key { path: key.clone(), why: error.to_string() })?;
            if chain.is_empty() {
                return Err(certificate("there is none in it".to_owned()));
            }
            (chain, key)
        }
        Tls::SelfSigned => self_signed(listen)?,
    };
    let shown = chain.first().cloned().ok_or_else(|| TlsError::SelfSigned("there is no certificate".to_owned()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), shown))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn self_signed(listen: SocketAddr) -> Result<Identity, TlsError> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let address = listen.ip().to_string();
    if !names.contains(&address) && !listen.ip().is_unspecified() {
        names.push(address);
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(|e| TlsError::SelfSigned(e.to_string()))?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_missing_file_is_named() {
        let tls = Tls::Files { cert: "/nowhere/cert.pem".into(), key: "/nowhere/key.pem".into() };
        let error = acceptor(&tls, Config::embedded().listen).map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/cert.pem should hold a certificate"), "{error}");
    }

    #[test]
    fn a_self_signed_certificate_works() {
        assert!(acceptor(&Tls::SelfSigned, Config::embedded().listen).is_ok());
    }
}
