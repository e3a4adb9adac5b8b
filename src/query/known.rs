//! What is known of a document that cannot be read.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::evolution::history::Stop;
use crate::filter::condition::Condition;
use crate::filter::route::Route;
use crate::filter::sort::{SortKey, SortKeys};
use crate::filter::walk;
use crate::index::impact::{crossed, is_carried};
use crate::model::id::DocumentId;
use crate::query::spec::Position;
use crate::record::kind::Kind;
use crate::record::view::shaped;
use crate::stored::record::Record;

/// A document on which a step fails, in the last shape that it can be brought to. What this step and those after it leave alone is the same there as it would be in
/// the handle's shape, and what they move is there under another name.
///
/// What an index has of such a document is the same: an index goes along where steps leave its paths alone or move them, and nowhere else. So whoever asks this of each
/// document that cannot be read gives the same answer with an index and without.
#[derive(Debug)]
pub(crate) struct Known {
    body: Vec<u8>,
    /// The steps that it has not crossed.
    rest: Vec<Stop>,
}

impl Known {
    pub(crate) fn of(kind: &Kind, id: &DocumentId, record: &Record, limits: Limits) -> Option<Self> {
        let stored = record.header.stamp;
        let mut way = kind.stops(stored, kind.shape_of(stored))?;
        for crossed in (1..way.len()).rev() {
            let reached = way.get(crossed.checked_sub(1)?)?.stamp;
            if let Ok(body) = kind.read(id, shaped(record), reached, limits) {
                return Some(Self { body, rest: way.split_off(crossed) });
            }
        }
        Some(Self { body: record.body().to_vec(), rest: way })
    }

    /// Whether it is certain that `condition` does not mean it.
    pub(crate) fn is_past(&self, condition: &Condition) -> Result<bool, BodyError> {
        let body = Raw::new(&self.body)?;
        Ok(condition.matches_elsewhere(body, &|route| self.place(route))? == Some(false))
    }

    /// Where it would stand in the order of `sort`, if that is certain.
    pub(crate) fn position(&self, id: &DocumentId, sort: &SortKeys) -> Result<Option<Position>, BodyError> {
        let mut keys = SortKeys::default();
        for SortKey { route, descending } in sort.iter() {
            let Some(route) = self.place(route)? else { return Ok(None) };
            let key = SortKey { route, descending: *descending };
            if keys.push(key).is_err() {
                return Ok(None);
            }
        }
        let mut values = Vec::new();
        keys.write(Raw::new(&self.body)?, &mut values)?;
        Ok(Some(Position { values, id: id.clone() }))
    }

    /// Where in the body stands what would be at `route`; `None` where that is not certain.
    fn place(&self, route: &Route) -> Result<Option<Route>, BodyError> {
        let mut path = route.path().clone();
        let mut moved = false;
        for Stop { step, up, .. } in self.rest.iter().rev() {
            let Some((before, renamed)) = crossed(step, !up, &path) else { return Ok(None) };
            moved |= renamed;
            path = before;
        }
        if !moved {
            return Ok(Some(route.clone()));
        }
        // A list that is what is moved, is moved whole, by whatever names it is called in between.
        let body = Raw::new(&self.body)?;
        let way = path.names().len().saturating_sub(1);
        let lists_on_the_way = way > 0 && walk::keys(body, &Route::new(path.prefix(way)), &mut |_| Ok(()))?;
        let place = Route::new(path);
        let mut missing = false;
        walk::keys(body, &place, &mut |found: Option<Raw<'_>>| {
            missing |= found.is_none();
            Ok(())
        })?;
        let certain = is_carried(route.path(), place.path(), missing, lists_on_the_way);
        Ok(certain.then_some(place))
    }
}
