//! What bringing documents along costs, counted: plans made, bodies opened, bodies encoded.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::catalog::names::CollectionNames;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::body::tally::{Work, done};
use crate::evolution::condition::When;
use crate::evolution::conversion::To;
use crate::evolution::evolution::Evolution;
use crate::evolution::function::Function;
use crate::evolution::history::Way;
use crate::evolution::op::Op;
use crate::evolution::step::StepBody;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::record::kind::{Declaration, Kind, Shaped};

const DOCUMENTS: usize = 1000;

fn kind(evolution: &Evolution) -> Kind {
    let declaration = Declaration { kind: "k", aliases: &[], evolution, element_keys: &[] };
    Kind::declared(1, &declaration, Arc::<CollectionNames>::default()).unwrap()
}

fn bytes(value: Value) -> Vec<u8> {
    Node::from_value(value).unwrap().to_bytes(Limits::default()).unwrap()
}

fn read(kind: &Kind, from: Stamp, (body, complement): (&[u8], &[u8]), to: Stamp) -> Vec<u8> {
    let shaped = Shaped { collection: None, stamp: from, body, complement };
    kind.read(&DocumentId::from(1), shaped, to, Limits::default()).unwrap()
}

fn write(kind: &Kind, from: Stamp, (body, complement): (&[u8], &[u8]), to: Stamp) -> (Vec<u8>, Vec<u8>) {
    let shaped = Shaped { collection: None, stamp: from, body, complement };
    kind.write(&DocumentId::from(1), shaped, to, Limits::default()).unwrap()
}

/// The order of members aside.
fn same(one: &[u8], other: &[u8]) -> bool {
    Node::Raw(Raw::new(one).unwrap()) == Node::Raw(Raw::new(other).unwrap())
}

/// How much of each was done.
fn counted<T>(work: impl FnOnce() -> T) -> ([usize; 3], T) {
    let now = || [Work::Plan, Work::Decode, Work::Encode].map(done);
    let before = now();
    let done = work();
    let after = now();
    ([0, 1, 2].map(|of| after[of] - before[of]), done)
}

/// Ops that can be carried out together.
fn plain(n: usize) -> StepBody {
    match n % 4 {
        0 => Op::add(format!("a{n}"), n as u64).into(),
        1 => Op::convert("number", if n % 8 == 1 { To::Text } else { To::Integer }).into(),
        2 => Op::move_field(format!("a{}", n - 2), format!("in.a{n}")).into(),
        _ => Op::rename(format!("in.a{}", n - 1), format!("in.b{n}")).into(),
    }
}

type MakeStep = fn(usize) -> StepBody;

/// What step number `n` of each sort of chain does.
const CHAINS: [(&str, MakeStep); 5] = [
    ("together", plain),
    ("with splits", |n| match n % 5 {
        3 => Op::add(format!("s{n}"), "x y").into(),
        4 => Op::split(format!("s{}", n - 1), " ", [format!("t{n}"), format!("u{n}")]).into(),
        _ => Op::add(format!("a{n}"), n as u64).into(),
    }),
    ("with conditions", |n| match n % 5 {
        4 => Op::set(format!("c{n}"), n as u64).when(When::equals("number", 7)).into(),
        _ => Op::add(format!("a{n}"), n as u64).into(),
    }),
    ("with functions", |n| match n % 10 {
        9 => {
            let identity = format!("f{n}");
            let member = identity.clone();
            Function::new(&identity, move |body, _| body[member.as_str()] = json!(true)).into()
        }
        _ => Op::add(format!("a{n}"), n as u64).into(),
    }),
    ("of all sorts", |n| match n % 7 {
        3 => Op::add(format!("s{n}"), "x y").into(),
        4 => Op::split(format!("s{}", n - 1), " ", [format!("t{n}"), format!("u{n}")]).into(),
        5 => Op::set(format!("c{n}"), n as u64).when(When::present("number")).into(),
        6 => Op::each("list", [Op::trim("")]).into(),
        _ => Op::add(format!("a{n}"), n as u64).into(),
    }),
];

fn chain(length: usize, step: MakeStep) -> Evolution {
    let steps = (0..length).map(|n| (n, step(n)));
    steps.fold(Evolution::new(), |evolution, (n, body)| evolution.step(&n.to_string(), body))
}

fn stamps(kind: &Kind, length: usize) -> Vec<Stamp> {
    let versions = 1..=u32::try_from(length).unwrap() + 1;
    kind.with_history(|history| versions.map(|version| history.own(version).unwrap()).collect())
}

fn document(n: usize) -> Vec<u8> {
    bytes(json!({"number": n, "name": "Ada", "list": [" x ", "y"], "in": {"other": n}}))
}

#[test]
fn one_plan_one_decode_and_one_encode_for_any_length() {
    for length in [1, 10, 40, 100] {
        for (name, step) in CHAINS {
            let kind = kind(&chain(length, step));
            let stamps = stamps(&kind, length);
            let (from, to) = (stamps[0], stamps[length]);
            let (counts, ()) = counted(|| {
                for n in 0..DOCUMENTS {
                    let ([_, decodes, encodes], _) = {
                        let document = document(n);
                        counted(|| read(&kind, from, (&document, &[]), to))
                    };
                    assert!((decodes, encodes) == (1, 1), "{name}, {length} ops: {decodes} {encodes}");
                }
            });
            // The documents themselves had to be encoded.
            let [plans, decodes, encodes] = [counts[0], counts[1], counts[2] - DOCUMENTS];
            println!(
                "{name}, {length} ops, {DOCUMENTS} documents: {plans} plans, {decodes} decodes, {encodes} encodes"
            );
            assert_eq!([plans, decodes, encodes], [1, DOCUMENTS, DOCUMENTS]);
            // The control: encoded and opened again at every stamp in between.
            let start = document(7);
            let ([plans, decodes, encodes], hopped) = counted(|| {
                let hop = |body: Vec<u8>, hop: &[Stamp]| read(&kind, hop[0], (&body, &[]), hop[1]);
                stamps.windows(2).fold(start.clone(), hop)
            });
            assert_eq!([decodes, encodes], [length; 2], "{name}");
            assert!(plans >= length - usize::from(length == 1));
            assert_eq!(hopped, read(&kind, from, (&start, &[]), to), "{name}, {length} ops");
        }
    }
}

#[test]
fn documents_with_complements_are_opened_and_encoded_once_too() {
    for length in [1, 10, 40, 100] {
        for (name, step) in CHAINS.into_iter().filter(|(name, _)| *name != "with functions") {
            let kind = kind(&chain(length, step));
            let stamps = stamps(&kind, length);
            let (low, high) = (stamps[0], stamps[length]);
            let body = bytes(json!({"a0": "was there", "number": 7, "list": ["x"], "in": {}}));
            let (stored, complement) = write(&kind, low, (&body, &[]), high);
            assert!(!complement.is_empty() || length == 1 && name != "with splits", "{name}, {length} ops");
            let stored = (&*stored, &*complement);
            let (counts, ()) = counted(|| {
                for _ in 0..DOCUMENTS {
                    assert!(same(&read(&kind, high, stored, low), &body), "{name}, {length} ops");
                }
            });
            println!("{name}, {length} ops, {DOCUMENTS} documents with complements, down: {counts:?}");
            assert_eq!(counts, [1, DOCUMENTS, DOCUMENTS], "{name}, {length} ops");
            // Writing encodes the complement besides.
            let ([_, decodes, encodes], _) = counted(|| write(&kind, high, stored, low));
            assert!(decodes == 1 && encodes <= 2, "{name}: {decodes} {encodes}");
        }
    }
}

#[test]
fn a_way_is_found_without_a_plan() {
    let kind = kind(&chain(40, plain));
    let stamps = stamps(&kind, 40);
    let (counts, ()) = counted(|| {
        for from in &stamps {
            assert_eq!(kind.way(*from, stamps[40]), if *from == stamps[40] { Way::Here } else { Way::Ops });
        }
        assert!(stamps.iter().all(|from| kind.check_way(*from, stamps[40]).is_ok()));
    });
    assert_eq!(counts, [0; 3]);
}

/// A plan that had been made before something was learned of the steps was kept.
#[test]
fn what_is_learned_makes_plans_anew() {
    let evolution = |ops: Vec<Op>| Evolution::new().step("one", ops);
    let ours = kind(&evolution(vec![Op::trim("a")]));
    let theirs = kind(&evolution(vec![Op::trim("a"), Op::trim("b")]).redefine("b too"));
    let (low, high) = (ours.with_history(|history| history.own(1).unwrap()), ours.current());
    let body = bytes(json!({"a": " x "}));
    let (stored, complement) = write(&theirs, low, (&body, &[]), theirs.current());
    // What another definition has kept of the document is nothing to a program that has not heard of it.
    assert_ne!(read(&ours, high, (&stored, &complement), low), body);
    assert_eq!(ours.way(theirs.current(), high), Way::None);
    ours.learn(theirs.steps());
    assert_eq!(read(&ours, high, (&stored, &complement), low), body);
    assert_eq!(read(&ours, theirs.current(), (&stored, &complement), low), body);
    assert_ne!(ours.way(theirs.current(), high), Way::None);
    // What is known already changes nothing.
    let (counts, ()) = counted(|| {
        ours.learn(theirs.steps());
        read(&ours, high, (&stored, &complement), low);
    });
    assert_eq!(counts[0], 0);
}
