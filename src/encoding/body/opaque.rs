//! Values that stand for others.

use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::body::tag;

/// A numbered value that can be carried about and cannot be looked into: whoever tries gets an error, since its content is malformed. So
/// what handles it successfully does the same with any other value. It is no body and goes into none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opaque([u8; LEN]);

/// A tag, the length of what follows, the length of a key that is not there, and the number.
const LEN: usize = 7;
const HEAD: [u8; 3] = [tag::OBJECT, 5, 0x7f];

impl Opaque {
    pub(crate) fn new(number: u32) -> Self {
        let mut bytes = [0; LEN];
        for (slot, byte) in bytes.iter_mut().zip(HEAD.into_iter().chain(number.to_le_bytes())) {
            *slot = byte;
        }
        Self(bytes)
    }

    /// The value.
    pub(crate) fn node(&self) -> Node<'_> {
        // The tag and the length are those of an object.
        Raw::new(&self.0).map_or(Node::Null, Node::Raw)
    }

    /// Which one `node` is; `None` where it is another value.
    pub(crate) fn number(node: &Node<'_>) -> Option<u32> {
        let Node::Raw(raw) = node else { return None };
        raw.bytes().strip_prefix(&HEAD)?.try_into().ok().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::body::limits::Limits;

    #[test]
    fn it_is_known_and_cannot_be_looked_into() {
        for number in [0, 1, 0x0102_0304, u32::MAX] {
            let opaque = Opaque::new(number);
            let mut node = opaque.node();
            assert_eq!(Opaque::number(&node), Some(number));
            assert!(node.as_object_mut().is_err());
            assert!(node.to_bytes(Limits::default()).is_err());
            assert!(node.to_value().is_err());
            assert_eq!(Opaque::number(&node), Some(number));
        }
        assert_eq!(Opaque::number(&Node::Null), None);
        assert_eq!(Opaque::number(&Node::from_value(serde_json::json!({"a": 1})).unwrap()), None);
    }
}
