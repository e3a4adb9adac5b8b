//! A field that every document has is added; those that are there get a default.

mod before {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
    }
}

mod after {
    use pivotdb::{Evolution, Op};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) country: String,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
        fn evolution() -> Evolution {
            Evolution::new().step("everybody has a country", Op::add("country", "NL"))
        }
    }
}

use pivotdb::field;

use crate::harness::Question;

pub(crate) struct Pivot;

fn user(name: &str, country: &str) -> (before::User, after::User) {
    (before::User { name: name.into() }, after::User { name: name.into(), country: country.into() })
}

impl crate::harness::Pivot for Pivot {
    type Before = before::User;
    type After = after::User;
    const SOURCE: &'static str = include_str!("required_field.rs");

    fn documents() -> Vec<(before::User, after::User)> {
        vec![user("Ada", "NL"), user("Bob", "NL")]
    }

    fn added() -> (before::User, after::User) {
        user("Cleo", "EG")
    }

    fn newer_edits(after: &mut after::User) {
        after.country = "GB".into();
    }

    fn seen_by_older(_: &mut before::User) {}

    fn older_edits(before: &mut before::User) {
        before.name.push_str(" II");
    }

    fn seen_by_newer(after: &mut after::User) {
        after.name.push_str(" II");
    }

    fn older_asks() -> Question<before::User> {
        Question {
            filter: field("name").gte("B"),
            sort: "name",
            index: "name",
            meant: |user| (*user.name >= *"B").then(|| user.name.clone()),
        }
    }

    fn newer_asks() -> Question<after::User> {
        Question {
            filter: field("country").eq("NL"),
            sort: "name",
            index: "country",
            meant: |user| (user.country == "NL").then(|| user.name.clone()),
        }
    }
}
