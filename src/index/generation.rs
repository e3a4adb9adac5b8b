//! Generations of indexes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::filter::route::Route;
use crate::index::definition::{Definition, Index};
use crate::index::flags::{Flags, SharedFlags};
use crate::index::rules::Rules;
use crate::index::state::IndexState;
use crate::model::name;
use crate::model::stamp::{Fingerprint, Stamp};
use crate::value::path::Path;

/// The most shapes a generation can have: as many as there are flags for.
pub(crate) const MAX_SHAPES: usize = 16;

/// What is built, kept up and superseded: a definition, the kinds it covers, and the stamps at which their documents are looked at.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u32,
    pub(crate) collection: u32,
    pub(crate) name: Arc<str>,
    pub(crate) definition: Definition,
    /// By the numbers of kinds; each has at least one shape.
    pub(crate) kinds: BTreeMap<u32, Vec<Shape>>,
    /// Made by a call, and not declared by a type.
    pub(crate) created: bool,
    pub(crate) live: Arc<Live>,
}

/// What a document at a stamp looks like to the generation. All shapes of one kind give the same entries for a document that can be brought
/// to several of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) stamp: Stamp,
    pub(crate) routes: Arc<[Route]>,
    /// What is stored was looked at after this commit when the generation went over to it: of states from before nothing is known. Not kept when the store is closed,
    /// since there are none then.
    pub(crate) since: u64,
}

impl Shape {
    pub(crate) fn new(stamp: Stamp, paths: Vec<Path>) -> Self {
        Self { stamp, routes: paths.into_iter().map(Route::new).collect(), since: 0 }
    }

    pub(crate) fn paths(&self) -> Vec<Path> {
        self.routes.iter().map(|route| route.path().clone()).collect()
    }
}

/// What of a generation changes while it is used.
#[derive(Debug)]
pub(crate) struct Live {
    /// Known, be it of writes that were not made after all.
    pub(crate) flags: SharedFlags,
    /// Known to be stored.
    pub(crate) stored: SharedFlags,
    state: AtomicU8,
    /// The least commit after which the store has been seen to say that it is readable; `u64::MAX`: none yet.
    readable_since: AtomicU64,
    /// Whether this program wants it to refuse duplicates.
    enforced: AtomicBool,
    pub(crate) rules: Rules,
}

impl Live {
    pub(crate) fn new(state: IndexState, flags: Flags) -> Self {
        Self {
            flags: SharedFlags::new(flags),
            stored: SharedFlags::new(flags),
            state: AtomicU8::new(state.number()),
            readable_since: AtomicU64::new(u64::MAX),
            enforced: AtomicBool::new(true),
            rules: Rules::default(),
        }
    }

    pub(crate) fn state(&self) -> IndexState {
        IndexState::of_number(self.state.load(Ordering::Acquire))
    }

    pub(crate) fn set_state(&self, state: IndexState) {
        self.state.store(state.number(), Ordering::Release);
    }

    /// A build has ended so, unless somebody has put an end to it before.
    pub(crate) fn built(&self, state: IndexState) {
        let building = IndexState::Building.number();
        // If it was something else, that counts.
        let _ = self.state.compare_exchange(building, state.number(), Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether the store says at `sequence`, which is published, that it is readable; `false`: that is not known.
    ///
    /// A generation that is not readable any more never is again. It is left behind by writes only after its state here has changed, and so
    /// none of them is in a state of the store that was taken before this looks.
    pub(crate) fn is_readable_at(&self, sequence: u64) -> bool {
        self.readable_since.load(Ordering::Acquire) <= sequence && self.state() == IndexState::Readable
    }

    /// The store says so at `sequence`.
    pub(crate) fn seen_readable_at(&self, sequence: u64) {
        self.readable_since.fetch_min(sequence, Ordering::AcqRel);
    }

    pub(crate) fn is_enforced(&self) -> bool {
        self.enforced.load(Ordering::Acquire)
    }

    pub(crate) fn enforce(&self, enforced: bool) {
        self.enforced.store(enforced, Ordering::Release);
    }
}

/// Whether no step between these shapes does anything at their paths.
pub(crate) fn are_alike(shapes: &[Shape]) -> bool {
    let mut routes = shapes.iter().map(|shape| &shape.routes);
    routes.next().is_none_or(|first| routes.all(|other| other == first))
}

impl Generation {
    /// The flags whose absence [`is_right_at`](crate::index::covered::Covered::is_right_at) rests on, whichever the shape.
    pub(crate) fn relied_on(&self) -> Flags {
        let mut relied_on = Flags::default();
        for shapes in self.kinds.values().filter(|shapes| !are_alike(shapes)) {
            (0..shapes.len()).for_each(|position| relied_on.insert(Flags::missing(position)));
        }
        relied_on
    }

    /// The same with another shape of a kind.
    pub(crate) fn with_shape(&self, kind: u32, shape: Shape) -> Self {
        let mut kinds = self.kinds.clone();
        kinds.entry(kind).or_default().push(shape);
        Self { kinds, ..self.copy() }
    }

    /// The same, where these shapes are right from this commit on.
    pub(crate) fn since(mut self, shapes: &[(u32, Shape)], sequence: u64) -> Self {
        for (kind, added) in shapes {
            let of_kind = self.kinds.get_mut(kind).into_iter().flatten();
            of_kind.filter(|shape| shape.stamp == added.stamp).for_each(|shape| shape.since = sequence);
        }
        self
    }

    /// The same with another policy.
    pub(crate) fn with_definition(&self, definition: Definition) -> Self {
        Self { definition, ..self.copy() }
    }

    /// What stands for one of which only the number is known, until it is dropped.
    pub(crate) fn lost(number: u32, collection: u32) -> Self {
        Self {
            number,
            collection,
            name: "".into(),
            definition: Index::on("lost").definition,
            kinds: BTreeMap::new(),
            created: false,
            live: Arc::new(Live::new(IndexState::Unmaintained, Flags::default())),
        }
    }

    fn copy(&self) -> Self {
        Self {
            number: self.number,
            collection: self.collection,
            name: Arc::clone(&self.name),
            definition: self.definition.clone(),
            kinds: self.kinds.clone(),
            created: self.created,
            live: Arc::clone(&self.live),
        }
    }

    /// As the catalog has it.
    pub(crate) fn to_json(&self) -> Value {
        let kinds = self.kinds.iter().map(|(kind, shapes)| {
            let shapes = shapes.iter().map(|shape| {
                let paths = shape.routes.iter().map(|route| route.path().to_string());
                json!({
                    "schema_version": shape.stamp.schema_version,
                    "fingerprint": shape.stamp.fingerprint.to_string(),
                    "paths": paths.collect::<Vec<_>>(),
                })
            });
            json!({"kind": kind, "shapes": shapes.collect::<Vec<_>>()})
        });
        json!({
            "collection": self.collection,
            "name": &*self.name,
            "definition": self.definition.to_json(),
            "kinds": kinds.collect::<Vec<_>>(),
            "created": self.created,
        })
    }

    /// As an export has it: with the names of kinds, and without the number of the collection. `None` where a name is not known.
    pub(crate) fn to_named_json(&self, name: impl Fn(u32) -> Option<String>) -> Option<Value> {
        let mut json = self.to_json();
        for kind in json.get_mut("kinds")?.as_array_mut()? {
            let kind = kind.get_mut("kind")?;
            *kind = name(kind.as_u64()?.try_into().ok()?)?.into();
        }
        json.as_object_mut()?.remove("collection");
        Some(json)
    }

    /// What [`to_named_json`](Self::to_named_json) gave, for a collection of this number; `None` where it is malformed, or there is no such kind.
    pub(crate) fn from_named_json(
        number: u32,
        collection: u32,
        json: &Value,
        kind: impl Fn(&str) -> Option<u32>,
    ) -> Option<Self> {
        let mut json = json.clone();
        for named in json.get_mut("kinds")?.as_array_mut()? {
            let named = named.get_mut("kind")?;
            *named = kind(named.as_str()?)?.into();
        }
        json.as_object_mut()?.insert("collection".to_owned(), collection.into());
        let generation = Self::read(number, &json, Live::new(IndexState::Building, Flags::default()))?;
        let unnamed = generation.kinds.is_empty() || name::flaw(&generation.name).is_some();
        (!unnamed && generation.created && generation.definition.is_sound()).then_some(generation)
    }

    /// What [`to_json`](Self::to_json) gave.
    pub(crate) fn from_json(number: u32, json: &Value, live: Live) -> Result<Self, Error> {
        Self::read(number, json, live).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "an index in the catalog is malformed")
                .with_detail("generation", number)
        })
    }

    fn read(number: u32, json: &Value, live: Live) -> Option<Self> {
        let definition = Definition::from_json(json.get("definition")?)?;
        let components = definition.components.len();
        let path = |path: &Value| Path::new(path.as_str()?).ok();
        let shape = |json: &Value| {
            let fingerprint = u64::from_str_radix(json.get("fingerprint")?.as_str()?, 16).ok()?;
            let schema_version = json.get("schema_version")?.as_u64()?.try_into().ok()?;
            let stamp = Stamp { schema_version, fingerprint: Fingerprint::new(fingerprint) };
            let paths = json.get("paths")?.as_array()?.iter().map(path).collect::<Option<Vec<_>>>()?;
            (paths.len() == components).then(|| Shape::new(stamp, paths))
        };
        let kind = |json: &Value| {
            let number: u32 = json.get("kind")?.as_u64()?.try_into().ok()?;
            let shapes = json.get("shapes")?.as_array()?.iter().map(shape).collect::<Option<Vec<_>>>()?;
            (!shapes.is_empty() && shapes.len() <= MAX_SHAPES).then_some((number, shapes))
        };
        Some(Self {
            number,
            collection: json.get("collection")?.as_u64()?.try_into().ok()?,
            name: json.get("name")?.as_str()?.into(),
            definition,
            kinds: json.get("kinds")?.as_array()?.iter().map(kind).collect::<Option<_>>()?,
            created: json.get("created")?.as_bool()?,
            live: Arc::new(live),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::index::definition::Index;

    pub(crate) fn stamp(schema_version: u32) -> Stamp {
        Stamp { schema_version, fingerprint: Fingerprint::new(u64::from(schema_version) << 60) }
    }

    pub(crate) fn generation(shapes: &[&str]) -> Generation {
        let path = |path: &str| Path::new(path).unwrap();
        let shapes = (1..).zip(shapes).map(|(n, text)| Shape::new(stamp(n), vec![path(text)])).collect();
        Generation {
            number: 3,
            collection: 1,
            name: "by a".into(),
            definition: Index::unique("a").definition,
            kinds: BTreeMap::from([(2, shapes)]),
            created: true,
            live: Arc::new(Live::new(IndexState::Building, Flags::default())),
        }
    }

    #[test]
    fn reads_back() {
        let written = generation(&["a", "/b.c"]);
        let live = Live::new(IndexState::Readable, Flags::default());
        let read = Generation::from_json(3, &written.to_json(), live).unwrap();
        assert_eq!(read.to_json(), written.to_json());
        assert!(
            Generation::from_json(3, &json!({}), Live::new(IndexState::Readable, Flags::default())).is_err()
        );
    }
}
