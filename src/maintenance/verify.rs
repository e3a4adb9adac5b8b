//! Holding everything that is derived against what it is derived from.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::catalog::entry;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::validate::validate;
use crate::encoding::key::catalog::CatalogKey;
use crate::encoding::key::census::CensusKey;
use crate::encoding::key::document::{self, DocumentKey, chunk_key};
use crate::encoding::key::space::{self, META_KEY, Space};
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::evolution::notes::OpenComplement;
use crate::maintenance::audit::Audit;
use crate::maintenance::finding::{Damage, Finding};
use crate::maintenance::ledger::Ledger;
use crate::maintenance::progress::{Progress, Reporter, Turn};
use crate::storage::backend::KeyRange;
use crate::storage::bytes::Bytes;
use crate::storage::commit::digest::StateDigest;
use crate::storage::commit::meta::Meta;
use crate::store::store::Store;
use crate::stored::entries::Entries;
use crate::stored::record::Record;
use crate::stored::state::{Held, State as _};

/// How many findings are kept unless something else is asked for.
const FINDINGS: usize = 1000;

/// Reads a whole store and looks for damage: every checksum and every body; key count and state digest against the meta key, by which a
/// lost page or a half commit shows that leaves every record intact; the census against a count; the catalog against itself and the
/// documents; indexes against the documents; and what the medium has beside keys and values.
///
/// All of one state, while others read and write. It repairs nothing. Costs a read of everything, and memory for a page, the catalog and what others overwrite
/// meanwhile.
///
/// ```
/// # use pivotdb::{Store, Verify};
/// # use serde_json::json;
/// # let store = Store::memory()?;
/// store.documents("notes")?.insert(&json!("all is well"))?;
/// let verified = Verify::new(&store).run()?;
/// assert!(verified.is_sound());
/// assert_eq!(verified.documents, 1);
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is verified before run"]
pub struct Verify<'a> {
    store: Store,
    at_most: usize,
    reporter: Reporter<'a>,
}

/// What a verification has come to.
#[non_exhaustive]
#[derive(Debug, Default)]
pub struct Verified {
    /// The last commit that was looked at.
    pub sequence: u64,
    /// Keys; the meta key is not counted.
    pub keys: u64,
    /// The bytes of those keys and of their values.
    pub bytes: u64,
    /// Documents, damaged ones too.
    pub documents: u64,
    /// The damage that was found, in the order of keys; what concerns no key of its own comes last.
    pub findings: Vec<Finding>,
    /// How many findings more there were than were to be kept.
    pub omitted: u64,
}

impl Verified {
    /// Whether there is no damage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.omitted == 0
    }

    fn found(&mut self, at_most: usize, finding: Finding) {
        if self.findings.len() < at_most {
            self.findings.push(finding);
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }
}

impl<'a> Verify<'a> {
    /// Of the whole store.
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), at_most: FINDINGS, reporter: Reporter::default() }
    }

    /// Keeps up to so many findings; the others are counted. Default: 1,000.
    pub fn at_most(mut self, findings: usize) -> Self {
        self.at_most = findings;
        self
    }

    /// Calls `progress` every few hundred documents; when that breaks, the verification ends with `Cancelled`.
    pub fn progress(mut self, progress: impl FnMut(Progress) -> ControlFlow<()> + 'a) -> Self {
        self.reporter = Reporter::new(progress);
        self
    }

    /// Does it. Damage is no error: it is what the report is for.
    ///
    /// # Errors
    /// `Cancelled`; `SnapshotExpired`; `Closed`; what the medium answers where it cannot be read at all.
    pub fn run(self) -> Result<Verified> {
        let inner = self.store.inner();
        inner.insiders.check_outside()?;
        let (snapshot, meta) = inner.engine.snapshot_with_meta();
        let held = Held::Snapshot(Arc::new(snapshot));
        let stored_meta = held.get(&META_KEY)?;
        let mut verification = Verification {
            entries: Tally::of(&held),
            audit: Audit::new(&held, inner)?,
            ledger: Ledger::default(),
            at_most: self.at_most,
            verified: Verified { sequence: meta.sequence, ..Verified::default() },
            reporter: self.reporter,
            turn: Turn::default(),
        };
        verification.scan()?;
        verification.conclude(&meta, stored_meta.as_ref());
        for flaw in inner.engine.inspect()? {
            let error = Error::new(ErrorKind::Corrupt, "the medium is not as it must be");
            verification.found(Damage::Medium, error.with_detail("found", flaw));
        }
        Ok(verification.verified)
    }
}

/// Entries, added up as they are taken.
struct Tally<'s> {
    entries: Entries<'s>,
    keys: u64,
    bytes: u64,
    digest: StateDigest,
}

impl<'s> Tally<'s> {
    fn of(held: &'s Held) -> Self {
        Self {
            entries: Entries::new(held, KeyRange::all()),
            keys: 0,
            bytes: 0,
            digest: StateDigest::default(),
        }
    }

    fn next_if(&mut self, is_it: impl FnOnce(&[u8]) -> bool) -> Result<Option<(Bytes, Bytes)>> {
        let entry = self.entries.next_if(is_it)?;
        if let Some((key, value)) = &entry
            && **key != META_KEY
        {
            self.keys = self.keys.saturating_add(1);
            self.bytes = self.bytes.saturating_add(key.len() as u64).saturating_add(value.len() as u64);
            self.digest.add(key, value);
        }
        Ok(entry)
    }
}

struct Verification<'s, 'a> {
    entries: Tally<'s>,
    audit: Audit<'s>,
    ledger: Ledger,
    at_most: usize,
    verified: Verified,
    reporter: Reporter<'a>,
    turn: Turn,
}

impl Verification<'_, '_> {
    fn scan(&mut self) -> Result<()> {
        let mut told = 0;
        while let Some((key, value)) = self.entries.next_if(|_| true)? {
            match space::parse(&key) {
                Ok((Space::Meta, _)) => {}
                Ok((Space::Catalog, _)) => self.catalog(&key, &value)?,
                Ok((Space::Census, _)) => self.counter(&key, &value),
                Ok((Space::Documents, _)) => self.document(&key, &value)?,
                Ok((space, _)) => {
                    if let Err(error) = self.audit.key(space, &key, &value) {
                        self.found(Damage::Index, error.with_detail("key", key.escape_ascii()));
                    }
                }
                Err(error) => self.malformed_key(&key, error.into()),
            }
            let more = self.entries.bytes.saturating_sub(told);
            told = self.entries.bytes;
            if self.turn.has_come(more) {
                self.reporter.tell(Progress { documents: self.verified.documents, bytes: told })?;
            }
        }
        Ok(())
    }

    fn conclude(&mut self, meta: &Meta, stored: Option<&Bytes>) {
        let Tally { keys, bytes, digest, .. } = self.entries;
        (self.verified.keys, self.verified.bytes) = (keys, bytes);
        let ledger = std::mem::take(&mut self.ledger);
        self.audit.conclude(|finding| self.verified.found(self.at_most, finding));
        ledger.compare(|finding| self.verified.found(self.at_most, finding));
        if keys != meta.keys {
            let error = Error::new(ErrorKind::Corrupt, "keys are missing, or have come back");
            self.found(Damage::Content, error.with_detail("committed", meta.keys).with_detail("found", keys));
        }
        if digest != meta.digest {
            let error = Error::new(ErrorKind::Corrupt, "keys and values are not those that were committed");
            self.found(Damage::Content, error);
        }
        match stored.map(|value| Meta::decode(value)) {
            // Another commit may have been made since the snapshot was taken.
            Some(Some(stored)) if stored.sequence > meta.sequence || stored == *meta => {}
            Some(Some(stored)) => {
                let error = Error::new(ErrorKind::Corrupt, "the meta key is not that of the last commit");
                let error = error.with_detail("sequence", stored.sequence);
                self.found(Damage::Meta, error.with_detail("committed", meta.sequence));
            }
            Some(None) => {
                self.found(Damage::Meta, Error::new(ErrorKind::Corrupt, "the meta key is damaged"));
            }
            None => self.found(Damage::Meta, Error::new(ErrorKind::Corrupt, "the meta key is missing")),
        }
    }

    fn catalog(&mut self, key: &Bytes, value: &Bytes) -> Result<()> {
        let (entry, chunk) = match CatalogKey::parse(key) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.malformed_key(key, error.into());
                return Ok(());
            }
        };
        let named = |error: Error| error.with_detail("entry", format!("{entry:?}"));
        if chunk > 0 {
            return self.headless(key, named);
        }
        if let CatalogKey::Generation(number) = entry {
            // Also where it is damaged: of its keys that need not be said as well.
            self.audit.enter(number);
        }
        let Some(record) = self.record(key, value, named)? else { return Ok(()) };
        match entry::open(&record) {
            Ok(content) => {
                if let Err(finding) = self.ledger.enter(entry, &content) {
                    self.verified.found(self.at_most, finding);
                }
            }
            Err(error) => self.found(Damage::Catalog, named(error.into())),
        }
        Ok(())
    }

    fn counter(&mut self, key: &Bytes, value: &Bytes) {
        match CensusKey::parse(key) {
            Ok(counter) => {
                if let Err(finding) = self.ledger.enter_counter(counter, value) {
                    self.verified.found(self.at_most, finding);
                }
            }
            Err(error) => self.malformed_key(key, error.into()),
        }
    }

    fn document(&mut self, key: &Bytes, value: &Bytes) -> Result<()> {
        let DocumentKey { collection, id, chunk, .. } = match document::parse(key) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.malformed_key(key, error.into());
                return Ok(());
            }
        };
        let name = self.ledger.collection(collection);
        let named = |error: Error| error.with_collection(&name).with_id(&id);
        if chunk > 0 {
            return self.headless(key, named);
        }
        self.verified.documents = self.verified.documents.saturating_add(1);
        let record = self.record(key, value, named)?;
        let (verified, at_most) = (&mut self.verified, self.at_most);
        self.audit
            .document(collection, &id, record.as_ref(), &mut |finding| verified.found(at_most, finding))?;
        let Some(record) = record else { return Ok(()) };
        let counter = CensusKey { collection, kind: record.header.kind, stamp: record.header.stamp };
        if let Err(finding) = self.ledger.count(counter) {
            self.found(finding.damage(), named(finding.into_error()));
        }
        let body = validate(record.body(), Limits::default()).map(drop);
        let complement = OpenComplement::read(record.complement()).map(drop);
        for error in [body, complement].into_iter().filter_map(Result::err) {
            self.found(Damage::Body, named(error.into()));
        }
        Ok(())
    }

    /// The record whose head is at `key`, put together from the entries that follow; `None` where it is damaged.
    fn record(
        &mut self,
        key: &Bytes,
        value: &Bytes,
        named: impl Fn(Error) -> Error,
    ) -> Result<Option<Record>> {
        let mut unreadable = None;
        let record = Record::from_chunks(key, value, |number| {
            let expected = chunk_key(key, number);
            let chunk = self.entries.next_if(|next| *next == *expected).unwrap_or_else(|error| {
                unreadable = Some(error);
                None
            });
            Ok::<_, Error>(chunk.map(|(_, value)| value))
        });
        if let Some(error) = unreadable {
            return Err(error);
        }
        let surplus = self.skip_chunks(key)?;
        match record {
            Ok(record) => {
                if surplus > 0 {
                    let error =
                        Error::new(ErrorKind::Corrupt, "a record has chunks that do not belong to it");
                    self.found(Damage::Record, named(error).with_detail("chunks", surplus));
                }
                Ok(Some(record))
            }
            Err(error) => {
                self.found(Damage::Record, named(error));
                Ok(None)
            }
        }
    }

    /// The chunk at `key`, and those after it, follow no head.
    fn headless(&mut self, key: &Bytes, named: impl Fn(Error) -> Error) -> Result<()> {
        let head = key.split_last_chunk::<4>().map(|(head, _)| head).unwrap_or_default();
        let chunks = self.skip_chunks(head)?.saturating_add(1);
        let error = Error::new(ErrorKind::Corrupt, "chunks of a record have no head");
        self.found(Damage::Record, named(error).with_detail("chunks", chunks));
        Ok(())
    }

    /// Takes the chunks of the record at `head` that come next, and gives how many.
    fn skip_chunks(&mut self, head: &[u8]) -> Result<u64> {
        let mut chunks = 0_u64;
        while self.entries.next_if(|next| is_chunk_of(head, next))?.is_some() {
            chunks = chunks.saturating_add(1);
        }
        Ok(chunks)
    }

    fn malformed_key(&mut self, key: &Bytes, error: Error) {
        self.found(Damage::Key, error.with_detail("key", key.escape_ascii()));
    }

    fn found(&mut self, damage: Damage, error: Error) {
        self.verified.found(self.at_most, Finding::new(damage, error));
    }
}

/// The number of a chunk has four bytes, the first of which is zero: a longer name in the catalog, or another id, goes on otherwise.
fn is_chunk_of(head: &[u8], key: &[u8]) -> bool {
    key.strip_prefix(head).is_some_and(|number| matches!(number, [0, _, _, _]))
}
