//! The headline: a breaking change of a big collection, without a migration.
//!
//! ```sh
//! cargo run --release --example headline
//! cargo run --release --example headline -- 1000000
//! ```
//!
//! Documents of about 300 B are written by last year's program, with three indexes. Today's program has renamed a path under one of
//! the indexes, turned the texts under another one into numbers, and left the third one alone. What it has to wait for when it is started is
//! measured, and beside it what rewriting every document beforehand takes. All of it is done twice, with a tenth of the documents first: what is
//! the same in both columns does not grow with the collection.
//!
//! Before that, last year's program is started once more. sled reads what has been written since it was opened last, here all documents there
//! are, and then its table of pages; what is left of that when today's program is started is the table.
//!
//! Every answer is compared with the one of the store in which everything has been rewritten. Any difference ends the program with an error.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

mod documents;
mod eager;
mod lazy;
mod programs;
mod table;

use std::error::Error;
use std::time::{Duration, Instant};

use table::Times;

/// So many documents, unless the command line says otherwise.
const DOCUMENTS: u64 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let documents: u64 = std::env::args().nth(1).map_or(Ok(DOCUMENTS), |documents| documents.parse())?;
    if documents < 100 {
        return Err("at least 100 documents".into());
    }
    let (tenth, all) = (run(documents / 10)?, run(documents)?);
    println!("{}", table::columns(&[(documents / 10, &tenth), (documents, &all)]));
    println!("{}", all.headline());
    Ok(())
}

fn run(documents: u64) -> Result<Times, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let (old, new) = (directory.path().join("old.pivot"), directory.path().join("rewritten.pivot"));
    let (load, ()) = timed(|| programs::load(&old, documents))?;
    let start_again = programs::start_again(&old)?;
    let (lazy, store) = lazy::start(&old, documents)?;
    let (rewrite, rewritten) = timed(|| eager::rewrite(&store, &new))?;
    lazy.answers.check(&eager::answers(&rewritten, documents)?)?;
    eager::compare(&store, &rewritten, documents)?;
    store.close()?;
    rewritten.close()?;
    Ok(Times { load, start_again, lazy, rewrite })
}

/// What `work` takes, and gives.
fn timed<R, E>(work: impl FnOnce() -> Result<R, E>) -> Result<(Duration, R), E> {
    let begun = Instant::now();
    let result = work()?;
    Ok((begun.elapsed(), result))
}
