//! What must be in the store, kept beside it.

use std::collections::BTreeMap;

use pivotdb::DocumentId;
use serde_json::{Map, Value};

use crate::eager::{self, Kind};

/// Every document, in the shape of the program that is running.
pub(crate) struct Model {
    pub(crate) documents: BTreeMap<DocumentId, Expected>,
}

/// A document as it must be.
pub(crate) struct Expected {
    pub(crate) kind: Kind,
    pub(crate) body: Map<String, Value>,
    /// Of the program that wrote it last.
    pub(crate) schema_version: u32,
    pub(crate) revision: u64,
    /// While an earlier program runs: what the newest program must see again, and with it what the earlier one's shape has no room for.
    pub(crate) newest: Option<Map<String, Value>>,
    /// The program that is running cannot be shown the document.
    pub(crate) unreadable: bool,
}

impl Model {
    /// Migrates every document to program `number`: from the one before, or from wherever it was rolled back to.
    pub(crate) fn up(&mut self, number: usize) {
        for expected in self.documents.values_mut() {
            expected.unreadable = false;
            match expected.newest.take() {
                Some(newest) => expected.body = newest,
                None => eager::up(number, expected.kind, &mut expected.body),
            }
        }
    }

    /// Rolls every document back from program `from` to program `to`; except for those that are `unreadable` there.
    pub(crate) fn down(&mut self, from: usize, to: usize, unreadable: fn(&Expected) -> bool) {
        for expected in self.documents.values_mut() {
            expected.newest = Some(expected.body.clone());
            expected.unreadable = unreadable(expected);
            for number in (to + 1..=from).rev() {
                eager::down(number, expected.kind, &mut expected.body);
            }
        }
    }

    /// The document at `position` among those of its kind.
    pub(crate) fn nth(&mut self, kind: Kind, position: usize) -> Option<(DocumentId, &mut Expected)> {
        let mut of_kind = self.documents.iter_mut().filter(|(_, expected)| expected.kind == kind);
        of_kind.nth(position).map(|(id, expected)| (id.clone(), expected))
    }
}
