//! Every rule that the engine promises (the crate's design notes, and section 4 of the design they come from), each by a test
//! of its own name: the overlay, durability, failure, turns. Those of a single structure are tested beside it.

mod durability;
mod failure;
mod snapshots;
mod support;
mod turns;
