//! Reading documents from lines of JSON.

use std::collections::HashSet;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::encoding::envelope::header::Header;
use crate::encoding::text::error::{TextError, TextFault};
use crate::encoding::text::parse::{Duplicates, parse};
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::maintenance::error::Flaw;
use crate::maintenance::full::{FullLine, natural_id};
use crate::maintenance::lines::Lines;
use crate::maintenance::progress::{Progress, Reporter, Turn};
use crate::maintenance::restore::{Restoring, Taken};
use crate::model::id::DocumentId;
use crate::model::revision::Revision;
use crate::model::time::Timestamp;
use crate::record::kind::Kind;
use crate::store::collection::Collection;
use crate::store::inner::Inner;
use crate::store::load::{Existing, Incoming, load};
use crate::store::store::Store;
use crate::store::write::from_given;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads documents from lines of JSON (NDJSON) and inserts them, in commits of some hundred.
///
/// The *plain* form, the default for a collection, has a document's body on each line, in the newest shape that this program has declared. The
/// [*full*](Self::full) form is what [`Export::full`](crate::Export::full) writes. Both are told in
/// [the documentation of NDJSON](crate::documentation::ndjson).
///
/// Not atomic: where an import ends with an error, every line before the one that the error names has been imported, and
/// none from there on. Waits for the medium once, at the end. Memory: one line and one commit.
///
/// ```
/// # use pivotdb::{Import, Store};
/// # let store = Store::memory()?;
/// let users = store.documents("users")?;
/// let text = "{\"id\": 7, \"name\": \"Ada\"}\n{\"id\": 8, \"name\": \"Grace\"}\n";
/// assert_eq!(Import::into(&users).id_field("id").read_from(text.as_bytes())?.documents, 2);
/// assert_eq!(users.require(8)?["name"], "Grace");
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is imported before read_from"]
pub struct Import<'a> {
    target: Target,
    form: Form,
    id_field: Option<String>,
    existing: Existing,
    duplicates: Duplicates,
    skip_errors: usize,
    reporter: Reporter<'a>,
}

#[derive(Debug)]
enum Target {
    /// With what checks that a body fits the collection's type.
    Collection(Collection<Value>, fn(Raw<'_>) -> Result<()>),
    Store(Store),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    OneDocument,
    Full,
}

/// What has been imported.
#[non_exhaustive]
#[derive(Debug, Default)]
pub struct Imported {
    /// How many documents have been written.
    pub documents: u64,
    /// How many bytes of text have been read.
    pub bytes: u64,
    /// How many documents were left as they are; see [`Import::skip_existing`].
    pub skipped: u64,
    /// Why lines were passed over, each with line and column; see [`Import::skip_errors`].
    pub errors: Vec<Error>,
}

impl<'a> Import<'a> {
    /// Into the collection. Where it is typed, a line that does not fit the type is refused.
    pub fn into<T: DeserializeOwned>(collection: &Collection<T>) -> Self {
        // Any JSON fits an untyped collection.
        let fits = match collection.kind {
            Some(_) => |body: Raw<'_>| from_given::<T>(body).map(drop),
            None => |_: Raw<'_>| Ok(()),
        };
        Self::of(Target::Collection(collection.read_as(), fits), Form::Plain)
    }

    /// Into the store, in the full form: each document into the collection it came from.
    pub fn into_store(store: &Store) -> Self {
        Self::of(Target::Store(store.clone()), Form::Full)
    }

    fn of(target: Target, form: Form) -> Self {
        Self {
            target,
            form,
            id_field: None,
            existing: Existing::Refuse,
            duplicates: Duplicates::Refuse,
            skip_errors: 0,
            reporter: Reporter::default(),
        }
    }

    /// From the full form: documents get the ids, kinds, stamps, revisions and times they had, and their bodies are stored as they were. An export
    /// of several collections can be imported [into a store](Self::into_store) only.
    pub fn full(mut self) -> Self {
        self.form = Form::Full;
        self
    }

    /// The input is one document, over as many lines as it likes. Without meaning for the full form.
    pub fn one_document(mut self) -> Self {
        if self.form == Form::Plain {
            self.form = Form::OneDocument;
        }
        self
    }

    /// Takes each document's id from its top-level field `name`, which stays in the body: an integer or a text, as it is. Otherwise ids
    /// are random. Without meaning for the full form, in which documents have ids.
    pub fn id_field(mut self, name: &str) -> Self {
        self.id_field = Some(name.to_owned());
        self
    }

    /// Leaves documents whose ids are taken as they are. Otherwise such a line is refused with `AlreadyExists`.
    pub fn skip_existing(mut self) -> Self {
        self.existing = Existing::Skip;
        self
    }

    /// Replaces documents whose ids are taken, as [`overwrite`](Collection::overwrite) does; in the full form their kinds and times
    /// too, and the revision becomes that of the export or the next one, whichever is higher.
    pub fn overwrite_existing(mut self) -> Self {
        self.existing = Existing::Overwrite;
        self
    }

    /// Of a key that an object has twice the last value counts, in the place of the first. Otherwise such a line is refused.
    pub fn allow_duplicate_keys(mut self) -> Self {
        self.duplicates = Duplicates::LastWins;
        self
    }

    /// Passes over up to so many lines that cannot be imported, and tells why in [`Imported::errors`]. Otherwise the first one ends the import. In
    /// the full form this is about documents: whatever else is wrong with the input ends the import.
    pub fn skip_errors(mut self, at_most: usize) -> Self {
        self.skip_errors = at_most;
        self
    }

    /// Calls `progress` after each commit; when that breaks, the import ends with `Cancelled`.
    pub fn progress(mut self, progress: impl FnMut(Progress) -> ControlFlow<()> + 'a) -> Self {
        self.reporter = Reporter::new(progress);
        self
    }

    /// Does it. `input` is read in large pieces.
    ///
    /// # Errors
    /// For a line, with `line` and `column` in the context: `InvalidText` where it is not JSON, not what the form asks for, has an integer outside
    /// 64 bits or a key twice; `TooDeep`, `TooLarge`; `InvalidId`; `Mismatch` where it does not fit the collection's type;
    /// `AlreadyExists`, `KindMismatch`. For the whole: `Io` when `input` fails, `Cancelled`, `NewerFormat`, `KindRequired` when the collection is untyped
    /// and holds several kinds, and what a commit can fail with. `imported` in the context tells how many documents have been written.
    pub fn read_from(self, input: impl Read) -> Result<Imported> {
        let Self { target, form, id_field, existing, duplicates, skip_errors, reporter } = self;
        let (collection, fits, inner) = match target {
            Target::Collection(collection, fits) => {
                collection.check_live()?;
                let inner = Arc::clone(&collection.inner);
                (Some(collection), fits, inner)
            }
            Target::Store(store) => {
                store.inner().insiders.check_outside()?;
                let fits: fn(Raw<'_>) -> Result<()> = |_| Ok(());
                (None, fits, Arc::clone(store.inner()))
            }
        };
        let existing = match existing {
            Existing::Overwrite if form == Form::Full => Existing::Restore {
                same_kind: collection.as_ref().is_some_and(|collection| collection.kind.is_some()),
            },
            other => other,
        };
        let mut lines = Lines::new(input, line_limit(inner.limits));
        let mut importing = Importing {
            inner,
            duplicates,
            existing,
            skip_errors,
            reporter,
            waiting: Waiting::default(),
            errors: Vec::new(),
            imported: Imported::default(),
        };
        let read = match collection {
            Some(collection) if form != Form::Full => {
                let (name, kind) = (Arc::clone(&collection.name), collection.kind_of_new()?);
                let plain = Plain { collection, name, kind, id_field, fits };
                match form {
                    Form::OneDocument => importing.one_document(&mut lines, &plain),
                    _ => importing.plain(&mut lines, &plain),
                }
            }
            collection => {
                let restoring = Restoring::new(Arc::clone(&importing.inner), collection);
                importing.full(&mut lines, restoring)
            }
        };
        // Also after an error: what precedes it has been read. An error of an earlier line, if there is one, counts.
        let done = importing.commit().and(read).and_then(|()| Ok(importing.inner.engine.flush()?));
        let Importing { mut errors, mut imported, .. } = importing;
        done.map_err(|error| error.with_detail("imported", imported.documents))?;
        errors.sort_by_key(|(line, _)| *line);
        imported.errors = errors.into_iter().map(|(_, error)| error).collect();
        imported.bytes = lines.bytes();
        Ok(imported)
    }
}

/// How the documents of the plain form are made.
struct Plain {
    collection: Collection<Value>,
    name: Arc<str>,
    kind: Arc<Kind>,
    id_field: Option<String>,
    fits: fn(Raw<'_>) -> Result<()>,
}

impl Plain {
    fn document(&self, line: u64, body: Vec<u8>) -> Result<Incoming> {
        let raw = Raw::new(&body)?;
        (self.fits)(raw)?;
        let id = match &self.id_field {
            None => DocumentId::random(),
            Some(field) => {
                let value = raw.get(field)?.ok_or_else(|| Flaw::NoId { field: field.clone() })?;
                natural_id(value).ok_or_else(|| Flaw::IdType { field: field.clone() })?
            }
        };
        let now = Timestamp::now();
        let header = Header {
            kind: self.kind.number(),
            stamp: self.kind.current(),
            revision: Revision::FIRST,
            created: now,
            updated: now,
        };
        Ok(Incoming {
            place: line,
            collection: self.collection.number,
            collection_name: Arc::clone(&self.name),
            key: self.collection.key(&id)?,
            id,
            header,
            complement: Vec::new(),
            body,
        })
    }
}

struct Importing<'a> {
    inner: Arc<Inner>,
    duplicates: Duplicates,
    existing: Existing,
    skip_errors: usize,
    reporter: Reporter<'a>,
    waiting: Waiting,
    /// Why lines were passed over, by their numbers.
    errors: Vec<(u64, Error)>,
    imported: Imported,
}

/// Documents of the next commit, whose keys all differ.
#[derive(Default)]
struct Waiting {
    documents: Vec<Incoming>,
    keys: HashSet<Vec<u8>>,
    turn: Turn,
}

impl Importing<'_> {
    fn plain<R: Read>(&mut self, lines: &mut Lines<R>, plain: &Plain) -> Result<()> {
        while self.advance(lines)? {
            let Some(text) = text(lines) else { continue };
            let number = lines.number();
            let document = text.and_then(|text| {
                let body = parse(text, self.duplicates, self.inner.limits, number)?;
                // As a document it would be a surprise, and all that follow would be none either.
                if number == 1 && FullLine::is_header(Raw::new(&body)?) {
                    return Err(Flaw::Full.into());
                }
                plain.document(number, body)
            });
            let is_list = number == 1 && lines.text().is_some_and(begins_a_list);
            let document =
                document.map_err(|error| if is_list { error.with_advice(NOT_A_LIST) } else { error });
            self.take(number, document)?;
            self.turn(lines)?;
        }
        Ok(())
    }

    fn one_document<R: Read>(&mut self, lines: &mut Lines<R>, plain: &Plain) -> Result<()> {
        lines.advance_to_end().map_err(|error| at_line(unreadable(error), 1))?;
        let text = lines.text().ok_or_else(|| Flaw::TooLong { limit: lines.limit() }.into());
        let document = text.and_then(|text| {
            let body = parse(text, self.duplicates, self.inner.limits, 1)?;
            plain.document(1, body)
        });
        self.take(1, document)
    }

    fn full<R: Read>(&mut self, lines: &mut Lines<R>, mut restoring: Restoring) -> Result<()> {
        let limits = full_line_limits(self.inner.limits);
        while self.advance(lines)? {
            let Some(text) = text(lines) else { continue };
            let number = lines.number();
            let line = text.and_then(|text| Ok(parse(text, self.duplicates, limits, number)?));
            match restoring.take(number, line).map_err(|error| at_line(error, number))? {
                Taken::Noted => {}
                Taken::Document(document) => self.take(number, Ok(document))?,
                Taken::Index { collection, generation } => {
                    self.commit()?;
                    let made = restoring.make_index(&collection, &generation);
                    made.map_err(|error| at_line(error, number))?;
                }
                Taken::Refused(error) => self.take(number, Err(error))?,
            }
            self.turn(lines)?;
        }
        restoring.finish().map_err(|error| at_line(error, lines.number().saturating_add(1)))
    }

    fn advance<R: Read>(&mut self, lines: &mut Lines<R>) -> Result<bool> {
        lines.advance().map_err(|error| at_line(unreadable(error), lines.number().saturating_add(1)))
    }

    /// Takes a document into the next commit, or notes what is wrong with its line.
    fn take(&mut self, line: u64, document: Result<Incoming>) -> Result<()> {
        match document {
            Ok(document) => {
                if self.waiting.keys.contains(&document.key) {
                    self.commit()?;
                }
                self.waiting.keys.insert(document.key.clone());
                self.waiting.documents.push(document);
                Ok(())
            }
            Err(error) => {
                if self.errors.len() >= self.skip_errors {
                    // Of the lines before this one, one may have been refused before it.
                    self.commit()?;
                }
                self.refuse(line, error)
            }
        }
    }

    fn refuse(&mut self, line: u64, error: Error) -> Result<()> {
        let error = at_line(error, line);
        if self.errors.len() >= self.skip_errors {
            return Err(error);
        }
        self.errors.push((line, error));
        Ok(())
    }

    /// Commits, and tells how far it has come, if it is time.
    fn turn<R: Read>(&mut self, lines: &Lines<R>) -> Result<()> {
        let more = lines.bytes().saturating_sub(self.imported.bytes);
        self.imported.bytes = lines.bytes();
        if !self.waiting.turn.has_come(more) {
            return Ok(());
        }
        self.commit()?;
        self.reporter.tell(Progress { documents: self.imported.documents, bytes: self.imported.bytes })
    }

    fn commit(&mut self) -> Result<()> {
        self.waiting.keys.clear();
        let documents = std::mem::take(&mut self.waiting.documents);
        if documents.is_empty() {
            return Ok(());
        }
        let patience = self.skip_errors.saturating_sub(self.errors.len());
        let loaded = load(&self.inner, &documents, self.existing, patience)?;
        self.imported.documents = self.imported.documents.saturating_add(loaded.written);
        self.imported.skipped = self.imported.skipped.saturating_add(loaded.skipped);
        loaded.refused.into_iter().try_for_each(|(line, error)| self.refuse(line, error))
    }
}

/// What to do about an input that begins as a list does.
const NOT_A_LIST: &str = "the input has one value on each line, not a list of them";

fn begins_a_list(text: &[u8]) -> bool {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).trim_ascii_start().starts_with(b"[")
}

/// The text of the line, or why it cannot be taken; `None` where it is blank.
fn text<R: Read>(lines: &Lines<R>) -> Option<Result<&[u8]>> {
    let Some(text) = lines.text() else {
        return Some(Err(Flaw::TooLong { limit: lines.limit() }.into()));
    };
    let marked = text.strip_prefix(BYTE_ORDER_MARK);
    if marked.unwrap_or(text).iter().all(u8::is_ascii_whitespace) && (marked.is_none() || lines.number() == 1)
    {
        return None;
    }
    if marked.is_some() && lines.number() > 1 {
        let message = "a byte order mark within the input".into();
        let error = TextError { fault: TextFault::Syntax, line: lines.number(), column: 1, message };
        return Some(Err(error.into()));
    }
    Some(Ok(text))
}

/// The longest line that may come of a document within the limits: of each byte of a body come at most six of text.
fn line_limit(limits: Limits) -> usize {
    limits.size.saturating_mul(8).saturating_add(64 * 1024)
}

/// What a line may be that has such a body in it, a complement as digits, and names.
fn full_line_limits(limits: Limits) -> Limits {
    let size = limits.size.saturating_mul(3).saturating_add(64 * 1024);
    Limits { depth: limits.depth.saturating_add(1), size }
}

fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "the input could not be read").with_source(error)
}

/// `error`, with the line it is about.
fn at_line(error: Error, line: u64) -> Error {
    if error.context().detail("line").is_some() {
        return error;
    }
    error.with_detail("line", line).with_detail("column", 1)
}
