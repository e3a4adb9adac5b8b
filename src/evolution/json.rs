//! Ops and steps as JSON.

use serde_json::{Map, Value};

use crate::evolution::invalid::OpFlaw;
use crate::evolution::op::{Action, Op, Repr};
use crate::evolution::step::{Code, Step};
use crate::value::path::Path;

/// The canonical form of an op; `None` where it is flawed.
pub(crate) fn from_op(op: &Op) -> Option<Value> {
    let action = match &op.0 {
        Repr::Action(action) => action,
        Repr::Opaque(json) => return Some(json.clone()),
        Repr::Flawed(..) => return None,
    };
    let mut members = Map::new();
    let mut member = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    let text = |path: &Path| Value::String(path.to_string());
    member("op", action.name().into());
    match action {
        Action::Rename { from, to } | Action::Move { from, to } => {
            member("from", text(from));
            member("to", text(to));
        }
        Action::Add { path, value } => {
            member("path", text(path));
            member("value", value.clone());
        }
        Action::Remove { path } => member("path", text(path)),
    }
    Some(Value::Object(members))
}

/// The op of this form. Strict: a member that is not understood could change the meaning of those that are.
pub(crate) fn to_op(json: &Value) -> Result<Op, OpFlaw> {
    let mut members = Members::of(json).ok_or(OpFlaw::Member("op"))?;
    let action = match members.text("op")? {
        "rename" => Action::rename(members.path("from")?, members.path("to")?)?,
        "move" => Action::move_field(members.path("from")?, members.path("to")?)?,
        "add" => Action::add(members.path("path")?, members.value("value")?.clone())?,
        "remove" => Action::remove(members.path("path")?)?,
        _ => return Err(OpFlaw::Unknown),
    };
    members.finish()?;
    Ok(Op(Repr::Action(action)))
}

/// The canonical form of a step; `None` where one of its ops is flawed.
pub(crate) fn from_step(step: &Step) -> Option<Value> {
    let mut members = Map::new();
    members.insert("name".to_owned(), step.name.clone().into());
    members.insert("ops".to_owned(), Value::Array(step.ops.iter().map(from_op).collect::<Option<_>>()?));
    if let Some(identity) = step.code.identity() {
        members.insert("function".to_owned(), identity.into());
    }
    Some(Value::Object(members))
}

/// The step of this form, as a user writes it: every op must be known, and there is no function.
pub(crate) fn to_step(json: &Value) -> Result<Step, (Option<usize>, OpFlaw)> {
    let whole = |flaw| (None, flaw);
    let mut members = Members::of(json).ok_or(whole(OpFlaw::Member("name")))?;
    let name = members.text("name").map_err(whole)?.to_owned();
    let ops = members.value("ops").map_err(whole)?.as_array().ok_or(whole(OpFlaw::Member("ops")))?;
    members.finish().map_err(whole)?;
    let ops = ops.iter().enumerate().map(|(position, op)| to_op(op).map_err(|flaw| (Some(position), flaw)));
    Ok(Step { name, ops: ops.collect::<Result<_, _>>()?, code: Code::None })
}

/// The step of this form, as a catalog has it. Whatever is not understood is opaque.
pub(crate) fn to_recorded_step(json: &Value) -> Step {
    let read = || {
        let mut members = Members::of(json)?;
        let name = members.text("name").ok()?.to_owned();
        let ops = members.value("ops").ok()?.as_array()?;
        let ops = ops.iter().map(|op| to_op(op).unwrap_or_else(|_| Op(Repr::Opaque(op.clone())))).collect();
        let code = match members.text("function") {
            Ok(identity) => Code::Recorded(identity.into()),
            Err(_) if json.get("function").is_none() => Code::None,
            Err(_) => return None,
        };
        members.finish().ok()?;
        Some(Step { name, ops, code })
    };
    read().unwrap_or_else(|| {
        let name = json.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        Step { name, ops: vec![Op(Repr::Opaque(json.clone()))], code: Code::None }
    })
}

/// The members of an object, each to be asked for once.
struct Members<'a> {
    members: &'a Map<String, Value>,
    known: usize,
}

impl<'a> Members<'a> {
    fn of(json: &'a Value) -> Option<Self> {
        Some(Self { members: json.as_object()?, known: 0 })
    }

    fn value(&mut self, name: &'static str) -> Result<&'a Value, OpFlaw> {
        let value = self.members.get(name).ok_or(OpFlaw::Member(name))?;
        self.known = self.known.saturating_add(1);
        Ok(value)
    }

    fn text(&mut self, name: &'static str) -> Result<&'a str, OpFlaw> {
        self.value(name)?.as_str().ok_or(OpFlaw::Member(name))
    }

    fn path(&mut self, name: &'static str) -> Result<Path, OpFlaw> {
        Ok(Path::parse(self.text(name)?)?)
    }

    fn finish(self) -> Result<(), OpFlaw> {
        if self.known == self.members.len() { Ok(()) } else { Err(OpFlaw::ExtraMember) }
    }
}
