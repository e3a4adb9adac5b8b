//! What an index is declared to be.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::error::error::Error;
use crate::evolution::step::Step;
use crate::filter::condition::{Condition, Test};
use crate::filter::filter::Filter;
use crate::filter::print;
use crate::filter::route::Route;
use crate::index::error::IndexError;
use crate::index::impact::{Impact, follow};
use crate::model::name;
use crate::value::path::{Path, ToPath};

/// The most components an index may have.
pub(crate) const MAX_COMPONENTS: usize = 8;

/// What becomes of writes that put new values into a unique index while it is being built.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WhileBuilding {
    /// They are made, if no other document is known to have the value: none that was written since the build began, or that it has
    /// come past. If the build then meets an old document with the same value, and it still has it when the build ends, the index has [failed](crate::IndexState::Failed), and lists
    /// the old document. Whose the value is, a query by it tells.
    #[default]
    Unenforced,
    /// They are refused with `IndexBuilding`. Writes that leave the values alone, and deletes, are made.
    Refused,
}

/// An index, to be declared by [`Versioned::indexes`](crate::Versioned::indexes) or made by
/// [`Collection::create_index`](crate::Collection::create_index): paths of documents as this program sees them.
///
/// Of a list at a path every element is indexed, and lists on the way are gone through. A document without anything at the path is indexed
/// as such.
///
/// ```
/// use pivotdb::Index;
///
/// Index::on("age");
/// Index::unique("contact.email").sparse();
/// Index::on("city").and_descending("age").named("by_city");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an index is nothing before it is declared"]
pub struct Index {
    name: Option<String>,
    pub(crate) definition: Definition,
    /// The first flaw there is.
    flaw: Option<IndexError>,
}

/// What an index is, whatever it is called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    pub(crate) components: Vec<Component>,
    pub(crate) unique: bool,
    pub(crate) sparse: bool,
    pub(crate) while_building: WhileBuilding,
    /// Which documents it has.
    pub(crate) partial: Option<Partial>,
    /// The names of the kinds it covers; empty: that of who declares it.
    pub(crate) kinds: Vec<String>,
}

/// Which documents a partial index has.
#[derive(Debug, Clone)]
pub(crate) struct Partial {
    pub(crate) condition: Arc<Condition>,
    /// In canonical form.
    json: Value,
}

impl Partial {
    fn new(filter: &Filter) -> Result<Self, Error> {
        let (condition, json) = (Arc::clone(filter.condition()?), filter.to_json()?);
        Ok(Self { condition, json })
    }

    /// The filter, in canonical form.
    pub(crate) fn to_json(&self) -> Value {
        self.json.clone()
    }

    /// The paths it looks at.
    pub(crate) fn paths(&self) -> Vec<Path> {
        let mut routes = Vec::new();
        self.condition.routes(&mut routes);
        routes.into_iter().map(|route| route.path().clone()).collect()
    }

    /// The same of what has gone through `steps`: with the names they have given.
    fn followed(&self, steps: &[Arc<Step>]) -> Result<Self, String> {
        let condition = Arc::new(followed(&self.condition, steps)?);
        Ok(Self { json: print::condition(&condition), condition })
    }
}

fn followed(condition: &Condition, steps: &[Arc<Step>]) -> Result<Condition, String> {
    let all = |conditions: &[Condition]| {
        conditions.iter().map(|one| followed(one, steps)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match condition {
        Condition::All(conditions) => Condition::All(all(conditions)?),
        Condition::Any(conditions) => Condition::Any(all(conditions)?),
        Condition::Not(condition) => followed(condition, steps)?.negated(),
        Condition::At(route, test) => {
            // Of what is within elements it says names that are not followed.
            if let (Test::Element { .. }, Impact::Rebuild { step }) =
                (test, Impact::of(&[route.path().clone()], steps))
            {
                return Err(step);
            }
            Condition::At(Route::new(follow(route.path(), steps)?), test.clone())
        }
    })
}

impl PartialEq for Partial {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

/// One of the things an index sorts by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) path: Path,
    pub(crate) descending: bool,
}

impl Index {
    /// On what is at `path`.
    pub fn on(path: impl ToPath) -> Self {
        let definition = Definition {
            components: Vec::new(),
            unique: false,
            sparse: false,
            while_building: WhileBuilding::Unenforced,
            partial: None,
            kinds: Vec::new(),
        };
        Self { name: None, definition, flaw: None }.component(&path, false)
    }

    /// On what is at `path`, which no two documents may have in common. Nothing and null are the same here, and count as a value unless the index
    /// is [sparse](Self::sparse).
    pub fn unique(path: impl ToPath) -> Self {
        Self::on(path).enforced()
    }

    /// On what is at `path`, from the greatest down. A query goes through an index in either direction, so that this makes a difference only
    /// together with [`and`](Self::and).
    pub fn descending(path: impl ToPath) -> Self {
        let mut index = Self::on(path);
        if let Some(first) = index.definition.components.first_mut() {
            first.descending = true;
        }
        index
    }

    /// Then on what is at `path`. At most eight paths, of which at most one may lead to or through a list, unless they begin with the same name.
    pub fn and(self, path: impl ToPath) -> Self {
        self.component(&path, false)
    }

    /// Then on what is at `path`, from the greatest down.
    pub fn and_descending(self, path: impl ToPath) -> Self {
        self.component(&path, true)
    }

    /// No two documents may have the same values.
    pub fn enforced(mut self) -> Self {
        self.definition.unique = true;
        self
    }

    /// Without documents that have nothing at any of the paths.
    pub fn sparse(mut self) -> Self {
        self.definition.sparse = true;
        self
    }

    /// With the documents alone that `filter` means. Queries use it where they ask for no others.
    ///
    /// ```
    /// # use pivotdb::{Index, field};
    /// Index::unique("email").only(field("deleted").ne(true));
    /// ```
    pub fn only(mut self, filter: impl Into<Filter>) -> Self {
        match Partial::new(&filter.into()) {
            Ok(partial) => self.definition.partial = Some(partial),
            Err(error) => drop(self.flaw.get_or_insert(IndexError::Filter { because: error.to_string() })),
        }
        self
    }

    /// The index is called so. Otherwise it is called by its paths.
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// It covers the documents of these kinds. Otherwise those of the type, or the only kind, of the collection it is declared for.
    pub fn of_kinds<K: Into<String>>(mut self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.definition.kinds = kinds.into_iter().map(Into::into).collect();
        self.definition.kinds.sort_unstable();
        self.definition.kinds.dedup();
        self
    }

    /// What becomes of writes while a unique index is being built.
    pub fn while_building(mut self, policy: WhileBuilding) -> Self {
        self.definition.while_building = policy;
        self
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let paths = self.definition.components.iter().map(|component| {
                let sign = if component.descending { "-" } else { "" };
                format!("{sign}{}", component.path)
            });
            paths.collect::<Vec<_>>().join(",")
        })
    }

    /// One that there is already.
    pub(crate) fn of_definition(name: &str, definition: Definition) -> Self {
        Self { name: Some(name.to_owned()), definition, flaw: None }
    }

    /// The same on other paths.
    pub(crate) fn set_paths(&mut self, paths: Vec<Path>) {
        for (component, path) in self.definition.components.iter_mut().zip(paths) {
            component.path = path;
        }
    }

    /// Whether it makes sense.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let named = |error: IndexError| Err(Error::from(error).with_detail("index", self.name()));
        if let Some(flaw) = &self.flaw {
            return named(flaw.clone());
        }
        if let Some(because) = name::flaw(&self.name()) {
            return named(IndexError::Name { because });
        }
        for (position, component) in self.definition.components.iter().enumerate() {
            let earlier = self.definition.components.iter().take(position);
            if earlier.clone().any(|other| other.path == component.path) {
                return named(IndexError::Twice { path: component.path.clone() });
            }
        }
        Ok(())
    }

    fn component(mut self, path: &impl ToPath, descending: bool) -> Self {
        if self.definition.components.len() >= MAX_COMPONENTS {
            self.flaw.get_or_insert(IndexError::TooManyComponents);
            return self;
        }
        match path.to_path() {
            Ok(path) => self.definition.components.push(Component { path, descending }),
            Err(error) => drop(self.flaw.get_or_insert(IndexError::Path { text: error.text().to_owned() })),
        }
        self
    }
}

impl Definition {
    /// As the catalog has it.
    pub(crate) fn to_json(&self) -> Value {
        let components = self.components.iter().map(
            |Component { path, descending }| json!({"path": path.to_string(), "descending": descending}),
        );
        json!({
            "components": components.collect::<Vec<_>>(),
            "unique": self.unique,
            "sparse": self.sparse,
            "refused": self.while_building == WhileBuilding::Refused,
            "partial": self.partial.as_ref().map(|partial| partial.json.clone()),
            "kinds": self.kinds,
        })
    }

    /// What [`to_json`](Self::to_json) gave.
    pub(crate) fn from_json(json: &Value) -> Option<Self> {
        let component = |json: &Value| {
            let path = Path::new(json.get("path")?.as_str()?).ok()?;
            Some(Component { path, descending: json.get("descending")?.as_bool()? })
        };
        let refused = json.get("refused")?.as_bool()?;
        let partial = match json.get("partial")? {
            Value::Null => None,
            filter => Some(Partial::new(&Filter::from(filter.clone())).ok()?),
        };
        let kind = |kind: &Value| Some(kind.as_str()?.to_owned());
        Some(Self {
            components: json.get("components")?.as_array()?.iter().map(component).collect::<Option<_>>()?,
            unique: json.get("unique")?.as_bool()?,
            sparse: json.get("sparse")?.as_bool()?,
            while_building: if refused { WhileBuilding::Refused } else { WhileBuilding::Unenforced },
            partial,
            kinds: json.get("kinds")?.as_array()?.iter().map(kind).collect::<Option<_>>()?,
        })
    }

    /// Whether it has as many components as it may have.
    pub(crate) fn is_sound(&self) -> bool {
        (1..=MAX_COMPONENTS).contains(&self.components.len())
    }

    /// The paths of the components.
    pub(crate) fn paths(&self) -> Vec<Path> {
        self.components.iter().map(|component| component.path.clone()).collect()
    }

    /// The same of what has gone through `steps`, where its paths were `paths` before: on what these have become, with a filter in the names that they have now.
    ///
    /// # Errors
    /// The first step after which it would be on nothing.
    pub(crate) fn followed(&self, paths: &[Path], steps: &[Arc<Step>]) -> Result<Self, String> {
        let mut components = self.components.clone();
        for (component, path) in components.iter_mut().zip(paths) {
            component.path = follow(path, steps)?;
        }
        let partial = self.partial.as_ref().map(|partial| partial.followed(steps)).transpose()?;
        Ok(Self { components, partial, ..self.clone() })
    }

    /// What steps mean for an index that is this but for its paths, which are `paths`.
    pub(crate) fn impact(&self, paths: &[Path], steps: &[Arc<Step>]) -> Impact {
        if let Err(step) = self.followed(paths, steps) {
            return Impact::LeftBehind { step };
        }
        let filtered = self.partial.as_ref().map(Partial::paths).unwrap_or_default();
        Impact::with_filter(paths, &filtered, steps)
    }

    /// Whether `other` is the same but for its paths and its policy.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let directions = |of: &Self| of.components.iter().map(|one| one.descending).collect::<Vec<_>>();
        self.unique == other.unique
            && self.sparse == other.sparse
            && self.partial == other.partial
            && directions(self) == directions(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::kind::ErrorKind;

    #[test]
    fn is_called_by_its_paths() {
        assert_eq!(Index::on("a.b").and_descending("/c.d").name(), "a.b,-/c.d");
        assert_eq!(Index::on("a").named("x").name(), "x");
    }

    #[test]
    fn senseless_ones_are_refused_by_name() {
        let nine = (1..9).fold(Index::on("p0"), |index, n| index.and(format!("p{n}")));
        for (index, kind) in [
            (Index::on("a..b").named("x"), ErrorKind::InvalidPath),
            (Index::on("a").and("a").named("x"), ErrorKind::InvalidIndex),
            (nine.named("x"), ErrorKind::InvalidIndex),
            (Index::on("a").named("x\n"), ErrorKind::InvalidIndex),
            (Index::on("a").named(""), ErrorKind::InvalidIndex),
        ] {
            let error = index.check().unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.context().detail("index"), Some(&*index.name()));
        }
        assert!(Index::unique("a").and("b").sparse().check().is_ok());
    }

    #[test]
    fn json_reads_back() {
        let index = Index::unique("a.b").and_descending("/c.d").sparse().of_kinds(["b", "a", "b"]);
        let index = index.while_building(WhileBuilding::Refused).only(json!({"x": {"$gt": 3}})).definition;
        assert_eq!(Definition::from_json(&index.to_json()), Some(index.clone()));
        assert_eq!(index.kinds, ["a", "b"]);
        assert_eq!(Definition::from_json(&json!({})), None);
    }
}
