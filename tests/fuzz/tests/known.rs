//! The kept corpus, as it is and mutated, without a fuzzer: what was found once stays found, on every machine.
//!
//! Each target prints one line, and finds two faults that were planted for it in the same run. `PIVOTDB_SEED` repeats a run, `PIVOTDB_LONG=20`
//! makes it twenty times as long.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use pivotdb_fuzz::mutate::Mutator;
use pivotdb_fuzz::targets::{BODY, CURSOR, ENTRY, ENVELOPE, FILTER, IMPORT, KEY, PLANTED, Target};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("it is a number"))
}

fn kept(target: &Target) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the bytes are accepted, or how that went wrong.
fn fault(target: &Target, bytes: &[u8]) -> Result<bool, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                loud(info);
            }
        }));
    });
    EXPECTED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| target.feed(bytes)));
    EXPECTED.set(false);
    outcome.map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|told| (*told).to_owned()))
            .unwrap_or_default()
    })
}

fn run(target: &Target, inputs: usize) {
    let seed = number("PIVOTDB_SEED").unwrap_or_else(|| RandomState::new().hash_one(target.name) >> 24);
    let long = number("PIVOTDB_LONG").unwrap_or(1) as usize;
    let corpus = kept(target);
    let mut mutator = Mutator::new(seed);
    let mut accepted = 0;
    let mut violations = Vec::new();
    let mut feed = |bytes: &[u8]| match fault(target, bytes) {
        Ok(taken) => accepted += usize::from(taken),
        Err(told) => violations.push(format!("{told}: {}", bytes.escape_ascii())),
    };
    corpus.iter().for_each(|bytes| feed(bytes));
    for _ in 0..inputs * long {
        feed(&mutator.mutated(&corpus));
    }

    // The control: the same way to an index from outside and to a length that is believed.
    let seeds = [b"{i\x01".to_vec(), [&b"{i\xff"[..], &[0; 300]].concat(), b"{l\x01".to_vec()];
    let mut planted = Mutator::new(seed);
    let found: Vec<String> =
        (0..5000).filter_map(|_| fault(&PLANTED, &planted.mutated(&seeds)).err()).collect();
    let caught = found.iter().any(|told| told.contains("out of bounds"))
        && found.iter().any(|told| told.contains("bytes of memory"));

    let runs = corpus.len() + inputs * long;
    let told = format!(
        "\n{}: {runs} runs, {} violations, control {}, seed {seed} ({accepted} accepted, {} kept)\n",
        target.name,
        violations.len(),
        if caught { "caught" } else { "MISSED" },
        corpus.len(),
    );
    std::io::stdout().write_all(told.as_bytes()).unwrap();
    assert!(violations.is_empty(), "{:#?}", &violations[..violations.len().min(5)]);
    assert!(caught, "{found:?}");
    assert!(corpus.len() >= 5 && accepted * 200 > runs, "hardly anything was accepted");
}

#[test]
fn body() {
    run(&BODY, 20_000);
}

#[test]
fn cursor() {
    run(&CURSOR, 2_000);
}

#[test]
fn entry() {
    run(&ENTRY, 20_000);
}

#[test]
fn envelope() {
    run(&ENVELOPE, 20_000);
}

#[test]
fn filter() {
    run(&FILTER, 10_000);
}

#[test]
fn import() {
    run(&IMPORT, 2_000);
}

#[test]
fn key() {
    run(&KEY, 20_000);
}
