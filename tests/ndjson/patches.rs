//! The vectors of RFC 7396, appendix A.

use pivotdb::Store;
use serde::Deserialize;
use serde_json::Value;

use crate::support::corpora;

#[derive(Deserialize)]
struct Vector {
    doc: Value,
    patch: Value,
    expected: Value,
}

#[test]
fn merge_patch_vectors() {
    let Some(corpora) = corpora() else { return };
    let text = std::fs::read_to_string(corpora.join("merge-patch-rfc7396.json")).unwrap();
    let vectors: Vec<Vector> = serde_json::from_str(&text).unwrap();
    let store = Store::memory().unwrap();
    let documents = store.documents("patched").unwrap();
    let (mut roots, mut changed) = (0, 0);
    for (number, Vector { doc, patch, expected }) in (0_u64..).zip(&vectors) {
        documents.insert_with_id(number, doc).unwrap();
        let patched = documents.merge_patch(number, patch).unwrap();
        assert_eq!(patched.value, *expected, "vector {number}: {doc} patched by {patch}");
        let stored = documents.require(number).unwrap();
        assert_eq!(stored.value, *expected, "vector {number}");
        assert_eq!(stored.revision(), patched.revision());
        assert_eq!(stored.revision().get() > 1, doc != expected, "vector {number}");
        roots += usize::from(!patch.is_object() || !doc.is_object());
        changed += usize::from(doc != expected);
    }
    println!(
        "RFC 7396: {} vectors, {roots} of them replace the root, {changed} change something",
        vectors.len()
    );
    assert!(vectors.len() == 15 && roots >= 5 && changed >= 12);
}
