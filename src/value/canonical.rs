//! One text for each JSON value.

use std::fmt::Write;

use serde_json::Value;

/// Appends the canonical text of `value`: no white space, members sorted by the bytes of their names, integers in decimal, every other number
/// as the shortest digits that read back exactly in the form `1.5e0`, and in strings only `"`, `\` and control characters escaped.
///
/// Fingerprints are taken over it, so it never changes, and depends on nothing but the value: not on the order of members, and not
/// on how some version of a library writes floats. Numbers are integers where they fit 64 bits, as the value's own accessors
/// say. The caller has bounded the depth of `value`.
pub(crate) fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            let written = if let Some(integer) = number.as_u64() {
                write!(out, "{integer}")
            } else if let Some(integer) = number.as_i64() {
                write!(out, "{integer}")
            } else {
                write!(out, "{:e}", number.as_f64().unwrap_or(f64::NAN))
            };
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        Value::String(text) => string(text, out),
        Value::Array(elements) => {
            let mut separator = '[';
            for element in elements {
                out.push(separator);
                separator = ',';
                write(element, out);
            }
            out.push_str(if separator == '[' { "[]" } else { "]" });
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            let mut separator = '{';
            for (name, member) in members {
                out.push(separator);
                separator = ',';
                string(name, out);
                out.push(':');
                write(member, out);
            }
            out.push_str(if separator == '{' { "{}" } else { "}" });
        }
    }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{0}'..='\u{1f}' => {
                let written = write!(out, "\\u{:04x}", u32::from(character));
                debug_assert!(written.is_ok(), "a String takes everything");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn canonical(value: &Value) -> String {
        let mut out = String::new();
        write(value, &mut out);
        out
    }

    #[test]
    fn these_texts_never_change() {
        let value = json!({
            "b": [1, -2, u64::MAX, 1.0, -0.0, 0.1, 1e300, 5e-324, null, true, false, [], {}],
            "a": "q\" b\\ n\n e\u{1f} é / \u{7f}",
            "": {"z": 1, "Z": 2, "ä": 3}
        });
        assert_eq!(
            canonical(&value),
            "{\"\":{\"Z\":2,\"z\":1,\"ä\":3},\"a\":\"q\\\" b\\\\ n\\u000a e\\u001f é / \u{7f}\",\
             \"b\":[1,-2,18446744073709551615,1e0,-0e0,1e-1,1e300,5e-324,null,true,false,[],{}]}"
        );
    }

    proptest! {
        #[test]
        fn reads_back(number in any::<f64>().prop_filter("finite", |n| n.is_finite()), text in any::<String>(), n in any::<i64>()) {
            let value = json!({ text.as_str(): [number, n, text] });
            prop_assert_eq!(serde_json::from_str::<Value>(&canonical(&value)).unwrap(), value);
        }
    }
}
