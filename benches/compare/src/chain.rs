//! Chains of steps, by PivotDB's ops and by hand.

use pivotdb::{Evolution, Op, To, When};
use serde_json::{Map, Value, json};

/// One step of a chain, on the object at a path.
#[derive(Debug, Clone)]
enum Change {
    Rename(String, String),
    Add(String, u64),
    Text(&'static str),
    Integer(&'static str),
    MoveIn(&'static str, &'static str),
    MoveOut(&'static str, &'static str),
    Remove(String),
    /// Of a text that nothing else is done to.
    Split,
    Join,
    /// Where there is a member with the second name.
    SetWhere(String, &'static str),
}

/// The text that is split and joined, and its two parts.
const WHOLE: &str = "remark";
const PARTS: [&str; 2] = ["remark_head", "remark_tail"];

/// Steps that lead from an old shape of a type's documents to that of today, one op each, as mixed as those of a program that has lived for years.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Where the changes are: a member of the document, or the document itself.
    place: Option<&'static str>,
    changes: Vec<Change>,
}

/// What a chain is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Ops that name members and change values: all that come together are carried out at once.
    Together,
    /// One op in five is a split, a join, or a set under a condition: carried out by itself.
    Interrupted,
}

impl Chain {
    /// `place`: of an object with the members `name`, `age` and `city`.
    #[must_use]
    pub fn new(place: Option<&'static str>, length: usize, mix: Mix) -> Self {
        let kinds: Vec<usize> = (0..length).map(|step| step % 5).collect();
        let of = |kind: usize| kinds.iter().filter(move |known| **known == kind).count();
        let (renames, turns, moves) = (of(0), of(2), of(3));
        let (mut renamed, mut turned, mut moved, mut lone) = (0, 0, 0, 0);
        let name =
            |number: usize| if number == renames { "name".to_owned() } else { format!("name_{number}") };
        let changes = kinds.iter().enumerate().map(|(step, kind)| match kind {
            0 => {
                renamed += 1;
                Change::Rename(name(renamed - 1), name(renamed))
            }
            1 => Change::Add(format!("added_{step}"), step as u64),
            2 => {
                turned += 1;
                if (turns - turned) % 2 == 0 { Change::Integer("age") } else { Change::Text("age") }
            }
            3 => {
                moved += 1;
                let (inner, outer) = ("place", "city");
                if (moves - moved) % 2 == 0 {
                    Change::MoveOut(inner, outer)
                } else {
                    Change::MoveIn(inner, outer)
                }
            }
            _ if mix == Mix::Interrupted => {
                lone += 1;
                match lone % 3 {
                    1 => Change::Split,
                    2 => Change::SetWhere(format!("set_{step}"), "age"),
                    _ => Change::Join,
                }
            }
            _ => Change::Remove(format!("gone_{step}")),
        });
        Self { place, changes: changes.collect() }
    }

    #[must_use]
    pub fn evolution(&self) -> Evolution {
        let at = |name: &str| self.place.map_or_else(|| name.to_owned(), |place| format!("{place}.{name}"));
        let op = |change: &Change| match change {
            Change::Rename(from, to) => Op::rename(at(from), at(to)),
            Change::Add(name, value) => Op::add(at(name), *value),
            Change::Text(name) => Op::convert(at(name), To::Text),
            Change::Integer(name) => Op::convert(at(name), To::Integer),
            Change::MoveIn(inner, name) => Op::move_field(at(name), at(&format!("{inner}.{name}"))),
            Change::MoveOut(inner, name) => Op::move_field(at(&format!("{inner}.{name}")), at(name)),
            Change::Remove(name) => Op::remove(at(name)),
            Change::Split => Op::split(at(WHOLE), " ", PARTS.map(at)),
            Change::Join => Op::join(PARTS.map(at), " ", at(WHOLE)),
            Change::SetWhere(name, known) => Op::set(at(name), true).when(When::present(at(known))),
        };
        let steps = self.changes.iter().enumerate();
        steps.fold(Evolution::new(), |evolution, (step, change)| {
            evolution.step(&format!("step {step}"), op(change))
        })
    }

    /// A document in the old shape, of one in today's.
    #[must_use]
    pub fn aged(&self, mut document: Value) -> Value {
        let last = self.changes.iter().rfind(|change| matches!(change, Change::Split | Change::Join));
        if let Some(last) = last {
            let members = self.members(&mut document);
            members.insert(WHOLE.to_owned(), "leave it at the door".into());
            if matches!(last, Change::Split) {
                split(members);
            }
        }
        for change in self.changes.iter().rev() {
            let members = self.members(&mut document);
            match change {
                Change::Rename(from, to) => rename(members, to, from),
                Change::Add(name, _) => drop(members.remove(name)),
                Change::Integer(name) => to_text(members, name),
                Change::Text(name) => to_integer(members, name),
                Change::MoveIn(inner, name) => move_out(members, inner, name),
                Change::MoveOut(inner, name) => move_in(members, inner, name),
                Change::Remove(name) => drop(members.insert(name.clone(), json!("going"))),
                Change::Split => join(members),
                Change::Join => split(members),
                Change::SetWhere(name, _) => drop(members.remove(name)),
            }
        }
        document
    }

    /// The naive way: each step reads the document and writes it.
    #[must_use]
    pub fn step_by_step(&self, mut text: Vec<u8>) -> Vec<u8> {
        for change in &self.changes {
            let mut document: Value = serde_json::from_slice(&text).expect("it is JSON");
            let members = self.members(&mut document);
            match change {
                Change::Rename(from, to) => rename(members, from, to),
                Change::Add(name, value) => drop(members.insert(name.clone(), (*value).into())),
                Change::Text(name) => to_text(members, name),
                Change::Integer(name) => to_integer(members, name),
                Change::MoveIn(inner, name) => move_in(members, inner, name),
                Change::MoveOut(inner, name) => move_out(members, inner, name),
                Change::Remove(name) => drop(members.remove(name)),
                Change::Split => split(members),
                Change::Join => join(members),
                Change::SetWhere(name, known) => {
                    if members.contains_key(*known) {
                        members.insert(name.clone(), true.into());
                    }
                }
            }
            text = serde_json::to_vec(&document).expect("it is JSON");
        }
        text
    }

    fn members<'v>(&self, document: &'v mut Value) -> &'v mut Map<String, Value> {
        let object = match self.place {
            Some(place) => &mut document[place],
            None => document,
        };
        object.as_object_mut().expect("an object")
    }
}

fn rename(members: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = members.remove(from) {
        members.insert(to.to_owned(), value);
    }
}

fn to_text(members: &mut Map<String, Value>, name: &str) {
    if let Some(value) = members.get_mut(name) {
        *value = value.to_string().into();
    }
}

fn to_integer(members: &mut Map<String, Value>, name: &str) {
    if let Some(value) = members.get_mut(name) {
        let number: u64 = value.as_str().and_then(|text| text.parse().ok()).expect("a number");
        *value = number.into();
    }
}

fn move_in(members: &mut Map<String, Value>, inner: &str, name: &str) {
    if let Some(value) = members.remove(name) {
        members.insert(inner.to_owned(), json!({name: value}));
    }
}

fn move_out(members: &mut Map<String, Value>, inner: &str, name: &str) {
    if let Some(Value::Object(mut object)) = members.remove(inner) {
        members.extend(object.remove(name).map(|value| (name.to_owned(), value)));
    }
}

fn split(members: &mut Map<String, Value>) {
    let Some(whole) = members.remove(WHOLE) else { return };
    let (head, tail) = whole.as_str().and_then(|whole| whole.split_once(' ')).expect("two words");
    for (name, part) in PARTS.into_iter().zip([head, tail]) {
        members.insert(name.to_owned(), part.into());
    }
}

fn join(members: &mut Map<String, Value>) {
    let parts: Vec<_> = PARTS.into_iter().filter_map(|name| members.remove(name)).collect();
    let texts: Vec<_> = parts.iter().filter_map(Value::as_str).collect();
    if !texts.is_empty() {
        members.insert(WHOLE.to_owned(), texts.join(" ").into());
    }
}
