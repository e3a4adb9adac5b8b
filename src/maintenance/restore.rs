//! Making documents of the lines of the full form.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::encoding::body::raw::Raw;
use crate::encoding::envelope::header::Header;
use crate::encoding::key::document;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::evolution::fingerprint;
use crate::evolution::history::Recorded;
use crate::evolution::notes::OpenComplement;
use crate::index::covered::is_of;
use crate::index::declare::are_of_one;
use crate::index::generation::Generation;
use crate::maintenance::error::Flaw;
use crate::maintenance::full::{FullDocument, FullLine};
use crate::model::stamp::Stamp;
use crate::store::collection::Collection;
use crate::store::core::Core;
use crate::store::inner::Inner;
use crate::store::load::Incoming;

/// A full export that is being read.
#[derive(Debug)]
pub(crate) struct Restoring {
    inner: Arc<Inner>,
    /// `None`: each document into the collection it came from.
    target: Option<Collection<Value>>,
    state: State,
    /// Those that have been announced, by the names they have in the export.
    collections: HashMap<String, (u32, Arc<str>)>,
    kinds: HashMap<String, Kind>,
    /// Lines of documents,
    documents: u64,
    /// and lines that might be such.
    unreadable: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Within,
    Ended,
}

#[derive(Debug, Clone, Copy)]
struct Kind {
    number: u32,
    /// The stamp before the first step.
    root: Stamp,
}

/// What a line was.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Not about a document.
    Noted,
    Document(Incoming),
    /// To be [made](Restoring::make_index) once the documents before it are there.
    Index {
        collection: String,
        generation: Value,
    },
    /// The rest of the export is not affected.
    Refused(Error),
}

impl Restoring {
    pub(crate) fn new(inner: Arc<Inner>, target: Option<Collection<Value>>) -> Self {
        Self {
            inner,
            target,
            state: State::Before,
            collections: HashMap::new(),
            kinds: HashMap::new(),
            documents: 0,
            unreadable: 0,
        }
    }

    /// Takes the line `place`, which is this JSON, or could not be read.
    pub(crate) fn take(&mut self, place: u64, line: Result<Vec<u8>>) -> Result<Taken> {
        if self.state == State::Ended {
            return Err(Flaw::AfterEnd.into());
        }
        let line = match line {
            Ok(line) => line,
            Err(error) => return self.pass(error),
        };
        let line = match FullLine::read(Raw::new(&line)?) {
            Ok(line) => line,
            Err(error) => return self.pass(error),
        };
        match line {
            FullLine::Header if self.state == State::Before => self.state = State::Within,
            _ if self.state == State::Before => return Err(Flaw::NotFull.into()),
            FullLine::Header => return Err(Flaw::LineType.into()),
            FullLine::Collection(name) => self.collection(name)?,
            FullLine::Kind { name, aliases } => self.kind(name, &aliases)?,
            FullLine::Index { collection, generation } => {
                return Ok(Taken::Index { collection: collection.to_owned(), generation });
            }
            FullLine::Step { kind, recorded } => self.step(kind, recorded)?,
            FullLine::Document(document) => {
                self.documents = self.documents.saturating_add(1);
                return Ok(self.document(place, *document).map_or_else(Taken::Refused, Taken::Document));
            }
            FullLine::End { documents } => self.end(documents)?,
        }
        Ok(Taken::Noted)
    }

    /// Nothing more comes.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.state {
            State::Before => Err(Flaw::NotFull.into()),
            State::Within => Err(Flaw::CutShort.into()),
            State::Ended => Ok(()),
        }
    }

    /// Passes over a line that is none of an export.
    fn pass(&mut self, error: Error) -> Result<Taken> {
        if self.state == State::Before {
            let newer = error.kind() == ErrorKind::NewerFormat;
            return Err(if newer { error } else { Error::from(Flaw::NotFull).with_source(error) });
        }
        self.unreadable = self.unreadable.saturating_add(1);
        Ok(Taken::Refused(error))
    }

    fn collection(&mut self, name: &str) -> Result<()> {
        if self.collections.contains_key(name) {
            return Ok(());
        }
        let collection = match &self.target {
            Some(_) if !self.collections.is_empty() => return Err(Flaw::SeveralCollections.into()),
            Some(target) => (target.number, Arc::clone(&target.name)),
            None => (self.inner.catalog.collection(&self.inner.engine, name)?, Arc::from(name)),
        };
        self.collections.insert(name.to_owned(), collection);
        Ok(())
    }

    fn kind(&mut self, name: &str, aliases: &[&str]) -> Result<()> {
        let Core { engine, catalog, registry, .. } = &**self.inner;
        let number = catalog.kind(engine, name)?;
        let aliases = aliases.iter().map(|alias| catalog.kind(engine, alias)).collect::<Result<Vec<_>>>()?;
        if !aliases.is_empty() {
            catalog.add_aliases(engine, name, &aliases)?;
            registry.learn(catalog, number);
        }
        self.kinds.insert(name.to_owned(), Kind { number, root: fingerprint::root(name) });
        Ok(())
    }

    fn step(&self, kind: &str, recorded: Recorded) -> Result<()> {
        let kind = self.announced(kind)?;
        // Whoever changes a step in the text makes another step of it; the documents must not be taken for ones that have crossed it.
        let before = recorded.stamp.schema_version.saturating_sub(1);
        let before = Stamp { schema_version: before, fingerprint: recorded.parent };
        let computed = fingerprint::after(before, &recorded.step);
        if computed != recorded.stamp {
            return Err(Flaw::Fingerprint { computed }.into());
        }
        let Core { engine, catalog, registry, .. } = &**self.inner;
        catalog.record(engine, kind.number, vec![recorded])?;
        registry.learn(catalog, kind.number);
        Ok(())
    }

    /// Declares an index that was made by a call, unless there is one of its name and one of its kinds. It is built as any other.
    pub(crate) fn make_index(&self, collection: &str, generation: &Value) -> Result<()> {
        let (number, name) = self
            .collections
            .get(collection)
            .ok_or_else(|| Flaw::Unannounced { name: collection.to_owned() })?;
        let Core { engine, indexes, .. } = &**self.inner;
        let changing = indexes.change();
        let kind = |name: &str| self.kinds.get(name).map(|kind| kind.number);
        let generation = Generation::from_named_json(indexes.next_number()?, *number, generation, kind)
            .ok_or_else(|| Error::from(Flaw::Member { name: "index" }).with_collection(name))?;
        for known in indexes.of(*number) {
            if are_of_one(&**self.inner, &known, &generation) {
                return Ok(());
            }
        }
        let made = indexes.add(engine, generation)?;
        drop(changing);
        self.inner.begin_build(&made)
    }

    fn document(&self, place: u64, document: FullDocument<'_>) -> Result<Incoming> {
        let FullDocument { collection, kind, id, stamp, revision, created, updated, complement, body } =
            document;
        let (number, name) = self
            .collections
            .get(collection)
            .ok_or_else(|| Flaw::Unannounced { name: collection.to_owned() })?;
        let error = |error: Error| error.with_collection(name).with_id(&id).with_document_kind(kind);
        let kind = self.announced(kind).map_err(error)?;
        let wanted = self.target.as_ref().and_then(|target| target.kind.as_ref());
        if wanted.is_some_and(|wanted| !is_of(&**self.inner, wanted.number(), kind.number)) {
            return Err(error(Error::new(ErrorKind::KindMismatch, "the document is of another kind")));
        }
        if stamp != kind.root && !self.inner.catalog.has_step(kind.number, stamp) {
            return Err(error(Flaw::Stamp { stamp }.into()));
        }
        let limits = self.inner.limits;
        body.check_depth(limits.depth).map_err(|depth| error(depth.into()))?;
        if body.bytes().len() > limits.size {
            let large = Error::new(ErrorKind::TooLarge, "the value is too large");
            return Err(error(large.with_detail("limit", limits.size)));
        }
        OpenComplement::read(&complement).map_err(|_| error(Flaw::Member { name: "complement" }.into()))?;
        let key = document::key(*number, &id).map_err(|key| error(key.into()))?;
        let header = Header { kind: kind.number, stamp, revision, created, updated };
        let (collection, collection_name) = (*number, Arc::clone(name));
        let body = body.bytes().to_vec();
        Ok(Incoming { place, collection, collection_name, id, key, header, complement, body })
    }

    fn end(&mut self, told: u64) -> Result<()> {
        self.state = State::Ended;
        let most = self.documents.saturating_add(self.unreadable);
        if (self.documents..=most).contains(&told) {
            return Ok(());
        }
        Err(Flaw::Count { told, found: self.documents }.into())
    }

    fn announced(&self, kind: &str) -> Result<Kind> {
        let known = self.kinds.get(kind).copied();
        Ok(known.ok_or_else(|| Flaw::Unannounced { name: kind.to_owned() })?)
    }
}
