//! Certificates for the relay, and TLS clients that insist on them.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// Signs certificates.
pub(super) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, and its key.
pub(super) struct Identity {
    pub(super) certificate: CertificateDer<'static>,
    /// PEM.
    pub(super) chain: String,
    /// PEM.
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name = called(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for this machine's loopback addresses.
    pub(super) fn issue(&self, name: &str) -> Identity {
        self.issue_for(name, &["localhost", "127.0.0.1", "::1"])
    }

    /// The same for hosts of other names.
    pub(super) fn issue_for(&self, name: &str, hosts: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name = called(name);
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: made.der().clone(), chain: made.pem(), key: key.serialize_pem() }
    }

    /// Its own certificate, PEM.
    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A client that trusts nobody else, and that asks for the whole certificate each time.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
