//! There is one of something, and now there may be several.

mod before {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Note {
        pub(crate) text: String,
        pub(crate) tag: String,
    }

    impl pivotdb::Versioned for Note {
        const KIND: &'static str = "note";
    }
}

mod after {
    use pivotdb::{Evolution, Op};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Note {
        pub(crate) text: String,
        pub(crate) tags: Vec<String>,
    }

    impl pivotdb::Versioned for Note {
        const KIND: &'static str = "note";
        fn evolution() -> Evolution {
            Evolution::new().step("many tags", [Op::rename("tag", "tags"), Op::wrap_list("tags")])
        }
    }
}

use pivotdb::field;

use crate::harness::Question;

pub(crate) struct Pivot;

fn note(text: &str, tags: &[&str]) -> (before::Note, after::Note) {
    let tag = tags.first().copied().unwrap_or_default().into();
    let after = after::Note { text: text.into(), tags: tags.iter().map(|tag| (*tag).into()).collect() };
    (before::Note { text: text.into(), tag }, after)
}

impl crate::harness::Pivot for Pivot {
    type Before = before::Note;
    type After = after::Note;
    const SOURCE: &'static str = include_str!("scalar_to_list.rs");

    fn documents() -> Vec<(before::Note, after::Note)> {
        vec![note("buy milk", &["home"]), note("call Bob", &["work"])]
    }

    fn added() -> (before::Note, after::Note) {
        note("book a train", &["travel", "work", "soon"])
    }

    fn newer_edits(after: &mut after::Note) {
        after.tags.push("soon".into());
    }

    fn seen_by_older(_: &mut before::Note) {}

    fn older_edits(before: &mut before::Note) {
        before.text.push('!');
    }

    fn seen_by_newer(after: &mut after::Note) {
        after.text.push('!');
    }

    fn older_asks() -> Question<before::Note> {
        Question {
            filter: field("tag").one_of(["work", "travel"]),
            sort: "text",
            index: "tag",
            meant: |note| matches!(&*note.tag, "work" | "travel").then(|| note.text.clone()),
        }
    }

    fn newer_asks() -> Question<after::Note> {
        Question {
            filter: field("tags").contains("work"),
            sort: "text",
            index: "tags",
            meant: |note| note.tags.contains(&"work".into()).then(|| note.text.clone()),
        }
    }
}
