//! Opening a store directory with the backend it was made with.

use std::path::Path;
use std::sync::Arc;

use crate::storage::backend::{Backend, Batch};
use crate::storage::directory::error::OpenError;
use crate::storage::directory::open::{Held, Opened, Resident};
use crate::storage::disk::options::{BACKENDS, DiskOptions};
#[cfg(feature = "redb")]
use crate::storage::redb::backend::RedbBackend;
#[cfg(feature = "sled")]
use crate::storage::sled::backend::SledBackend;

/// Opens the store in `directory`. Where there is none, and `options` allow it, makes one that holds `initial`.
pub(crate) fn open(
    directory: &Path,
    options: &DiskOptions,
    initial: &Batch,
) -> Result<Opened<Arc<dyn Backend>>, OpenError> {
    #[cfg(feature = "sled")]
    SledBackend::validate(&options.sled)?;
    #[cfg(feature = "redb")]
    RedbBackend::validate(&options.redb)?;
    let held = match &options.backend {
        Some(chosen) => Held::take(directory, &options.place, &[chosen]),
        None => Held::take(directory, &options.place, BACKENDS),
    }
    .map_err(tell_missing)?;
    // Whatever the store was made with has been accepted, so it is in `BACKENDS`.
    let backend = held.made_with().or(options.backend).or(BACKENDS.first().copied());
    match backend {
        #[cfg(all(feature = "sled", feature = "redb"))]
        Some(RedbBackend::NAME) => {
            Ok(shared(held.open::<RedbBackend>(&options.redb, initial, &mut |_| {})?))
        }
        #[cfg(feature = "sled")]
        _ => Ok(shared(held.open::<SledBackend>(&options.sled, initial, &mut |_| {})?)),
        #[cfg(not(feature = "sled"))]
        _ => Ok(shared(held.open::<RedbBackend>(&options.redb, initial, &mut |_| {})?)),
    }
}

/// Another choice would not help where the store's backend is not there to be chosen.
fn tell_missing(error: OpenError) -> OpenError {
    match error {
        OpenError::WrongBackend { directory, made_with, .. } if !BACKENDS.contains(&made_with.as_str()) => {
            OpenError::NotBuiltIn { directory, made_with, built_in: BACKENDS.join(" ") }
        }
        other => other,
    }
}

fn shared<B: Backend>(opened: Opened<B>) -> Opened<Arc<dyn Backend>> {
    let Opened { backend, side_file, created } = opened;
    Opened { backend: Arc::new(backend), side_file, created }
}
