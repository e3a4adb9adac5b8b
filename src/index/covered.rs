//! Which documents a generation covers.

use crate::index::flags::Flags;
use crate::index::generation::{Generation, Shape, are_alike};
use crate::index::impact::is_carried;
use crate::index::indexes::Kinds;
use crate::model::stamp::Stamp;

/// A kind as a generation has it, under whichever of its names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Covered<'g> {
    generation: &'g Generation,
    /// The number that the generation has it under.
    pub(crate) number: u32,
    pub(crate) shapes: &'g [Shape],
    /// Whether the generation has it under no other of its names besides, as one that was made before they were known to be of one kind may.
    alone: bool,
}

impl Generation {
    /// What it has of the documents that are stored under this number of a kind: by that number, or by that of another of the kind's names, which the programs that made it
    /// called it by. `None`: it does not cover them.
    pub(crate) fn covered(&self, kinds: &dyn Kinds, number: u32) -> Option<Covered<'_>> {
        let family = kinds.family(number);
        let mut of = std::iter::once(number).chain(family).filter_map(|of| self.kinds.get_key_value(&of));
        let (number, shapes) = of.next()?;
        Some(Covered { generation: self, number: *number, shapes, alone: of.next().is_none() })
    }

    /// Whether it covers this kind, and no other.
    pub(crate) fn covers_only(&self, kinds: &dyn Kinds, number: u32) -> bool {
        self.kinds.len() == 1 && self.covered(kinds, number).is_some()
    }

    /// Whether it covers just these kinds, each under one name.
    pub(crate) fn covers_just(&self, kinds: &dyn Kinds, numbers: impl ExactSizeIterator<Item = u32>) -> bool {
        let count = numbers.len();
        let mut covered = numbers.map(|number| self.covered(kinds, number));
        self.kinds.len() == count && covered.all(|covered| covered.is_some_and(|covered| covered.alone))
    }

    /// Whether it covers one of these kinds.
    pub(crate) fn covers_any(&self, kinds: &dyn Kinds, mut numbers: impl Iterator<Item = u32>) -> bool {
        numbers.any(|number| self.covered(kinds, number).is_some())
    }
}

impl<'g> Covered<'g> {
    /// The shape of all its documents at a stamp.
    pub(crate) fn shape(&self, stamp: Stamp) -> Option<(usize, &'g Shape)> {
        self.shapes.iter().enumerate().find(|(_, shape)| self.alone && shape.stamp == stamp)
    }

    /// Whether the entries are right for whoever sees documents in the shape at `position`: also those that were made in other shapes. So they are as long as what no
    /// document is known to be like [lets them be carried](is_carried) from each other shape. Where the shape that a document was looked at in does not lie on its way to another
    /// one, the two are compared, and what differs counts as lacking.
    pub(crate) fn is_right_at(&self, position: usize) -> bool {
        self.is_right_with(position, self.flags())
    }

    /// What all its documents together are known to be like.
    pub(crate) fn flags(&self) -> Flags {
        self.generation.live.flags.get()
    }

    /// As [`is_right_at`](Self::is_right_at), where this is what documents are known to be like.
    pub(crate) fn is_right_with(&self, position: usize, flags: Flags) -> bool {
        let Some(here) = self.shapes.get(position) else { return false };
        if are_alike(self.shapes) {
            return true;
        }
        // Also those on the same path: what had another name in between need not be the same.
        let mut others = self.shapes.iter().enumerate().filter(|(other, _)| *other != position);
        others.all(|(other, shape)| {
            let missing = flags.contains(Flags::missing(other));
            let mut routes = here.routes.iter().zip(&*shape.routes).enumerate();
            routes.all(|(component, (one, other))| {
                let lists = one != other && flags.contains(Flags::list(component));
                is_carried(one.path(), other.path(), missing, lists)
            })
        })
    }
}

/// Whether both are numbers of one kind.
pub(crate) fn is_of(kinds: &dyn Kinds, one: u32, other: u32) -> bool {
    one == other || kinds.family(one).contains(&other)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::error::Error;
    use crate::error::kind::ErrorKind;
    use crate::index::generation::tests::{generation, stamp};
    use crate::record::kind::Kind;

    /// 2 and 5 are one kind.
    struct Named;

    impl Kinds for Named {
        fn kind(&self, _: u32) -> Result<Arc<Kind>, Error> {
            Err(Error::new(ErrorKind::Corrupt, "there are none"))
        }

        fn family(&self, number: u32) -> Vec<u32> {
            [2, 5].into_iter().filter(|other| *other != number && [2, 5].contains(&number)).collect()
        }

        fn lacks_steps(&self, _: u32) -> bool {
            false
        }

        fn is_foreign(&self, _: &Kind) -> bool {
            false
        }
    }

    #[test]
    fn a_renamed_shape_is_right_until_a_document_lacks_the_other_path() {
        let right = |of: &Generation, position| of.covered(&Named, 2).unwrap().is_right_at(position);
        let generation = |shapes: &[&str]| generation(shapes);
        let there_and_back = generation(&["a", "b", "a"]);
        assert!((0..3).all(|position| right(&there_and_back, position)));
        there_and_back.live.flags.set(Flags::missing(1));
        assert_eq!([0, 1, 2].map(|position| right(&there_and_back, position)), [false, true, false]);
        let nested = generation(&["a.x", "b.x"]);
        nested.live.flags.set(Flags::list(0));
        assert!(!right(&nested, 0) && !right(&nested, 9));
        let flat = generation(&["a", "b"]);
        flat.live.flags.set(Flags::list(0));
        assert!(right(&flat, 0));
    }

    #[test]
    fn a_kind_is_covered_under_all_its_names() {
        let mut generation = generation(&["a", "b"]);
        for number in [2, 5] {
            let covered = generation.covered(&Named, number).unwrap();
            assert_eq!((covered.number, covered.shape(stamp(2)).map(|(position, _)| position)), (2, Some(1)));
            assert!(generation.covers_only(&Named, number));
            assert!(generation.covers_just(&Named, [number].into_iter()));
            assert!(generation.covers_any(&Named, [7, number].into_iter()));
        }
        assert!(generation.covered(&Named, 3).is_none() && !generation.covers_any(&Named, [3].into_iter()));
        // Under two of them, it is none that a program could have made.
        generation.kinds.insert(5, generation.kinds[&2].clone());
        assert!(generation.covered(&Named, 5).unwrap().shape(stamp(2)).is_none());
        assert!(!generation.covers_just(&Named, [2, 5].into_iter()));
        assert!(is_of(&Named, 5, 2) && !is_of(&Named, 5, 3));
    }
}
