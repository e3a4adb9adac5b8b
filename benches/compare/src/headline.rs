//! What it takes SQLite to rewrite every document: the other side of `examples/headline`, with the same documents and the same change.
//!
//! Three indexes on the old shape. The change is one transaction, as a migration is: the indexes on paths that change are dropped, every body is rewritten by
//! `jsonb_set` and `jsonb_remove`, and the indexes are made anew; it is on the disk when it ends, the log included in the file. Then the program may open.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::data::directory;
use crate::sqlite::{DOCUMENT, Sqlite, Synchronous, parameter};

#[path = "../../../examples/headline/documents.rs"]
mod documents;

use documents::{After, Before, account, address};

/// Documents in a transaction while they are loaded.
const BATCH: u64 = 10_000;

const PAGE: u64 = 20;

/// Prints what each part takes, with so many documents.
pub fn run(documents: u64) {
    let directory = directory();
    let path = directory.path().join("sqlite");
    let open = || Sqlite::open(&path, Synchronous::Full);

    let (loading, ()) = timed(|| {
        let sqlite = open();
        for first in (0..documents).step_by(usize::try_from(BATCH).expect("it fits")) {
            let numbers = first..documents.min(first + BATCH);
            let batch: Vec<_> = numbers.map(|n| (n, Before::make(n))).collect();
            sqlite.insert(batch.iter().map(|(n, document)| (*n, document)));
        }
        for path in ["account", "mail", "points"] {
            sqlite.create_index(path);
        }
        sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    });
    let (rewriting, ()) = timed(|| {
        open().execute(
            "BEGIN IMMEDIATE;
             DROP INDEX by_mail;
             DROP INDEX by_points;
             UPDATE documents SET body = jsonb_remove(jsonb_set(body,
                 '$.email', json_extract(body, '$.mail'),
                 '$.points', CAST(json_extract(body, '$.points') AS INTEGER)), '$.mail');
             CREATE INDEX by_email ON documents (json_extract(body, '$.email'));
             CREATE INDEX by_points ON documents (json_extract(body, '$.points'));
             COMMIT;
             PRAGMA wal_checkpoint(TRUNCATE);",
        );
    });
    let (opening, sqlite) = timed(open);
    let one = |condition: &str, value: serde_json::Value| {
        let query = format!("{DOCUMENT} WHERE {condition}");
        sqlite.documents::<After>(&query, &[parameter(&value)])
    };
    let wanted = documents / 2;
    let expected = vec![(wanted, After::make(wanted))];
    let (reading, read) = timed(|| one("id = ?1", wanted.into()));
    let (untouched, same) = timed(|| one("json_extract(body, '$.account') = ?1", json!(account(wanted))));
    let (renamed, found) = timed(|| one("json_extract(body, '$.email') = ?1", json!(address(wanted))));
    assert!([read, same, found].iter().all(|found| *found == expected), "the migration is right");
    let key = "json_extract(body, '$.points')";
    let page = format!("{DOCUMENT} ORDER BY {key}, id LIMIT {PAGE}");
    let (paging, page) = timed(|| sqlite.documents::<After>(&page, &[]));
    assert!(page.is_sorted_by_key(|(_, document)| document.points), "a page is sorted");
    println!("SQLite {}, {documents} documents", Sqlite::release());
    for (name, time) in [
        ("load, with three indexes", loading),
        ("eager rewrite: UPDATE and two indexes", rewriting),
        ("open", opening),
        ("first read by id", reading),
        ("first query, untouched index", untouched),
        ("first query, renamed index", renamed),
        ("first page, changed index", paging),
    ] {
        println!("{name:<40} {:>12.3} ms", time.as_secs_f64() * 1e3);
    }
    println!("headline-sqlite: eager rewrite {:.3} s", rewriting.as_secs_f64());
}

fn timed<R>(work: impl FnOnce() -> R) -> (Duration, R) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed(), result)
}
