//! What a store directory goes through.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::storage::backend::{Backend, Batch, Direction, Failure, KeyRange, MAX_KEY, MAX_VALUE, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::sled::error::OpenError;
use crate::storage::sled::open::{Opened, Step, open, open_observed};
use crate::storage::sled::options::SledOptions;
use crate::storage::watermark::{Mark, Watermark};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn batch<K: AsRef<[u8]>, V: AsRef<[u8]>>(writes: impl IntoIterator<Item = (K, Option<V>)>) -> Batch {
    let bytes = |bytes: &[u8]| Bytes::from(bytes);
    let writes = writes.into_iter();
    let writes = writes.map(|(key, value)| (bytes(key.as_ref()), value.map(|value| bytes(value.as_ref()))));
    Batch { writes: writes.collect() }
}

fn initial() -> Batch {
    batch([(b"\x01\x00", Some(b"sequence 0"))])
}

fn reopen(path: &Path) -> Result<Opened, OpenError> {
    open(path, &SledOptions { create: false, ..SledOptions::default() }, &Batch::default())
}

fn create(path: &Path) -> Opened {
    let opened = open(path, &SledOptions::default(), &initial()).unwrap();
    assert!(opened.created);
    opened
}

/// All entries, read in pages of `entries`.
fn read(backend: &impl Backend, direction: Direction, entries: usize) -> Vec<(Bytes, Bytes)> {
    let mut range = KeyRange::all();
    let mut read = Vec::new();
    loop {
        let page = backend.page(&range, direction, PageLimit { entries, bytes: usize::MAX }).unwrap();
        if let Some((last, _)) = page.entries.last() {
            match direction {
                Direction::Forward => range.start = [last, &[0][..]].concat(),
                Direction::Backward => range.end = Some(last.to_vec()),
            }
        }
        read.extend(page.entries);
        if page.complete {
            return read;
        }
    }
}

fn assert_holds(backend: &impl Backend, expected: &Entries) {
    let expected: Vec<_> =
        expected.iter().map(|(key, value)| (key.as_slice().into(), value.as_slice().into())).collect();
    let forward = read(backend, Direction::Forward, 1000);
    let mut backward = read(backend, Direction::Backward, 77);
    backward.reverse();
    assert!(forward == expected, "{} entries forward, {} expected", forward.len(), expected.len());
    assert!(backward == expected, "{} entries backward, {} expected", backward.len(), expected.len());
}

/// Names, contents and times of everything under `path`.
fn image(path: &Path) -> Vec<(PathBuf, Option<Vec<u8>>, std::time::SystemTime)> {
    let mut image = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::metadata(&path).unwrap();
        if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let content = metadata.is_file().then(|| fs::read(&path).unwrap());
        image.push((path, content, metadata.modified().unwrap()));
    }
    image.sort();
    image
}

/// What a process that is killed now would leave of `from`.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_new_store_holds_what_it_was_made_with() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("a/b/c")] {
        assert!(matches!(reopen(&path), Err(OpenError::NoStore { .. })));
        drop(create(&path));
        let names: Vec<_> =
            image(&path).into_iter().filter(|(name, ..)| name.parent() == Some(&path)).collect();
        let names: Vec<_> =
            names.iter().map(|(name, ..)| name.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["pivotdb.format", "pivotdb.lock", "pivotdb.synced", "sled"]);
        let marker = fs::read_to_string(path.join("pivotdb.format")).unwrap();
        assert_eq!(marker, "pivotdb 0\nbackend sled\nsegment_size 4194304\n");
        let opened = reopen(&path).unwrap();
        assert!(!opened.created);
        assert_eq!(opened.side_file.read().unwrap(), None);
        assert_holds(&opened.backend, &[(b"\x01\x00".to_vec(), b"sequence 0".to_vec())].into());
        // The next store is made inside this directory, which then must not count as one.
        drop(opened);
        fs::remove_dir_all(directory.path()).unwrap();
        fs::create_dir(directory.path()).unwrap();
    }
}

#[test]
fn what_a_creation_killed_at_any_step_leaves_becomes_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let mut steps = Vec::new();
    let opened = open_observed(&store, &SledOptions::default(), &initial(), &mut |step| {
        copy(&store, &directory.path().join(format!("{step:?}")));
        // A power cut may also leave files that were not synced yet with anything in them.
        if (step as u8) < Step::Synced as u8 && store.join("sled/db").exists() {
            let torn = directory.path().join(format!("{step:?} torn"));
            copy(&store, &torn);
            fs::write(torn.join("sled/db"), [7; 5000]).unwrap();
            fs::write(torn.join("sled/conf"), "").unwrap();
            fs::write(torn.join("pivotdb.synced"), [0; 100]).unwrap();
            steps.push((format!("{step:?} torn"), true));
        }
        if step == Step::MarkerWritten {
            let torn = directory.path().join("marker torn");
            copy(&store, &torn);
            fs::write(torn.join("pivotdb.format.tmp"), "pivot").unwrap();
            steps.push(("marker torn".into(), true));
        }
        steps.push((format!("{step:?}"), (step as u8) < Step::MarkerPlaced as u8));
    });
    drop(opened.unwrap());
    assert_eq!(steps.len(), 14, "{steps:?}");
    for (step, unfinished) in steps {
        let left = directory.path().join(&step);
        if unfinished {
            assert!(matches!(reopen(&left), Err(OpenError::NoStore { .. })), "{step}");
        }
        let made = batch([(b"\x01\x00", Some(b"made again"))]);
        let opened =
            open(&left, &SledOptions::default(), &made).unwrap_or_else(|error| panic!("{step}: {error:?}"));
        assert_eq!(opened.created, unfinished, "{step}");
        let value: &[u8] = if unfinished { b"made again" } else { b"sequence 0" };
        assert_holds(&opened.backend, &[(b"\x01\x00".to_vec(), value.to_vec())].into());
        drop(opened);
        assert!(!reopen(&left).unwrap().created, "{step}");
        assert!(!left.join("pivotdb.format.tmp").exists());
    }
}

#[test]
fn a_foreign_directory_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("file"), "mine").unwrap();
    fs::create_dir(at("photos")).unwrap();
    fs::write(at("photos/cat.jpg"), "cat").unwrap();
    // Another program's sled database, and one of ours that has lost both files.
    fs::create_dir_all(at("half/sled")).unwrap();
    // Somebody keeps notes in what would be an unfinished creation: clearing it would be wrong.
    fs::create_dir(at("notes")).unwrap();
    fs::write(at("notes/pivotdb.lock"), "").unwrap();
    fs::write(at("notes/todo.txt"), "buy milk").unwrap();
    let before = image(directory.path());
    for (name, found) in [("file", "file"), ("photos", "cat.jpg"), ("half", "sled"), ("notes", "todo.txt")] {
        match open(&at(name), &SledOptions::default(), &initial()) {
            Err(OpenError::Foreign { directory, found: it }) => {
                assert_eq!((directory, it.as_str()), (at(name), found));
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(image(directory.path()), before);
    }
}

#[test]
fn a_newer_format_is_refused_and_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("pivotdb.format"), "pivotdb 7\nof the future").unwrap();
    let before = image(directory.path());
    for create in [true, false] {
        let error = open(directory.path(), &SledOptions { create, ..SledOptions::default() }, &initial());
        assert!(matches!(error, Err(OpenError::NewerFormat { format: 7, .. })), "{error:?}");
        assert_eq!(image(directory.path()), before);
    }
}

#[test]
fn damage_is_told_from_a_store_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create(&path);
    opened.side_file.record(Mark { sequence: 1, digest: 1 }).unwrap();
    drop(opened);
    let damaged = |name: &str, change: &dyn Fn(&Path)| {
        let copied = directory.path().join(name);
        copy(&path, &copied);
        change(&copied);
        let before = image(&copied);
        let error = open(&copied, &SledOptions::default(), &initial());
        assert!(matches!(error, Err(OpenError::Damaged { .. })), "{name}: {error:?}");
        assert_eq!(image(&copied), before, "{name}");
    };
    damaged("marker overwritten", &|path| fs::write(path.join("pivotdb.format"), "").unwrap());
    damaged("marker removed", &|path| fs::remove_file(path.join("pivotdb.format")).unwrap());
    damaged("database removed", &|path| fs::remove_dir_all(path.join("sled")).unwrap());
    damaged("data removed", &|path| fs::remove_file(path.join("sled/db")).unwrap());
    let opened = reopen(&path).unwrap();
    assert_eq!(opened.side_file.read().unwrap(), Some(Mark { sequence: 1, digest: 1 }));
}

/// Whatever has become of sled's files, opening gives a backend or an error. What has been lost is for the layer above to find.
#[test]
fn a_database_full_of_rubbish_is_an_error_or_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create(&path);
    for i in 0..200_u32 {
        opened.backend.apply(&batch([(i.to_be_bytes(), Some([7; 500]))])).unwrap();
    }
    drop(opened);
    // Opened once more, so that sled has written a snapshot.
    drop(reopen(&path).unwrap());
    let mut outcomes = BTreeMap::new();
    let mut salt = 1_u64;
    for round in 0..40 {
        let copied = directory.path().join(format!("{round}"));
        copy(&path, &copied);
        let mut files: Vec<_> = image(&copied.join("sled"))
            .into_iter()
            .filter_map(|(name, content, _)| content.map(|content| (name, content)))
            .collect();
        let count = files.len();
        let (name, content) = &mut files[round % count];
        salt = salt.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = salt as usize % content.len().clamp(1, 120_000).min(content.len());
        match round % 4 {
            0 => content.truncate(at),
            1 => content[at] ^= 1 << (salt >> 61),
            2 => content[at..].fill(0xab),
            _ => content.truncate(0),
        }
        fs::write(name, content).unwrap();
        let outcome = match reopen(&copied) {
            Ok(opened) => match opened.backend.page(
                &KeyRange::all(),
                Direction::Forward,
                PageLimit { entries: 1000, bytes: usize::MAX },
            ) {
                Ok(page) if page.entries.len() == 201 => "whole",
                Ok(_) => "less",
                Err(_) => "unreadable",
            },
            Err(OpenError::Sled { .. }) => "refused",
            Err(error) => panic!("round {round}: {error:?}"),
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
        fs::remove_dir_all(&copied).unwrap();
    }
    println!("{outcomes:?}");
    assert!(outcomes.get("refused").is_some_and(|count| *count > 2), "{outcomes:?}");
    assert!(outcomes.len() > 1, "{outcomes:?}");
}

#[test]
fn is_opened_once_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create(&path);
    let locked = |result| match result {
        Err(OpenError::Locked { directory }) => assert_eq!(directory, path),
        other => panic!("{other:?}"),
    };
    locked(reopen(&path));
    let patient =
        |lock_timeout| open(&path, &SledOptions { lock_timeout, ..SledOptions::default() }, &initial());
    locked(patient(Duration::from_millis(30)));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _opened = opened;
            thread::sleep(Duration::from_millis(60));
        });
        assert!(!patient(Duration::from_secs(60)).unwrap().created);
    });
    // As long as the side file can be written nobody else may open.
    let Opened { backend, side_file, .. } = reopen(&path).unwrap();
    drop(backend);
    locked(reopen(&path));
    drop(side_file);
    drop(reopen(&path).unwrap());
}

#[test]
fn two_who_create_at_once_make_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let options = SledOptions { lock_timeout: Duration::from_secs(60), ..SledOptions::default() };
    let open = || open(&path, &options, &initial()).unwrap().created;
    let created = thread::scope(|scope| {
        let openers = [scope.spawn(open), scope.spawn(open), scope.spawn(open)];
        openers.map(|opener| usize::from(opener.join().unwrap()))
    });
    assert_eq!(created.iter().sum::<usize>(), 1);
}

const CHILD: &str = "PIVOTDB_TEST_STORE";

/// The other process of the next test.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let _opened = create(Path::new(&path));
    println!("child has opened");
    thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_second_process_is_locked_out_until_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "storage::sled::tests::child", "--ignored", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let opened = lines.any(|line| line.unwrap().contains("child has opened"));
    let here = reopen(&path);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(opened);
    assert!(matches!(here, Err(OpenError::Locked { .. })), "{here:?}");
    let opened = reopen(&path).unwrap();
    assert_holds(&opened.backend, &[(b"\x01\x00".to_vec(), b"sequence 0".to_vec())].into());
}

#[test]
fn a_snapshot_left_half_written_is_removed_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    drop(create(&path));
    drop(reopen(&path).unwrap());
    let at = |name: &str| path.join(name);
    let leftovers = ["sled/snap.x.generating", "sled/snap.00000000FFFFFFFF.generating"];
    let others =
        ["sled/generating", "sled/notes.generating", "sled/blobs/snap.1.generating", "snap.2.generating"];
    for name in leftovers.iter().chain(&others) {
        fs::write(at(name), "").unwrap();
    }
    drop(reopen(&path).unwrap());
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
        let error = open(&path, &options, &initial());
        assert!(matches!(error, Err(OpenError::Option { option: it, .. }) if it == option), "{error:?}");
        assert!(!path.exists());
    }
    // The segment size is the store's, whatever is asked for later.
    drop(open(&path, &SledOptions { segment_size: 8 << 20, ..good.clone() }, &initial()).unwrap());
    drop(open(&path, &good, &initial()).unwrap());
}

/// sled 0.34.7 walks from the page of the integers from zero to the one below zero by way of a key that it
/// believes to lie in between, and never arrives.
#[test]
fn integers_are_read_backward_across_zero() {
    let directory = tempfile::tempdir().unwrap();
    let opened = create(&directory.path().join("store"));
    let plain = ::sled::Config::new().path(directory.path().join("plain")).open().unwrap();
    let mut expected: Entries = [(b"\x01\x00".to_vec(), b"sequence 0".to_vec())].into();
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
fn apply_all(opened: &Opened, expected: &mut Entries, batches: &[Writes]) {
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

fn reopened_twice(path: &Path, opened: Opened, expected: &Entries) {
    assert_holds(&opened.backend, expected);
    let mut opened = Some(opened);
    for _ in 0..2 {
        drop(opened.take());
        let again = reopen(path).unwrap();
        assert_eq!(again.backend.overflow_files().unwrap(), 0);
        assert_holds(&again.backend, expected);
        opened = Some(again);
    }
}

#[test]
fn no_page_of_values_up_to_the_bound_leaves_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create(&path);
    let mut expected: Entries = [(b"\x01\x00".to_vec(), b"sequence 0".to_vec())].into();
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
    let opened = create(&path);
    let mut expected: Entries = [(b"\x01\x00".to_vec(), b"sequence 0".to_vec())].into();
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

#[test]
fn a_batch_with_a_key_or_value_beyond_the_bounds_is_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let opened = create(&directory.path().join("store"));
    let long = vec![1; MAX_KEY + 1];
    let large = vec![1; MAX_VALUE + 1];
    for (key, value) in [(long, Some(vec![2])), (vec![2], Some(large))] {
        let error = opened.backend.apply(&batch([(vec![1], Some(vec![1])), (key, value)])).unwrap_err();
        assert_eq!(error.failure, Failure::TooLarge);
    }
    assert_holds(&opened.backend, &[(b"\x01\x00".to_vec(), b"sequence 0".to_vec())].into());
}

#[test]
fn what_was_synced_survives_a_kill_and_the_rest_is_a_prefix() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create(&path);
    for number in 0..300_u32 {
        let writes = (0..5_u32)
            .map(|part| ([number, part].map(u32::to_be_bytes).concat(), Some(number.to_be_bytes())));
        opened.backend.apply(&batch(writes)).unwrap();
        if number == 199 {
            opened.backend.flush().unwrap();
            opened.backend.sync().unwrap();
        }
    }
    let killed = directory.path().join("killed");
    copy(&path, &killed);
    let found = read(&reopen(&killed).unwrap().backend, Direction::Forward, 100).len();
    assert!(found > 200 * 5 && found % 5 == 1, "{found}");
}
