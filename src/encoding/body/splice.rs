//! Changes of some members of an object, made on a copy.

use crate::encoding::body::raw::Raw;
use crate::encoding::body::{tag, varint};

/// A copy of an object with some of its members changed, in their order. All else is copied as it lies, in as few pieces as can be, and is not looked at.
/// There is no copy before the first change.
#[derive(Debug)]
pub(crate) struct Splice<'a> {
    object: &'a [u8],
    /// How much of the object has been copied or passed.
    at: usize,
    /// How long the content is going to be, most likely.
    length: usize,
    copy: Vec<u8>,
}

impl<'a> Splice<'a> {
    /// Nothing changed yet of an object and its `content`. `growth`: how many bytes longer this is going to be; where that is wrong, it costs a move.
    #[inline]
    pub(crate) fn of(object: Raw<'a>, content: &[u8], growth: isize) -> Self {
        let object = object.bytes();
        let start = object.len().saturating_sub(content.len());
        let length = content.len().saturating_add_signed(growth);
        Self { object, at: start, length, copy: Vec::new() }
    }

    /// Whether nothing has been changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.copy.is_empty()
    }

    /// Puts `new` in the place of what begins and ends so far into the object. `None` where there is no such part, or one before it has been asked for.
    #[inline]
    pub(crate) fn replace(&mut self, start: usize, end: usize, new: &[u8]) -> Option<()> {
        self.begin();
        self.copy.extend_from_slice(self.object.get(self.at..start)?);
        self.copy.extend_from_slice(new);
        self.at = end;
        Some(())
    }

    /// Puts a member, of a key that the object does not have, behind all others. None may be changed any more.
    pub(crate) fn add(&mut self, key: &str, value: Raw<'_>) -> Option<()> {
        let end = self.object.len();
        self.replace(end, end, &[])?;
        varint::push(&mut self.copy, key.len() as u64);
        self.copy.extend_from_slice(key.as_bytes());
        self.copy.extend_from_slice(value.bytes());
        Some(())
    }

    /// The changed object.
    #[inline]
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        self.begin();
        self.copy.extend_from_slice(self.object.get(self.at..)?);
        let (width, length) = (varint::len(self.length as u64), self.copy.len());
        let content = length - 1 - width;
        if content != self.length {
            let mut head = vec![tag::OBJECT];
            varint::push(&mut head, content as u64);
            self.copy.splice(..=width, head);
        }
        Some(self.copy)
    }

    #[inline]
    fn begin(&mut self) {
        if self.copy.is_empty() {
            self.copy = Vec::with_capacity(1 + varint::len(self.length as u64) + self.length);
            self.copy.push(tag::OBJECT);
            varint::push(&mut self.copy, self.length as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::body::limits::Limits;
    use crate::encoding::body::token::Token;
    use crate::encoding::body::validate::validate;
    use crate::encoding::body::writer::Writer;

    fn object(members: &[(String, String)]) -> Vec<u8> {
        let mut writer = Writer::new(Limits::default());
        let mark = writer.begin_object().unwrap();
        for (key, value) in members {
            writer.key(key).unwrap();
            writer.string(value).unwrap();
        }
        writer.end(mark).unwrap();
        writer.finish().unwrap()
    }

    fn text(text: &str) -> Vec<u8> {
        let mut writer = Writer::new(Limits::default());
        writer.string(text).unwrap();
        writer.finish().unwrap()
    }

    proptest! {
        /// Whatever growth was foretold. Members are kept, replaced, or taken away.
        #[test]
        fn gives_what_a_writer_would(
            members in prop::collection::vec(("[a-z]{0,200}", prop::option::of(prop::option::of("[a-z]{0,200}"))), 0..6),
            added in prop::option::of("[a-z]{0,200}"),
            growth in -300..300_isize,
        ) {
            let keyed = |at: usize| format!("{at}");
            let base: Vec<_> = members.iter().enumerate().map(|(at, (value, _))| (keyed(at), value.clone())).collect();
            let body = object(&base);
            let raw = Raw::new(&body).unwrap();
            let Token::Object(content) = raw.token() else { unreachable!() };
            let mut splice = Splice::of(raw, content, growth);
            let mut expected = Vec::new();
            let mut end = splice.at;
            for member in raw.members() {
                let (key, value) = member.unwrap();
                let start = end;
                end += 1 + key.len() + value.bytes().len();
                let at: usize = key.parse().unwrap();
                match &members[at].1 {
                    None => expected.push((key.to_owned(), members[at].0.clone())),
                    Some(None) => splice.replace(start, end, &[]).unwrap(),
                    Some(Some(new)) => {
                        splice.replace(end - value.bytes().len(), end, &text(new)).unwrap();
                        expected.push((key.to_owned(), new.clone()));
                    }
                }
            }
            if let Some(added) = added {
                splice.add("added", Raw::new(&text(&added)).unwrap()).unwrap();
                expected.push(("added".to_owned(), added));
            }
            let spliced = splice.finish().unwrap();
            prop_assert!(validate(&spliced, Limits::default()).is_ok());
            prop_assert_eq!(spliced, object(&expected));
        }
    }
}
