//! From `endpoints.yaml`, `suites/*.yaml` and the selection to a plan.
//!
//! | module | what it knows |
//! |---|---|
//! | [`config`] | YAML to typed values, with diagnostics |
//! | [`plan`] | endpoints x cases: select, expand, order |
//! | [`import`] | what others publish about storage, in our words |

pub mod config;
pub mod import;
pub mod plan;
