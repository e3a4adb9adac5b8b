//! What is known of all documents of a generation together.

use std::sync::atomic::{AtomicU32, Ordering};

/// Some document has, or has had, a list in a component, a value that was cut, and so on. Once set, a flag stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u32);

impl Flags {
    /// A value was cut: entries give the order of values only as far as they reach.
    pub(crate) const CUT: Self = Self(1 << 8);
    /// Some document has no entries since they cannot be made.
    pub(crate) const UNREADABLE: Self = Self(1 << 9);
    /// Some document is no object.
    pub(crate) const BARE: Self = Self(1 << 10);

    /// A list was met in the component at `position`.
    pub(crate) const fn list(position: usize) -> Self {
        Self(1 << (position & 7))
    }

    /// A document in the shape at `position` had nothing at some path.
    pub(crate) const fn missing(position: usize) -> Self {
        Self(1 << (16 + (position & 15)))
    }

    /// Whether these say of all documents what `other` says of one. In which shape a document has lacked something is not looked at: shapes that came later do not
    /// change what was made in those that there were.
    pub(crate) const fn cover(self, other: Self) -> bool {
        const MISSING: u32 = 0xffff << 16;
        let (known, said) = (self.0, other.0);
        let missing = said & MISSING == 0 || known & MISSING != 0;
        missing && known & said & !MISSING == said & !MISSING
    }

    /// Those of these that are not among `other`.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// The marks that keep those of the flags that have one.
    pub(crate) fn marks(self) -> impl Iterator<Item = u8> {
        (0..32_u8).filter(move |bit| self.0 & (1 << bit) != 0).map(|bit| match bit {
            0..8 => 0x10 + bit,
            16..32 => 0x20 + bit,
            _ => 0x19 + bit,
        })
    }

    /// The flag of a mark.
    pub(crate) fn of_mark(mark: u8) -> Self {
        match mark {
            0x10..0x18 => Self(1 << (mark - 0x10)),
            0x21 => Self::CUT,
            0x22 => Self::UNREADABLE,
            0x23 => Self::BARE,
            0x30..0x40 => Self(1 << (mark - 0x20)),
            _ => Self(0),
        }
    }
}

/// Flags that are set and read from any thread.
#[derive(Debug, Default)]
pub(crate) struct SharedFlags(AtomicU32);

impl SharedFlags {
    pub(crate) fn new(flags: Flags) -> Self {
        Self(AtomicU32::new(flags.0))
    }

    pub(crate) fn get(&self) -> Flags {
        Flags(self.0.load(Ordering::Acquire))
    }

    /// Sets them; gives those that were not set. Set before what they are about is committed, so that whoever sees that sees them.
    pub(crate) fn set(&self, flags: Flags) -> Flags {
        if self.get().contains(flags) {
            return Flags(0);
        }
        Flags(flags.0 & !self.0.fetch_or(flags.0, Ordering::AcqRel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_a_mark_of_its_own() {
        let mut all = Flags(0xffff_07ff);
        let marks: Vec<u8> = all.marks().collect();
        assert_eq!((marks.len(), &marks[8..12]), (27, &[0x21, 0x22, 0x23, 0x30][..]));
        let mut again = Flags::default();
        for mark in marks {
            again.insert(Flags::of_mark(mark));
        }
        all.insert(Flags::CUT);
        assert_eq!(again, all);
        let shared = SharedFlags::default();
        assert_eq!(shared.set(Flags::CUT), Flags::CUT);
        assert_eq!(shared.set(Flags::CUT), Flags::default());
    }
}
