//! What is fed with bytes.

use std::collections::{BTreeMap, HashMap};

use pivotdb::testing::fuzz::{self, Verdict};
use pivotdb::{Collection, ErrorKind, Export, Filter, Import, Index, Query, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::memory::watched;

/// A reader of bytes, and what it may cost.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// Whether it accepts the bytes, or the law that does not hold.
    read: fn(&[u8]) -> Verdict,
    /// Bytes of memory that it may take whatever it is fed with.
    base: usize,
    /// And for each byte it is fed with.
    each: usize,
}

pub const BODY: Target = Target { name: "body", read: body, base: 64 << 10, each: 1500 };
pub const ENVELOPE: Target = Target { name: "envelope", read: fuzz::envelope, base: 64 << 10, each: 50 };
pub const CURSOR: Target = Target { name: "cursor", read: cursor, base: 4 << 20, each: 500 };
pub const ENTRY: Target = Target { name: "entry", read: fuzz::entry, base: 16 << 10, each: 50 };
pub const FILTER: Target = Target { name: "filter", read: filter, base: 1 << 20, each: 2000 };
pub const IMPORT: Target = Target { name: "import", read: import, base: 4 << 20, each: 3000 };
pub const KEY: Target = Target { name: "key", read: fuzz::key, base: 16 << 10, each: 50 };
/// The control.
pub const PLANTED: Target = Target { name: "planted", read: planted, base: 64 << 10, each: 50 };

pub const ALL: [Target; 7] = [BODY, CURSOR, ENTRY, ENVELOPE, FILTER, IMPORT, KEY];

impl Target {
    /// Whether it accepts the bytes.
    ///
    /// # Panics
    /// When it should not have: a law does not hold, or it took more memory than the bytes justify.
    pub fn feed(&self, bytes: &[u8]) -> bool {
        let (verdict, most) = watched(|| (self.read)(bytes));
        let allowed = self.base + self.each * bytes.len();
        assert!(most <= allowed, "{most} bytes of memory for {} bytes, {allowed} allowed", bytes.len());
        match verdict {
            Ok(accepted) => accepted,
            Err(law) => panic!("this does not hold: {law}"),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum Choice {
    Unit,
    Newtype(Box<Choice>),
    Tuple(i8, f64),
    Struct { list: Vec<Choice> },
}

#[derive(Debug, Serialize, Deserialize)]
struct Linked {
    next: Option<Box<Linked>>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(f64),
    List(Vec<Untagged>),
    Map(HashMap<String, Untagged>),
    Other(Value),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    A(u8),
    B { x: Option<bool> },
}

fn body(bytes: &[u8]) -> Verdict {
    fuzz::typed::<Choice>(bytes)?;
    fuzz::typed::<Linked>(bytes)?;
    fuzz::typed::<Untagged>(bytes)?;
    fuzz::typed::<Vec<Adjacent>>(bytes)?;
    fuzz::typed::<(u8, String, Option<[i16; 2]>)>(bytes)?;
    fuzz::body(bytes)
}

/// A filter, a line end, and a document for it.
fn filter(bytes: &[u8]) -> Verdict {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (filter, document) = bytes.split_at(at);
    let Ok(filter) = serde_json::from_slice::<Value>(filter) else { return Ok(false) };
    let document = serde_json::from_slice::<Value>(document).unwrap_or_default();
    let filter = Filter::from(filter);
    let matches = match filter.matches(&document) {
        Ok(matches) => matches,
        // It is none, or the document cannot be one.
        Err(error) => {
            let refused = [ErrorKind::InvalidFilter, ErrorKind::NotRepresentable, ErrorKind::TooDeep];
            return if refused.contains(&error.kind()) {
                Ok(false)
            } else {
                Err("a filter is refused as one")
            };
        }
    };
    let printed = filter.to_json().map_err(|_| "a filter can be printed")?;
    let again = Filter::from(printed.clone());
    if again.to_json().ok() != Some(printed) {
        return Err("a printed filter prints the same");
    }
    if again.matches(&document).ok() != Some(matches) {
        return Err("a printed filter means the same");
    }
    if filter.negate().matches(&document).is_ok_and(|negated| negated == matches) {
        return Err("a filter or its negation");
    }
    Ok(true)
}

thread_local! {
    static CURSED: Collection<Value> = cursed();
}

/// What cursors are used on: a few documents, of which some have to be sorted and others stand in an index.
fn cursed() -> Collection<Value> {
    let store = Store::builder().background(false).memory();
    let things = store.and_then(|store| store.documents("things")).expect("a store can be made");
    for n in 0..20_i64 {
        let value = json!({"a": n % 7, "b": [n, "x".repeat(n as usize)], "c": n as f64 / 3.0});
        things.insert_with_id(n, &value).expect("a document can be written");
    }
    things.create_index(&Index::on("a")).expect("an index can be made");
    things
}

/// The queries that they are for.
fn queries(things: &Collection<Value>) -> [Query<Value>; 5] {
    let all = || things.find(json!({}));
    [
        all(),
        all().sort("a"),
        all().sort_desc("a"),
        all().sort_desc("b").sort("c"),
        things.find(json!({"a": {"$gt": 2}})).sort("a"),
    ]
}

/// Cursors of each of these queries, as they are and without what they end with.
#[must_use]
pub fn cursors() -> Vec<Vec<u8>> {
    CURSED.with(|things| {
        let mut texts = Vec::new();
        for query in queries(things) {
            let mut results = query.iter();
            for _ in 0..3 {
                results.next();
                let text = results.cursor().ok().flatten().expect("there is a cursor").to_string();
                let bytes: Vec<u8> = (0..text.len() / 2 - 4)
                    .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("it is of digits"))
                    .collect();
                texts.extend([text.into_bytes(), bytes]);
            }
        }
        texts
    })
}

/// The text of a cursor, and what can be done with it.
fn cursor(bytes: &[u8]) -> Verdict {
    let Some(cursor) = fuzz::cursor(bytes)? else { return Ok(false) };
    CURSED.with(|things| {
        for query in queries(things) {
            let whole = query.iter().filter_map(Result::ok).map(|one| one.id().clone()).collect::<Vec<_>>();
            match query.after(&cursor).to_vec() {
                Ok(rest) => {
                    let rest: Vec<_> = rest.iter().map(|one| one.id().clone()).collect();
                    if !whole.ends_with(&rest) {
                        return Err("behind a cursor is an end of the results");
                    }
                }
                Err(error) if [ErrorKind::InvalidCursor, ErrorKind::CursorStale].contains(&error.kind()) => {}
                Err(_) => return Err("a cursor is refused as one"),
            }
        }
        Ok(true)
    })
}

/// Lines, in each form that an import takes; the first byte says what else.
fn import(bytes: &[u8]) -> Verdict {
    let Some((options, text)) = bytes.split_first() else { return Ok(false) };
    let store = Store::memory().map_err(|_| "a store can be made")?;
    let documents = store.documents("imported").map_err(|_| "a collection can be made")?;
    let mut accepted = false;
    let mut expected = 0;
    for form in 0..4 {
        let mut import = if form == 3 { Import::into_store(&store) } else { Import::into(&documents) };
        match form {
            1 => import = import.one_document(),
            2 => import = import.full(),
            _ => {}
        }
        if options & 1 > 0 {
            import = import.id_field("id");
        }
        if options & 2 > 0 {
            import = import.allow_duplicate_keys();
        }
        match options >> 2 & 3 {
            1 => import = import.skip_existing(),
            2 => import = import.overwrite_existing(),
            _ => {}
        }
        if options & 16 > 0 {
            import = import.skip_errors(3);
        }
        match import.read_from(text) {
            Ok(imported) => {
                accepted |= imported.documents > 0;
                expected += imported.documents;
            }
            Err(error) => {
                let told = error.context().detail("imported").and_then(|told| told.parse::<u64>().ok());
                expected += told.unwrap_or(0);
            }
        }
    }
    let mut found = 0;
    for collection in store.collections() {
        let documents = store.documents(&collection).map_err(|_| "a collection can be opened")?;
        found += documents.count().map_err(|_| "documents can be counted")?;
        for document in documents.iter() {
            // Of a kind with steps that nobody has declared, or behind steps that the program lacks.
            let _ = document;
        }
    }
    // Documents that were replaced are counted each time.
    if found > expected || (found < expected && options >> 2 & 3 != 2) {
        return Err("what is there is what was told");
    }
    let mut exported = Vec::new();
    Export::store(&store).write_to(&mut exported).map_err(|_| "what was imported can be exported")?;
    let copy = Store::memory().map_err(|_| "a store can be made")?;
    Import::into_store(&copy)
        .read_from(exported.as_slice())
        .map_err(|_| "what was exported can be imported")?;
    let mut again = Vec::new();
    Export::store(&copy).write_to(&mut again).map_err(|_| "what was imported can be exported")?;
    if again != exported {
        return Err("what was exported comes back the same");
    }
    Ok(accepted)
}

/// Two faults, behind more than chance finds soon: an index from outside, and a length that is believed.
fn planted(bytes: &[u8]) -> Verdict {
    match bytes {
        [b'{', b'i', at, ..] if *at > 200 => Ok(bytes[usize::from(*at)] == 0),
        [b'{', b'l', length, ..] if *length > 200 => {
            let believed = Vec::<u8>::with_capacity(usize::from(*length) << 16);
            Ok(believed.is_empty())
        }
        _ => fuzz::key(bytes),
    }
}
