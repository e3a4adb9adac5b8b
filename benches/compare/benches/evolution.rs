//! Documents of an old shape: what reading them costs over reading current ones, and what the naive way costs.
//!
//! Twice: steps whose ops can be carried out together, and steps among which one in five has to be carried out by itself.
//!
//! `cargo bench --manifest-path benches/compare/Cargo.toml --bench evolution`, with `-- --quick` for a look.

use std::cell::OnceCell;
use std::hint::black_box;

use compare::arguments::Scale;
use compare::chain::{Chain, Mix};
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
    for mix in [Mix::Together, Mix::Interrupted] {
        for (length, aim, gain) in CHAINS {
            if mix == Mix::Interrupted && length < 5 {
                // Nothing comes in between.
                continue;
            }
            let chain = |place| Chain::new(place, length, mix);
            let workload = match mix {
                Mix::Together => format!("evolution/{length}"),
                Mix::Interrupted => format!("evolution-interrupted/{length}"),
            };
            let mut chains =
                Chains { scale: &scale, criterion: &mut criterion, table: &mut table, workload, aim, gain };
            chains.measure::<User>(&chain(None));
            chains.measure::<MediumOrder>(&chain(Some("customer")));
            chains.measure::<LargeOrder>(&chain(Some("customer")));
        }
    }
    criterion.final_summary();
    if scale.measures() {
        println!("\n{table}");
    }
}

/// Chains of one length and mix.
struct Chains<'b> {
    scale: &'b Scale,
    criterion: &'b mut Criterion,
    table: &'b mut Table,
    workload: String,
    aim: Option<f64>,
    gain: Option<f64>,
}

impl Chains<'_> {
    fn measure<T: Sample + std::fmt::Debug + PartialEq>(&mut self, chain: &Chain) {
        let Self { scale, workload, aim, gain, .. } = self;
        let documents = scale.documents / 10;
        let data = OnceCell::new();
        let data = || {
            data.get_or_init(|| {
                let data = Stale::<T>::load(chain, documents);
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
        Contest::new(workload, T::SIZE, 100, "stale get", |operations| {
            let data = data();
            timed(operations, || drop(black_box(data.get(first.next_id()))))
        })
        .against("current get", workload, *aim, |operations| {
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
        .run(self.criterion, self.table);
    }
}
