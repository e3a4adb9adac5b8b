//! What a store directory goes through, whatever backend is in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::storage::backend::{Direction, Failure, KeyRange, MAX_KEY, MAX_VALUE, PageLimit};
use crate::storage::directory::error::OpenError;
use crate::storage::directory::open::{Held, Opened, Place, Resident, Step, open};
use crate::storage::directory::testing::{
    assert_holds, batch, copy, create, image, initial, initial_entries, read, reopen, try_open,
};
use crate::storage::watermark::{Mark, Watermark};

/// What the tests have to know of a backend.
trait Tested: Resident {
    /// Its entry in the directory.
    const ENTRY: &'static str;
    /// Its largest file.
    const DATA: &'static str;
    /// The marker of a new store.
    const MARKER: &'static str;
    /// The test that is the other process of another one.
    const CHILD: &'static str;
}

/// Each of these tests for each backend.
macro_rules! on_every_backend {
    ($($test:ident)*) => {
        #[cfg(feature = "sled")]
        mod sled {
            use crate::storage::sled::backend::SledBackend;

            impl super::Tested for SledBackend {
                const ENTRY: &'static str = "sled";
                const DATA: &'static str = "sled/db";
                const MARKER: &'static str = "pivotdb 0\nbackend sled\nsegment_size 4194304\n";
                const CHILD: &'static str = "storage::disk::tests::sled::child";
            }

            $(#[test] fn $test() { super::$test::<SledBackend>(); })*

            #[test]
            #[ignore = "run by another test, in a process of its own"]
            fn child() {
                super::child::<SledBackend>();
            }
        }

        #[cfg(feature = "redb")]
        mod redb {
            use crate::storage::redb::backend::RedbBackend;

            impl super::Tested for RedbBackend {
                const ENTRY: &'static str = "pivotdb.redb";
                const DATA: &'static str = "pivotdb.redb";
                const MARKER: &'static str = "pivotdb 0\nbackend redb\n";
                const CHILD: &'static str = "storage::disk::tests::redb::child";
            }

            $(#[test] fn $test() { super::$test::<RedbBackend>(); })*

            #[test]
            #[ignore = "run by another test, in a process of its own"]
            fn child() {
                super::child::<RedbBackend>();
            }
        }
    };
}

on_every_backend! {
    a_new_store_holds_what_it_was_made_with
    what_a_creation_killed_at_any_step_leaves_becomes_a_store
    a_foreign_directory_is_not_touched
    a_newer_format_is_refused_and_not_touched
    damage_is_told_from_a_store_that_is_not_there
    a_database_full_of_rubbish_is_an_error_or_opens
    is_opened_once_at_a_time
    two_who_create_at_once_make_one_store
    a_second_process_is_locked_out_until_the_first_is_gone
    a_batch_with_a_key_or_value_beyond_the_bounds_is_refused_whole
    what_was_synced_survives_a_kill_and_the_rest_is_a_prefix
}

/// Where the other process finds its store.
const CHILD_STORE: &str = "PIVOTDB_TEST_STORE";

fn child<B: Tested>() {
    let Some(path) = std::env::var_os(CHILD_STORE) else { return };
    let _opened = create::<B>(Path::new(&path));
    println!("child has opened");
    thread::sleep(Duration::from_secs(600));
}

fn a_new_store_holds_what_it_was_made_with<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("a/b/c")] {
        assert!(matches!(reopen::<B>(&path), Err(OpenError::NoStore { .. })));
        drop(create::<B>(&path));
        let mut expected = ["pivotdb.format", "pivotdb.lock", "pivotdb.synced", B::ENTRY];
        expected.sort_unstable();
        let names: Vec<_> =
            image(&path).into_iter().filter(|(name, ..)| name.parent() == Some(&path)).collect();
        let names: Vec<_> =
            names.iter().map(|(name, ..)| name.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, expected);
        let marker = fs::read_to_string(path.join("pivotdb.format")).unwrap();
        assert_eq!(marker, B::MARKER);
        let opened = reopen::<B>(&path).unwrap();
        assert!(!opened.created);
        assert_eq!(opened.side_file.read().unwrap(), None);
        assert_holds(&opened.backend, &initial_entries());
        // The next store is made inside this directory, which then must not count as one.
        drop(opened);
        fs::remove_dir_all(directory.path()).unwrap();
        fs::create_dir(directory.path()).unwrap();
    }
}

fn what_a_creation_killed_at_any_step_leaves_becomes_a_store<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let mut steps = Vec::new();
    let opened = Held::take(&store, &Place::default(), &[B::NAME]).unwrap().open::<B>(
        &B::Options::default(),
        &initial(),
        &mut |step| {
            copy(&store, &directory.path().join(format!("{step:?}")));
            // A power cut may also leave files that were not synced yet with anything in them.
            if (step as u8) < Step::Synced as u8 && store.join(B::DATA).exists() {
                let torn = directory.path().join(format!("{step:?} torn"));
                copy(&store, &torn);
                fs::write(torn.join(B::DATA), [7; 5000]).unwrap();
                if B::ENTRY == "sled" {
                    fs::write(torn.join("sled/conf"), "").unwrap();
                }
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
        },
    );
    drop(opened.unwrap());
    assert_eq!(steps.len(), 14, "{steps:?}");
    for (step, unfinished) in steps {
        let left = directory.path().join(&step);
        if unfinished {
            assert!(matches!(reopen::<B>(&left), Err(OpenError::NoStore { .. })), "{step}");
        }
        let made = batch([(b"\x01\x00", Some(b"made again"))]);
        let opened = open::<B>(&left, &Place::default(), &B::Options::default(), &made)
            .unwrap_or_else(|error| panic!("{step}: {error:?}"));
        assert_eq!(opened.created, unfinished, "{step}");
        let value: &[u8] = if unfinished { b"made again" } else { b"sequence 0" };
        assert_holds(&opened.backend, &[(b"\x01\x00".to_vec(), value.to_vec())].into());
        drop(opened);
        assert!(!reopen::<B>(&left).unwrap().created, "{step}");
        assert!(!left.join("pivotdb.format.tmp").exists());
    }
}

fn a_foreign_directory_is_not_touched<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("file"), "mine").unwrap();
    fs::create_dir(at("photos")).unwrap();
    fs::write(at("photos/cat.jpg"), "cat").unwrap();
    // One of ours that has lost lock file and marker, or another program's.
    fs::create_dir_all(at("half")).unwrap();
    fs::write(at("half").join(B::ENTRY), "").unwrap();
    // Somebody keeps notes in what would be an unfinished creation: clearing it would be wrong.
    fs::create_dir(at("notes")).unwrap();
    fs::write(at("notes/pivotdb.lock"), "").unwrap();
    fs::write(at("notes/todo.txt"), "buy milk").unwrap();
    let before = image(directory.path());
    for path in [at("file"), at("file/within")] {
        let refused = try_open::<B>(&path, &Place::default());
        assert!(
            matches!(&refused, Err(OpenError::NotADirectory { file }) if *file == at("file")),
            "{refused:?}"
        );
        assert_eq!(image(directory.path()), before);
    }
    for (name, found) in [("photos", "cat.jpg"), ("half", B::ENTRY), ("notes", "todo.txt")] {
        match try_open::<B>(&at(name), &Place::default()) {
            Err(OpenError::Foreign { directory, found: it }) => {
                assert_eq!((directory, it.as_str()), (at(name), found));
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(image(directory.path()), before);
    }
}

fn a_newer_format_is_refused_and_not_touched<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("pivotdb.format"), "pivotdb 7\nof the future").unwrap();
    let before = image(directory.path());
    for create in [true, false] {
        let error = try_open::<B>(directory.path(), &Place { create, ..Place::default() });
        assert!(matches!(error, Err(OpenError::NewerFormat { format: 7, .. })), "{error:?}");
        assert_eq!(image(directory.path()), before);
    }
}

fn damage_is_told_from_a_store_that_is_not_there<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create::<B>(&path);
    opened.side_file.record(Mark { sequence: 1, digest: 1 }).unwrap();
    drop(opened);
    let damaged = |name: &str, change: &dyn Fn(&Path)| {
        let copied = directory.path().join(name);
        copy(&path, &copied);
        change(&copied);
        let before = image(&copied);
        let error = try_open::<B>(&copied, &Place::default());
        assert!(matches!(error, Err(OpenError::Damaged { .. })), "{name}: {error:?}");
        assert_eq!(image(&copied), before, "{name}");
    };
    damaged("marker overwritten", &|path| fs::write(path.join("pivotdb.format"), "").unwrap());
    damaged("marker removed", &|path| fs::remove_file(path.join("pivotdb.format")).unwrap());
    damaged("data removed", &|path| fs::remove_file(path.join(B::DATA)).unwrap());
    damaged("no backend named", &|path| fs::write(path.join("pivotdb.format"), "pivotdb 0").unwrap());
    let opened = reopen::<B>(&path).unwrap();
    assert_eq!(opened.side_file.read().unwrap(), Some(Mark { sequence: 1, digest: 1 }));
}

/// Whatever has become of the backend's files, opening gives a backend or an error. What has been lost is for the layer above to find.
fn a_database_full_of_rubbish_is_an_error_or_opens<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create::<B>(&path);
    for i in 0..200_u32 {
        opened.backend.apply(&batch([(i.to_be_bytes(), Some([7; 500]))])).unwrap();
    }
    drop(opened);
    // Opened once more, so that sled has written its snapshot.
    drop(reopen::<B>(&path).unwrap());
    let mut outcomes = BTreeMap::new();
    let mut salt = 1_u64;
    for round in 0..40 {
        let copied = directory.path().join(format!("{round}"));
        copy(&path, &copied);
        let mut files: Vec<_> = image(&copied.join(B::ENTRY))
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
        let outcome = match reopen::<B>(&copied) {
            Ok(opened) => match opened.backend.page(
                &KeyRange::all(),
                Direction::Forward,
                PageLimit { entries: 1000, bytes: usize::MAX },
            ) {
                Ok(page) if page.entries.len() == 201 => "whole",
                Ok(_) => "less",
                Err(_) => "unreadable",
            },
            Err(OpenError::Backend { .. } | OpenError::Damaged { .. }) => "refused",
            Err(error) => panic!("round {round}: {error:?}"),
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
        fs::remove_dir_all(&copied).unwrap();
    }
    println!("{outcomes:?}");
    assert!(outcomes.get("refused").is_some_and(|count| *count > 2), "{outcomes:?}");
    assert!(outcomes.len() > 1, "{outcomes:?}");
}

fn is_opened_once_at_a_time<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create::<B>(&path);
    let locked = |result| match result {
        Err(OpenError::Locked { directory }) => assert_eq!(directory, path),
        other => panic!("{other:?}"),
    };
    locked(reopen::<B>(&path));
    let patient = |lock_timeout| try_open::<B>(&path, &Place { lock_timeout, ..Place::default() });
    locked(patient(Duration::from_millis(30)));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _opened = opened;
            thread::sleep(Duration::from_millis(60));
        });
        assert!(!patient(Duration::from_secs(60)).unwrap().created);
    });
    // As long as the side file can be written nobody else may open.
    let Opened { backend, side_file, .. } = reopen::<B>(&path).unwrap();
    drop(backend);
    locked(reopen::<B>(&path));
    drop(side_file);
    drop(reopen::<B>(&path).unwrap());
}

fn two_who_create_at_once_make_one_store<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let place = Place { lock_timeout: Duration::from_secs(60), ..Place::default() };
    let open = || try_open::<B>(&path, &place).unwrap().created;
    let created = thread::scope(|scope| {
        let openers = [scope.spawn(open), scope.spawn(open), scope.spawn(open)];
        openers.map(|opener| usize::from(opener.join().unwrap()))
    });
    assert_eq!(created.iter().sum::<usize>(), 1);
}

fn a_second_process_is_locked_out_until_the_first_is_gone<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", B::CHILD, "--ignored", "--nocapture"])
        .env(CHILD_STORE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let opened = lines.any(|line| line.unwrap().contains("child has opened"));
    let here = reopen::<B>(&path);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(opened);
    assert!(matches!(here, Err(OpenError::Locked { .. })), "{here:?}");
    let opened = reopen::<B>(&path).unwrap();
    assert_holds(&opened.backend, &initial_entries());
}

fn a_batch_with_a_key_or_value_beyond_the_bounds_is_refused_whole<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    let opened = create::<B>(&directory.path().join("store"));
    let long = vec![1; MAX_KEY + 1];
    let large = vec![1; MAX_VALUE + 1];
    for (key, value) in [(long, Some(vec![2])), (vec![2], Some(large))] {
        let error = opened.backend.apply(&batch([(vec![1], Some(vec![1])), (key, value)])).unwrap_err();
        assert_eq!(error.failure, Failure::TooLarge);
    }
    assert_holds(&opened.backend, &initial_entries());
}

fn what_was_synced_survives_a_kill_and_the_rest_is_a_prefix<B: Tested>() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let opened = create::<B>(&path);
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
    let found = read(&reopen::<B>(&killed).unwrap().backend, Direction::Forward, 100).len();
    assert!(found > 200 * 5 && found % 5 == 1, "{found}");
}

mod choice {
    use super::*;
    use crate::storage::disk::open::open;
    use crate::storage::disk::options::{BACKENDS, DiskOptions};

    fn chosen(backend: Option<&'static str>) -> DiskOptions {
        DiskOptions { backend, ..DiskOptions::default() }
    }

    #[test]
    fn a_store_is_opened_with_the_backend_it_was_made_with_and_no_other() {
        for &made_with in BACKENDS {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store");
            assert!(open(&path, &chosen(Some(made_with)), &initial()).unwrap().created);
            let marker = fs::read_to_string(path.join("pivotdb.format")).unwrap();
            assert!(marker.contains(&format!("backend {made_with}\n")), "{marker}");
            for backend in [None, Some(made_with)] {
                assert!(!open(&path, &chosen(backend), &initial()).unwrap().created);
            }
            let before = image(&path);
            for &other in BACKENDS.iter().filter(|other| **other != made_with) {
                match open(&path, &chosen(Some(other)), &initial()) {
                    Err(OpenError::WrongBackend { made_with: it, accepted, .. }) => {
                        assert_eq!((it.as_str(), accepted.as_str()), (made_with, other));
                    }
                    opened => panic!("{opened:?}"),
                }
            }
            assert_eq!(image(&path), before);
        }
    }

    #[test]
    fn a_backend_that_the_program_is_built_without_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("pivotdb.format"), "pivotdb 0\nbackend paper\n").unwrap();
        let before = image(directory.path());
        for backend in [None, BACKENDS.first().copied(), BACKENDS.last().copied()] {
            match open(directory.path(), &chosen(backend), &initial()) {
                Err(OpenError::NotBuiltIn { made_with, built_in, .. }) => {
                    assert_eq!((made_with.as_str(), built_in), ("paper", BACKENDS.join(" ")));
                }
                opened => panic!("{opened:?}"),
            }
        }
        assert_eq!(image(directory.path()), before);
    }

    #[test]
    fn an_unfinished_creation_is_made_with_the_backend_that_is_asked_for_now() {
        let directory = tempfile::tempdir().unwrap();
        for &unfinished in BACKENDS {
            for &asked in BACKENDS {
                let path = directory.path().join(format!("{unfinished} {asked}"));
                drop(open(&path, &chosen(Some(unfinished)), &initial()).unwrap());
                fs::remove_file(path.join("pivotdb.format")).unwrap();
                assert!(open(&path, &chosen(Some(asked)), &initial()).unwrap().created);
                let names = fs::read_dir(&path).unwrap().count();
                assert_eq!(names, 4, "what {unfinished} had made is gone");
            }
        }
    }
}
