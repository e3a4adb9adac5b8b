//! Many ops in one pass over the encoded body. What they do to a document follows, their faults aside, from which of the members they name it has;
//! so that is worked out once for every combination that occurs.

pub(super) mod fused;

mod layout;
mod recipe;
mod trace;

#[cfg(test)]
mod equivalence;
#[cfg(test)]
mod reading;
