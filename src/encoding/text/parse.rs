//! JSON text to bodies.

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::ops::Range;

use json_event_parser::JsonEvent;

use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::encoding::body::writer::Writer;
use crate::encoding::text::error::{TextError, TextFault};
use crate::encoding::text::events::Events;
use crate::encoding::text::number::{self, Number};

/// What becomes of a key that an object has twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Duplicates {
    /// The text is refused.
    #[default]
    Refuse,
    /// The last value counts, in the place of the first.
    LastWins,
}

/// The body that `text`, one JSON value, stands for. `first_line` is the number of the text's first line in errors.
pub(crate) fn parse(
    text: &[u8],
    duplicates: Duplicates,
    limits: Limits,
    first_line: u64,
) -> Result<Vec<u8>, TextError> {
    match parse_distinct(Events::new(text, first_line), limits) {
        Err(Failure::DuplicateKey) => match duplicates {
            Duplicates::Refuse => Err(find_duplicate(Events::new(text, first_line))),
            Duplicates::LastWins => parse_last_wins(Events::new(text, first_line), limits),
        },
        Err(Failure::Text(error)) => Err(error),
        Ok(body) => Ok(body),
    }
}

enum Failure {
    /// Somewhere in the text. It is not known where.
    DuplicateKey,
    Text(TextError),
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        Self::Text(error)
    }
}

/// One pass, straight into the body.
fn parse_distinct(mut events: Events<'_>, limits: Limits) -> Result<Vec<u8>, Failure> {
    let mut writer = Writer::new(limits);
    let mut open = Vec::new();
    loop {
        let (event, at) = events.next()?;
        let written = match event {
            JsonEvent::StartArray => writer.begin_array().map(|mark| open.push(mark)),
            JsonEvent::StartObject => writer.begin_object().map(|mark| open.push(mark)),
            JsonEvent::EndArray | JsonEvent::EndObject => open.pop().map_or(Ok(()), |mark| writer.end(mark)),
            JsonEvent::ObjectKey(key) => writer.key(&key),
            JsonEvent::Eof => break,
            scalar => write_scalar(&events, scalar, at, &mut writer)?,
        };
        written.map_err(|error| match error.fault() {
            Fault::DuplicateKey => Failure::DuplicateKey,
            _ => Failure::Text(refused(&events, at, &error)),
        })?;
    }
    writer.finish().map_err(|error| Failure::Text(refused(&events, 0, &error)))
}

fn write_scalar(
    events: &Events<'_>,
    event: JsonEvent<'_>,
    at: usize,
    writer: &mut Writer,
) -> Result<Result<(), BodyError>, TextError> {
    Ok(match event {
        JsonEvent::String(text) => writer.string(&text),
        JsonEvent::Number(text) => match number::parse(&text) {
            Ok(Number::Natural(n)) => writer.unsigned(n),
            Ok(Number::Negative(n)) => writer.integer(n),
            Ok(Number::Float(float)) => writer.float(float),
            Err(fault) => return Err(events.error(at, fault, shortened(&text))),
        },
        JsonEvent::Boolean(bool) => writer.bool(bool),
        JsonEvent::Null => writer.null(),
        _ => return Err(events.error(at, TextFault::Syntax, "a value was expected")),
    })
}

/// As much of a number's text as an error should show.
fn shortened(text: &str) -> String {
    match text.get(..40) {
        Some(start) if text.len() > 40 => format!("{start}..."),
        _ => text.to_owned(),
    }
}

/// Why the writer refused the event at `at`.
fn refused(events: &Events<'_>, at: usize, error: &BodyError) -> TextError {
    match error.fault() {
        Fault::TooDeep { limit } => {
            events.error(at, TextFault::TooDeep, format!("more than {limit} containers within each other"))
        }
        Fault::TooLarge { limit } => {
            events.error(at, TextFault::TooLarge, format!("more than {limit} bytes"))
        }
        fault => events.error(at, TextFault::Syntax, fault.to_string()),
    }
}

/// The first key that occurs for the second time in its object, in a text that is known to have one.
#[cold]
fn find_duplicate(mut events: Events<'_>) -> TextError {
    let mut open: Vec<HashSet<Cow<'_, str>>> = Vec::new();
    loop {
        match events.next() {
            Ok((JsonEvent::StartArray | JsonEvent::StartObject, _)) => open.push(HashSet::new()),
            Ok((JsonEvent::EndArray | JsonEvent::EndObject, _)) => drop(open.pop()),
            Ok((JsonEvent::ObjectKey(key), at)) => {
                if let Some(keys) = open.last_mut()
                    && let Some(key) = keys.replace(key)
                {
                    return events.error(at, TextFault::DuplicateKey, format!("{key:?}"));
                }
            }
            Ok((JsonEvent::Eof, at)) => {
                return events.error(at, TextFault::DuplicateKey, "a key occurs twice in its object");
            }
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// For texts that are known to have a key twice: slower, since members move.
#[cold]
fn parse_last_wins(mut events: Events<'_>, limits: Limits) -> Result<Vec<u8>, TextError> {
    let mut writer = Writer::new(limits);
    let (event, at) = events.next()?;
    write_last_wins(&mut events, event, at, &mut writer, limits)?;
    events.next()?;
    writer.finish().map_err(|error| refused(&events, 0, &error))
}

/// Recurses as deep as the writer allows, that is `limits.depth`.
fn write_last_wins<'t>(
    events: &mut Events<'t>,
    event: JsonEvent<'t>,
    at: usize,
    writer: &mut Writer,
    limits: Limits,
) -> Result<(), TextError> {
    let inner = Limits { depth: limits.depth.saturating_sub(1), ..limits };
    match event {
        JsonEvent::StartArray => {
            let mark = writer.begin_array().map_err(|error| refused(events, at, &error))?;
            loop {
                let (event, at) = events.next()?;
                if event == JsonEvent::EndArray {
                    break;
                }
                write_last_wins(events, event, at, writer, inner)?;
            }
            writer.end(mark).map_err(|error| refused(events, at, &error))
        }
        JsonEvent::StartObject => {
            let mark = writer.begin_object().map_err(|error| refused(events, at, &error))?;
            let mut members = Members::default();
            while let (JsonEvent::ObjectKey(key), _) = events.next()? {
                let (event, at) = events.next()?;
                let mut value = Writer::after(std::mem::take(&mut members.values), inner);
                write_last_wins(events, event, at, &mut value, inner)?;
                let values = value.finish().map_err(|error| refused(events, at, &error))?;
                members.put(key, values);
            }
            members.write(writer).and_then(|()| writer.end(mark)).map_err(|error| refused(events, at, &error))
        }
        scalar => {
            let written = write_scalar(events, scalar, at, writer)?;
            written.map_err(|error| refused(events, at, &error))
        }
    }
}

/// The members of an object, of which some may have been superseded.
#[derive(Default)]
struct Members<'t> {
    places: HashMap<Cow<'t, str>, usize>,
    /// For each place the key, and where its value is in `values`.
    members: Vec<(Cow<'t, str>, Range<usize>)>,
    values: Vec<u8>,
    /// How many bytes of `values` belong to members that have been put.
    put: usize,
}

impl<'t> Members<'t> {
    /// Takes `values` with one more value at their end.
    fn put(&mut self, key: Cow<'t, str>, values: Vec<u8>) {
        let value = self.put..values.len();
        self.put = values.len();
        self.values = values;
        match self.places.entry(key) {
            Entry::Occupied(place) => {
                if let Some((_, former)) = self.members.get_mut(*place.get()) {
                    *former = value;
                }
            }
            Entry::Vacant(place) => {
                self.members.push((place.key().clone(), value));
                place.insert(self.members.len() - 1);
            }
        }
    }

    fn write(&self, writer: &mut Writer) -> Result<(), BodyError> {
        for (key, value) in &self.members {
            writer.key(key)?;
            writer.raw(Raw::new(self.values.get(value.clone()).unwrap_or_default())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<serde_json::Value, (TextFault, u64, u64)> {
        read_as(text, Duplicates::Refuse)
    }

    fn read_as(text: &str, duplicates: Duplicates) -> Result<serde_json::Value, (TextFault, u64, u64)> {
        let body = parse(text.as_bytes(), duplicates, Limits::default(), 1)
            .map_err(|error| (error.fault, error.line, error.column))?;
        Ok(Raw::new(&body).unwrap().to_value().unwrap())
    }

    fn keys(text: &str) -> Vec<String> {
        let body = parse(text.as_bytes(), Duplicates::LastWins, Limits::default(), 1).unwrap();
        let members = Raw::new(&body).unwrap().members();
        members.map(|member| member.unwrap().0.to_owned()).collect()
    }

    #[test]
    fn errors_name_line_and_column_of_what_is_wrong() {
        use TextFault::{DuplicateKey, FloatRange, IntegerRange, Syntax};
        for (text, fault, line, column) in [
            ("", Syntax, 1, 1),
            (" \n ", Syntax, 2, 2),
            ("[1,\n  2,\r\n\t x]", Syntax, 3, 3),
            ("{\"a\": 1} 2", Syntax, 1, 10),
            ("{\"ä\": ö}", Syntax, 1, 7),
            ("[1,]", Syntax, 1, 4),
            ("[\"a\u{1}b\"]", Syntax, 1, 4),
            ("{\"a\":1,\n \"b\":2,\n \"a\" :3}", DuplicateKey, 3, 2),
            ("{\"x\":[{\"a\":1},{\"\\u0061\":1 , \"a\":2}]}", DuplicateKey, 1, 29),
            ("[1, 18446744073709551616]", IntegerRange, 1, 5),
            ("{\"a\":\n -9223372036854775809}", IntegerRange, 2, 2),
            ("[\"😀\",1e309]", FloatRange, 1, 6),
            ("\u{feff}x", Syntax, 1, 1),
            ("\u{feff}1e999", FloatRange, 1, 1),
            ("\u{feff}\u{feff}1", Syntax, 1, 1),
            ("\n\u{feff}1", Syntax, 2, 1),
        ] {
            assert_eq!(read(text), Err((fault, line, column)), "{text:?}");
        }
        let error = parse(b"x", Duplicates::Refuse, Limits::default(), 41).unwrap_err();
        assert_eq!(error.line, 41);
    }

    #[test]
    fn what_is_not_unicode_is_refused() {
        for text in [&b"\"\xff\""[..], b"\"a\\n\xc3\"", b"\xff", b"{\"\xed\xa0\x80\":1}", b"\"\xf0\x9f\x98"] {
            let error = parse(text, Duplicates::Refuse, Limits::default(), 1).unwrap_err();
            assert_eq!((error.fault, error.line), (TextFault::Syntax, 1));
        }
        for text in [
            r#""\ud800""#,
            r#""\udc00""#,
            r#""\ud800\ud800""#,
            r#""\ud800\u0041""#,
            r#""\ud83d\ude0""#,
            r#""\ud83dabcdef""#,
        ] {
            assert_eq!(read(text).map_err(|(fault, ..)| fault), Err(TextFault::Syntax), "{text}");
        }
        assert_eq!(read(r#""\ud83d\ude00""#).unwrap(), "😀");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(read("\u{feff}[1]").unwrap(), serde_json::json!([1]));
    }

    #[test]
    fn the_last_of_two_values_takes_the_place_of_the_first() {
        let text = r#"{"a":1,"b":[{"x":1,"x":{"k":1,"l":2,"k":3}}],"c":2,"a":{"z":1},"b":[4]}"#;
        assert_eq!(read(text), Err((TextFault::DuplicateKey, 1, 20)));
        let expected = serde_json::json!({"a": {"z": 1}, "b": [4], "c": 2});
        assert_eq!(read_as(text, Duplicates::LastWins).unwrap(), expected);
        assert_eq!(keys(text), ["a", "b", "c"]);
        let nested = read_as(r#"[{"x":1,"x":{"k":1,"l":[],"k":3}},-0.5]"#, Duplicates::LastWins).unwrap();
        assert_eq!(nested, serde_json::json!([{"x": {"k": 3, "l": []}}, -0.5]));
        // Errors are found also where a value is superseded, and behind the key.
        for text in [
            r#"{"a":1e999,"a":1}"#,
            r#"{"a":1,"a":1}x"#,
            r#"{"a":1,"a":}"#,
            r#"{"a":1,"a""#,
            r#"{"a":[{"a":1,"a":1}"#,
        ] {
            assert!(read_as(text, Duplicates::LastWins).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_are_kept_before_memory_is_used() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(128)).is_ok());
        assert_eq!(read(&nested(129)), Err((TextFault::TooDeep, 1, 129)));
        assert_eq!(read(&"[".repeat(1_000_000)), Err((TextFault::TooDeep, 1, 129)));
        let objects = |depth: usize| "{\"a\":0,\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        assert!(read_as(&objects(128), Duplicates::LastWins).is_ok());
        let (fault, ..) = read_as(&objects(129), Duplicates::LastWins).unwrap_err();
        assert_eq!(fault, TextFault::TooDeep);

        let small = Limits { size: 4, ..Limits::default() };
        let parse_small = |text: &str, duplicates| parse(text.as_bytes(), duplicates, small, 1);
        assert!(parse_small("[1,2]", Duplicates::Refuse).is_ok());
        let error = parse_small("[1,\n2,3]", Duplicates::Refuse).unwrap_err();
        assert_eq!(error.fault, TextFault::TooLarge);
        let error = parse_small("{\"\":0,\"\":\"\",\"b\":0}", Duplicates::LastWins).unwrap_err();
        assert_eq!(error.fault, TextFault::TooLarge);
    }

    fn space() -> impl Strategy<Value = String> {
        prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
    }

    fn string() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[a-c]",
            1 => "[^\"\\\\\u{0}-\u{1f}]",
            1 => prop::sample::select(vec![r#"\""#, r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t"]).prop_map(String::from),
            1 => (0..0xd800_u32).prop_map(|unit| format!("\\u{unit:04x}")),
            1 => (0..0x400_u32, 0..0x400_u32).prop_map(|(high, low)| format!("\\u{:04X}\\u{:04x}", 0xd800 + high, 0xdc00 + low)),
        ];
        vec(part, 0..5).prop_map(|parts| format!("\"{}\"", parts.concat()))
    }

    /// A text that is JSON.
    fn texts() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            prop::sample::select(vec![
                "null",
                "true",
                "false",
                "0",
                "-0",
                "-0.0",
                "1",
                "1.0",
                "18446744073709551615"
            ])
            .prop_map(String::from),
            "-?(0|[1-9][0-9]{0,20})",
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
            any::<u64>().prop_filter_map("finite", |bits| {
                let float = f64::from_bits(bits);
                float.is_finite().then(|| format!("{float:?}"))
            }),
            string(),
        ];
        let value = scalar.prop_recursive(5, 32, 5, |inner| {
            let element = (space(), inner.clone(), space()).prop_map(|(a, b, c)| a + &b + &c);
            let member = (space(), string(), space(), inner).prop_map(|(a, b, c, d)| a + &b + &c + ":" + &d);
            prop_oneof![
                vec(element, 0..5).prop_map(|elements| format!("[{}]", elements.join(","))),
                vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        });
        (space(), value, space()).prop_map(|(a, b, c)| a + &b + &c)
    }

    /// A text that mostly is not JSON, but nearly.
    fn near_texts() -> impl Strategy<Value = Vec<u8>> {
        (
            texts(),
            any::<prop::sample::Index>(),
            prop::sample::select(b"\"\\{}[],:0-.eE+ut \n\x00\x1f\x7f\x80\xff".as_slice()),
            0..3_u8,
        )
            .prop_map(|(text, at, byte, how)| {
                let mut bytes = text.into_bytes();
                let at = at.index(bytes.len() + 1);
                match bytes.get_mut(at) {
                    Some(old) if how == 0 => *old = byte,
                    Some(_) if how == 1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, byte),
                }
                bytes
            })
    }

    /// serde_json takes integers beyond 64 bits for floats and refuses no key, else it must agree.
    fn agree(text: &[u8]) -> Result<(), TestCaseError> {
        let theirs = serde_json::from_slice::<serde_json::Value>(text);
        match (parse(text, Duplicates::LastWins, Limits::default(), 1), theirs) {
            (Ok(body), Ok(theirs)) => {
                let ours = Raw::new(&body).unwrap().to_value().unwrap();
                prop_assert_eq!(&ours, &theirs);
                // Its equality does not tell -0.0 from 0.0, its text does.
                prop_assert_eq!(ours.to_string(), theirs.to_string());
            }
            (Err(error), Ok(_)) => prop_assert_eq!(error.fault, TextFault::IntegerRange),
            (Err(error), Err(_)) => prop_assert!(error.line >= 1 && error.column >= 1),
            (Ok(_), Err(error)) => return Err(TestCaseError::fail(format!("serde_json refuses: {error}"))),
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn agrees_with_serde_json_about_json(text in texts()) {
            agree(text.as_bytes())?;
        }

        #[test]
        fn agrees_with_serde_json_about_what_is_nearly_json(text in near_texts()) {
            agree(&text)?;
        }

        #[test]
        fn both_ways_of_handling_keys_agree_where_none_is_twice(text in texts()) {
            let limits = Limits::default();
            if let Ok(body) = parse(text.as_bytes(), Duplicates::Refuse, limits, 1) {
                prop_assert_eq!(parse_last_wins(Events::new(text.as_bytes(), 1), limits), Ok(body));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in vec(prop_oneof![prop::sample::select(b"\"\\{}[],:019-.eEun \n".as_slice()), any::<u8>()], 0..40)) {
            for duplicates in [Duplicates::Refuse, Duplicates::LastWins] {
                if let Err(error) = parse(&text, duplicates, Limits::default(), 1) {
                    prop_assert!(error.line >= 1 && error.column >= 1 && error.column as usize <= text.len() + 1);
                }
            }
        }
    }
}
