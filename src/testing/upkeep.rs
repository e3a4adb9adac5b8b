//! Indexes that are not kept up as they should be, on purpose: what tests of indexes must catch, lest they show nothing.

use crate::index::rules;
use crate::store::store::Store;

/// A rule by which indexes are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A write removes the entries that the document had.
    OldEntries,
    /// A write works them out from the shape in which the document was stored.
    OldStamp,
    /// A write enters the document also while the index is being built.
    Writers,
    /// Readers leave out the entries beyond the frontier of a build.
    Frontier,
    /// A build commits only where the documents that it has read are as it has read them.
    Validation,
    /// That a program cannot keep an index up is recorded before the first write that does not.
    Record,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::OldEntries, Self::OldStamp, Self::Writers, Self::Frontier, Self::Validation, Self::Record];

    const fn inner(self) -> rules::Rule {
        match self {
            Self::OldEntries => rules::Rule::OldEntries,
            Self::OldStamp => rules::Rule::OldStamp,
            Self::Writers => rules::Rule::Writers,
            Self::Frontier => rules::Rule::Frontier,
            Self::Validation => rules::Rule::Validation,
            Self::Record => rules::Rule::Record,
        }
    }
}

/// Breaks a rule for as long as the store is open, for the indexes that it has and those that it gets.
///
/// ```
/// use pivotdb::testing::upkeep::{Rule, break_rule};
/// use pivotdb::{Damage, Index, Store, Verify};
/// use serde_json::json;
///
/// let store = Store::memory()?;
/// break_rule(&store, Rule::OldEntries);
/// let things = store.documents("things")?;
/// things.create_index(&Index::on("n"))?;
/// things.insert_with_id(1, &json!({"n": 1}))?;
/// things.put(1, &json!({"n": 2}))?;
/// let verified = Verify::new(&store).run()?;
/// assert_eq!(verified.findings[0].damage(), Damage::Index);
/// # Ok::<(), pivotdb::Error>(())
/// ```
pub fn break_rule(store: &Store, rule: Rule) {
    let indexes = &store.inner().indexes;
    indexes.rules.break_one(rule.inner());
    indexes.all().iter().for_each(|generation| generation.live.rules.follow(&indexes.rules));
}
