//! A field is called by another name.

mod before {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) mail: String,
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
        pub(crate) email: String,
        pub(crate) logins: u32,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
        fn evolution() -> Evolution {
            Evolution::new().step("call it email", Op::rename("mail", "email"))
        }
    }
}

use pivotdb::field;

use crate::harness::Question;

pub(crate) struct Pivot;

fn user(mail: &str, logins: u32) -> (before::User, after::User) {
    (before::User { mail: mail.into(), logins }, after::User { email: mail.into(), logins })
}

impl crate::harness::Pivot for Pivot {
    type Before = before::User;
    type After = after::User;
    const SOURCE: &'static str = include_str!("rename.rs");

    fn documents() -> Vec<(before::User, after::User)> {
        vec![user("ada@example.org", 1), user("bob@example.org", 2)]
    }

    fn added() -> (before::User, after::User) {
        user("cleo@example.org", 0)
    }

    fn newer_edits(after: &mut after::User) {
        after.email = "ada@example.com".into();
    }

    fn seen_by_older(before: &mut before::User) {
        before.mail = "ada@example.com".into();
    }

    fn older_edits(before: &mut before::User) {
        before.mail.insert(0, 'x');
        before.logins += 1;
    }

    fn seen_by_newer(after: &mut after::User) {
        after.email.insert(0, 'x');
        after.logins += 1;
    }

    fn older_asks() -> Question<before::User> {
        Question {
            filter: field("mail").lt("b").or(field("mail").gte("xb")),
            sort: "mail",
            index: "mail",
            meant: |user| (*user.mail < *"b" || *user.mail >= *"xb").then(|| user.mail.clone()),
        }
    }

    fn newer_asks() -> Question<after::User> {
        Question {
            filter: field("email").lt("b").or(field("email").gte("xb")),
            sort: "email",
            index: "email",
            meant: |user| (*user.email < *"b" || *user.email >= *"xb").then(|| user.email.clone()),
        }
    }
}
