//! The two programs that the surface was designed by, word for word but for their paths and what they are asked afterwards.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "programs for a terminal, and tests that say where they cannot go on"
)]

mod script;
mod typed;
