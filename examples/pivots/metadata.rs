//! The input: what cargo knows of this checkout, as documents of the first program.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::versions::v1;

/// Documents of the three kinds.
pub(crate) struct Input {
    pub(crate) packages: Vec<v1::Package>,
    pub(crate) targets: Vec<v1::Target>,
    pub(crate) dependencies: Vec<v1::Dependency>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    description: Option<String>,
    authors: Vec<String>,
    repository: Option<String>,
    edition: String,
    manifest_path: String,
    targets: Vec<Target>,
    dependencies: Vec<Declared>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: String,
    edition: String,
    test: bool,
    doc: bool,
    doctest: bool,
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    req: String,
    kind: Option<String>,
    target: Option<String>,
    optional: bool,
    features: Vec<String>,
    uses_default_features: bool,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
    target: Option<String>,
}

/// Asks cargo for packages, their targets, and which package needs which.
pub(crate) fn read() -> Result<Input, Box<dyn Error>> {
    let Metadata { packages, resolve } = serde_json::from_slice(&ask_cargo()?)?;
    let by_id: HashMap<&str, &Package> =
        packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let spec = |package: &Package| format!("{}@{}", package.name, package.version);
    let mut input = Input { packages: Vec::new(), targets: Vec::new(), dependencies: Vec::new() };
    for package in &packages {
        let root = Path::new(&package.manifest_path).parent().unwrap_or(Path::new(""));
        input.packages.push(v1::Package {
            spec: spec(package),
            license: package.license.clone(),
            description: package.description.clone(),
            authors: package.authors.clone(),
            repository: package.repository.clone(),
            edition: package.edition.clone(),
        });
        input.targets.extend(package.targets.iter().map(|target| {
            let path = Path::new(&target.src_path);
            v1::Target {
                package: spec(package),
                name: target.name.clone(),
                kind: target.kind.clone(),
                path: path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/"),
                edition: target.edition.clone(),
                test: target.test,
                doc: target.doc,
                doctest: target.doctest,
            }
        }));
    }
    for node in &resolve.nodes {
        for edge in &node.deps {
            let (Some(from), Some(to)) = (by_id.get(node.id.as_str()), by_id.get(edge.pkg.as_str())) else {
                return Err(format!("cargo metadata speaks of {} and does not describe it", edge.pkg).into());
            };
            input.dependencies.extend(edge.dep_kinds.iter().map(|EdgeKind { kind, target }| {
                let declared = from.dependencies.iter().find(|declared| {
                    declared.name == to.name && declared.kind == *kind && declared.target == *target
                });
                v1::Dependency {
                    from: spec(from),
                    to: spec(to),
                    req: declared.map_or("*".to_owned(), |declared| declared.req.clone()),
                    kind: kind.clone(),
                    platform: target.clone(),
                    optional: declared.is_some_and(|declared| declared.optional),
                    features: declared.map(|declared| declared.features.clone()).unwrap_or_default(),
                    uses_default_features: declared.is_none_or(|declared| declared.uses_default_features),
                }
            }));
        }
    }
    Ok(input)
}

/// All platforms, as the lock file has them; only this one, where the others' packages have never been fetched and cannot be now.
fn ask_cargo() -> Result<Vec<u8>, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let platform = host(&cargo)?;
    let here = ["--offline", "--filter-platform", &platform];
    let mut said = String::new();
    for options in [&[][..], &here] {
        let output = Command::new(&cargo)
            .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .args(options)
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        said = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    Err(format!("cargo metadata failed: {}", said.trim()).into())
}

fn host(cargo: &std::ffi::OsStr) -> Result<String, Box<dyn Error>> {
    let output = Command::new(cargo).args(["--version", "--verbose"]).stdin(Stdio::null()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("cargo does not tell its host")?.to_owned())
}
