//! A member becomes unique, over documents that are there already, two of which have the same.

mod before {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) email: String,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
    }
}

mod after {
    use pivotdb::Index;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) email: String,
    }

    impl pivotdb::Versioned for User {
        const KIND: &'static str = "user";
        fn indexes() -> Vec<Index> {
            vec![Index::unique("email")]
        }
    }
}

use pivotdb::{IndexState, Store, field};

use crate::harness::Question;

pub(crate) struct Pivot;

fn user(name: &str, email: &str) -> (before::User, after::User) {
    let (name, email) = (name.to_owned(), email.to_owned());
    (before::User { name: name.clone(), email: email.clone() }, after::User { name, email })
}

impl crate::harness::Pivot for Pivot {
    type Before = before::User;
    type After = after::User;
    const SOURCE: &'static str = include_str!("unique_index.rs");

    fn documents() -> Vec<(before::User, after::User)> {
        vec![user("Ada", "ada@example.org"), user("Bob", "ada@example.org"), user("Eve", "eve@example.org")]
    }

    fn added() -> (before::User, after::User) {
        user("Cleo", "cleo@example.org")
    }

    fn newer_edits(after: &mut after::User) {
        after.name = "Ada King".into();
    }

    fn seen_by_older(before: &mut before::User) {
        before.name = "Ada King".into();
    }

    fn older_edits(before: &mut before::User) {
        before.name.push_str(" II");
    }

    fn seen_by_newer(after: &mut after::User) {
        after.name.push_str(" II");
    }

    fn older_asks() -> Question<before::User> {
        Question {
            filter: field("email").eq("ada@example.org"),
            sort: "name",
            index: "email",
            meant: |user| (user.email == "ada@example.org").then(|| user.name.clone()),
        }
    }

    fn newer_asks() -> Question<after::User> {
        Question {
            filter: field("email").eq("ada@example.org"),
            sort: "name",
            index: "email",
            meant: |user| (user.email == "ada@example.org").then(|| user.name.clone()),
        }
    }

    /// The index says who has what another one has; what is unique is refused already. Once that is put right, it is built anew.
    fn check_others(store: &Store) {
        let users = store.collection::<after::User>("things").unwrap();
        let unique = || users.indexes().unwrap().into_iter().rfind(|index| index.name == "email").unwrap();
        let index = unique();
        assert_eq!(
            (index.state, index.duplicates, index.duplicate_ids),
            (IndexState::Failed, 1, vec![2.into()])
        );
        assert!(users.insert(&user("Eve", "eve@example.org").1).unwrap_err().is_unique_violation());
        users.update(2, |bob| bob.email = "bob@example.org".into()).unwrap();
        users.rebuild_index("email").unwrap();
        assert_eq!(unique().state, IndexState::Readable);
        assert!(users.insert(&user("Bob", "bob@example.org").1).unwrap_err().is_unique_violation());
    }
}
