//! Tests of single bits of integers.

use serde_json::Value;

use crate::filter::tree::Scalar;

/// Which bits have to be how. Negative numbers are in two's complement, with as many leading ones as one likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bits {
    pub(crate) how: How,
    /// The last bit stands for itself and all beyond it, which in every number of 64 bits are alike.
    mask: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    AllSet,
    AllClear,
    AnySet,
    AnyClear,
}

const LAST: u32 = u128::BITS - 1;

impl How {
    const NAMES: [(&'static str, Self); 4] = [
        ("$bitsAllSet", Self::AllSet),
        ("$bitsAllClear", Self::AllClear),
        ("$bitsAnySet", Self::AnySet),
        ("$bitsAnyClear", Self::AnyClear),
    ];

    pub(crate) fn named(operator: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(name, _)| *name == operator).map(|(_, how)| *how)
    }
}

impl Bits {
    pub(crate) fn new(how: How, mask: u64) -> Self {
        Self { how, mask: mask.into() }
    }

    /// From positions, counted from the lowest bit, which is 0.
    pub(crate) fn at(how: How, positions: impl IntoIterator<Item = u64>) -> Self {
        let bit = |position| 1_u128 << u32::try_from(position).map_or(LAST, |position| position.min(LAST));
        Self { how, mask: positions.into_iter().map(bit).fold(0, |mask, bit| mask | bit) }
    }

    pub(crate) fn operator(self) -> &'static str {
        How::NAMES.iter().find(|(_, how)| *how == self.how).map_or("", |(name, _)| name)
    }

    /// What it is written with: the positions.
    pub(crate) fn operand(self) -> Value {
        (0..=LAST).filter(|position| self.mask >> position & 1 == 1).map(Value::from).collect()
    }

    /// Whether the value is an integer, however it is stored, whose bits are so.
    pub(crate) fn are_so(self, value: Option<Scalar<'_>>) -> bool {
        let number = match value {
            Some(Scalar::Integer(number)) => number,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "there is no fraction, and it is within 64 bits"
            )]
            Some(Scalar::Float(float)) if float.fract() == 0.0 && float.abs() < 9.3e18 => float as i128,
            _ => return false,
        };
        let set = number.cast_unsigned() & self.mask;
        match self.how {
            How::AllSet => set == self.mask,
            How::AllClear => set == 0,
            How::AnySet => set != 0,
            How::AnyClear => set != self.mask,
        }
    }
}
