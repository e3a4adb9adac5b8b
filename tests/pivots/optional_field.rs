//! A field that documents may have is added: no step.

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
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) nickname: Option<String>,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
    }
}

use pivotdb::field;

use crate::harness::Question;

pub(crate) struct Pivot;

fn user(name: &str, nickname: Option<&str>) -> (before::User, after::User) {
    (
        before::User { name: name.into() },
        after::User { name: name.into(), nickname: nickname.map(String::from) },
    )
}

impl crate::harness::Pivot for Pivot {
    type Before = before::User;
    type After = after::User;
    const SOURCE: &'static str = include_str!("optional_field.rs");

    fn documents() -> Vec<(before::User, after::User)> {
        vec![user("Ada", None), user("Bob", None)]
    }

    fn added() -> (before::User, after::User) {
        user("Cleopatra", Some("Cleo"))
    }

    fn newer_edits(after: &mut after::User) {
        after.nickname = Some("Countess".into());
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
            filter: field("name").gte("B").and(field("nickname").ne("Cleo")),
            sort: "name",
            index: "name",
            meant: |user| {
                (*user.name >= *"B" && user.nickname.as_deref() != Some("Cleo")).then(|| user.name.clone())
            },
        }
    }
}
