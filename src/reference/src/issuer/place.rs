//! Where its services are, below the issuer's identifier.

pub(super) const METADATA: &str = "/.well-known/openid-configuration";
/// The other well-known name (RFC 8414 section 3).
pub(super) const OTHER_METADATA: &str = "/.well-known/oauth-authorization-server";
pub(super) const KEYS: &str = "/jwks";
pub(super) const TOKEN: &str = "/token";
pub(super) const DEVICE: &str = "/devicecode";
pub(super) const VERIFICATION: &str = "/device";
pub(super) const REVOCATION: &str = "/revoke";
pub(super) const INTROSPECTION: &str = "/introspect";
pub(super) const USER_INFO: &str = "/userinfo";
