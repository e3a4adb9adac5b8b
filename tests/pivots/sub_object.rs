//! A field moves into an object of its own.

mod before {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) phone: String,
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
        pub(crate) contact: Contact,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Contact {
        pub(crate) phone: String,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
        fn evolution() -> Evolution {
            Evolution::new().step("contact", Op::move_field("phone", "contact.phone"))
        }
    }
}

use serde_json::json;

use crate::harness::Question;

pub(crate) struct Pivot;

fn user(name: &str, phone: &str) -> (before::User, after::User) {
    let contact = after::Contact { phone: phone.into() };
    (before::User { name: name.into(), phone: phone.into() }, after::User { name: name.into(), contact })
}

impl crate::harness::Pivot for Pivot {
    type Before = before::User;
    type After = after::User;
    const SOURCE: &'static str = include_str!("sub_object.rs");

    fn documents() -> Vec<(before::User, after::User)> {
        vec![user("Ada", "1"), user("Bob", "2")]
    }

    fn added() -> (before::User, after::User) {
        user("Cleo", "3")
    }

    fn newer_edits(after: &mut after::User) {
        after.contact.phone = "11".into();
    }

    fn seen_by_older(before: &mut before::User) {
        before.phone = "11".into();
    }

    fn older_edits(before: &mut before::User) {
        before.phone.push('0');
    }

    fn seen_by_newer(after: &mut after::User) {
        after.contact.phone.push('0');
    }

    fn older_asks() -> Question<before::User> {
        Question {
            filter: json!({"phone": {"$lt": "2"}}).into(),
            sort: "phone",
            index: "phone",
            meant: |user| (*user.phone < *"2").then(|| user.phone.clone()),
        }
    }

    fn newer_asks() -> Question<after::User> {
        Question {
            filter: json!({"contact.phone": {"$lt": "2"}}).into(),
            sort: "contact.phone",
            index: "contact.phone",
            meant: |user| (*user.contact.phone < *"2").then(|| user.contact.phone.clone()),
        }
    }
}
