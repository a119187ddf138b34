//! Storage that is not who it says, cannot be talked to, or sends us elsewhere, seen through the real binary.

mod bodies;
mod certificates;
mod crowds;
mod elsewhere;
mod gate;
mod moved;
mod places;
mod redirects;
mod rows;
mod tls;
