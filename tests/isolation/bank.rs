//! Transfers between accounts that come and go, and the sum, which stays.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pivotdb::testing::isolation::{self, Validation};
use pivotdb::{Collection, Durability, Store, Transaction};
use serde_json::{Value, json};

use crate::chance::{Chance, times};
use crate::report::Report;
use crate::stores::{Place, disks, memory, on_disk, slow};

const THREADS: u64 = 8;
const ACCOUNTS: i32 = 12;
const SUM: i64 = 1_200;

fn balance(value: &Value) -> i64 {
    value["balance"].as_i64().unwrap()
}

/// Moves money; opens the account it goes to, if there is none, and closes the one it comes from, if nothing is left. Every tenth
/// time it all goes to one account, which takes a scan.
fn transfer(accounts: &Collection<Value>, chance: &mut Chance) -> pivotdb::Result<()> {
    let (from, to) = (chance.id(ACCOUNTS), chance.id(ACCOUNTS));
    if chance.percent(10) {
        let mut sum = 0;
        let all = accounts.iter().take(chance.below(5)).collect::<pivotdb::Result<Vec<_>>>()?;
        chance.pause();
        for account in all {
            sum += balance(&account);
            accounts.delete(account.id())?;
        }
        let there = accounts.get(to)?.map_or(0, |account| balance(&account));
        accounts.overwrite(to, &json!({"balance": there + sum}))?;
        return Ok(());
    }
    let Some(giver) = accounts.get(from)?.filter(|_| from != to) else { return Ok(()) };
    let taker = accounts.get(to)?;
    chance.pause();
    let amount = i64::try_from(chance.below(60)).unwrap().min(balance(&giver));
    if balance(&giver) == amount {
        accounts.delete(from)?;
    } else {
        accounts.update(from, |giver| giver["balance"] = json!(balance(giver) - amount))?;
    }
    match taker {
        Some(taker) => accounts.overwrite(to, &json!({"balance": balance(&taker) + amount})).map(drop),
        None => accounts.insert_with_id(to, &json!({"balance": amount})),
    }
}

fn check(accounts: &Collection<Value>, backward: bool) -> Result<(), String> {
    let all = accounts.iter();
    let all = if backward { all.reversed() } else { all };
    let all = all.collect::<pivotdb::Result<Vec<_>>>().map_err(|error| error.to_string())?;
    let sum: i64 = all.iter().map(|account| balance(account)).sum();
    let count = accounts.count().map_err(|error| error.to_string())?;
    if sum == SUM && all.iter().all(|account| balance(account) >= 0) && count == all.len() as u64 {
        return Ok(());
    }
    Err(format!("{sum} in {} accounts, {count} counted", all.len()))
}

/// Transfers until one is made; gives how many were refused.
fn make(store: &Store, accounts: &Collection<Value>, chance: &mut Chance, validation: Validation) -> usize {
    for refused in 0.. {
        let mut attempt = |transaction: &Transaction| {
            transfer(&transaction.on(accounts), chance)?;
            isolation::commit(transaction, validation)
        };
        match store.begin().and_then(|transaction| attempt(&transaction)) {
            Ok(_) => return refused,
            Err(error) if error.is_conflict() => {}
            // What is not validated may also delete an account twice, and the committer notices that.
            Err(_) if validation == Validation::Nothing => return refused,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!()
}

fn hunt(name: &str, place: &Place, transfers: usize) {
    let store = &place.store;
    let fresh = |name: &str| {
        let accounts = store.documents(name).unwrap().with_durability(Durability::Buffered);
        for id in 0..ACCOUNTS {
            accounts.insert_with_id(id, &json!({"balance": SUM / i64::from(ACCOUNTS)})).unwrap();
        }
        accounts
    };
    let accounts = fresh("accounts");
    let (refused, report) = (AtomicUsize::new(0), Mutex::new(Report::default()));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (accounts, refused, report) = (&accounts, &refused, &report);
            scope.spawn(move || {
                let mut chance = Chance::new(200 + thread);
                for round in 0..transfers {
                    refused.fetch_add(
                        make(store, accounts, &mut chance, Validation::Everything),
                        Ordering::Relaxed,
                    );
                    let found = match round % 3 {
                        0 => check(&store.snapshot().unwrap().on(accounts), round % 2 == 0),
                        1 => check(&store.begin().unwrap().on(accounts), round % 2 == 0),
                        // Sum and count would be of two states.
                        _ => {
                            let sum: i64 = accounts.iter().map(|account| balance(&account.unwrap())).sum();
                            if sum == SUM { Ok(()) } else { Err(format!("{sum} in a scan")) }
                        }
                    };
                    let mut report = report.lock().unwrap();
                    report.runs += 1;
                    report.violations.extend(found.err());
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap();
    // The control: the same without validation loses money, or makes it.
    for control in 0..20 {
        let accounts = fresh(&format!("control {control}"));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let accounts = &accounts;
                scope.spawn(move || {
                    let mut chance = Chance::new(300 + thread);
                    for _ in 0..50 {
                        make(store, accounts, &mut chance, Validation::Nothing);
                    }
                });
            }
        });
        if check(&accounts, false).is_err() {
            report.caught += 1;
            break;
        }
    }
    report.tell(name, &format!("{} transfers refused and repeated", refused.into_inner()));
}

#[test]
fn transfers_keep_the_sum() {
    hunt("bank, 8 threads, in memory", &memory(), times(2_000));
}

#[test]
fn transfers_keep_the_sum_in_groups() {
    hunt("bank, 8 threads, in groups", &slow(), times(500));
}

#[test]
fn transfers_keep_the_sum_on_disk() {
    for disk in disks() {
        hunt(&format!("bank, 8 threads, on {}", disk.name), &on_disk(disk, Durability::Buffered), times(500));
    }
}
