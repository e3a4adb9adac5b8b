//! Members found by key.

use std::collections::HashMap;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::raw::Raw;

/// As many searches out of order are made one member by one, then an index is made.
const FEW: usize = 8;

/// The members of an object, found fast where they are asked for in their order. Searches cost O(n) in all but for the first few.
pub(super) struct Lookup<'a> {
    members: Vec<Member<'a>>,
    /// The one after that found last.
    next: usize,
    searches: usize,
    index: HashMap<&'a str, usize>,
}

struct Member<'a> {
    key: &'a str,
    value: Raw<'a>,
    found: bool,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(object: Raw<'a>) -> Result<Self, BodyError> {
        let mut members = Vec::with_capacity(16);
        for member in object.members() {
            let (key, value) = member?;
            members.push(Member { key, value, found: false });
        }
        Ok(Self { members, next: 0, searches: 0, index: HashMap::new() })
    }

    pub(super) fn find(&mut self, key: &str) -> Option<Raw<'a>> {
        let position = self.position(key)?;
        self.next = position + 1;
        let member = self.members.get_mut(position)?;
        member.found = true;
        Some(member.value)
    }

    /// Those that have not been found, in their order.
    pub(super) fn rest(&self) -> impl Iterator<Item = (&'a str, Raw<'a>)> {
        self.members.iter().filter(|member| !member.found).map(|member| (member.key, member.value))
    }

    fn position(&mut self, key: &str) -> Option<usize> {
        if self.members.get(self.next).is_some_and(|member| member.key == key) {
            return Some(self.next);
        }
        self.searches += 1;
        if self.searches <= FEW || self.members.len() <= FEW {
            return self.members.iter().position(|member| member.key == key);
        }
        if self.index.is_empty() {
            self.index =
                self.members.iter().enumerate().map(|(position, member)| (member.key, position)).collect();
        }
        self.index.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::encoding::merge::testing::body;

    proptest! {
        #[test]
        fn finds_what_is_there(keys in vec("[a-z]{1,2}", 0..30), asked in vec("[a-z]{1,2}", 0..40)) {
            let object: Map<String, Value> = keys.iter().map(|key| (key.clone(), json!(key))).collect();
            let bytes = body(Value::Object(object.clone()));
            let mut lookup = Lookup::new(Raw::new(&bytes).unwrap()).unwrap();
            for key in &asked {
                let found = lookup.find(key).map(|raw| raw.to_value().unwrap());
                prop_assert_eq!(found.as_ref(), object.get(key));
            }
            let rest: Vec<_> = lookup.rest().map(|(key, _)| key.to_owned()).collect();
            let expected: Vec<_> = object.keys().filter(|key| !asked.contains(key)).cloned().collect();
            prop_assert_eq!(rest, expected);
        }
    }
}
