//! What sled gets wrong, and what is done about it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::storage::backend::{Backend, MAX_KEY, MAX_VALUE};
use crate::storage::directory::error::OpenError;
use crate::storage::directory::open::{Opened, Place, open};
use crate::storage::directory::testing::{
    Entries, assert_holds, batch, create, initial, initial_entries, reopen,
};
use crate::storage::sled::backend::SledBackend;
use crate::storage::sled::options::SledOptions;

type Sled = Opened<SledBackend>;

#[test]
fn a_snapshot_left_half_written_is_removed_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    drop(create::<SledBackend>(&path));
    drop(reopen::<SledBackend>(&path).unwrap());
    let at = |name: &str| path.join(name);
    let leftovers = ["sled/snap.x.generating", "sled/snap.00000000FFFFFFFF.generating"];
    let others =
        ["sled/generating", "sled/notes.generating", "sled/blobs/snap.1.generating", "snap.2.generating"];
    for name in leftovers.iter().chain(&others) {
        fs::write(at(name), "").unwrap();
    }
    drop(reopen::<SledBackend>(&path).unwrap());
    assert_eq!(leftovers.map(|name| at(name).exists()), [false; 2]);
    assert_eq!(others.map(|name| at(name).exists()), [true; 4]);
    // The same without our help: this is what sled does with one.
    fs::write(at(leftovers[1]), "").unwrap();
    let plain = ::sled::Config::new().path(at("sled")).segment_size(4 << 20).open();
    assert!(matches!(plain, Err(::sled::Error::Corruption { .. })));
}

#[test]
fn options_out_of_range_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let good = SledOptions::default();
    for (option, options) in [
        ("segment_size", SledOptions { segment_size: 2 << 20, ..good.clone() }),
        ("segment_size", SledOptions { segment_size: 5 << 20, ..good.clone() }),
        ("segment_size", SledOptions { segment_size: 32 << 20, ..good.clone() }),
        ("cache_capacity", SledOptions { cache_capacity: 0, ..good.clone() }),
        ("flush_every", SledOptions { flush_every: Duration::ZERO, ..good.clone() }),
        ("flush_every", SledOptions { flush_every: Duration::MAX, ..good.clone() }),
    ] {
        let error = open::<SledBackend>(&path, &Place::default(), &options, &initial());
        assert!(matches!(error, Err(OpenError::Option { option: it, .. }) if it == option), "{error:?}");
        assert!(!path.exists());
    }
    // The segment size is the store's, whatever is asked for later.
    drop(
        open::<SledBackend>(
            &path,
            &Place::default(),
            &SledOptions { segment_size: 8 << 20, ..good.clone() },
            &initial(),
        )
        .unwrap(),
    );
    drop(open::<SledBackend>(&path, &Place::default(), &good, &initial()).unwrap());
}

/// sled 0.34.7 walks from the page of the integers from zero to the one below zero by way of a key that it
/// believes to lie in between, and never arrives.
#[test]
fn integers_are_read_backward_across_zero() {
    let directory = tempfile::tempdir().unwrap();
    let opened = create::<SledBackend>(&directory.path().join("store"));
    let plain = ::sled::Config::new().path(directory.path().join("plain")).open().unwrap();
    let mut expected: Entries = initial_entries();
    for i in -36_i64..40 {
        let key = [&[1, 0x10, 0, 0, 0, 1, if i < 0 { 0x10 } else { 0x11 }][..], &i.to_be_bytes()].concat();
        opened.backend.apply(&batch([(&key, Some(b"x"))])).unwrap();
        plain.insert(&key, b"x").unwrap();
        expected.insert(key, b"x".to_vec());
    }
    assert_holds(&opened.backend, &expected);
    let plain = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| plain.iter().rev().count()));
    assert!(plain.is_err(), "sled has been mended: its keys need no change");
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 3) % bound
    }
}

type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Applies `batches`, and asserts after each that sled has put no page aside.
fn apply_all(opened: &Sled, expected: &mut Entries, batches: &[Writes]) {
    for (number, writes) in batches.iter().enumerate() {
        opened.backend.apply(&batch(writes.iter().map(|(key, value)| (key, value.as_ref())))).unwrap();
        if number % 8 == 0 {
            opened.backend.flush().unwrap();
        }
        assert_eq!(opened.backend.overflow_files().unwrap(), 0, "after batch {number}");
        for (key, value) in writes {
            match value {
                Some(value) => expected.insert(key.clone(), value.clone()),
                None => expected.remove(key),
            };
        }
    }
}

/// The same with a smaller segment: whether sled then puts a page aside, which shows that the batches come near the bound.
fn overflow_with(segment_size: usize, batches: &[Writes]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let config = ::sled::Config::new().path(directory.path()).segment_size(segment_size);
    let database = config.open().unwrap();
    batches.iter().any(|writes| {
        for (key, value) in writes {
            let key = crate::storage::sled::key::stored(key);
            match value {
                Some(value) => database.insert(key, value.as_slice()).unwrap(),
                None => database.remove(key).unwrap(),
            };
        }
        fs::read_dir(directory.path().join("blobs")).unwrap().count() > 0
    })
}

fn reopened_twice(path: &Path, opened: Sled, expected: &Entries) {
    assert_holds(&opened.backend, expected);
    let mut opened = Some(opened);
    for _ in 0..2 {
        drop(opened.take());
        let again = reopen::<SledBackend>(path).unwrap();
        assert_eq!(again.backend.overflow_files().unwrap(), 0);
        assert_holds(&again.backend, expected);
        opened = Some(again);
    }
}

#[test]
fn no_page_of_values_up_to_the_bound_leaves_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create::<SledBackend>(&path);
    let mut expected: Entries = initial_entries();
    let mut numbers = Numbers(1);
    let chunk = 16 * 1024 + 60;
    let batches: Vec<Writes> = (0..500)
        .map(|_| {
            let write = |number| {
                let id = numbers.below(40_000);
                let length = if number < 40 { chunk } else { numbers.below(900) as usize };
                ([b"doc", &id.to_be_bytes()[..]].concat(), Some(vec![number; length]))
            };
            (0..48).map(write).collect()
        })
        .collect();
    apply_all(&opened, &mut expected, &batches);
    assert!(expected.len() > 15_000);
    assert!(overflow_with(512 << 10, &batches));
    // Pages merge as they empty, and fill again.
    let keys: Vec<_> = expected.keys().cloned().collect();
    let mut removed: Vec<_> = keys.iter().filter(|_| numbers.below(10) != 0).cloned().collect();
    removed.sort_by_key(|key| crc32fast::hash(key));
    let removals = removed.chunks(64).map(|keys| keys.iter().map(|key| (key.clone(), None)).collect());
    apply_all(&opened, &mut expected, &removals.collect::<Vec<_>>());
    let refill = keys.chunks(40).step_by(20);
    let refill = refill.map(|keys| keys.iter().map(|key| (key.clone(), Some(vec![9; MAX_VALUE]))).collect());
    apply_all(&opened, &mut expected, &refill.collect::<Vec<_>>());
    reopened_twice(&path, opened, &expected);
}

#[test]
fn no_page_of_the_longest_keys_leaves_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create::<SledBackend>(&path);
    let mut expected: Entries = initial_entries();
    // All bytes are escaped, and keys differ at their very ends: sled can neither cut nor share.
    let key = |number: &u64| {
        let mut key = vec![0xff; MAX_KEY];
        key[..2].copy_from_slice(&[1, 0x10]);
        key[MAX_KEY - 8..].copy_from_slice(&number.to_be_bytes());
        key
    };
    let numbers: Vec<u64> = (0..6_000).collect();
    let writes = |value: &[u8]| -> Vec<Writes> {
        let batches = numbers.chunks(100);
        batches.map(|numbers| numbers.iter().map(|n| (key(n), Some(value.to_vec()))).collect()).collect()
    };
    // Leaves become few, so that inner pages merge.
    let removals = numbers.chunks(60).map(|numbers| numbers.iter().skip(1).map(|n| (key(n), None)).collect());
    let batches = [writes(&[7; 3]), removals.collect(), writes(&[8; 30])].concat();
    apply_all(&opened, &mut expected, &batches);
    reopened_twice(&path, opened, &expected);
    assert!(overflow_with(2 << 20, &batches));
}

/// A power cut took the end of sled's file and left what sled had written later into segments that it used again: one store in some
/// hundreds did not open after it, or opened with parts of commits.
#[cfg(target_os = "linux")]
#[test]
fn what_sled_writes_goes_through_to_the_medium() {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let directory = tempfile::tempdir().unwrap();
    let flags = |file: &fs::File| ioctl_getflags(file).unwrap_or(IFlags::empty());
    let probe = fs::File::create(directory.path().join("probe")).unwrap();
    if ioctl_setflags(&probe, flags(&probe) | IFlags::SYNC).is_err() {
        // A file system in memory, say: what is lost there in a power cut is everything.
        return;
    }
    let path = directory.path().join("store");
    let through = || flags(&fs::File::open(path.join("sled/db")).unwrap()).contains(IFlags::SYNC);
    drop(create::<SledBackend>(&path));
    assert!(through());
    // A copy of a store is not marked.
    let file = fs::File::open(path.join("sled/db")).unwrap();
    ioctl_setflags(&file, flags(&file) - IFlags::SYNC).unwrap();
    assert!(!through());
    drop(reopen::<SledBackend>(&path).unwrap());
    assert!(through());
}
