//! The checker, checked: a clean tree, and the same tree with one breach at a time.

use std::collections::BTreeMap;

use crate::check::{Breach, Map, Rule, check};

const MAP: Map = Map {
    order: &[("", &["top", "left right", "base"]), ("base", &["upper", "lower"])],
    confined: &[("ink", &["left::pen"])],
};

/// Holds every kind of import that is allowed.
const CLEAN: &[(&str, &str)] = &[
    (
        "lib.rs",
        "//! A house.\nmod base;\nmod left;\nmod right;\npub mod top;\npub use crate::base::lower::{Low, LOWEST};\nconst _: () = ();\n",
    ),
    ("base/mod.rs", "pub(crate) mod lower;\npub(super) mod upper;\n"),
    (
        "base/lower.rs",
        "pub struct Low;\npub const LOWEST: u8 = 0;\npub(crate) static mut HIGHEST: u8 = 9;\npub const unsafe fn sink() {}\nmacro_rules! low { () => { $crate::base::lower::Low }; }\npub(crate) use low;\n",
    ),
    (
        "base/upper.rs",
        "use crate::base::lower::{self, low, LOWEST as _};\nuse super::lower::{HIGHEST, Low, sink};\npub(in crate::base) fn up() -> Low { lower::sink(); low!() }\n",
    ),
    (
        "left/mod.rs",
        "pub(crate) mod pen;\npub(crate) mod paper;\n#[doc = include_str!(\"crate::top::Top\")]\npub mod guide {}\n",
    ),
    (
        "left/pen.rs",
        "use std::fmt;\nuse ink::{Ink, blue::*};\npub enum Pen { Blue }\nimpl fmt::Display for Pen {}\nfn lend<'a>(ink: &'a Ink) -> impl Sized + use<'a> { ink }\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::base::upper::up;\n    fn f() { fmt::write(Pen::Blue, \"crate::top::Top\"); ::ink::dip() }\n}\n",
    ),
    (
        "left/paper.rs",
        "//! [`Top`](crate::top::Top)\nuse crate::left::pen::Pen::{self, *};\n/* use crate::top::Top; /* nested */ */\n/// [`Top`](crate::top::Top)\nfn f(r#use: u8) -> &'static str { r#\"use crate::top::Top;\"# }\n",
    ),
    (
        "right.rs",
        "use crate::base::lower;\nfn f() -> u8 { let x = <u8 as Default>::default(); lower::LOWEST }\n",
    ),
    ("top.rs", "use crate::{base::{lower::Low, upper::{up}}, left::pen::*, right};\npub struct Top;\n"),
    ("bin/tool.rs", "use house::top::Top;\nfn main() { crate::helper() }\n"),
];

fn clean() -> BTreeMap<String, String> {
    CLEAN.iter().map(|&(file, text)| (file.to_owned(), text.to_owned())).collect()
}

/// The breaches after `text` was added to the end of `file`.
fn after(file: &str, text: &str) -> Vec<Breach> {
    let mut tree = clean();
    tree.entry(file.to_owned()).or_default().push_str(text);
    check(&MAP, &tree).breaches
}

#[track_caller]
fn assert_breach(file: &str, text: &str, rule: Rule, said: &str) {
    let breaches = after(file, text);
    let [breach] = breaches.as_slice() else {
        panic!("one breach expected: {breaches:#?}");
    };
    assert_eq!(breach.rule, rule, "{breach}");
    let line = breach.to_string();
    assert!(line.contains(said), "{line}\ndoes not say\n{said}");
}

#[test]
fn a_clean_tree_is_clean() {
    let report = check(&MAP, &clean());
    assert_eq!(report.breaches, []);
    assert_eq!(report.files, 9);
    assert_eq!(report.imports, 18);
}

#[test]
fn an_import_from_a_higher_floor() {
    assert_breach(
        "right.rs",
        "use crate::top::Top;\n",
        Rule::Upward,
        "src/right.rs:3: `crate::top::Top`: a module imports only from below: `top` stands above `right`",
    );
    assert_breach(
        "base/upper.rs",
        "use crate::left::pen::Pen;",
        Rule::Upward,
        "src/base/upper.rs:4: `crate::left::pen::Pen`",
    );
}

#[test]
fn an_upward_import_however_it_is_written() {
    for text in [
        "use crate::{self as house, top::{self, Top}};",
        "use super::top::Top;",
        "use crate::top::{Top as Attic};",
        "use crate::top::*;",
        "pub(crate) use crate::top::Top;",
        "fn f() { use crate::top::Top; }",
        "fn f() -> crate::top::Top { loop {} }",
        "fn f() { vec![0, matches!(x, crate::top::Top)] }",
        "macro_rules! m { () => { $crate::top::Top }; }",
        "mod tests { use super::super::top::Top; }",
        "mod tests { fn f() { super::super::top::Top } }",
        "mod a { mod b { use self::super::super::super::top::Top; } }",
        "#[serde(with = \"crate::top::Top\")] struct S;",
        "#[serde(bound(deserialize = \"crate::top::Top\"))] struct S;",
        "#[derive(crate::top::Top)] struct S;",
        "impl From<crate::top::Top> for u8 {}",
        "#[cfg(test)] mod tests { #[test] fn f() { let x = &crate::top::Top; } }",
    ] {
        let breaches = after("right.rs", text);
        assert!(!breaches.is_empty(), "not seen: {text}");
        assert!(breaches.iter().any(|breach| breach.rule == Rule::Upward), "{text}: {breaches:#?}");
    }
}

#[test]
fn an_import_from_a_neighbour() {
    assert_breach(
        "left/pen.rs",
        "use crate::right;",
        Rule::Sideways,
        "src/left/pen.rs:12: `crate::right`: neighbours never import each other: `left` and `right` stand on one line",
    );
}

#[test]
fn an_import_against_the_order_inside_a_room() {
    assert_breach(
        "base/lower.rs",
        "\nfn f() { mod_free(super::upper::up()) }",
        Rule::Upward,
        "src/base/lower.rs:8: `super::upper::up`: a module imports only from below: `upper` stands above `lower`",
    );
}

#[test]
fn an_import_from_the_facade_or_a_rooms_own_file() {
    let mut tree = clean();
    tree.entry("lib.rs".into()).or_default().push_str("struct Logic;");
    tree.entry("base/mod.rs".into()).or_default().push_str("fn logic() {}");
    tree.entry("right.rs".into()).or_default().push_str("use crate::Logic;");
    tree.entry("base/lower.rs".into()).or_default().push_str("use super::logic;");
    let rules: Vec<(String, Rule)> =
        check(&MAP, &tree).breaches.into_iter().map(|breach| (breach.file, breach.rule)).collect();
    assert!(rules.contains(&("right.rs".into(), Rule::Upward)), "{rules:?}");
    assert!(rules.contains(&("base/lower.rs".into(), Rule::Upward)), "{rules:?}");
    assert!(rules.contains(&("lib.rs".into(), Rule::Declarations)), "{rules:?}");
    assert!(rules.contains(&("base/mod.rs".into(), Rule::Declarations)), "{rules:?}");
}

#[test]
fn a_circle_of_files() {
    // `left` declares no inner order, so only the circle gives it away.
    let mut tree = clean();
    tree.entry("left/paper.rs".into()).or_default().push_str("pub struct Page;");
    tree.entry("left/pen.rs".into()).or_default().push_str("mod tests2 { use crate::left::paper::Page; }");
    let breaches = check(&MAP, &tree).breaches;
    let [breach] = breaches.as_slice() else { panic!("one breach expected: {breaches:#?}") };
    assert_eq!(
        breach.to_string(),
        "src/left/paper.rs:2: `crate::left::pen::Pen`: files never import in a circle: \
         left/paper.rs -> left/pen.rs -> left/paper.rs"
    );
}

#[test]
fn a_circle_of_three_files_is_told_once() {
    let mut tree = clean();
    tree.insert("left/mod.rs".into(), "mod a; mod b; mod c; mod paper; pub(crate) mod pen;".into());
    for (file, next) in [("a", "b"), ("b", "c"), ("c", "a")] {
        tree.insert(format!("left/{file}.rs"), format!("pub struct S;\nfn f() {{ super::{next}::S }}"));
    }
    let breaches = check(&MAP, &tree).breaches;
    let [breach] = breaches.as_slice() else { panic!("one breach expected: {breaches:#?}") };
    assert_eq!((breach.rule, breach.line), (Rule::Cycle, 2));
    assert!(breach.why.contains("left/a.rs -> left/b.rs -> left/c.rs -> left/a.rs"), "{breach}");
}

#[test]
fn an_import_through_a_reexport() {
    assert_breach(
        "right.rs",
        "use crate::Low;",
        Rule::Reexport,
        "src/right.rs:3: `crate::Low`: import from the module that defines it: that is `crate::base::lower::Low`",
    );
    assert_breach(
        "top.rs",
        "use crate::left::paper::Pen;",
        Rule::Reexport,
        "that is `crate::left::pen::Pen`",
    );
    // Through the name of a module, and through a star.
    assert_breach("top.rs", "fn f() { right::lower::LOWEST }", Rule::Reexport, "`right::lower::LOWEST`");
    let mut tree = clean();
    tree.entry("right.rs".into()).or_default().push_str("pub(crate) use crate::base::lower::Low;");
    tree.entry("top.rs".into()).or_default().push_str("use crate::right::*;");
    let breaches = check(&MAP, &tree).breaches;
    assert!(
        matches!(&*breaches, [Breach { rule: Rule::Reexport, import, .. }] if import == "crate::right::*")
    );
    // What is not there at all.
    assert_breach("top.rs", "use crate::right::Nothing;", Rule::Reexport, "src/right.rs does not define it");
    // A foreign thing is imported from its crate.
    assert_breach("top.rs", "use crate::left::pen::Ink;", Rule::Reexport, "that is `ink::Ink`");
}

#[test]
fn a_module_without_a_place() {
    let mut tree = clean();
    tree.entry("lib.rs".into()).or_default().push_str("mod shed;");
    tree.insert("shed/mod.rs".into(), "mod rake;".into());
    tree.insert("shed/rake.rs".into(), "use crate::top::Top;".into());
    let breaches = check(&MAP, &tree).breaches;
    let [breach] = breaches.as_slice() else { panic!("one breach expected: {breaches:#?}") };
    assert_eq!(
        breach.to_string(),
        "src/shed/mod.rs:0: `shed`: every module has its place on the map: add it to MAP in tests/floors/main.rs"
    );
}

#[test]
fn a_module_without_a_place_in_a_room_with_an_order() {
    let mut tree = clean();
    tree.entry("base/mod.rs".into()).or_default().push_str("mod cellar;");
    tree.insert("base/cellar.rs".into(), String::new());
    let breaches = check(&MAP, &tree).breaches;
    assert!(matches!(&*breaches, [Breach { rule: Rule::Unassigned, import, .. }] if import == "cellar"));
}

#[test]
fn a_map_that_names_what_is_not_there_or_one_thing_twice() {
    let mut tree = clean();
    tree.insert("base/mod.rs".into(), "pub(crate) mod lower;".into());
    tree.remove("base/upper.rs");
    tree.insert("top.rs".into(), "pub struct Top;".into());
    tree.insert("left/pen.rs".into(), "pub enum Pen { Blue }".into());
    let breaches = check(&MAP, &tree).breaches;
    assert!(matches!(&*breaches, [Breach { rule: Rule::Unassigned, import, .. }] if import == "upper"));

    let map = Map { order: &[("", &["top", "left right", "base", "left"])], confined: &[] };
    let breaches = check(&map, &clean()).breaches;
    assert!(matches!(&*breaches, [Breach { rule: Rule::Unassigned, why, .. }] if why.contains("twice")));
}

#[test]
fn a_confined_dependency() {
    for text in
        ["use ink::Ink;", "fn f() { ink::dip() }", "#[derive(ink::Dry)] struct S;", "fn f() { ::ink::dip() }"]
    {
        assert_breach("left/paper.rs", text, Rule::Confined, "only left::pen may name it");
    }
}

#[test]
fn more_than_declarations_where_only_declarations_belong() {
    for text in
        ["fn f() {}", "struct S;", "impl u8 {}", "mod more { fn f() {} }", "use crate::base::lower::Low;"]
    {
        assert_breach("left/mod.rs", text, Rule::Declarations, "src/left/mod.rs");
    }
    assert_breach("lib.rs", "fn f() {}", Rule::Declarations, "src/lib.rs");
    assert_breach("lib.rs", "pub use right::*;", Rule::Declarations, "re-export by name");
}

#[test]
fn what_cannot_be_followed() {
    assert_breach("top.rs", "include!(\"attic.rs\");", Rule::Opaque, "src/top.rs:3: `include!`");
    assert_breach(
        "right.rs",
        "#[path = \"attic.rs\"] mod attic {}",
        Rule::Opaque,
        "src/right.rs:3: `#[path]`",
    );
    assert_breach("attic.rs", "use crate::top::Top;", Rule::Opaque, "no mod declares this file");
    assert_breach("top.rs", "mod attic;", Rule::Opaque, "src/top/attic.rs:0: `a mod declares it");
    assert!(after("top.rs", "fn f( {").iter().any(|breach| breach.rule == Rule::Opaque));
}
