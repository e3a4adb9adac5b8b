//! What the first byte of a value says. Every other first byte is malformed.

pub(super) const NULL: u8 = 0x00;
pub(super) const FALSE: u8 = 0x01;
pub(super) const TRUE: u8 = 0x02;
/// Then a varint: an integer that has no tag of its own.
pub(super) const UNSIGNED: u8 = 0x03;
/// Then a varint *m*: the integer -1 - *m*.
pub(super) const NEGATIVE: u8 = 0x04;
/// Then 8 bytes, little-endian.
pub(super) const FLOAT: u8 = 0x05;
/// Then a varint and as many bytes: a text too long for a tag of its own.
pub(super) const STRING: u8 = 0x06;
/// Then a varint and as many bytes: the elements.
pub(super) const ARRAY: u8 = 0x07;
/// Then a varint and as many bytes: the members.
pub(super) const OBJECT: u8 = 0x08;
/// `SHORT_STRING + n`, then *n* bytes.
pub(super) const SHORT_STRING: u8 = 0x40;
/// The last tag of a short string.
pub(super) const SHORT_STRING_END: u8 = 0x7f;
/// `SMALL + n`: the integer *n*.
pub(super) const SMALL: u8 = 0x80;
/// The last tag of a small integer.
pub(super) const SMALL_END: u8 = 0xff;

/// The longest text whose length fits its tag.
pub(super) const SHORT_STRING_MAX: usize = 63;
/// The largest integer that fits its tag.
pub(super) const SMALL_MAX: u64 = 127;
