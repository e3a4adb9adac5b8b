//! Ops, and documents for them to work on.

pub(crate) use pivotdb::Class;
use std::fmt::Debug;
use std::sync::OnceLock;

use pivotdb::{Evolution, Op, Path, Taken, Time, To, When};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

/// An op of each kind, some in several forms.
pub(crate) const OPS: &[&str] = &[
    "rename",
    "rename, keeping",
    "rename, replacing",
    "move",
    "move, replacing",
    "copy",
    "add",
    "remove",
    "remove, restoring",
    "wrap_list",
    "unwrap_list",
    "wrap_object",
    "unwrap_object",
    "inside",
    "each",
    "each_value",
    "inside, iso",
    "each, iso",
    "each_value, iso",
    "convert to integer",
    "convert to number",
    "convert to text",
    "convert to bool",
    "convert time",
    "convert by table",
    "split",
    "join",
    "trim",
    "lowercase",
    "uppercase",
    "set",
    "rename_value",
];

/// Everything an op and a document are made of, plain so that it shrinks.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) op: usize,
    pub(crate) document: Value,
    /// Source, target and another, apart from each other.
    pub(crate) paths: [Path; 3],
    pub(crate) value: Value,
    pub(crate) edit: Value,
    pub(crate) others: Vec<usize>,
}

/// What is put where, before a document is a case.
#[derive(Debug, Clone)]
struct Plant {
    /// Something the op can work on, going up or going down.
    fitting: Option<bool>,
    pick: usize,
    /// The target is taken out.
    clear: bool,
}

impl Case {
    pub(crate) fn name(&self) -> &'static str {
        OPS[self.op % OPS.len()]
    }

    pub(crate) fn op(&self) -> Op {
        op(self.name(), &self.paths, &self.value)
    }

    /// Whether it is an op that carries out others.
    pub(crate) fn is_within(&self) -> bool {
        self.name().starts_with("inside") || self.name().starts_with("each")
    }

    pub(crate) fn class(&self) -> Class {
        self.op().class().expect("no case is flawed")
    }

    pub(crate) fn evolution(&self) -> Evolution {
        Evolution::new().step("step 1", [self.op()])
    }

    /// Several steps, the case's own first.
    pub(crate) fn chain(&self) -> Evolution {
        let [a, b, c] = &self.paths;
        let turned = [b.clone(), c.clone(), a.clone()];
        let others = self.others.iter().enumerate().map(|(number, other)| {
            let paths = if number % 2 == 0 { &turned } else { &self.paths };
            (format!("step {}", number + 2), op(OPS[other % OPS.len()], paths, &self.edit))
        });
        others.fold(self.evolution(), |evolution, (name, op)| evolution.step(&name, [op]))
    }

    /// Whether the target is free, and nothing around it is empty, so that what the op makes can be told from what was there.
    pub(crate) fn free(&self) -> bool {
        if self.is_within() {
            let text = self.document.to_string();
            return !["new", "moved"].iter().any(|target| text.contains(&format!("{target:?}")));
        }
        let mut around = Some(&self.document);
        let written = self.op().writes();
        for name in written.last().into_iter().flat_map(Path::names) {
            around = match around {
                Some(Value::Object(members)) if members.is_empty() => return false,
                Some(Value::Object(members)) => members.get(name),
                Some(Value::Array(elements)) => {
                    match name.parse().ok().and_then(|at: usize| elements.get(at)) {
                        None => return false,
                        element => element,
                    }
                }
                Some(_) => return false,
                None => None,
            };
        }
        around.is_none()
    }

    /// Changes something somewhere; whether there was anything to change.
    pub(crate) fn edit(&self, body: &mut Value) -> bool {
        let written = self.op().writes();
        let place = self.others.first().copied().unwrap_or_default() % (written.len() + 1);
        match written.get(place).and_then(|path| at(body, path)) {
            Some(value) if *value != self.edit => *value = self.edit.clone(),
            Some(_) => return false,
            None => body["edited"] = self.edit.clone(),
        }
        true
    }

    /// Changes everything that what the op keeps goes by: what it has written, or what ops within it have, in every element and member; whether there was anything to change.
    pub(crate) fn edit_written(&self, body: &mut Value) -> bool {
        if self.is_within() {
            return at(body, &self.paths[0]).is_some_and(|place| self.edit_within(place));
        }
        let written = self.op().writes();
        for path in &written {
            if let Some(value) = at(body, path)
                && *value != self.edit
            {
                *value = self.edit.clone();
                return true;
            }
        }
        // Nothing is there, which is what the op has left.
        written.iter().any(|path| self.edit_nothing(body, path))
    }

    fn edit_nothing(&self, body: &mut Value, path: &Path) -> bool {
        let parent = path.parent().and_then(|parent| at(body, &parent));
        match (parent, path.last()) {
            (Some(Value::Object(members)), Some(name)) if !members.contains_key(name) => {
                members.insert(name.to_owned(), self.edit.clone());
                true
            }
            _ => false,
        }
    }

    fn edit_within(&self, place: &mut Value) -> bool {
        let edited = || json!({"edited": self.edit});
        match (self.name(), place) {
            ("inside", place @ Value::Object(_)) => {
                put(place, &self.paths[1], edited());
                place["r"] = edited();
                place["n"] = edited();
            }
            ("inside, iso", place @ Value::Object(_)) => {
                for name in ["old", "new", "k", "moved"] {
                    place[name] = edited();
                }
            }
            (_, Value::Array(elements)) if !elements.is_empty() => elements.fill_with(edited),
            ("each_value" | "each_value, iso", Value::Object(members)) if !members.is_empty() => {
                members.values_mut().for_each(|value| *value = edited());
            }
            _ => return false,
        }
        true
    }
}

pub(crate) fn at<'v>(body: &'v mut Value, path: &Path) -> Option<&'v mut Value> {
    path.names().try_fold(body, |value, name| match value {
        Value::Array(elements) => elements.get_mut(name.parse::<usize>().ok()?),
        value => value.as_object_mut()?.get_mut(name),
    })
}

fn op(name: &str, [a, b, c]: &[Path; 3], value: &Value) -> Op {
    let last = |path: &Path| path.last().expect("never the whole document").to_owned();
    let sibling =
        Path::from_names(a.parent().expect("never the root").names().chain([last(b).as_str()])).unwrap();
    let rename =
        || Op::rename(a, if sibling == *a { a.parent().unwrap().child("z") } else { sibling.clone() });
    match name {
        "rename" => rename(),
        "rename, keeping" => rename().if_taken(Taken::Keep),
        "rename, replacing" => rename().if_taken(Taken::Replace),
        "move" => Op::move_field(a, b),
        "move, replacing" => Op::move_field(a, b).if_taken(Taken::Replace),
        "copy" => Op::copy(a, b),
        "add" => Op::add(b, value.clone()),
        "remove" => Op::remove(a),
        "remove, restoring" => Op::remove(a).restoring(value.clone()),
        "wrap_list" => Op::wrap_list(a),
        "unwrap_list" => Op::unwrap_list(a),
        "wrap_object" => Op::wrap_object(a, &last(b)),
        "unwrap_object" => Op::unwrap_object(a, "in"),
        "inside" => Op::inside(a, [Op::add(b, value.clone()), Op::remove("r"), Op::convert("n", To::Number)]),
        "each" => Op::each(
            a,
            [
                Op::rename("old", "new"),
                Op::convert("n", To::Integer).or(0).if_present(),
                Op::lowercase("t"),
                Op::trim(""),
            ],
        ),
        "each_value" => {
            Op::each_value(a, [Op::convert("", To::Text).or("none").or_back(0), Op::uppercase("")])
        }
        "inside, iso" => Op::inside(a, iso()),
        "each, iso" => Op::each(a, iso()),
        "each_value, iso" => Op::each_value(a, iso()),
        "convert to integer" => Op::convert(a, To::Integer).or(0),
        "convert to number" => Op::convert(a, To::Number).or(0.5).or_back("0").if_present(),
        "convert to text" => Op::convert(a, To::Text).or("?").or_back(-1),
        "convert to bool" => Op::convert(a, To::Bool).or(false),
        "convert time" => {
            Op::convert(a, To::Time { from: Time::Rfc3339, to: Time::EpochSeconds }).or_back("never").or(0)
        }
        "convert by table" => Op::convert(a, To::table([("low", 1), ("high", 3), ("top", 3)]))
            .or(2)
            .or_back("middle")
            .if_present(),
        "split" => Op::split(a, " ", [b, c]),
        "join" => Op::join([a, c], ", ", b),
        "trim" => Op::trim(a),
        "lowercase" => Op::lowercase(a),
        "uppercase" => Op::uppercase(a),
        "set" => Op::set(a, value.clone()).when(When::not(When::equals(c, 1))),
        "rename_value" => Op::rename_value(a, "old", "new"),
        _ => unreachable!("{name}"),
    }
}

/// Ops that lose nothing of objects without members `new` and `moved`.
fn iso() -> [Op; 2] {
    [Op::rename("old", "new"), Op::move_field("k", "moved.k")]
}

/// Values that the op can work on at its source: going up, or, where it has been up, going down.
fn fitting(name: &str, up: bool) -> Vec<Value> {
    match (name, up) {
        ("wrap_list", false) | ("unwrap_list", true) => {
            vec![json!([1]), json!(["a", "b"]), json!([]), json!([null]), json!([[1]])]
        }
        ("wrap_object", false) => {
            vec![json!({"a": 1}), json!({"b": {"c": 1}}), json!({"a": 1, "more": 2}), json!({})]
        }
        ("unwrap_object", true) => {
            vec![json!({"in": 1}), json!({"in": {"x": 1}, "more": 2}), json!({"no": 1})]
        }
        ("inside", false) => vec![json!({"n": 7}), json!({"n": 1.5, "k": [1]}), json!({"n": 2, "r": 1})],
        ("inside", true) => vec![json!({"r": 1, "n": "07", "k": [1]}), json!({"n": 1.5}), json!({"n": null})],
        ("inside, iso", true) => {
            vec![json!({"old": 1}), json!({"k": [1], "x": 2}), json!({"old": null, "k": 1})]
        }
        ("inside, iso", false) => {
            vec![json!({"new": 1}), json!({"moved": {"k": 1}}), json!({"moved": {"k": 1, "x": 2}})]
        }
        ("each, iso", true) => {
            vec![json!([{"old": 1}, {"x": 2, "k": 3}]), json!([{"k": null}]), json!([{}, {"old": {}}])]
        }
        ("each, iso", false) => {
            vec![json!([{"new": 1}, {"moved": {"k": 2, "x": 1}}]), json!([{}, {"moved": {"k": 1}}])]
        }
        ("each_value, iso", true) => {
            vec![json!({"x": {"old": 1}, "": {"k": 2}}), json!({"y": {"k": {}, "old": 1}})]
        }
        ("each_value, iso", false) => {
            vec![json!({"x": {"new": 1}}), json!({"y": {"moved": {"k": 2}}, "z": {}})]
        }
        ("each", true) => vec![
            json!([{"old": 1, "n": "007"}, {"n": "7", "t": "AbC"}, {"n": 7, "t": "abc"}, " x "]),
            json!([{"n": null}, {"old": 1, "n": "x"}]),
            json!(["A ", " a", "a"]),
            json!([]),
        ],
        ("each", false) => vec![
            json!([{"new": 1, "n": 7}, {"n": 7, "t": "ABC"}, "y"]),
            json!([{"n": "text"}, {"old": 3, "n": 0}]),
            json!(["a", "A "]),
        ],
        ("each_value", false) => {
            vec![json!({"x": "1", "y": "B"}), json!({"": "2.5", "n": null}), json!({"z": "c"})]
        }
        ("each_value", true) => {
            vec![
                json!({"x": 1, "y": "b", "z": null}),
                json!({"": "A", "n": 1.5}),
                json!({"l": [1], "b": true}),
            ]
        }
        ("convert to integer" | "convert to number", true) => {
            vec![json!("42"), json!("007"), json!("1e3"), json!("x"), json!(true), json!(7.0), json!(null)]
        }
        ("convert to text", true) => vec![json!(1), json!(-2.5), json!(true), json!([1]), json!(1e21)],
        ("convert to text", false) => vec![json!("1"), json!("01"), json!("x"), json!(2)],
        ("convert to integer" | "convert to number", false) => {
            vec![json!(7), json!(1.5), json!(-3), json!("8")]
        }
        ("convert to bool", false) => vec![json!(true), json!(false), json!("yes")],
        ("convert to bool", true) => vec![json!("yes"), json!(1), json!("OFF"), json!("perhaps"), json!(0)],
        ("convert time", true) => vec![
            json!("2024-02-29T12:00:00Z"),
            json!("2024-02-29T12:00:00.5+02:00"),
            json!("1969-12-31T23:59:59Z"),
            json!("today"),
        ],
        ("convert time", false) => vec![json!(0), json!(1_700_000_000), json!(1.5), json!("soon")],
        ("convert by table", true) => vec![json!("low"), json!("high"), json!("top"), json!("other")],
        ("convert by table", false) => vec![json!(1), json!(2), json!(3), json!(9)],
        ("split", true) => {
            vec![json!("Ada Lovelace"), json!("Ada  King Lovelace"), json!("Plato"), json!(""), json!(null)]
        }
        ("split", false) => vec![json!("Ada"), json!("King Lovelace"), json!("x"), json!(null)],
        ("trim", _) => vec![json!(" a"), json!("b \t"), json!("\u{a0}c")],
        ("lowercase", _) => vec![json!("AbC"), json!("ÄÖ"), json!("İ")],
        ("uppercase", _) => vec![json!("AbC"), json!("straße"), json!("ǆ")],
        ("rename_value", true) => {
            vec![json!("old"), json!("old"), json!("old"), json!("new"), json!("other")]
        }
        ("rename_value", false) => vec![json!("new"), json!("new"), json!("old")],
        ("join", true) => vec![json!("a"), json!("b, c"), json!(""), json!(null)],
        ("join", false) => vec![json!("a, b"), json!("a"), json!("a, b, c"), json!(null)],
        _ => vec![json!(1), json!("2"), json!({"x": 1}), json!([1, "a"]), json!(null)],
    }
}

/// Where the op finds its source going that way.
fn sources(case: &Case, up: bool) -> Vec<Path> {
    let written = case.op().writes();
    match (case.name(), up) {
        ("split", false) => case.paths[1..].to_vec(),
        ("join", true) => vec![case.paths[0].clone(), case.paths[2].clone()],
        ("join", false) => vec![case.paths[1].clone()],
        ("copy", true) => vec![case.paths[0].clone()],
        ("copy", false) => case.paths[..2].to_vec(),
        (_, false) if written.len() > 1 => vec![written[1].clone()],
        _ => vec![written[0].clone()],
    }
}

/// Whether the op has something to do where there is nothing.
fn makes_of_nothing(case: &Case, up: bool) -> bool {
    matches!((case.name(), up), ("add", true) | ("remove, restoring", false))
}

fn targets(case: &Case, up: bool) -> Vec<Path> {
    let sources = sources(case, up);
    let written = case.op().writes().into_iter();
    written.filter(|path| makes_of_nothing(case, up) || !sources.contains(path)).collect()
}

fn put(document: &mut Value, path: &Path, value: Value) {
    let mut here = document;
    for name in path.names() {
        match here {
            Value::Array(elements) if name == "0" && !elements.is_empty() => {}
            Value::Object(_) => {}
            _ => *here = json!({}),
        }
        here = match here {
            Value::Array(elements) => &mut elements[0],
            here => here.as_object_mut().unwrap().entry(name).or_insert(Value::Null),
        };
    }
    *here = value;
}

fn clear(document: &mut Value, path: &Path) {
    let (Some(parent), Some(name)) = (path.parent(), path.last()) else { return };
    if let Some(Value::Object(members)) = at(document, &parent) {
        members.remove(name);
    }
}

impl Plant {
    fn plant(&self, mut case: Case) -> Case {
        // A path that leads through an element finds one.
        for path in case.paths.iter().filter(|path| path.names().len() > 2) {
            if let (Some(list), Some("0")) = (path.names().next(), path.names().nth(1))
                && !case.document[list].is_array()
            {
                case.document[list] = json!([{"k": 0}]);
            }
        }
        let Some(up) = self.fitting else { return case };
        if self.clear {
            for path in targets(&case, up) {
                clear(&mut case.document, &path);
            }
        }
        if makes_of_nothing(&case, up) {
            return case;
        }
        let values = fitting(case.name(), up);
        for (number, path) in sources(&case, up).iter().enumerate() {
            put(&mut case.document, path, values[(self.pick + number) % values.len()].clone());
        }
        case
    }
}

/// Cases of the op at `op`, most of them with something to do for it going up, or going down.
pub(crate) fn cases(op: usize, up: bool) -> impl Strategy<Value = Case> {
    let edit = prop_oneof![
        6 => select(vec![json!("x y"), json!(7), json!([{"n": 3}]), json!([{"n": 3}]), json!([{"n": 3}]), json!({"in": 1})]),
        1 => values(),
    ];
    let plant = (
        select([vec![Some(up); 6], vec![Some(!up), None]].concat()),
        0..20_usize,
        prop::bool::weighted(0.85),
    )
        .prop_map(|(fitting, pick, clear)| Plant { fitting, pick, clear });
    let others = proptest::collection::vec(0..OPS.len(), 0..3);
    (objects(values(), 1), paths(), values(), edit, others, plant).prop_map(
        move |(document, paths, value, edit, others, plant)| {
            plant.plant(Case { op, document, paths, value, edit, others })
        },
    )
}

/// Paths apart from each other.
fn paths() -> impl Strategy<Value = [Path; 3]> {
    static PATHS: OnceLock<Vec<Path>> = OnceLock::new();
    let path = || {
        let within_an_element = (names(), names()).prop_map(|(list, member)| vec![list, "0".into(), member]);
        let names = prop_oneof![
            6 => proptest::collection::vec(names(), 1),
            2 => proptest::collection::vec(names(), 2..4),
            1 => within_an_element,
        ];
        names.prop_map(|names| Path::from_names(names).unwrap())
    };
    let paths = || select(drawn(&PATHS, path(), |path| path.names().len()));
    (paths(), paths(), paths())
        .prop_map(|(a, b, c)| [a, b, c])
        .prop_filter("apart", |[a, b, c]| !a.overlaps(b) && !b.overlaps(c) && !a.overlaps(c))
}

/// So many that hardly any document has a twin, drawn once, the small ones first: drawing anew for every document takes longer than any law.
fn drawn<T: Debug>(
    all: &'static OnceLock<Vec<T>>,
    strategy: impl Strategy<Value = T>,
    size: impl Fn(&T) -> usize,
) -> &'static [T] {
    all.get_or_init(|| {
        let mut runner = TestRunner::default();
        let mut all: Vec<T> = (0..5000)
            .map(|_| strategy.new_tree(&mut runner).expect("nothing is rejected").current())
            .collect();
        all.sort_by_key(size);
        all
    })
}

fn names() -> impl Strategy<Value = String> {
    let names = prop_oneof![
        9 => select(&["a", "b", "c", "d"][..]),
        1 => select(&["", "a.b", "$x", "~", "/", "0"][..]),
    ];
    names.prop_map(str::to_owned)
}

fn values() -> impl Strategy<Value = Value> {
    static VALUES: OnceLock<Vec<Value>> = OnceLock::new();
    let scalar = || {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3..3).prop_map(Value::from),
            prop_oneof![Just(1.5), Just(-0.0), Just(1e300)].prop_map(Value::from),
            "[aB ]{0,3}".prop_map(Value::from),
            prop_oneof![Just(u64::MAX), Just(1 << 63)].prop_map(Value::from),
        ]
    };
    let nested = scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![2 => objects(inner.clone(), 0), 1 => proptest::collection::vec(inner, 0..3).prop_map(Value::Array)]
    });
    select(drawn(&VALUES, nested, |value| value.to_string().len()))
}

fn objects(value: impl Strategy<Value = Value>, least: usize) -> impl Strategy<Value = Value> {
    proptest::collection::btree_map(names(), value, least..5)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}
