use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use secrecy::SecretString;

use super::ReferenceError;

/// The names of this machine for itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate authority of our own, new with every process.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

/// A certificate for this machine's loopback names, with its key.
pub struct ServerCertificate {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PKCS#8 PEM.
    pub key_pem: SecretString,
}

impl Authority {
    /// Makes the authority's key and certificate.
    pub fn new() -> Result<Self, ReferenceError> {
        let mut params = CertificateParams::default();
        // A name of its own keeps two authorities in one trust store apart.
        let name = format!("touchstone test CA {}", uuid::Uuid::new_v4().simple());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let pem = issuer.pem();
        Ok(Self { issuer, pem })
    }

    /// The authority's certificate, PEM: what clients have to trust.
    pub fn ca_pem(&self) -> &str {
        &self.pem
    }

    /// A new certificate for `localhost`, `127.0.0.1` and `::1`.
    pub fn certificate(&self) -> Result<ServerCertificate, ReferenceError> {
        self.sign(CertificateParams::new(LOOPBACK.map(str::to_owned))?)
    }

    /// The same for other names.
    pub fn certificate_for(&self, names: &[&str]) -> Result<ServerCertificate, ReferenceError> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        self.sign(CertificateParams::new(names)?)
    }

    /// One for the loopback names whose time is long over.
    pub fn expired_certificate(&self) -> Result<ServerCertificate, ReferenceError> {
        let mut params = CertificateParams::new(LOOPBACK.map(str::to_owned))?;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<ServerCertificate, ReferenceError> {
        params
            .distinguished_name
            .push(DnType::CommonName, "touchstone");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ServerCertificate {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem().into(),
        })
    }
}
