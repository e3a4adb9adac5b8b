//! What is printed.

use std::time::Duration;

use crate::lazy::Lazy;

/// What everything took.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) load: Duration,
    /// Opening by last year's program, the first since everything was written.
    pub(crate) start_again: Duration,
    pub(crate) lazy: Lazy,
    pub(crate) rewrite: Duration,
}

impl Times {
    /// The slower of the two queries that an index answers at once.
    fn query(&self) -> Duration {
        self.lazy.untouched.max(self.lazy.renamed)
    }

    /// The last line.
    pub(crate) fn headline(&self) -> String {
        let waited = self.lazy.open.saturating_add(self.lazy.read).saturating_add(self.query());
        format!(
            "headline: open {:.3} ms, first read {:.3} ms, first query {:.3} ms, eager rewrite {:.3} s, {:.0}x",
            milliseconds(self.lazy.open),
            milliseconds(self.lazy.read),
            milliseconds(self.query()),
            self.rewrite.as_secs_f64(),
            self.rewrite.as_secs_f64() / waited.as_secs_f64(),
        )
    }

    fn rows(&self) -> [(&'static str, Duration); 11] {
        let lazy = &self.lazy;
        [
            ("last year: load, with three indexes", self.load),
            ("last year: open, after all of that", self.start_again),
            ("today: open", lazy.open),
            ("first read by id", lazy.read),
            ("first query, index that no step touches", lazy.untouched),
            ("first query, index on a renamed path", lazy.renamed),
            ("first page, index on a changed path", lazy.changed),
            ("from opening until that index is built", lazy.build),
            ("the same page, then", lazy.changed_built),
            ("reading everything once", lazy.read_all),
            ("instead: rewriting everything", self.rewrite),
        ]
    }
}

/// One column for each number of documents.
pub(crate) fn columns(columns: &[(u64, &Times)]) -> String {
    let mut text = format!("{:<42}", "milliseconds, by documents");
    for (documents, _) in columns {
        text.push_str(&format!("{documents:>14}"));
    }
    let rows: Vec<_> = columns.iter().map(|(_, times)| times.rows()).collect();
    for (row, (name, _)) in rows.first().into_iter().flatten().enumerate() {
        text.push_str(&format!("\n{name:<42}"));
        for (_, time) in rows.iter().filter_map(|rows| rows.get(row)) {
            text.push_str(&format!("{:>14.3}", milliseconds(*time)));
        }
    }
    text
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
