//! The events of a JSON text, each with its place.

use json_event_parser::{JsonEvent, LowLevelJsonParser};

use crate::encoding::text::error::{TextError, TextFault};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The events of one JSON text. Ends with [`JsonEvent::Eof`], and with an error where anything but one value is in the text.
///
/// The parser accepts what RFC 8259 does, and one byte order mark before it, which the RFC allows. It keeps a word for each open container, so
/// whoever counts these and stops bounds its memory.
pub(super) struct Events<'t> {
    text: &'t [u8],
    first_line: u64,
    parser: LowLevelJsonParser,
    /// Where the next event is looked for.
    at: usize,
}

impl<'t> Events<'t> {
    pub(super) fn new(text: &'t [u8], first_line: u64) -> Self {
        Self { text, first_line, parser: LowLevelJsonParser::new(), at: 0 }
    }

    /// The next event, and a place at or before its first byte with nothing but white space and separators between.
    pub(super) fn next(&mut self) -> Result<(JsonEvent<'t>, usize), TextError> {
        loop {
            let before = self.at;
            let rest = self.text.get(before..).unwrap_or_default();
            let result = self.parser.parse_next(rest, true);
            self.at = before.saturating_add(result.consumed_bytes);
            match result.event {
                Some(Ok(event)) => return Ok((event, before)),
                Some(Err(error)) => {
                    let at = usize::try_from(error.location().start.offset).unwrap_or(usize::MAX);
                    return Err(self.error_at(at, TextFault::Syntax, error.message().to_owned()));
                }
                None => {}
            }
        }
    }

    /// An error about the event for which [`next`](Self::next) gave `before`.
    #[cold]
    pub(super) fn error(&self, before: usize, fault: TextFault, message: impl Into<String>) -> TextError {
        let rest = self.text.get(before..).unwrap_or_default();
        let mut skipped = rest;
        if before == 0 {
            skipped = skipped.strip_prefix(BYTE_ORDER_MARK).unwrap_or(skipped);
        }
        while let [b' ' | b'\t' | b'\n' | b'\r' | b',' | b':', after @ ..] = skipped {
            skipped = after;
        }
        self.error_at(before.saturating_add(rest.len() - skipped.len()), fault, message.into())
    }

    #[cold]
    fn error_at(&self, at: usize, fault: TextFault, message: String) -> TextError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let before = before.strip_prefix(BYTE_ORDER_MARK).unwrap_or(before);
        let line = before.iter().filter(|byte| **byte == b'\n').count();
        let on_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        // Of the bytes of a character all but the first are 10xxxxxx.
        let column = on_line.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        TextError {
            fault,
            line: self.first_line.saturating_add(line as u64),
            column: (column as u64).saturating_add(1),
            message: message.into(),
        }
    }
}
