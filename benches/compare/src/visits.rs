//! A change of two fields in documents that have more, as PivotDB makes it and as `#[serde(flatten)]` does.

use pivotdb::testing::merging::update;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the program knows of a document.
#[derive(Serialize, Deserialize)]
struct Known {
    visits: u64,
    state: String,
}

/// The same, for those who must keep the rest themselves.
#[derive(Serialize, Deserialize)]
struct Kept {
    visits: u64,
    state: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn visit(visits: &mut u64, state: &mut String) {
    *visits += 1;
    *state = if visits.is_multiple_of(2) { "open" } else { "being packed" }.to_owned();
}

/// From one stored body to the next.
pub fn change(body: &[u8]) -> Vec<u8> {
    update::<Known>(body, |known| visit(&mut known.visits, &mut known.state)).expect("it is merged")
}

/// From JSON text to JSON text.
pub fn change_text(text: &[u8]) -> Vec<u8> {
    let mut kept: Kept = serde_json::from_slice(text).expect("it is JSON");
    visit(&mut kept.visits, &mut kept.state);
    serde_json::to_vec(&kept).expect("it is JSON")
}
