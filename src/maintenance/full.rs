//! The lines of the full form, as [the documentation of NDJSON](crate::documentation::ndjson) tells.

use std::io::{self, Write};

use serde_json::Value;
use uuid::Uuid;

use crate::encoding::body::raw::{Kind as RawKind, Raw};
use crate::encoding::envelope::header::Header;
use crate::encoding::text::error::PrintError;
use crate::encoding::text::print::print;
use crate::error::error::Error;
use crate::evolution::history::Recorded;
use crate::maintenance::error::Flaw;
use crate::model::id::{DocumentId, IdView};
use crate::model::revision::Revision;
use crate::model::stamp::{Fingerprint, Stamp};
use crate::model::time::Timestamp;
use crate::value::canonical;

/// The format of the lines that are written here.
const FORMAT: u64 = 0;

const EXPORT: &str = "pivotdb-export";

/// A line that has been read.
#[derive(Debug)]
pub(crate) enum FullLine<'b> {
    Header,
    Collection(&'b str),
    Kind {
        name: &'b str,
        aliases: Vec<&'b str>,
    },
    /// One that was made by a call, as it was in the store, with the names of kinds in the place of their numbers.
    Index {
        collection: &'b str,
        generation: Value,
    },
    Step {
        kind: &'b str,
        recorded: Recorded,
    },
    Document(Box<FullDocument<'b>>),
    End {
        documents: u64,
    },
}

/// A document with all that is stored about it.
#[derive(Debug)]
pub(crate) struct FullDocument<'b> {
    pub(crate) collection: &'b str,
    pub(crate) kind: &'b str,
    pub(crate) id: DocumentId,
    pub(crate) stamp: Stamp,
    pub(crate) revision: Revision,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) complement: Vec<u8>,
    pub(crate) body: Raw<'b>,
}

impl<'b> FullLine<'b> {
    /// The line whose JSON is `line`.
    pub(crate) fn read(line: Raw<'b>) -> Result<Self, Error> {
        let members = Members(line);
        Ok(match members.text("type").map_err(|_| Flaw::LineType)? {
            EXPORT => match members.natural("format")? {
                FORMAT => Self::Header,
                format => return Err(Flaw::Newer { format }.into()),
            },
            "collection" => Self::Collection(members.text("name")?),
            "kind" => Self::Kind { name: members.text("name")?, aliases: members.texts("aliases")? },
            "index" => Self::Index {
                collection: members.text("collection")?,
                generation: members.value("index")?.to_value()?,
            },
            "step" => Self::Step {
                kind: members.text("kind")?,
                recorded: Recorded {
                    stamp: members.stamp()?,
                    parent: members.fingerprint("parent")?,
                    step: members.value("step")?.to_value()?,
                },
            },
            "document" => Self::Document(Box::new(FullDocument {
                collection: members.text("collection")?,
                kind: members.text("kind")?,
                id: members.id()?,
                stamp: members.stamp()?,
                revision: Revision::new(members.natural("revision")?),
                created: Timestamp::from_micros(members.integer("created")?),
                updated: Timestamp::from_micros(members.integer("updated")?),
                complement: members.complement()?,
                body: members.value("body")?,
            })),
            "end" => Self::End { documents: members.natural("documents")? },
            _ => return Err(Flaw::LineType.into()),
        })
    }

    /// Whether the JSON is that of the first line of a full export.
    pub(crate) fn is_header(line: Raw<'_>) -> bool {
        let members = Members(line);
        members.text("type").is_ok_and(|found| found == EXPORT) && members.natural("format").is_ok()
    }
}

/// The members of a line.
struct Members<'b>(Raw<'b>);

impl<'b> Members<'b> {
    fn value(&self, name: &'static str) -> Result<Raw<'b>, Flaw> {
        self.0.get(name).ok().flatten().ok_or(Flaw::Member { name })
    }

    fn text(&self, name: &'static str) -> Result<&'b str, Flaw> {
        self.value(name)?.as_str().ok().flatten().ok_or(Flaw::Member { name })
    }

    /// Several of them; none where the member is absent.
    fn texts(&self, name: &'static str) -> Result<Vec<&'b str>, Flaw> {
        let Some(list) = self.0.get(name).ok().flatten() else { return Ok(Vec::new()) };
        let text = |element: Raw<'b>| element.as_str().ok().flatten();
        let texts = list.elements().map(|element| element.ok().and_then(text));
        let texts = (list.kind() == RawKind::Array).then(|| texts.collect::<Option<_>>()).flatten();
        texts.ok_or(Flaw::Member { name })
    }

    fn natural(&self, name: &'static str) -> Result<u64, Flaw> {
        self.value(name)?.as_u64().ok_or(Flaw::Member { name })
    }

    fn integer(&self, name: &'static str) -> Result<i64, Flaw> {
        self.value(name)?.as_i64().ok_or(Flaw::Member { name })
    }

    fn stamp(&self) -> Result<Stamp, Flaw> {
        let name = "schema_version";
        let schema_version = u32::try_from(self.natural(name)?).map_err(|_| Flaw::Member { name })?;
        Ok(Stamp { schema_version, fingerprint: self.fingerprint("fingerprint")? })
    }

    fn fingerprint(&self, name: &'static str) -> Result<Fingerprint, Flaw> {
        let text = self.text(name)?;
        let number = u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        number.map(Fingerprint::new).ok_or(Flaw::Member { name })
    }

    fn id(&self) -> Result<DocumentId, Flaw> {
        let flaw = Flaw::Member { name: "id" };
        let id = self.value("id")?;
        if let Some(id) = natural_id(id) {
            return Ok(id);
        }
        let uuid = id.get("uuid").ok().flatten().and_then(|uuid| uuid.as_str().ok().flatten());
        uuid.and_then(|uuid| Uuid::try_parse(uuid).ok()).map(DocumentId::from).ok_or(flaw)
    }

    fn complement(&self) -> Result<Vec<u8>, Flaw> {
        const NAME: &str = "complement";
        if !matches!(self.0.get(NAME), Ok(Some(_))) {
            return Ok(Vec::new());
        }
        let text = self.text(NAME)?;
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2));
        let (pairs, _) = digits.as_deref().ok_or(Flaw::Member { name: NAME })?.as_chunks::<2>();
        Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
    }
}

/// The id that an integer or a text is.
pub(crate) fn natural_id(value: Raw<'_>) -> Option<DocumentId> {
    match value.kind() {
        RawKind::Integer => {
            value.as_u64().map(DocumentId::from).or_else(|| value.as_i64().map(DocumentId::from))
        }
        RawKind::String => value.as_str().ok().flatten().map(DocumentId::from),
        _ => None,
    }
}

pub(crate) fn write_header(line: &mut Vec<u8>) -> io::Result<()> {
    write!(line, r#"{{"type":"{EXPORT}","format":{FORMAT}}}"#)
}

pub(crate) fn write_collection(line: &mut Vec<u8>, name: &str) -> io::Result<()> {
    line.extend_from_slice(br#"{"type":"collection","name":"#);
    text(line, name)?;
    line.push(b'}');
    Ok(())
}

pub(crate) fn write_kind(line: &mut Vec<u8>, name: &str, aliases: &[String]) -> io::Result<()> {
    line.extend_from_slice(br#"{"type":"kind","name":"#);
    text(line, name)?;
    if !aliases.is_empty() {
        line.extend_from_slice(br#","aliases":"#);
        serde_json::to_writer(&mut *line, aliases)?;
    }
    line.push(b'}');
    Ok(())
}

pub(crate) fn write_index(line: &mut Vec<u8>, collection: &str, generation: &Value) -> io::Result<()> {
    line.extend_from_slice(br#"{"type":"index","collection":"#);
    text(line, collection)?;
    let mut canonical = String::new();
    canonical::write(generation, &mut canonical);
    write!(line, r#","index":{canonical}}}"#)
}

pub(crate) fn write_step(line: &mut Vec<u8>, kind: &str, recorded: &Recorded) -> io::Result<()> {
    let Recorded { stamp, parent, step } = recorded;
    line.extend_from_slice(br#"{"type":"step","kind":"#);
    text(line, kind)?;
    write_stamp(line, *stamp)?;
    let mut canonical = String::new();
    canonical::write(step, &mut canonical);
    write!(line, r#","parent":"{parent}","step":{canonical}}}"#)
}

/// One document of `collection` and `kind`, which are JSON texts already.
pub(crate) fn write_document(
    line: &mut Vec<u8>,
    (collection, kind): (&str, &str),
    id: &DocumentId,
    header: &Header,
    complement: &[u8],
    body: Raw<'_>,
) -> Result<(), PrintError> {
    let mut head = || {
        write!(line, r#"{{"type":"document","collection":{collection},"id":"#)?;
        match id.view() {
            IdView::Negative(n) => write!(line, "{n}")?,
            IdView::Natural(n) => write!(line, "{n}")?,
            IdView::Uuid(uuid) => write!(line, r#"{{"uuid":"{uuid}"}}"#)?,
            IdView::Text(id) => text(line, id)?,
        }
        write!(line, r#","kind":{kind}"#)?;
        write_stamp(line, header.stamp)?;
        let (created, updated) = (header.created.as_micros(), header.updated.as_micros());
        write!(line, r#","revision":{},"created":{created},"updated":{updated}"#, header.revision)?;
        if !complement.is_empty() {
            line.extend_from_slice(br#","complement":""#);
            for byte in complement {
                write!(line, "{byte:02x}")?;
            }
            line.push(b'"');
        }
        line.extend_from_slice(br#","body":"#);
        Ok(())
    };
    head().map_err(PrintError::Io)?;
    print(body, line)?;
    line.push(b'}');
    Ok(())
}

pub(crate) fn write_end(line: &mut Vec<u8>, documents: u64) -> io::Result<()> {
    write!(line, r#"{{"type":"end","documents":{documents}}}"#)
}

/// A text as JSON.
pub(crate) fn text(line: &mut Vec<u8>, text: &str) -> io::Result<()> {
    Ok(serde_json::to_writer(line, text)?)
}

fn write_stamp(line: &mut Vec<u8>, stamp: Stamp) -> io::Result<()> {
    let Stamp { schema_version, fingerprint } = stamp;
    write!(line, r#","schema_version":{schema_version},"fingerprint":"{fingerprint}""#)
}
