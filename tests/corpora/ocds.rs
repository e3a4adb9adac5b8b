//! Open Contracting releases from 1.0 to 1.1, held against what `ocdskit` makes of them. Organisations move out of where they act into one list of
//! parties, and references stay behind.

use pivotdb::{Complement, DocumentId, Evolution, Function, Op, Plan, StepContext};
use serde_json::{Deserializer, Map, Value, json};

use crate::digest::md5_hex;
use crate::{carry, corpus, difference, program, say};

type Outcome<T = ()> = Result<T, &'static str>;
type Members = Map<String, Value>;

/// A release by itself, or several in a package or record: what changes is the same in each, so the ops are written once.
fn evolution() -> Evolution {
    let amendments = || {
        let list = || [Op::rename("amendment", "amendments"), Op::wrap_list("amendments")];
        [Op::inside("tender", list()), Op::each("awards", list()), Op::each("contracts", list())]
    };
    let everywhere = [
        Op::each("releases", amendments()),
        Op::each(
            "records",
            [Op::inside("compiledRelease", amendments()), Op::each("releases", amendments())],
        ),
    ];
    let hoist = Function::new("parties", |document, _| each_release(document, &mut parties_up))
        .down(|document, _| each_release(document, &mut parties_down));
    Evolution::new()
        .step("1.1: amendments", [amendments().to_vec(), everywhere.to_vec()].concat())
        .step("1.1: parties", hoist)
        .step(
            "1.1: transactions",
            Function::new("transactions", |document, _| each_release(document, &mut transactions_up))
                .down(|document, _| each_release(document, &mut transactions_down)),
        )
        .step(
            "1.1: version",
            Function::new("version", |document, _| {
                if document.get("releases").or(document.get("records")).is_some()
                    && document.get("ocid").is_none()
                {
                    document["version"] = json!("1.1");
                }
            })
            .down(|document, _| {
                if let Value::Object(members) = document {
                    members.remove("version");
                }
            }),
        )
}

fn each_release(document: &mut Value, work: &mut dyn FnMut(&mut Members) -> Outcome) -> Outcome {
    let members = document.as_object_mut().ok_or("not an object")?;
    let is_release =
        !["records", "releases", "compiledRelease"].iter().any(|name| members.contains_key(*name));
    if is_release {
        return work(members);
    }
    for name in ["records", "releases"] {
        for inner in members.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            each_release(inner, work)?;
        }
    }
    members.get_mut("compiledRelease").map_or(Ok(()), |release| each_release(release, work))
}

/// Every place in a release where an organisation acts, and as what.
fn each_organisation(release: &mut Members, work: &mut dyn FnMut(&mut Value, &str) -> Outcome) -> Outcome {
    let mut one = |value: Option<&mut Value>, role| match value {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(organisations)) => {
            organisations.iter_mut().try_for_each(|organisation| work(organisation, role))
        }
        Some(organisation) => work(organisation, role),
    };
    one(release.get_mut("buyer"), "buyer")?;
    if let Some(tender) = release.get_mut("tender") {
        one(tender.get_mut("procuringEntity"), "procuringEntity")?;
        one(tender.get_mut("tenderers"), "tenderer")?;
    }
    for award in release.get_mut("awards").and_then(Value::as_array_mut).into_iter().flatten() {
        one(award.get_mut("suppliers"), "supplier")?;
    }
    Ok(())
}

fn parties_up(release: &mut Members) -> Outcome {
    let mut parties: Vec<Value> = match release.remove("parties") {
        Some(Value::Array(parties)) => parties,
        _ => Vec::new(),
    };
    each_organisation(release, &mut |organisation, role| add_party(&mut parties, organisation, role))?;
    if !parties.is_empty() {
        release.insert("parties".into(), parties.into());
    }
    Ok(())
}

/// Makes a party of an organisation, and a reference of what was there.
fn add_party(parties: &mut Vec<Value>, organisation: &mut Value, role: &str) -> Outcome {
    let members = organisation.as_object_mut().ok_or("an organisation is not an object")?;
    let id = members.get("id").cloned().unwrap_or_else(|| party_id(members).into());
    let mut reference = json!({"id": id});
    if let Some(name) = members.get("name") {
        reference["name"] = name.clone();
    }
    let mut party = std::mem::replace(organisation, reference);
    let place = parties.iter().position(|known| known["id"] == id).unwrap_or_else(|| {
        party["id"] = id;
        parties.push(party);
        parties.len() - 1
    });
    let roles = &mut parties[place]["roles"];
    if !roles.is_array() {
        *roles = if roles.is_null() { json!([]) } else { json!([roles]) };
    }
    if let Value::Array(roles) = roles
        && !roles.iter().any(|known| known == role)
    {
        roles.push(role.into());
    }
    Ok(())
}

/// A reference becomes the party it refers to, without what 1.0 does not have. A party nobody refers to stays in the complement.
fn parties_down(release: &mut Members) -> Outcome {
    let parties = release.remove("parties").unwrap_or_default();
    each_organisation(release, &mut |organisation, _| {
        let known = parties.as_array().into_iter().flatten().find(|party| party["id"] == organisation["id"]);
        if let Some(Value::Object(party)) = known {
            let mut party = party.clone();
            party.remove("roles");
            if party["id"] == party_id(&party) {
                party.remove("id");
            }
            *organisation = party.into();
        }
        Ok(())
    })
}

/// The id that the tool makes of what tells an organisation from others.
fn party_id(party: &Members) -> String {
    let groups: [(&str, &[&str]); 3] = [
        ("identifier", &["scheme", "id", "legalName", "uri"]),
        ("address", &["streetAddress", "locality", "region", "postalCode", "countryName"]),
        ("contactPoint", &["name", "email", "telephone", "faxNumber", "url"]),
    ];
    let mut parts = vec![plain(party.get("name"))];
    for (group, names) in groups {
        if let Some(members) = party.get(group) {
            parts.extend(names.iter().map(|name| plain(members.get(*name))));
        }
    }
    md5_hex(parts.join("-").as_bytes())
}

/// As Python prints it, which the tool is written in; nothing for what counts as false there.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(elements)) if elements.is_empty() => String::new(),
        Some(value) => repr(value),
    }
}

fn repr(value: &Value) -> String {
    let list = |elements: Vec<String>| format!("[{}]", elements.join(", "));
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::Array(elements) => list(elements.iter().map(repr).collect()),
        Value::Object(members) => {
            // A version of a value, in the order in which the standard has its members.
            let order = ["releaseID", "releaseDate", "releaseTag", "value"];
            let others = members.keys().map(String::as_str).filter(|name| !order.contains(name));
            let names = order.into_iter().chain(others);
            let pairs = names.filter_map(|name| Some(format!("('{name}', {})", repr(members.get(name)?))));
            format!("OrderedDict({})", list(pairs.collect()))
        }
    }
}

fn transactions(release: &mut Members) -> impl Iterator<Item = &mut Members> {
    let contracts = release.get_mut("contracts").and_then(Value::as_array_mut).into_iter().flatten();
    let transactions = contracts
        .filter_map(|contract| contract.get_mut("implementation")?.get_mut("transactions")?.as_array_mut());
    transactions.flatten().filter_map(Value::as_object_mut)
}

const TRANSACTION: [(&str, &str); 3] =
    [("amount", "value"), ("providerOrganization", "payer"), ("receiverOrganization", "payee")];

fn transactions_up(release: &mut Members) -> Outcome {
    let mut parties = Vec::new();
    if let Some(Value::Array(known)) = release.get_mut("parties") {
        parties = std::mem::take(known);
    }
    // As the tool does it: who only pays or is paid does not become a party.
    let count = parties.len();
    for transaction in transactions(release) {
        for (from, to) in TRANSACTION {
            let Some(mut value) = transaction.remove(from) else { continue };
            if transaction.contains_key(to) {
                continue;
            }
            if from != "amount" {
                let name = value.get("legalName").cloned();
                value = json!({"identifier": value});
                value.as_object_mut().ok_or("not an object")?.extend(name.map(|name| ("name".into(), name)));
                add_party(&mut parties, &mut value, to)?;
            }
            transaction.insert(to.into(), value);
        }
    }
    parties.truncate(count);
    if !parties.is_empty() {
        release.insert("parties".into(), parties.into());
    }
    Ok(())
}

fn transactions_down(release: &mut Members) -> Outcome {
    let parties = release.get("parties").cloned().unwrap_or_default();
    for transaction in transactions(release) {
        for (from, to) in TRANSACTION {
            let Some(mut value) = transaction.remove(to) else { continue };
            if from != "amount" {
                let known = parties.as_array().into_iter().flatten().find(|party| party["id"] == value["id"]);
                value = known.map_or(value, |party| party["identifier"].clone());
            }
            transaction.insert(from.into(), value);
        }
    }
    Ok(())
}

#[test]
fn releases_become_what_the_tool_makes_of_them() {
    let Some(folder) = corpus("ocds") else { return };
    let evolution = evolution();
    let program = program("release", &evolution);
    let last = evolution.schema_version();
    let id = DocumentId::from(1);
    let context = StepContext::new("release", &id);
    let plan = |from, to| Plan::between(&evolution, "release", from, to).unwrap();
    let (mut pairs, mut different, mut computed) = (0, Vec::new(), 0);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort_unstable();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".in.json") else { continue };
        let read = |file: &std::path::Path| {
            let text = std::fs::read_to_string(file).unwrap();
            let values = Deserializer::from_str(&text).into_iter::<Value>();
            values.map(|value| value.unwrap()).collect::<Vec<_>>()
        };
        let (before, expected) = (read(&file), read(&file.with_file_name(format!("{stem}.out.json"))));
        assert_eq!(before.len(), expected.len(), "{name}");
        for (before, expected) in before.iter().zip(&expected) {
            pairs += 1;
            let found = carry(&program, 1, last, before).unwrap();
            different.extend(difference(&found, expected).map(|path| format!("{name}{path}")));
            // And back.
            let (after, kept) =
                plan(1, last).apply_keeping(before.clone(), &Complement::empty(), &context).unwrap();
            let (back, _) = plan(last, 1).apply_keeping(after.clone(), &kept, &context).unwrap();
            assert_eq!(difference(&back, before), None, "{name}");
            let alone = plan(last, 1).apply(after, &context).unwrap();
            computed += u32::from(alone == *before);
        }
    }
    assert!(pairs > 10, "{pairs}");
    let equal = pairs - different.len();
    say(&format!(
        "ocds: {pairs} pairs, {equal} equal, 0 refused, {} different; {pairs} equal after the way back, {computed} of them by computed inverses alone",
        different.len()
    ));
    assert_eq!(different, Vec::<String>::new());
}
