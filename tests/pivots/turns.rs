//! Two programs, of which the newer has one step more, take turns on one store; then a third joins in, which has another step in its place. Each finds
//! all that the others have done, as far as its shape has room for it, and loses nothing of what it has no room for.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use pivotdb::{Collection, Durability, Evolution, Op, Store, To, Verify, Versioned, Warning};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::harness::start;

fn common() -> Evolution {
    Evolution::new()
        .step("say mail", Op::rename("m", "mail"))
        .step("everybody has a phone", Op::add("phone", "none"))
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Older {
    name: String,
    mail: String,
    age: String,
    phone: String,
}

impl Versioned for Older {
    const KIND: &'static str = "user";
    fn evolution() -> Evolution {
        common()
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newer {
    name: String,
    email: String,
    age: u32,
    contact: Contact,
    country: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Contact {
    phone: String,
}

impl Versioned for Newer {
    const KIND: &'static str = "user";
    fn evolution() -> Evolution {
        common().step(
            "contact",
            [
                Op::rename("mail", "email"),
                Op::convert("age", To::Integer),
                Op::move_field("phone", "contact.phone"),
                Op::add("country", "NL"),
            ],
        )
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Third {
    name: String,
    addresses: Vec<String>,
    age: u32,
    phone: String,
    tier: u32,
}

impl Versioned for Third {
    const KIND: &'static str = "user";
    fn evolution() -> Evolution {
        common().step(
            "tiers",
            [
                Op::rename("mail", "addresses"),
                Op::wrap_list("addresses"),
                Op::convert("age", To::Integer),
                Op::add("tier", 0),
            ],
        )
    }
}

/// Everything that any program knows of a document.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    name: String,
    mail: String,
    age: u32,
    phone: String,
    country: String,
    tier: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum Edit {
    Name(String),
    Mail(String),
    Age(u32),
    Phone(String),
    Country(String),
    Tier(u32),
}

impl Model {
    fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Name(name) => self.name = name,
            Edit::Mail(mail) => self.mail = mail,
            Edit::Age(age) => self.age = age,
            Edit::Phone(phone) => self.phone = phone,
            Edit::Country(country) => self.country = country,
            Edit::Tier(tier) => self.tier = tier,
        }
    }
}

/// A program's type of the documents.
trait Shape: Versioned + std::fmt::Debug + PartialEq {
    fn of(model: &Model) -> Self;
    /// `None`: there is no room for it.
    fn edit(&mut self, edit: &Edit) -> Option<()>;
}

impl Shape for Older {
    fn of(Model { name, mail, age, phone, .. }: &Model) -> Self {
        Self { name: name.clone(), mail: mail.clone(), age: age.to_string(), phone: phone.clone() }
    }

    fn edit(&mut self, edit: &Edit) -> Option<()> {
        match edit.clone() {
            Edit::Name(name) => self.name = name,
            Edit::Mail(mail) => self.mail = mail,
            Edit::Age(age) => self.age = age.to_string(),
            Edit::Phone(phone) => self.phone = phone,
            Edit::Country(_) | Edit::Tier(_) => return None,
        }
        Some(())
    }
}

impl Shape for Newer {
    fn of(Model { name, mail, age, phone, country, .. }: &Model) -> Self {
        let contact = Contact { phone: phone.clone() };
        Self { name: name.clone(), email: mail.clone(), age: *age, contact, country: country.clone() }
    }

    fn edit(&mut self, edit: &Edit) -> Option<()> {
        match edit.clone() {
            Edit::Name(name) => self.name = name,
            Edit::Mail(mail) => self.email = mail,
            Edit::Age(age) => self.age = age,
            Edit::Phone(phone) => self.contact.phone = phone,
            Edit::Country(country) => self.country = country,
            Edit::Tier(_) => return None,
        }
        Some(())
    }
}

impl Shape for Third {
    fn of(Model { name, mail, age, phone, tier, .. }: &Model) -> Self {
        Self {
            name: name.clone(),
            addresses: vec![mail.clone()],
            age: *age,
            phone: phone.clone(),
            tier: *tier,
        }
    }

    fn edit(&mut self, edit: &Edit) -> Option<()> {
        match edit.clone() {
            Edit::Name(name) => self.name = name,
            Edit::Mail(mail) => self.addresses = vec![mail],
            Edit::Age(age) => self.age = age,
            Edit::Phone(phone) => self.phone = phone,
            Edit::Country(_) => return None,
            Edit::Tier(tier) => self.tier = tier,
        }
        Some(())
    }
}

/// Turns of two programs, and then of three.
const OF_TWO: u64 = 50;
const OF_THREE: u64 = 16;

/// What a program does in one of its turns.
#[derive(Debug)]
enum Deed {
    Insert(i64, Model),
    Edit(i64, Edit),
    Delete(i64),
}

/// xorshift64*: the same turns on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn text(&mut self) -> String {
        format!("text {}", self.below(1000))
    }
}

/// The program whose turn it is: 0, 1 or 2.
fn program(turn: u64) -> u64 {
    match turn % 4 {
        _ if turn < OF_TWO => turn % 2,
        0 | 2 => 2,
        1 => 1,
        _ => 0,
    }
}

/// What happens in a turn, given the documents before it.
fn deeds(turn: u64, documents: &mut BTreeMap<i64, Model>) -> Vec<Deed> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ ((turn + 1) << 20));
    let mut deeds = Vec::new();
    for number in 0..8 {
        let ids: Vec<i64> = documents.keys().copied().collect();
        let some =
            |random: &mut Random| ids.get(usize::try_from(random.below(ids.len() as u64)).unwrap()).copied();
        let deed = match random.below(10) {
            _ if ids.len() < 4 => None,
            0 | 1 => None,
            2 if ids.len() > 8 => some(&mut random).map(Deed::Delete),
            _ => {
                let edit = match random.below(8) {
                    0 | 1 => Edit::Name(random.text()),
                    2 => Edit::Mail(random.text()),
                    3 => Edit::Age(u32::try_from(random.below(100)).unwrap()),
                    4 => Edit::Phone(random.text()),
                    _ if program(turn) == 1 => Edit::Country(random.text()),
                    _ if program(turn) == 2 => Edit::Tier(u32::try_from(random.below(100)).unwrap()),
                    _ => Edit::Phone(random.text()),
                };
                some(&mut random).map(|id| Deed::Edit(id, edit))
            }
        };
        let deed = deed.unwrap_or_else(|| {
            let age = u32::try_from(random.below(100)).unwrap();
            let (name, mail, phone) = (random.text(), random.text(), random.text());
            let mut model = Model { name, mail, age, phone, country: "NL".into(), tier: 0 };
            match program(turn) {
                1 => model.country = random.text(),
                2 => model.tier = 1 + u32::try_from(random.below(9)).unwrap(),
                _ => {}
            }
            Deed::Insert(i64::try_from(turn * 100 + number).unwrap(), model)
        });
        match &deed {
            Deed::Insert(id, model) => drop(documents.insert(*id, model.clone())),
            Deed::Edit(id, edit) => documents.get_mut(id).unwrap().edit(edit.clone()),
            Deed::Delete(id) => drop(documents.remove(id)),
        }
        deeds.push(deed);
    }
    deeds
}

/// One turn, in a process of its own.
pub(crate) fn play(turn: &str, path: &Path) {
    let turn: u64 = turn.parse().unwrap();
    let store = Store::builder().durability(Durability::Buffered).open(path).unwrap();
    match program(turn) {
        0 => take_turn::<Older>(turn, &store),
        1 => take_turn::<Newer>(turn, &store),
        _ => take_turn::<Third>(turn, &store),
    }
    if turn + 1 == OF_TWO + OF_THREE {
        assert_eq!(Verify::new(&store).run().unwrap().findings.len(), 0);
    }
    store.close().unwrap();
}

fn take_turn<T: Shape>(turn: u64, store: &Store) {
    let users = store.collection::<T>("users").unwrap();
    let diverged = |warning: &Warning| matches!(warning, Warning::Diverged { .. });
    assert!(!store.warnings().iter().any(diverged), "{:?}", store.warnings());
    let mut model = BTreeMap::new();
    for before in 0..turn {
        deeds(before, &mut model);
    }
    compare(store, &users, &model).unwrap();
    for deed in deeds(turn, &mut model) {
        match deed {
            Deed::Insert(id, model) => {
                users.insert_with_id(id, &T::of(&model)).unwrap();
                let patch = json!({"unknown": unknown(id)});
                store.documents("users").unwrap().merge_patch(id, &patch).unwrap();
            }
            Deed::Edit(id, edit) => drop(users.update(id, |user| user.edit(&edit).unwrap()).unwrap()),
            Deed::Delete(id) => assert!(users.delete(id).unwrap()),
        }
    }
    compare(store, &users, &model).unwrap();
}

/// What differs between the documents, as the program sees them, and the model.
fn compare<T: Shape>(
    store: &Store,
    users: &Collection<T>,
    model: &BTreeMap<i64, Model>,
) -> Result<(), String> {
    let found: Vec<_> = users.iter().map(|user| user.unwrap()).collect();
    if found.len() != model.len() {
        return Err(format!("{} documents instead of {}", found.len(), model.len()));
    }
    for (user, (id, model)) in found.iter().zip(model) {
        let expected = T::of(model);
        if (user.id(), &user.value) != (&(*id).into(), &expected) {
            let (id, stamp) = (user.id(), user.stamp());
            return Err(format!("{id}: {:?} instead of {expected:?}, stored at {stamp}", user.value));
        }
        let untyped = store.documents("users").unwrap().require(*id).unwrap();
        if untyped.get("unknown") != Some(&unknown(*id)) {
            return Err(format!("{id}: what nobody knows is {:?}", untyped.get("unknown")));
        }
    }
    Ok(())
}

/// What no program knows.
fn unknown(id: i64) -> Value {
    json!({"to": ["all", id]})
}

/// A model with one document, and the store of the newer program that has it.
fn one_document() -> (Store, BTreeMap<i64, Model>) {
    let store = Store::memory().unwrap();
    let users = store.collection::<Newer>("users").unwrap();
    let model = Model {
        name: "Ada".into(),
        mail: "ada@example.org".into(),
        age: 36,
        phone: "1".into(),
        country: "GB".into(),
        tier: 0,
    };
    users.insert_with_id(1, &Newer::of(&model)).unwrap();
    store.documents("users").unwrap().merge_patch(1, &json!({"unknown": unknown(1)})).unwrap();
    (store, BTreeMap::from([(1, model)]))
}

/// The control: whatever an older program loses that writes its documents otherwise than it should, the comparison tells.
#[test]
fn losses_are_told() {
    type Loss = fn(&Store, &Collection<Older>, &Model);
    let losses: [(&str, Option<Loss>); 5] = [
        ("", None),
        // What it has no room for, known and unknown.
        (
            "country: \"NL\"",
            Some(|store, users, model| {
                users.overwrite(1, &Older::of(model)).unwrap();
                store.documents("users").unwrap().merge_patch(1, &json!({"unknown": unknown(1)})).unwrap();
            }),
        ),
        (
            "what nobody knows is None",
            Some(|store, _, _| {
                store.documents("users").unwrap().merge_patch(1, &json!({"unknown": null})).unwrap();
            }),
        ),
        // An edit, and a document.
        (
            "name: \"Eve\"",
            Some(|_, users, _| drop(users.update(1, |user| user.name = "Eve".into()).unwrap())),
        ),
        ("0 documents instead of 1", Some(|_, users, _| assert!(users.delete(1).unwrap()))),
    ];
    for (told, loss) in losses {
        let (store, model) = one_document();
        let users = store.collection::<Newer>("users").unwrap();
        if let Some(loss) = loss {
            loss(&store, &users.view::<Older>(3).unwrap(), &model[&1]);
        }
        let compared = compare(&store, &users, &model);
        assert_eq!(compared.is_err(), loss.is_some(), "{compared:?}");
        assert!(compared.err().is_none_or(|difference| difference.contains(told)), "{told}");
    }
}

#[test]
fn programs_take_turns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("turns.pivot");
    let (mut model, mut edits, mut of_older) = (BTreeMap::new(), 0, 0);
    for turn in 0..OF_TWO + OF_THREE {
        start(&format!("turns {turn}"), &path);
        let edited = |deed: &Deed| matches!(deed, Deed::Edit(..));
        let count = deeds(turn, &mut model).into_iter().filter(edited).count();
        edits += count;
        of_older += if program(turn) == 0 { count } else { 0 };
    }
    // The last turns were on branches.
    let store = Store::open(&path).unwrap();
    store.collection::<Newer>("users").unwrap();
    let branches =
        store.warnings().into_iter().filter(|warning| matches!(warning, Warning::OtherBranch { .. }));
    assert_eq!(branches.count(), 1, "{:?}", store.warnings());
    assert!(edits > 200 && of_older > 80, "{edits} edits, {of_older} of the older program");
    let line = format!(
        "turns: {OF_TWO} of two programs, {OF_THREE} of three, {edits} edits, {} documents in the end, nothing lost\n",
        model.len()
    );
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}
