//! Today's program on last year's store.

use std::error::Error;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::{Collection, Filter, IndexState, Result, Store, field};

use crate::documents::{After, account, address};
use crate::programs::{customers, open};
use crate::timed;

/// Documents on a page.
const PAGE: u64 = 20;

/// What today's program has waited for.
#[derive(Debug)]
pub(crate) struct Lazy {
    pub(crate) open: Duration,
    pub(crate) read: Duration,
    pub(crate) untouched: Duration,
    pub(crate) renamed: Duration,
    pub(crate) changed: Duration,
    /// From opening until all indexes are readable.
    pub(crate) build: Duration,
    pub(crate) changed_built: Duration,
    pub(crate) read_all: Duration,
    pub(crate) answers: Answers,
}

/// What it was told.
#[derive(Debug, PartialEq)]
pub(crate) struct Answers {
    pub(crate) read: Vec<After>,
    pub(crate) untouched: Vec<After>,
    pub(crate) renamed: Vec<After>,
    pub(crate) changed: Vec<After>,
}

impl Answers {
    pub(crate) fn check(&self, eager: &Self) -> std::result::Result<(), Box<dyn Error>> {
        if self == eager {
            return Ok(());
        }
        Err(format!("an answer differs from the rewritten store's: {self:#?} instead of {eager:#?}").into())
    }
}

/// Which document is asked for.
fn wanted(documents: u64) -> u64 {
    documents / 2
}

pub(crate) fn read(customers: &Collection<After>, documents: u64) -> Result<Vec<After>> {
    let read = customers.get(wanted(documents))?;
    Ok(read.into_iter().map(|document| document.into_value()).collect())
}

pub(crate) fn by_account(customers: &Collection<After>, documents: u64) -> Result<Vec<After>> {
    found(customers, field("account").eq(account(wanted(documents))))
}

pub(crate) fn by_email(customers: &Collection<After>, documents: u64) -> Result<Vec<After>> {
    found(customers, field("email").eq(address(wanted(documents))))
}

fn found(customers: &Collection<After>, filter: Filter) -> Result<Vec<After>> {
    customers.find(filter).iter().map(|document| Ok(document?.into_value())).collect()
}

pub(crate) fn first_page(customers: &Collection<After>) -> Result<Vec<After>> {
    let page = customers.find(Filter::everything()).sort("points").limit(PAGE);
    page.iter().map(|document| Ok(document?.into_value())).collect()
}

/// Opens the store and uses it, one thing after the other, while the index that has changed is built in the background.
pub(crate) fn start(path: &Path, documents: u64) -> std::result::Result<(Lazy, Store), Box<dyn Error>> {
    let begun = Instant::now();
    let (opening, store) = timed(|| open::<After>(path))?;
    let customers = customers::<After>(&store)?;
    let (reading, read) = timed(|| read(&customers, documents))?;
    let (querying, untouched) = timed(|| by_account(&customers, documents))?;
    let (querying_renamed, renamed) = timed(|| by_email(&customers, documents))?;
    for (name, filter) in [
        ("account", field("account").eq(account(wanted(documents)))),
        ("mail", field("email").eq(address(wanted(documents)))),
    ] {
        let index = customers.find(filter).explain()?.index;
        if index.is_none_or(|index| index.name != name || index.state != "readable") {
            return Err(format!("the index {name:?} has not gone on").into());
        }
    }
    let (paging, changed) = timed(|| first_page(&customers))?;
    while customers.indexes()?.iter().any(|index| index.current && index.state != IndexState::Readable) {
        thread::sleep(Duration::from_millis(1));
    }
    let build = begun.elapsed();
    let (paging_built, again) = timed(|| first_page(&customers))?;
    let (reading_all, count) = timed(|| {
        customers.iter().try_fold(0, |count: u64, document| document.map(|_| count.saturating_add(1)))
    })?;
    if again != changed || count != documents {
        return Err("an answer was another one when the index had been built".into());
    }
    let lazy = Lazy {
        open: opening,
        read: reading,
        untouched: querying,
        renamed: querying_renamed,
        changed: paging,
        build,
        changed_built: paging_built,
        read_all: reading_all,
        answers: Answers { read, untouched, renamed, changed },
    };
    Ok((lazy, store))
}
