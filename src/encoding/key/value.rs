//! JSON values as bytes that sort as the values do: MongoDB's order across types, numbers by value whatever their form.

use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::{Kind, Raw, View};
use crate::encoding::key::escape;

const MISSING: u8 = 0x05;
const NULL: u8 = 0x10;
const NUMBER: u8 = 0x20;
const STRING: u8 = 0x30;
const OBJECT: u8 = 0x40;
const ARRAY: u8 = 0x50;
const FALSE: u8 = 0x60;
const TRUE: u8 = 0x61;

/// After the last member or element. Below every value's first byte, so what is shorter sorts first.
const END: u8 = 0x00;

/// The key of null.
pub(crate) const NULL_KEY: &[u8] = &[NULL];

/// Whether `key` is that of a value that is not there.
pub(crate) fn is_missing(key: &[u8]) -> bool {
    key == [MISSING]
}

/// Appends the key of a value that is not there. It sorts before all others.
pub(crate) fn write_missing(out: &mut Vec<u8>) {
    out.push(MISSING);
}

/// Appends the key of `value`. Equal values have equal keys, `1` and `1.0` too, and objects whatever the order of their members; no key is a prefix of another's.
///
/// # Errors
/// When the body is malformed or too deep. Part of the key may have been appended by then.
pub(crate) fn write(value: Raw<'_>, out: &mut Vec<u8>) -> Result<(), BodyError> {
    write_within(value, Limits::MAX_DEPTH, out)
}

fn write_within(value: Raw<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), BodyError> {
    let deeper =
        || depth.checked_sub(1).ok_or_else(|| BodyError::new(Fault::TooDeep { limit: Limits::MAX_DEPTH }));
    match value.view()? {
        View::Null => out.push(NULL),
        View::Bool(false) => out.push(FALSE),
        View::Bool(true) => out.push(TRUE),
        View::Unsigned(n) => write_integer(n.into(), out),
        View::Negative(n) => write_integer(n.into(), out),
        View::Float(float) => write_number(float, 0, out),
        View::String(text) => {
            out.push(STRING);
            escape::write(text.as_bytes(), out);
        }
        View::Object(members) => {
            let depth = deeper()?;
            out.push(OBJECT);
            let mut members = members.collect::<Result<Vec<_>, _>>()?;
            // Objects are equal whatever the order of their members.
            members.sort_unstable_by_key(|(key, _)| *key);
            for (key, value) in members {
                // The type comes first and the truth of a bool last, as in MongoDB.
                out.push(type_of(value));
                escape::write(key.as_bytes(), out);
                write_within(value, depth, out).map_err(|error| error.under_key(key))?;
            }
            out.push(END);
        }
        View::Array(elements) => {
            let depth = deeper()?;
            out.push(ARRAY);
            for (index, element) in elements.enumerate() {
                let written = element.and_then(|element| write_within(element, depth, out));
                written.map_err(|error| error.under_index(index))?;
            }
            out.push(END);
        }
    }
    Ok(())
}

fn type_of(value: Raw<'_>) -> u8 {
    match value.kind() {
        Kind::Null => NULL,
        Kind::Bool => FALSE,
        Kind::Integer | Kind::Float => NUMBER,
        Kind::String => STRING,
        Kind::Object => OBJECT,
        Kind::Array => ARRAY,
    }
}

/// An integer of 64 bits, of either sign, lies less than one step of f64 above the greatest f64 not above it; that step is at most 2,048.
fn write_integer(n: i128, out: &mut Vec<u8>) {
    #[expect(clippy::cast_precision_loss, reason = "what is lost is put beside it")]
    let nearest = n as f64;
    // Back to an integer without loss: the nearest f64 of an integer this large is an integer.
    #[expect(clippy::cast_possible_truncation, reason = "64 bits and a sign fit")]
    let exact = |float: f64| float as i128;
    let below = if exact(nearest) > n { nearest.next_down() } else { nearest };
    write_number(below, u16::try_from(n - exact(below)).unwrap_or(u16::MAX), out);
}

fn write_number(float: f64, above: u16, out: &mut Vec<u8>) {
    const SIGN: u64 = 1 << 63;
    // Adding zero turns -0.0 into 0.0 and leaves all else.
    let bits = (float + 0.0).to_bits();
    let ordered = if bits & SIGN == 0 { bits | SIGN } else { !bits };
    out.push(NUMBER);
    out.extend_from_slice(&ordered.to_be_bytes());
    out.extend_from_slice(&above.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::body::writer::Writer;

    /// A value, independent of its encoding. Its order is written down from MongoDB's manual, not from the code above.
    #[derive(Debug, Clone)]
    enum Json {
        Null,
        Bool(bool),
        Unsigned(u64),
        Signed(i64),
        Float(f64),
        String(String),
        Array(Vec<Json>),
        Object(Vec<(String, Json)>),
    }

    impl Json {
        fn rank(&self) -> u8 {
            match self {
                Self::Null => 1,
                Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) => 2,
                Self::String(_) => 3,
                Self::Object(_) => 4,
                Self::Array(_) => 5,
                Self::Bool(_) => 6,
            }
        }

        fn compare(&self, other: &Self) -> Ordering {
            match (self, other) {
                (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
                (Self::String(a), Self::String(b)) => a.as_bytes().cmp(b.as_bytes()),
                (Self::Float(a), Self::Float(b)) => a.partial_cmp(b).unwrap(),
                (Self::Float(a), b) if b.rank() == 2 => compare_exactly(b.integer(), *a).reverse(),
                (a, Self::Float(b)) if a.rank() == 2 => compare_exactly(a.integer(), *b),
                (a, b) if a.rank() == 2 && b.rank() == 2 => a.integer().cmp(&b.integer()),
                (Self::Array(a), Self::Array(b)) => {
                    let different = a.iter().zip(b).map(|(a, b)| a.compare(b)).find(|order| order.is_ne());
                    different.unwrap_or(a.len().cmp(&b.len()))
                }
                (Self::Object(a), Self::Object(b)) => {
                    let member = |((ka, a), (kb, b)): (&(String, Self), &(String, Self))| {
                        a.rank().cmp(&b.rank()).then(ka.as_bytes().cmp(kb.as_bytes())).then(a.compare(b))
                    };
                    let by_name = |members: &[(String, Self)]| {
                        let mut members = members.to_vec();
                        members.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
                        members
                    };
                    let (a, b) = (by_name(a), by_name(b));
                    let different = a.iter().zip(&b).map(member).find(|order| order.is_ne());
                    different.unwrap_or(a.len().cmp(&b.len()))
                }
                (a, b) => a.rank().cmp(&b.rank()),
            }
        }

        fn integer(&self) -> i128 {
            match self {
                Self::Unsigned(n) => (*n).into(),
                Self::Signed(n) => (*n).into(),
                _ => panic!("not an integer"),
            }
        }

        fn write(&self, writer: &mut Writer) {
            match self {
                Self::Null => writer.null().unwrap(),
                Self::Bool(bool) => writer.bool(*bool).unwrap(),
                Self::Unsigned(n) => writer.unsigned(*n).unwrap(),
                Self::Signed(n) => writer.integer(*n).unwrap(),
                Self::Float(float) => writer.float(*float).unwrap(),
                Self::String(text) => writer.string(text).unwrap(),
                Self::Array(elements) => {
                    let mark = writer.begin_array().unwrap();
                    elements.iter().for_each(|element| element.write(writer));
                    writer.end(mark).unwrap();
                }
                Self::Object(members) => {
                    let mark = writer.begin_object().unwrap();
                    for (key, value) in members {
                        writer.key(key).unwrap();
                        value.write(writer);
                    }
                    writer.end(mark).unwrap();
                }
            }
        }

        fn key(&self) -> Vec<u8> {
            let mut writer = Writer::new(Limits::default());
            self.write(&mut writer);
            let body = writer.finish().unwrap();
            let mut key = Vec::new();
            write(Raw::new(&body).unwrap(), &mut key).unwrap();
            key
        }
    }

    /// By the integer part, and where that is equal by what the float has beyond it.
    fn compare_exactly(integer: i128, float: f64) -> Ordering {
        if float >= 2_f64.powi(100) {
            return Ordering::Less;
        }
        if float <= -2_f64.powi(100) {
            return Ordering::Greater;
        }
        let whole = float.trunc();
        integer.cmp(&(whole as i128)).then((0.0).partial_cmp(&(float - whole)).unwrap())
    }

    const EDGES: [f64; 13] = [
        0.0,
        -0.0,
        0.5,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        f64::MAX,
        f64::MIN,
        9_007_199_254_740_992.0,
        9_223_372_036_854_775_808.0,
        -9_223_372_036_854_775_808.0,
        18_446_744_073_709_549_568.0,
        18_446_744_073_709_551_616.0,
    ];

    fn numbers() -> impl Strategy<Value = Json> {
        let near = |n: i64| prop_oneof![Just(0), Just(1_i64 << 53), Just(-(1_i64 << 53)), Just(n)];
        prop_oneof![
            any::<u64>().prop_map(Json::Unsigned),
            any::<i64>().prop_map(Json::Signed),
            (0..3000_u64).prop_map(|below| Json::Unsigned(u64::MAX - below)),
            (near(1 << 62), -3..=3_i64).prop_map(|(n, by)| Json::Signed(n + by)),
            (near(1 << 62), -3..=3_i64).prop_map(|(n, by)| Json::Float((n + by) as f64)),
            (0..3000_i64).prop_map(|above| Json::Signed(i64::MIN + above)),
            (0..3000_u64).prop_map(|by| Json::Unsigned((1 << 63) - 1500 + by)),
            proptest::num::f64::NORMAL.prop_map(Json::Float),
            proptest::num::f64::SUBNORMAL.prop_map(Json::Float),
            (prop::sample::select(&EDGES[..]), -2..=2_i32).prop_map(|(edge, by)| {
                let moved = (0..by.abs()).fold(edge, |f, _| if by < 0 { f.next_down() } else { f.next_up() });
                Json::Float(if moved.is_finite() { moved } else { edge })
            }),
            any::<i64>().prop_map(|n| Json::Float(n as f64)),
            any::<u64>().prop_map(|n| Json::Float(n as f64)),
        ]
    }

    fn values() -> impl Strategy<Value = Json> {
        let scalar = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            (0..3_u64).prop_map(Json::Unsigned),
            (-2..3_i64).prop_map(|n| Json::Float(n as f64)),
            numbers(),
            "[\0a\u{ff}]{0,3}".prop_map(Json::String),
        ];
        scalar.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Json::Array),
                vec(("[\0ab]{0,2}", inner), 0..4).prop_map(|mut members| {
                    let mut seen = std::collections::HashSet::new();
                    members.retain(|(key, _)| seen.insert(key.clone()));
                    Json::Object(members)
                }),
            ]
        })
    }

    /// A value, and the same with one thing changed, so that comparisons reach the depths.
    fn pairs() -> impl Strategy<Value = (Json, Json)> {
        fn change(json: &mut Json, at: usize, with: &Json) {
            match json {
                Json::Array(elements) if !elements.is_empty() => {
                    let length = elements.len();
                    change(&mut elements[at % length], at / length, with);
                }
                Json::Object(members) if !members.is_empty() => {
                    let length = members.len();
                    change(&mut members[at % length].1, at / length, with);
                }
                other => *other = with.clone(),
            }
        }
        (values(), values(), any::<Option<usize>>()).prop_map(|(a, b, at)| match at {
            None => (a, b),
            Some(at) => {
                let mut changed = a.clone();
                change(&mut changed, at, &b);
                (a, changed)
            }
        })
    }

    fn object(members: &[(&str, Json)]) -> Json {
        Json::Object(members.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    #[test]
    fn bytes_are_as_the_format_document_says() {
        assert_eq!(Json::Unsigned(1).key(), [0x20, 0xbf, 0xf0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Json::Unsigned(u64::MAX).key(), [0x20, 0xc3, 0xef, 255, 255, 255, 255, 255, 255, 7, 255]);
        assert_eq!(Json::Float(-0.0).key(), [0x20, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Json::Float(-1.0).key(), [0x20, 0x40, 0x0f, 255, 255, 255, 255, 255, 255, 0, 0]);
        let value = object(&[("a", Json::Bool(true)), ("", Json::Array(vec![Json::Null]))]);
        assert_eq!(value.key(), [0x40, 0x50, 0, 1, 0x50, 0x10, 0, 0x60, b'a', 0, 1, 0x61, 0]);
        let mut missing = Vec::new();
        write_missing(&mut missing);
        assert_eq!(missing, [0x05]);
    }

    #[test]
    fn the_order_of_members_makes_no_other_key() {
        let (a, b) = (("a", Json::Unsigned(1)), ("b", Json::Null));
        let (one, other) = (object(&[a.clone(), b.clone()]), object(&[b, a]));
        assert_eq!(one.key(), other.key());
        assert_eq!(Json::Array(vec![one]).key(), Json::Array(vec![other]).key());
    }

    /// With a bool's own first byte in place of its type, `{"b": false}` would sort before `{"a": true}`.
    #[test]
    fn names_count_before_the_truth_of_bools() {
        let (a, b) = (object(&[("a", Json::Bool(true))]), object(&[("b", Json::Bool(false))]));
        assert!(a.key() < b.key() && a.compare(&b).is_lt());
    }

    #[test]
    fn what_nests_too_deeply_is_refused() {
        let mut bytes = vec![0x00];
        for _ in 0..129 {
            let mut outer = vec![0x07];
            let mut length = bytes.len();
            while length >= 0x80 {
                outer.push((length as u8) | 0x80);
                length >>= 7;
            }
            outer.push(length as u8);
            outer.append(&mut bytes);
            bytes = outer;
        }
        let error = write(Raw::new(&bytes).unwrap(), &mut Vec::new()).unwrap_err();
        assert_eq!(*error.fault(), Fault::TooDeep { limit: 128 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn numbers_sort_by_value(a in numbers(), b in numbers()) {
            prop_assert_eq!(a.key().cmp(&b.key()), a.compare(&b));
        }

        #[test]
        fn values_sort_as_in_mongodb((a, b) in pairs()) {
            let (ka, kb) = (a.key(), b.key());
            prop_assert_eq!(ka.cmp(&kb), a.compare(&b));
            prop_assert_eq!(ka.starts_with(&kb), a.compare(&b).is_eq(), "prefix");
            prop_assert!(ka[0] > MISSING);
        }

        #[test]
        fn any_bytes_have_a_key_or_are_refused(bytes in vec(prop_oneof![0..9_u8, 0x40..0x48_u8, any::<u8>()], 0..40)) {
            if let Ok(raw) = Raw::new(&bytes) {
                let mut key = Vec::new();
                let _ = write(raw, &mut key);
                prop_assert!(key.len() <= bytes.len() * 11);
            }
        }
    }
}
