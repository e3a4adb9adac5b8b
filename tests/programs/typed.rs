//! The program with types.

use std::cell::RefCell;
use std::path::Path;

use pivotdb::{Document, DocumentId, Evolution, Index, IndexState, Op, Store, To, Versioned, field};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize)]
struct User {
    first: String,
    last: String,
    email: String,
    contact: Contact,
    age: u32,
    #[serde(default)]
    tags: Vec<String>, // a compatible change: no step
}

impl Versioned for User {
    const KIND: &'static str = "user";

    fn evolution() -> Evolution {
        Evolution::new()
            .step("split name", [Op::split("name", " ", ["first", "last"])]) // 2
            .step("phone to contact", [Op::move_field("phone", "contact.phone")]) // 3
            .step("age is a number", [Op::convert("age", To::Integer).or(0)]) // 4
    }

    fn indexes() -> Vec<Index> {
        vec![Index::unique("email"), Index::on("age")]
    }
}

#[derive(Serialize, Deserialize)]
struct Contact {
    phone: String,
}

/// What a user was in the program's first version, and what a view makes of him.
#[derive(Serialize, Deserialize)]
struct UserV1 {
    name: String,
    email: String,
    phone: String,
    age: String,
}

/// The first version of the program, which knew of no steps and no indexes.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct First(UserV1);

impl Versioned for First {
    const KIND: &'static str = "user";
}

fn ada() -> User {
    User {
        first: "Ada".into(),
        last: "Lovelace".into(),
        email: "ada@example.org".into(),
        contact: Contact { phone: "2".into() },
        age: 36,
        tags: vec!["beta".into()],
    }
}

thread_local! {
    /// What the program prints.
    static PRINTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn print(line: &str) {
    println!("{line}");
    PRINTED.with_borrow_mut(|printed| printed.push(line.to_owned()));
}

/// `main`, but for the path and for what it gives.
fn program(path: &Path) -> pivotdb::Result<DocumentId> {
    let store = Store::builder().register::<User>().open(path)?; // histories are compared here
    let users = store.collection::<User>("users")?;

    let id = users.insert(&ada())?; // UUID v7
    if let Err(e) = users.insert(&ada()) {
        assert!(e.is_unique_violation()); // names index, value, holder
    }
    users.update(&id, |u| u.age += 1)?; // gives the new Document<User>

    for user in users.find(field("age").gte(18).and(field("tags").contains("beta"))).sort("last").limit(20) {
        print(&user?.email);
    }

    store.transaction(|tx| {
        let users = tx.on(&users); // also a Collection<User>
        let mut ada = users.require(&id)?; // or a NotFound error
        ada.tags.push("vip".into());
        users.replace(&mut ada) // compare-and-swap on the revision
    })?;

    let v1 = users.view::<UserV1>(1)?; // UserV1: plain serde
    assert_eq!(v1.require(&id)?.name, "Ada Lovelace");
    store.close()?;
    Ok(id)
}

/// The documents of the first version, as it wrote them.
fn written_by_the_first_version(path: &Path) -> Vec<DocumentId> {
    let store = Store::open(path).unwrap();
    let users = store.collection::<First>("users").unwrap();
    let user = |name: &str, email: &str, age: &str| {
        First(UserV1 { name: name.into(), email: email.into(), phone: "1".into(), age: age.into() })
    };
    let ids = users
        .insert_many(&[
            user("Grace Hopper", "grace@example.org", "85"),
            user("Mary Somerville", "mary@example.org", "unknown"),
        ])
        .unwrap();
    // A member that the first version's type did not name: what `tags` became.
    let values = store.documents("users").unwrap();
    values.update(&ids[0], |user| user["tags"] = json!(["beta"])).unwrap();
    store.close().unwrap();
    ids
}

#[test]
fn the_typed_program_runs_on_a_new_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.pivot");
    let id = program(&path).unwrap();
    assert_eq!(PRINTED.take(), ["ada@example.org"]);
    assert_eq!(id.as_uuid().unwrap().get_version_num(), 7);

    let store = Store::builder().register::<User>().open(&path).unwrap();
    let users = store.collection::<User>("users").unwrap();
    let ada: Document<User> = users.require(&id).unwrap();
    assert_eq!((ada.age, ada.revision().get(), ada.stamp().schema_version), (37, 3, 4));
    assert_eq!(ada.tags, ["beta", "vip"]);
    assert_eq!(users.count().unwrap(), 1, "the second insert was refused");
    let error = users.insert(&self::ada()).unwrap_err();
    assert!(error.is_unique_violation());
    let context = error.context();
    assert_eq!((context.collection(), context.detail("index")), (Some("users"), Some("email")));
    let told = error.to_string();
    assert!(told.contains("ada@example.org") && told.contains(&id.to_string()), "{told}");
    let indexes = users.indexes().unwrap();
    assert_eq!(indexes.iter().map(|index| &*index.name).collect::<Vec<_>>(), ["email", "age"]);
    assert!(indexes.iter().all(|index| index.state == IndexState::Readable));
}

#[test]
fn the_typed_program_reads_what_its_first_version_has_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.pivot");
    let old = written_by_the_first_version(&path);
    let id = program(&path).unwrap();
    assert_eq!(PRINTED.take(), ["grace@example.org", "ada@example.org"], "by their last names");

    let store = Store::builder().register::<User>().open(&path).unwrap();
    let users = store.collection::<User>("users").unwrap();
    let grace = users.require(&old[0]).unwrap();
    assert_eq!((&*grace.first, &*grace.last, &*grace.contact.phone), ("Grace", "Hopper", "1"));
    assert_eq!((grace.age, &*grace.tags), (85, &["beta".to_owned()][..]));
    let mary = users.require(&old[1]).unwrap();
    assert_eq!((&*mary.last, mary.age, mary.tags.len()), ("Somerville", 0, 0));
    assert_eq!([&grace, &mary].map(|user| user.stamp().schema_version), [1, 1], "reading rewrites nothing");
    assert_eq!(users.count().unwrap(), 3);

    // And the other way: the view that the program makes, of both.
    let v1 = users.view::<UserV1>(1).unwrap();
    assert_eq!(v1.require(&old[1]).unwrap().age, "unknown");
    let ada = v1.require(&id).unwrap();
    assert_eq!((&*ada.name, &*ada.phone, &*ada.age), ("Ada Lovelace", "2", "37"));
    store.close().unwrap();
}

/// Run again, the program ends where Ada is inserted first: its `?` there is for errors of which this is one.
#[test]
fn the_typed_program_is_refused_the_second_ada() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.pivot");
    program(&path).unwrap();
    let error = program(&path).unwrap_err();
    assert!(error.is_unique_violation());
    let store = Store::builder().register::<User>().open(&path).unwrap();
    assert_eq!(store.collection::<User>("users").unwrap().count().unwrap(), 1);
}
