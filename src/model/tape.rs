/// A call of the WLCG Tape REST API v1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeCall {
    /// The name of the call.
    pub call: String,
}
