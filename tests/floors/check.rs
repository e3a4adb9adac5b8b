//! The rules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::source::{Crate, Import, Module};

/// Which module may import which.
pub(crate) struct Map {
    /// For a module (empty: the crate) its modules from the top down; those on one line never import each other.
    pub(crate) order: &'static [(&'static str, &'static [&'static str])],
    /// A dependency and the modules that may name it, with all below them.
    pub(crate) confined: &'static [(&'static str, &'static [&'static str])],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    Upward,
    Sideways,
    Cycle,
    Reexport,
    Unassigned,
    Confined,
    Declarations,
    Opaque,
}

impl Rule {
    fn text(self) -> &'static str {
        match self {
            Self::Upward => "a module imports only from below",
            Self::Sideways => "neighbours never import each other",
            Self::Cycle => "files never import in a circle",
            Self::Reexport => "import from the module that defines it",
            Self::Unassigned => "every module has its place on the map",
            Self::Confined => "this dependency is confined",
            Self::Declarations => "`mod.rs` and `lib.rs` only declare",
            Self::Opaque => "nothing hides from this test",
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Breach {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) import: String,
    pub(crate) rule: Rule,
    pub(crate) why: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, import, rule, why } = self;
        write!(f, "src/{file}:{line}: `{import}`: {}: {why}", rule.text())
    }
}

/// What `check` saw.
pub(crate) struct Report {
    pub(crate) breaches: Vec<Breach>,
    pub(crate) files: usize,
    /// Imports from one file into another.
    pub(crate) imports: usize,
}

/// Checks the files of a crate, by their path from `src`.
pub(crate) fn check(map: &Map, sources: &BTreeMap<String, String>) -> Report {
    let parsed = Crate::parse(sources);
    let mut checker = Checker { map, parsed: &parsed, breaches: Vec::new(), edges: BTreeMap::new() };
    for opaque in &parsed.opaque {
        checker.breach(
            &opaque.file,
            opaque.line,
            &opaque.what,
            Rule::Opaque,
            "write it so that it can be followed",
        );
    }
    checker.places();
    checker.declarations();
    let imports = parsed.imports.iter().filter(|import| checker.import(import)).count();
    checker.cycles();
    let mut breaches = checker.breaches;
    breaches.sort();
    breaches.dedup();
    let files = parsed.modules.values().filter(|module| !module.inline).count();
    Report { breaches, files, imports }
}

struct Checker<'a> {
    map: &'a Map,
    parsed: &'a Crate,
    breaches: Vec<Breach>,
    /// From file to file, with one line and import for each.
    edges: BTreeMap<&'a str, BTreeMap<&'a str, (usize, String)>>,
}

impl<'a> Checker<'a> {
    fn breach(&mut self, file: &str, line: usize, import: &str, rule: Rule, why: impl Into<String>) {
        let (file, import, why) = (file.to_owned(), import.to_owned(), why.into());
        self.breaches.push(Breach { file, line, import, rule, why });
    }

    /// Every module of a room that has an order stands in it once, and inside a room nothing else does.
    fn places(&mut self) {
        for (room, layers) in self.map.order {
            let at = segments(room);
            let Some(parent) = self.parsed.modules.get(&at) else {
                self.breach("", 0, room, Rule::Unassigned, "the map orders a module that is not there");
                continue;
            };
            let mut named: Vec<&str> = layers.iter().flat_map(|layer| layer.split_whitespace()).collect();
            named.sort_unstable();
            if let Some(twice) = named.windows(2).find(|pair| pair.first() == pair.last()) {
                self.breach(&parent.file, 0, &twice.concat(), Rule::Unassigned, "the map names it twice");
            }
            let children: BTreeMap<&str, &Module> = self
                .parsed
                .modules
                .iter()
                .filter(|(path, module)| {
                    !module.inline && path.len() == at.len() + 1 && path.starts_with(&at)
                })
                .filter_map(|(path, module)| Some((path.last()?.as_str(), module)))
                .collect();
            for (name, module) in &children {
                if !named.contains(name) {
                    self.breach(
                        &module.file,
                        0,
                        name,
                        Rule::Unassigned,
                        "add it to MAP in tests/floors/main.rs",
                    );
                }
            }
            for name in named.iter().filter(|name| !at.is_empty() && !children.contains_key(*name)) {
                self.breach(&parent.file, 0, name, Rule::Unassigned, "the map names it, and it is not there");
            }
        }
    }

    fn declarations(&mut self) {
        for (path, module) in &self.parsed.modules {
            let facade = module.file == "lib.rs";
            if !(facade || module.file.ends_with("/mod.rs")) {
                continue;
            }
            let scope = path.join("::");
            for item in module.items.iter().filter(|item| !(facade && *item == "_")) {
                self.breach(&module.file, 0, item, Rule::Declarations, format!("`{scope}` defines it"));
            }
            if facade {
                for glob in &module.globs {
                    let import = format!("{}::*", glob.join("::"));
                    self.breach(&module.file, 0, &import, Rule::Declarations, "re-export by name");
                }
            } else if let Some(name) = module.brought.keys().next() {
                self.breach(&module.file, 0, name, Rule::Declarations, "it has a `use`");
            }
        }
    }

    /// Whether it is an import from one file into another.
    fn import(&mut self, import: &'a Import) -> bool {
        let target = match self.parsed.resolve(&import.module, &import.path) {
            Ok(target) => target,
            Err(foreign) => {
                self.confined(import, &foreign);
                return false;
            }
        };
        let (to, rest) = self.parsed.module_of(&target);
        let (Some(from), Some(defining)) =
            (self.parsed.modules.get(&import.module), self.parsed.modules.get(to))
        else {
            return false;
        };
        if from.file == defining.file {
            return false;
        }
        let text = written(import);
        let reexport = rest.first().and_then(|item| self.reexported(to, defining, item));
        let breach = reexport.or_else(|| self.misplaced(&import.module, to)).or_else(|| match rest.first() {
            Some(item) => undefined(defining, item),
            None if import.glob => self.hands_on(to, defining),
            None => None,
        });
        if let Some((rule, why)) = breach {
            self.breach(&import.file, import.line, &text, rule, why);
            return true;
        }
        self.edges.entry(&from.file).or_default().entry(&defining.file).or_insert((import.line, text));
        true
    }

    fn confined(&mut self, import: &Import, foreign: &str) {
        for (_, rooms) in self.map.confined.iter().filter(|(name, _)| *name == foreign) {
            if !rooms.iter().any(|room| import.module.starts_with(&segments(room))) {
                let why = format!("only {} may name it", rooms.join(", "));
                self.breach(&import.file, import.line, &written(import), Rule::Confined, why);
            }
        }
    }

    /// What `item` is where the module `at` only brings it in.
    fn reexported(&self, at: &[String], module: &Module, item: &str) -> Option<(Rule, String)> {
        let path = module.brought.get(item).filter(|_| !module.items.contains(item))?;
        let origin = match self.parsed.resolve(at, path) {
            Ok(target) => format!("that is `crate::{}`", target.join("::")),
            Err(_) => format!("that is `{}`", path.join("::")),
        };
        Some((Rule::Reexport, origin))
    }

    fn hands_on(&self, at: &[String], module: &Module) -> Option<(Rule, String)> {
        let mut inside = module.handed_on.iter().filter_map(|path| self.parsed.resolve(at, path).ok());
        inside.next().map(|target| (Rule::Reexport, format!("the `*` holds `crate::{}`", target.join("::"))))
    }

    /// Compares the two where their paths part.
    fn misplaced(&self, from: &[String], to: &[String]) -> Option<(Rule, String)> {
        let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        let room = from.get(..common)?.join("::");
        let Some(below) = to.get(common) else {
            let name = if room.is_empty() { "the facade" } else { room.as_str() };
            return Some((Rule::Upward, format!("{name} holds the importing module")));
        };
        // A room's own `mod.rs` stands above all it declares.
        let above = from.get(common)?;
        let (_, layers) = self.map.order.iter().find(|(ordered, _)| *ordered == room)?;
        let layer =
            |name: &str| layers.iter().position(|layer| layer.split_whitespace().any(|word| word == name));
        let (above_layer, below_layer) = (layer(above)?, layer(below)?);
        if above_layer > below_layer {
            Some((Rule::Upward, format!("`{below}` stands above `{above}`")))
        } else if above_layer == below_layer && above != below {
            Some((Rule::Sideways, format!("`{above}` and `{below}` stand on one line")))
        } else {
            None
        }
    }

    /// The shortest circle through each file, every file in one circle at most.
    fn cycles(&mut self) {
        let mut told = BTreeSet::new();
        let mut circles = Vec::new();
        for &start in self.edges.keys() {
            if told.contains(start) {
                continue;
            }
            if let Some(circle) = self.circle(start) {
                told.extend(circle.iter().copied());
                circles.push(circle);
            }
        }
        for circle in circles {
            let (Some(first), Some(second)) = (circle.first(), circle.get(1).or(circle.first())) else {
                continue;
            };
            let Some((line, import)) = self.edges.get(first).and_then(|to| to.get(second)).cloned() else {
                continue;
            };
            let why = format!("{} -> {first}", circle.join(" -> "));
            self.breach(first, line, &import, Rule::Cycle, why);
        }
    }

    fn circle(&self, start: &'a str) -> Option<Vec<&'a str>> {
        let mut came: BTreeMap<&str, &str> = BTreeMap::new();
        let mut waiting = VecDeque::from([start]);
        while let Some(file) = waiting.pop_front() {
            for &next in self.edges.get(file).into_iter().flat_map(BTreeMap::keys) {
                if next == start {
                    let mut circle = vec![file];
                    while let Some(before) = came.get(circle.last()?) {
                        circle.push(before);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if !came.contains_key(next) {
                    came.insert(next, file);
                    waiting.push_back(next);
                }
            }
        }
        None
    }
}

/// Where macros make items, tokens do not tell.
fn undefined(module: &Module, item: &str) -> Option<(Rule, String)> {
    let known = module.macros || module.items.contains(item);
    (!known).then(|| (Rule::Reexport, format!("src/{} does not define it", module.file)))
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

fn written(import: &Import) -> String {
    format!("{}{}", import.path.join("::"), if import.glob { "::*" } else { "" })
}
