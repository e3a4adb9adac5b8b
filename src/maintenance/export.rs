//! Writing documents out as lines of JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use serde_json::Value;

use crate::catalog::catalog::Catalog;
use crate::encoding::body::raw::Raw;
use crate::encoding::key::census::{self, CensusKey};
use crate::encoding::key::document::collection_span;
use crate::encoding::key::space::{Space, Span};
use crate::encoding::text::error::PrintError;
use crate::encoding::text::print::print;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::index::declare::are_of_one;
use crate::index::generation::Generation;
use crate::index::state::IndexState;
use crate::maintenance::full;
use crate::maintenance::progress::{Progress, Reporter, Turn};
use crate::model::id::DocumentId;
use crate::record::view::View;
use crate::storage::backend::{Direction, KeyRange};
use crate::storage::commit::watch::Watch;
use crate::store::collection::Collection;
use crate::store::inner::Inner;
use crate::store::store::Store;
use crate::stored::entries::Entries;
use crate::stored::kept::Kept;
use crate::stored::record::Record;
use crate::stored::scan::{Found, Scan};
use crate::stored::state::Held;

const BUFFER: usize = 64 * 1024;

/// Writes documents out as lines of JSON (NDJSON), exactly, in the order of their ids, all of one state of the store: that of the snapshot or transaction where the
/// collection is taken from [one](crate::Snapshot::on).
///
/// The *plain* form, the default for a collection, has a document's body on each line, as this program sees it. The
/// [*full*](Self::full) form has everything that is stored, so that an [import](crate::Import) makes the same documents of it.
/// Both are told in [the documentation of NDJSON](crate::documentation::ndjson).
///
/// Costs memory for one document, and for what others overwrite meanwhile, up to the [bound](crate::Builder::overlay_limit) of the store. Once that
/// is half used, what is left to be exported is copied, as it is stored, to a file without a name in the system's directory for
/// temporary files, readable by this user only; and the export goes on from there, as slowly as `out` likes. A thread of its own waits to do that. Others' commits wait for
/// it where they would overwrite more than the bound before all is copied, at most for three seconds; they never wait for `out` and for the
/// callback. If that is not enough, as for a store of many gigabytes, each document of which is being overwritten, the export fails with
/// `SnapshotExpired`; then a higher bound helps. An export out of a [transaction](crate::Transaction::on) has its state for as long as the transaction has.
///
/// ```
/// # use pivotdb::{Export, Store};
/// # use serde_json::json;
/// # let store = Store::memory()?;
/// let users = store.documents("users")?;
/// users.insert_with_id(7, &json!({"name": "Ada"}))?;
/// let mut text = Vec::new();
/// assert_eq!(Export::new(&users).write_to(&mut text)?.documents, 1);
/// assert_eq!(text, b"{\"name\":\"Ada\"}\n");
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is exported before write_to"]
pub struct Export<'a> {
    source: Source,
    full: bool,
    skip_errors: usize,
    reporter: Reporter<'a>,
}

#[derive(Debug)]
enum Source {
    Collection(Collection<Value>),
    Store(Store),
}

/// What has been exported.
#[non_exhaustive]
#[derive(Debug, Default)]
pub struct Exported {
    /// How many documents.
    pub documents: u64,
    /// How many bytes of text.
    pub bytes: u64,
    /// Why documents were left out; see [`Export::skip_errors`].
    pub errors: Vec<Error>,
}

impl<'a> Export<'a> {
    /// Of the documents that the collection sees: of one kind where it is typed.
    pub fn new<T>(collection: &Collection<T>) -> Self {
        Self::of(Source::Collection(collection.read_as()), false)
    }

    /// Of the whole store, in the full form.
    pub fn store(store: &Store) -> Self {
        Self::of(Source::Store(store.clone()), true)
    }

    fn of(source: Source, full: bool) -> Self {
        Self { source, full, skip_errors: 0, reporter: Reporter::default() }
    }

    /// In the full form: each document with its id, kind, stamp, revision and times, and its body as it is stored; and
    /// before them the kinds and steps they rest on, after them the indexes that were made by calls.
    pub fn full(mut self) -> Self {
        self.full = true;
        self
    }

    /// Leaves up to so many documents out that cannot be brought into the program's shape, or are damaged, and tells why in
    /// [`Exported::errors`]. Otherwise the first one ends the export.
    pub fn skip_errors(mut self, at_most: usize) -> Self {
        self.skip_errors = at_most;
        self
    }

    /// Calls `progress` every few hundred documents; when that breaks, the export ends with `Cancelled`.
    pub fn progress(mut self, progress: impl FnMut(Progress) -> ControlFlow<()> + 'a) -> Self {
        self.reporter = Reporter::new(progress);
        self
    }

    /// Does it. `out` is written to in large pieces, and flushed at the end.
    ///
    /// # Errors
    /// `Io` or `OutOfSpace` when `out` fails, or the file for what is overwritten meanwhile; `Cancelled`, `SnapshotExpired`; `Corrupt` for a document that is damaged, and in the full form where
    /// the catalog is damaged in what the documents rest on; in the plain form
    /// `StepFailed` or `HistoryDiverged` for one that cannot be brought into the program's shape.
    pub fn write_to(self, out: impl Write) -> Result<Exported> {
        let Self { source, full, skip_errors, reporter } = self;
        let out = BufWriter::with_capacity(BUFFER, out);
        let mut writer =
            Writer { out, reporter, turn: Turn::default(), skip_errors, exported: Exported::default() };
        // Before the snapshot, so that none of its images is lost before somebody cares.
        let watch = match &source {
            Source::Collection(collection) => collection.inner.engine.watch(),
            Source::Store(store) => store.inner().engine.watch(),
        };
        match (source, full) {
            (Source::Collection(collection), false) => {
                let held = collection.state()?;
                let (sequence, span) = (held.sequence()?, collection_span(collection.number));
                beside_writers(watch, held, span, |scan| {
                    collection.wait_durable(sequence)?;
                    writer.plain(&collection, scan)
                })?;
            }
            (Source::Collection(collection), true) => {
                let held = collection.state()?;
                let names = Names::of_collection(&held, &collection)?;
                let (sequence, span) = (held.sequence()?, collection_span(collection.number));
                beside_writers(watch, held, span, |scan| {
                    collection.wait_durable(sequence)?;
                    writer.full(&names, scan)
                })?;
            }
            (Source::Store(store), _) => {
                let inner = store.inner();
                inner.insiders.check_outside()?;
                let held = Held::Snapshot(Arc::new(inner.engine.snapshot()));
                let names = Names::of_store(&held, inner)?;
                let span = Space::Documents.span();
                beside_writers(watch, held, span, |scan| writer.full(&names, scan))?;
            }
        }
        writer.out.flush().map_err(PrintError::Io)?;
        Ok(writer.exported)
    }
}

/// Runs `export` on the documents of `span`. Those of a snapshot stay however much is overwritten meanwhile: a thread copies what is left of
/// them to a scratch file once they might go, and commits wait for that thread if they must, never for `export`, in which a user's code runs.
fn beside_writers(
    watch: Watch,
    held: Held,
    span: Span,
    export: impl FnOnce(Scan) -> Result<()>,
) -> Result<()> {
    let Held::Snapshot(snapshot) = held else {
        drop(watch);
        return export(Scan::new(held, span, Direction::Forward)?);
    };
    let range = KeyRange { start: span.start, end: Some(span.end) };
    let kept = &Arc::new(Kept::new(watch, snapshot, range, std::env::temp_dir()));
    thread::scope(|scope| {
        // However this is left.
        let _ends = Ends(kept);
        let copier = thread::Builder::new().name("pivotdb-export".to_owned());
        if copier.spawn_scoped(scope, || kept.guard()).is_err() {
            kept.copy();
        }
        export(Scan::kept(Arc::clone(kept)))
    })
}

struct Ends<'k>(&'k Kept);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Writer<'a, W: Write> {
    out: BufWriter<W>,
    reporter: Reporter<'a>,
    turn: Turn,
    skip_errors: usize,
    exported: Exported,
}

impl<W: Write> Writer<'_, W> {
    fn plain(&mut self, collection: &Collection<Value>, mut scan: Scan) -> Result<()> {
        let mut line = Vec::new();
        while let Some(Found { id, record, .. }) = scan.next().transpose()? {
            line.clear();
            let written = record.and_then(|record| {
                let Some(kind) = collection.sees(&record)? else { return Ok(false) };
                let view = View::of(&kind, &id, record, collection.inner.limits)?;
                print(Raw::new(view.body())?, &mut line)?;
                Ok(true)
            });
            self.document(written.map_err(|error| collection.at(&id, error)), &mut line)?;
        }
        Ok(())
    }

    fn full(&mut self, names: &Names, mut scan: Scan) -> Result<()> {
        self.announce(names)?;
        let mut line = Vec::new();
        while let Some(Found { collection, id, record }) = scan.next().transpose()? {
            line.clear();
            let written = record.and_then(|record| names.write(&mut line, collection, &id, &record));
            let written = written.map_err(|error| match names.collections.get(&collection) {
                Some(name) => error.with_collection(&name.plain).with_id(&id),
                None => error.with_id(&id),
            });
            self.document(written, &mut line)?;
        }
        // Behind the documents, so that no value that must be unique keeps one out.
        for (collection, generation) in &names.indexes {
            self.put(|line| full::write_index(line, collection, generation))?;
        }
        let documents = self.exported.documents;
        self.put(|line| full::write_end(line, documents))
    }

    /// Writes what precedes the documents. Collections and kinds are in the order of their numbers, so that a store which
    /// is made of the lines numbers them in the same order, and its export is the same.
    fn announce(&mut self, names: &Names) -> Result<()> {
        self.put(full::write_header)?;
        for name in names.collections.values() {
            self.put(|line| full::write_collection(line, &name.plain))?;
        }
        for (number, name) in &names.kinds {
            let aliases = names.catalog.aliases(*number).into_iter();
            let aliases: Vec<_> = aliases.filter_map(|alias| names.catalog.kind_name(alias)).collect();
            self.put(|line| full::write_kind(line, &name.plain, &aliases))?;
        }
        for (number, name) in &names.kinds {
            for recorded in names.catalog.recorded(*number) {
                self.put(|line| full::write_step(line, &name.plain, &recorded))?;
            }
        }
        Ok(())
    }

    fn put(&mut self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<()> {
        let mut line = Vec::new();
        write(&mut line).map_err(PrintError::Io)?;
        self.line(&mut line)
    }

    /// `written`: whether the document belongs to the export; then it is `line`.
    fn document(&mut self, written: Result<bool>, line: &mut Vec<u8>) -> Result<()> {
        match written {
            Ok(true) => {
                self.line(line)?;
                self.exported.documents += 1;
            }
            Ok(false) => {}
            Err(error) if self.exported.errors.len() < self.skip_errors => self.exported.errors.push(error),
            Err(error) => return Err(error),
        }
        if self.turn.has_come(line.len() as u64) {
            let Exported { documents, bytes, .. } = self.exported;
            self.reporter.tell(Progress { documents, bytes })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &mut Vec<u8>) -> Result<()> {
        line.push(b'\n');
        self.out.write_all(line).map_err(PrintError::Io)?;
        self.exported.bytes += line.len() as u64;
        Ok(())
    }
}

/// What the documents of a full export rest on.
struct Names {
    catalog: Catalog,
    collections: BTreeMap<u32, Name>,
    kinds: BTreeMap<u32, Name>,
    /// Those that were made by calls, each with the name of its collection.
    indexes: Vec<(String, Value)>,
    /// The numbers of the kind, one under each of its names; `None`: of every kind.
    own: Option<BTreeSet<u32>>,
}

/// A name, as it is and as JSON.
struct Name {
    plain: String,
    json: String,
}

impl Names {
    fn of_store(held: &Held, inner: &Inner) -> Result<Self> {
        let catalog = Catalog::read(held)?;
        catalog.check_whole()?;
        let (collections, kinds) = (numbered(catalog.collections()), numbered(catalog.kinds()));
        let indexes = indexes(inner, &collections, &kinds)?;
        Ok(Self { catalog, collections, kinds, indexes, own: None })
    }

    /// With the kinds of the documents that the collection holds.
    fn of_collection(held: &Held, collection: &Collection<Value>) -> Result<Self> {
        let catalog = Catalog::read(held)?;
        let own = collection.kind.as_ref().map(|kind| {
            let family = catalog.family(kind.number()).into_iter();
            family.chain([kind.number()]).collect::<BTreeSet<_>>()
        });
        let mut present = BTreeSet::new();
        let mut counters = Entries::within(held, census::collection_span(collection.number));
        while let Some((key, _)) = counters.next()? {
            let counted = CensusKey::parse(&key)?.kind;
            if own.as_ref().is_none_or(|own| own.contains(&counted)) {
                present.insert(counted);
            }
        }
        let collections = numbered(vec![(collection.name().to_owned(), collection.number)]);
        let mut kinds = numbered(catalog.kinds());
        let family: BTreeSet<_> = present.iter().flat_map(|number| catalog.family(*number)).collect();
        kinds.retain(|number, _| present.contains(number) || family.contains(number));
        catalog.check_steps(|kind| kinds.contains_key(&kind))?;
        let indexes = indexes(&collection.inner, &collections, &kinds)?;
        Ok(Self { catalog, collections, kinds, indexes, own })
    }

    /// Writes a document, if it belongs to the export.
    fn write(&self, line: &mut Vec<u8>, collection: u32, id: &DocumentId, record: &Record) -> Result<bool> {
        let header = &record.header;
        if self.own.as_ref().is_some_and(|own| !own.contains(&header.kind)) {
            return Ok(false);
        }
        let name = |names: &BTreeMap<u32, Name>, number: u32| {
            names.get(&number).map(|name| name.json.clone()).ok_or_else(|| {
                Error::new(
                    ErrorKind::Corrupt,
                    "a document has a collection or a kind that is not in the catalog",
                )
                .with_detail("number", number)
            })
        };
        let names = (name(&self.collections, collection)?, name(&self.kinds, header.kind)?);
        let body = Raw::new(record.body())?;
        full::write_document(line, (&names.0, &names.1), id, header, record.complement(), body)?;
        Ok(true)
    }
}

/// The indexes of these collections that were made by calls, if they cover no other kinds than these: the newest generation of each that is in use.
fn indexes(
    inner: &Inner,
    collections: &BTreeMap<u32, Name>,
    kinds: &BTreeMap<u32, Name>,
) -> Result<Vec<(String, Value)>> {
    let mut indexes = Vec::new();
    for (number, collection) in collections {
        let mut newest: Vec<Arc<Generation>> = Vec::new();
        for generation in inner.indexes.of(*number) {
            let of_these = generation.kinds.keys().all(|kind| kinds.contains_key(kind));
            if generation.created && of_these && generation.live.state() != IndexState::Disabled {
                let mut others = Vec::new();
                for older in newest {
                    if !are_of_one(&**inner, &older, &generation) {
                        others.push(older);
                    }
                }
                newest = others;
                newest.push(generation);
            }
        }
        newest.sort_by(|one, other| one.name.cmp(&other.name));
        for generation in newest {
            let name = |kind: u32| kinds.get(&kind).map(|name| name.plain.clone());
            indexes.extend(generation.to_named_json(name).map(|json| (collection.plain.clone(), json)));
        }
    }
    Ok(indexes)
}

fn numbered(names: Vec<(String, u32)>) -> BTreeMap<u32, Name> {
    let name = |plain: String| {
        let json = Value::from(plain.as_str()).to_string();
        Name { plain, json }
    };
    names.into_iter().map(|(plain, number)| (number, name(plain))).collect()
}
