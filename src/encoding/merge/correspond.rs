//! Which stored element each element of a type's view was made of.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::same::resemblance;

/// Bounds the search among elements that are not where they were: 64 against as many.
const MAX_COMPARISONS: usize = 1 << 12;

/// For each element of `view`, which one of `stored` it was made of.
///
/// By position, where there are equally many and none contradicts that. A set comes out in another order, and a type that passes over elements gives
/// fewer: then each is what it resembles, the first of several. What resembles nothing was changed in the reading; it is taken by position
/// only where nothing has moved.
pub(super) fn correspond(stored: &[Raw<'_>], view: &[Raw<'_>]) -> Result<Vec<Option<usize>>, BodyError> {
    let equally_many = stored.len() == view.len();
    let mut places = vec![None; view.len()];
    let mut taken = vec![false; stored.len()];
    if equally_many {
        for (at, (stored, view)) in stored.iter().zip(view).enumerate() {
            if resemblance(*stored, *view)?.is_some()
                && let (Some(place), Some(taken)) = (places.get_mut(at), taken.get_mut(at))
            {
                (*place, *taken) = (Some(at), true);
            }
        }
    }
    let left = |places: &[Option<usize>]| places.iter().filter(|place| place.is_none()).count();
    let free = taken.iter().filter(|taken| !**taken).count();
    let mut moved = !equally_many;
    if left(&places).saturating_mul(free) <= MAX_COMPARISONS {
        for (place, view) in places.iter_mut().zip(view).filter(|(place, _)| place.is_none()) {
            for (at, (stored, taken)) in stored.iter().zip(&mut taken).enumerate() {
                if !*taken && resemblance(*stored, *view)?.is_some_and(|scalars| scalars > 0) {
                    (*place, *taken, moved) = (Some(at), true, true);
                    break;
                }
            }
        }
    }
    if !moved {
        for (at, place) in places.iter_mut().enumerate() {
            *place = Some(at);
        }
    }
    Ok(places)
}
