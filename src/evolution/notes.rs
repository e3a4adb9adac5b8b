//! Complements: what steps could not express in their output.

use std::borrow::Cow;

use xxhash_rust::xxh3::Xxh3;

use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Elements, Kind, Raw};
use crate::encoding::body::writer::Writer;
use crate::model::stamp::Fingerprint;
use crate::value::path::Path;

/// A complement: what the steps a document has crossed could not express in their output, by step and direction. Section 4 of the
/// [format](crate::documentation::format) has its bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OpenComplement<'a> {
    pub(crate) steps: Vec<StepNotes<'a>>,
}

/// What one step could not express, going one way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepNotes<'a> {
    /// After the step.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) up: bool,
    pub(crate) notes: Notes<'a>,
}

/// By position of the op; a function's is the number of ops.
pub(crate) type Notes<'a> = Vec<(u32, Note<'a>)>;

/// What one op could not express.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Note<'a> {
    /// What was at the paths of the op before, and the digest of what was there after it.
    Paths { digest: u64, before: Vec<State<'a>> },
    /// Of the ops within it, on an object.
    Inside(Notes<'a>),
    /// Of the ops within it, by element: index and digest after it.
    Each(Vec<(u32, u64, Notes<'a>)>),
    /// Of the ops within it, by member.
    EachValue(Vec<(Cow<'a, str>, Notes<'a>)>),
    /// The members a function has changed, as they were, and the digest of them after it.
    Members { digest: u64, before: Vec<(Cow<'a, str>, Option<Node<'a>>)> },
    /// The body as it was before a function, and the digest after it.
    Body { digest: u64, before: Node<'a> },
}

/// What a path finds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State<'a> {
    /// How many of the path's names lead to `value`. Fewer than all: `value` has no members, or there is nothing.
    pub(crate) depth: usize,
    pub(crate) value: Option<Node<'a>>,
}

/// Values within the complement may be as deep and as large as a body.
const LIMITS: Limits = Limits { depth: 2 * Limits::MAX_DEPTH, size: 4 * Limits::MAX_SIZE };

impl<'a> OpenComplement<'a> {
    /// What [`to_bytes`](Self::to_bytes) has written.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, BodyError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let steps = list(Raw::new(bytes)?, |mut parts| {
            let fingerprint = Fingerprint::new(parts.unsigned()?);
            let up = parts.next()?.as_bool().ok_or_else(malformed)?;
            let notes = read_notes(parts.next()?, Limits::MAX_DEPTH)?;
            parts.end(StepNotes { fingerprint, up, notes })
        })?;
        Ok(Self { steps })
    }

    /// Nothing, where there is nothing to say.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, BodyError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut writer = Writer::new(LIMITS);
        write_list(&mut writer, &self.steps, |writer, step| {
            writer.unsigned(step.fingerprint.get())?;
            writer.bool(step.up)?;
            write_notes(writer, &step.notes)
        })?;
        writer.finish()
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

fn write_notes(writer: &mut Writer, notes: &Notes<'_>) -> Result<(), BodyError> {
    write_list(writer, notes, |writer, (position, note)| {
        writer.unsigned(u64::from(*position))?;
        match note {
            Note::Paths { digest, before } => {
                writer.unsigned(0)?;
                writer.unsigned(*digest)?;
                write_list(writer, before, |writer, State { depth, value }| {
                    writer.unsigned(*depth as u64)?;
                    value.iter().try_for_each(|value| value.encode(writer))
                })
            }
            Note::Inside(notes) => {
                writer.unsigned(1)?;
                write_notes(writer, notes)
            }
            Note::Each(elements) => {
                writer.unsigned(2)?;
                write_list(writer, elements, |writer, (index, digest, notes)| {
                    writer.unsigned(u64::from(*index))?;
                    writer.unsigned(*digest)?;
                    write_notes(writer, notes)
                })
            }
            Note::EachValue(members) => {
                writer.unsigned(3)?;
                write_list(writer, members, |writer, (name, notes)| {
                    writer.string(name)?;
                    write_notes(writer, notes)
                })
            }
            Note::Members { digest, before } => {
                writer.unsigned(4)?;
                writer.unsigned(*digest)?;
                write_list(writer, before, |writer, (name, value)| {
                    writer.string(name)?;
                    value.iter().try_for_each(|value| value.encode(writer))
                })
            }
            Note::Body { digest, before } => {
                writer.unsigned(5)?;
                writer.unsigned(*digest)?;
                before.encode(writer)
            }
        }
    })
}

/// A list of lists, one for each of `items`.
fn write_list<T>(
    writer: &mut Writer,
    items: &[T],
    mut parts: impl FnMut(&mut Writer, &T) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    let outer = writer.begin_array()?;
    for item in items {
        let inner = writer.begin_array()?;
        parts(writer, item)?;
        writer.end(inner)?;
    }
    writer.end(outer)
}

fn read_notes(raw: Raw<'_>, depth: usize) -> Result<Notes<'_>, BodyError> {
    let depth = depth.checked_sub(1).ok_or_else(malformed)?;
    list(raw, |mut parts| {
        let position = parts.number()?;
        let note = match parts.unsigned()? {
            0 => {
                let digest = parts.unsigned()?;
                let before = list(parts.next()?, |mut parts| {
                    let depth = usize::try_from(parts.unsigned()?).map_err(|_| malformed())?;
                    let value = parts.optional()?;
                    parts.end(State { depth, value })
                })?;
                Note::Paths { digest, before }
            }
            1 => Note::Inside(read_notes(parts.next()?, depth)?),
            2 => Note::Each(list(parts.next()?, |mut parts| {
                let element = (parts.number()?, parts.unsigned()?, read_notes(parts.next()?, depth)?);
                parts.end(element)
            })?),
            3 => Note::EachValue(list(parts.next()?, |mut parts| {
                let member = (parts.text()?, read_notes(parts.next()?, depth)?);
                parts.end(member)
            })?),
            4 => {
                let digest = parts.unsigned()?;
                let before = list(parts.next()?, |mut parts| {
                    let member = (parts.text()?, parts.optional()?);
                    parts.end(member)
                })?;
                Note::Members { digest, before }
            }
            5 => Note::Body { digest: parts.unsigned()?, before: Node::Raw(parts.next()?) },
            _ => return Err(malformed()),
        };
        parts.end((position, note))
    })
}

/// The lists in a list, each read by `item`.
fn list<'a, T>(
    raw: Raw<'a>,
    mut item: impl FnMut(Parts<'a>) -> Result<T, BodyError>,
) -> Result<Vec<T>, BodyError> {
    elements(raw)?.map(|element| item(Parts(elements(element?)?))).collect()
}

fn elements(raw: Raw<'_>) -> Result<Elements<'_>, BodyError> {
    if raw.kind() == Kind::Array { Ok(raw.elements()) } else { Err(malformed()) }
}

/// The elements of a list, each of which means something else.
struct Parts<'a>(Elements<'a>);

impl<'a> Parts<'a> {
    fn next(&mut self) -> Result<Raw<'a>, BodyError> {
        self.0.next().unwrap_or_else(|| Err(malformed()))
    }

    fn unsigned(&mut self) -> Result<u64, BodyError> {
        self.next()?.as_u64().ok_or_else(malformed)
    }

    fn number(&mut self) -> Result<u32, BodyError> {
        u32::try_from(self.unsigned()?).map_err(|_| malformed())
    }

    fn text(&mut self) -> Result<Cow<'a, str>, BodyError> {
        self.next()?.as_str()?.map(Cow::Borrowed).ok_or_else(malformed)
    }

    fn optional(&mut self) -> Result<Option<Node<'a>>, BodyError> {
        self.0.next().map(|raw| raw.map(Node::Raw)).transpose()
    }

    /// `read`, if there is nothing more.
    fn end<T>(mut self, read: T) -> Result<T, BodyError> {
        if self.0.next().is_some() { Err(malformed()) } else { Ok(read) }
    }
}

fn malformed() -> BodyError {
    BodyError::malformed("not a complement that a writer makes")
}

/// Of an op, by what it is called, the paths it writes, and the digest of the op it is within: what it has kept is nobody else's, also where another
/// definition of the step has another op in its place.
pub(crate) fn digest_op(within: u64, name: &str, paths: &[&Path]) -> u64 {
    let mut hash = Xxh3::new();
    let text = |text: &str, hash: &mut Xxh3| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    hash.update(&within.to_le_bytes());
    text(name, &mut hash);
    for path in paths {
        hash.update(&(path.names().len() as u64).to_le_bytes());
        path.names().for_each(|name| text(name, &mut hash));
    }
    hash.digest()
}

/// Of the states in which the paths of an op are.
pub(crate) fn digest_states(op: u64, states: &[State<'_>]) -> Result<u64, BodyError> {
    let mut hash = Xxh3::new();
    hash.update(&op.to_le_bytes());
    for State { depth, value } in states {
        hash.update(&(*depth as u64).to_le_bytes());
        match value {
            Some(value) => hash_value(value, &mut hash, Limits::MAX_DEPTH)?,
            None => hash.update(&[0xff]),
        }
    }
    Ok(hash.digest())
}

/// Of one element of the list of an op.
pub(crate) fn digest_element(op: u64, value: &Node<'_>) -> Result<u64, BodyError> {
    let mut hash = Xxh3::new();
    hash.update(&op.to_le_bytes());
    hash_value(value, &mut hash, Limits::MAX_DEPTH)?;
    Ok(hash.digest())
}

/// Scalars as they are encoded; containers as their tag, their number of children, and these, members sorted by name: a program may
/// have written the same object in another order.
fn hash_value(value: &Node<'_>, hash: &mut Xxh3, depth: usize) -> Result<(), BodyError> {
    let value = value.expanded()?;
    let count = |tag: u8, len: usize, hash: &mut Xxh3| {
        hash.update(&[tag]);
        hash.update(&(len as u64).to_le_bytes());
    };
    let deeper =
        || depth.checked_sub(1).ok_or_else(|| BodyError::new(Fault::TooDeep { limit: Limits::MAX_DEPTH }));
    match &*value {
        Node::Array(elements) => {
            let depth = deeper()?;
            count(0x07, elements.len(), hash);
            elements.iter().try_for_each(|element| hash_value(element, hash, depth))
        }
        Node::Object(members) => {
            let depth = deeper()?;
            count(0x08, members.len(), hash);
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            members.into_iter().try_for_each(|(name, member)| {
                count(0x06, name.len(), hash);
                hash.update(name.as_bytes());
                hash_value(member, hash, depth)
            })
        }
        scalar => {
            hash.update(&scalar.to_bytes(Limits::default())?);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn node<'a>(value: serde_json::Value) -> Node<'a> {
        Node::from_value(value).unwrap()
    }

    fn sample<'a>() -> OpenComplement<'a> {
        let states = vec![
            State { depth: 1, value: None },
            State { depth: 2, value: Some(node(json!({"a": [1, "x"]}))) },
            State { depth: 0, value: Some(Node::Null) },
        ];
        let paths = Note::Paths { digest: u64::MAX, before: states };
        let members = vec![("m".into(), None), ("".into(), Some(node(json!(1.5))))];
        let notes = vec![
            (0, paths.clone()),
            (1, Note::Inside(vec![(7, paths.clone())])),
            (2, Note::Each(vec![(3, 4, vec![(0, paths.clone())]), (u32::MAX, 0, Notes::new())])),
            (3, Note::EachValue(vec![("é".into(), vec![(0, paths)])])),
            (4, Note::Members { digest: 0, before: members }),
            (u32::MAX, Note::Body { digest: 1, before: node(json!([null])) }),
        ];
        let step = |up, notes| StepNotes { fingerprint: Fingerprint::new(u64::MAX - 1), up, notes };
        OpenComplement { steps: vec![step(true, notes), step(false, Notes::new())] }
    }

    #[test]
    fn reads_back() {
        let bytes = sample().to_bytes().unwrap();
        assert_eq!(OpenComplement::read(&bytes).unwrap(), sample());
        assert!(OpenComplement::default().to_bytes().unwrap().is_empty());
        assert!(OpenComplement::read(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_no_writer_makes_is_refused() {
        for malformed in [
            json!(1),
            json!({}),
            json!([1]),
            json!([[1, true]]),
            json!([[1, 1, []]]),
            json!([[1.0, true, []]]),
            json!([[1, true, [], 1]]),
            json!([[1, true, [[]]]]),
            json!([[1, true, [[0, 6, 1]]]]),
            json!([[1, true, [[0, 0, 1, [[1, 2, 3]]]]]]),
            json!([[1, true, [[0, 1, {}]]]]),
            json!([[1, true, [[4_294_967_296_u64, 1, []]]]]),
        ] {
            let bytes = node(malformed.clone()).to_bytes(Limits::default()).unwrap();
            assert!(OpenComplement::read(&bytes).is_err(), "{malformed}");
        }
        let deep = (0..200).fold(json!([]), |inner, _| json!([[0, 1, inner]]));
        let bytes = node(json!([])).to_bytes(LIMITS).unwrap();
        assert!(OpenComplement::read(&bytes).unwrap().is_empty());
        assert!(Node::from_value(deep).is_err(), "deeper than a value may be");
    }

    #[test]
    fn digests_do_not_depend_on_the_order_of_members() {
        let object = |names: [&'static str; 2]| {
            let members = names.into_iter().map(|name| (name.into(), node(json!(name.len()))));
            Node::Object(members.collect())
        };
        let digest = |value: &Node<'_>| digest_element(7, value).unwrap();
        assert_eq!(digest(&object(["a", "bb"])), digest(&object(["bb", "a"])));
        let different = [
            json!({"a": 1}),
            json!({"a": 1.0}),
            json!({"a": [1]}),
            json!([["a", 1]]),
            json!(["a", 1]),
            json!([]),
            json!({}),
            json!([[]]),
            json!(null),
        ];
        let digests: std::collections::HashSet<_> =
            different.iter().map(|value| digest(&node(value.clone()))).collect();
        assert_eq!(digests.len(), different.len());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in Just(sample().to_bytes().unwrap()), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = OpenComplement::read(&bytes).map(|complement| complement.to_bytes());
            let _ = OpenComplement::read(&bytes[..cut.index(bytes.len())]);
        }
    }
}
