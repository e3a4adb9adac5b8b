//! redb on a file that loses power, fills up, or hangs.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use ::redb::StorageBackend;

use crate::storage::backend::{Backend, Batch, Direction, Failure, KeyRange, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::directory::testing::{Entries, batch};
use crate::storage::redb::backend::{RedbBackend, Refusal};
use crate::storage::redb::medium::{Medium, Phase};
use crate::storage::redb::options::RedbOptions;

const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers that look random and are the same in every run.
#[derive(Debug, Clone)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 3) as usize % bound
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

fn make(file: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, data) => {
            file.resize(file.len().max(at + data.len()), 0);
            file[*at..at + data.len()].copy_from_slice(data);
        }
        Change::Length(length) => file.resize(*length, 0),
    }
}

/// What a power cut has left.
#[derive(Debug)]
struct Left {
    image: Vec<u8>,
    /// How many batches had been synced, as the backend had said by then.
    promised: u64,
}

#[derive(Debug)]
struct Disk {
    /// As programs see it.
    now: Vec<u8>,
    /// As it is after a power cut that loses all it may.
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    /// Changes and syncs so far.
    calls: usize,
    /// Changes and syncs from this one on fail.
    fails_from: usize,
    /// One call in so many is when the power may be cut.
    cut_one_in: usize,
    left: Vec<Left>,
    numbers: Numbers,
    hangs: bool,
}

/// A file on a disk that can lose power.
#[derive(Debug, Clone)]
struct File {
    disk: Arc<(Mutex<Disk>, Condvar)>,
    promised: Arc<AtomicU64>,
}

impl File {
    fn holding(image: Vec<u8>, seed: u64) -> Self {
        let disk = Disk {
            now: image.clone(),
            durable: image,
            unsynced: Vec::new(),
            calls: 0,
            fails_from: usize::MAX,
            cut_one_in: usize::MAX,
            left: Vec::new(),
            numbers: Numbers(seed),
            hangs: false,
        };
        Self { disk: Arc::new((Mutex::new(disk), Condvar::new())), promised: Arc::default() }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.0.lock().unwrap()
    }

    fn hang(&self, hangs: bool) {
        self.disk().hangs = hangs;
        self.disk.1.notify_all();
    }

    /// Begins a change or a sync: here the power may be cut.
    fn enter(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.disk();
        if disk.cut_one_in < usize::MAX && disk.numbers.clone().below(disk.cut_one_in) == 0 {
            let left = disk.cut(self.promised.load(Ordering::SeqCst));
            disk.left.push(left);
        }
        disk.numbers.below(2);
        if disk.calls >= disk.fails_from {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.calls += 1;
        Ok(disk)
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut disk = self.enter()?;
        make(&mut disk.now, &change);
        disk.unsynced.push(change);
        Ok(())
    }
}

impl Disk {
    /// Of what is not synced any part may have reached the medium, in any order, by sectors.
    fn cut(&mut self, promised: u64) -> Left {
        let mut image = self.durable.clone();
        let luck = self.numbers.below(4);
        for change in &self.unsynced {
            match self.numbers.below(4) {
                part if part < luck => make(&mut image, change),
                3 => {
                    if let Change::Write(at, data) = change {
                        for (number, sector) in data.chunks(512).enumerate() {
                            if self.numbers.below(2) == 0 {
                                make(&mut image, &Change::Write(at + number * 512, sector.to_vec()));
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Left { image, promised }
    }
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.disk();
        let found = disk.now.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(length as usize))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset as usize, data.to_vec()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let disk = self.enter()?;
        let mut disk = self.disk.1.wait_while(disk, |disk| disk.hangs).unwrap();
        let unsynced = std::mem::take(&mut disk.unsynced);
        unsynced.iter().for_each(|change| make(&mut disk.durable, change));
        // Again: what was begun before the end of a sync may be there without it.
        drop(disk);
        self.enter().map(drop)
    }
}

fn open(medium: Medium, quick_recovery: bool) -> Result<RedbBackend, Refusal> {
    // So little that pages are written in the middle of a batch.
    RedbBackend::open(medium, &RedbOptions { cache_capacity: 96 << 10, quick_recovery }, PATIENCE, None)
}

fn opened(file: &File, quick_recovery: bool) -> RedbBackend {
    match open(Medium::new(file.clone()), quick_recovery) {
        Ok(backend) => backend,
        Err(Refusal::Failed(error)) => panic!("{error:?}"),
        Err(Refusal::Locked) => panic!("locked"),
    }
}

/// Batches, and what a backend holds after each.
struct Workload {
    numbers: Numbers,
    /// By the number of the batch.
    states: Vec<Entries>,
}

impl Workload {
    fn new(seed: u64) -> Self {
        Self { numbers: Numbers(seed), states: vec![Entries::new()] }
    }

    fn next(&mut self) -> Batch {
        let number = self.states.len() as u64;
        let mut state = self.states.last().unwrap().clone();
        let mut writes = vec![(b"counter".to_vec(), Some(number.to_be_bytes().to_vec()))];
        for _ in 0..=self.numbers.below(12) {
            let key = (self.numbers.below(60) as u32).to_be_bytes().to_vec();
            let length = [10, 300, 3_000, 12_000][self.numbers.below(4)];
            let value = (self.numbers.below(4) > 0).then(|| vec![number as u8; length]);
            writes.push((key, value));
        }
        // The last write of a key counts, in the batch as in the state.
        for (key, value) in &writes {
            match value {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(key),
            };
        }
        self.states.push(state);
        batch(writes)
    }

    fn last(&self) -> u64 {
        self.states.len() as u64 - 1
    }
}

fn content(backend: &RedbBackend) -> Result<Entries, String> {
    let limit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
    let page = backend.page(&KeyRange::all(), Direction::Forward, limit);
    let entries = page.map_err(|error| format!("{error:?}"))?.entries.into_iter();
    Ok(entries.map(|(key, value): (Bytes, Bytes)| (key.to_vec(), value.to_vec())).collect())
}

/// Which of `states` an image holds.
fn recovered(image: Vec<u8>, states: &[Entries], quick_recovery: bool) -> Result<u64, String> {
    let file = File::holding(image, 0);
    let backend = match open(Medium::new(file), quick_recovery) {
        Ok(backend) => backend,
        Err(Refusal::Failed(error)) => return Err(format!("not opened: {error:?}")),
        Err(Refusal::Locked) => return Err("locked".into()),
    };
    let found = content(&backend)?;
    let counter = found.get(b"counter".as_slice());
    let number = counter.map_or(0, |value| u64::from_be_bytes(value.as_slice().try_into().unwrap()));
    if states.get(number as usize) != Some(&found) {
        return Err(format!("{} entries, and not those of batch {number}", found.len()));
    }
    Ok(number)
}

/// Batches on a disk whose power is cut now and then; gives how many cuts, and what each of the wrong ones left.
fn power_cuts(seed: u64, quick_recovery: bool, open_in: fn(Phase) -> bool) -> (usize, Vec<String>) {
    let file = File::holding(Vec::new(), seed);
    let backend = match open(Medium::with_rules(file.clone(), 256 << 10, open_in), quick_recovery) {
        Ok(backend) => backend,
        Err(_) => panic!("an empty file is not opened"),
    };
    backend.flush().and_then(|()| backend.sync()).unwrap();
    file.disk().cut_one_in = 12;
    let mut workload = Workload::new(seed);
    for _ in 0..14 {
        let some = |workload: &mut Workload, most: usize| {
            for _ in 0..workload.numbers.below(most) {
                let batch = workload.next();
                backend.apply(&batch).unwrap();
            }
        };
        some(&mut workload, 5);
        let flushed = workload.last();
        backend.flush().unwrap();
        some(&mut workload, 5);
        backend.sync().unwrap();
        file.promised.store(flushed, Ordering::SeqCst);
    }
    let applied = workload.last();
    let cuts = std::mem::take(&mut file.disk().left);
    drop(backend);
    let count = cuts.len();
    let wrong = cuts.into_iter().filter_map(|Left { image, promised }| {
        match recovered(image, &workload.states, quick_recovery) {
            Ok(number) if (promised..=applied).contains(&number) => None,
            Ok(number) => Some(format!("batch {number} is the last, {promised} was promised")),
            Err(wrong) => Some(wrong),
        }
    });
    (count, wrong.collect())
}

fn open_only(phase: Phase) -> bool {
    phase == Phase::Open
}

#[test]
fn a_power_cut_leaves_a_prefix_of_whole_batches_with_all_that_was_synced() {
    let mut cuts = 0;
    for seed in 0..4 {
        for quick_recovery in [false, true] {
            let (count, wrong) = power_cuts(seed, quick_recovery, open_only);
            assert_eq!(wrong, [""; 0], "seed {seed}, quick recovery: {quick_recovery}");
            cuts += count;
        }
    }
    println!("power cuts on redb: {cuts}, 0 violations");
    assert!(cuts > 250, "{cuts}");
}

/// Without holding back, a page of the last state on the medium is written over before the next state is there.
#[test]
fn a_medium_that_holds_nothing_back_is_found_out() {
    let mut caught = 0;
    let mut cuts = 0;
    for seed in 0..4 {
        let (count, wrong) = power_cuts(seed, false, |phase| phase != Phase::Failed);
        cuts += count;
        caught += wrong.len();
    }
    println!("planted: {caught} of {cuts} power cuts do harm");
    assert!(caught > 0, "of {cuts} power cuts none did harm");
}

#[test]
fn a_full_disk_is_told_and_stops_no_read_and_nothing_more_is_written() {
    let mut failures = 0;
    for fails_at in (1..260).step_by(7) {
        let file = File::holding(Vec::new(), fails_at);
        let backend = opened(&file, false);
        let mut workload = Workload::new(fails_at);
        let begun = file.disk().calls;
        file.disk().fails_from = begun + fails_at as usize;
        let (mut flushed, mut promised) = (0, 0);
        let error = loop {
            let next = workload.next();
            if let Err(error) = backend.apply(&next) {
                break error;
            }
            if workload.last().is_multiple_of(3) {
                flushed = workload.last();
                if let Err(error) = backend.flush().and_then(|()| backend.sync()) {
                    break error;
                }
                promised = flushed;
            }
        };
        assert_eq!(error.failure, Failure::OutOfSpace, "{error:?}");
        let left = file.disk().now.clone();
        // The state before the batch that failed, or after it.
        let last = workload.states.len();
        let found = content(&backend).unwrap();
        assert!(workload.states[last - 2..].contains(&found), "after {fails_at} calls");
        for key in 0..60_u32 {
            assert_eq!(
                backend.get(&key.to_be_bytes()).unwrap().as_deref(),
                found.get(key.to_be_bytes().as_slice()).map(Vec::as_slice)
            );
        }
        file.disk().fails_from = usize::MAX;
        assert_eq!(backend.apply(&workload.next()).unwrap_err().failure, Failure::OutOfSpace);
        assert_eq!(backend.flush().unwrap_err().failure, Failure::OutOfSpace);
        assert_eq!(backend.sync().unwrap_err().failure, Failure::OutOfSpace);
        drop(backend);
        assert!(file.disk().now == left, "written after the failure at call {fails_at}");
        let number = recovered(left, &workload.states, false).unwrap();
        assert!((promised..=flushed.max(promised)).contains(&number), "{promised} {number} {flushed}");
        failures += 1;
    }
    assert!(failures > 30);
}

#[test]
fn a_sync_that_hangs_keeps_nobody_from_reading_and_applying() {
    let file = File::holding(Vec::new(), 1);
    let backend = opened(&file, false);
    // A batch that makes the file longer would wait: the file is long enough already.
    backend.apply(&batch((0..200_u8).map(|key| ([key], Some([0; 4000]))))).unwrap();
    backend.apply(&batch((0..200_u8).map(|key| ([key], None::<[u8; 0]>)))).unwrap();
    backend.flush().and_then(|()| backend.sync()).unwrap();
    let apply = |number: u8| backend.apply(&batch([(b"key", Some([number; 3000]))])).unwrap();
    apply(0);
    backend.flush().unwrap();
    file.hang(true);
    let synced = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            backend.sync().unwrap();
            synced.store(true, Ordering::SeqCst);
        });
        for number in 1..40 {
            apply(number);
            assert_eq!(backend.get(b"key").unwrap().as_deref(), Some(&[number; 3000][..]));
            assert_eq!(content(&backend).unwrap().len(), 1);
        }
        assert!(!synced.load(Ordering::SeqCst));
        file.hang(false);
    });
    backend.flush().and_then(|()| backend.sync()).unwrap();
    let again = opened(&File::holding(file.disk().durable.clone(), 0), false);
    assert_eq!(again.get(b"key").unwrap().as_deref(), Some(&[39; 3000][..]));
}

#[test]
fn dropping_it_ends_while_a_sync_hangs() {
    let file = File::holding(Vec::new(), 1);
    let options = RedbOptions::default();
    let patience = Duration::from_millis(20);
    let Ok(backend) = RedbBackend::open(Medium::new(file.clone()), &options, patience, None) else {
        panic!("not opened")
    };
    let mut workload = Workload::new(1);
    backend.apply(&workload.next()).unwrap();
    backend.flush().unwrap();
    file.hang(true);
    let (told, dropped) = mpsc::channel();
    let dropping = thread::spawn(move || {
        drop(backend);
        told.send(()).unwrap();
    });
    assert_eq!(dropped.recv_timeout(PATIENCE), Ok(()));
    dropping.join().unwrap();
    file.hang(false);
}

#[test]
fn what_was_applied_is_there_after_closing() {
    let file = File::holding(Vec::new(), 1);
    let mut workload = Workload::new(1);
    for round in 0..6 {
        let backend = opened(&file, round % 2 == 0);
        assert!(content(&backend).unwrap() == *workload.states.last().unwrap());
        for _ in 0..10 {
            backend.apply(&workload.next()).unwrap();
        }
    }
    let durable = file.disk().durable.clone();
    assert_eq!(recovered(durable, &workload.states, false), Ok(workload.last()));
}
