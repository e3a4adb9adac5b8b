//! Money that is moved between accounts by several threads at once, while others add it up.
//!
//! ```sh
//! cargo run --example transactions
//! ```

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use pivotdb::{Collection, Durability, Error, ErrorKind, Store, Transaction, Versioned};
use serde::{Deserialize, Serialize};

const ACCOUNTS: u32 = 5;
const OPENING_BALANCE: u64 = 100;
const THREADS: u32 = 4;
const TRANSFERS: u32 = 100;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    balance: u64,
}

impl Versioned for Account {
    const KIND: &'static str = "account";
}

/// Why a transfer was not made.
#[derive(Debug, PartialEq)]
struct Poor {
    balance: u64,
}

impl fmt::Display for Poor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "only {} left", self.balance)
    }
}

impl StdError for Poor {}

fn main() -> Result<(), Box<dyn StdError + Send + Sync>> {
    let directory = tempfile::tempdir()?;
    // Buffered: a commit does not wait for the disk. What survives a crash is still a prefix of the commits.
    let store =
        Store::builder().durability(Durability::Buffered).open(directory.path().join("bank.pivot"))?;
    let accounts = store.collection::<Account>("accounts")?;
    for id in 0..ACCOUNTS {
        accounts.insert_with_id(id, &Account { balance: OPENING_BALANCE })?;
    }

    // A transaction is run again when what it has read was changed by somebody else: its closure may be called several times, and
    // what it does to the outside it does each time.
    let runs = AtomicU64::new(0);
    let (made, refused) = thread::scope(|scope| -> Result<(u64, u64), Error> {
        let clerks: Vec<_> = (0..THREADS)
            .map(|clerk| {
                let (store, accounts, runs) = (&store, &accounts, &runs);
                scope.spawn(move || {
                    let (mut made, mut refused) = (0, 0);
                    for n in 0..TRANSFERS {
                        let (from, to) = ((clerk + n) % ACCOUNTS, (clerk + 2 * n + 1) % ACCOUNTS);
                        let outcome = store.transaction(|tx| {
                            runs.fetch_add(1, Ordering::Relaxed);
                            transfer(tx, accounts, from, to, u64::from(n % 120))
                        });
                        match outcome {
                            Ok(()) => made += 1,
                            // An error of one's own comes out as it went in, and nothing has been written.
                            Err(error) if error.downcast_ref::<Poor>().is_some() => refused += 1,
                            Err(error) => return Err(error),
                        }
                    }
                    Ok((made, refused))
                })
            })
            .collect();
        // Meanwhile the auditor adds it up. A snapshot is one state, however long the look at it takes, and holds nobody up.
        for _ in 0..50 {
            let snapshot = store.snapshot()?;
            let all = snapshot.on(&accounts).iter().collect::<Result<Vec<_>, _>>()?;
            let sum: u64 = all.iter().map(|account| account.balance).sum();
            assert_eq!(sum, u64::from(ACCOUNTS) * OPENING_BALANCE, "nobody sees half a transfer");
        }
        let mut totals = (0, 0);
        for clerk in clerks {
            let (made, refused) = clerk.join().map_err(|_| Error::abort("a clerk panicked"))??;
            totals = (totals.0 + made, totals.1 + refused);
        }
        Ok(totals)
    })?;
    assert_eq!(made + refused, u64::from(THREADS * TRANSFERS));
    assert!(runs.load(Ordering::Relaxed) >= made + refused);
    println!("{made} transfers made, {refused} refused, {} runs of the closure", runs.into_inner());

    conflicts_by_hand(&store, &accounts)?;
    mistakes_are_errors(&store, &accounts)?;

    let sum: u64 =
        accounts.iter().map(|account| account.map(|account| account.balance)).sum::<Result<_, _>>()?;
    assert_eq!(sum, u64::from(ACCOUNTS) * OPENING_BALANCE);
    store.close()?;
    println!("transactions: ok");
    Ok(())
}

fn transfer(
    tx: &Transaction,
    accounts: &Collection<Account>,
    from: u32,
    to: u32,
    amount: u64,
) -> Result<(), Error> {
    let accounts = tx.on(accounts);
    let balance = accounts.require(from)?.balance;
    if balance < amount {
        return Err(Error::abort(Poor { balance }));
    }
    accounts.update(from, |account| account.balance -= amount)?;
    accounts.update(to, |account| account.balance += amount)?; // sees what the line before has written
    Ok(())
}

/// `begin` and `commit`, for those who repeat by themselves.
fn conflicts_by_hand(store: &Store, accounts: &Collection<Account>) -> Result<(), Error> {
    // One of two accounts must stay open. Each of these closes one after a look at the other: either alone would be right.
    let reserve = store.collection::<Account>("reserve")?;
    for id in ["first", "second"] {
        reserve.insert_with_id(id, &Account { balance: 0 })?;
    }
    let (one, two) = (store.begin()?, store.begin()?);
    for (tx, id, other) in [(&one, "first", "second"), (&two, "second", "first")] {
        let reserve = tx.on(&reserve);
        assert!(reserve.exists(other)?);
        assert!(reserve.delete(id)?);
    }
    one.commit()?;
    assert!(two.commit().is_err_and(|error| error.is_conflict()), "what it has seen is no longer so");
    assert_eq!(reserve.count()?, 1);

    // Without a transaction: a document that was read is written back only if nobody has written it since.
    let (mut mine, mut theirs) = (accounts.require(2)?, accounts.require(2)?);
    theirs.balance += 10;
    accounts.replace(&mut theirs)?;
    mine.balance += 20;
    assert!(accounts.replace(&mut mine).is_err_and(|error| error.is_conflict()));
    theirs.balance -= 10;
    accounts.replace(&mut theirs)
}

/// What would go past a transaction without a word is refused.
fn mistakes_are_errors(store: &Store, accounts: &Collection<Account>) -> Result<(), Error> {
    let kept = store.transaction(|tx| {
        // The outer handle would read past the transaction, and wait for nobody.
        let outside = accounts.get(0).map(drop);
        assert_eq!(outside.err().map(|error| error.kind()), Some(ErrorKind::InsideTransaction));
        Ok(tx.on(accounts))
    })?;
    let after = kept.get(0).map(drop);
    assert_eq!(after.err().map(|error| error.kind()), Some(ErrorKind::TransactionClosed));
    Ok(())
}
