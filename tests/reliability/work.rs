//! What a child writes: operations, and the documents they make.

use std::collections::{BTreeMap, BTreeSet};

use pivotdb::DocumentId;
use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// A document's number in the id space of one thread. Its id and its collection follow from it.
pub(crate) type Slot = u32;

/// The collections, by the parity of the slot: the first is written through a typed handle, the second through an untyped one.
pub(crate) const COLLECTIONS: [&str; 2] = ["typed", "untyped"];
/// Where all threads write to one document.
pub(crate) const SHARED: &str = "shared";
pub(crate) const COUNTER: &str = "counter";
pub(crate) const KIND: &str = "item";

/// An operation of one thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Op {
    Insert {
        slot: Slot,
        size: u32,
    },
    Put {
        slot: Slot,
        size: u32,
    },
    Overwrite {
        slot: Slot,
        size: u32,
    },
    Replace {
        slot: Slot,
        size: u32,
    },
    Update {
        slot: Slot,
    },
    Patch {
        slot: Slot,
    },
    Delete {
        slot: Slot,
    },
    /// Slots `first`, `first + 2`, ... in one commit, under ids of the store's choice.
    Many {
        first: Slot,
        count: u32,
        size: u32,
    },
    /// The same in commits of the loader's choice.
    Bulk {
        first: Slot,
        count: u32,
        size: u32,
    },
    /// Several documents of both collections in one commit.
    Transaction {
        insert: [Slot; 2],
        size: u32,
        update: Option<Slot>,
        delete: Option<Slot>,
        count: bool,
    },
    /// Counts up this thread's number in the document all threads share.
    Shared,
    /// Makes a collection.
    Make {
        number: u64,
    },
    Flush,
}

/// What is known of a stored document: enough to say every byte of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doc {
    /// The operation that wrote the large part, and how large it is.
    pub(crate) pad: (u64, u32),
    pub(crate) last: u64,
    pub(crate) patched: Option<u64>,
    pub(crate) revision: u64,
    /// Whether the store has chosen its id.
    pub(crate) random_id: bool,
}

/// What one thread has written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) docs: BTreeMap<Slot, Doc>,
    pub(crate) shared: u64,
    pub(crate) made: BTreeSet<u64>,
}

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    pub(crate) thread: u32,
    pub(crate) slot: Slot,
    pub(crate) last: u64,
    pub(crate) pad: Pad,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) patched: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pad {
    pub(crate) op: u64,
    pub(crate) text: String,
}

impl Doc {
    fn new(op: u64, size: u32) -> Self {
        Self { pad: (op, size), last: op, patched: None, revision: 1, random_id: false }
    }

    pub(crate) fn item(&self, thread: u32, slot: Slot) -> Item {
        let (op, size) = self.pad;
        let pad = Pad { op, text: text(thread, slot, op, size) };
        Item { thread, slot, last: self.last, pad, patched: self.patched }
    }
}

impl Item {
    /// What is known of the stored value, if it is one that a thread has written.
    pub(crate) fn doc(&self, revision: u64, random_id: bool) -> Option<Doc> {
        let pad = (self.pad.op, u32::try_from(self.pad.text.len()).ok()?);
        let doc = Doc { pad, last: self.last, patched: self.patched, revision, random_id };
        (doc.item(self.thread, self.slot) == *self).then_some(doc)
    }
}

/// Text that cannot be mistaken for another one's.
fn text(thread: u32, slot: Slot, op: u64, size: u32) -> String {
    let mut rng = Rng::new(u64::from(thread) << 56 ^ u64::from(slot) << 28 ^ op);
    let mut text = String::with_capacity(size as usize);
    while text.len() < size as usize {
        for byte in rng.next().to_le_bytes() {
            text.push(char::from(b'A' + byte % 58));
        }
    }
    text.truncate(size as usize);
    text
}

pub(crate) fn collection(slot: Slot) -> &'static str {
    COLLECTIONS[slot as usize % 2]
}

pub(crate) fn made(thread: u32, number: u64) -> String {
    format!("made {thread} {number}")
}

/// Ids of every form, also such that their keys sort far apart.
pub(crate) fn id(thread: u32, slot: Slot) -> DocumentId {
    let number = i64::from(thread) << 32 | i64::from(slot);
    match slot % 16 / 2 {
        0 | 1 => DocumentId::from(number),
        2 => DocumentId::from(-number - 1),
        3 | 4 => {
            let mixed = u128::from(Rng::new(number.unsigned_abs()).next());
            DocumentId::from(uuid::Uuid::from_u128(mixed << 64 | u128::from(number.unsigned_abs())))
        }
        5 | 6 => DocumentId::from(format!("document {thread}/{slot}")),
        _ => DocumentId::from(format!("{}{thread}/{slot}", "\0long ".repeat(120))),
    }
}

impl Op {
    /// The documents it writes, in their order.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        match *self {
            Self::Insert { slot, .. }
            | Self::Put { slot, .. }
            | Self::Overwrite { slot, .. }
            | Self::Replace { slot, .. }
            | Self::Update { slot }
            | Self::Patch { slot }
            | Self::Delete { slot } => vec![slot],
            Self::Many { first, count, .. } | Self::Bulk { first, count, .. } => {
                (0..count).map(|n| first + 2 * n).collect()
            }
            Self::Transaction { insert, update, delete, .. } => {
                insert.into_iter().chain(update).chain(delete).collect()
            }
            Self::Shared | Self::Make { .. } | Self::Flush => Vec::new(),
        }
    }
}

impl Model {
    /// Makes the changes of `op`, of which a bulk load's documents are made one by one: `only` these slots.
    pub(crate) fn apply(&mut self, number: u64, op: &Op, only: &[Slot]) {
        match *op {
            Op::Shared | Op::Transaction { count: true, .. } => self.shared += 1,
            _ => {}
        }
        match *op {
            Op::Shared => {}
            Op::Make { number } => drop(self.made.insert(number)),
            Op::Flush => {}
            _ => {
                for &slot in only {
                    match self.doc_after(number, op, slot) {
                        Some(doc) => self.docs.insert(slot, doc),
                        None => self.docs.remove(&slot),
                    };
                }
            }
        }
    }

    fn doc_after(&self, number: u64, op: &Op, slot: Slot) -> Option<Doc> {
        let before = self.docs.get(&slot).copied();
        let revision = before.map_or(0, |doc| doc.revision) + 1;
        match *op {
            Op::Insert { size, .. }
            | Op::Put { size, .. }
            | Op::Overwrite { size, .. }
            | Op::Bulk { size, .. } => {
                let random_id = before.is_some_and(|doc| doc.random_id);
                Some(Doc { revision, random_id, ..Doc::new(number, size) })
            }
            Op::Many { size, .. } => Some(Doc { random_id: true, ..Doc::new(number, size) }),
            Op::Replace { size, .. } => Some(Doc { pad: (number, size), last: number, revision, ..before? }),
            Op::Update { .. } => Some(Doc { last: number, revision, ..before? }),
            Op::Patch { .. } => Some(Doc { last: number, patched: Some(number), revision, ..before? }),
            Op::Delete { .. } => None,
            Op::Transaction { delete, .. } if delete == Some(slot) => None,
            Op::Transaction { update, .. } if update == Some(slot) => {
                Some(Doc { last: number, revision, ..before? })
            }
            Op::Transaction { size, .. } => Some(Doc::new(number, size)),
            Op::Shared | Op::Make { .. } | Op::Flush => before,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.docs.values().map(|doc| u64::from(doc.pad.1) + 200).sum()
    }

    fn fresh(&self) -> Slot {
        self.docs.keys().next_back().map_or(0, |slot| slot + 1)
    }
}

/// What kind of work a child does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mix {
    /// The sizes documents have, each as often as it is here.
    pub(crate) sizes: Vec<u32>,
    /// A thread deletes once its documents have this many bytes.
    pub(crate) bytes: u64,
    /// How many of a hundred operations are batches.
    pub(crate) batches: u64,
    /// Whether it only adds.
    pub(crate) grow: bool,
}

/// The next operation of a thread whose documents are `model`.
pub(crate) fn next(rng: &mut Rng, model: &Model, number: u64, mix: &Mix) -> Op {
    let size = {
        let size = rng.pick(&mix.sizes);
        size / 2 + u32::try_from(rng.below(u64::from(size))).expect("fits")
    };
    let existing: Option<Slot> = {
        let from = u32::try_from(rng.below(u64::from(model.fresh()) + 1)).expect("fits");
        model.docs.range(from..).chain(&model.docs).next().map(|(slot, _)| *slot)
    };
    // Mostly a new slot, sometimes one that has been given back.
    let free = || {
        let gap = (0..model.fresh()).find(|slot| !model.docs.contains_key(slot));
        gap.unwrap_or_else(|| model.fresh())
    };
    let new = if rng.percent(30) { free() } else { model.fresh() };
    if let (Some(slot), false) = (existing, mix.grow)
        && model.bytes() > mix.bytes
    {
        return Op::Delete { slot };
    }
    if rng.percent(mix.batches) {
        let first = model.fresh();
        let most = (1_000_000 / u64::from(size)).clamp(2, 400);
        let most = if rng.percent(20) { most } else { most.min(12) };
        let count = u32::try_from(rng.between(1, most) + 1).expect("fits");
        return if rng.percent(30) {
            Op::Bulk { first, count: count * 2, size }
        } else {
            Op::Many { first, count, size }
        };
    }
    let Some(slot) = existing.filter(|_| !mix.grow || rng.percent(20)) else {
        return Op::Insert { slot: new, size };
    };
    match rng.below(100) {
        0..25 => Op::Insert { slot: new, size },
        25..35 => Op::Put { slot: if rng.percent(50) { slot } else { new }, size },
        35..42 => Op::Overwrite { slot: if rng.percent(70) { slot } else { new }, size },
        42..50 => Op::Replace { slot, size },
        50..64 => Op::Update { slot },
        64..70 => Op::Patch { slot },
        70..84 => Op::Delete { slot },
        84..91 => Op::Shared,
        91..92 => Op::Make { number },
        92..95 => {
            let other = model.docs.keys().copied().find(|other| *other != slot);
            let first = model.fresh();
            let delete = other.filter(|_| !mix.grow);
            Op::Transaction {
                insert: [first, first + 1],
                size,
                update: Some(slot),
                delete,
                count: first.is_multiple_of(3),
            }
        }
        95..97 => Op::Flush,
        _ => Op::Insert { slot: new, size: 60 },
    }
}
