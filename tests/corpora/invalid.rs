//! Notebooks that are invalid in their own version: each is refused on the way to another one, by a typed error that names the step, and stays as it is.

use std::cell::RefCell;
use std::collections::BTreeMap;

use pivotdb::ErrorKind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::nbformat::{is_valid, notebooks};
use crate::notebooks::evolution;
use crate::{program, say};

/// What is wrong, and on which ways a step comes upon it: what no step looks at is nobody's concern.
struct Fault {
    what: &'static str,
    ways: &'static [(u64, u64)],
    make: fn(&mut Value, u64),
}

const EVERY: &[(u64, u64)] = &[(2, 3), (2, 4), (3, 2), (3, 4), (4, 2), (4, 3)];
const NOT_2_TO_3: &[(u64, u64)] = &[(2, 4), (3, 2), (3, 4), (4, 2), (4, 3)];
const BETWEEN_3_AND_4: &[(u64, u64)] = &[(2, 4), (3, 4), (4, 2), (4, 3)];

const FAULTS: [Fault; 12] = [
    Fault {
        what: "cells that are an object",
        ways: EVERY,
        make: |notebook, version| *cells(notebook, version) = json!({"0": {}}),
    },
    Fault {
        what: "no cells",
        ways: NOT_2_TO_3,
        make: |notebook, version| {
            let holder = if version == 4 { notebook } else { &mut notebook["worksheets"][0] };
            holder.as_object_mut().unwrap().remove("cells");
        },
    },
    Fault {
        what: "worksheets that are a text",
        ways: &[(2, 3), (2, 4), (3, 2), (3, 4)],
        make: |notebook, _| notebook["worksheets"] = json!("one"),
    },
    Fault {
        what: "a cell that is a text",
        ways: EVERY,
        make: |notebook, version| add(notebook, version, json!("cell")),
    },
    Fault {
        what: "a cell without a type",
        ways: NOT_2_TO_3,
        make: |notebook, version| add(notebook, version, json!({"source": "a", "metadata": {}})),
    },
    Fault {
        what: "a cell whose type is a number",
        ways: NOT_2_TO_3,
        make: |notebook, version| {
            add(notebook, version, json!({"cell_type": 4, "source": "a", "metadata": {}}));
        },
    },
    Fault {
        what: "code without outputs",
        ways: BETWEEN_3_AND_4,
        make: |notebook, version| {
            let mut cell = code(version, json!([]));
            cell.as_object_mut().unwrap().remove("outputs");
            add(notebook, version, cell);
        },
    },
    Fault {
        what: "outputs that are an object",
        ways: BETWEEN_3_AND_4,
        make: |notebook, version| add(notebook, version, code(version, json!({}))),
    },
    Fault {
        what: "an output without a type",
        ways: BETWEEN_3_AND_4,
        make: |notebook, version| add(notebook, version, code(version, json!([{"text": "a"}]))),
    },
    Fault {
        what: "a heading whose level is a text",
        ways: &[(3, 2), (3, 4)],
        make: |notebook, version| {
            let cell = json!({"cell_type": "heading", "source": "a", "level": "2", "metadata": {}});
            add(notebook, version, cell);
        },
    },
    Fault {
        what: "JSON that is none",
        ways: &[(2, 4), (3, 4)],
        make: |notebook, version| {
            let output = json!({"output_type": "pyout", "json": "{\"a\":", "metadata": {}});
            add(notebook, version, code(version, json!([output])));
        },
    },
    Fault {
        what: "metadata that are a text",
        ways: BETWEEN_3_AND_4,
        make: |notebook, _| notebook["metadata"] = json!("none"),
    },
];

fn cells(notebook: &mut Value, version: u64) -> &mut Value {
    if version == 4 { &mut notebook["cells"] } else { &mut notebook["worksheets"][0]["cells"] }
}

/// One cell more, first.
fn add(notebook: &mut Value, version: u64, cell: Value) {
    cells(notebook, version).as_array_mut().unwrap().insert(0, cell);
}

fn code(version: u64, outputs: Value) -> Value {
    let source = if version == 4 { "source" } else { "input" };
    json!({"cell_type": "code", source: "a", "outputs": outputs, "metadata": {}})
}

#[test]
fn invalid_notebooks_are_refused() {
    let cases = if cfg!(debug_assertions) { 4 } else { 25 };
    let schema = |version: u64| u32::try_from(version - 1).unwrap();
    let refused = RefCell::new(BTreeMap::new());
    for fault in &FAULTS {
        for (from, to) in fault.ways {
            let program = program("notebook", &evolution());
            let (here, there) = (program.view::<Value>(schema(*from)), program.view::<Value>(schema(*to)));
            let (here, there) = (here.unwrap(), there.unwrap());
            let config = Config { cases, failure_persistence: None, ..Config::default() };
            TestRunner::new(config)
                .run(&notebooks(*from), |notebook| {
                    prop_assert!(is_valid(&notebook, *from), "generated invalid");
                    // The control: nothing else is wrong with it.
                    let id = here.insert(&notebook).unwrap();
                    prop_assert!(there.get(&id).is_ok());
                    let mut invalid = notebook;
                    (fault.make)(&mut invalid, *from);
                    prop_assert!(!is_valid(&invalid, *from), "{} is taken for valid", fault.what);
                    let id = here.insert(&invalid).unwrap();
                    let error = match there.get(&id) {
                        Err(error) => error,
                        Ok(read) => {
                            let read = read.map(|read| read.into_value());
                            return Err(TestCaseError::fail(format!("{} became {read:?}", fault.what)));
                        }
                    };
                    prop_assert_eq!(error.kind(), ErrorKind::StepFailed);
                    prop_assert!(matches!(error.context().step(), Some("3" | "4")), "{}", error);
                    prop_assert_eq!(error.context().id(), Some(&id));
                    prop_assert_eq!(&*here.require(&id).unwrap(), &invalid);
                    *refused.borrow_mut().entry((*from, *to)).or_insert(0) += 1;
                    Ok(())
                })
                .unwrap_or_else(|error| panic!("{} from {from} to {to}: {error}", fault.what));
        }
    }
    let refused = refused.into_inner();
    let by_way: Vec<_> =
        refused.iter().map(|((from, to), count)| format!("{count} from {from} to {to}")).collect();
    say(&format!(
        "nbformat: {count} invalid notebooks, {count} refused, 0 accepted; {} faults: {}",
        FAULTS.len(),
        by_way.join(", "),
        count = refused.values().sum::<u32>(),
    ));
    assert_eq!(refused.len(), EVERY.len());
}
