//! Evolutions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::text::parse::{Duplicates, parse};
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::evolution::function::Function;
use crate::evolution::invalid::{Flaw, InvalidEvolution, OpFlaw};
use crate::evolution::json;
use crate::evolution::op::Repr;
use crate::evolution::shapes::Shapes;
use crate::evolution::step::{Code, Step, StepBody};
use crate::model::name;
use crate::model::stamp::Fingerprint;

/// All steps of a kind, in order. The first leads from schema version 1 to 2.
///
/// Steps that documents have crossed are not edited but added to: each document remembers the steps it was written
/// with, and an edited step is another step. [What steps mean](crate::documentation::evolution) tells what becomes of documents on the way up and down.
///
/// ```
/// use pivotdb::{Evolution, Op};
///
/// let evolution = Evolution::new()
///     .step("call it email", [Op::rename("mail", "email")])
///     .step("contact", [Op::move_field("phone", "contact.phone"), Op::remove("fax")]);
/// assert_eq!(evolution.schema_version(), 3);
/// evolution.check()?;
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Evolution {
    pub(crate) steps: Vec<Arc<Step>>,
    /// Something was said of the last step where there was none.
    senseless: bool,
}

impl Evolution {
    /// Without steps: schema version 1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One step more: an [`Op`](crate::Op) or several, a [`Function`], or a pair of both, in which the ops come first. `name` says what the
    /// step is for, in errors and reports; no two steps share one.
    #[must_use]
    pub fn step(mut self, name: &str, body: impl Into<StepBody>) -> Self {
        let StepBody { ops, function } = body.into();
        let code = function.map_or(Code::None, Code::Own);
        self.steps.push(Arc::new(Step { name: name.to_owned(), ops, code, redefines: None }));
        self
    }

    /// The last step is another definition of one that documents have crossed already, with the same name and from the same schema version, and
    /// leads to the same shape. Documents of the former definition are taken as they are, since that is what you say; `reason` is recorded with
    /// the step, and shown.
    ///
    /// Without it, a step that was edited is another step: its documents are brought down by the former definition and up
    /// by this one.
    ///
    /// ```
    /// # use pivotdb::{Evolution, Op, To};
    /// Evolution::new()
    ///     .step("age is a number", [Op::convert("age", To::Integer).or(0)])
    ///     .redefine("documents without an age get 0; none had crossed it without");
    /// ```
    #[must_use]
    pub fn redefine(mut self, reason: &str) -> Self {
        match self.steps.last_mut() {
            Some(step) => Arc::make_mut(step).redefines = Some(reason.to_owned()),
            None => self.senseless = true,
        }
        self
    }

    /// The schema version the steps lead to.
    #[must_use]
    pub fn schema_version(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Whether the steps make sense. A store asks the same when the evolution is registered.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEvolution`], with step and op: a malformed path, a rename onto itself or out of its object, a move of something into
    /// itself, a path into what an earlier op has made a scalar, the name of a step or the identity of a function empty or used twice, or paths of a function that are malformed or within one another.
    pub fn check(&self) -> Result<()> {
        Ok(self.find_flaw()?)
    }

    /// Whether the other one declares the same steps.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let mut steps = self.steps.iter().zip(&other.steps);
        self.steps.len() == other.steps.len()
            && self.senseless == other.senseless
            && steps.all(|(one, other)| Arc::ptr_eq(one, other) || one.says_the_same(other))
    }

    pub(crate) fn find_flaw(&self) -> Result<(), InvalidEvolution> {
        if self.senseless {
            return Err(InvalidEvolution { step: String::new(), op: None, flaw: Flaw::NoStep });
        }
        let mut names = HashSet::new();
        let mut shapes = Shapes::default();
        let mut functions: HashMap<&str, &Function> = HashMap::new();
        for (number, step) in self.steps.iter().enumerate() {
            let flawed = |op, flaw| Err(InvalidEvolution { step: step.name.clone(), op, flaw });
            if let Some(reason) = name::flaw(&step.name) {
                return flawed(None, Flaw::Name(reason));
            }
            if let Some(reason) = step.redefines.as_deref().and_then(name::flaw) {
                return flawed(None, Flaw::Reason(reason));
            }
            if !names.insert(&*step.name) {
                return flawed(None, Flaw::DuplicateName);
            }
            if u32::try_from(number).map_or(true, |number| number >= u32::MAX - 1) {
                return flawed(None, Flaw::TooMany);
            }
            for (position, op) in step.ops.iter().enumerate() {
                if let Repr::Flawed(_, flaw) = &op.0 {
                    return flawed(Some(op.label(position)), Flaw::Op(flaw.clone()));
                }
            }
            if let Some((position, path)) = shapes.cross(step) {
                let op = step.ops.get(position).map(|op| op.label(position));
                return flawed(op, Flaw::Op(OpFlaw::Astray(path)));
            }
            if let Err(error) = fits_an_entry(step) {
                return flawed(None, Flaw::Entry(error.to_string()));
            }
            if let Code::Own(function) = &step.code {
                if function.identity().is_empty() {
                    return flawed(None, Flaw::NoIdentity);
                }
                if let Some(flaw) = function.flaw() {
                    return flawed(None, Flaw::Paths(flaw.clone()));
                }
                let known = functions.insert(function.identity(), function);
                if known.is_some_and(|known| !known.same_as(function)) {
                    return flawed(None, Flaw::DuplicateIdentity);
                }
            }
        }
        Ok(())
    }

    /// The evolution written as `text`: a list of steps, each with a name and a list of ops.
    ///
    /// ```
    /// # use pivotdb::Evolution;
    /// let steps = r#"[{"name": "call it email", "ops": [{"op": "rename", "from": "mail", "to": "email"}]}]"#;
    /// assert_eq!(Evolution::from_json(steps)?.schema_version(), 2);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`], with line and column, where `text` is not JSON; [`ErrorKind::InvalidEvolution`] where it is not such a
    /// list, an op is unknown or malformed, or the steps do not [make sense](Self::check).
    pub fn from_json(text: &str) -> Result<Self> {
        let bytes = parse(text.as_bytes(), Duplicates::Refuse, Limits::default(), 1)?;
        let json = Raw::new(&bytes)?.to_value()?;
        let not_a_list = || Error::new(ErrorKind::InvalidEvolution, "the steps are not a list");
        let steps = json.as_array().ok_or_else(not_a_list)?;
        let mut evolution = Self::new();
        for (number, json) in steps.iter().enumerate() {
            let step = json::to_step(json).map_err(|(position, flaw)| {
                let name = json.get("name").and_then(Value::as_str);
                let op = position.map(|position| {
                    let op = json.pointer(&format!("/ops/{position}/op")).and_then(Value::as_str);
                    format!("{} ({})", position.saturating_add(1), op.unwrap_or("unnamed"))
                });
                let step = name.map_or_else(|| format!("number {}", number.saturating_add(1)), str::to_owned);
                InvalidEvolution { step, op, flaw: Flaw::Op(flaw) }
            })?;
            evolution.steps.push(Arc::new(step));
        }
        evolution.check()?;
        Ok(evolution)
    }

    /// The steps as [`from_json`](Self::from_json) reads them, one op a line.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEvolution`] where the steps do not [make sense](Self::check), or one has a function: that is Rust, not data.
    pub fn to_json(&self) -> Result<String> {
        self.check()?;
        let mut text = "[".to_owned();
        for (number, step) in self.steps.iter().enumerate() {
            if step.code.identity().is_some() {
                return Err(Error::new(ErrorKind::InvalidEvolution, "a function cannot be written as JSON")
                    .with_step(&step.name));
            }
            text.push_str(if number == 0 { "\n" } else { ",\n" });
            text.push_str(&format!("  {{\"name\": {}, \"ops\": [", Value::from(step.name.as_str())));
            for (position, op) in step.ops.iter().enumerate() {
                text.push_str(if position == 0 { "\n    " } else { ",\n    " });
                text.push_str(&json::from_op(op).unwrap_or_default().to_string());
            }
            text.push_str(if step.ops.is_empty() { "]" } else { "\n  ]" });
            if let Some(reason) = &step.redefines {
                text.push_str(&format!(", \"redefines\": {}", Value::from(reason.as_str())));
            }
            text.push('}');
        }
        text.push_str(if self.steps.is_empty() { "]\n" } else { "\n]\n" });
        Ok(text)
    }
}

/// Whether a catalog can keep the step.
fn fits_an_entry(step: &Step) -> Result<(), BodyError> {
    // Every fingerprint takes as much room.
    let parent = Fingerprint::new(0);
    let entry = json::from_step(step).map_or(Value::Null, |step| json::to_entry(parent, &step));
    Node::from_value(entry)?.to_bytes(Limits::default()).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evolution::action::Taken;
    use crate::evolution::condition::When;
    use crate::evolution::conversion::To;
    use crate::evolution::op::Op;

    #[test]
    fn senseless_steps_are_refused_by_name() {
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        let function = |identity: &str| Function::new(identity, |_, _| ());
        let shared = function("f");
        let refused: [(StepBody, &str); 19] = [
            (Op::rename("a", "a").into(), "1 (rename)"),
            (Op::rename("a", "/a").into(), "1 (rename)"),
            (Op::rename("a", "b.a").into(), "1 (rename)"),
            (Op::rename("a", "b..a").into(), "1 (rename)"),
            (Op::rename("", "a").into(), "1 (rename)"),
            (Op::move_field("a", "a.b").into(), "1 (move)"),
            (Op::move_field("a.b.c", "a").into(), "1 (move)"),
            (Op::move_field("a", "").into(), "1 (move)"),
            (Op::add("", 1).into(), "1 (add)"),
            (Op::add("a", deep).into(), "1 (add)"),
            (Op::remove("/~2").into(), "1 (remove)"),
            ([Op::remove("a"), Op::remove("")].into(), "2 (remove)"),
            (function("").into(), ""),
            (function("f").into(), ""),
            (function("g").on::<&str>([]).into(), ""),
            (function("g").on(["a", ""]).into(), ""),
            (function("g").on(["a", "/~2"]).into(), ""),
            (function("g").on(["a.b", "c", "a"]).into(), ""),
            (shared.clone().on(["a"]).into(), ""),
        ];
        for (body, op) in refused {
            let error = Evolution::new()
                .step("fine", (Op::add("x", 1), shared.clone()))
                .step("fine too", shared.clone())
                .step("senseless", body)
                .check()
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEvolution, "{error}");
            assert_eq!(error.context().step(), Some("senseless"), "{error}");
            assert_eq!(error.context().op().unwrap_or_default(), op, "{error}");
        }
        let check = |function: Function| Evolution::new().step("s", function).check();
        for (paths, path) in [(["a", "/~2"], "/~2"), (["a.b", "a"], "a")] {
            let error = check(function("g").on(paths)).unwrap_err();
            assert_eq!(error.context().path(), Some(path), "{error}");
        }
        check(function("g").on(["a", "a"]).on(["a.b", "a.c"])).unwrap();
        // What a store could not keep: it was refused halfway, when the kind and its aliases had been recorded.
        let nested = (0..126).fold(json!(1), |inner, _| json!([inner]));
        let large = || Op::add("x.y", "x".repeat(Limits::MAX_SIZE / 2));
        for ops in [vec![Op::add("a", nested)], vec![large(), large()]] {
            let error = Evolution::new().step("fine", []).step("senseless", ops).check().unwrap_err();
            assert_eq!(
                (error.kind(), error.context().step()),
                (ErrorKind::InvalidEvolution, Some("senseless"))
            );
        }
        for name in ["", "a\nb", "twice"] {
            let error = Evolution::new().step("twice", []).step(name, Vec::new()).check().unwrap_err();
            assert_eq!((error.kind(), error.context().step()), (ErrorKind::InvalidEvolution, Some(name)));
        }
    }

    #[test]
    fn a_path_into_a_scalar_is_refused() {
        let refused: [(Vec<Op>, &str); 12] = [
            (vec![Op::add("a", 1), Op::add("a.b", 1)], "a.b"),
            (vec![Op::set("a.b", "x"), Op::remove("a.b.c")], "a.b.c"),
            (vec![Op::convert("a", To::Integer), Op::rename("a.b", "a.c")], "a.b"),
            (vec![Op::add("a", 1), Op::rename("a", "b"), Op::trim("b.c")], "b.c"),
            (vec![Op::set("a.b", 1), Op::move_field("a", "c"), Op::add("c.b.d", 1)], "c.b.d"),
            (vec![Op::add("a", 1), Op::copy("a", "b"), Op::add("b.c", 1)], "b.c"),
            (vec![Op::split("a", " ", ["b", "c"]), Op::wrap_object("c.d", "e")], "c.d"),
            (vec![Op::join(["a", "b"], " ", "c"), Op::copy("c.d", "e")], "c.d"),
            (vec![Op::add("a", 1), Op::each("a", [Op::trim("")])], "a"),
            (vec![Op::wrap_list("a"), Op::inside("a", [Op::trim("b")])], "a"),
            (vec![Op::wrap_list("a"), Op::trim("a.b")], "a.b"),
            (vec![Op::each("a", [Op::add("b", 1), Op::add("b.c", 1)])], "a.b.c"),
        ];
        for (ops, path) in refused {
            let last = ops.len();
            let evolution = ops.into_iter().enumerate();
            let evolution =
                evolution.fold(Evolution::new(), |evolution, (n, op)| evolution.step(&n.to_string(), op));
            let error = evolution.check().unwrap_err();
            assert_eq!(error.context().step(), Some((last - 1).to_string().as_str()), "{error}");
            assert_eq!(error.context().path(), Some(path), "{error}");
        }
        let fine: [Vec<Op>; 11] = [
            vec![Op::convert("a", To::Integer).or(json!({"b": 1})), Op::add("a.c", 1)],
            vec![Op::add("a", 1), Op::rename("a", "b").if_taken(Taken::Keep), Op::add("b.c", 1)],
            vec![Op::join(["a", "b"], " ", "c").if_taken(Taken::Keep), Op::add("c.d", 1)],
            vec![Op::add("a", 1), Op::remove("a"), Op::add("a.b", 1)],
            vec![Op::add("a", Value::Null), Op::add("a.b", 1)],
            vec![Op::add("a", json!({})), Op::add("a.b", 1)],
            vec![Op::add("a", 1), Op::rename("a", "b"), Op::add("a.b", 1)],
            vec![Op::add("a", 1), Op::wrap_object("a", "b"), Op::trim("a.b")],
            vec![Op::wrap_list("a"), Op::trim("a.0"), Op::each("a", [Op::trim("")])],
            vec![Op::set("a", 1).when(When::present("b")), Op::add("a.b", 1)],
            vec![Op::add("a", 1), Op::add("ab", 1)],
        ];
        for ops in fine {
            Evolution::new().step("s", ops).check().unwrap();
        }
        let function = Function::new("f", |_, _| ());
        Evolution::new()
            .step("s", ([Op::add("a", 1)], function))
            .step("t", [Op::add("a.b", 1)])
            .check()
            .unwrap();
    }

    #[test]
    fn json_reads_back() {
        let evolution = Evolution::new()
            .step("one", [Op::rename("/a.b", "/"), Op::add("x", json!({"b": [1.5], "a": null}))])
            .step("\"two\"", [Op::remove("a.b"), Op::move_field("a", "/~0/~1")])
            .step("three", []);
        let text = evolution.to_json().unwrap();
        let read = Evolution::from_json(&text).unwrap();
        assert_eq!(read.to_json().unwrap(), text);
        for (read, written) in read.steps.iter().zip(&evolution.steps) {
            assert_eq!((&read.name, &read.ops), (&written.name, &written.ops));
        }
        assert_eq!(Evolution::from_json("[]").unwrap().to_json().unwrap(), "[]\n");
        assert!(evolution.step("f", Function::new("f", |_, _| ())).to_json().is_err());
    }

    #[test]
    fn malformed_json_is_refused_where_it_is_malformed() {
        let error = Evolution::from_json("[\n{,}]").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidText);
        assert_eq!(
            (error.context().detail("line"), error.context().detail("column")),
            (Some("2"), Some("2"))
        );
        for (text, step, op) in [
            ("{}", None, None),
            ("[1]", Some("number 1"), None),
            (r#"[{"name": "a", "ops": []}, {"ops": []}]"#, Some("number 2"), None),
            (r#"[{"name": 1, "ops": []}]"#, Some("number 1"), None),
            (r#"[{"name": "a"}]"#, Some("a"), None),
            (r#"[{"name": "a", "ops": {}}]"#, Some("a"), None),
            (r#"[{"name": "a", "ops": [], "function": "f"}]"#, Some("a"), None),
            (r#"[{"name": "a", "ops": [{"op": "add", "path": "a"}]}]"#, Some("a"), Some("1 (add)")),
            (r#"[{"name": "a", "ops": [{"op": "remove", "path": "a."}]}]"#, Some("a"), Some("1 (remove)")),
            (
                r#"[{"name": "a", "ops": [{"op": "remove", "path": "a", "x": 1}]}]"#,
                Some("a"),
                Some("1 (remove)"),
            ),
            (r#"[{"name": "a", "ops": [{"op": "remove", "path": 1}]}]"#, Some("a"), Some("1 (remove)")),
            (r#"[{"name": "a", "ops": [{"op": "fly"}]}]"#, Some("a"), Some("1 (fly)")),
            (r#"[{"name": "a", "ops": [1]}]"#, Some("a"), Some("1 (unnamed)")),
            (r#"[{"name": "a", "ops": []}, {"name": "a", "ops": []}]"#, Some("a"), None),
        ] {
            let error = Evolution::from_json(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEvolution, "{text}");
            assert_eq!((error.context().step(), error.context().op()), (step, op), "{text}");
        }
    }
}
