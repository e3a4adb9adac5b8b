//! A text becomes a number.

mod before {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) age: String,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
    }
}

mod after {
    use pivotdb::{Evolution, Op, To};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) age: u32,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
        fn evolution() -> Evolution {
            Evolution::new().step("age is a number", Op::convert("age", To::Integer).or(0))
        }
    }
}

use serde_json::json;

use crate::harness::Question;

pub(crate) struct Pivot;

fn user(name: &str, text: &str, age: u32) -> (before::User, after::User) {
    (before::User { name: name.into(), age: text.into() }, after::User { name: name.into(), age })
}

impl crate::harness::Pivot for Pivot {
    type Before = before::User;
    type After = after::User;
    const SOURCE: &'static str = include_str!("type_change.rs");

    fn documents() -> Vec<(before::User, after::User)> {
        // What is no number, and what is written in another way, comes back.
        vec![user("Ada", "36", 36), user("Bob", "unknown", 0), user("Dan", "007", 7)]
    }

    fn added() -> (before::User, after::User) {
        user("Cleo", "39", 39)
    }

    fn newer_edits(after: &mut after::User) {
        after.age += 1;
    }

    fn seen_by_older(before: &mut before::User) {
        before.age = "37".into();
    }

    fn older_edits(before: &mut before::User) {
        before.name.push('!');
    }

    fn seen_by_newer(after: &mut after::User) {
        after.name.push('!');
    }

    fn older_asks() -> Question<before::User> {
        Question {
            filter: json!({"age": {"$gte": "1", "$lt": "4"}}).into(),
            sort: "age",
            index: "age",
            meant: |user| (*user.age >= *"1" && *user.age < *"4").then(|| user.age.clone()),
        }
    }

    fn newer_asks() -> Question<after::User> {
        Question {
            filter: json!({"age": {"$gte": 30}}).into(),
            sort: "age",
            index: "age",
            meant: |user| (user.age >= 30).then(|| format!("{:3}", user.age)),
        }
    }
}
