//! Regular expressions, matched in time linear in the text.

use std::sync::Arc;

use regex_lite::{Regex, RegexBuilder};

use crate::filter::error::{Flaw, InvalidFilter};

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 16 << 10;
/// The most memory a compiled pattern takes; an estimate of the engine's.
const MAX_COMPILED: usize = 1 << 20;
/// Groups within each other.
const MAX_NESTING: u32 = 64;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: Box<str>,
    options: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// `options` are letters: `i` ignores the case of ASCII letters, `m` lets `^` and `$` match at lines, `s` lets `.` match ends of lines, `x` ignores white
    /// space in the pattern.
    pub(crate) fn new(text: &str, options: &str) -> Result<Self, InvalidFilter> {
        if text.len() > MAX_PATTERN {
            return Err(InvalidFilter::new(Flaw::PatternTooLarge { bytes: text.len(), limit: MAX_PATTERN }));
        }
        let mut letters: Vec<char> = options.chars().collect();
        letters.sort_unstable();
        letters.dedup();
        if let Some(_unknown) = letters.iter().find(|letter| !"imsx".contains(**letter)) {
            return Err(InvalidFilter::operand("$options", "the letters i, m, s and x"));
        }
        let has = |letter| letters.contains(&letter);
        let regex = RegexBuilder::new(text)
            .case_insensitive(has('i'))
            .multi_line(has('m'))
            .dot_matches_new_line(has('s'))
            .ignore_whitespace(has('x'))
            .size_limit(MAX_COMPILED)
            .nest_limit(MAX_NESTING)
            .build()
            .map_err(|error| InvalidFilter::new(Flaw::Pattern(Arc::new(error))))?;
        Ok(Self { text: text.into(), options: letters.into_iter().collect::<String>().into(), regex })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn options(&self) -> &str {
        &self.options
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.options == other.options
    }
}

/// `text` as a pattern that matches just it.
pub(crate) fn escape(text: &str) -> String {
    regex_lite::escape(text)
}
