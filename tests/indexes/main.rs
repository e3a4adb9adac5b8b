//! Indexes: what they refuse, how they are built, and what becomes of them when programs come and go. That queries answer the same with and without
//! them is put to the test in `tests/model`.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod asked;
mod audit;
mod builds;
mod calls;
mod carried;
mod explained;
mod generations;
mod kinds;
mod left_behind;
mod limits;
mod names;
mod promised;
mod raced;
mod refused;
mod support;
mod traced;
mod unique;
mod unreadable;
mod waiting;
