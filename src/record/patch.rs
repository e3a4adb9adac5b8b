//! JSON Merge Patch (RFC 7396) on encoded bodies.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::members::Members;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Kind, Raw};

/// `body` after `patch`: members that are null in the patch are removed, objects are patched member by member, everything
/// else replaces what was there.
pub(crate) fn merge_patch(body: Raw<'_>, patch: Raw<'_>, limits: Limits) -> Result<Vec<u8>, BodyError> {
    patch.check_depth(limits.depth)?;
    let mut node = Node::Raw(body);
    apply(&mut node, patch)?;
    node.to_bytes(limits)
}

/// As deep as the patch, whose depth has been checked.
fn apply<'a>(target: &mut Node<'a>, patch: Raw<'a>) -> Result<(), BodyError> {
    if patch.kind() != Kind::Object {
        *target = Node::Raw(patch);
        return Ok(());
    }
    if target.kind() != Kind::Object {
        *target = Node::from(Members::new());
    }
    let Some(members) = target.as_object_mut()? else { return Ok(()) };
    for member in patch.members() {
        let (key, value) = member?;
        if value.kind() == Kind::Null {
            members.remove(key);
            continue;
        }
        match members.get_mut(key) {
            Some(existing) => apply(existing, value)?,
            None => {
                let mut new = Node::Null;
                apply(&mut new, value)?;
                members.insert(key, new);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn encode(value: &Value) -> Vec<u8> {
        Node::from_value(value.clone()).unwrap().to_bytes(Limits::default()).unwrap()
    }

    fn patched(body: &Value, patch: &Value) -> Value {
        let (body, patch) = (encode(body), encode(patch));
        let result =
            merge_patch(Raw::new(&body).unwrap(), Raw::new(&patch).unwrap(), Limits::default()).unwrap();
        Raw::new(&result).unwrap().to_value().unwrap()
    }

    #[test]
    fn patches() {
        let body = json!({"a": {"b": 1, "c": [1]}, "d": null});
        assert_eq!(patched(&body, &json!({})), body);
        assert_eq!(
            patched(&body, &json!({"a": {"b": null, "x": {"y": null}}})),
            json!({"a": {"c": [1], "x": {}}, "d": null})
        );
        assert_eq!(
            patched(&body, &json!({"a": {"c": {"0": 2}}})),
            json!({"a": {"b": 1, "c": {"0": 2}}, "d": null})
        );
        assert_eq!(patched(&body, &json!([1])), json!([1]));
    }
}
