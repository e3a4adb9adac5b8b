//! Two branches of the program each add a step, both are deployed, and then they are merged: the merged program has both steps, in the order that
//! the one branch gave to its own. The program before the pivot is the other branch.

use pivotdb::{Store, field};

/// The branch whose step comes first in the merged program.
mod other {
    use pivotdb::{Evolution, Op};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) email: String,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
        fn evolution() -> Evolution {
            Evolution::new().step("call it email", Op::rename("mail", "email"))
        }
    }
}

mod before {
    use pivotdb::{Evolution, Op};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) mail: String,
        pub(crate) country: String,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
        fn evolution() -> Evolution {
            Evolution::new().step("everybody has a country", Op::add("country", "NL"))
        }
    }
}

mod after {
    use pivotdb::{Evolution, Op};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) email: String,
        pub(crate) country: String,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
        fn evolution() -> Evolution {
            Evolution::new()
                .step("call it email", Op::rename("mail", "email"))
                .step("everybody has a country", Op::add("country", "NL"))
        }
    }
}

use crate::harness::Question;

pub(crate) struct Pivot;

fn user(name: &str, mail: &str, country: &str) -> (before::User, after::User) {
    let (name, mail, country) = (String::from(name), String::from(mail), String::from(country));
    let after = after::User { name: name.clone(), email: mail.clone(), country: country.clone() };
    (before::User { name, mail, country }, after)
}

impl crate::harness::Pivot for Pivot {
    type Before = before::User;
    type After = after::User;
    const SOURCE: &'static str = include_str!("two_branches.rs");

    fn documents() -> Vec<(before::User, after::User)> {
        vec![user("Ada", "ada@example.org", "GB"), user("Bob", "bob@example.org", "NL")]
    }

    fn added() -> (before::User, after::User) {
        user("Cleo", "cleo@example.org", "EG")
    }

    fn newer_edits(after: &mut after::User) {
        after.email.push_str(".uk");
    }

    fn seen_by_older(before: &mut before::User) {
        before.mail.push_str(".uk");
    }

    fn older_edits(before: &mut before::User) {
        before.name.push_str(" II");
        before.country.push('!');
    }

    fn seen_by_newer(after: &mut after::User) {
        after.name.push_str(" II");
        after.country.push('!');
    }

    fn older_asks() -> Question<before::User> {
        Question {
            filter: field("mail").gte("b").and(field("country").ne("EG")),
            sort: "name",
            index: "mail",
            meant: |user| (*user.mail >= *"b" && user.country != "EG").then(|| user.name.clone()),
        }
    }

    fn newer_asks() -> Question<after::User> {
        Question {
            filter: field("email").gte("b").and(field("country").ne("EG")),
            sort: "name",
            index: "email",
            meant: |user| (*user.email >= *"b" && user.country != "EG").then(|| user.name.clone()),
        }
    }

    fn others(store: &Store) {
        let users = store.collection::<other::User>("others").unwrap();
        let dan = other::User { name: "Dan".into(), email: "dan@example.org".into() };
        users.insert_with_id(1, &dan).unwrap();
    }

    fn check_others(store: &Store) {
        let users = store.collection::<after::User>("others").unwrap();
        assert_eq!(users.require(1).unwrap().value, user("Dan", "dan@example.org", "NL").1);
    }
}
