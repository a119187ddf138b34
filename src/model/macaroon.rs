/// What is asked of a service that issues macaroons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacaroonRequest {
    /// What the macaroon allows.
    pub activities: Vec<String>,
}
