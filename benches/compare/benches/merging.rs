//! A change of a few fields in documents that have more: PivotDB's merge beside `#[serde(flatten)]`, which keeps the other fields in
//! a map of its own.
//!
//! `cargo bench --manifest-path benches/compare/Cargo.toml --bench merging`. Both sides go from bytes to bytes, in memory, and know the same two
//! fields: PivotDB from one stored body to the next, the other from JSON text to JSON text.

use std::hint::black_box;

use compare::arguments::Scale;
use compare::contest::{Contest, timed};
use compare::documents::{LargeOrder, MediumOrder, Sample, User};
use compare::table::Table;
use compare::visits::{change, change_text};
use criterion::Criterion;
use pivotdb::testing::merging::{seen, stored};
use serde_json::Value;

/// So many documents in turn, that no branch predictor knows them by heart.
const DOCUMENTS: u64 = 1000;

/// Both sides make the same of the same.
fn check<T: Sample>() {
    for n in 0..DOCUMENTS {
        let document = T::make(n);
        let changed: Value = seen(&change(&stored(&document).expect("it is stored"))).expect("it is JSON");
        let text = change_text(&serde_json::to_vec(&document).expect("it is JSON"));
        assert_eq!(changed, serde_json::from_slice::<Value>(&text).expect("it is JSON"));
        assert_ne!(changed, serde_json::to_value(&document).expect("it is JSON"));
    }
}

fn main() {
    let scale = Scale::from_arguments();
    let mut criterion = scale.criterion();
    let mut table = Table::default();
    size::<User>(&mut criterion, &mut table, 3.0);
    size::<MediumOrder>(&mut criterion, &mut table, 15.0);
    size::<LargeOrder>(&mut criterion, &mut table, 15.0);
    criterion.final_summary();
    if scale.measures() {
        println!("\n{table}");
    }
}

fn size<T: Sample>(criterion: &mut Criterion, table: &mut Table, aim: f64) {
    check::<T>();
    let documents = || (0..DOCUMENTS).map(T::make);
    let bodies: Vec<_> = documents().map(|document| stored(&document).expect("it is stored")).collect();
    let texts: Vec<_> =
        documents().map(|document| serde_json::to_vec(&document).expect("it is JSON")).collect();
    let in_turn = |of: &[Vec<u8>], change: fn(&[u8]) -> Vec<u8>, operations| {
        let mut documents = of.iter().cycle();
        timed(operations, || {
            black_box(documents.next().map(|document| change(black_box(document))));
        })
    };
    Contest::new("merge", T::SIZE, DOCUMENTS, "PivotDB merge", |operations| {
        in_turn(&bodies, change, operations)
    })
    .against("#[serde(flatten)], serde_json", "merge", 1.0 / aim, |operations| {
        in_turn(&texts, change_text, operations)
    })
    .run(criterion, table);
}
