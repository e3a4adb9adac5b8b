//! From the text of `src` to its modules and imports.
//!
//! Works on tokens, not on a syntax tree: a path in the body of a macro is an import as well, and there no syntax
//! tree reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Delimiter, Group, Literal, Spacing, TokenStream, TokenTree};

/// A path from the root of the crate, without `crate`.
pub(crate) type ModulePath = Vec<String>;

/// What a file, or an inline module in it, holds.
#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    /// Whether it is written `mod x { .. }` within its parent's file.
    pub(crate) inline: bool,
    /// Names defined here, modules aside. An `impl` counts as an item of that name.
    pub(crate) items: BTreeSet<String>,
    /// Names a `use` brings here, each with its path as written.
    pub(crate) brought: BTreeMap<String, Vec<String>>,
    /// Paths of `use path::*`, as written.
    pub(crate) globs: Vec<Vec<String>>,
    /// Paths among these two that a `pub` hands on.
    pub(crate) handed_on: Vec<Vec<String>>,
    /// Whether a macro is called between the items, so that there may be names that no token shows.
    pub(crate) macros: bool,
}

/// A path as it is written somewhere; its first segment is empty where the path begins with `::`.
pub(crate) struct Import {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) module: ModulePath,
    pub(crate) path: Vec<String>,
    pub(crate) glob: bool,
}

/// A place this reader cannot see through.
pub(crate) struct Opaque {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// All modules that can be reached from `lib.rs`.
#[derive(Default)]
pub(crate) struct Crate {
    pub(crate) modules: BTreeMap<ModulePath, Module>,
    pub(crate) imports: Vec<Import>,
    pub(crate) opaque: Vec<Opaque>,
}

/// Reads the `.rs` files below `folder` into `sources`, by their path from `src` with `/` between.
pub(crate) fn read(
    folder: &Path,
    prefix: &str,
    sources: &mut BTreeMap<String, String>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{name}/"), sources)?;
        } else if name.ends_with(".rs") {
            sources.insert(name, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

impl Crate {
    pub(crate) fn parse(sources: &BTreeMap<String, String>) -> Self {
        let mut parsed = Self::default();
        let mut reached = BTreeSet::new();
        let mut waiting = vec![(ModulePath::new(), "lib.rs".to_owned())];
        while let Some((module, file)) = waiting.pop() {
            let Some(text) = sources.get(&file) else {
                parsed.opaque.push(Opaque {
                    file,
                    line: 0,
                    what: "a mod declares it, and it is not there".into(),
                });
                continue;
            };
            reached.insert(file.clone());
            match text.parse::<TokenStream>() {
                Ok(tokens) => {
                    parsed.modules.insert(module.clone(), Module { file: file.clone(), ..Module::default() });
                    let mut reader = Reader { parsed: &mut parsed, file, children: Vec::new() };
                    reader.walk(tokens, &module, true);
                    waiting.extend(reader.children.into_iter().map(|child| {
                        let flat = format!("{}.rs", child.join("/"));
                        let nested = format!("{}/mod.rs", child.join("/"));
                        let file = if sources.contains_key(&nested) { nested } else { flat };
                        (child, file)
                    }));
                }
                Err(error) => parsed.opaque.push(Opaque { file, line: 0, what: error.to_string() }),
            }
        }
        for file in sources.keys().filter(|file| !file.starts_with("bin/") && *file != "main.rs") {
            if !reached.contains(file) {
                let what = "no mod declares this file".to_owned();
                parsed.opaque.push(Opaque { file: file.clone(), line: 0, what });
            }
        }
        parsed
    }

    /// The file-level module or inline module that `path` leads to, and what follows it in the path.
    pub(crate) fn module_of<'a>(&self, path: &'a [String]) -> (&'a [String], &'a [String]) {
        let known =
            |length: &usize| path.get(..*length).is_some_and(|start| self.modules.contains_key(start));
        path.split_at((0..=path.len()).rev().find(known).unwrap_or(0))
    }

    /// The path from the root of the crate that `path` means in `module`; the name of a foreign crate (or of a
    /// thing in scope, which was imported elsewhere or is defined right here) where it leads out.
    pub(crate) fn resolve(&self, module: &[String], path: &[String]) -> Result<ModulePath, String> {
        self.resolve_bounded(module, path, 8)
    }

    fn resolve_bounded(
        &self,
        module: &[String],
        path: &[String],
        depth: usize,
    ) -> Result<ModulePath, String> {
        let Some((first, rest)) = path.split_first() else { return Ok(module.to_vec()) };
        match first.as_str() {
            "" => Err(rest.first().cloned().unwrap_or_default()),
            "crate" => Ok(rest.to_vec()),
            "self" | "super" => {
                let mut base = module;
                let mut rest = path;
                while let Some((word, after)) = rest.split_first() {
                    match word.as_str() {
                        "self" => {}
                        "super" => base = base.split_last().map_or(base, |(_, parent)| parent),
                        _ => break,
                    }
                    rest = after;
                }
                Ok([base, rest].concat())
            }
            _ => {
                let child = [module, std::slice::from_ref(first)].concat();
                if self.modules.contains_key(&child) {
                    return Ok([child.as_slice(), rest].concat());
                }
                self.resolve_brought(module, first, rest, depth).ok_or_else(|| first.clone())
            }
        }
    }

    /// `rest` behind a module that a `use` here, or around the inline module this is, gave the name `first`.
    fn resolve_brought(
        &self,
        module: &[String],
        first: &str,
        rest: &[String],
        depth: usize,
    ) -> Option<ModulePath> {
        let here = self.modules.get(module)?;
        if let Some(written) = here.brought.get(first) {
            let depth = depth.checked_sub(1)?;
            let target = self.resolve_bounded(module, written, depth).ok()?;
            return self.modules.contains_key(&target).then(|| [target.as_slice(), rest].concat());
        }
        let (_, around) = module.split_last()?;
        if here.inline { self.resolve_brought(around, first, rest, depth) } else { None }
    }
}

struct Reader<'a> {
    parsed: &'a mut Crate,
    file: String,
    /// Modules declared here that have files of their own.
    children: Vec<ModulePath>,
}

impl Reader<'_> {
    /// `items`: whether these tokens stand between the items of `module`, and not inside one of them.
    fn walk(&mut self, tokens: TokenStream, module: &ModulePath, items: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => self.attribute(&tokens, at, module),
                TokenTree::Group(group) => {
                    self.walk(group.stream(), module, false);
                    1
                }
                TokenTree::Ident(word) => match word.to_string().as_str() {
                    "pub" => 1 + usize::from(group_at(&tokens, at + 1, Delimiter::Parenthesis).is_some()),
                    "use" if punct_at(&tokens, at + 1) != Some('<') => self.use_item(&tokens, at, module),
                    "mod" if word_at(&tokens, at + 1).is_some() => self.mod_item(&tokens, at, module, items),
                    "macro_rules" if punct_at(&tokens, at + 1) == Some('!') => {
                        self.define(module, items, word_at(&tokens, at + 2));
                        3
                    }
                    "include" if punct_at(&tokens, at + 1) == Some('!') => {
                        self.opaque(word.span().start().line, "include!");
                        2
                    }
                    "impl" => {
                        self.define(module, items, Some("impl".into()));
                        1
                    }
                    "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static" => {
                        // `const fn` defines a thing called `fn` here, which nobody can ask for.
                        let mutable = usize::from(word_at(&tokens, at + 1).as_deref() == Some("mut"));
                        self.define(module, items, word_at(&tokens, at + 1 + mutable));
                        1
                    }
                    _ => self.path(&tokens, at, module, items),
                },
                _ => 1,
            };
        }
    }

    /// `#[..]` or `#![..]`.
    fn attribute(&mut self, tokens: &[TokenTree], start: usize, module: &ModulePath) -> usize {
        let bang = usize::from(punct_at(tokens, start + 1) == Some('!'));
        let Some(group) = group_at(tokens, start + 1 + bang, Delimiter::Bracket) else { return 1 };
        let content: Vec<TokenTree> = group.stream().into_iter().collect();
        match word_at(&content, 0).as_deref() {
            Some("doc") => {}
            Some("path") => self.opaque(group.span().start().line, "#[path]"),
            _ => {
                self.walk(group.stream(), module, false);
                self.quoted_paths(group.stream(), module);
            }
        }
        2 + bang
    }

    /// Paths in strings, as in `#[serde(with = "crate::a::b")]`.
    fn quoted_paths(&mut self, tokens: TokenStream, module: &ModulePath) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.quoted_paths(group.stream(), module),
                TokenTree::Literal(literal) => {
                    if let Some(path) = quoted_path(&literal) {
                        self.import(literal.span().start().line, module, path, false);
                    }
                }
                _ => {}
            }
        }
    }

    fn mod_item(&mut self, tokens: &[TokenTree], start: usize, module: &ModulePath, items: bool) -> usize {
        let Some(name) = word_at(tokens, start + 1) else { return 1 };
        let mut child = module.clone();
        child.push(name);
        if let Some(body) = group_at(tokens, start + 2, Delimiter::Brace) {
            let inline = Module { file: self.file.clone(), inline: true, ..Module::default() };
            self.parsed.modules.insert(child.clone(), inline);
            self.walk(body.stream(), &child, true);
            3
        } else {
            if items && punct_at(tokens, start + 2) == Some(';') {
                self.children.push(child);
            }
            2
        }
    }

    fn use_item(&mut self, tokens: &[TokenTree], start: usize, module: &ModulePath) -> usize {
        let rest = tokens.len() - start;
        let end = (1..rest).find(|at| punct_at(tokens, start + at) == Some(';')).unwrap_or(rest);
        let restriction = start.checked_sub(1).and_then(|at| group_at(tokens, at, Delimiter::Parenthesis));
        let before = start.checked_sub(1 + usize::from(restriction.is_some()));
        let handed_on = before.and_then(|at| word_at(tokens, at)).is_some_and(|word| word == "pub");
        let body = tokens.get(start + 1..start + end).unwrap_or_default();
        self.use_tree(body, &[], module, handed_on);
        end + 1
    }

    fn use_tree(&mut self, tokens: &[TokenTree], prefix: &[String], module: &ModulePath, handed_on: bool) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        let mut glob = false;
        let mut line = 0;
        if prefix.is_empty() && punct_at(tokens, 0) == Some(':') {
            path.push(String::new());
        }
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    alias = word_at(tokens, at + 1);
                    break;
                }
                TokenTree::Ident(word) => {
                    line = word.span().start().line;
                    path.push(word.to_string());
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    line = punct.span().start().line;
                    glob = true;
                }
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for branch in inner.split(is_comma).filter(|branch| !branch.is_empty()) {
                        self.use_tree(branch, &path, module, handed_on);
                    }
                    return;
                }
                _ => {}
            }
            at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if path.is_empty() {
            return;
        }
        if let Some(here) = self.parsed.modules.get_mut(module) {
            if handed_on {
                here.handed_on.push(path.clone());
            }
            if glob {
                here.globs.push(path.clone());
            } else if let Some(name) = alias.or_else(|| path.last().cloned()) {
                here.brought.insert(name, path.clone());
            }
        }
        self.import(line, module, path, glob);
    }

    /// A path in code, `a::b::c`, or a lone word.
    fn path(&mut self, tokens: &[TokenTree], start: usize, module: &ModulePath, items: bool) -> usize {
        let mut path = Vec::new();
        if start >= 2 && double_colon_at(tokens, start - 2) {
            // Behind a `::` that no word stands before: `::std::mem`, or `<T as Trait>::name`.
            path.push(String::new());
        }
        let mut at = start;
        let mut line = 0;
        while let Some(TokenTree::Ident(word)) = tokens.get(at) {
            line = word.span().start().line;
            path.push(word.to_string());
            at += 1;
            if !double_colon_at(tokens, at) || word_at(tokens, at + 2).is_none() {
                break;
            }
            at += 2;
        }
        if items
            && punct_at(tokens, at) == Some('!')
            && let Some(here) = self.parsed.modules.get_mut(module)
        {
            here.macros = true;
        }
        if path.len() > 1 {
            self.import(line, module, path, false);
        }
        at - start
    }

    fn define(&mut self, module: &ModulePath, items: bool, name: Option<String>) {
        if let (true, Some(name), Some(here)) = (items, name, self.parsed.modules.get_mut(module)) {
            here.items.insert(name);
        }
    }

    fn import(&mut self, line: usize, module: &ModulePath, path: Vec<String>, glob: bool) {
        let (file, module) = (self.file.clone(), module.clone());
        self.parsed.imports.push(Import { file, line, module, path, glob });
    }

    fn opaque(&mut self, line: usize, what: &str) {
        self.parsed.opaque.push(Opaque { file: self.file.clone(), line, what: what.to_owned() });
    }
}

fn quoted_path(literal: &Literal) -> Option<Vec<String>> {
    let text = literal.to_string();
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    let path: Vec<String> = text.split("::").map(str::to_owned).collect();
    let is_word = |word: &String| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    (path.len() > 1 && path.iter().all(is_word)).then_some(path)
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')
}

fn word_at(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at) {
        Some(TokenTree::Ident(word)) => Some(word.to_string()),
        _ => None,
    }
}

fn punct_at(tokens: &[TokenTree], at: usize) -> Option<char> {
    match tokens.get(at) {
        Some(TokenTree::Punct(punct)) => Some(punct.as_char()),
        _ => None,
    }
}

fn double_colon_at(tokens: &[TokenTree], at: usize) -> bool {
    let joint = matches!(
        tokens.get(at),
        Some(TokenTree::Punct(punct)) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint
    );
    joint && punct_at(tokens, at + 1) == Some(':')
}

fn group_at(tokens: &[TokenTree], at: usize, delimiter: Delimiter) -> Option<&Group> {
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}
