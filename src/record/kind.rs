//! A kind as one program sees it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::keys::ArrayKeys;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::context::StepContext;
use crate::evolution::evolution::Evolution;
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

/// A kind: its number and name, every stamp that is known of it, and the plans between them.
#[derive(Debug)]
pub(crate) struct Kind {
    number: u32,
    name: Arc<str>,
    /// Whether the program has declared how the kind evolves. Where it has not, documents are read in the shape they are stored in.
    declared: bool,
    current: Stamp,
    element_keys: ArrayKeys,
    history: RwLock<History>,
    plans: RwLock<HashMap<(Stamp, Stamp), Arc<Plan>>>,
}

impl Kind {
    /// A kind the program has declared. `names`: under which the store has documents of it besides.
    pub(crate) fn declared<N: AsRef<str>>(
        number: u32,
        declaration: Declaration<'_>,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, Error> {
        let mut keys = ArrayKeys::none();
        for (path, key) in declaration.element_keys {
            keys.declare(Path::new(path)?.names(), *key);
        }
        let kind = Self::new(number, declaration.kind, declaration.evolution)?;
        for name in names {
            let mut history = kind.history.write().unwrap_or_else(PoisonError::into_inner);
            history.alias(name.as_ref(), declaration.evolution);
        }
        Ok(Self { declared: true, element_keys: keys, ..kind })
    }

    /// A kind this program knows only from the store.
    pub(crate) fn stored(number: u32, name: &str) -> Result<Self, Error> {
        Self::new(number, name, &Evolution::new())
    }

    fn new(number: u32, name: &str, evolution: &Evolution) -> Result<Self, Error> {
        let history = History::new(name, evolution)?;
        Ok(Self {
            number,
            name: name.into(),
            declared: false,
            current: history.current(),
            element_keys: ArrayKeys::none(),
            history: RwLock::new(history),
            plans: RwLock::default(),
        })
    }

    /// The same kind, as the program saw it at `schema_version`; `None` where its own steps do not lead through it.
    pub(crate) fn at(&self, schema_version: u32) -> Option<Self> {
        let history = self.with_history(History::clone);
        Some(Self {
            number: self.number,
            name: Arc::clone(&self.name),
            declared: true,
            current: history.own(schema_version)?,
            element_keys: ArrayKeys::none(),
            history: RwLock::new(history),
            plans: RwLock::default(),
        })
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
        self.history.write().unwrap_or_else(PoisonError::into_inner).learn(recorded);
    }

    /// Whether documents at every stamp that is known can be brought to `to`.
    pub(crate) fn reaches_from_everywhere(&self, to: Stamp) -> bool {
        let stamps: Vec<_> =
            self.with_history(|history| history.stamps().into_iter().map(|(stamp, _)| stamp).collect());
        stamps.into_iter().all(|from| self.check_way(from, to).is_ok())
    }

    /// Whether a document at `from` can be brought to `to`, as far as that can be told without the document.
    pub(crate) fn check_way(&self, from: Stamp, to: Stamp) -> Result<(), NoWay> {
        self.plan(from, to).map(drop)
    }

    pub(crate) fn relation(&self, one: Stamp, other: Stamp) -> Relation {
        self.with_history(|history| history.relation(one, other))
    }

    /// What the way from one stamp to another is like.
    pub(crate) fn way(&self, from: Stamp, to: Stamp) -> Way {
        if from == to { Way::Here } else { self.with_history(|history| history.way(from, to)) }
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
        let (body, ()) = self.cross(id, from, to, limits, |plan, node, complement, context| {
            Ok(plan.read(node, complement, context)?)
        })?;
        Ok(body)
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
        self.cross(id, from, to, limits, |plan, node, complement, context| {
            Ok(plan.write(node, complement, context)?.to_bytes()?)
        })
    }

    /// A body brought to another stamp, to be read there, if it is `wanted`: what is not is not encoded.
    pub(crate) fn read_if(
        &self,
        id: &DocumentId,
        from: Shaped<'_>,
        to: Stamp,
        limits: Limits,
        wanted: impl FnOnce(Twig<'_>) -> Result<bool, BodyError>,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.carried(id, from, to, |plan, mut node, complement, context| {
            plan.read(&mut node, complement, context)?;
            wanted(Twig::new(&node))?.then(|| encoded(&node, limits)).transpose()
        })
    }

    fn cross<T>(
        &self,
        id: &DocumentId,
        from: Shaped<'_>,
        to: Stamp,
        limits: Limits,
        run: impl for<'a> FnOnce(
            &'a Plan,
            &mut Node<'a>,
            &OpenComplement<'a>,
            &StepContext<'_>,
        ) -> Result<T, Error>,
    ) -> Result<(Vec<u8>, T), Error> {
        self.carried(id, from, to, |plan, mut node, complement, context| {
            let result = run(plan, &mut node, complement, context)?;
            Ok((encoded(&node, limits)?, result))
        })
    }

    fn carried<T>(
        &self,
        id: &DocumentId,
        from: Shaped<'_>,
        to: Stamp,
        carry: impl for<'a> FnOnce(&'a Plan, Node<'a>, &OpenComplement<'a>, &StepContext<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let carried = self.plan(from.stamp, to).map_err(Error::from).and_then(|plan| {
            let node = Node::Raw(Raw::new(from.body)?);
            let complement = OpenComplement::read(from.complement)?;
            carry(&plan, node, &complement, &StepContext::new(&self.name, id))
        });
        carried.map_err(|error| error.with_id(id).with_document_kind(&self.name).with_stamp(from.stamp))
    }

    fn plan(&self, from: Stamp, to: Stamp) -> Result<Arc<Plan>, NoWay> {
        if let Some(plan) = self.plans.read().unwrap_or_else(PoisonError::into_inner).get(&(from, to)) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(self.with_history(|history| history.plan(from, to))?);
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(plans.entry((from, to)).or_insert(plan)))
    }

    pub(crate) fn with_history<T>(&self, ask: impl FnOnce(&History) -> T) -> T {
        ask(&self.history.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn encoded(node: &Node<'_>, limits: Limits) -> Result<Vec<u8>, Error> {
    node.to_bytes(limits).map_err(|error| {
        Error::new(ErrorKind::StepFailed, "the steps give a document that cannot be stored")
            .with_source(Error::from(error))
    })
}
