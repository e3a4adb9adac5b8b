//! Kinds of one collection with indexes of one name.
//!
//! The default name of an index is its path, so that two types soon have one in common. The second to declare it let go of the first one's uniqueness: a duplicate was
//! accepted, and the index given up without a word.

use pivotdb::{Collection, Evolution, Index, IndexState, Store};
use serde_json::{Value, json};

use crate::support::{Medium, check};

fn pets(store: &Store) -> [Collection<Value>; 2] {
    ["cat", "dog"].map(|kind| store.collection_with("pets", kind, &Evolution::new()).unwrap())
}

/// State and kinds of all indexes that are there.
fn all(pets: &Collection<Value>) -> Vec<(IndexState, Vec<String>)> {
    pets.indexes().unwrap().into_iter().map(|index| (index.state, index.kinds)).collect()
}

#[test]
fn indexes_of_one_name_are_enforced_for_each_kind() {
    let medium = Medium::new();
    let store = medium.open();
    let of_kinds = pets(&store);
    for pets in &of_kinds {
        pets.create_index(&Index::unique("name")).unwrap();
    }
    for pets in &of_kinds {
        pets.insert(&json!({"name": "Tom"})).unwrap();
        let error = pets.insert(&json!({"name": "Tom"})).unwrap_err();
        assert!(error.is_unique_violation(), "{error}");
    }
    let readable = |kind: &str| (IndexState::Readable, vec![kind.to_owned()]);
    assert_eq!(all(&of_kinds[0]), [readable("cat"), readable("dog")]);
    check(&store);
}

#[test]
fn an_index_is_that_of_the_handle_s_kind() {
    let medium = Medium::new();
    let store = medium.open();
    let [cats, dogs] = pets(&store);
    cats.create_index(&Index::unique("name")).unwrap();
    dogs.create_index(&Index::unique("name")).unwrap();
    cats.insert_many([json!({"name": "Tom"}), json!({"name": "Tim"})]).unwrap();
    assert_eq!((cats.index_entries("name").unwrap(), dogs.index_entries("name").unwrap()), (2, 0));
    cats.rebuild_index("name").unwrap();
    assert_eq!(all(&cats).iter().filter(|(state, _)| *state == IndexState::Readable).count(), 2);
    store.run().unwrap();
    assert!(cats.insert(&json!({"name": "Tom"})).unwrap_err().is_unique_violation());
    assert!(cats.disable_index("name").unwrap());
    assert!(cats.drop_index("name").unwrap());
    store.run().unwrap();
    assert_eq!(all(&dogs), [(IndexState::Readable, vec!["dog".to_owned()])]);
    assert!(!cats.drop_index("name").unwrap(), "it has none");
    dogs.insert(&json!({"name": "Rex"})).unwrap();
    assert!(dogs.insert(&json!({"name": "Rex"})).unwrap_err().is_unique_violation());
    // A handle that sees all kinds means all of them.
    assert!(store.documents("pets").unwrap().drop_index("name").unwrap());
    check(&store);
}

/// One that covers both kinds takes the place of those that cover one of them.
#[test]
fn kinds_in_common_are_one_index() {
    let medium = Medium::new();
    let store = medium.open();
    let [cats, dogs] = pets(&store);
    cats.create_index(&Index::unique("name")).unwrap();
    cats.create_index(&Index::unique("name").of_kinds(["cat", "dog"])).unwrap();
    cats.insert(&json!({"name": "Tom"})).unwrap();
    assert!(dogs.insert(&json!({"name": "Tom"})).unwrap_err().is_unique_violation());
    cats.create_index(&Index::on("name")).unwrap();
    cats.insert(&json!({"name": "Tom"})).unwrap();
    check(&store);
}

/// A program that had gone back to an index of fewer kinds let go of its uniqueness with the next handle of one of them: a duplicate was accepted, and both indexes given up without
/// a word.
#[test]
fn what_is_declared_for_fewer_kinds_again_is_enforced_and_nothing_else() {
    let medium = Medium::new();
    let store = medium.open();
    let [cats, dogs] = pets(&store);
    let (of_cats, of_both) = (Index::unique("name"), Index::unique("name").of_kinds(["cat", "dog"]));
    for index in [&of_cats, &of_both, &of_cats] {
        cats.create_index(index).unwrap();
    }
    pets(&store);
    cats.insert(&json!({"name": "Tom"})).unwrap();
    assert!(cats.insert(&json!({"name": "Tom"})).unwrap_err().is_unique_violation());
    dogs.insert(&json!({"name": "Tom"})).unwrap();
    assert_eq!(all(&cats)[0], (IndexState::Readable, vec!["cat".to_owned()]));
    check(&store);
}
