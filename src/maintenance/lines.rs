//! Reading lines of bounded length.

use std::io::{self, BufRead, BufReader, Read};

const BUFFER: usize = 64 * 1024;

/// The lines of an input. Memory: the longest line, which is bounded.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
    limit: usize,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(input: R, limit: usize) -> Self {
        Self { input: BufReader::with_capacity(BUFFER, input), line: Vec::new(), number: 0, bytes: 0, limit }
    }

    /// Goes to the next line; `false` where there is none. A line ends with a line feed, or with the input where that does not
    /// follow one.
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        // One byte more than the longest line and its end: so whatever comes without an end has met that of the input.
        let most = (self.limit as u64).saturating_add(2);
        let read = (&mut self.input).take(most).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(false);
        }
        self.bytes = self.bytes.saturating_add(read as u64);
        self.number = self.number.saturating_add(1);
        let ended = self.line.pop_if(|last| *last == b'\n').is_some();
        if self.line.len() > self.limit && !ended {
            self.bytes = self.bytes.saturating_add(self.input.skip_until(b'\n')? as u64);
        }
        Ok(true)
    }

    /// Makes everything up to the end of the input the line, or as much of it as shows that it is too long.
    pub(crate) fn advance_to_end(&mut self) -> io::Result<()> {
        self.line.clear();
        let most = (self.limit as u64).saturating_add(1);
        let read = (&mut self.input).take(most).read_to_end(&mut self.line)?;
        self.bytes = self.bytes.saturating_add(read as u64);
        self.number = self.number.saturating_add(1);
        Ok(())
    }

    /// The line, without its end; `None` where it is longer than the limit.
    pub(crate) fn text(&self) -> Option<&[u8]> {
        (self.line.len() <= self.limit).then_some(self.line.as_slice())
    }

    /// The number of the line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes have been read, to the end of the line.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The longest line that is read.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(input: &[u8], limit: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(input, limit);
        let mut found = Vec::new();
        while lines.advance().unwrap() {
            found.push(lines.text().map(<[u8]>::to_vec));
            assert_eq!(lines.number(), found.len() as u64);
        }
        assert_eq!(lines.bytes(), input.len() as u64);
        found
    }

    #[test]
    fn a_line_ends_with_a_line_feed_or_the_input() {
        let text = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(lines(b"", 9), []);
        assert_eq!(lines(b"\n", 9), [text("")]);
        assert_eq!(lines(b"a\n\nb", 9), [text("a"), text(""), text("b")]);
        assert_eq!(lines(b"a\r\nb\n", 9), [text("a\r"), text("b")]);
        assert_eq!(lines(b"abc\nabcd\nabcde\nabc", 3), [text("abc"), None, None, text("abc")]);
        assert_eq!(lines(b"abcd", 3), [None]);
        assert_eq!(lines(b"abc", 3), [text("abc")]);
    }

    #[test]
    fn a_long_line_takes_no_memory() {
        let mut lines = Lines::new(io::repeat(b'x').take(50_000_000).chain(&b"\nend"[..]), 10);
        assert!(lines.advance().unwrap());
        assert_eq!((lines.number(), lines.text()), (1, None));
        assert!(lines.advance().unwrap());
        assert_eq!((lines.number(), lines.text()), (2, Some(&b"end"[..])));
        assert!(lines.line.capacity() < 1000);
        let mut whole = Lines::new(io::repeat(b'x'), 10);
        whole.advance_to_end().unwrap();
        assert_eq!(whole.text(), None);
    }

    proptest! {
        #[test]
        fn as_splitting_does(input in "[ab\n]{0,40}", limit in 0..6_usize) {
            let mut expected: Vec<_> = input.split('\n').collect();
            expected.pop_if(|last| last.is_empty());
            let expected: Vec<_> = expected
                .into_iter()
                .map(|line| (line.len() <= limit).then(|| line.as_bytes().to_vec()))
                .collect();
            prop_assert_eq!(lines(input.as_bytes(), limit), expected);
        }
    }
}
