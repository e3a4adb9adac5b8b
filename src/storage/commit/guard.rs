//! Calls into a backend that may be anybody's.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::storage::backend::{BackendError, Failure};

/// Runs a backend's call; a panic in it becomes an error.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        Err(BackendError::new(Failure::Broken, "the backend panicked").with_source(text(&*payload)))
    })
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
