//! A kind as one program sees it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::catalog::names::CollectionNames;
use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::keys::ArrayKeys;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::context::StepContext;
use crate::evolution::evolution::Evolution;
use crate::evolution::fingerprint;
use crate::evolution::history::{History, NoWay, Recorded, Relation, Stop, Way};
use crate::evolution::notes::OpenComplement;
use crate::evolution::plan::Plan;
use crate::evolution::step::Step;
use crate::filter::tree::Twig;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::value::path::Path;

/// A body and its complement, at a stamp.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shaped<'b> {
    /// Number of the collection it is in.
    pub(crate) collection: Option<u32>,
    pub(crate) stamp: Stamp,
    pub(crate) body: &'b [u8],
    pub(crate) complement: &'b [u8],
}

/// What a program says of a kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declaration<'d> {
    pub(crate) kind: &'d str,
    /// Names it has had before.
    pub(crate) aliases: &'d [&'d str],
    pub(crate) evolution: &'d Evolution,
    /// Paths of lists, and the member that identifies their elements.
    pub(crate) element_keys: &'d [(&'d str, &'d str)],
}

impl Declaration<'_> {
    fn keys(&self) -> Result<ArrayKeys, Error> {
        let mut keys = ArrayKeys::none();
        for (path, key) in self.element_keys {
            keys.declare(Path::new(path)?.names(), *key);
        }
        Ok(keys)
    }
}

/// A kind: its number and name, every stamp that is known of it, and the plans between them.
#[derive(Debug)]
pub(crate) struct Kind {
    number: u32,
    name: Arc<str>,
    /// Whether the program has declared how the kind evolves. Where it has not, documents are read in the shape they are stored in.
    declared: bool,
    current: Stamp,
    element_keys: ArrayKeys,
    evolution: Evolution,
    history: RwLock<History>,
    plans: Found<Arc<Plan>>,
    ways: Found<Way>,
    /// The kind as it was at earlier schema versions, once that has been asked for.
    views: Mutex<HashMap<u32, Arc<Self>>>,
    collections: Arc<CollectionNames>,
}

/// What has been worked out of a history, by the stamps it leads from and to: with the history locked, and until something new is learned.
#[derive(Debug)]
struct Found<T>(RwLock<ByStamps<Result<T, NoWay>>>);

type ByStamps<T> = HashMap<(Stamp, Stamp), T, BuildHasherDefault<StampHasher>>;

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Clone> Found<T> {
    fn get(&self, from: Stamp, to: Stamp) -> Option<Result<T, NoWay>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&(from, to)).cloned()
    }

    fn keep(&self, from: Stamp, to: Stamp, found: Result<T, NoWay>) -> Result<T, NoWay> {
        // There may be any number of stamps that are not known, and nothing was worked out for them.
        if from == to || matches!(found, Err(NoWay::Unknown { .. })) {
            return found;
        }
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.entry((from, to)).or_insert(found).clone()
    }

    fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Kind {
    /// A kind the program has declared.
    pub(crate) fn declared(
        number: u32,
        declaration: &Declaration<'_>,
        collections: Arc<CollectionNames>,
    ) -> Result<Self, Error> {
        let kind = Self::new(number, declaration.kind, declaration.evolution, collections)?;
        Ok(Self { declared: true, element_keys: declaration.keys()?, ..kind })
    }

    /// A kind this program knows only from the store.
    pub(crate) fn stored(number: u32, name: &str, collections: Arc<CollectionNames>) -> Result<Self, Error> {
        Self::new(number, name, &Evolution::new(), collections)
    }

    fn new(
        number: u32,
        name: &str,
        evolution: &Evolution,
        collections: Arc<CollectionNames>,
    ) -> Result<Self, Error> {
        let history = History::new(name, evolution)?;
        Ok(Self {
            number,
            name: name.into(),
            declared: false,
            current: history.current(),
            element_keys: ArrayKeys::none(),
            evolution: evolution.clone(),
            history: RwLock::new(history),
            plans: Found::default(),
            ways: Found::default(),
            views: Mutex::default(),
            collections,
        })
    }

    /// The same kind, under the number it has been given.
    pub(crate) fn numbered(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// The same kind, as the program saw it at `schema_version`; `None` where its own steps do not lead through it. Made once, and then
    /// given to `made` before anybody has it.
    pub(crate) fn at(&self, schema_version: u32, made: impl FnOnce(&Arc<Self>)) -> Option<Arc<Self>> {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = views.get(&schema_version) {
            return Some(Arc::clone(view));
        }
        let history = self.with_history(History::clone);
        let view = Arc::new(Self {
            number: self.number,
            name: Arc::clone(&self.name),
            declared: true,
            current: history.own(schema_version)?,
            element_keys: ArrayKeys::none(),
            evolution: self.evolution.clone(),
            history: RwLock::new(history),
            plans: Found::default(),
            ways: Found::default(),
            views: Mutex::default(),
            collections: Arc::clone(&self.collections),
        });
        made(&view);
        views.insert(schema_version, Arc::clone(&view));
        Some(view)
    }

    /// Whether it is what `declaration` says, so that nothing need be done; its aliases aside.
    pub(crate) fn is(&self, declaration: &Declaration<'_>) -> Result<bool, Error> {
        Ok(self.declared
            && *self.name == *declaration.kind
            && self.with_history(History::current) == self.current
            && self.evolution.says_the_same(declaration.evolution)
            && (declaration.element_keys.is_empty() || self.element_keys == declaration.keys()?))
    }

    /// From now on, what is stored under `name` is of the kind.
    pub(crate) fn alias(&self, name: &str) {
        let known = self.with_history(|history| history.knows(fingerprint::root(name)));
        if !known {
            self.teach(|history| history.alias(name, &self.evolution));
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn is_declared(&self) -> bool {
        self.declared
    }

    /// The stamp this program reads and writes documents at that are stored at `stored`.
    pub(crate) fn shape_of(&self, stored: Stamp) -> Stamp {
        if self.declared { self.current } else { stored }
    }

    /// What identifies the elements of lists in the program's shape.
    pub(crate) fn element_keys(&self) -> &ArrayKeys {
        &self.element_keys
    }

    /// The stamp this program writes new documents at.
    pub(crate) fn current(&self) -> Stamp {
        self.current
    }

    /// The program's own steps, for the catalog.
    pub(crate) fn steps(&self) -> Vec<Recorded> {
        self.with_history(History::declared)
    }

    /// Learns the steps that other programs have recorded.
    pub(crate) fn learn(&self, recorded: Vec<Recorded>) {
        self.teach(|history| history.learn(recorded));
    }

    /// What was worked out does not outlive what it was worked out from.
    fn teach(&self, lesson: impl FnOnce(&mut History) -> bool) {
        let mut history = self.history.write().unwrap_or_else(PoisonError::into_inner);
        if lesson(&mut history) {
            self.plans.clear();
            self.ways.clear();
        }
    }

    /// Whether a document at `from` can be brought to `to`, as far as that can be told without the document.
    pub(crate) fn check_way(&self, from: Stamp, to: Stamp) -> Result<(), NoWay> {
        self.find_way(from, to).map(drop)
    }

    pub(crate) fn relation(&self, one: Stamp, other: Stamp) -> Relation {
        self.with_history(|history| history.relation(one, other))
    }

    /// What the way from one stamp to another is like.
    pub(crate) fn way(&self, from: Stamp, to: Stamp) -> Way {
        if from == to { Way::Here } else { self.find_way(from, to).unwrap_or(Way::None) }
    }

    /// The steps on the way from one stamp to another; `None` where there is none.
    pub(crate) fn stops(&self, from: Stamp, to: Stamp) -> Option<Vec<Stop>> {
        self.with_history(|history| history.stops(from, to))
    }

    /// The name of a step that forgets something on the way from one stamp to another.
    pub(crate) fn forgetting(&self, from: Stamp, to: Stamp) -> Option<String> {
        self.plan(from, to).ok()?.forgetting().map(str::to_owned)
    }

    /// The steps that lead from one stamp up to another; `None` where it is not below it.
    pub(crate) fn ascent(&self, from: Stamp, to: Stamp) -> Option<Vec<Arc<Step>>> {
        self.with_history(|history| history.ascent(from, to))
    }

    /// A body brought to another stamp, to be read there.
    pub(crate) fn read(
        &self,
        id: &DocumentId,
        from: Shaped<'_>,
        to: Stamp,
        limits: Limits,
    ) -> Result<Vec<u8>, Error> {
        let body = self.read_if(id, from, to, limits, |_| Ok(true))?;
        // It was wanted.
        Ok(body.unwrap_or_default())
    }

    /// A body brought to another stamp, to be written there; and the complement to write with it, from which the way back restores
    /// what the shape cannot express.
    pub(crate) fn write(
        &self,
        id: &DocumentId,
        from: Shaped<'_>,
        to: Stamp,
        limits: Limits,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        self.carried(id, from, to, |plan, body, context| {
            let (mut node, complement) = (Node::Raw(body), OpenComplement::read(from.complement)?);
            let complement = plan.write(&mut node, &complement, context)?;
            let complement = complement.to_bytes()?;
            Ok((encoded(&node, limits)?, complement))
        })
    }

    /// The complement of a document whose shape is that of `to` already, to be written there.
    pub(crate) fn kept(&self, id: &DocumentId, from: Shaped<'_>, to: Stamp) -> Result<Vec<u8>, Error> {
        if from.complement.is_empty() {
            return Ok(Vec::new());
        }
        self.carried(id, from, to, |plan, _, _| {
            if !plan.cleans() {
                return Ok(from.complement.to_vec());
            }
            let mut complement = OpenComplement::read(from.complement)?;
            plan.clean(&mut complement);
            Ok(complement.to_bytes()?)
        })
    }

    /// A body brought to another stamp, to be read there, if it is `wanted`. What is not is encoded only where that is cheaper than not to: where ops are carried out
    /// together, on the encoded body.
    pub(crate) fn read_if(
        &self,
        id: &DocumentId,
        from: Shaped<'_>,
        to: Stamp,
        limits: Limits,
        wanted: impl FnOnce(Twig<'_>) -> Result<bool, BodyError>,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.carried(id, from, to, |plan, body, context| {
            if from.complement.is_empty()
                && let Some(body) = plan.rewrite(body, limits)
            {
                let wanted = wanted(Twig::new(&Node::Raw(Raw::new(&body)?)))?;
                return Ok(wanted.then_some(body));
            }
            let (mut node, complement) = (Node::Raw(body), OpenComplement::read(from.complement)?);
            plan.read(&mut node, &complement, context)?;
            wanted(Twig::new(&node))?.then(|| encoded(&node, limits)).transpose()
        })
    }

    fn carried<T>(
        &self,
        id: &DocumentId,
        from: Shaped<'_>,
        to: Stamp,
        carry: impl FnOnce(&Plan, Raw<'_>, &StepContext<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let carried = self.plan(from.stamp, to).map_err(Error::from).and_then(|plan| {
            let collection = from
                .collection
                .filter(|_| plan.has_functions())
                .and_then(|number| self.collections.get(number));
            let context = StepContext::new(&self.name, id);
            let context = context.in_collection(collection.as_deref().unwrap_or_default());
            carry(&plan, Raw::new(from.body)?, &context)
        });
        carried.map_err(|error| error.with_id(id).with_document_kind(&self.name).with_stamp(from.stamp))
    }

    fn plan(&self, from: Stamp, to: Stamp) -> Result<Arc<Plan>, NoWay> {
        let make = |history: &History| self.plans.keep(from, to, history.plan(from, to).map(Arc::new));
        self.plans.get(from, to).unwrap_or_else(|| self.with_history(make))
    }

    fn find_way(&self, from: Stamp, to: Stamp) -> Result<Way, NoWay> {
        let find = |history: &History| self.ways.keep(from, to, history.way(from, to));
        self.ways.get(from, to).unwrap_or_else(|| self.with_history(find))
    }

    pub(crate) fn with_history<T>(&self, ask: impl FnOnce(&History) -> T) -> T {
        ask(&self.history.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// For stamps, most of which is hashes already.
#[derive(Debug, Default)]
struct StampHasher(u64);

impl Hasher for StampHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(26) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

fn encoded(node: &Node<'_>, limits: Limits) -> Result<Vec<u8>, Error> {
    node.to_bytes(limits).map_err(|error| {
        Error::new(ErrorKind::StepFailed, "the steps give a document that cannot be stored")
            .with_source(Error::from(error))
    })
}
