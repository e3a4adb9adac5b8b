//! The main job on real input: packages, targets and dependencies of this checkout, through five pivots and back.
//!
//! ```sh
//! cargo run --release --example pivots
//! cargo run --release --example pivots -- --copies 60
//! cargo run --release --example pivots -- examples/pivots/people.ndjson --steps examples/pivots/steps.json
//! ```
//!
//! `versions/` has what a user writes: the types before and after each pivot, and the steps between them. The rest of this directory
//! checks: after each pivot the store is opened with the new types, every document is read and compared with an eager migration
//! that `eager.rs` makes without PivotDB, and some are updated through their types. Any difference ends the program with an error.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod arguments;
mod eager;
mod file;
mod interpreter;
mod metadata;
mod model;
mod pivots;
mod program;
mod state;
mod table;
mod versions;

use std::path::Path;
use std::process::ExitCode;

use arguments::{Arguments, USAGE};
use eager::Kind;
use metadata::Input;
use model::Expected;
use pivotdb::Store;
use pivots::{Failable, Pivots};
use program::{Added, First, Moved, Renamed, Retyped, Split};

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match in_a_directory(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pivots: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The store is in a temporary directory, which is removed at the end, also after an error.
fn in_a_directory(arguments: &Arguments) -> Failable {
    let directory = tempfile::Builder::new().prefix("pivots-").tempdir()?;
    let path = directory.path().join("pivots.pivot");
    let outcome = match &arguments.file {
        Some(file) => file::run(&path, file, arguments.copies),
        None => of_this_checkout(&path, arguments),
    };
    if arguments.keep {
        println!("kept: {}", directory.keep().join("pivots.pivot").display());
    } else {
        directory.close()?;
    }
    outcome
}

fn of_this_checkout(path: &Path, arguments: &Arguments) -> Failable {
    let input = metadata::read()?;
    let mut pivots = Pivots::load(path.to_owned(), &input, arguments.copies)?;
    table::print_head("pivot");
    pivots.visit::<First>("1 first shape", &[0])?;
    pivots.forward::<Added>("2 fields are added, no step", &[1])?;
    pivots.forward::<Renamed>("3 fields are renamed", &[2])?;
    pivots.forward::<Split>("4 a field is split into two", &[3])?;
    pivots.forward::<Moved>("5 fields move into an object", &[4])?;
    // The older program edits a document that the newer one has written, and one that is older than both.
    pivots.back::<Split>(5, "  back to 4", &[4, 5], |_| false)?;
    pivots.forward::<Moved>("  and forward to 5", &[6])?;
    pivots.forward::<Retyped>("6 a field changes its type", &[7])?;
    pivots.back::<Moved>(6, "  back to 5", &[7, 8], |_| false)?;
    pivots.forward::<Retyped>("  and forward to 6", &[9])?;
    // Program 3 does not have the functions by which targets and dependencies were split.
    let unreadable = |expected: &Expected| expected.kind != Kind::Package && expected.schema_version > 2;
    pivots.back::<Renamed>(6, "  back to 3", &[7, 9], unreadable)?;
    pivots.forward::<Retyped>("  and forward to 6", &[10])?;
    let untouched = pivots.look_back::<Retyped>()?;
    println!();
    println!("{untouched} documents that nobody has edited are as written in a view of schema version 1");
    println!("self-check: {}", control(&path.with_file_name("control.pivot"), &input)?);

    let store = Store::open(path)?;
    let versions = table::by_schema_version(&store.census()?).len();
    store.close()?;
    let (documents, rewritten) = (pivots.documents(), pivots.rewritten);
    println!(
        "pivots: ok, {documents} documents, {versions} schema versions, {rewritten} rewritten by reading"
    );
    Ok(())
}

/// The checks themselves, checked: a document that was changed behind their back must be found.
fn control(path: &Path, input: &Input) -> Failable<String> {
    let mut pivots = Pivots::load(path.to_owned(), input, 1)?;
    pivots.spoil()?;
    let found = pivots.visit::<First>("", &[]).err();
    std::fs::remove_dir_all(path)?;
    match found {
        Some(difference) if difference.to_string().contains("spoilt") => {
            Ok("a document altered behind the store's back was noticed".into())
        }
        Some(other) => Err(other),
        None => Err("a document altered behind the store's back was not noticed".into()),
    }
}
