//! JSONTestSuite: what must be read, what must be refused, and what only must not break.

use std::path::{Path, PathBuf};

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::encoding::text::error::TextFault;
use crate::encoding::text::parse::{Duplicates, parse};
use crate::encoding::text::print::print;

/// Where shared corpora are: `PIVOTDB_CORPORA`, or `shared/corpora` beside the checkout or above it.
fn corpora() -> Option<PathBuf> {
    let named = std::env::var_os("PIVOTDB_CORPORA").map(PathBuf::from);
    let above =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1).map(|dir| dir.join("shared/corpora"));
    named.into_iter().chain(above).find(|dir| dir.is_dir())
}

#[test]
fn json_test_suite() {
    let Some(corpora) = corpora() else {
        println!("skipped: no corpora");
        return;
    };
    let (mut accepted, mut refused, mut undefined) = (0, 0, 0);
    for entry in corpora.join("json-parsing/test_parsing").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read(&path).unwrap();
        let result = parse(&text, Duplicates::Refuse, Limits::default(), 1);
        let lenient = parse(&text, Duplicates::LastWins, Limits::default(), 1);
        if let Ok(body) = &lenient {
            let mut again = Vec::new();
            print(Raw::new(body).unwrap(), &mut again).unwrap();
            assert_eq!(parse(&again, Duplicates::Refuse, Limits::default(), 1).as_ref(), Ok(body), "{name}");
        }
        match name.as_bytes().first() {
            Some(b'y') if name.starts_with("y_object_duplicated_key") => {
                assert_eq!(result.unwrap_err().fault, TextFault::DuplicateKey, "{name}");
                assert!(lenient.is_ok(), "{name}");
                accepted += 1;
            }
            Some(b'y') => {
                assert_eq!(result, lenient, "{name}");
                assert!(result.is_ok(), "{name}: {result:?}");
                accepted += 1;
            }
            Some(b'n') => {
                for error in [result.unwrap_err(), lenient.unwrap_err()] {
                    assert!(error.line >= 1 && error.column >= 1, "{name}: {error}");
                    let lines = text.split(|byte| *byte == b'\n').count() as u64;
                    assert!(error.line <= lines, "{name}: {error}");
                }
                refused += 1;
            }
            Some(b'i') => undefined += 1,
            _ => panic!("unexpected file {name}"),
        }
    }
    println!(
        "JSONTestSuite: {accepted} accepted, {refused} refused with line and column, {undefined} undefined"
    );
    assert!(accepted >= 95 && refused >= 188 && undefined >= 35);
}
