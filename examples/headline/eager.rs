//! What is done without PivotDB's steps: every document is read, changed by hand, and written in the new shape, before anybody may
//! use it.

use std::error::Error;
use std::path::Path;

use pivotdb::{Result, Store};

use crate::documents::{After, Before};
use crate::lazy::{Answers, by_account, by_email, first_page, read};
use crate::programs::{customers, open};

/// Into a store of its own, by bulk load, with the new indexes: the fastest way there is. On the disk when it returns.
pub(crate) fn rewrite(store: &Store, path: &Path) -> std::result::Result<Store, Box<dyn Error>> {
    let old = customers::<After>(store)?.view::<Before>(1)?;
    let rewritten = open::<After>(path)?;
    let new = customers::<After>(&rewritten)?;
    let mut bulk = new.bulk()?;
    for document in old.iter() {
        let document = document?;
        let id = document.id().clone();
        bulk.insert_with_id(id, &by_hand(document.into_value())?)?;
    }
    bulk.finish()?;
    Ok(rewritten)
}

fn by_hand(before: Before) -> std::result::Result<After, std::num::ParseIntError> {
    let Before { account, name, mail, points, street, city, joined, active, balance, note } = before;
    let points = points.parse()?;
    Ok(After { account, name, email: mail, points, street, city, joined, active, balance, note })
}

pub(crate) fn answers(rewritten: &Store, documents: u64) -> Result<Answers> {
    let customers = customers::<After>(rewritten)?;
    Ok(Answers {
        read: read(&customers, documents)?,
        untouched: by_account(&customers, documents)?,
        renamed: by_email(&customers, documents)?,
        changed: first_page(&customers)?,
    })
}

/// All documents of both, one by one.
pub(crate) fn compare(
    store: &Store,
    rewritten: &Store,
    documents: u64,
) -> std::result::Result<(), Box<dyn Error>> {
    let (lazy, eager) = (customers::<After>(store)?, customers::<After>(rewritten)?);
    let (mut lazy, mut eager) = (lazy.iter(), eager.iter());
    for n in 0..documents {
        let (Some(one), Some(other)) = (lazy.next(), eager.next()) else {
            return Err("documents are missing".into());
        };
        let (one, other) = (one?, other?);
        if one.id() != other.id() || *one != *other || *one != After::make(n) {
            return Err(format!("document {} differs from the rewritten one", one.id()).into());
        }
    }
    if lazy.next().is_some() || eager.next().is_some() {
        return Err("there are documents that nobody has written".into());
    }
    Ok(())
}
