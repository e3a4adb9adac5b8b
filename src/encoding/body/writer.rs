//! Writing a body, value by value.

use std::fmt::{self, Write};

use crate::encoding::body::duplicates;
use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
#[cfg(test)]
use crate::encoding::body::tally;
use crate::encoding::body::{tag, token, varint};

/// As much as many a document needs, so that small ones are not moved while they grow.
const FIRST_ALLOCATION: usize = 512;

/// Appends one value to a buffer. Lengths stand before contents: one byte is kept for each, and the content moves
/// up where that is not enough, so a value costs at most depth x size.
///
/// The caller writes exactly one value; between [`begin_object`](Self::begin_object) and [`end`](Self::end) a key before each value.
#[derive(Debug)]
pub(crate) struct Writer {
    buffer: Vec<u8>,
    /// Where the value begins; what is before it belongs to the caller.
    start: usize,
    depth: usize,
    limits: Limits,
    /// Whether a child could not be written, so that what has been is not what was meant.
    failed: bool,
}

/// A container that has been begun and must be [ended](Writer::end).
#[must_use]
#[derive(Debug)]
pub(crate) struct Mark {
    /// Where the byte kept for the length is.
    at: usize,
    object: bool,
}

impl Writer {
    /// Into a buffer of its own.
    pub(crate) fn new(limits: Limits) -> Self {
        Self::after(Vec::new(), limits)
    }

    /// After what `prefix` holds, which [`finish`](Self::finish) gives back together with the value.
    pub(crate) fn after(prefix: Vec<u8>, limits: Limits) -> Self {
        Self { start: prefix.len(), buffer: prefix, depth: 0, limits, failed: false }
    }

    /// The prefix and the value.
    pub(crate) fn finish(self) -> Result<Vec<u8>, BodyError> {
        self.check()?;
        #[cfg(test)]
        if matches!(self.buffer.get(self.start), Some(&(tag::ARRAY | tag::OBJECT))) {
            tally::count(tally::Work::Encode);
        }
        Ok(self.buffer)
    }

    /// The prefix alone, as it was, for who reuses a buffer after an error.
    pub(crate) fn into_prefix(mut self) -> Vec<u8> {
        self.buffer.truncate(self.start);
        self.buffer
    }

    /// The prefix and whatever has been written.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Notes that a child could not be written, so that [`finish`](Self::finish) refuses even if the error gets lost.
    #[cold]
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    /// Whether exactly one value has been written.
    pub(super) fn check(&self) -> Result<(), BodyError> {
        let value = self.buffer.get(self.start..).unwrap_or_default();
        if self.failed {
            return Err(ignored());
        }
        if value.len() > self.limits.size {
            return Err(BodyError::new(Fault::TooLarge { limit: self.limits.size }));
        }
        if self.depth != 0 || Raw::new(value).is_err() {
            return Err(BodyError::malformed("not exactly one value was written"));
        }
        Ok(())
    }

    /// Where the next byte goes.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.buffer.len()
    }

    /// The key that was written at `position`.
    #[cold]
    pub(super) fn key_at(&self, position: usize) -> &[u8] {
        let mut rest = self.buffer.get(position..).unwrap_or_default();
        token::take_counted(&mut rest).unwrap_or_default()
    }

    /// Writes null.
    #[inline]
    pub(crate) fn null(&mut self) -> Result<(), BodyError> {
        self.byte(tag::NULL)
    }

    /// Writes false or true.
    #[inline]
    pub(crate) fn bool(&mut self, bool: bool) -> Result<(), BodyError> {
        self.byte(if bool { tag::TRUE } else { tag::FALSE })
    }

    /// Writes an integer.
    #[inline]
    pub(crate) fn unsigned(&mut self, n: u64) -> Result<(), BodyError> {
        if n <= tag::SMALL_MAX {
            self.byte(tag::SMALL | n as u8)
        } else {
            self.tagged_varint(tag::UNSIGNED, n)
        }
    }

    /// Writes an integer, of either sign.
    #[inline]
    pub(crate) fn integer(&mut self, n: i64) -> Result<(), BodyError> {
        match u64::try_from(n) {
            Ok(n) => self.unsigned(n),
            // The complement of n is -1 - n, which is not below zero.
            Err(_) => self.tagged_varint(tag::NEGATIVE, !n as u64),
        }
    }

    /// Writes a float, refusing NaN and the infinities.
    #[inline]
    pub(crate) fn float(&mut self, float: f64) -> Result<(), BodyError> {
        if !float.is_finite() {
            return Err(not_finite(float));
        }
        let mut bytes = [tag::FLOAT; 9];
        if let Some(bits) = bytes.last_chunk_mut() {
            *bits = float.to_le_bytes();
        }
        self.room(bytes.len())?;
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }

    /// Writes a text.
    #[inline]
    pub(crate) fn string(&mut self, string: &str) -> Result<(), BodyError> {
        if string.len() > tag::SHORT_STRING_MAX {
            return self.long_string(string);
        }
        self.room(string.len() + 1)?;
        self.buffer.push(tag::SHORT_STRING | string.len() as u8);
        self.buffer.extend_from_slice(string.as_bytes());
        Ok(())
    }

    fn long_string(&mut self, string: &str) -> Result<(), BodyError> {
        self.tagged_varint(tag::STRING, string.len() as u64)?;
        self.room(string.len())?;
        self.buffer.extend_from_slice(string.as_bytes());
        Ok(())
    }

    /// Writes the text that `value` displays as, without a copy of it elsewhere.
    pub(super) fn display(&mut self, value: &dyn fmt::Display) -> Result<(), BodyError> {
        let (at, len) = self.displayed(value)?;
        match self.buffer.get_mut(at) {
            Some(slot) if len <= tag::SHORT_STRING_MAX => *slot = tag::SHORT_STRING | len as u8,
            Some(slot) => {
                *slot = tag::STRING;
                self.room(1)?;
                self.buffer.insert(at + 1, 0);
                self.set_len(at + 1, len)?;
            }
            None => {}
        }
        Ok(())
    }

    /// Writes as the key of the member whose value comes next the text that `key` displays as.
    pub(super) fn key_display(&mut self, key: &dyn fmt::Display) -> Result<(), BodyError> {
        let (at, len) = self.displayed(key)?;
        self.set_len(at, len)
    }

    /// One byte to be set, and the text: where and how long.
    fn displayed(&mut self, value: &dyn fmt::Display) -> Result<(usize, usize), BodyError> {
        self.byte(0)?;
        let at = self.buffer.len();
        let mut text = Text { writer: self, error: None };
        if write!(text, "{value}").is_err() {
            return Err(text.error.unwrap_or_else(|| BodyError::refused("its Display gave up")));
        }
        Ok((at - 1, self.buffer.len() - at))
    }

    /// Copies a value. Costs a look at each value in it, to know its depth; its texts and keys are not checked.
    pub(crate) fn raw(&mut self, raw: Raw<'_>) -> Result<(), BodyError> {
        let allowed = self.limits.depth.saturating_sub(self.depth);
        raw.check_depth(allowed).map_err(|error| match error.fault() {
            Fault::TooDeep { .. } => BodyError::new(Fault::TooDeep { limit: self.limits.depth }),
            _ => error,
        })?;
        self.room(raw.bytes().len())?;
        self.buffer.extend_from_slice(raw.bytes());
        Ok(())
    }

    /// Copies a value of which the caller knows that it is no deeper than it may be here.
    #[inline]
    pub(crate) fn raw_shallow(&mut self, raw: Raw<'_>) -> Result<(), BodyError> {
        self.encoded(raw.bytes())
    }

    /// Copies members of an object, or the key of one, as they are encoded; the caller knows that they fit in here.
    #[inline]
    pub(crate) fn encoded(&mut self, members: &[u8]) -> Result<(), BodyError> {
        self.room(members.len())?;
        self.buffer.extend_from_slice(members);
        Ok(())
    }

    /// Begins an array; its elements follow, then [`end`](Self::end).
    #[inline]
    pub(crate) fn begin_array(&mut self) -> Result<Mark, BodyError> {
        self.begin(tag::ARRAY)
    }

    /// Begins an object; keys and values follow in turn, then [`end`](Self::end).
    #[inline]
    pub(crate) fn begin_object(&mut self) -> Result<Mark, BodyError> {
        self.begin(tag::OBJECT)
    }

    /// Writes the key of the member whose value comes next.
    #[inline]
    pub(crate) fn key(&mut self, key: &str) -> Result<(), BodyError> {
        self.room(key.len() + varint::len(key.len() as u64))?;
        varint::push(&mut self.buffer, key.len() as u64);
        self.buffer.extend_from_slice(key.as_bytes());
        Ok(())
    }

    /// Ends the container that was begun last, refusing an object that has a key twice.
    #[inline]
    pub(crate) fn end(&mut self, mark: Mark) -> Result<(), BodyError> {
        if self.failed {
            return Err(ignored());
        }
        if mark.object {
            let content = self.buffer.get(mark.at + 1..).unwrap_or_default();
            match duplicates::find(content) {
                Ok(None) => {}
                Ok(Some(key)) => return Err(BodyError::new(Fault::DuplicateKey).under_key_bytes(key)),
                Err(_) => return Err(BodyError::malformed("a key without a value was written")),
            }
        }
        self.end_distinct(mark)
    }

    /// Ends the container that was begun last, whose keys the caller knows to be distinct.
    #[inline]
    pub(crate) fn end_distinct(&mut self, mark: Mark) -> Result<(), BodyError> {
        self.depth = self.depth.saturating_sub(1);
        self.set_len(mark.at, self.buffer.len().saturating_sub(mark.at + 1))
    }

    /// The byte at `at` becomes the length of the `len` bytes after it, which are the last.
    #[inline]
    fn set_len(&mut self, at: usize, len: usize) -> Result<(), BodyError> {
        match self.buffer.get_mut(at) {
            Some(slot) if len < 0x80 => *slot = len as u8,
            _ => self.widen(at, len)?,
        }
        Ok(())
    }

    /// Moves the last `len` bytes up, so that their length fits between `at` and them.
    fn widen(&mut self, at: usize, len: usize) -> Result<(), BodyError> {
        let width = varint::len(len as u64);
        self.room(width - 1)?;
        let end = self.buffer.len();
        self.buffer.resize(end + width - 1, 0);
        self.buffer.copy_within(at + 1..end, at + width);
        let (varint, _) = varint::encode_after(0, len as u64);
        for (slot, byte) in self.buffer.iter_mut().skip(at).zip(varint.iter().skip(1).take(width)) {
            *slot = *byte;
        }
        Ok(())
    }

    #[inline]
    fn begin(&mut self, tag: u8) -> Result<Mark, BodyError> {
        if self.depth >= self.limits.depth {
            return Err(BodyError::new(Fault::TooDeep { limit: self.limits.depth }));
        }
        self.room(2)?;
        self.depth += 1;
        self.buffer.extend_from_slice(&[tag, 0]);
        Ok(Mark { at: self.buffer.len() - 1, object: tag == tag::OBJECT })
    }

    #[inline]
    fn byte(&mut self, byte: u8) -> Result<(), BodyError> {
        self.room(1)?;
        self.buffer.push(byte);
        Ok(())
    }

    fn tagged_varint(&mut self, tag: u8, n: u64) -> Result<(), BodyError> {
        let (bytes, len) = varint::encode_after(tag, n);
        self.room(len)?;
        self.buffer.extend_from_slice(bytes.get(..len).unwrap_or_default());
        Ok(())
    }

    /// Makes room for so many bytes. The limit of size is looked at only where the buffer has to grow, and at the end: bytes are only
    /// ever added, so what is over the limit stays over it, and the buffer never grows beyond it.
    #[inline]
    fn room(&mut self, additional: usize) -> Result<(), BodyError> {
        if additional > self.buffer.capacity().wrapping_sub(self.buffer.len()) {
            return self.grow(additional);
        }
        Ok(())
    }

    #[cold]
    fn grow(&mut self, additional: usize) -> Result<(), BodyError> {
        let used = self.buffer.len().saturating_sub(self.start);
        if additional > self.limits.size.saturating_sub(used) {
            return Err(BodyError::new(Fault::TooLarge { limit: self.limits.size }));
        }
        self.buffer.reserve(additional.max(FIRST_ALLOCATION));
        Ok(())
    }
}

/// Text on its way into a writer.
struct Text<'w> {
    writer: &'w mut Writer,
    error: Option<BodyError>,
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match self.writer.room(text.len()) {
            Ok(()) => {
                self.writer.buffer.extend_from_slice(text.as_bytes());
                Ok(())
            }
            Err(error) => {
                self.error = Some(error);
                Err(fmt::Error)
            }
        }
    }
}

#[cold]
fn ignored() -> BodyError {
    BodyError::refused("an error of one of its parts was ignored")
}

#[cold]
pub(super) fn not_finite(float: f64) -> BodyError {
    BodyError::not_representable(if float.is_nan() { "NaN is not JSON" } else { "an infinity is not JSON" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer) -> Result<(), BodyError>) -> Vec<u8> {
        let mut writer = Writer::new(Limits::default());
        write(&mut writer).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn the_bytes_of_the_format() {
        assert_eq!(written(Writer::null), [0x00]);
        assert_eq!(written(|w| w.bool(false)), [0x01]);
        assert_eq!(written(|w| w.bool(true)), [0x02]);
        assert_eq!(written(|w| w.unsigned(0)), [0x80]);
        assert_eq!(written(|w| w.integer(127)), [0xff]);
        assert_eq!(written(|w| w.unsigned(128)), [0x03, 0x80, 0x01]);
        assert_eq!(written(|w| w.integer(-1)), [0x04, 0x00]);
        assert_eq!(
            written(|w| w.integer(i64::MIN)),
            [0x04, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]
        );
        assert_eq!(written(|w| w.float(1.0)), [0x05, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        assert_eq!(written(|w| w.string("")), [0x40]);
        assert_eq!(written(|w| w.string("ab")), [0x42, b'a', b'b']);
        assert_eq!(written(|w| w.string(&"x".repeat(63)))[..2], [0x7f, b'x']);
        assert_eq!(written(|w| w.string(&"x".repeat(64)))[..3], [0x06, 64, b'x']);
        let object = written(|w| {
            let object = w.begin_object()?;
            w.key("a")?;
            let array = w.begin_array()?;
            w.unsigned(1)?;
            w.end(array)?;
            w.key("")?;
            w.null()?;
            w.end(object)
        });
        assert_eq!(object, [0x08, 7, 1, b'a', 0x07, 1, 0x81, 0, 0x00]);
    }

    #[test]
    fn lengths_that_need_more_than_the_byte_kept_for_them() {
        for n in [0, 1, 126, 127, 128, 129, 16_382, 16_383, 16_384, 3_000_000] {
            let bytes = written(|w| {
                let outer = w.begin_array()?;
                let inner = w.begin_array()?;
                for _ in 0..n {
                    w.null()?;
                }
                w.end(inner)?;
                w.end(outer)
            });
            let raw = crate::encoding::body::validate::validate(&bytes, Limits::default()).unwrap();
            let inner = raw.elements().next().unwrap().unwrap();
            assert_eq!(inner.elements().count(), n);
        }
    }

    #[test]
    fn goes_after_a_prefix() {
        let mut writer = Writer::after(b"head".to_vec(), Limits { size: 3, ..Limits::default() });
        writer.string("ab").unwrap();
        assert_eq!(writer.finish().unwrap(), b"head\x42ab");
        let mut writer = Writer::after(b"head".to_vec(), Limits { size: 3, ..Limits::default() });
        assert_eq!(*writer.string("abc").unwrap_err().fault(), Fault::TooLarge { limit: 3 });
        assert_eq!(writer.into_prefix(), b"head");
    }

    #[test]
    fn what_cannot_be_written() {
        let mut writer = Writer::new(Limits::default());
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(writer.float(float).unwrap_err().fault(), Fault::NotRepresentable { .. }));
        }
        let object = writer.begin_object().unwrap();
        for key in ["a", "b", "a"] {
            writer.key(key).unwrap();
            writer.null().unwrap();
        }
        let error = writer.end(object).unwrap_err();
        assert_eq!((error.fault(), &*error.path()), (&Fault::DuplicateKey, "/a"));

        assert!(Writer::new(Limits::default()).finish().is_err());
        let mut two = Writer::new(Limits::default());
        two.null().unwrap();
        two.null().unwrap();
        assert!(two.finish().is_err());
        let mut deep = Writer::new(Limits { depth: 1, ..Limits::default() });
        let _unended = deep.begin_array().unwrap();
        assert_eq!(*deep.begin_array().unwrap_err().fault(), Fault::TooDeep { limit: 1 });
        assert!(deep.finish().is_err());
    }

    #[test]
    fn a_value_of_just_the_size_allowed_is_written() {
        let value = serde_json::json!({
            "text": "x".repeat(600), "n": [128, -1, u64::MAX, 0.5, true], "k".repeat(200): "y".repeat(63)
        });
        let write = |limits| {
            let mut writer = Writer::new(limits);
            serde::Serialize::serialize(&value, &mut writer)?;
            writer.finish()
        };
        let bytes = write(Limits::default()).unwrap();
        for size in 0..bytes.len() + 2 {
            let limits = Limits { size, ..Limits::default() };
            match write(limits) {
                Ok(written) => assert!(size >= bytes.len() && written == bytes, "{size}"),
                Err(error) => {
                    assert!(size < bytes.len(), "{size}");
                    assert_eq!(*error.fault(), Fault::TooLarge { limit: size });
                }
            }
        }
    }

    #[test]
    fn the_limit_of_size_is_exact() {
        // 127 bytes need one byte of length, 128 need two.
        for (nulls, size) in [(127, 129), (128, 131)] {
            let write = |size| {
                let mut writer = Writer::new(Limits { size, ..Limits::default() });
                let array = writer.begin_array()?;
                for _ in 0..nulls {
                    writer.null()?;
                }
                writer.end(array)?;
                writer.finish()
            };
            assert_eq!(write(size).unwrap().len(), size);
            assert_eq!(*write(size - 1).unwrap_err().fault(), Fault::TooLarge { limit: size - 1 });
        }
    }
}
