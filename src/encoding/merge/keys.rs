//! Keys that identify the elements of arrays.

use crate::encoding::merge::place::Place;

/// Which member identifies the elements of which array, as declared by the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ArrayKeys(Vec<Declared>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Declared {
    path: Vec<Box<str>>,
    key: Box<str>,
}

impl ArrayKeys {
    /// None declared.
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Elements of the array at `path` are the same if their member `key` is equal. `path` names the members that lead to the array;
    /// elements that are passed on the way have no name: `["orders", "lines"]` speaks of the lines of each order.
    pub(crate) fn declare(
        &mut self,
        path: impl IntoIterator<Item = impl Into<Box<str>>>,
        key: impl Into<Box<str>>,
    ) {
        self.0.push(Declared { path: path.into_iter().map(Into::into).collect(), key: key.into() });
    }

    pub(super) fn get(&self, place: &Place<'_>) -> Option<&str> {
        let declared =
            self.0.iter().find(|declared| place.keys().eq(declared.path.iter().rev().map(|key| &**key)));
        declared.map(|declared| &*declared.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_passes_through_elements() {
        let mut keys = ArrayKeys::none();
        keys.declare(["orders", "lines"], "sku");
        let (root, orders, order, lines);
        root = Place::ROOT;
        orders = root.key("orders");
        order = orders.index(3, 3);
        lines = order.key("lines");
        assert_eq!(keys.get(&lines), Some("sku"));
        assert_eq!(keys.get(&order), None);
        assert_eq!(keys.get(&root), None);
    }
}
