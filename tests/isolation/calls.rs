//! What the calls give, and how they fail.

use pivotdb::{Collection, Error, ErrorKind, Evolution, Op, Store};
use serde_json::{Value, json};

use crate::each::{New, on_every_backend};

fn store(new: New<'_>) -> (Store, Collection<Value>) {
    let store = new(Store::builder());
    let values = store.documents("values").unwrap();
    values.insert_with_id(1, &json!({"n": 1})).unwrap();
    (store, values)
}

#[test]
fn a_transaction_sees_its_own_writes_and_nobody_else_does() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let tx = store.begin().unwrap();
        let mine = tx.on(&values);
        mine.update(1, |one| one["n"] = json!(2)).unwrap();
        mine.insert_with_id(2, &json!({"n": 2})).unwrap();
        mine.insert_with_id(3, &json!("x".repeat(100_000))).unwrap();
        assert_eq!(mine.insert_with_id(2, &json!(0)).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(mine.delete(2).unwrap() && !mine.exists(2).unwrap());
        mine.put(4, &json!(4)).unwrap();
        assert_eq!(mine.count().unwrap(), 3);
        assert_eq!(mine.require(1).unwrap()["n"], 2);
        let ids = |range: pivotdb::Range<Value>| {
            range.map(|d| d.unwrap().id().as_i64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(ids(mine.iter()), [1, 3, 4]);
        assert_eq!(ids(mine.iter().reversed()), [4, 3, 1]);
        assert_eq!(
            mine.get_many([3, 2]).unwrap().iter().map(Option::is_some).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!((values.count().unwrap(), ids(values.iter())), (1, vec![1]));
        tx.commit().unwrap();
        assert_eq!(ids(values.iter()), [1, 3, 4]);
        assert_eq!((values.count().unwrap(), values.require(1).unwrap().revision().get()), (3, 2));
    });
}

#[test]
fn nothing_is_left_of_a_transaction_that_fails() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let error = store
            .transaction(|tx| {
                tx.on(&values).delete(1)?;
                Err::<(), _>(Error::abort(std::fmt::Error))
            })
            .unwrap_err();
        assert!(error.downcast_ref::<std::fmt::Error>().is_some());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = store.transaction(|tx| -> pivotdb::Result<()> {
                tx.on(&values).delete(1)?;
                panic!("planted")
            });
        }));
        assert!(panicked.is_err());
        let dropped = store.begin().unwrap();
        let handle = dropped.on(&values);
        handle.delete(1).unwrap();
        drop(dropped);
        assert_eq!(handle.get(1).map(drop).unwrap_err().kind(), ErrorKind::TransactionClosed);
        assert!(values.exists(1).unwrap(), "also: this thread is no longer inside");
        assert_eq!(store.stats().unwrap().snapshots, 0);
    });
}

#[test]
fn after_its_end_a_transaction_is_closed() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let kept = store.transaction(|tx| Ok(tx.on(&values))).unwrap();
        let kinds = [
            kept.get(1).map(drop).unwrap_err().kind(),
            kept.insert(&json!(1)).map(drop).unwrap_err().kind(),
            kept.update(1, |_| {}).map(drop).unwrap_err().kind(),
            kept.iter().next().unwrap().map(drop).unwrap_err().kind(),
            kept.count().map(drop).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::TransactionClosed; 5]);
        let tx = store.begin().unwrap();
        tx.commit().unwrap();
        assert_eq!(tx.commit().unwrap_err().kind(), ErrorKind::TransactionClosed);
    });
}

#[test]
fn an_outer_handle_inside_is_an_error_on_this_thread_only() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let other = new(Store::builder());
        store
            .transaction(|_| {
                let kinds = [
                    values.get(1).map(drop).unwrap_err().kind(),
                    values.insert(&json!(1)).map(drop).unwrap_err().kind(),
                    values.delete(1).map(drop).unwrap_err().kind(),
                    values.iter().next().unwrap().map(drop).unwrap_err().kind(),
                    values.count().map(drop).unwrap_err().kind(),
                    store.begin().map(drop).unwrap_err().kind(),
                    store.snapshot().map(drop).unwrap_err().kind(),
                    store.transaction(|_| Ok(())).unwrap_err().kind(),
                    values.bulk().and_then(pivotdb::Bulk::finish).map(drop).unwrap_err().kind(),
                ];
                assert_eq!(kinds, [ErrorKind::InsideTransaction; 9]);
                std::thread::scope(|scope| {
                    scope.spawn(|| assert!(values.exists(1).unwrap()));
                });
                other.documents("x")?.insert(&json!(1))?;
                Ok(())
            })
            .unwrap();
        values.require(1).unwrap();
    });
}

/// A view is a handle as any other: inside it is taken along, and the outer one is an error.
#[test]
fn views_are_taken_into_transactions_and_snapshots() {
    on_every_backend(|new| {
        let store = new(Store::builder());
        let steps = Evolution::new().step("say it in full", [Op::rename("n", "number")]);
        let numbers = store.collection_with::<Value>("numbers", "number", &steps).unwrap();
        numbers.insert_with_id(1, &json!({"number": 1})).unwrap();
        let view = numbers.view::<Value>(1).unwrap();
        let snapshot = store.snapshot().unwrap();
        let tries = store.transaction(|tx| {
            let within = tx.on(&view);
            within.update(1, |one| one["n"] = json!(2))?;
            within.insert_with_id(2, &json!({"n": 20}))?;
            assert_eq!((&*within.require(1)?, within.count()?), (&json!({"n": 2}), 2));
            assert_eq!(*tx.on(&numbers).require(1)?, json!({"number": 2}));
            let outer = [
                view.get(1).map(drop).unwrap_err().kind(),
                view.update(1, |_| {}).map(drop).unwrap_err().kind(),
                view.count().map(drop).unwrap_err().kind(),
                view.iter().next().unwrap().map(drop).unwrap_err().kind(),
            ];
            assert_eq!(outer, [ErrorKind::InsideTransaction; 4]);
            // A view that is made of a handle within is within, too.
            tx.on(&numbers).view::<Value>(1)?.update(2, |two| two["n"] = json!(21)).map(drop)
        });
        tries.unwrap();
        assert_eq!(*view.require(1).unwrap(), json!({"n": 2}));
        assert_eq!(*numbers.require(2).unwrap(), json!({"number": 21}));
        // New documents are stored at the view's schema version, changed ones where they were.
        let stamps = [1, 2].map(|id| numbers.require(id).unwrap().stamp().schema_version);
        assert_eq!(stamps, [2, 1]);
        let then = snapshot.on(&view);
        assert_eq!((&*then.require(1).unwrap(), then.count().unwrap()), (&json!({"n": 1}), 1));
        assert_eq!(then.update(1, |_| {}).map(drop).unwrap_err().kind(), ErrorKind::InvalidOption);
        assert!(then.get(2).unwrap().is_none());
    });
}

#[test]
fn a_handle_of_another_store_is_refused() {
    on_every_backend(|new| {
        let (store, _) = store(new);
        let (_other, values) = self::store(new);
        let tx = store.begin().unwrap();
        assert_eq!(tx.on(&values).get(1).map(drop).unwrap_err().kind(), ErrorKind::InvalidOption);
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.on(&values).count().map(drop).unwrap_err().kind(), ErrorKind::InvalidOption);
    });
}

#[test]
fn a_snapshot_stays_and_cannot_be_written_to() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let snapshot = store.snapshot().unwrap();
        let then = snapshot.on(&values);
        values.delete(1).unwrap();
        values.insert_with_id(2, &json!(2)).unwrap();
        assert_eq!((then.count().unwrap(), then.require(1).unwrap()["n"].as_i64()), (1, Some(1)));
        assert!(then.get(2).unwrap().is_none());
        for refused in
            [then.insert(&json!(1)).map(drop), then.delete(1).map(drop), then.put(1, &json!(1)).map(drop)]
        {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidOption);
        }
    });
}

#[test]
fn a_conflict_that_is_swallowed_dooms_the_transaction() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let mut runs = 0;
        store
            .transaction(|tx| {
                runs += 1;
                let values = tx.on(&values);
                let mut stale = values.require(1)?;
                if runs == 1 {
                    values.update(1, |one| one["n"] = json!(5))?;
                    assert!(values.replace(&mut stale).unwrap_err().is_conflict());
                }
                values.put(9, &json!(runs))?;
                Ok(())
            })
            .unwrap();
        assert_eq!(runs, 2);
        assert_eq!(
            (values.require(1).unwrap()["n"].as_i64(), &*values.require(9).unwrap()),
            (Some(1), &json!(2))
        );
    });
}

#[test]
fn the_callers_own_error_type_comes_out() {
    on_every_backend(|new| {
        #[derive(Debug)]
        enum Mine {
            Poor,
            Store(#[expect(dead_code, reason = "shown by Debug")] Error),
        }
        impl From<Error> for Mine {
            fn from(error: Error) -> Self {
                Self::Store(error)
            }
        }
        let (store, values) = store(new);
        let outcome = store.try_transaction(|tx| {
            tx.on(&values).delete(1)?;
            Err::<(), _>(Mine::Poor)
        });
        assert!(matches!(outcome, Err(Mine::Poor)));
        assert!(values.exists(1).unwrap());
    });
}

#[test]
fn a_transaction_has_a_bound() {
    on_every_backend(|new| {
        let store = new(Store::builder().commit_limit(10_000));
        let values = store.documents("values").unwrap();
        let error = store
            .transaction(|tx| {
                let values = tx.on(&values);
                for n in 0..100 {
                    values.insert_with_id(n, &json!("x".repeat(1000)))?;
                }
                Ok(())
            })
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!(values.count().unwrap(), 0);
    });
}

/// `exists` looked at the store itself, whatever its handle was of.
#[test]
fn exists_is_of_the_state_its_handle_is_of() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let (_other, foreign) = self::store(new);
        let snapshot = store.snapshot().unwrap();
        let then = snapshot.on(&values);
        values.delete(1).unwrap();
        assert!(then.exists(1).unwrap());
        let tx = store.begin().unwrap();
        let mine = tx.on(&values);
        mine.insert_with_id(2, &json!(2)).unwrap();
        assert!(mine.exists(2).unwrap() && !values.exists(2).unwrap());
        assert!(!mine.exists(3).unwrap());
        values.insert_with_id(3, &json!(3)).unwrap();
        assert_eq!(tx.on(&foreign).exists(1).unwrap_err().kind(), ErrorKind::InvalidOption);
        assert!(tx.commit().unwrap_err().is_conflict(), "what exists has told is a read");
        assert_eq!(mine.exists(1).unwrap_err().kind(), ErrorKind::TransactionClosed);
        let inside = store.transaction(|_| Ok(values.exists(1).map(drop).unwrap_err().kind())).unwrap();
        assert_eq!(inside, ErrorKind::InsideTransaction);
    });
}

/// A bulk load on a transaction's handle said it was on the medium when nothing had been committed; `evolve` committed at once.
#[test]
fn what_commits_by_itself_is_refused_within_transactions_and_snapshots() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let steps = Evolution::new().step("one", [Op::rename("a", "b")]);
        let tx = store.begin().unwrap();
        let snapshot = store.snapshot().unwrap();
        for handle in [tx.on(&values), snapshot.on(&values)] {
            assert_eq!(handle.bulk().map(drop).unwrap_err().kind(), ErrorKind::InvalidOption);
            assert_eq!(handle.evolve(steps.clone()).unwrap_err().kind(), ErrorKind::InvalidOption);
        }
    });
}

/// An untyped insert asked the store what kinds there are, and not the transaction that had just written one.
#[test]
fn an_untyped_insert_sees_the_kinds_its_transaction_has_written() {
    on_every_backend(|new| {
        let store = new(Store::builder());
        let typed = store.collection_with::<Value>("users", "user", &Evolution::new()).unwrap();
        let untyped = store.documents("users").unwrap();
        store
            .transaction(|tx| {
                tx.on(&typed).insert_with_id(1, &json!(1))?;
                tx.on(&untyped).insert_with_id(2, &json!(2))
            })
            .unwrap();
        assert_eq!(untyped.require(2).unwrap().kind(), "user");
    });
}

/// Each collection was counted in a state of its own.
#[test]
fn a_census_of_the_store_is_of_one_state() {
    on_every_backend(|new| {
        let store = new(Store::builder());
        let (left, right) = (store.documents("left").unwrap(), store.documents("right").unwrap());
        left.insert_with_id(1, &json!(1)).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..3_000 {
                    let (from, to) = if n % 2 == 0 { (&left, &right) } else { (&right, &left) };
                    store
                        .transaction(|tx| {
                            tx.on(from).delete(1)?;
                            tx.on(to).insert_with_id(1, &json!(1))
                        })
                        .unwrap();
                }
                done.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let census = store.census().unwrap();
                assert_eq!(census.iter().map(|entry| entry.documents).sum::<u64>(), 1, "{census:?}");
            }
        });
    });
}

#[test]
fn iterating_does_not_meet_what_the_loop_writes() {
    on_every_backend(|new| {
        let store = new(Store::builder());
        let values = store.documents("values").unwrap();
        for n in 0..100 {
            values.insert_with_id(n, &json!(n)).unwrap();
        }
        for reversed in [false, true] {
            let tx = store.begin().unwrap();
            let mine = tx.on(&values);
            mine.insert_with_id(1000, &json!("before")).unwrap();
            let all = if reversed { mine.iter().reversed() } else { mine.iter() };
            let mut seen = 0;
            for value in all.take(1000) {
                let value = value.unwrap();
                assert_ne!(*value, json!("after"));
                seen += 1;
                mine.insert_with_id(10_000 + seen, &json!("after")).unwrap();
                mine.insert_with_id(-seen, &json!("after")).unwrap();
                mine.put(2000, &json!("after")).unwrap();
                mine.delete(1000).unwrap();
                if seen > 500 {
                    break;
                }
            }
            tx.rollback();
            assert_eq!(seen, 101, "the state at the first use, the transaction's own writes included");
        }
    });
}

#[test]
fn the_closure_does_not_commit_by_itself() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let error = store
            .transaction(|tx| {
                tx.on(&values).delete(1)?;
                tx.commit()
            })
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InsideTransaction);
        assert!(values.exists(1).unwrap());
        let error = store
            .transaction(|tx| {
                tx.rollback();
                Ok(())
            })
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TransactionClosed);
    });
}

#[test]
fn a_conflict_that_would_be_met_again_is_not_repeated() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let mut stale = values.require(1).unwrap();
        values.update(1, |one| one["n"] = json!(2)).unwrap();
        let mut runs = 0;
        let error = store
            .transaction(|tx| {
                runs += 1;
                tx.on(&values).replace(&mut stale)
            })
            .unwrap_err();
        assert!(error.is_conflict());
        assert_eq!(runs, 1, "the document was read outside: reading inside again changes nothing");
    });
}

#[test]
fn an_update_does_not_disturb_a_count() {
    on_every_backend(|new| {
        let (store, values) = store(new);
        let tx = store.begin().unwrap();
        let count = tx.on(&values).count().unwrap();
        tx.on(&values).put("count", &json!(count)).unwrap();
        values.update(1, |one| one["n"] = json!(2)).unwrap();
        tx.commit().unwrap();
    });
}

#[test]
fn a_snapshot_past_the_bound_expires_and_a_get_does_not() {
    on_every_backend(|new| {
        let store = new(Store::builder().overlay_limit(1000));
        let values = store.documents("values").unwrap();
        values.insert_with_id(1, &json!("x".repeat(600))).unwrap();
        let (snapshot, tx) = (store.snapshot().unwrap(), store.begin().unwrap());
        for n in 0..3 {
            values.overwrite(1, &json!(n.to_string().repeat(600))).unwrap();
            values.insert_with_id(10 + n, &json!("x".repeat(600))).unwrap();
        }
        let then = snapshot.on(&values);
        let kinds = [
            then.get(1).map(drop).unwrap_err().kind(),
            then.exists(1).map(drop).unwrap_err().kind(),
            then.count().map(drop).unwrap_err().kind(),
            then.get_many([1, 2]).map(drop).unwrap_err().kind(),
            then.iter().next().unwrap().map(drop).unwrap_err().kind(),
            tx.on(&values).get(1).map(drop).unwrap_err().kind(),
            tx.on(&values).insert(&json!(1)).map(drop).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::SnapshotExpired; 7]);
        assert!(values.get(1).unwrap().is_some());
        drop((snapshot, tx));
        assert_eq!((store.stats().unwrap().overlay_bytes, store.stats().unwrap().snapshots), (0, 0));
    });
}

/// Every query reads one state: that at its first use, whatever is written while it is read, with an index and without.
#[test]
fn a_query_is_of_one_state() {
    on_every_backend(|new| {
        let (store, notes) = store(new);
        for (indexed, sorted) in [(false, false), (false, true), (true, false), (true, true)] {
            for n in 0..50 {
                notes.put(n, &json!({"n": n, "even": n % 2 == 0})).unwrap();
            }
            if indexed {
                notes.create_index(&pivotdb::Index::on("even")).unwrap();
                store.run().unwrap();
            }
            let query = notes.find(json!({"even": true}));
            let query = if sorted { query.sort("n") } else { query };
            let before: Vec<_> = query.to_vec().unwrap().iter().map(|note| note["n"].clone()).collect();
            let mut results = query.iter();
            let mut found = vec![results.next().unwrap().unwrap()["n"].clone()];
            for n in 0..50 {
                match n % 4 {
                    0 => drop(notes.delete(n).unwrap()),
                    1 => drop(notes.put(n, &json!({"n": n, "even": true})).unwrap()),
                    _ => {}
                }
            }
            notes.insert(&json!({"n": 7, "even": true})).unwrap();
            found.extend(results.map(|note| note.unwrap()["n"].clone()));
            assert_eq!(found, before, "indexed: {indexed}");
            assert_ne!(query.count().unwrap(), before.len() as u64);
        }
    });
}
