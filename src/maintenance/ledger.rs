//! What a verification learns of catalog and census on its way, and holds against each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::encoding::key::catalog::CatalogKey;
use crate::encoding::key::census::CensusKey;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::fingerprint;
use crate::maintenance::finding::{Damage, Finding};
use crate::model::name;
use crate::model::stamp::{Fingerprint, Stamp};

/// Catalog and census as they are stored, and the documents as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    collections: BTreeMap<u32, String>,
    kinds: BTreeMap<u32, String>,
    steps: BTreeMap<(u32, Stamp), Fingerprint>,
    stored: BTreeMap<CensusKey, i64>,
    counted: BTreeMap<CensusKey, i64>,
}

impl Ledger {
    /// Notes an entry of the catalog. Kinds are noted before steps, as their keys sort so.
    pub(crate) fn enter(&mut self, key: CatalogKey<'_>, entry: &Value) -> Result<(), Finding> {
        match key {
            CatalogKey::Collection(name) => enter_name(&mut self.collections, name, entry)
                .map_err(|error| catalog(error.with_collection(name))),
            CatalogKey::Kind(name) => enter_name(&mut self.kinds, name, entry)
                .map_err(|error| catalog(error.with_document_kind(name))),
            CatalogKey::Generation(_) => Ok(()),
            CatalogKey::Step { kind, stamp } => self.enter_step(kind, stamp, entry).map_err(|error| {
                let name = self.kinds.get(&kind).map_or_else(|| format!("number {kind}"), Clone::clone);
                catalog(error.with_document_kind(&name).with_stamp(stamp))
            }),
        }
    }

    fn enter_step(&mut self, kind: u32, stamp: Stamp, entry: &Value) -> Result<(), Error> {
        let parent = entry.get("parent").and_then(Value::as_str);
        let parent = parent.and_then(|parent| u64::from_str_radix(parent, 16).ok()).map(Fingerprint::new);
        let (Some(parent), Some(step)) = (parent, entry.get("step")) else { return Err(malformed()) };
        self.steps.insert((kind, stamp), parent);
        let Some(name) = self.kinds.get(&kind) else {
            return Err(corrupt("a step is of a kind that is not in the catalog"));
        };
        let before = Stamp { schema_version: stamp.schema_version.saturating_sub(1), fingerprint: parent };
        if fingerprint::after(before, step) != stamp {
            return Err(corrupt("a step has another fingerprint"));
        }
        // A stamp sorts after those with fewer steps, so the parent has been entered.
        if before != fingerprint::root(name) && !self.steps.contains_key(&(kind, before)) {
            return Err(corrupt("the step before a step is not in the catalog"));
        }
        Ok(())
    }

    /// Notes a counter.
    pub(crate) fn enter_counter(&mut self, key: CensusKey, value: &[u8]) -> Result<(), Finding> {
        let count = value.try_into().map(i64::from_le_bytes).ok().filter(|count| *count > 0);
        let Some(count) = count else {
            let error = corrupt("a counter is not a number above zero");
            return Err(Finding::new(Damage::Census, self.name_counter(error, key)));
        };
        self.stored.insert(key, count);
        Ok(())
    }

    /// Counts a document.
    pub(crate) fn count(&mut self, key: CensusKey) -> Result<(), Finding> {
        let count = self.counted.entry(key).or_default();
        *count = count.saturating_add(1);
        let missing = if !self.collections.contains_key(&key.collection) {
            "a document is in a collection that is not in the catalog"
        } else if let Some(kind) = self.kinds.get(&key.kind) {
            if key.stamp == fingerprint::root(kind) || self.steps.contains_key(&(key.kind, key.stamp)) {
                return Ok(());
            }
            "a document has a stamp that is not in the catalog"
        } else {
            "a document is of a kind that is not in the catalog"
        };
        Err(catalog(self.name_counter(corrupt(missing), key)))
    }

    /// The name of a collection.
    pub(crate) fn collection(&self, number: u32) -> String {
        self.collections.get(&number).map_or_else(|| format!("number {number}"), Clone::clone)
    }

    /// Holds the census against the count.
    pub(crate) fn compare(&self, mut found: impl FnMut(Finding)) {
        let counters: BTreeSet<&CensusKey> = self.stored.keys().chain(self.counted.keys()).collect();
        for key in counters {
            let stored = self.stored.get(key).copied().unwrap_or_default();
            let counted = self.counted.get(key).copied().unwrap_or_default();
            if stored != counted {
                let error = corrupt("a counter is not the number of documents")
                    .with_detail("stored", stored)
                    .with_detail("counted", counted);
                found(Finding::new(Damage::Census, self.name_counter(error, *key)));
            }
        }
    }

    fn name_counter(&self, error: Error, key: CensusKey) -> Error {
        let kind = self.kinds.get(&key.kind).map_or_else(|| format!("number {}", key.kind), Clone::clone);
        error
            .with_collection(&self.collection(key.collection))
            .with_document_kind(&kind)
            .with_stamp(key.stamp)
    }
}

fn enter_name(names: &mut BTreeMap<u32, String>, name: &str, entry: &Value) -> Result<(), Error> {
    let number = entry.get("number").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| *number > 0).ok_or_else(malformed)?;
    if let Some(other) = names.insert(number, name.to_owned()) {
        return Err(corrupt("two names have one number")
            .with_detail("number", number)
            .with_detail("other", format!("{other:?}")));
    }
    match name::flaw(name) {
        Some(flaw) => Err(corrupt("a name cannot be one").with_detail("because", flaw)),
        None => Ok(()),
    }
}

fn catalog(error: Error) -> Finding {
    Finding::new(Damage::Catalog, error)
}

fn malformed() -> Error {
    corrupt("a catalog entry is malformed")
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}
