//! Where in a body the merge is.

/// Where in a body the merge is, from the innermost step outwards; it lives on the stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    outer: Option<&'p Place<'p>>,
    step: Step<'p>,
}

/// One step into a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'p> {
    Root,
    Key(&'p str),
    /// Elements have other places in the result than they had in the base.
    Index {
        base: usize,
        result: usize,
    },
}

/// One step into a body, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index { base: usize, result: usize },
}

impl<'p> Place<'p> {
    pub(super) const ROOT: Self = Self { outer: None, step: Step::Root };

    pub(super) fn key(&'p self, key: &'p str) -> Self {
        Self { outer: Some(self), step: Step::Key(key) }
    }

    pub(super) fn index(&'p self, base: usize, result: usize) -> Self {
        Self { outer: Some(self), step: Step::Index { base, result } }
    }

    /// The keys on the way here, the innermost first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'p str> {
        self.steps().filter_map(|step| match step {
            Step::Key(key) => Some(key),
            _ => None,
        })
    }

    /// The way here, the outermost step first.
    pub(super) fn to_segments(self) -> Vec<Segment> {
        let mut segments: Vec<_> = self
            .steps()
            .filter_map(|step| match step {
                Step::Root => None,
                Step::Key(key) => Some(Segment::Key(key.to_owned())),
                Step::Index { base, result } => Some(Segment::Index { base, result }),
            })
            .collect();
        segments.reverse();
        segments
    }

    fn steps(&self) -> impl Iterator<Item = Step<'p>> {
        std::iter::successors(Some(*self), |place| place.outer.copied()).map(|place| place.step)
    }
}

/// As a JSON Pointer into the base.
pub(super) fn pointer(segments: &[Segment]) -> String {
    segments.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Key(key) => pointer + "/" + &key.replace('~', "~0").replace('/', "~1"),
        Segment::Index { base, .. } => format!("{pointer}/{base}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_way() {
        let (items, root) = ("items", Place::ROOT);
        let (list, element);
        list = root.key(items);
        element = list.index(2, 5);
        let name = element.key("a/b");
        assert_eq!(name.keys().collect::<Vec<_>>(), ["a/b", "items"]);
        assert_eq!(pointer(&name.to_segments()), "/items/2/a~1b");
        assert_eq!(Place::ROOT.to_segments(), []);
    }
}
