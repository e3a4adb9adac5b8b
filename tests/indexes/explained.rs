//! What `explain` says of indexes: which there are, which is used, and what the steps since mean for each.

use pivotdb::{Evolution, Impact, Index, Op, To, field};
use serde_json::json;

use crate::support::{Medium, fill};

fn steps() -> Evolution {
    Evolution::new()
        .step("n is called number", [Op::rename("n", "number")])
        .step("m in text", [Op::convert("m", To::Text)])
}

#[test]
fn it_names_for_each_index_what_the_steps_mean() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 50);
    for path in ["n", "m", "tags"] {
        things.create_index(&Index::on(path).named(path)).unwrap();
    }
    store.close().unwrap();
    let (store, things) = medium.things(&steps());
    let explained = things.find(field("number").eq(7)).explain().unwrap();
    let of: Vec<_> =
        explained.indexes.iter().map(|index| (index.name.as_str(), index.generation, index.used)).collect();
    assert!(!explained.time.is_zero());
    assert_eq!(of, [("n", 1, true), ("m", 2, false), ("tags", 3, false), ("m", 4, false)]);
    let impact = |position: usize| explained.indexes[position].impact.clone();
    assert!(matches!(impact(0), Some(Impact::Renamed { paths }) if paths[0].to_string() == "number"));
    assert_eq!(impact(1), Some(Impact::Rebuild { step: "m in text".into() }));
    assert_eq!(impact(2), Some(Impact::Untouched));
    assert_eq!(impact(3), Some(Impact::Untouched), "made after the steps");
    let json = explained.to_json();
    assert_eq!(json["indexes"][0]["impact"], json!({"renamed": ["number"]}));
    assert_eq!(json["indexes"][1]["impact"], json!({"rebuild": "m in text"}));
    assert_eq!(
        json["indexes"][2],
        json!({"name": "tags", "generation": 3, "state": "readable", "used": false, "impact": "untouched"})
    );
    let text = explained.to_string();
    for line in [
        "index \"n\", generation 1, readable, used; steps have renamed its paths, to \"number\"\n",
        "index \"m\", generation 2, readable, not used; the step \"m in text\" has it built anew\n",
        "index \"tags\", generation 3, readable, not used; no step has touched its paths\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    store.close().unwrap();
    // The older program comes back.
    let (_store, things) = medium.things(&Evolution::new());
    let explained = things.find(field("n").eq(7)).explain().unwrap();
    assert_eq!((explained.indexes[0].used, explained.indexes[3].impact.clone()), (true, None));
    assert!(explained.to_string().contains("made for a newer program"), "{explained}");
}
