//! PivotDB beside SQLite: the same documents, the same questions, in one run.
//!
//! ```sh
//! cargo run --release --manifest-path benches/compare/Cargo.toml
//! cargo run --release --manifest-path benches/compare/Cargo.toml -- --quick
//! cargo run --release --manifest-path benches/compare/Cargo.toml -- equality
//! cargo run --release --manifest-path benches/compare/Cargo.toml -- --headline 1000000
//! ```
//!
//! Ends with a line `RATIO <workload> <size> <other side> <value>` for each comparison: time of PivotDB by time of the other side, so that
//! above 1 PivotDB is the slower one. A word leaves out the workloads that have it not in their name. With `--headline`, what an eager
//! rewrite of so many documents takes in SQLite, beside which `examples/headline` puts what PivotDB does instead.

use std::process::ExitCode;

use compare::arguments::Scale;
use compare::documents::{MediumOrder, User};
use compare::features::Feature;
use compare::pairs::Runner;
use compare::sqlite::Sqlite;
use compare::table::Table;
use compare::{building, headline, inserting, queries};

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = given.iter().position(|argument| argument == "--headline") {
        let Some(documents) = given.get(at + 1).and_then(|number| number.parse().ok()) else {
            eprintln!("usage: compare --headline DOCUMENTS");
            return ExitCode::FAILURE;
        };
        headline::run(documents);
        return ExitCode::SUCCESS;
    }
    let mut runner = Runner { scale: Scale::from_arguments(), table: Table::default() };
    println!("SQLite {}", Sqlite::release());
    queries::run::<User>(&mut runner);
    queries::run::<MediumOrder>(&mut runner);
    queries::run::<Feature>(&mut runner);
    inserting::run::<User>(&mut runner);
    inserting::run::<MediumOrder>(&mut runner);
    inserting::run::<Feature>(&mut runner);
    building::run(&mut runner);
    println!("\n{}", runner.table);
    ExitCode::SUCCESS
}
