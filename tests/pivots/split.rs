//! A field becomes two.

mod before {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) logins: u32,
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
        pub(crate) first: String,
        pub(crate) last: String,
        pub(crate) logins: u32,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
        fn evolution() -> Evolution {
            Evolution::new().step("split name", Op::split("name", " ", ["first", "last"]))
        }
    }
}

use pivotdb::field;

use crate::harness::Question;

pub(crate) struct Pivot;

fn user(name: &str, first: &str, last: &str) -> (before::User, after::User) {
    let after = after::User { first: first.into(), last: last.into(), logins: 0 };
    (before::User { name: name.into(), logins: 0 }, after)
}

impl crate::harness::Pivot for Pivot {
    type Before = before::User;
    type After = after::User;
    const SOURCE: &'static str = include_str!("split.rs");

    fn documents() -> Vec<(before::User, after::User)> {
        vec![user("Ada King Lovelace", "Ada", "King Lovelace"), user("Plato", "Plato", "")]
    }

    fn added() -> (before::User, after::User) {
        // The older program would split it elsewhere.
        user("Jan Peter van Dam", "Jan Peter", "van Dam")
    }

    fn newer_edits(after: &mut after::User) {
        after.last = "Byron".into();
    }

    fn seen_by_older(before: &mut before::User) {
        before.name = "Ada Byron".into();
    }

    fn older_edits(before: &mut before::User) {
        before.logins += 1;
    }

    fn seen_by_newer(after: &mut after::User) {
        after.logins += 1;
    }

    fn older_asks() -> Question<before::User> {
        Question {
            filter: field("name").lt("K"),
            sort: "name",
            index: "name",
            meant: |user| (*user.name < *"K").then(|| user.name.clone()),
        }
    }

    fn newer_asks() -> Question<after::User> {
        Question {
            filter: field("last").gt(""),
            sort: "last",
            index: "last",
            meant: |user| (!user.last.is_empty()).then(|| user.last.clone()),
        }
    }
}
