//! The members of an object that can be changed, whatever their values are.

use std::borrow::Cow;

/// The members of an object, in their order, which every change but the one asked for keeps. Looking one up costs O(n), but few instructions for
/// each member that it is not.
#[derive(Debug, Clone)]
pub(crate) struct Members<'a, V>(Vec<Member<'a, V>>);

#[derive(Debug, Clone)]
struct Member<'a, V> {
    /// Of the key; keys whose tags differ differ.
    tag: u32,
    key: Cow<'a, str>,
    value: V,
}

impl<'a, V> Member<'a, V> {
    #[inline]
    fn new(key: Cow<'a, str>, value: V) -> Self {
        Self { tag: tag(key.as_bytes()), key, value }
    }
}

/// Tells most keys of an object from each other: made of how a key begins, how it ends, and its length.
#[inline]
pub(super) fn tag(key: &[u8]) -> u32 {
    let ends = match (key.first_chunk(), key.last_chunk()) {
        (Some(first), Some(last)) => u32::from_le_bytes(*first).rotate_left(11) ^ u32::from_le_bytes(*last),
        _ => key.iter().fold(0, |tag, byte| tag << 8 | u32::from(*byte)),
    };
    ends ^ (key.len() as u32).rotate_left(23)
}

/// What became of a [`Members::rename`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renamed {
    Done,
    /// There is no member of the old name.
    Absent,
    /// There is another member of the new name. Nothing was changed.
    Collides,
}

impl<'a, V> Members<'a, V> {
    /// No members.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// No members, and room for some.
    pub(crate) fn with_capacity(members: usize) -> Self {
        Self(Vec::with_capacity(members))
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In their order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &V)> {
        self.0.iter().map(|member| (&*member.key, &member.value))
    }

    /// In their order, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut V)> {
        self.0.iter_mut().map(|member| (&*member.key, &mut member.value))
    }

    /// Where `key` stands.
    pub(crate) fn position(&self, key: &str) -> Option<usize> {
        let tag = tag(key.as_bytes());
        self.0.iter().position(|member| member.tag == tag && member.key == key)
    }

    /// Whether there is a member `key`.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// The value of `key`.
    #[cfg(test)]
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.0.get(self.position(key)?).map(|member| &member.value)
    }

    /// The value of `key`, to be changed.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let tag = tag(key.as_bytes());
        let member = self.0.iter_mut().find(|member| member.tag == tag && member.key == key);
        member.map(|member| &mut member.value)
    }

    /// Sets `key` where it stands, or at the end where there is none. The former value, if there was one.
    pub(crate) fn insert(&mut self, key: impl Into<Cow<'a, str>>, value: V) -> Option<V> {
        self.insert_at(self.len(), key, value)
    }

    /// Sets `key` where it stands, or before the member at `position` where there is none. The former value, if there was one.
    pub(crate) fn insert_at(&mut self, position: usize, key: impl Into<Cow<'a, str>>, value: V) -> Option<V> {
        let key = key.into();
        match self.get_mut(&key) {
            Some(slot) => Some(std::mem::replace(slot, value)),
            None => {
                self.0.insert(position.min(self.len()), Member::new(key, value));
                None
            }
        }
    }

    /// Takes `key` out; those after it move up.
    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        let position = self.position(key)?;
        Some(self.0.remove(position).value)
    }

    /// Gives the member `from` another name, in its place.
    pub(crate) fn rename(&mut self, from: &str, to: impl Into<Cow<'a, str>>) -> Renamed {
        let to = to.into();
        let Some(position) = self.position(from) else { return Renamed::Absent };
        if to == from {
            return Renamed::Done;
        }
        if self.contains(&to) {
            return Renamed::Collides;
        }
        if let Some(member) = self.0.get_mut(position) {
            member.tag = tag(to.as_bytes());
            member.key = to;
        }
        Renamed::Done
    }

    /// Adds a member whose key the caller knows to be new.
    pub(crate) fn push_distinct(&mut self, key: Cow<'a, str>, value: V) {
        self.0.push(Member::new(key, value));
    }

    /// Keeps what `keep` says, in its order.
    pub(super) fn retain_mut(&mut self, mut keep: impl FnMut(&str, &mut V) -> bool) {
        self.0.retain_mut(|member| keep(&member.key, &mut member.value));
    }
}

impl<V> Default for Members<'_, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, V> IntoIterator for Members<'a, V> {
    type Item = (Cow<'a, str>, V);
    type IntoIter = IntoMembers<'a, V>;

    fn into_iter(self) -> Self::IntoIter {
        IntoMembers(self.0.into_iter())
    }
}

/// Members, in their order.
#[derive(Debug)]
pub(crate) struct IntoMembers<'a, V>(std::vec::IntoIter<Member<'a, V>>);

impl<'a, V> Iterator for IntoMembers<'a, V> {
    type Item = (Cow<'a, str>, V);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|member| (member.key, member.value))
    }
}

impl<'a, V> FromIterator<(Cow<'a, str>, V)> for Members<'a, V> {
    /// Of equal keys the last value counts, in the place of the first. Costs O(n^2).
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, V)>>(members: I) -> Self {
        let mut collected = Self::new();
        for (key, value) in members {
            collected.insert(key, value);
        }
        collected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(members: &Members<'_, i32>) -> Vec<String> {
        members.iter().map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn changes_keep_the_order() {
        let mut members: Members<'_, i32> =
            ["a", "b", "c"].into_iter().map(|key| (Cow::Borrowed(key), 0)).collect();
        assert_eq!(members.rename("b", "B"), Renamed::Done);
        assert_eq!(members.rename("b", "x"), Renamed::Absent);
        assert_eq!(members.rename("a", "c"), Renamed::Collides);
        assert_eq!(members.rename("a", "a"), Renamed::Done);
        assert_eq!(keys(&members), ["a", "B", "c"]);
        assert_eq!(members.insert("B", 1), Some(0));
        assert_eq!(members.insert("d", 0), None);
        assert_eq!(members.remove("a"), Some(0));
        assert_eq!(members.remove("a"), None);
        assert_eq!(members.insert_at(1, "e", 0), None);
        assert_eq!(members.insert_at(99, "f", 0), None);
        assert_eq!(keys(&members), ["B", "e", "c", "d", "f"]);
        assert_eq!(members.get("B"), Some(&1));
        assert_eq!(members.position("c"), Some(2));
    }
}
