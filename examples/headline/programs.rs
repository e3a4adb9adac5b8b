//! Last year's program and today's.

use std::path::Path;
use std::time::Duration;

use pivotdb::{Collection, Durability, Evolution, Index, Op, Result, Store, To, Versioned};

use crate::documents::{After, Before};
use crate::timed;

/// The collection all documents are in.
const CUSTOMERS: &str = "customers";

impl Versioned for Before {
    const KIND: &'static str = "customer";

    fn indexes() -> Vec<Index> {
        vec![Index::on("account"), Index::on("mail"), Index::on("points")]
    }
}

impl Versioned for After {
    const KIND: &'static str = "customer";

    fn evolution() -> Evolution {
        let change = [Op::rename("mail", "email"), Op::convert("points", To::Integer)];
        Evolution::new().step("mail is called email, and points can be counted", change)
    }

    fn indexes() -> Vec<Index> {
        // The index on what was called `mail` keeps its name, and so goes on.
        vec![Index::on("account"), Index::on("email").named("mail"), Index::on("points")]
    }
}

/// A store as a program of the type opens it.
pub(crate) fn open<T: Versioned>(path: &Path) -> Result<Store> {
    let store = Store::builder().durability(Durability::Buffered).register::<T>().open(path)?;
    customers::<T>(&store)?;
    Ok(store)
}

pub(crate) fn customers<T: Versioned>(store: &Store) -> Result<Collection<T>> {
    store.collection(CUSTOMERS)
}

/// Last year's program writes documents 0, 1 ..., and ends.
pub(crate) fn load(path: &Path, documents: u64) -> Result<()> {
    let store = open::<Before>(path)?;
    let customers = customers::<Before>(&store)?;
    let mut bulk = customers.bulk()?;
    for n in 0..documents {
        bulk.insert_with_id(n, &Before::make(n))?;
    }
    bulk.finish()?;
    store.close()
}

/// Last year's program is started again, as it has been many a time. Gives what opening takes.
pub(crate) fn start_again(path: &Path) -> Result<Duration> {
    let (took, store) = timed(|| open::<Before>(path))?;
    store.close()?;
    Ok(took)
}
