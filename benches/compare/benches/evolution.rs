//! Documents of an old shape: what reading them costs over reading current ones, and what the naive way costs.
//!
//! `cargo bench --manifest-path benches/compare/Cargo.toml --bench evolution`, with `-- --quick` for a look.

use std::cell::OnceCell;
use std::hint::black_box;

use compare::arguments::Scale;
use compare::chain::Chain;
use compare::contest::{Contest, timed};
use compare::documents::{LargeOrder, MediumOrder, Sample, User};
use compare::ids::Ids;
use compare::stale::Stale;
use compare::table::Table;
use criterion::Criterion;

/// Ops in a chain; the aim over a current read; and how much slower the naive way shall be.
const CHAINS: [(usize, Option<f64>, Option<f64>); 4] =
    [(1, None, None), (10, Some(1.5), None), (40, Some(2.5), Some(5.0)), (100, None, None)];

fn main() {
    let scale = Scale::from_arguments();
    let mut criterion = scale.criterion();
    let mut table = Table::default();
    for (length, aim, gain) in CHAINS {
        size::<User>(&scale, &mut criterion, &mut table, None, (length, aim, gain));
        size::<MediumOrder>(&scale, &mut criterion, &mut table, Some("customer"), (length, aim, gain));
        size::<LargeOrder>(&scale, &mut criterion, &mut table, Some("customer"), (length, aim, gain));
    }
    criterion.final_summary();
    if scale.measures() {
        println!("\n{table}");
    }
}

fn size<T: Sample + std::fmt::Debug + PartialEq>(
    scale: &Scale,
    criterion: &mut Criterion,
    table: &mut Table,
    place: Option<&'static str>,
    (length, aim, gain): (usize, Option<f64>, Option<f64>),
) {
    let documents = scale.documents / 10;
    let chain = Chain::new(place, length);
    let data = OnceCell::new();
    let data = || {
        data.get_or_init(|| {
            let data = Stale::<T>::load(&chain, documents);
            for id in [0, documents - 1] {
                let naive = chain.step_by_step(data.texts[id as usize].clone());
                let naive: T = serde_json::from_slice(&naive).expect("it is a document");
                let expected = T::make(id);
                assert_eq!(
                    (&data.get(id), &data.get(documents + id), &naive),
                    (&expected, &expected, &expected)
                );
            }
            data
        })
    };
    let (mut first, mut second, mut third) =
        (Ids::below(documents), Ids::below(documents), Ids::below(documents));
    let workload = format!("evolution/{length}");
    Contest::new(&workload, T::SIZE, 100, "stale get", |operations| {
        let data = data();
        timed(operations, || drop(black_box(data.get(first.next_id()))))
    })
    .against("current get", &workload, aim, |operations| {
        let data = data();
        timed(operations, || drop(black_box(data.get(documents + second.next_id()))))
    })
    .against("step by step", &format!("{workload}/naive"), gain.map(|gain| 1.0 / gain), |operations| {
        let data = data();
        timed(operations, || {
            let text = chain.step_by_step(data.texts[third.next_id() as usize].clone());
            drop(black_box(serde_json::from_slice::<T>(&text).expect("it is a document")));
        })
    })
    .run(criterion, table);
}
