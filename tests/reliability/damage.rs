//! Damage: what is corrupt can be told, stops nothing else, and can be got rid of.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use pivotdb::backend::{Backend, Batch, Bytes, Direction, KeyRange, PageLimit};
use pivotdb::testing::damage::backend;
use pivotdb::{
    Builder, Collection, DocumentId, Durability, ErrorKind, Evolution, Export, Function, Index, IndexState,
    Op, Result, Store, Verify, Versioned, Warning,
};
use serde_json::{Value, json};

use crate::backends::{BACKENDS, Site};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn entries(store: &Store, start: &[u8]) -> Entries {
    let limit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
    let page = backend(store).unwrap().page(&KeyRange::prefix(start), Direction::Forward, limit).unwrap();
    page.entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Past the engine, onto the medium.
fn write(store: &Store, key: &[u8], value: Option<Vec<u8>>) {
    let backend = backend(store).unwrap();
    let mut batch = Batch::default();
    batch.writes.insert(Bytes::from(key), value.map(Bytes::from));
    backend.apply(&batch).unwrap();
    backend.flush().unwrap();
    backend.sync().unwrap();
}

fn flip(store: &Store, key: &[u8], at: usize) {
    let mut value = entries(store, key)[key].clone();
    let at = at.min(value.len() - 1);
    value[at] ^= 1;
    write(store, key, Some(value));
}

fn is_sound(store: &Store) -> bool {
    Verify::new(store).run().unwrap().is_sound()
}

fn assert_sound(store: &Store) {
    let verified = Verify::new(store).run().unwrap();
    assert!(verified.is_sound(), "{verified:?}");
}

fn options() -> Builder {
    Store::builder().background(false).durability(Durability::Buffered)
}

fn by_function() -> Evolution {
    Evolution::new().step(
        "sum",
        Function::new("sum", |note, _| {
            note["sum"] = json!(note["n"].as_i64().unwrap_or(0) * 2);
            Ok::<(), &str>(())
        }),
    )
}

fn note(n: i64) -> Value {
    let text = "x".repeat(if n % 3 == 0 { 40_000 } else { 10 });
    json!({"n": n, "tags": [n % 4, format!("tag {n}")], "text": text})
}

const NOTES: i64 = 12;

/// Documents at two stamps, with and without chunks; an index of values that must differ, one of lists, and one that a function feeds.
fn notes(site: &Site) -> (Store, Collection<Value>) {
    let store = site.open(&options());
    let notes = store.documents("notes").unwrap();
    notes.create_index(&Index::unique("n")).unwrap();
    notes.create_index(&Index::on("tags")).unwrap();
    for n in 0..NOTES / 2 {
        notes.insert_with_id(n, &note(n)).unwrap();
    }
    notes.evolve(by_function()).unwrap();
    notes.create_index(&Index::on("sum")).unwrap();
    for n in NOTES / 2..NOTES {
        let mut note = note(n);
        note["sum"] = json!(n * 2);
        notes.insert_with_id(n, &note).unwrap();
    }
    store.documents("others").unwrap().insert_with_id(1, &json!("other")).unwrap();
    store.run().unwrap();
    assert_sound(&store);
    (store, notes)
}

/// The keys of a document: its head first.
fn keys_of(store: &Store, id: i64) -> Vec<Vec<u8>> {
    let head = [&[1, 0x10, 0, 0, 0, 1, 0x11][..], &id.to_be_bytes()].concat();
    entries(store, &head).into_keys().collect()
}

type Damage = fn(&Store, &[Vec<u8>]);

/// Each with whether the document has chunks.
const DAMAGES: [(&str, bool, Damage); 7] = [
    ("a bit of the head", false, |store, keys| flip(store, &keys[0], 30)),
    ("a bit of the header", true, |store, keys| flip(store, &keys[0], 8)),
    ("a head that says nothing", true, |store, keys| write(store, &keys[0], Some(vec![0; 3]))),
    ("a bit of a chunk", true, |store, keys| flip(store, &keys[2], 100)),
    ("a chunk that is gone", true, |store, keys| write(store, &keys[1], None)),
    ("all chunks gone", true, |store, keys| keys[1..].iter().for_each(|key| write(store, key, None))),
    ("a head that is gone", true, |store, keys| write(store, &keys[0], None)),
];

/// Neither reads nor writes get past the damage, and none of them changes anything.
fn assert_refused(store: &Store, notes: &Collection<Value>, id: i64) {
    let before = store.stats().unwrap();
    let calls: [&dyn Fn() -> Result<()>; 7] = [
        &|| notes.get(id).map(drop),
        &|| notes.get_stored(id).map(drop),
        &|| notes.overwrite(id, &json!(1)).map(drop),
        &|| notes.put(id, &json!(1)).map(drop),
        &|| notes.update(id, |_| {}).map(drop),
        &|| notes.merge_patch(id, &json!({})).map(drop),
        &|| notes.delete(id).map(drop),
    ];
    for call in calls {
        let error = call().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(error.context().id(), Some(&id.into()));
    }
    assert!(notes.insert_with_id(id, &json!(1)).is_err());
    let after = store.stats().unwrap();
    assert_eq!((before.sequence, before.digest), (after.sequence, after.digest));
}

#[test]
fn a_corrupt_document_can_be_discarded_and_nothing_of_it_is_left() {
    let mut discards = 0;
    for backend in BACKENDS {
        for (name, chunked, damage) in DAMAGES {
            // One before the function's step, and one after it.
            for id in if chunked { [3, 9] } else { [4, 10] } {
                let site = backend.site();
                let (store, notes) = notes(&site);
                let count = notes.count().unwrap();
                damage(&store, &keys_of(&store, id));
                assert!(!is_sound(&store), "{name}: the damage is not found");
                let headless = name == "a head that is gone";
                if !headless {
                    assert_refused(&store, &notes, id);
                }
                let there: Vec<_> = keys_of(&store, id)
                    .into_iter()
                    .map(|key| (key.clone(), entries(&store, &key)[&key].clone()))
                    .collect();
                let discarded = notes.discard_corrupt([id, 1, 777]).unwrap();
                let [discarded] = discarded.as_slice() else { panic!("{name}: {discarded:?}") };
                assert_eq!((&discarded.id, &discarded.entries), (&id.into(), &there), "{name}");
                assert_eq!(discarded.error.kind(), ErrorKind::Corrupt);
                assert!(keys_of(&store, id).is_empty() && !notes.exists(id).unwrap());
                assert_sound(&store);
                assert_eq!(notes.count().unwrap(), count - 1, "{name}");
                assert!(notes.discard_corrupt([id]).unwrap().is_empty());
                // What it held is free again.
                notes.insert_with_id(100, &note(id)).unwrap();
                assert_eq!(notes.find(json!({"n": id})).count().unwrap(), 1);
                store.close().unwrap();
                let store = site.open(&options());
                assert_sound(&store);
                discards += 1;
            }
        }
    }
    println!("discards: {discards} corrupt documents removed, each store sound before and after");
}

#[test]
fn chunks_that_belong_to_nobody_are_removed_and_the_document_stays() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, notes) = notes(&site);
        let keys = keys_of(&store, 3);
        let surplus = [&keys[0][..], &[0, 0, 0, 9]].concat();
        write(&store, &surplus, Some(vec![7; 20]));
        assert!(!is_sound(&store));
        let before = notes.require(3).unwrap();
        // A build that comes past takes it for what it is.
        notes.create_index(&Index::on("text")).unwrap();
        store.run().unwrap();
        let discarded = notes.discard_corrupt([3]).unwrap();
        assert_eq!(discarded[0].entries, [(surplus, vec![7; 20])]);
        assert_eq!(notes.require(3).unwrap().value, before.value);
        assert_sound(&store);
    }
}

fn add_surplus(store: &Store, id: i64) {
    let surplus = [&keys_of(store, id)[0][..], &[0, 0, 0, 9]].concat();
    write(store, &surplus, Some(vec![7; 20]));
}

/// What indexes say of the document was right, and stays. Their marks went, so that queries by index passed over what cannot be indexed.
#[test]
fn a_document_that_stays_keeps_its_marks() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, notes) = notes(&site);
        let many: Vec<u32> = (0..2_000).collect();
        notes.update(4, |note| note["many"] = json!(many)).unwrap();
        notes.update(4, |note| note["one"] = json!(1)).unwrap();
        notes.update(2, |note| note["one"] = json!(1)).unwrap();
        notes.create_index(&Index::on("many")).unwrap();
        notes.create_index(&Index::unique("one").sparse()).unwrap();
        let marked = || -> Vec<_> {
            let indexes = notes.indexes().unwrap().into_iter();
            indexes.map(|index| (index.name, index.unreadable_ids, index.duplicate_ids)).collect()
        };
        let before = marked();
        let four = || vec![DocumentId::from(4)];
        assert!(before.contains(&("many".to_owned(), four(), Vec::new())), "{before:?}");
        assert!(before.contains(&("one".to_owned(), Vec::new(), four())), "{before:?}");
        assert_sound(&store);
        add_surplus(&store, 4);
        assert_eq!(notes.discard_corrupt([4]).unwrap().len(), 1);
        assert_eq!(marked(), before);
        assert_sound(&store);
        assert_eq!(notes.find(json!({"many": 1_999})).count().unwrap(), 1);
    }
}

/// A sound document with surplus chunks, counted as sound, counted as one that is damaged too: of what the census has too many none was left for one without a head.
#[test]
fn a_document_without_a_head_is_counted_no_longer_beside_one_with_surplus_chunks() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, notes) = notes(&site);
        write(&store, &keys_of(&store, 3)[0], None);
        add_surplus(&store, 4);
        for id in [3, 4] {
            assert_eq!(notes.discard_corrupt([id]).unwrap().len(), 1);
            assert_eq!(notes.count().unwrap(), NOTES as u64 - 1, "after {id}");
        }
        assert_sound(&store);
    }
}

/// A handle of one kind removed those of others.
#[test]
fn a_handle_of_one_kind_discards_nothing_of_another() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, notes) = notes(&site);
        let others = store.collection_with::<Value>("notes", "other", &Evolution::new()).unwrap();
        others.insert_with_id(60, &json!("mine")).unwrap();
        let keys = keys_of(&store, 3);
        flip(&store, &keys[2], 100);
        add_surplus(&store, 4);
        for id in [3, 4] {
            let error = others.discard_corrupt([60, id]).unwrap_err();
            assert_eq!((error.kind(), error.context().id()), (ErrorKind::KindMismatch, Some(&id.into())));
        }
        assert_eq!(keys_of(&store, 3), keys);
        // Sound ones do not matter, nor do such as nobody can say of what kind they were. Of those it cannot be told which counter counted them: when the others
        // were discarded, whose counter had been taken for it, its own stayed as it was.
        assert!(others.discard_corrupt([5, 60]).unwrap().is_empty());
        write(&store, &keys_of(&store, 7)[0], Some(vec![0; 9]));
        assert_eq!(others.discard_corrupt([5, 7]).unwrap().len(), 1);
        assert_eq!(notes.discard_corrupt([3, 4]).unwrap().len(), 2);
        assert_sound(&store);
    }
}

/// One after the other, and while others write: the census is right when the last is gone, and the digest is accepted no earlier.
#[test]
fn several_corrupt_documents_are_discarded_one_by_one() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, notes) = notes(&site);
        for id in [2, 7, 10] {
            write(&store, &keys_of(&store, id)[0], Some(vec![0; 9]));
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut n = 1000;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    notes.insert_with_id(n, &note(n)).unwrap();
                    notes.update(1, |note| note["tags"] = json!([n])).unwrap();
                    notes.delete(n - 3).unwrap();
                }
            });
            for id in [7, 2] {
                assert_eq!(notes.discard_corrupt([id]).unwrap().len(), 1);
                assert!(!is_sound(&store));
                assert_eq!(store.accept_content().unwrap_err().kind(), ErrorKind::Corrupt);
            }
            assert_eq!(notes.discard_corrupt([10]).unwrap().len(), 1);
            stop.store(true, Ordering::Relaxed);
        });
        assert_sound(&store);
        assert!(!store.accept_content().unwrap());
        // In a transaction it would be undone with it.
        let refused = store.transaction(|tx| tx.on(&notes).discard_corrupt([1]).map(drop)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidOption);
    }
}

#[test]
fn what_was_lost_whole_can_be_accepted() {
    let site = BACKENDS[0].site();
    let (store, _) = notes(&site);
    // An entry of the catalog that nothing rests on.
    store.documents("empty").unwrap();
    write(&store, b"\x01\x01\x01empty", None);
    assert!(!is_sound(&store));
    assert!(store.accept_content().unwrap());
    assert_sound(&store);
}

/// Whatever is told as damage when the store is opened stands in the way. Chunks without a head, which are, were accepted.
#[test]
fn chunks_of_catalog_entries_without_a_head_are_damage() {
    let of_index = [1, 1, 4, 0, 0, 0, 9, 0, 0, 0, 1];
    for key in [&b"\x01\x01\x01empty\0\0\0\x01"[..], &of_index] {
        let site = BACKENDS[0].site();
        let (store, _) = notes(&site);
        write(&store, key, Some(vec![7; 20]));
        assert!(!is_sound(&store));
        assert_eq!(store.accept_content().unwrap_err().kind(), ErrorKind::Corrupt);
        store.close().unwrap();
        let store = site.open(&options());
        assert!(store.warnings().iter().any(|warning| matches!(warning, Warning::Damaged { .. })));
        if key == of_index {
            assert_eq!(store.drop_corrupt_indexes().unwrap(), 1);
            store.run().unwrap();
            store.accept_content().unwrap();
            assert_sound(&store);
        }
    }
}

/// Damages the entry at `key` of a store that is closed, and opens it again.
fn reopened(site: &Site, store: Store, key: &[u8]) -> Store {
    assert_sound(&store);
    flip(&store, key, 20);
    store.close().unwrap();
    drop(store);
    let store = site.open(&options());
    let damaged = store.warnings().iter().any(|warning| matches!(warning, Warning::Damaged { .. }));
    assert!(damaged, "nothing tells of {}", key.escape_ascii());
    store
}

fn corrupt<T>(outcome: Result<T>) -> String {
    let error = outcome.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    error.to_string()
}

#[test]
fn a_damaged_collection_stops_only_itself_and_new_names() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, _) = notes(&site);
        let store = reopened(&site, store, b"\x01\x01\x01others");
        // The name may be the damaged one: its documents would be out of sight, under a new number.
        for name in ["others", "brand new"] {
            assert!(corrupt(store.documents(name)).contains("others"));
        }
        assert!(corrupt(store.census()).contains("others"));
        assert!(corrupt(Export::store(&store).write_to(Vec::new())).contains("others"));
        assert_eq!(store.collections(), ["notes"]);
        let notes = store.documents("notes").unwrap();
        notes.evolve(by_function()).unwrap();
        notes.insert_with_id(50, &json!({"n": 50, "tags": [], "sum": 0})).unwrap();
        assert_eq!(notes.count().unwrap(), notes.iter().count() as u64);
        assert_eq!(notes.find(json!({"n": 5})).count().unwrap(), 1);
        Export::new(&notes).full().write_to(Vec::new()).unwrap();
    }
}

#[test]
fn a_damaged_kind_stops_only_its_own_documents_and_new_kinds() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, _) = notes(&site);
        let mixed =
            |kind: &str, store: &Store| store.collection_with::<Value>("mixed", kind, &Evolution::new());
        mixed("one", &store).unwrap().insert_with_id(1, &json!(1)).unwrap();
        mixed("two", &store).unwrap().insert_with_id(2, &json!(2)).unwrap();
        let store = reopened(&site, store, b"\x01\x01\x02two");
        assert!(corrupt(mixed("two", &store)).contains("two"));
        assert!(corrupt(mixed("three", &store)).contains("two"));
        let one = mixed("one", &store).unwrap();
        one.insert_with_id(3, &json!(3)).unwrap();
        assert_eq!(*one.require(1).unwrap(), json!(1));
        let all = store.documents("mixed").unwrap();
        assert_eq!(all.iter().map(|document| document.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        corrupt(all.get(2));
        assert_eq!(store.documents("notes").unwrap().iter().filter(|note| note.is_ok()).count(), 12);
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Two(i64);

impl Versioned for Two {
    const KIND: &'static str = "two";

    fn indexes() -> Vec<Index> {
        vec![Index::on("n")]
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Three(i64);

impl Versioned for Three {
    const KIND: &'static str = "three";

    fn aliases() -> &'static [&'static str] {
        &["two"]
    }
}

/// A program that had registered the kind, or a new one, could not open the store.
#[test]
fn a_store_with_a_damaged_kind_opens_where_kinds_are_registered() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, _) = notes(&site);
        store.collection::<Two>("mixed").unwrap().insert_with_id(2, &Two(2)).unwrap();
        store
            .collection_with::<Value>("mixed", "one", &Evolution::new())
            .unwrap()
            .insert_with_id(1, &json!(1))
            .unwrap();
        let store = reopened(&site, store, b"\x01\x01\x02two");
        store.close().unwrap();
        for (builder, registered) in
            [(options().register::<Two>(), "\"two\", or"), (options().register::<Three>(), "\"three\"")]
        {
            let store = site.open(&builder);
            // Of the entry, and of the kind that could not be declared.
            for named in ["two", registered] {
                let tells = |warning: &Warning| matches!(warning, Warning::Damaged { entry, .. } if entry.contains(named));
                assert!(store.warnings().iter().any(tells), "{named}");
            }
            assert!(corrupt(store.collection::<Two>("mixed")).contains("two"));
            assert!(corrupt(store.collection::<Three>("mixed")).contains("two"));
            assert_eq!(store.documents("notes").unwrap().count().unwrap(), NOTES as u64);
            store.close().unwrap();
        }
    }
}

/// A count of other kinds was `Corrupt`, and so were their scans in the place of each such document.
#[test]
fn handles_of_other_kinds_pass_over_documents_of_a_damaged_one() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, _) = notes(&site);
        let mixed =
            |kind: &str, store: &Store| store.collection_with::<Value>("mixed", kind, &renames(1)).unwrap();
        for n in [1, 3] {
            mixed("one", &store).insert_with_id(n, &json!({"b": n})).unwrap();
        }
        mixed("two", &store).insert_with_id(2, &json!({"b": 2})).unwrap();
        let store = reopened(&site, store, b"\x01\x01\x02two");
        let one = mixed("one", &store);
        let ids = || -> Vec<_> {
            let ids = one.iter().map(|document| document.unwrap().id().as_i64());
            ids.collect()
        };
        assert_eq!(ids(), [Some(1), Some(3)]);
        assert_eq!(one.count().unwrap(), 2);
        assert_eq!(one.find(json!({})).count().unwrap(), 2);
        assert_eq!((one.exists(2).unwrap(), one.get(2).unwrap().is_none()), (false, true));
        for scans in [true, false] {
            let found: Vec<_> = one
                .find(json!({"b": {"$gte": 2}}))
                .iter()
                .map(|found| found.unwrap()["b"].as_i64())
                .collect();
            assert_eq!(found, [Some(3)]);
            if scans {
                one.create_index(&Index::on("b")).unwrap();
                store.run().unwrap();
            }
        }
        let mut lines = Vec::new();
        assert_eq!(Export::new(&one).write_to(&mut lines).unwrap().documents, 2);
        // Nothing is written over it: of which kind it is is not known.
        for refused in [
            one.delete(2).map(drop),
            one.overwrite(2, &json!({})).map(drop),
            one.update(2, |_| {}).map(drop),
            one.put(2, &json!({})).map(drop),
        ] {
            corrupt(refused);
        }
        assert_eq!(ids(), [Some(1), Some(3)]);
        corrupt(store.documents("mixed").unwrap().get(2));
    }
}

/// Indexes of other kinds are made and built. Each asked of which kind the document is, though its number says already that it is of none of theirs.
#[test]
fn beside_documents_of_a_damaged_kind_indexes_of_others_are_built() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, _) = notes(&site);
        let mixed =
            |kind: &str, store: &Store| store.collection_with::<Value>("mixed", kind, &renames(1)).unwrap();
        for n in [1, 3, 5] {
            mixed("one", &store).insert_with_id(n, &json!({"b": n})).unwrap();
        }
        mixed("two", &store).insert_with_id(4, &json!({"b": 4})).unwrap();
        let store = reopened(&site, store, b"\x01\x01\x02two");
        let one = mixed("one", &store);
        one.create_index(&Index::on("b").named("at once")).unwrap();
        store.close().unwrap();
        let store = site.open(&options().index_at_once(0));
        let one_by_one = mixed("one", &store);
        one_by_one.create_index(&Index::unique("b").named("later")).unwrap();
        store.run().unwrap();
        let indexes = one_by_one.indexes().unwrap();
        for index in &indexes {
            assert_eq!((index.state, index.unreadable, index.of_documents), (IndexState::Readable, 0, 3));
            assert_eq!(one_by_one.index_entries(&index.name).unwrap(), 3);
        }
        assert_eq!(indexes.len(), 2);
        assert!(one_by_one.insert(&json!({"b": 5})).unwrap_err().is_unique_violation());
        let found = one_by_one.find(json!({"b": 3})).iter().filter_map(Result::ok).count();
        assert_eq!(found, 1);
    }
}

fn renames(to: usize) -> Evolution {
    let names = ["a", "b", "c"];
    (1..=to).fold(Evolution::new(), |steps, n| steps.step(names[n], [Op::rename(names[n - 1], names[n])]))
}

#[test]
fn a_damaged_step_stops_only_those_who_have_to_be_told_it() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, _) = notes(&site);
        let things =
            |store: &Store, to: usize| store.collection_with::<Value>("things", "thing", &renames(to));
        for to in 0..=2 {
            // Each by a program of its own.
            let name = ["a", "b", "c"][to];
            let store = store.clone();
            store.close().unwrap();
            let store = site.open(&options());
            things(&store, to).unwrap().insert_with_id(to as i64, &json!({name: to})).unwrap();
            store.close().unwrap();
        }
        let store = site.open(&options());
        let kind = entries(&store, b"\x01\x01\x02thing").into_keys().next().unwrap();
        assert_eq!(kind, b"\x01\x01\x02thing");
        let steps = entries(&store, &[1, 1, 3]).into_keys();
        // The last of the kind with the largest number.
        let last = steps.last().unwrap();
        let store = reopened(&site, store, &last);
        // Whoever has the step reads everything, and writes.
        let mine = things(&store, 2).unwrap();
        assert_eq!(
            mine.iter().map(|thing| thing.unwrap()["c"].as_i64()).collect::<Vec<_>>(),
            [Some(0), Some(1), Some(2)]
        );
        mine.insert_with_id(9, &json!({"c": 9})).unwrap();
        store.close().unwrap();
        // Whoever has not cannot read what it has made; everything else, and that as it is stored.
        let store = site.open(&options());
        let mine = things(&store, 1).unwrap();
        assert_eq!(mine.require(1).unwrap()["b"], 1);
        assert_eq!(mine.get(2).unwrap_err().kind(), ErrorKind::HistoryDiverged);
        assert_eq!(mine.get_stored(2).unwrap().unwrap()["c"], 2);
        mine.insert_with_id(10, &json!({"b": 10})).unwrap();
        assert!(corrupt(Export::new(&mine).full().write_to(Vec::new())).contains("Step"));
        Export::new(&store.documents("others").unwrap()).full().write_to(Vec::new()).unwrap();
    }
}

#[test]
fn a_damaged_index_is_no_index_and_can_be_dropped() {
    for backend in BACKENDS {
        for number in 1..=3_u8 {
            let site = backend.site();
            let (store, _) = notes(&site);
            let last = entries(&store, &[1, 1, 4]).into_keys().last().unwrap();
            let number = number.min(last[6]);
            let store = reopened(&site, store, &[1, 1, 4, 0, 0, 0, number]);
            let notes = store.documents("notes").unwrap();
            notes.evolve(by_function()).unwrap();
            // It is written past, and every answer is right.
            notes.update(5, |note| note["n"] = json!(500)).unwrap();
            notes.insert_with_id(60, &json!({"n": 60, "tags": ["new"], "sum": 120})).unwrap();
            for (filter, count) in
                [(json!({"n": 500}), 1), (json!({"tags": "new"}), 1), (json!({"sum": 120}), 1)]
            {
                assert_eq!(notes.find(filter.clone()).count().unwrap(), count, "{filter}");
            }
            // Declared again, it is built again, under a number of its own.
            for index in [Index::unique("n"), Index::on("tags"), Index::on("sum")] {
                notes.create_index(&index).unwrap();
            }
            store.run().unwrap();
            assert!(notes.insert(&json!({"n": 500})).unwrap_err().is_unique_violation());
            assert_eq!(store.drop_corrupt_indexes().unwrap(), 1);
            store.run().unwrap();
            assert_eq!(store.drop_corrupt_indexes().unwrap(), 0);
            assert!(!is_sound(&store), "the digest was that of another entry");
            assert!(store.accept_content().unwrap());
            assert_sound(&store);
            store.close().unwrap();
            assert!(
                !site
                    .open(&options())
                    .warnings()
                    .iter()
                    .any(|warning| matches!(warning, Warning::Damaged { .. }))
            );
        }
    }
}

#[test]
fn a_damaged_state_makes_an_index_unmaintained_until_it_is_built_again() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, notes) = notes(&site);
        let by_n = |notes: &Collection<Value>| {
            let indexes = notes.indexes().unwrap().into_iter();
            indexes.filter(|index| index.name == "n").max_by_key(|index| index.generation).unwrap()
        };
        let before = by_n(&notes);
        assert_eq!((before.state, before.unique), (IndexState::Readable, true));
        let store = reopened(&site, store, &[&[1, 0x23][..], &before.generation.to_be_bytes()].concat());
        let notes = store.documents("notes").unwrap();
        let damaged = by_n(&notes);
        assert_eq!((damaged.generation, damaged.state), (before.generation, IndexState::Unmaintained));
        // Queries do without, and others are as they were.
        assert_eq!(notes.find(json!({"n": 1})).count().unwrap(), 1);
        // An index that a call has made is taken along by the declaration of the kind.
        notes.evolve(by_function()).unwrap();
        store.run().unwrap();
        let after = by_n(&notes);
        assert!(after.generation > before.generation && after.state == IndexState::Readable, "{after:?}");
        assert!(notes.insert(&json!({"n": 1})).unwrap_err().is_unique_violation());
        store.accept_content().unwrap();
        assert_sound(&store);
    }
}

/// No generation gets a number under which there are keys.
#[test]
fn where_the_number_of_indexes_is_damaged_none_is_given_twice() {
    for backend in BACKENDS {
        let site = backend.site();
        let (store, notes) = notes(&site);
        let largest = notes.indexes().unwrap().iter().map(|index| index.generation).max().unwrap();
        let store = reopened(&site, store, &[1, 1, 4, 0, 0, 0, 0]);
        let notes = store.documents("notes").unwrap();
        notes.evolve(by_function()).unwrap();
        notes.create_index(&Index::on("text").named("new")).unwrap();
        let new = notes.indexes().unwrap().into_iter().find(|index| index.name == "new").unwrap();
        assert!(new.generation > largest);
        store.run().unwrap();
        store.accept_content().unwrap();
        assert_sound(&store);
    }
}
