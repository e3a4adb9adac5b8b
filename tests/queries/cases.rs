//! Documents of several schema versions, and what to ask of them.

use pivotdb::{Collection, ErrorKind, Evolution, Index, Op, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A document, and the schema version of the program that wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) schema_version: u32,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) filter: Value,
    pub(crate) sort: Vec<(String, bool)>,
    pub(crate) skip: u64,
    pub(crate) limit: Option<u64>,
}

/// The steps up to a schema version.
pub(crate) fn evolution(schema_version: u32) -> Evolution {
    let mut evolution = Evolution::new();
    if schema_version >= 2 {
        evolution = evolution.step("x is called a", [Op::rename("x", "a")]);
    }
    if schema_version >= 3 {
        evolution = evolution.step("there is a c", [Op::add("c", json!(2))]);
    }
    evolution
}

/// The same steps, by hand, on a value of `schema_version`.
pub(crate) fn migrated(written: &Written) -> Value {
    let mut value = written.value.clone();
    let members = value.as_object_mut().expect("an object");
    if written.schema_version < 2
        && let Some(x) = members.remove("x")
    {
        members.insert("a".into(), x);
    }
    if written.schema_version < 3 {
        members.insert("c".into(), json!(2));
    }
    value
}

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(json!(null)),
        1 => any::<bool>().prop_map(Value::from),
        6 => (-1..4_i64).prop_map(Value::from),
        1 => (-1..4_i64).prop_map(|n| json!(n as f64 + 0.5)),
        1 => (0..3_i64).prop_map(|n| json!(n as f64)),
        2 => "[ab]{0,2}".prop_map(Value::from),
    ]
}

pub(crate) fn values() -> impl Strategy<Value = Value> {
    scalars().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 0..4).prop_map(Value::from),
            2 => vec(("[ab]", inner), 0..3).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Half of the collections without lists and objects, since indexes can do more for those.
pub(crate) fn documents() -> impl Strategy<Value = Vec<Written>> {
    prop_oneof![documents_of(scalars().boxed()), documents_of(values().boxed())]
}

fn documents_of(values: BoxedStrategy<Value>) -> impl Strategy<Value = Vec<Written>> {
    let document = (
        1..=3_u32,
        proptest::option::weighted(0.9, values.clone()),
        proptest::option::weighted(0.8, values.clone()),
        values,
    );
    let document = document.prop_map(|(schema_version, a, b, c)| {
        let mut members = serde_json::Map::new();
        let name = if schema_version == 1 { "x" } else { "a" };
        members.extend(a.map(|a| (name.to_owned(), a)));
        members.extend(b.map(|b| ("b".to_owned(), b)));
        if schema_version == 3 {
            members.insert("c".into(), c);
        }
        Written { schema_version, value: members.into() }
    });
    vec(document, 10..40)
}

fn paths() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "a", "a", "a", "a", "a", "a", "b", "b", "b", "b", "c", "c", "c", "a.a", "a.b", "b.a", "a.0", "c.1",
        "a.a.b", "b.0.a",
    ])
    .prop_map(str::to_owned)
}

/// What filters compare with: mostly what documents hold.
fn operands() -> impl Strategy<Value = Value> {
    prop_oneof![6 => (-1..4_i64).prop_map(Value::from), 2 => Just(json!(null)), 2 => "[ab]".prop_map(Value::from), 1 => values()]
}

pub(crate) fn filters() -> impl Strategy<Value = Value> {
    let types = proptest::sample::select(vec!["number", "string", "array", "object", "null", "bool"]);
    let test = prop_oneof![
        4 => operands().prop_map(|v| json!({"$eq": v})),
        2 => operands().prop_map(|v| json!({"$ne": v})),
        8 => (proptest::sample::select(vec!["$gt", "$gte", "$lt", "$lte"]), operands()).prop_map(|(op, v)| json!({op: v})),
        4 => (-1..3_i64, 0..3_i64).prop_map(|(low, more)| json!({"$gte": low, "$lte": low + more})),
        3 => (proptest::sample::select(vec!["$in", "$nin", "$all"]), vec(operands(), 0..4)).prop_map(|(op, v)| json!({op: v})),
        1 => any::<bool>().prop_map(|v| json!({"$exists": v})),
        1 => types.prop_map(|v| json!({"$type": v})),
        1 => (0..3_u64).prop_map(|v| json!({"$size": v})),
        1 => (1..4_i64, 0..3_i64).prop_map(|(d, r)| json!({"$mod": [d, r]})),
    ];
    let tests = test.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            6 => inner.clone(),
            1 => inner.clone().prop_map(|test| json!({"$not": test})),
            1 => inner.clone().prop_map(|test| json!({"$elemMatch": test})),
            1 => (proptest::sample::select(vec!["a", "b", "0"]), inner)
                .prop_map(|(path, test)| json!({"$elemMatch": {path: test}})),
        ]
    });
    let at = prop_oneof![
        6 => (paths(), tests).prop_map(|(path, test)| json!({path: test})),
        1 => (paths(), operands()).prop_map(|(path, v)| json!({path: v})),
    ];
    let filter = at.clone().prop_recursive(2, 8, 3, |inner| {
        (proptest::sample::select(vec!["$and", "$and", "$or", "$nor"]), vec(inner, 1..4))
            .prop_map(|(op, list)| json!({op: list}))
    });
    prop_oneof![1 => Just(json!({})), 12 => at, 8 => filter]
}

pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let sort = prop_oneof![
        2 => Just(Vec::new()),
        4 => (proptest::sample::select(vec!["a", "b", "c"]), any::<bool>()).prop_map(|(path, down)| vec![(path.to_owned(), down)]),
        1 => (paths(), any::<bool>()).prop_map(|key| vec![key]),
        // Paths that share no list.
        2 => (proptest::sample::select(vec!["a", "a.b"]), any::<bool>(), proptest::sample::select(vec!["b", "c", "b.a"]), any::<bool>())
            .prop_map(|(one, down, other, other_down)| vec![(one.to_owned(), down), (other.to_owned(), other_down)]),
    ];
    (filters(), sort, prop_oneof![3 => Just(0), 1 => 0..6_u64], prop::option::weighted(0.4, 0..8_u64))
        .prop_map(|(filter, sort, skip, limit)| Asked { filter, sort, skip, limit })
}

/// An index, and when it is made.
#[derive(Debug, Clone)]
pub(crate) struct Indexed {
    pub(crate) paths: Vec<(String, bool)>,
    pub(crate) sparse: bool,
    /// By the program of this schema version, before it writes; 4: by the newest, after everything has been written.
    pub(crate) before: u32,
}

impl Indexed {
    fn index(&self, number: usize) -> Index {
        let mut paths = self.paths.iter().map(|(path, descending)| {
            let path = if self.before == 1 { path.replacen('a', "x", 1) } else { path.clone() };
            (path, *descending)
        });
        let (first, descending) = paths.next().expect("a path");
        let mut index = if descending { Index::descending(first) } else { Index::on(first) };
        for (path, descending) in paths {
            index = if descending { index.and_descending(path) } else { index.and(path) };
        }
        let index = if self.sparse { index.sparse() } else { index };
        index.named(&format!("index {number}"))
    }
}

pub(crate) fn indexes() -> impl Strategy<Value = Vec<Indexed>> {
    let path = || {
        (
            proptest::sample::select(vec!["a", "a", "b", "b", "c", "a.b", "b.a"]).prop_map(str::to_owned),
            any::<bool>(),
        )
    };
    let index = (prop_oneof![2 => vec(path(), 1), 1 => vec(path(), 2)], any::<bool>(), 1..=4_u32).prop_map(
        |(mut paths, sparse, before)| {
            paths.dedup_by(|one, other| one.0 == other.0);
            Indexed { paths, sparse: sparse && before % 2 == 0, before }
        },
    );
    vec(index, 1..5)
}

/// A store in memory with these documents, their ids in the order of the list, each written by a program of its schema version; and the collection
/// as the newest program sees it. Indexes that a document does not suit are not there.
pub(crate) fn stored(documents: &[Written], indexes: &[Indexed]) -> (Store, Collection<Value>) {
    let store = Store::builder().background(false).memory().unwrap();
    for schema_version in 1..=3 {
        let collection = store.documents("c").unwrap();
        collection.evolve(evolution(schema_version)).unwrap();
        let program = store.collection_with::<Value>("c", "c", &evolution(schema_version)).unwrap();
        let create = |before| {
            for (number, index) in indexes.iter().enumerate().filter(|(_, index)| index.before == before) {
                // Unsuitable, where lists are at several paths.
                let _ = program.create_index(&index.index(number));
            }
        };
        create(schema_version);
        for (id, written) in documents.iter().enumerate() {
            if written.schema_version == schema_version
                && let Err(error) = program.insert_with_id(id as u64, &written.value)
            {
                // One that an index does not take: without the indexes it is taken.
                assert_eq!(error.kind(), ErrorKind::NotIndexable, "{error}");
                for index in program.indexes().unwrap() {
                    program.drop_index(&index.name).unwrap();
                }
                program.insert_with_id(id as u64, &written.value).unwrap();
            }
        }
        if schema_version == 3 {
            create(4);
        }
    }
    let collection = store.collection_with::<Value>("c", "c", &evolution(3)).unwrap();
    (store, collection)
}
