/// A COPY between two servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer<C> {
    /// The credential for the other side.
    pub credential: C,
}
