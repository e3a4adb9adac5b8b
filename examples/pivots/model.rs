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
    /// The program that is running cannot be shown the document: `body` is in the shape of the next program.
    pub(crate) unreadable: bool,
}

impl Model {
    /// Migrates every document to program `number`, from the one before.
    pub(crate) fn up(&mut self, number: usize) {
        for expected in self.documents.values_mut() {
            if !std::mem::take(&mut expected.unreadable) {
                eager::up(number, expected.kind, &mut expected.body);
            }
        }
    }

    /// Migrates every document back, from program `number` to the one before; except for those stored at `unreadable` or later.
    pub(crate) fn down(&mut self, number: usize, unreadable: u32) {
        for expected in self.documents.values_mut() {
            expected.unreadable = expected.schema_version >= unreadable;
            if !expected.unreadable {
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
