//! The pivots of this checkout's packages, targets and dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use pivotdb::{Collection, Document, DocumentId, ErrorKind, Store};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::eager::{self, Kind};
use crate::metadata::Input;
use crate::model::{Expected, Model};
use crate::program::{First, Program, Readable, Shape};
use crate::state::State;
use crate::table::{self, Row, Times};
use crate::versions::v1;

/// All three kinds are in it.
const COLLECTION: &str = "cargo";

pub(crate) type Failable<T = ()> = Result<T, Box<dyn Error>>;

/// A store, and what must be in it.
pub(crate) struct Pivots {
    path: PathBuf,
    model: Model,
    /// As the first program wrote them.
    originals: BTreeMap<DocumentId, Map<String, Value>>,
    pub(crate) rewritten: u64,
}

/// The handles of a program.
struct Handles<P: Program> {
    store: Store,
    packages: Collection<P::Package>,
    targets: Collection<P::Target>,
    dependencies: Collection<P::Dependency>,
    everything: Collection<Value>,
}

impl Pivots {
    /// Has the first program store the input, `copies` times, in a new store: packages under texts, targets under UUIDs,
    /// dependencies under integers.
    pub(crate) fn load(path: PathBuf, input: &Input, copies: usize) -> Failable<Self> {
        let mut pivots = Self {
            path,
            model: Model { documents: BTreeMap::new() },
            originals: BTreeMap::new(),
            rewritten: 0,
        };
        let Handles { store, packages, targets, dependencies, .. } = pivots.open::<First>()?;
        let (mut packages, mut targets, mut dependencies) =
            (packages.bulk()?, targets.bulk()?, dependencies.bulk()?);
        for copy in 0..copies {
            for package in &input.packages {
                let id = match copy {
                    0 => package.spec.clone(),
                    copy => format!("{}, copy {copy}", package.spec),
                };
                packages.insert_with_id(&id, package)?;
                pivots.expect(id.into(), Kind::Package, package)?;
            }
            for target in &input.targets {
                let id = targets.insert(target)?;
                pivots.expect(id, Kind::Target, target)?;
            }
            for (number, dependency) in input.dependencies.iter().enumerate() {
                let id = u64::try_from(copy * input.dependencies.len() + number)?;
                dependencies.insert_with_id(id, dependency)?;
                pivots.expect(id.into(), Kind::Dependency, dependency)?;
            }
        }
        let stored = packages.finish()? + targets.finish()? + dependencies.finish()?;
        if stored != u64::try_from(pivots.documents())? {
            return Err(format!("{} documents were stored, and {stored} counted", pivots.documents()).into());
        }
        store.close()?;
        Ok(pivots)
    }

    fn expect(&mut self, id: DocumentId, kind: Kind, document: &impl Serialize) -> Failable {
        let Value::Object(body) = serde_json::to_value(document)? else {
            return Err("a document is no object".into());
        };
        self.originals.insert(id.clone(), body.clone());
        self.model.documents.insert(
            id,
            Expected { kind, body, schema_version: 1, revision: 1, newest: None, unreadable: false },
        );
        Ok(())
    }

    pub(crate) fn documents(&self) -> usize {
        self.model.documents.len()
    }

    /// The next program takes over, or the one that was rolled back from.
    pub(crate) fn forward<P: Program>(&mut self, pivot: &str, edit: &[usize]) -> Failable {
        self.model.up(P::NUMBER);
        self.visit::<P>(pivot, edit)
    }

    /// An earlier program, `P`, takes over from program `from`; there is no way back to it for some documents.
    pub(crate) fn back<P: Program>(
        &mut self,
        from: usize,
        pivot: &str,
        edit: &[usize],
        unreadable: fn(&Expected) -> bool,
    ) -> Failable {
        self.model.down(from, P::NUMBER, unreadable);
        self.visit::<P>(pivot, edit)
    }

    /// A program opens the store, reads everything, and edits the documents at these positions of each kind.
    pub(crate) fn visit<P: Program>(&mut self, pivot: &str, edit: &[usize]) -> Failable {
        let start = Instant::now();
        let handles = self.open::<P>()?;
        let open = start.elapsed();
        let before = State::of(&handles.store)?;

        let start = Instant::now();
        // Their ids are integers, which sort first: no other document has to be passed over.
        handles.dependencies.iter().next().transpose()?;
        let first = start.elapsed();
        let start = Instant::now();
        let packages: Vec<_> = handles.packages.iter().collect();
        let targets: Vec<_> = handles.targets.iter().collect();
        let dependencies: Vec<_> = handles.dependencies.iter().collect();
        let all = start.elapsed();

        let refused = self.compare(Some(Kind::Package), packages)?
            + self.compare(Some(Kind::Target), targets)?
            + self.compare(Some(Kind::Dependency), dependencies)?;
        // Types pass over what they do not know. JSON does not.
        let everything = self.compare(None, handles.everything.iter().collect())?;
        if everything != refused {
            return Err(format!("{refused} documents are refused by type, and {everything} as JSON").into());
        }
        self.rewritten += before.rewritten_in(&State::of(&handles.store)?)?;

        for position in edit {
            self.edit::<P, _>(&handles.packages, Kind::Package, *position, P::edit_package)?;
            self.edit::<P, _>(&handles.targets, Kind::Target, *position, P::edit_target)?;
            self.edit::<P, _>(&handles.dependencies, Kind::Dependency, *position, P::edit_dependency)?;
        }
        let (documents, census) = (self.documents(), handles.store.census()?);
        let times = Times { open, first, all };
        table::print(&Row { pivot, documents, census: &census, times, refused });
        Ok(handles.store.close()?)
    }

    fn open<P: Program>(&self) -> Failable<Handles<P>> {
        let builder =
            Store::builder().register::<P::Package>().register::<P::Target>().register::<P::Dependency>();
        let store = builder.open(&self.path)?;
        Ok(Handles {
            packages: store.collection(COLLECTION)?,
            targets: store.collection(COLLECTION)?,
            dependencies: store.collection(COLLECTION)?,
            everything: store.documents(COLLECTION)?,
            store,
        })
    }

    /// Compares what was read of a kind, or of all, with what must be there; gives how many were refused.
    fn compare<T: Readable>(
        &self,
        kind: Option<Kind>,
        read: Vec<pivotdb::Result<Document<T>>>,
    ) -> Failable<usize> {
        let (mut seen, mut refused) = (BTreeSet::new(), 0);
        for document in read {
            match document {
                Ok(document) => {
                    self.compare_one(kind, &document)?;
                    seen.insert(document.id().clone());
                }
                Err(error) => {
                    let id = error.context().id().filter(|_| error.kind() == ErrorKind::HistoryDiverged);
                    let expected = id.and_then(|id| self.model.documents.get_key_value(id));
                    let Some((id, Expected { unreadable: true, .. })) = expected else {
                        return Err(error.into());
                    };
                    seen.insert(id.clone());
                    refused += 1;
                }
            }
        }
        let missed = self
            .model
            .documents
            .iter()
            .find(|(id, expected)| kind.is_none_or(|kind| kind == expected.kind) && !seen.contains(*id));
        match missed {
            Some((id, expected)) => Err(format!("{:?} {id} was not read", expected.kind).into()),
            None => Ok(refused),
        }
    }

    fn compare_one<T: Readable>(&self, kind: Option<Kind>, document: &Document<T>) -> Failable {
        let id = document.id();
        let expected = self.model.documents.get(id).ok_or_else(|| format!("document {id} is nobody's"))?;
        if kind.is_some_and(|kind| kind != expected.kind) || expected.unreadable {
            return Err(format!("document {id} must not be seen").into());
        }
        let value: T = serde_json::from_value(Value::Object(expected.body.clone()))?;
        if document.value != value {
            let (found, kind) = (&document.value, document.kind());
            return Err(format!("{kind} {id} differs: {found:?} instead of {value:?}").into());
        }
        let stored = (document.stamp().schema_version, document.revision().get());
        if stored != (expected.schema_version, expected.revision) {
            return Err(format!("{} {id} has been rewritten: {stored:?}", document.kind()).into());
        }
        Ok(())
    }

    /// A typed update of one document; what it must come to is found out without types.
    fn edit<P: Program, T: Serialize + Readable>(
        &mut self,
        collection: &Collection<T>,
        kind: Kind,
        position: usize,
        edit: fn(&mut T),
    ) -> Failable {
        let Some((id, expected)) = self.model.nth(kind, position) else { return Ok(()) };
        if expected.unreadable {
            return match collection.update(&id, edit) {
                Err(error) if error.kind() == ErrorKind::HistoryDiverged => Ok(()),
                Err(error) => Err(error.into()),
                Ok(_) => Err(format!("document {id} must not be written").into()),
            };
        }
        let before = expected.body.clone();
        eager::edit(P::NUMBER, kind, &mut expected.body);
        if let Some(newest) = &mut expected.newest {
            eager::edit(P::NUMBER, kind, newest);
        }
        if expected.body != before {
            expected.revision += 1;
            expected.schema_version = expected.schema_version.max(P::SCHEMA_VERSION);
        }
        let updated = collection.update(&id, edit)?;
        self.compare_one(Some(kind), &updated)?;
        self.compare_one(Some(kind), &collection.require(&id)?)
    }

    /// The documents that nobody has edited, as program `P` shows them in the shape of schema version 1: as they were written. Gives
    /// how many.
    pub(crate) fn look_back<P: Program>(&self) -> Failable<usize> {
        let handles = self.open::<P>()?;
        let untouched = self.look_back_at::<P::Package, v1::Package>(&handles.packages, Kind::Package)?
            + self.look_back_at::<P::Target, v1::Target>(&handles.targets, Kind::Target)?
            + self.look_back_at::<P::Dependency, v1::Dependency>(&handles.dependencies, Kind::Dependency)?;
        handles.store.close()?;
        Ok(untouched)
    }

    fn look_back_at<T, V>(&self, collection: &Collection<T>, kind: Kind) -> Failable<usize>
    where
        V: Shape,
    {
        let view = collection.view::<V>(1)?;
        let mut untouched = 0;
        for (id, expected) in &self.model.documents {
            let Some(original) = self.originals.get(id) else { continue };
            if expected.kind == kind && expected.revision == 1 {
                let (found, original) = (view.require(id)?, serde_json::from_value(original.clone().into())?);
                if found.value != original {
                    let found = found.value;
                    return Err(format!("{} {id} differs: {found:?} instead of {original:?}", V::KIND).into());
                }
                untouched += 1;
            }
        }
        Ok(untouched)
    }

    /// Changes a document behind the model's back, so that the next comparison must fail.
    pub(crate) fn spoil(&self) -> Failable {
        let handles = self.open::<First>()?;
        let (id, _) = self.model.documents.first_key_value().ok_or("there are no documents")?;
        handles.everything.update(id, |document| document["to"] = "spoilt".into())?;
        Ok(handles.store.close()?)
    }
}
