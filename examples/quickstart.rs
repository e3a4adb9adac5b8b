//! A program that has changed its mind three times, over the documents that its first version has written.
//!
//! ```sh
//! cargo run --example quickstart
//! ```

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use pivotdb::{DocumentId, Evolution, Op, Store, To, Versioned};
use serde::{Deserialize, Serialize};

/// What a user was at first.
#[derive(Serialize, Deserialize)]
struct UserV1 {
    name: String,
    email: String,
    phone: String,
    age: String,
}

impl Versioned for UserV1 {
    const KIND: &'static str = "user";
}

/// What a user is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    first: String,
    last: String,
    email: String,
    contact: Contact,
    age: u32,
    #[serde(default)]
    tags: Vec<String>, // a compatible change: no step
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Contact {
    phone: String,
}

impl Versioned for User {
    const KIND: &'static str = "user";

    fn evolution() -> Evolution {
        Evolution::new()
            .step("split name", Op::split("name", " ", ["first", "last"])) // 2
            .step("phone to contact", Op::move_field("phone", "contact.phone")) // 3
            .step("age is a number", Op::convert("age", To::Integer).or(0)) // 4
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("app.pivot");

    // The first version of the program.
    let grace = {
        let store = Store::open(&path)?;
        let users = store.collection::<UserV1>("users")?;
        let grace = UserV1 {
            name: "Grace Hopper".into(),
            email: "grace@example.org".into(),
            phone: "1".into(),
            age: "85".into(),
        };
        let id = users.insert(&grace)?;
        store.close()?;
        id
    };

    // The present one. No migration: opening does nothing for each document; what sled does for its own files grows slowly with them.
    let store = Store::builder().register::<User>().open(&path)?;
    let users = store.collection::<User>("users")?;

    let ada = User {
        first: "Ada".into(),
        last: "Lovelace".into(),
        email: "ada@example.org".into(),
        contact: Contact { phone: "2".into() },
        age: 36,
        tags: vec!["beta".into()],
    };
    let id: DocumentId = users.insert(&ada)?; // on the disk when it returns
    if let Err(error) = users.insert_with_id(&id, &ada) {
        assert!(error.is_unique_violation());
    }
    let older = users.update(&id, |user| user.age += 1)?; // writes the difference
    assert_eq!((older.age, older.revision().get()), (37, 2));

    for user in users.iter() {
        let user = user?;
        println!("{} {}, {}, {}", user.first, user.last, user.age, user.stamp());
    }
    let read = users.require(&grace)?;
    assert_eq!((read.first.as_str(), read.contact.phone.as_str(), read.age), ("Grace", "1", 85));
    assert_eq!(read.stamp().schema_version, 1, "reading rewrites nothing");

    store.transaction(|tx| {
        let users = tx.on(&users);
        let mut grace = users.require(&grace)?;
        grace.tags.push("vip".into());
        users.replace(&mut grace) // compare-and-swap on the revision
    })?;
    assert_eq!(users.require(&grace)?.stamp().schema_version, 4, "writing does");

    // What a part of the program that is not rewritten yet sees.
    let v1 = users.view::<UserV1>(1)?;
    assert_eq!(v1.require(&id)?.name, "Ada Lovelace");
    v1.update(&id, |user| user.name = "Ada King".into())?;
    let ada = users.require(&id)?;
    assert_eq!((ada.last.as_str(), &ada.tags), ("King", &vec!["beta".to_owned()]));

    store.close()?;
    println!("quickstart: ok");
    Ok(())
}
