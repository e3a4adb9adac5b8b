//! Ops and steps as JSON.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::evolution::action::{Action, Convert, Place, Taken};
use crate::evolution::condition::Condition;
use crate::evolution::constant::Constant;
use crate::evolution::conversion::{Conversion, To};
use crate::evolution::invalid::OpFlaw;
use crate::evolution::op::{Op, Repr};
use crate::evolution::step::{Code, Step};
use crate::evolution::time::Time;
use crate::model::stamp::Fingerprint;
use crate::value::path::Path;

/// The JSON form of an op; `None` where it is flawed.
pub(crate) fn from_op(op: &Op) -> Option<Value> {
    match &op.0 {
        Repr::Action(action) => Some(from_action(action)),
        Repr::Opaque(json) => Some(json.clone()),
        Repr::Flawed(..) => None,
    }
}

/// The op of this form. Strict: a member that is not understood could change the meaning of those that are.
pub(crate) fn to_op(json: &Value) -> Result<Op, OpFlaw> {
    Ok(Op(Repr::Action(to_action(json)?)))
}

fn from_action(action: &Action) -> Value {
    let mut members = Writer(Map::new());
    members.put("op", action.name());
    match action {
        Action::Rename { from, to, taken }
        | Action::Move { from, to, taken }
        | Action::Copy { from, to, taken } => {
            members.path("from", from);
            members.path("to", to);
            members.taken(*taken);
        }
        Action::Add { path, value } => {
            members.path("path", path);
            members.put("value", value.to_value());
        }
        Action::Remove { path, restore, forget } => {
            members.path("path", path);
            members.constant("restore", restore.as_ref());
            members.flag("forget", *forget);
        }
        Action::WrapList { path }
        | Action::UnwrapList { path }
        | Action::Trim { path }
        | Action::Lowercase { path }
        | Action::Uppercase { path } => members.path("path", path),
        Action::WrapObject { path, name } | Action::UnwrapObject { path, name } => {
            members.path("path", path);
            members.put("name", &**name);
        }
        Action::Convert(convert) => {
            let Convert { path, to, back, or, or_back, if_present } = &**convert;
            members.path("path", path);
            members.put("to", from_conversion(to));
            if *back != to.inverse() {
                members.put("back", from_conversion(back));
            }
            members.constant("or", or.as_ref());
            members.constant("or_back", or_back.as_ref());
            members.flag("if_present", *if_present);
        }
        Action::Split { path, separator, into, taken } => {
            members.path("path", path);
            members.put("separator", &**separator);
            members.paths("into", into);
            members.taken(*taken);
        }
        Action::Join { from, separator, to, taken } => {
            members.paths("from", from);
            members.put("separator", &**separator);
            members.path("to", to);
            members.taken(*taken);
        }
        Action::Set { path, value, when } => {
            members.path("path", path);
            members.put("value", value.to_value());
            if let Some(when) = when {
                members.put("when", from_condition(when));
            }
        }
        Action::RenameValue { path, from, to } => {
            members.path("path", path);
            members.put("from", from.to_value());
            members.put("to", to.to_value());
        }
        Action::Within { path, actions, .. } => {
            members.path("path", path);
            members.put("ops", actions.iter().map(from_action).collect::<Vec<_>>());
        }
    }
    Value::Object(members.0)
}

fn to_action(json: &Value) -> Result<Action, OpFlaw> {
    let mut members = Reader::of(json).ok_or(OpFlaw::Member("op"))?;
    let mut action = match members.text("op")? {
        "rename" => Action::rename(members.path("from")?, members.path("to")?)?,
        "move" => Action::move_field(members.path("from")?, members.path("to")?)?,
        "copy" => Action::copy(members.path("from")?, members.path("to")?)?,
        "add" => Action::add(members.path("path")?, members.constant("value")?)?,
        "remove" => Action::remove(members.path("path")?)?,
        "wrap_list" => Action::WrapList { path: members.path("path")? },
        "unwrap_list" => Action::UnwrapList { path: members.path("path")? },
        "wrap_object" => {
            Action::WrapObject { path: members.path("path")?, name: members.text("name")?.into() }
        }
        "unwrap_object" => {
            Action::UnwrapObject { path: members.path("path")?, name: members.text("name")?.into() }
        }
        "convert" => Action::convert(members.path("path")?, to_conversion(members.value("to")?)?),
        "split" => Action::split(members.path("path")?, members.text("separator")?, members.paths("into")?)?,
        "join" => Action::join(members.paths("from")?, members.text("separator")?, members.path("to")?)?,
        "trim" => Action::Trim { path: members.path("path")? },
        "lowercase" => Action::Lowercase { path: members.path("path")? },
        "uppercase" => Action::Uppercase { path: members.path("path")? },
        "set" => Action::set(members.path("path")?, members.constant("value")?)?,
        "rename_value" => {
            Action::rename_value(members.path("path")?, members.constant("from")?, members.constant("to")?)?
        }
        "inside" => members.within(Place::Inside)?,
        "each" => members.within(Place::Each)?,
        "each_value" => members.within(Place::EachValue)?,
        _ => return Err(OpFlaw::Unknown),
    };
    match &mut action {
        Action::Rename { taken, .. }
        | Action::Move { taken, .. }
        | Action::Copy { taken, .. }
        | Action::Split { taken, .. }
        | Action::Join { taken, .. } => *taken = members.taken()?,
        Action::Remove { restore, forget, .. } => {
            *restore = members.optional("restore")?;
            *forget = members.flag("forget")?;
        }
        Action::Convert(convert) => {
            if members.has("back") {
                convert.back = to_conversion(members.value("back")?)?;
            }
            convert.or = members.optional("or")?;
            convert.or_back = members.optional("or_back")?;
            convert.if_present = members.flag("if_present")?;
        }
        Action::Set { when, .. } if members.has("when") => {
            *when = Some(to_condition(members.value("when")?)?)
        }
        _ => {}
    }
    members.finish()?;
    Ok(action)
}

const TIMES: [(&str, Time); 4] = [
    ("rfc3339", Time::Rfc3339),
    ("epoch_seconds", Time::EpochSeconds),
    ("epoch_millis", Time::EpochMillis),
    ("epoch_micros", Time::EpochMicros),
];

fn from_conversion(conversion: &Conversion) -> Value {
    let pairs = |pairs: &[(Constant, Constant)], flip: bool| {
        let pair = |(from, to): &(Constant, Constant)| {
            let (from, to) = if flip { (to, from) } else { (from, to) };
            Value::Array(vec![from.to_value(), to.to_value()])
        };
        let mut members = Writer(Map::new());
        members.put("table", pairs.iter().map(pair).collect::<Vec<_>>());
        Value::Object(members.0)
    };
    let time = |time: &Time| TIMES.iter().find(|(_, known)| known == time).map_or("", |(name, _)| name);
    match conversion {
        Conversion::Integer => "integer".into(),
        Conversion::Number => "number".into(),
        Conversion::Text => "text".into(),
        Conversion::Bool => "bool".into(),
        Conversion::Time { from, to } => {
            let mut members = Writer(Map::new());
            members.put("time", vec![time(from), time(to)]);
            Value::Object(members.0)
        }
        Conversion::Table(table) => pairs(table, false),
        Conversion::Reversed(table) => pairs(table, true),
    }
}

fn to_conversion(json: &Value) -> Result<Conversion, OpFlaw> {
    let simple = match json.as_str() {
        Some("integer") => Some(To::Integer),
        Some("number") => Some(To::Number),
        Some("text") => Some(To::Text),
        Some("bool") => Some(To::Bool),
        Some(_) => return Err(OpFlaw::Member("to")),
        None => None,
    };
    if let Some(simple) = simple {
        return Conversion::new(simple);
    }
    let mut members = Reader::of(json).ok_or(OpFlaw::Member("to"))?;
    let to = if members.has("time") {
        let time = |json: &Value| {
            let name = json.as_str()?;
            TIMES.iter().find(|(known, _)| *known == name).map(|(_, time)| *time)
        };
        match members.list("time")? {
            [from, to] => time(from).zip(time(to)).map(|(from, to)| To::Time { from, to }),
            _ => None,
        }
        .ok_or(OpFlaw::Member("time"))?
    } else {
        let pairs = members.list("table")?.iter().map(|pair| match pair.as_array().map(Vec::as_slice) {
            Some([from, to]) => Ok((from.clone(), to.clone())),
            _ => Err(OpFlaw::Member("table")),
        });
        To::Table(pairs.collect::<Result<_, _>>()?)
    };
    members.finish()?;
    Conversion::new(to)
}

fn from_condition(condition: &Condition) -> Value {
    let mut members = Writer(Map::new());
    match condition {
        Condition::Present(path) => {
            members.path("path", path);
            members.put("present", true);
        }
        Condition::OneOf(path, values) => {
            members.path("path", path);
            members.put("in", values.iter().map(Constant::to_value).collect::<Vec<_>>());
        }
        Condition::Not(inner) => members.put("not", from_condition(inner)),
        Condition::All(inner) => members.put("all", inner.iter().map(from_condition).collect::<Vec<_>>()),
    }
    Value::Object(members.0)
}

fn to_condition(json: &Value) -> Result<Condition, OpFlaw> {
    let mut members = Reader::of(json).ok_or(OpFlaw::Member("when"))?;
    let condition = if members.has("not") {
        Condition::not(to_condition(members.value("not")?)?)?
    } else if members.has("all") {
        Condition::all(members.list("all")?.iter().map(to_condition).collect::<Result<_, _>>()?)?
    } else if members.has("in") {
        let values = members.list("in")?.iter().map(|value| Constant::new(value.clone()));
        Condition::OneOf(members.path("path")?, values.collect::<Result<_, _>>()?)
    } else if members.has("equals") {
        Condition::OneOf(members.path("path")?, vec![members.constant("equals")?])
    } else {
        let present = members.value("present")?.as_bool().ok_or(OpFlaw::Member("present"))?;
        let condition = Condition::Present(members.path("path")?);
        if present { condition } else { Condition::not(condition)? }
    };
    members.finish()?;
    Ok(condition)
}

/// The canonical form of a step; `None` where one of its ops is flawed.
pub(crate) fn from_step(step: &Step) -> Option<Value> {
    let mut members = Writer(Map::new());
    members.put("name", step.name.clone());
    members.put("ops", step.ops.iter().map(from_op).collect::<Option<Vec<_>>>()?);
    if let Some(identity) = step.code.identity() {
        members.put("function", identity);
    }
    if let Some(reason) = &step.redefines {
        members.put("redefines", reason.clone());
    }
    Some(Value::Object(members.0))
}

/// The entry of a catalog for a step in canonical form, and the fingerprint before it.
pub(crate) fn to_entry(parent: Fingerprint, step: &Value) -> Value {
    json!({ "parent": parent.to_string(), "step": step })
}

/// The step of this form, as a user writes it: every op must be known, and there is no function.
pub(crate) fn to_step(json: &Value) -> Result<Step, (Option<usize>, OpFlaw)> {
    let whole = |flaw| (None, flaw);
    let mut members = Reader::of(json).ok_or(whole(OpFlaw::Member("name")))?;
    let name = members.text("name").map_err(whole)?.to_owned();
    let ops = members.list("ops").map_err(whole)?;
    let redefines = members.optional_text("redefines").map_err(whole)?;
    members.finish().map_err(whole)?;
    let ops = ops.iter().enumerate().map(|(position, op)| to_op(op).map_err(|flaw| (Some(position), flaw)));
    Ok(Step { name, ops: ops.collect::<Result<_, _>>()?, code: Code::None, redefines })
}

/// The step of this form, as a catalog has it. Whatever is not understood is opaque.
pub(crate) fn to_recorded_step(json: &Value) -> Step {
    let read = || {
        let mut members = Reader::of(json).ok_or(OpFlaw::Member("name"))?;
        let name = members.text("name")?.to_owned();
        let ops = members.list("ops")?.iter();
        let ops = ops.map(|op| to_op(op).unwrap_or_else(|_| Op(Repr::Opaque(op.clone())))).collect();
        let identity: Option<Arc<str>> = members.optional_text("function")?.map(Into::into);
        let redefines = members.optional_text("redefines")?;
        members.finish()?;
        Ok(Step { name, ops, code: identity.map_or(Code::None, Code::Recorded), redefines })
    };
    read().unwrap_or_else(|_: OpFlaw| {
        let name = json.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        Step { name, ops: vec![Op(Repr::Opaque(json.clone()))], code: Code::None, redefines: None }
    })
}

/// The members of an object to be. What an op does by default is not said.
struct Writer(Map<String, Value>);

impl Writer {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn path(&mut self, name: &str, path: &Path) {
        self.put(name, path.to_string());
    }

    fn paths(&mut self, name: &str, paths: &[Path]) {
        self.put(name, paths.iter().map(ToString::to_string).collect::<Vec<_>>());
    }

    fn constant(&mut self, name: &str, constant: Option<&Constant>) {
        if let Some(constant) = constant {
            self.put(name, constant.to_value());
        }
    }

    fn flag(&mut self, name: &str, flag: bool) {
        if flag {
            self.put(name, true);
        }
    }

    fn taken(&mut self, taken: Taken) {
        match taken {
            Taken::Fail => {}
            Taken::Keep => self.put("taken", "keep"),
            Taken::Replace => self.put("taken", "replace"),
        }
    }
}

/// The members of an object, each to be asked for once.
struct Reader<'a> {
    members: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    fn of(json: &'a Value) -> Option<Self> {
        Some(Self { members: json.as_object()?, known: Vec::new() })
    }

    fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    fn value(&mut self, name: &'static str) -> Result<&'a Value, OpFlaw> {
        let value = self.members.get(name).ok_or(OpFlaw::Member(name))?;
        self.known.push(name);
        Ok(value)
    }

    fn text(&mut self, name: &'static str) -> Result<&'a str, OpFlaw> {
        self.value(name)?.as_str().ok_or(OpFlaw::Member(name))
    }

    fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, OpFlaw> {
        if self.has(name) { self.text(name).map(|text| Some(text.to_owned())) } else { Ok(None) }
    }

    fn list(&mut self, name: &'static str) -> Result<&'a [Value], OpFlaw> {
        self.value(name)?.as_array().map(Vec::as_slice).ok_or(OpFlaw::Member(name))
    }

    fn path(&mut self, name: &'static str) -> Result<Path, OpFlaw> {
        Ok(Path::parse(self.text(name)?)?)
    }

    fn paths(&mut self, name: &'static str) -> Result<Vec<Path>, OpFlaw> {
        let paths = self.list(name)?.iter();
        paths.map(|path| Ok(Path::parse(path.as_str().ok_or(OpFlaw::Member(name))?)?)).collect()
    }

    fn constant(&mut self, name: &'static str) -> Result<Constant, OpFlaw> {
        Constant::new(self.value(name)?.clone())
    }

    fn optional(&mut self, name: &'static str) -> Result<Option<Constant>, OpFlaw> {
        if self.has(name) { self.constant(name).map(Some) } else { Ok(None) }
    }

    fn flag(&mut self, name: &'static str) -> Result<bool, OpFlaw> {
        if self.has(name) { self.value(name)?.as_bool().ok_or(OpFlaw::Member(name)) } else { Ok(false) }
    }

    fn taken(&mut self) -> Result<Taken, OpFlaw> {
        if !self.has("taken") {
            return Ok(Taken::Fail);
        }
        match self.text("taken")? {
            "fail" => Ok(Taken::Fail),
            "keep" => Ok(Taken::Keep),
            "replace" => Ok(Taken::Replace),
            _ => Err(OpFlaw::Member("taken")),
        }
    }

    fn within(&mut self, place: Place) -> Result<Action, OpFlaw> {
        let actions = self.list("ops")?.iter().map(to_action).collect::<Result<_, _>>()?;
        Action::within(place, self.path("path")?, actions)
    }

    fn finish(self) -> Result<(), OpFlaw> {
        let unknown = self.members.keys().find(|name| !self.known.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(OpFlaw::ExtraMember(name.clone())))
    }
}
