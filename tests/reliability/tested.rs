//! Which backends the harnesses run on, one after the other.

use crate::backends::{BACKENDS, Tested};

/// Those that keep stores on disk; of these only the one that `PIVOTDB_BACKEND` names, where that is set.
pub(crate) fn on_disk() -> Vec<Tested> {
    let only = std::env::var("PIVOTDB_BACKEND").ok();
    let wanted = |backend: &&Tested| only.as_deref().is_none_or(|only| only == backend.name);
    let on_disk = BACKENDS.iter().filter(|backend| backend.entry.is_some());
    let backends: Vec<Tested> = on_disk.filter(wanted).copied().collect();
    assert!(!backends.is_empty(), "this build has no backend {only:?} that keeps stores on disk");
    backends
}

/// What the lines of a harness begin with. Of the default backend it is not said.
pub(crate) fn line(harness: &str, backend: Tested) -> String {
    if is_default(backend) { harness.to_owned() } else { format!("{harness} {}", backend.name) }
}

/// How many runs of a harness are usual: as many as are asked of the default backend, or fewer.
pub(crate) fn usual(backend: Tested, of_default: u64, of_others: u64) -> u64 {
    if is_default(backend) { of_default } else { of_others }
}

pub(crate) fn is_default(backend: Tested) -> bool {
    backend.name == "sled"
}

/// A backend in what a child is told: its name.
pub(crate) mod by_name {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::backends::{BACKENDS, Tested};

    pub(crate) fn serialize<S: Serializer>(backend: &Tested, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(backend.name)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tested, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = BACKENDS.iter().find(|backend| backend.name == name).copied();
        found.ok_or_else(|| D::Error::custom(format!("this build has no backend {name:?}")))
    }
}
