//! `Verify` holds indexes against documents, and finds what is wrong with them.

use pivotdb::backend::Bytes;
use pivotdb::{Damage, Evolution, Index, Op, Verify, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::Medium;

/// What a verification finds of indexes after `plant` has done its work on a sound store.
fn damage(plant: impl FnOnce(&Medium)) -> Vec<String> {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::unique("n")).unwrap();
    things.create_index(&Index::on("tags")).unwrap();
    for n in 0..5 {
        things.insert_with_id(n, &json!({"n": n, "tags": [n, 7]})).unwrap();
    }
    assert!(Verify::new(&store).run().unwrap().is_sound());
    plant(&medium);
    let findings = Verify::new(&store).run().unwrap().findings;
    findings
        .into_iter()
        .filter(|finding| finding.damage() == Damage::Index)
        .map(|finding| finding.to_string())
        .collect()
}

fn is_found(what: &str, plant: impl FnOnce(&Medium)) {
    let found = damage(plant);
    assert!(found.iter().any(|found| found.contains(what)), "{what}: {found:?}");
}

#[test]
fn a_sound_store_is_sound() {
    assert_eq!(damage(|_| {}), [""; 0]);
}

#[test]
fn what_is_missing_is_found() {
    is_found("an entry of a document is missing", |medium| {
        let (key, _) = medium.first([1, 0x20]);
        medium.plant(key, None);
    });
    is_found("does not hold its value", |medium| {
        let (key, _) = medium.first([1, 0x21]);
        medium.plant(key, None);
    });
    is_found("does not know what its documents are like", |medium| {
        let (key, _) = medium.first([1, 0x24]);
        medium.plant(key, None);
    });
}

#[test]
fn what_is_too_much_is_found() {
    for space in [0x20, 0x21] {
        is_found("keys that no document has given it", |medium| {
            let (key, value) = medium.first([1, space]);
            // Another value: the bytes of a number.
            let mut other = key.to_vec();
            if let Some(byte) = other.get_mut(10) {
                *byte ^= 1;
            }
            medium.plant(Bytes::from(other), Some(value));
        });
    }
    is_found("not in the catalog", |medium| {
        let (key, value) = medium.first([1, 0x20]);
        let mut other = key.to_vec();
        if let Some(byte) = other.get_mut(5) {
            *byte = 9;
        }
        medium.plant(Bytes::from(other), Some(value));
    });
}

#[test]
fn what_is_malformed_is_found() {
    is_found("stored key", |medium| {
        let (key, _) = medium.first([1, 0x20]);
        medium.plant(key, Some(Bytes::from(vec![0, 0])));
    });
    is_found("index", |medium| {
        let (key, value) = medium.first([1, 0x21]);
        medium.plant(key, Some(Bytes::from([&value[..], &[0]].concat())));
    });
}

/// A thing by its new name.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Item(Value);

impl Versioned for Item {
    const KIND: &'static str = "item";

    fn aliases() -> &'static [&'static str] {
        &["thing"]
    }
}

/// Once a kind has another name, its steps are there twice, and what leads over them counts as what only the one knows who has gone there: verification then looked for records of that beside
/// entries which had been made when it did not, and took the entries for those of nobody. The model found it.
#[test]
fn what_was_entered_before_the_kind_had_another_name_is_sound() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({"a": 1, "c": 1})).unwrap();
    store.close().unwrap();
    let steps = Evolution::new().step("a is b", [Op::rename("a", "b")]);
    let (store, things) = medium.things(&steps);
    things.create_index(&Index::on("b").and("c")).unwrap();
    things.create_index(&Index::unique("b").named("unique")).unwrap();
    store.run().unwrap();
    store.close().unwrap();
    let store = medium.open();
    drop(store.collection::<Item>("things").unwrap());
    store.close().unwrap();
    let (store, things) = medium.things(&steps);
    let sound = || -> Vec<String> {
        Verify::new(&store).run().unwrap().findings.iter().map(ToString::to_string).collect()
    };
    assert_eq!(sound(), [""; 0]);
    // And what is left over of it is still found.
    let (key, value) = medium.first([1, 0x20]);
    things.put(1, &json!({"b": 2, "c": 1})).unwrap();
    assert_eq!(sound(), [""; 0]);
    medium.plant(key, Some(value));
    assert!(
        sound().iter().any(|found| found.contains("keys that no document has given it")),
        "{:?}",
        sound()
    );
}
