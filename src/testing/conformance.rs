//! What any [`Backend`] must do, checked from outside with one call.
//!
//! ```
//! use pivotdb::backend::MemoryBackend;
//! use pivotdb::testing::conformance;
//!
//! let report = conformance::backend(|_directory| MemoryBackend::new());
//! println!("{report}");
//! ```
//!
//! What cannot be seen from outside is not checked: that data survives a power cut, that a read does not wait for a sync, and that
//! dropping ends on a medium that no longer answers.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use crate::storage::backend::Backend;
use crate::testing::obligations::{pages, reads, reopening, threads, writes};
use crate::testing::scratch::Scratch;
use crate::testing::subject::{Subject, Verdict};

type Check = fn(&Subject<'_>) -> Verdict;

/// Each obligation, its check, and how many cases of it there must have been for the check to mean something.
const ALL: &[(&str, Check, usize)] = &[
    ("a new backend is empty", reads::starts_empty, 3),
    ("get gives what was applied last", reads::get_gives_the_last, 200),
    ("get gives nothing for a key that was removed", reads::get_gives_nothing_for_removed, 100),
    ("get_many answers in the order of its keys", reads::get_many_keeps_the_order_asked, 100),
    ("the empty key and empty values are taken", reads::empty_key_and_value_are_an_entry, 4),
    ("keys and values up to the bounds are taken", reads::everything_up_to_the_bounds_is_kept, 30),
    ("a prefix of a key is another key", reads::a_prefix_is_another_key, 20),
    ("a page goes up in the order of unsigned bytes", pages::pages_ascend, 400),
    ("a backward page goes down in that order", pages::pages_descend_backward, 300),
    ("a range has its start and not its end", pages::ranges_have_their_start_and_not_their_end, 10_000),
    ("an empty range gives an empty page", pages::an_empty_range_is_an_empty_page, 12),
    ("a page has at most the entries asked for", pages::a_page_keeps_to_its_entries, 100),
    ("a page ends once it has the bytes asked for", pages::a_page_keeps_to_its_bytes, 100),
    ("a page has an entry where there is one", pages::a_page_has_an_entry_where_there_is_one, 10),
    ("a page is complete at the end, and only there", pages::complete_means_the_end, 250),
    ("page after page gives each entry once", pages::page_after_page_gives_each_entry_once, 5_000),
    ("runs of FF are passed in both directions", pages::runs_of_the_greatest_byte_are_passed, 2_000),
    ("an empty batch changes nothing", writes::an_empty_batch_changes_nothing, 2),
    ("a large batch is made whole", writes::a_large_batch_is_made_whole, 30_000),
    ("removing everything leaves nothing", writes::removing_everything_leaves_nothing, 1_000),
    ("random changes agree with a model", writes::random_changes_agree_with_a_model, 10_000),
    ("what is too long is refused whole, or kept", writes::what_is_too_long_is_refused_whole_or_kept, 2),
    ("flush and sync may be called at any time", writes::flush_and_sync_need_no_occasion, 8),
    (
        "a read after an apply sees it, on any thread",
        threads::a_read_after_an_apply_sees_it_on_any_thread,
        200,
    ),
    ("a get during applies sees before or after", threads::a_get_during_applies_sees_before_or_after, 600),
    (
        "a page during applies is in order and misses nothing left alone",
        threads::a_page_during_applies_is_in_order_and_misses_nothing,
        600,
    ),
];

const PERSISTENT: &[(&str, Check, usize)] = &[
    ("what was synced is there after reopening", reopening::what_was_synced_is_there_again, 500),
    ("every key comes back as it was", reopening::every_key_comes_back_as_it_was, 300),
    ("reopening gives a prefix of whole batches", reopening::what_is_there_is_a_prefix_of_whole_batches, 4),
];

/// What became of each obligation.
#[derive(Debug)]
pub struct Report {
    outcomes: Vec<Outcome>,
}

/// What became of one obligation.
#[derive(Debug)]
struct Outcome {
    obligation: &'static str,
    /// How many cases were looked at, or how it was broken.
    verdict: Result<usize, String>,
}

impl Report {
    /// The obligations that were broken.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        let broken = self.outcomes.iter().filter(|outcome| outcome.verdict.is_err());
        broken.map(|outcome| outcome.obligation).collect()
    }

    /// How many cases were looked at, over all obligations.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.outcomes.iter().filter_map(|outcome| outcome.verdict.as_ref().ok()).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Outcome { obligation, verdict } in &self.outcomes {
            match verdict {
                Ok(cases) => writeln!(f, "kept: {obligation} ({cases} cases)")?,
                Err(breach) => writeln!(f, "BROKEN: {obligation}: {breach}")?,
            }
        }
        let (total, broken) = (self.outcomes.len(), self.broken().len());
        write!(f, "conformance: {total} obligations, {broken} broken, {} cases", self.cases())
    }
}

/// Checks a backend that forgets everything when it is dropped. `open` gives a new one; the directory does not exist yet, and
/// is removed afterwards.
///
/// # Panics
/// When an obligation is broken; the text names it.
pub fn backend<B: Backend>(open: impl Fn(&Path) -> B) -> Report {
    kept(examine(open, &[ALL]))
}

/// Checks a backend that keeps what it holds. `open` opens it in a directory, which does not exist yet at the first time, and may
/// have been dropped just now at later ones.
///
/// # Panics
/// When an obligation is broken; the text names it.
pub fn persistent_backend<B: Backend>(open: impl Fn(&Path) -> B) -> Report {
    kept(examine(open, &[ALL, PERSISTENT]))
}

fn kept(report: Report) -> Report {
    assert!(report.broken().is_empty(), "{report}");
    report
}

fn examine<B: Backend>(open: impl Fn(&Path) -> B, lists: &[&[(&'static str, Check, usize)]]) -> Report {
    let open = |directory: &Path| Arc::new(open(directory)) as Arc<dyn Backend>;
    let outcomes = lists.iter().copied().flatten().map(|(obligation, check, at_least)| {
        let verdict =
            Scratch::new().map_err(|error| format!("no directory to work in: {error}")).and_then(|scratch| {
                let subject = Subject { open: &open, scratch: &scratch };
                match catch_unwind(AssertUnwindSafe(|| check(&subject))) {
                    Ok(Ok(cases)) if cases < *at_least => {
                        Err(format!("only {cases} cases, {at_least} are needed"))
                    }
                    Ok(verdict) => verdict.map_err(|breach| breach.0),
                    Err(payload) => Err(format!("panicked: {}", text(&*payload))),
                }
            });
        Outcome { obligation, verdict }
    });
    Report { outcomes: outcomes.collect() }
}

fn text(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref::<&str>().copied().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::storage::memory::MemoryBackend;
    use crate::testing::flawed::{FLAWS, Flaw, Flawed};

    #[test]
    fn the_memory_backend_conforms() {
        println!("{}", backend(|_| MemoryBackend::new()));
    }

    #[cfg(any(feature = "sled", feature = "redb"))]
    fn on_disk<B: crate::storage::directory::open::Resident>(options: &B::Options) -> Report {
        use crate::storage::backend::Batch;
        use crate::storage::directory::open::{Place, open};

        let place = Place::default();
        persistent_backend(|directory| {
            open::<B>(directory, &place, options, &Batch::default()).unwrap().backend
        })
    }

    #[cfg(feature = "sled")]
    #[test]
    fn the_sled_backend_conforms() {
        use crate::storage::sled::backend::SledBackend;

        println!("sled: {}", on_disk::<SledBackend>(&Default::default()));
    }

    #[cfg(feature = "redb")]
    #[test]
    fn the_redb_backend_conforms() {
        use crate::storage::redb::backend::RedbBackend;
        use crate::storage::redb::options::RedbOptions;

        for quick_recovery in [false, true] {
            let options = RedbOptions { quick_recovery, ..RedbOptions::default() };
            println!("redb: {}", on_disk::<RedbBackend>(&options));
        }
    }

    #[test]
    fn a_backend_without_a_flaw_conforms() {
        println!("{}", persistent_backend(|directory| Flawed::open(directory, Flaw::None)));
    }

    #[test]
    fn every_planted_flaw_is_found_by_the_obligation_it_breaks() {
        let all: Vec<_> = [ALL, PERSISTENT].concat();
        for (flaw, obligation) in FLAWS {
            let its: Vec<_> = all.iter().copied().filter(|(name, ..)| name == obligation).collect();
            let report = examine(|directory| Flawed::open(directory, *flaw), &[&its]);
            assert_eq!(report.broken(), [*obligation], "{flaw:?}: {report}");
        }
        let planted: BTreeSet<_> = FLAWS.iter().map(|(_, obligation)| *obligation).collect();
        let without: Vec<_> =
            all.iter().map(|(name, ..)| *name).filter(|name| !planted.contains(name)).collect();
        assert!(without.is_empty(), "obligations that nothing has been seen to break: {without:?}");
        println!("conformance: {} obligations, {} planted flaws found", all.len(), FLAWS.len());
    }

    #[test]
    #[should_panic(expected = "BROKEN: a new backend is empty")]
    fn a_broken_obligation_is_named() {
        backend(|directory| Flawed::open(directory, Flaw::Seeded));
    }

    #[test]
    fn a_check_that_looked_at_too_little_fails() {
        fn idle(_: &Subject<'_>) -> Verdict {
            Ok(1)
        }
        let report = examine(|_| MemoryBackend::new(), &[&[("idle", idle, 2), ("busy", idle, 1)]]);
        assert_eq!(report.broken(), ["idle"]);
    }
}
