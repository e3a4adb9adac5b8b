//! JSONTestSuite, through the store.

use std::collections::BTreeSet;

use pivotdb::{ErrorKind, Import, Store};
use serde_json::Value;

use crate::support::{corpora, place};

fn texts() -> Option<Vec<(String, Vec<u8>)>> {
    let directory = corpora()?.join("json-parsing/test_parsing");
    let mut texts: Vec<_> = directory
        .read_dir()
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    texts.sort();
    Some(texts)
}

/// Each text is imported as one document and put as a value, the store is closed and opened, and both are read back.
#[test]
fn every_text_comes_back_or_is_refused() {
    let Some(texts) = texts() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("suite.pivot");
    let builder = Store::builder().durability(pivotdb::Durability::Buffered);
    let store = builder.clone().open(&path).unwrap();
    let puts = store.documents("puts").unwrap();
    let (mut accepted, mut duplicates, mut refused, mut undefined) = (0, 0, 0, [0, 0]);
    let mut stored = Vec::new();
    for (name, text) in &texts {
        let collection = store.documents(name).unwrap();
        let import = || Import::into(&collection).one_document();
        match (name.as_bytes()[0], import().read_from(&**text)) {
            (b'y', Ok(report)) => {
                assert_eq!((report.documents, report.bytes), (1, text.len() as u64), "{name}");
                let value: Value = serde_json::from_slice(text).unwrap();
                puts.put(name, &value).unwrap();
                stored.push((name, value));
                accepted += 1;
            }
            (b'y', Err(error)) => {
                assert!(name.starts_with("y_object_duplicated_key"), "{name}: {error}");
                assert!(
                    error.to_string().contains("\"a\"") && error.to_string().contains("twice"),
                    "{error}"
                );
                assert_eq!(import().allow_duplicate_keys().read_from(&**text).unwrap().documents, 1);
                duplicates += 1;
            }
            (b'n', result) => {
                let (kind, line, column) = place(&result.expect_err(name));
                assert!(matches!(kind, ErrorKind::InvalidText | ErrorKind::TooDeep), "{name}");
                let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
                assert!((1..=lines.len() as u64).contains(&line), "{name}");
                assert!((1..=lines[line as usize - 1].len() as u64 + 1).contains(&column), "{name}");
                refused += 1;
            }
            (b'i', Ok(_)) => undefined[0] += 1,
            (b'i', Err(error)) => {
                place(&error);
                undefined[1] += 1;
            }
            _ => panic!("unexpected file {name}"),
        }
    }
    store.close().unwrap();

    let store = builder.open(&path).unwrap();
    let puts = store.documents("puts").unwrap();
    for (name, value) in &stored {
        let imported: Vec<_> =
            store.documents(name).unwrap().iter().map(|document| document.unwrap().value).collect();
        assert_eq!(imported, std::slice::from_ref(value), "{name}");
        assert_eq!(puts.require(*name).unwrap().value, *value, "{name}");
    }
    store.close().unwrap();
    println!(
        "JSONTestSuite: {accepted} came back equal, {duplicates} refused for a key twice, {refused} refused with line and \
         column, of {} undefined {} accepted",
        undefined[0] + undefined[1],
        undefined[0]
    );
    assert!(accepted >= 93 && duplicates == 2 && refused >= 188 && undefined[0] + undefined[1] >= 35);
}

/// Those that fit on a line, together in one input: the lines that are refused are those of the texts that must be.
#[test]
fn texts_as_lines_of_one_input() {
    let Some(texts) = texts() else { return };
    let lines: Vec<_> = texts
        .into_iter()
        .filter(|(name, text)| {
            let mark = text.starts_with("\u{feff}".as_bytes());
            !name.starts_with('i') && !text.contains(&b'\n') && !text.trim_ascii().is_empty() && !mark
        })
        .collect();
    let input = lines.iter().map(|(_, text)| &**text).collect::<Vec<_>>().join(&b'\n');
    let expected: BTreeSet<_> = (1_u64..)
        .zip(&lines)
        .filter(|(_, (name, _))| name.starts_with('n') || name.starts_with("y_object_duplicated_key"))
        .map(|(line, _)| line)
        .collect();

    let store = Store::memory().unwrap();
    let collection = store.documents("texts").unwrap();
    let report = Import::into(&collection).skip_errors(1000).read_from(&*input).unwrap();
    let refused: BTreeSet<_> = report.errors.iter().map(|error| place(error).1).collect();
    assert_eq!(refused, expected);
    assert_eq!(report.documents, (lines.len() - expected.len()) as u64);
    assert_eq!(collection.count().unwrap(), report.documents);
    println!("JSONTestSuite: {} texts as lines, {} refused", lines.len(), expected.len());
    assert!(lines.len() > 200 && expected.len() > 150);
}
