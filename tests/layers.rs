//! The layers of the program: who may import whom. `ARCHITECTURE.md` shows the same table as a picture.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;

/// The modules under `src`, from the bottom up. A module imports from the lines above its own only:
/// modules on one line know nothing of each other.
const LAYERS: &[&[&str]] = &[
    &[
        "causes", "clock", "console", "names", "parallel", "secret", "seed",
    ],
    &["conninfo", "procarray"],
    &["arm"],
    &["factor"],
    &["config"],
    &["record"],
    &["cgroup", "procfs"],
    &["load", "stats"],
    &["experiment"],
    &["model", "server"],
    &["execute"],
    &["report"],
    &["chapter7", "demo", "doctor"],
    &["cli"],
    &["main"],
];

/// Files of one module that may import each other, because the methods of one type are spread over them:
/// the type, and its files under `src`.
const SPREAD: &[(&str, &[&str])] = &[
    (
        "ProcArray",
        &[
            "procarray/array.rs",
            "procarray/group_clear.rs",
            "procarray/slot_order.rs",
            "procarray/snapshot.rs",
        ],
    ),
    ("Config", &["config/definition.rs", "config/own_server.rs"]),
];

/// Path of a module below the crate, such as `["report", "figure", "axis"]`; empty for the crate itself.
type ModulePath = Vec<String>;

/// One import: what it names, and where it stands.
struct Import {
    path: ModulePath,
    line: usize,
    text: String,
}

/// What a file says of others, its tests left out.
#[derive(Default)]
struct Source {
    file: PathBuf,
    imports: Vec<Import>,
    /// Names that `pub use` gives out, and what they stand for.
    re_exports: BTreeMap<String, ModulePath>,
    /// Types with an `impl` in this file.
    implemented: BTreeSet<String>,
    /// Its child modules: with a file of their own, and inline.
    children: BTreeSet<String>,
}

/// Reads one file.
struct Reader<'a> {
    lines: Vec<&'a str>,
    module: ModulePath,
    source: Source,
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        let tokens = match &a.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
            _ => String::new(),
        };
        tokens
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| word == "test")
            && !tokens.contains("not")
    })
}

impl Reader<'_> {
    /// A path as the crate's root sees it; `None` for other crates and for local names.
    fn absolute(&self, segments: &[String]) -> Option<ModulePath> {
        let supers = segments.iter().take_while(|s| *s == "super").count();
        let (mut base, rest) = match segments.first()?.as_str() {
            "crate" => (Vec::new(), &segments[1..]),
            "self" => (self.module.clone(), &segments[1..]),
            "super" => {
                let above = self.module.len().saturating_sub(supers);
                (self.module[..above].to_vec(), &segments[supers..])
            }
            child if self.source.children.contains(child) => (self.module.clone(), segments),
            _ => return None,
        };
        base.extend_from_slice(rest);
        Some(base)
    }

    fn add(&mut self, segments: &[String], line: usize) {
        if let Some(path) = self.absolute(segments) {
            let text = self.lines[line - 1].trim().to_owned();
            self.source.imports.push(Import { path, line, text });
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String], item: &syn::ItemUse) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (ident, name) = match tree {
            syn::UseTree::Path(path) => return self.tree(&path.tree, &with(&path.ident), item),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before, item);
                }
                return;
            }
            syn::UseTree::Glob(glob) => {
                return self.add(before, glob.star_token.spans[0].start().line);
            }
            syn::UseTree::Name(name) => (&name.ident, &name.ident),
            syn::UseTree::Rename(rename) => (&rename.ident, &rename.rename),
        };
        let segments = if ident == "self" {
            before.to_vec()
        } else {
            with(ident)
        };
        let given_out = !matches!(item.vis, syn::Visibility::Inherited);
        let path = self.absolute(&segments);
        // A module that gives out its children's names does not use them.
        let of_child = path.as_ref().is_some_and(|p| p.starts_with(&self.module));
        if !(given_out && of_child) {
            self.add(&segments, ident.span().start().line);
        }
        if let Some(path) = path.filter(|_| given_out) {
            self.source.re_exports.insert(name.to_string(), path);
        }
    }

    /// Paths in the tokens of a macro, which are not parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut trees = tokens.into_iter().peekable();
        while let Some(tree) = trees.next() {
            match tree {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if ident == "crate" || ident == "super" => {
                    let mut segments = vec![ident.to_string()];
                    while trees
                        .next_if(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ':'))
                        .is_some()
                    {
                        if let Some(TokenTree::Ident(next)) = trees.peek() {
                            segments.push(next.to_string());
                            trees.next();
                        }
                    }
                    self.add(&segments, ident.span().start().line);
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(i) => &i.attrs,
            syn::Item::Impl(i) => &i.attrs,
            syn::Item::Mod(i) => &i.attrs,
            syn::Item::Use(i) => &i.attrs,
            syn::Item::Struct(i) => &i.attrs,
            syn::Item::Const(i) => &i.attrs,
            _ => return syn::visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            self.module.push(item.ident.to_string());
            syn::visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[], item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let syn::Type::Path(path) = &*item.self_ty
            && let Some(last) = path.path.segments.last()
        {
            self.source.implemented.insert(last.ident.to_string());
        }
        syn::visit::visit_item_impl(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(&segments, path.segments[0].ident.span().start().line);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.tokens(mac.tokens.clone());
        syn::visit::visit_macro(self, mac);
    }
}

/// The files of a crate by module, found from its root by their `mod` lines, test modules left out.
fn read_crate(src: &Path) -> BTreeMap<ModulePath, Source> {
    let mut sources = BTreeMap::new();
    let mut open = vec![
        (Vec::new(), src.join("lib.rs")),
        (vec!["main".to_owned()], src.join("main.rs")),
    ];
    while let Some((module, file)) = open.pop() {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let is_root = matches!(
            file.file_name().and_then(|n| n.to_str()),
            Some("mod.rs" | "lib.rs" | "main.rs")
        );
        let dir = if is_root {
            file.with_file_name("")
        } else {
            file.with_extension("")
        };
        let mut source = Source {
            file: file.strip_prefix(src).unwrap().to_owned(),
            ..Source::default()
        };
        for item in &parsed.items {
            let syn::Item::Mod(child) = item else {
                continue;
            };
            if is_test(&child.attrs) {
                continue;
            }
            let name = child.ident.to_string();
            if child.content.is_none() {
                let [own, nested] = [
                    dir.join(format!("{name}.rs")),
                    dir.join(&name).join("mod.rs"),
                ];
                let child = [module.as_slice(), std::slice::from_ref(&name)].concat();
                open.push((child, if own.exists() { own } else { nested }));
            }
            source.children.insert(name);
        }
        let mut reader = Reader {
            lines: text.lines().collect(),
            module: module.clone(),
            source,
        };
        reader.visit_file(&parsed);
        sources.insert(module, reader.source);
    }
    sources
}

/// The file that a path leads to, through what the modules on its way give out.
fn file_of(
    sources: &BTreeMap<ModulePath, Source>,
    path: &[String],
    steps: u32,
) -> Option<ModulePath> {
    let length = (0..=path.len())
        .rev()
        .find(|&n| sources.contains_key(&path[..n]))?;
    let (module, rest) = path.split_at(length);
    let given_out = rest
        .first()
        .and_then(|name| sources[module].re_exports.get(name));
    match given_out {
        Some(target) if steps > 0 => {
            let onward = [target.as_slice(), &rest[1..]].concat();
            file_of(sources, &onward, steps - 1)
        }
        _ => Some(module.to_vec()),
    }
}

/// Every rule that the crate below `src` breaks, one line each with the offending `use`.
fn broken_rules(src: &Path, layers: &[&[&str]], spread: &[(&str, &[&str])]) -> Vec<String> {
    let sources = read_crate(src);
    let layer = |name: &str| layers.iter().position(|l| l.contains(&name));
    let mut broken = Vec::new();
    let mut edges: BTreeMap<&ModulePath, BTreeMap<ModulePath, String>> = BTreeMap::new();
    for (module, source) in &sources {
        let Some(own) = module.first() else { continue };
        if layer(own).is_none() {
            broken.push(format!("{own}: no line of LAYERS names this module"));
        }
        for import in &source.imports {
            let place = format!(
                "{}:{}: `{}`",
                source.file.display(),
                import.line,
                import.text
            );
            let Some(other) = import.path.first().filter(|o| layer(o).is_some()) else {
                continue;
            };
            if own != other && layer(own) <= layer(other) {
                broken.push(format!("{place}: {own} may not import from {other}"));
            }
            let target = file_of(&sources, &import.path, 9);
            if let Some(target) = target.filter(|t| t != module && t.first() == Some(own)) {
                edges
                    .entry(module)
                    .or_default()
                    .entry(target)
                    .or_insert(place);
            }
        }
    }
    let files = |module: &ModulePath| sources[module].file.to_string_lossy().into_owned();
    for (name, members) in spread {
        for member in *members {
            let has = sources
                .values()
                .any(|s| s.file == Path::new(member) && s.implemented.contains(*name));
            if !has {
                broken.push(format!(
                    "SPREAD says that {member} has methods of {name}: it has none"
                ));
            }
        }
    }
    let allowed = |a: &ModulePath, b: &ModulePath| {
        let (a, b) = (files(a), files(b));
        spread
            .iter()
            .any(|(_, members)| members.contains(&a.as_str()) && members.contains(&b.as_str()))
    };
    for (&from, targets) in &edges {
        for (to, place) in targets {
            if !allowed(from, to) && reaches(&edges, to, from, &allowed) {
                broken.push(format!(
                    "{place}: a cycle between files, {} leads back here",
                    files(to)
                ));
            }
        }
    }
    broken
}

/// Whether imports lead from one file to another, the allowed ones not followed.
fn reaches(
    edges: &BTreeMap<&ModulePath, BTreeMap<ModulePath, String>>,
    from: &ModulePath,
    to: &ModulePath,
    allowed: &dyn Fn(&ModulePath, &ModulePath) -> bool,
) -> bool {
    let mut seen: BTreeSet<&ModulePath> = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at)
            && let Some(targets) = edges.get(at)
        {
            open.extend(targets.keys().filter(|t| !allowed(at, t)));
        }
    }
    false
}

/// The lines of the picture in `ARCHITECTURE.md`, from the bottom up: what stands before two spaces.
fn picture(text: &str) -> Vec<Vec<&str>> {
    let layers = text.split("## Layers").nth(1).unwrap_or_default();
    let lines = layers.lines().filter_map(|l| l.strip_prefix("    "));
    let mut rows: Vec<Vec<&str>> = lines
        .map_while(|line| line.split_once("  "))
        .map(|(names, _)| names.split(", ").collect())
        .collect();
    rows.reverse();
    rows
}

#[test]
fn the_picture_shows_the_same_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    assert_eq!(picture(&text), LAYERS);
}

#[test]
fn every_module_imports_from_below_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let broken = broken_rules(&src, LAYERS, SPREAD);
    assert!(
        broken.is_empty(),
        "{} imports break the layers:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

/// A crate of these files below a temporary directory, and what it breaks.
fn broken_in(files: &[(&str, &str)], spread: &[(&str, &[&str])]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    broken_rules(dir.path(), &[&["low"], &["high"]], spread)
}

const LIB: (&str, &str) = ("lib.rs", "mod high;\nmod low;\n");

#[test]
fn an_import_from_above_is_named() {
    let high = ("high.rs", "use crate::low::f;\npub fn g() { f() }\n");
    assert_eq!(
        broken_in(&[LIB, high, ("low.rs", "pub fn f() {}\n")], &[]),
        [""; 0]
    );
    let wrong = "low.rs:3: `use crate::high::g;`: low may not import from high";
    let low = ("low.rs", "pub fn f() {}\n\nuse crate::high::g;\n");
    assert_eq!(broken_in(&[LIB, high, low], &[]), [wrong]);
    // In the middle of an expression, and in a macro's arguments, too; not in a test.
    for text in [
        "fn f() { crate::high::g() }",
        "fn f() { print!(\"{:?}\", crate::high::g()) }",
    ] {
        assert_eq!(
            broken_in(&[LIB, high, ("low.rs", text)], &[]).len(),
            1,
            "{text}"
        );
    }
    let tested = "#[cfg(test)]\nmod tests { use crate::high::g; }\npub fn f() {}\n";
    assert_eq!(broken_in(&[LIB, high, ("low.rs", tested)], &[]), [""; 0]);
}

#[test]
fn a_cycle_between_files_is_named_and_one_type_may_be_spread() {
    let files = [
        LIB,
        ("high.rs", ""),
        (
            "low/mod.rs",
            "mod a;\nmod b;\npub use a::A;\npub use b::B;\n",
        ),
        (
            "low/a.rs",
            "use super::B;\npub struct A(B);\nimpl A { fn one(&self) {} }\n",
        ),
        (
            "low/b.rs",
            "use super::a::A;\npub struct B;\nimpl A { fn two(&self) {} }\n",
        ),
    ];
    let broken = broken_in(&files, &[]);
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(
        broken[0].starts_with("low/a.rs:1: `use super::B;`: a cycle between files"),
        "{broken:?}"
    );
    assert_eq!(
        broken_in(&files, &[("A", &["low/a.rs", "low/b.rs"])]),
        [""; 0]
    );
    let stale = broken_in(&files, &[("B", &["low/a.rs", "low/b.rs"])]);
    assert_eq!(stale.len(), 2, "neither has methods of B: {stale:?}");
}

#[test]
fn every_line_to_the_user_goes_through_the_console() {
    // `println!` and `eprintln!` panic when the reader has gone away, and with them goes the run.
    struct Printed(Vec<String>);
    impl<'ast> Visit<'ast> for Printed {
        fn visit_macro(&mut self, mac: &'ast syn::Macro) {
            let name = mac.path.segments.last().map(|s| s.ident.to_string());
            self.0.extend(name.filter(|n| {
                ["print", "println", "eprint", "eprintln", "dbg"].contains(&n.as_str())
            }));
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in read_crate(&src).values() {
        let text = std::fs::read_to_string(src.join(&source.file)).unwrap();
        let mut printed = Printed(Vec::new());
        printed.visit_file(&syn::parse_file(&text).unwrap());
        assert!(
            printed.0.is_empty(),
            "{}: {:?}",
            source.file.display(),
            printed.0
        );
    }
}
