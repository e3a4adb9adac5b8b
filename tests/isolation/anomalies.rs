//! The anomalies of weaker isolation levels, each with its interleaving forced.

use pivotdb::{Collection, Evolution, Index, Op, Store, To};
use serde_json::{Value, json};

use crate::each::{New, on_every_backend};

fn store(new: New<'_>, values: &[(i32, i64)]) -> (Store, Collection<Value>) {
    let store = new(Store::builder());
    let accounts = store.documents("accounts").unwrap();
    for (id, n) in values {
        accounts.insert_with_id(*id, &json!(n)).unwrap();
    }
    (store, accounts)
}

fn number(accounts: &Collection<Value>, id: i32) -> i64 {
    accounts.require(id).unwrap().as_i64().unwrap()
}

/// Of two transactions that overlap, the second to commit is refused.
fn second_is_refused(
    values: &[(i32, i64)],
    first: impl Fn(&Collection<Value>),
    second: impl Fn(&Collection<Value>),
) {
    on_every_backend(|new| {
        let (store, accounts) = store(new, values);
        let (one, two) = (store.begin().unwrap(), store.begin().unwrap());
        first(&one.on(&accounts));
        second(&two.on(&accounts));
        one.commit().unwrap();
        let error = two.commit().unwrap_err();
        assert!(error.is_conflict(), "{error}");
    });
}

#[test]
fn lost_update() {
    let add = |by: i64| {
        move |accounts: &Collection<Value>| {
            let n = number(accounts, 1);
            accounts.overwrite(1, &json!(n + by)).unwrap();
        }
    };
    second_is_refused(&[(1, 0)], add(1), add(2));
}

#[test]
fn write_skew() {
    let spend = |from: i32| {
        move |accounts: &Collection<Value>| {
            assert!(number(accounts, 1) + number(accounts, 2) >= 100);
            accounts.overwrite(from, &json!(number(accounts, from) - 100)).unwrap();
        }
    };
    second_is_refused(&[(1, 60), (2, 60)], spend(1), spend(2));
}

#[test]
fn phantoms_by_insert_and_by_delete() {
    let sum_into = |id: i32| {
        move |accounts: &Collection<Value>| {
            let sum: i64 = accounts.range(0..100).map(|account| account.unwrap().as_i64().unwrap()).sum();
            accounts.overwrite(id, &json!(sum)).unwrap();
        }
    };
    second_is_refused(&[(1, 1)], |accounts| accounts.insert_with_id(50, &json!(1)).unwrap(), sum_into(200));
    second_is_refused(&[(1, 1), (2, 1)], |accounts| assert!(accounts.delete(2).unwrap()), sum_into(200));
}

#[test]
fn phantoms_in_a_count() {
    second_is_refused(
        &[(1, 1)],
        |accounts| accounts.insert_with_id(2, &json!(1)).unwrap(),
        |accounts| {
            let count = accounts.count().unwrap();
            accounts.overwrite(1, &json!(count)).unwrap();
        },
    );
}

#[test]
fn the_absence_of_a_document_is_a_read() {
    second_is_refused(
        &[(1, 1)],
        |accounts| accounts.insert_with_id(2, &json!(1)).unwrap(),
        |accounts| {
            assert!(accounts.get(2).unwrap().is_none());
            accounts.overwrite(1, &json!(2)).unwrap();
        },
    );
}

#[test]
fn a_scan_answers_for_what_was_consumed_and_no_more() {
    on_every_backend(|new| {
        let (store, accounts) = store(new, &[]);
        for id in 0..100 {
            accounts.insert_with_id(id, &json!(1)).unwrap();
        }
        let take = |tx: &pivotdb::Transaction, reversed: bool| {
            let all = tx.on(&accounts).iter();
            let all = if reversed { all.reversed() } else { all };
            assert_eq!(all.take(3).count(), 3);
            tx.on(&accounts).put(1000, &json!(1)).unwrap();
        };
        for (reversed, beyond, within) in [(false, 3, 2), (true, 96, 98)] {
            let tx = store.begin().unwrap();
            take(&tx, reversed);
            accounts.overwrite(beyond, &json!(2)).unwrap();
            tx.commit().unwrap();
            accounts.delete(1000).unwrap();
            let tx = store.begin().unwrap();
            take(&tx, reversed);
            accounts.overwrite(within, &json!(2)).unwrap();
            assert!(tx.commit().unwrap_err().is_conflict());
        }
    });
}

#[test]
fn blind_writes_and_inserts_do_not_conflict() {
    on_every_backend(|new| {
        let (store, accounts) = store(new, &[(1, 1), (2, 2)]);
        let (one, two) = (store.begin().unwrap(), store.begin().unwrap());
        one.on(&accounts).insert_with_id(10, &json!(1)).unwrap();
        two.on(&accounts).insert_with_id(11, &json!(1)).unwrap();
        one.on(&accounts).update(1, |n| *n = json!(5)).unwrap();
        two.on(&accounts).update(2, |n| *n = json!(5)).unwrap();
        one.commit().unwrap();
        two.commit().unwrap();
        assert_eq!(accounts.count().unwrap(), 4);
    });
}

#[test]
fn long_fork() {
    on_every_backend(|new| {
        let (store, accounts) = store(new, &[(1, 0), (2, 0)]);
        let before = store.snapshot().unwrap();
        accounts.overwrite(1, &json!(1)).unwrap();
        let between = store.snapshot().unwrap();
        accounts.overwrite(2, &json!(1)).unwrap();
        let after = store.snapshot().unwrap();
        let seen = |snapshot: &pivotdb::Snapshot| {
            let accounts = snapshot.on(&accounts);
            (number(&accounts, 1), number(&accounts, 2))
        };
        // No two readers may see the two writes in different orders: states are those of one line.
        assert_eq!([seen(&before), seen(&between), seen(&after)], [(0, 0), (1, 0), (1, 1)]);
    });
}

#[test]
fn read_only_anomaly() {
    on_every_backend(|new| {
        // Fekete, O'Neil and O'Neil, 2004: a reader between two writers sees a state that no serial order explains,
        // unless the later of the writers is refused.
        let (store, accounts) = store(new, &[(1, 0), (2, 0)]);
        let withdraw = store.begin().unwrap();
        let total = number(&withdraw.on(&accounts), 1) + number(&withdraw.on(&accounts), 2);
        let deposit = store.begin().unwrap();
        deposit.on(&accounts).overwrite(2, &json!(20)).unwrap();
        deposit.commit().unwrap();
        let report = store.begin().unwrap();
        assert_eq!((number(&report.on(&accounts), 1), number(&report.on(&accounts), 2)), (0, 20));
        report.commit().unwrap();
        let fee = i64::from(total < 10);
        withdraw.on(&accounts).overwrite(1, &json!(-10 - fee)).unwrap();
        assert!(withdraw.commit().unwrap_err().is_conflict());
    });
}

/// Two transactions ask the same of an index on `a`, and each inserts what the other would have found.
fn both_find_nothing(query: &Value, inserted: &Value) {
    on_every_backend(|new| {
        let store = new(Store::builder());
        let things = store.collection_with::<Value>("things", "thing", &Evolution::new()).unwrap();
        things.create_index(&Index::on("a")).unwrap();
        let (one, two) = (store.begin().unwrap(), store.begin().unwrap());
        let (x, y) = (one.on(&things), two.on(&things));
        let find = |things: &Collection<Value>| things.find(query.clone());
        assert!(find(&x).explain().unwrap().index.is_some());
        assert_eq!((find(&x).count().unwrap(), find(&y).count().unwrap()), (0, 0));
        x.insert_with_id(1, inserted).unwrap();
        y.insert_with_id(2, inserted).unwrap();
        one.commit().unwrap();
        let error = two.commit().unwrap_err();
        assert!(error.is_conflict(), "{error}");
        assert_eq!(find(&things).count().unwrap(), 1);
    });
}

/// The plan of the first rests on there being no lists; what the second inserts is one, and has its entries elsewhere.
#[test]
fn phantoms_beside_what_an_index_was_asked_for() {
    both_find_nothing(&json!({"a": {"$gt": 1, "$lt": 5}}), &json!({"a": [0, 10]}));
    both_find_nothing(&json!({"a": {"$gt": 5, "$lt": 1}}), &json!({"a": [0, 10]}));
    both_find_nothing(&json!({"a": {"$exists": true}}), &json!({"a": []}));
    both_find_nothing(&json!({"a": {"$gt": 1, "$lt": 5}}), &json!({"a": 3}));
}

/// A transaction asks an index, in the shape of schema version 2, and somebody inserts in the shape of schema version 1 what its plan took for absent.
fn insert_below_conflicts(op: Op, asked: &Value, mine: &Value, inserted: &Value) {
    on_every_backend(|new| {
        let store = new(Store::builder());
        let before = store.documents("things").unwrap();
        before.insert_with_id(1, &json!({"n": 1})).unwrap();
        before.create_index(&Index::on("n").named("i")).unwrap();
        let steps = Evolution::new().step("s", [op.clone()]);
        let things = store.collection_with::<Value>("things", "things", &steps).unwrap();
        let below = things.view::<Value>(1).unwrap();
        let attempt = |inserted: Option<&Value>| {
            let transaction = store.begin().unwrap();
            let inside = transaction.on(&things);
            assert!(inside.find(asked.clone()).explain().unwrap().index.is_some());
            assert_eq!(inside.find(asked.clone()).count().unwrap(), 0);
            inside.insert(mine).unwrap();
            if let Some(inserted) = inserted {
                below.insert(inserted).unwrap();
            }
            transaction.commit()
        };
        attempt(None).unwrap();
        assert!(attempt(Some(inserted)).unwrap_err().is_conflict());
    });
}

#[test]
fn phantoms_from_another_shape() {
    let five = json!({"number": 5});
    insert_below_conflicts(Op::rename("n", "number"), &five, &json!({"number": 9}), &five);
    let unreadable = json!({"n": {"not": "a scalar"}});
    insert_below_conflicts(Op::convert("n", To::Text), &json!({"n": "5"}), &json!({"n": "9"}), &unreadable);
}
