//! Iteration in id order, with bounds, in both directions, over one state of the store.

use std::ops::Bound;

use pivotdb::DocumentId;
use proptest::prelude::*;
use serde_json::json;

use crate::support::on_every_backend;

fn ids() -> impl Strategy<Value = DocumentId> {
    prop_oneof![
        (-50_i64..50).prop_map(DocumentId::from),
        any::<u64>().prop_map(DocumentId::from),
        any::<[u8; 16]>().prop_map(|bytes| DocumentId::from(uuid::Uuid::from_bytes(bytes))),
        "[ab\\x00\u{e9}]{0,3}".prop_map(DocumentId::from),
    ]
}

fn bounds() -> impl Strategy<Value = Bound<DocumentId>> {
    prop_oneof![Just(Bound::Unbounded), ids().prop_map(Bound::Included), ids().prop_map(Bound::Excluded)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ranges_are_those_of_a_sorted_map(
        stored in prop::collection::btree_set(ids(), 0..60),
        ranges in prop::collection::vec((bounds(), bounds()), 8),
        large in any::<prop::sample::Index>(),
    ) {
        let store = pivotdb::Store::memory().unwrap();
        let all = store.documents("all").unwrap();
        // A neighbour on each side, so that a range that reaches too far is seen.
        for (name, neighbour) in [("before", 1), ("zafter", 2)] {
            store.documents(name).unwrap().insert_with_id(0, &json!(neighbour)).unwrap();
        }
        let large = large.index(stored.len().max(1));
        for (n, id) in stored.iter().enumerate() {
            let padding = if n == large { "x".repeat(50_000) } else { String::new() };
            all.insert_with_id(id, &json!({ "n": n, "padding": padding })).unwrap();
        }
        for (from, to) in ranges {
            let within = |id: &&DocumentId| {
                (match &from { Bound::Unbounded => true, Bound::Included(f) => *id >= f, Bound::Excluded(f) => *id > f })
                    && (match &to { Bound::Unbounded => true, Bound::Included(t) => *id <= t, Bound::Excluded(t) => *id < t })
            };
            let expected: Vec<_> = stored.iter().filter(within).cloned().collect();
            let range = || all.range((from.clone(), to.clone()));
            let forward: Vec<_> = range().map(|document| document.unwrap().id().clone()).collect();
            prop_assert_eq!(&forward, &expected);
            let mut backward: Vec<_> = range().reversed().map(|document| document.unwrap().id().clone()).collect();
            backward.reverse();
            prop_assert_eq!(&backward, &expected);
        }
    }
}

#[test]
fn an_iteration_sees_one_state_whatever_is_written_meanwhile() {
    on_every_backend(|store| {
        let all = store.documents("all").unwrap();
        all.insert_many((0..300).map(|n| json!(n))).unwrap();
        let before: Vec<_> = all.iter().map(|document| document.unwrap().value).collect();
        let mut iterator = all.iter();
        let mut backward = all.iter().reversed();
        let mut seen = vec![iterator.next().unwrap().unwrap().value];
        let mut seen_backward = vec![backward.next().unwrap().unwrap().value];
        let ids: Vec<_> = all.iter().map(|document| document.unwrap().id().clone()).collect();
        for (n, id) in ids.iter().enumerate() {
            if n % 2 == 0 {
                all.delete(id).unwrap();
            } else {
                all.overwrite(id, &json!("changed")).unwrap();
            }
        }
        all.insert_with_id(-1, &json!("new")).unwrap();
        all.insert_with_id("zzz", &json!("new")).unwrap();
        seen.extend(iterator.map(|document| document.unwrap().value));
        seen_backward.extend(backward.map(|document| document.unwrap().value));
        seen_backward.reverse();
        assert_eq!(seen, before);
        assert_eq!(seen_backward, before);
        assert_eq!(all.iter().count(), 152);
        assert_eq!(store.stats().unwrap().overlay_bytes, 0, "nothing is held once the readers are gone");
    });
}

#[test]
fn a_reader_that_holds_too_much_is_given_up_and_says_so() {
    let builder = pivotdb::Store::builder().overlay_limit(100_000);
    crate::support::on_every_backend_with(&builder, |store| {
        let all = store.documents("all").unwrap();
        all.insert_many((0..400).map(|n| json!({"n": n, "padding": "x".repeat(1000)}))).unwrap();
        let mut iterator = all.iter();
        iterator.next().unwrap().unwrap();
        for document in all.iter().collect::<Vec<_>>() {
            all.overwrite(document.unwrap().id(), &json!(0)).unwrap();
        }
        let error = iterator.find_map(Result::err).unwrap();
        assert_eq!(error.kind(), pivotdb::ErrorKind::SnapshotExpired);
        assert!(iterator.next().is_none());
        assert_eq!(all.iter().filter(Result::is_ok).count(), 400);
    });
}
