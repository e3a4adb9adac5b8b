//! Verification: a sound store is said to be sound, and damage of every kind is found, named, and stops nothing.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says where; and how much was tried"
)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use pivotdb::backend::{Backend, Batch, Bytes, Direction, KeyRange, MemoryBackend, PageLimit};
use pivotdb::{Damage, DocumentId, ErrorKind, Evolution, Op, Store, Verified, Verify};
use serde_json::{Value, json};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

const META: [u8; 2] = [0x01, 0x00];
const CATALOG: [u8; 2] = [0x01, 0x01];
const CENSUS: [u8; 2] = [0x01, 0x02];
const DOCUMENTS: [u8; 2] = [0x01, 0x10];

fn open(backend: &Arc<MemoryBackend>) -> Store {
    Store::builder().open_backend(Arc::<MemoryBackend>::clone(backend)).unwrap()
}

fn steps(count: usize) -> Evolution {
    let all = ["a", "b", "c", "d"];
    all.windows(2)
        .take(count)
        .fold(Evolution::new(), |evolution, names| evolution.step(names[1], Op::rename(names[0], names[1])))
}

/// Two collections; two kinds, one of them at two stamps; a document in chunks.
fn prepared() -> Arc<MemoryBackend> {
    let backend = Arc::new(MemoryBackend::new());
    let store = open(&backend);
    let first = store.collection_with::<Value>("first", "thing", &steps(1)).unwrap();
    for id in 1..=5 {
        first.insert_with_id(id, &json!({"b": id})).unwrap();
    }
    first.insert_with_id("large", &json!({"b": "x".repeat(60_000)})).unwrap();
    store.close().unwrap();
    let store = open(&backend);
    let first = store.collection_with::<Value>("first", "thing", &steps(2)).unwrap();
    first.update(3, |value| value["c"] = json!("new")).unwrap();
    store.documents("second").unwrap().insert_with_id("last", &json!([1, 2.5, null])).unwrap();
    store.close().unwrap();
    backend
}

fn entries(backend: &MemoryBackend) -> Entries {
    let limit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
    let page = backend.page(&KeyRange::all(), Direction::Forward, limit).unwrap();
    page.entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Past the engine.
fn write(backend: &MemoryBackend, key: &[u8], value: Option<Vec<u8>>) {
    let mut batch = Batch::default();
    batch.writes.insert(Bytes::from(key), value.map(Bytes::from));
    backend.apply(&batch).unwrap();
}

fn verify(backend: &Arc<MemoryBackend>) -> Verified {
    let store = open(backend);
    let verified = Verify::new(&store).run().unwrap();
    store.close().unwrap();
    verified
}

/// The damages found, without the digest's, which finds all; and the documents they name.
fn found(verified: &Verified) -> (Vec<Damage>, Vec<DocumentId>) {
    assert!(!verified.is_sound());
    let mut damages: Vec<_> = verified.findings.iter().map(pivotdb::Finding::damage).collect();
    assert!(damages.contains(&Damage::Content) || damages.contains(&Damage::Meta), "{verified:?}");
    damages.retain(|damage| *damage != Damage::Content);
    let documents = verified.findings.iter().filter_map(|finding| finding.error().context().id().cloned());
    (damages, documents.collect())
}

/// Damages a copy of the store after it has been opened, and verifies it.
fn after(damage: impl FnOnce(&Entries, &MemoryBackend)) -> Verified {
    let backend = prepared();
    let store = open(&backend);
    damage(&entries(&backend), &backend);
    Verify::new(&store).run().unwrap()
}

fn keys(entries: &Entries, space: [u8; 2]) -> Vec<Vec<u8>> {
    entries.keys().filter(|key| key.starts_with(&space)).cloned().collect()
}

fn id_of(number: u64) -> Vec<u8> {
    [&DOCUMENTS[..], &[0, 0, 0, 1, 0x11], &number.to_be_bytes()].concat()
}

fn large() -> Vec<u8> {
    [&DOCUMENTS[..], &[0, 0, 0, 1, 0x30], b"large\0\x01"].concat()
}

fn chunk(head: &[u8], number: u32) -> Vec<u8> {
    [head, &number.to_be_bytes()].concat()
}

/// The value of a record without chunks after `change`, under a checksum that is right.
fn resealed(key: &[u8], value: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut rest = value[5..].to_vec();
    change(&mut rest);
    let mut hasher = crc32fast::Hasher::new();
    for part in [key, &[0; 4], &[0], &rest] {
        hasher.update(part);
    }
    [&[0][..], &hasher.finalize().to_le_bytes(), &rest].concat()
}

#[test]
fn a_sound_store_is_sound() {
    let backend = prepared();
    let store = open(&backend);
    let verified = Verify::new(&store).run().unwrap();
    assert!(verified.is_sound(), "{verified:?}");
    let stats = store.stats().unwrap();
    assert_eq!((verified.keys, verified.sequence), (stats.keys, stats.sequence));
    assert_eq!(verified.documents, 7);
    let bytes: usize = entries(&backend).iter().map(|(key, value)| key.len() + value.len()).sum();
    assert_eq!(verified.bytes, bytes as u64 - 2 - 49);
    // And an empty one.
    assert!(Verify::new(&Store::memory().unwrap()).run().unwrap().is_sound());
}

#[test]
fn a_flipped_bit_in_any_value_is_found() {
    let backend = prepared();
    let stored = entries(&backend);
    let mut flipped = 0;
    for (key, value) in &stored {
        for byte in [0, value.len() / 3, value.len() - 1] {
            let mut damaged = value.clone();
            damaged[byte] ^= 1 << (byte % 8);
            let store = open(&backend);
            write(&backend, key, Some(damaged));
            let verified = Verify::new(&store).run().unwrap();
            let (damages, documents) = found(&verified);
            assert!(!damages.is_empty(), "only the digest tells of {}", key.escape_ascii());
            if key.starts_with(&DOCUMENTS) {
                assert!(damages.contains(&Damage::Record) && !documents.is_empty(), "{verified:?}");
            }
            write(&backend, key, Some(value.clone()));
            flipped += 1;
        }
    }
    assert!(verify(&backend).is_sound());
    println!("verify: {flipped} flipped bits found");
    assert!(flipped > 50);
}

#[test]
fn lost_chunks_and_heads_are_found() {
    for lost in 1..=3 {
        let verified = after(|_, backend| write(backend, &chunk(&large(), lost), None));
        let (damages, documents) = found(&verified);
        // Its kind and stamp cannot be told, so it is not counted.
        assert_eq!((damages, documents), (vec![Damage::Record, Damage::Census], vec!["large".into()]));
    }
    let verified = after(|_, backend| write(backend, &large(), None));
    assert_eq!(found(&verified), (vec![Damage::Record, Damage::Census], vec!["large".into()]));
    assert_eq!(verified.findings[0].error().context().detail("chunks"), Some("3"));
    assert_eq!(verified.findings[0].error().context().collection(), Some("first"));

    let verified = after(|entries, backend| {
        write(backend, &chunk(&large(), 4), Some(entries[&chunk(&large(), 1)].clone()));
        write(backend, &chunk(&id_of(2), 1), Some(vec![0; 10]));
    });
    assert_eq!(found(&verified), (vec![Damage::Record; 2], vec![2.into(), "large".into()]));
}

/// Every record is intact; only what all of them come to tells.
#[test]
fn what_is_lost_or_comes_back_whole_is_found() {
    let verified = after(|_, backend| write(backend, &id_of(4), None));
    assert_eq!(found(&verified).0, [Damage::Census]);
    let content = verified.findings.iter().filter(|finding| finding.damage() == Damage::Content);
    assert_eq!(content.count(), 2, "the number of keys, and the digest");

    let verified = after(|entries, backend| {
        let older = resealed(&id_of(4), &entries[&id_of(4)], |rest| *rest.last_mut().unwrap() ^= 1);
        write(backend, &id_of(4), Some(older));
    });
    assert_eq!(found(&verified), (vec![], vec![]));
    assert_eq!(verified.findings.len(), 1);
}

#[test]
fn malformed_bodies_under_right_checksums_are_found() {
    let verified = after(|entries, backend| {
        // A tag that no value has.
        let broken = resealed(&id_of(4), &entries[&id_of(4)], |rest| *rest.last_mut().unwrap() = 0x09);
        write(backend, &id_of(4), Some(broken));
    });
    assert_eq!(found(&verified), (vec![Damage::Body], vec![4.into()]));
}

#[test]
fn a_census_that_is_wrong_is_found() {
    let counters = keys(&entries(&prepared()), CENSUS);
    assert_eq!(counters.len(), 3);
    for counter in counters {
        for value in
            [None, Some(vec![9, 0, 0, 0, 0, 0, 0, 0]), Some(vec![0; 8]), Some(vec![1]), Some(vec![0xff; 8])]
        {
            let malformed = value.as_ref().is_some_and(|value| *value == [1] || value[0] != 9);
            let verified = after(|_, backend| write(backend, &counter, value));
            let (damages, _) = found(&verified);
            assert_eq!(damages, vec![Damage::Census; 1 + usize::from(malformed)]);
            let context = verified.findings.last().map(|_| verified.findings[0].error().context()).unwrap();
            assert!(context.collection().is_some() && context.kind().is_some() && context.stamp().is_some());
        }
    }
}

#[test]
fn a_catalog_that_is_wrong_is_found() {
    let stored = entries(&prepared());
    let entry = |section: u8, name: &[u8]| [&CATALOG[..], &[section], name].concat();
    let lose = |key: &[u8]| found(&after(|_, backend| write(backend, key, None)));
    let all: Vec<DocumentId> =
        [1, 2, 3, 4, 5].map(DocumentId::from).into_iter().chain(["large".into()]).collect();
    assert_eq!(lose(&entry(1, b"first")), (vec![Damage::Catalog; 6], all.clone()));
    // Its two steps, too, are of nothing.
    assert_eq!(lose(&entry(2, b"thing")), (vec![Damage::Catalog; 8], all.clone()));
    let steps =
        keys(&stored, [CATALOG[0], CATALOG[1]]).into_iter().filter(|key| key[2] == 3).collect::<Vec<_>>();
    // The documents at that stamp, and the step after it.
    let older = all.iter().filter(|id| **id != 3.into()).cloned().collect();
    assert_eq!(lose(&steps[0]), (vec![Damage::Catalog; 6], older));
    assert_eq!(lose(&steps[1]), (vec![Damage::Catalog], vec![3.into()]));

    // Another store's entries, where names have other numbers.
    let other = Arc::new(MemoryBackend::new());
    let store = open(&other);
    store.documents("second").unwrap();
    store.documents("first").unwrap();
    let foreign = entries(&other)[&entry(1, b"second")].clone();
    let verified = after(|_, backend| write(backend, &entry(1, b"second"), Some(foreign)));
    let (damages, documents) = found(&verified);
    assert_eq!((damages, documents), (vec![Damage::Catalog; 2], vec!["last".into()]));
    assert!(
        verified.findings[0].to_string().contains("two names have one number"),
        "{}",
        verified.findings[0]
    );

    // A document of a kind, and at a stamp, that nobody knows.
    let verified = after(|entries, backend| {
        write(backend, &id_of(1), Some(resealed(&id_of(1), &entries[&id_of(1)], |rest| rest[0] = 9)));
        write(backend, &id_of(2), Some(resealed(&id_of(2), &entries[&id_of(2)], |rest| rest[1] = 7)));
    });
    let (damages, documents) = found(&verified);
    assert_eq!(damages[..2], [Damage::Catalog; 2]);
    assert_eq!(documents[..2], [1.into(), 2.into()]);
}

#[test]
fn keys_that_nobody_writes_are_found() {
    for key in [
        &[0x02][..],
        &[0x01],
        &[0x01, 0x77, 1],
        &[0x01, 0x00, 0x00],
        &[0x01, 0x01, 0x09, b'x'],
        &[0x01, 0x02, 1, 2, 3],
        &[0x01, 0x10, 0, 0, 0, 1, 0x40],
        &[0x01, 0x10, 0, 0, 0, 1, 0x11, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ] {
        let verified = after(|_, backend| write(backend, key, Some(vec![1, 2, 3])));
        assert_eq!(found(&verified).0, [Damage::Key], "{}", key.escape_ascii());
    }
}

#[test]
fn a_wrong_meta_key_is_found() {
    let backend = prepared();
    let older = entries(&backend)[&META[..]].clone();
    let store = open(&backend);
    store.documents("first").unwrap();
    store.documents("third").unwrap();
    for value in [None, Some(vec![0; 49]), Some(older)] {
        let before = entries(&backend)[&META[..]].clone();
        write(&backend, &META, value);
        let verified = Verify::new(&store).run().unwrap();
        assert_eq!(found(&verified).0, [Damage::Meta]);
        write(&backend, &META, Some(before));
    }
    assert!(Verify::new(&store).run().unwrap().is_sound());
}

#[cfg(feature = "sled")]
#[test]
fn files_that_do_not_survive_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("medium.pivot");
    let store = Store::open(&path).unwrap();
    store.documents("notes").unwrap().insert(&json!("x".repeat(1_000_000))).unwrap();
    assert!(Verify::new(&store).run().unwrap().is_sound());
    let blobs = path.join("sled/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join("1"), b"x").unwrap();
    let verified = Verify::new(&store).run().unwrap();
    let [finding] = verified.findings.as_slice() else { panic!("{verified:?}") };
    assert_eq!(finding.damage(), Damage::Medium);
    store.close().unwrap();
}

#[test]
fn all_damage_is_found_at_once_and_kept_within_a_bound() {
    let spoil = |entries: &Entries, backend: &MemoryBackend| {
        for id in 1..=5 {
            let mut value = entries[&id_of(id)].clone();
            value[3] ^= 1;
            write(backend, &id_of(id), Some(value));
        }
        write(backend, &[0x03], Some(vec![]));
    };
    let verified = after(spoil);
    let (damages, documents) = found(&verified);
    assert_eq!(damages[..5], [Damage::Record; 5]);
    assert_eq!(documents, [1, 2, 3, 4, 5].map(DocumentId::from));
    // Each names its document in words, too.
    assert!(
        verified.findings[2]
            .to_string()
            .starts_with("record: a stored record is damaged: collection \"first\", id 3")
    );

    let backend = prepared();
    let store = open(&backend);
    spoil(&entries(&backend), &backend);
    let bounded = Verify::new(&store).at_most(2).run().unwrap();
    assert_eq!(bounded.findings.len(), 2);
    assert_eq!(bounded.omitted, verified.findings.len() as u64 - 2);
    assert!(!bounded.is_sound() && !Verify::new(&store).at_most(0).run().unwrap().is_sound());
}

#[test]
fn it_can_be_watched_and_stopped() {
    let store = Store::memory().unwrap();
    let notes = store.documents("notes").unwrap();
    notes.insert_many((0..1000).map(|n| json!(n))).unwrap();
    let mut told = Vec::new();
    let watched = Verify::new(&store).progress(|progress| {
        told.push(progress.documents);
        ControlFlow::Continue(())
    });
    assert!(watched.run().unwrap().is_sound());
    assert!(told.len() >= 3 && told.is_sorted());
    let stopped = Verify::new(&store).progress(|_| ControlFlow::Break(())).run();
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    store
        .transaction(|_| {
            assert_eq!(Verify::new(&store).run().unwrap_err().kind(), ErrorKind::InsideTransaction);
            Ok(())
        })
        .unwrap();
    store.close().unwrap();
    assert_eq!(Verify::new(&store).run().unwrap_err().kind(), ErrorKind::Closed);
}

/// What others write meanwhile is neither seen nor taken for damage.
#[test]
fn a_busy_store_is_sound() {
    let backend = prepared();
    let store = open(&backend);
    let busy = store.collection_with::<Value>("first", "thing", &steps(3)).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (mut runs, mut overtaken) = (0, 0);
    std::thread::scope(|scope| {
        for writer in 0..2_u64 {
            let (busy, stop) = (&busy, &stop);
            scope.spawn(move || {
                let mut n = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    n += 1;
                    let id = 10 + writer * 1000 + n % 50;
                    busy.overwrite(id, &json!({"d": "y".repeat((n % 40_000) as usize)})).unwrap();
                    if n % 3 == 0 {
                        busy.delete(id).unwrap();
                    }
                }
            });
        }
        // Most are done before anybody commits.
        while overtaken < 25 && runs < 20_000 {
            runs += 1;
            let verified = Verify::new(&store).run().unwrap();
            overtaken += usize::from(store.stats().unwrap().sequence > verified.sequence);
            assert!(verified.is_sound(), "{:?}", verified.findings);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    println!("verify: {runs} runs beside writers, {overtaken} of them overtaken by commits");
    assert_eq!(overtaken, 25);
}
