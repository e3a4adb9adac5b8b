//! A value of an enum is called by another name.

mod before {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Status {
        Open,
        Cancelled,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Order {
        pub(crate) status: Status,
        pub(crate) lines: u32,
    }

    impl pivotdb::Versioned for Order {
        const KIND: &'static str = "order";
    }
}

mod after {
    use pivotdb::{Evolution, Op};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Status {
        Open,
        Void,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Order {
        pub(crate) status: Status,
        pub(crate) lines: u32,
    }

    impl pivotdb::Versioned for Order {
        const KIND: &'static str = "order";
        fn evolution() -> Evolution {
            Evolution::new().step("void", Op::rename_value("status", "Cancelled", "Void"))
        }
    }
}

use pivotdb::field;

use crate::harness::Question;

pub(crate) struct Pivot;

fn order(open: bool, lines: u32) -> (before::Order, after::Order) {
    let before = if open { before::Status::Open } else { before::Status::Cancelled };
    let after = if open { after::Status::Open } else { after::Status::Void };
    (before::Order { status: before, lines }, after::Order { status: after, lines })
}

impl crate::harness::Pivot for Pivot {
    type Before = before::Order;
    type After = after::Order;
    const SOURCE: &'static str = include_str!("enum_value.rs");

    fn documents() -> Vec<(before::Order, after::Order)> {
        vec![order(true, 1), order(false, 2), order(false, 3)]
    }

    fn added() -> (before::Order, after::Order) {
        order(false, 4)
    }

    fn newer_edits(after: &mut after::Order) {
        after.status = after::Status::Void;
    }

    fn seen_by_older(before: &mut before::Order) {
        before.status = before::Status::Cancelled;
    }

    fn older_edits(before: &mut before::Order) {
        before.lines += 1;
        before.status = if before.lines == 3 { before::Status::Open } else { before::Status::Cancelled };
    }

    fn seen_by_newer(after: &mut after::Order) {
        after.lines += 1;
        after.status = if after.lines == 3 { after::Status::Open } else { after::Status::Void };
    }

    fn older_asks() -> Question<before::Order> {
        Question {
            filter: field("status").eq("Cancelled").and(field("lines").gte(2)),
            sort: "lines",
            index: "status",
            meant: |order| {
                let meant = order.status == before::Status::Cancelled && order.lines >= 2;
                meant.then(|| order.lines.to_string())
            },
        }
    }

    fn newer_asks() -> Question<after::Order> {
        Question {
            filter: field("status").eq("Void").and(field("lines").gte(2)),
            sort: "lines",
            index: "status",
            meant: |order| {
                let meant = order.status == after::Status::Void && order.lines >= 2;
                meant.then(|| order.lines.to_string())
            },
        }
    }
}
