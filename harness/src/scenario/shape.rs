//! Does a file have the shape that the schema demands?
//!
//! Serde would stop at the first mistake and describe it in its own words. This walk follows the same types (through
//! their schema), goes on after a mistake, and words each for the one who wrote the file. It knows the few words of JSON
//! Schema that schemars writes for this crate's types.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};
use unplug_reconnect::time::length;

use super::problem::Problem;
use super::schema;

type Node<'d> = Spanned<DeValue<'d>>;

/// Everything about the shape of a file that is not as the schema demands.
pub(super) fn problems(document: &Spanned<DeTable<'_>>) -> Vec<Problem> {
    let mut walk = Walk {
        root: schema::shared(),
        problems: Vec::new(),
    };
    walk.table(walk.root, document.get_ref(), 0..0, "scenario");
    walk.problems
}

struct Walk {
    root: &'static Value,
    problems: Vec<Problem>,
}

/// One of the values of an enum, as serde writes it.
struct Choice<'s> {
    name: &'s str,
    /// Whether its name alone says everything.
    bare: bool,
    /// The schema of its details, if it can have any.
    details: Option<&'s Value>,
}

impl Walk {
    /// A value with the name by which people know it.
    fn value(&mut self, schema: &'static Value, node: &Node<'_>, name: &str) {
        let (schema, noun) = self.resolve(schema, name);
        let choices = choices(schema);
        if !choices.is_empty() {
            return self.choice(&choices, node, &noun);
        }
        if let Some(branches) = schema["anyOf"].as_array() {
            return self.any_of(branches, node, name);
        }
        if !is_type(schema, node) {
            return self.mismatch(expected(schema, &noun), node, name);
        }
        if let Some(table) = node.get_ref().as_table() {
            self.table(schema, table, node.span(), name);
        } else if let Some(items) = node.get_ref().as_array() {
            let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
            if most < items.len() as u64 {
                let message = format!("{} times `{name}` is too much: {most} at most", items.len());
                return self.problems.push(Problem::at(node.span(), message));
            }
            for item in items.iter() {
                self.value(&schema["items"], item, name);
            }
        } else if let Some(number) = node.get_ref().as_integer() {
            self.number(schema, number, node.span(), name);
        } else if let (Some(text), "length of time") = (node.get_ref().as_str(), noun.as_str())
            && let Err(message) = length::parse(text)
        {
            self.problems.push(Problem::at(node.span(), message));
        }
    }

    /// A table with keys that are known beforehand.
    fn table(&mut self, schema: &'static Value, table: &DeTable<'_>, span: Range<usize>, name: &str) {
        let keys = schema["properties"].as_object().into_iter().flatten();
        let keys: Vec<(&str, &'static Value)> = keys.map(|(key, value)| (key.as_str(), value)).collect();
        let names: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
        for (key, value) in table {
            match keys.iter().find(|(name, _)| name == key.get_ref()) {
                Some((name, schema)) => self.value(schema, value, name),
                None => self
                    .problems
                    .push(Problem::unknown(key.span(), "key", key.get_ref(), &names)),
            }
        }
        for key in strings(&schema["required"]) {
            let property = &schema["properties"][key];
            let empty = |value: &Node<'_>| value.get_ref().as_array().is_some_and(|items| items.is_empty());
            let lacks = |value| property["minItems"] == 1 && empty(value);
            if table.get(key).is_none_or(lacks) {
                self.problems.push(missing(key, property, span.clone(), name));
            }
        }
        for (key, needed) in schema["dependentRequired"].as_object().into_iter().flatten() {
            let needed = strings(needed).find(|needed| !table.contains_key(*needed));
            if let (Some((key, _)), Some(needed)) = (table.get_key_value(key.as_str()), needed) {
                let message = format!("`{}` goes with `{needed}`, and there is none", key.get_ref());
                self.problems.push(Problem::at(key.span(), message));
            }
        }
        for alternatives in schema["allOf"].as_array().into_iter().flatten() {
            self.one_of(&alternatives["oneOf"], table, span.clone(), name);
        }
    }

    /// Keys of which a table has exactly one.
    fn one_of(&mut self, alternatives: &'static Value, table: &DeTable<'_>, span: Range<usize>, name: &str) {
        let alternatives = alternatives.as_array().into_iter().flatten();
        let keys: Vec<&str> = alternatives.flat_map(|keys| strings(&keys["required"])).collect();
        let entries = keys.iter().filter_map(|key| table.get_key_value(*key));
        let mut there: Vec<Range<usize>> = entries.map(|(key, _)| key.span()).collect();
        there.sort_by_key(|span| span.start);
        let listed = |word: &str| format!("`{}`", keys.join(&format!("` {word} `")));
        let problem = match there.as_slice() {
            [_] => return,
            [] => Problem::at(span, format!("this `{name}` has neither {}", listed("nor"))),
            [_, second, ..] => {
                let message = format!("this `{name}` has both {}", listed("and"));
                Problem::at(second.clone(), message).label("one too many")
            }
        };
        self.problems
            .push(problem.help(format!("a `{name}` has either {}", listed("or"))));
    }

    /// A value of an enum: its name, or a table with its name as the only key.
    fn choice(&mut self, choices: &[Choice<'static>], node: &Node<'_>, noun: &str) {
        let names: Vec<&str> = choices.iter().map(|choice| choice.name).collect();
        let find = |name: &str| choices.iter().find(|choice| choice.name == name);
        let entries: Vec<_> = node.get_ref().as_table().into_iter().flatten().collect();
        let problem = match (node.get_ref().as_str(), entries.as_slice()) {
            (Some(name), _) => match find(name) {
                Some(choice) if choice.bare => return,
                Some(choice) => Problem::at(node.span(), format!("the {noun} `{name}` needs details"))
                    .help(format!("write {}", example(choice))),
                None => Problem::unknown(node.span(), noun, name, &names),
            },
            (None, [(key, value)]) => match find(key.get_ref()) {
                Some(Choice {
                    name,
                    details: Some(details),
                    ..
                }) => return self.value(details, value, name),
                Some(Choice {
                    name, details: None, ..
                }) => Problem::at(key.span(), format!("the {noun} `{name}` has no details"))
                    .help(format!("write \"{name}\"")),
                None => Problem::unknown(key.span(), noun, key.get_ref(), &names),
            },
            (None, [_, (second, _), ..]) => Problem::at(second.span(), format!("more than one {noun}"))
                .label("one too many")
                .help(format!("one {noun} at a time")),
            (None, []) => Problem::at(node.span(), format!("this is no {noun}"))
                .help(format!("one of {}", names.join(", "))),
        };
        self.problems.push(problem);
    }

    /// A value that may have one of several shapes: held to the one it is most like.
    fn any_of(&mut self, branches: &'static [Value], node: &Node<'_>, name: &str) {
        let branches: Vec<_> = branches.iter().map(|branch| self.resolve(branch, name)).collect();
        let likeness = |schema: &Value| match node.get_ref().as_table() {
            Some(table) => table
                .keys()
                .filter(|key| schema["properties"].get(key.get_ref().as_ref()).is_some())
                .count(),
            None => 1,
        };
        // The first of the best: `max_by_key` would take the last.
        let best = branches.iter().rev().filter(|(schema, _)| is_type(schema, node));
        match best.max_by_key(|(schema, _)| likeness(schema)) {
            Some((schema, _)) if likeness(schema) != 0 => self.value(schema, node, name),
            Some(_) | None => {
                let shapes: Vec<_> = branches
                    .iter()
                    .map(|(schema, _)| expected(schema, name))
                    .collect();
                self.mismatch(shapes.join(" or "), node, name);
            }
        }
    }

    fn number(&mut self, schema: &Value, written: &DeInteger<'_>, span: Range<usize>, name: &str) {
        let bound = |key| schema[key].as_i64().map(i128::from);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let Ok(number) = i128::from_str_radix(written.as_str(), written.radix()) else {
            return self
                .problems
                .push(Problem::at(span, format!("`{name}` is far too large")));
        };
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| most < number) {
            let range = match (least, most) {
                (Some(least), Some(most)) => format!("from {least} to {most}"),
                (least, most) => least
                    .or(most)
                    .map_or(String::new(), |least| format!("at least {least}")),
            };
            self.problems
                .push(Problem::at(span, format!("`{name}` is {range}, not {number}")));
        }
    }

    fn mismatch(&mut self, expected: String, node: &Node<'_>, name: &str) {
        let found = node.get_ref().type_str();
        let message = format!("`{name}` is {expected}; this is {}", with_article(found));
        self.problems.push(Problem::at(node.span(), message));
    }

    /// Follows references; the noun is what people call such a value.
    fn resolve(&self, schema: &'static Value, name: &str) -> (&'static Value, String) {
        let Some(definition) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) else {
            return (schema, schema["title"].as_str().unwrap_or(name).to_owned());
        };
        let schema = &self.root["$defs"][definition];
        (
            schema,
            schema["title"]
                .as_str()
                .map_or_else(|| definition.to_lowercase(), str::to_owned),
        )
    }
}

/// The values of an enum; none if the schema is not one of an enum.
fn choices(schema: &'static Value) -> Vec<Choice<'static>> {
    let alternatives = schema["oneOf"]
        .as_array()
        .map_or_else(|| std::slice::from_ref(schema), Vec::as_slice);
    let mut choices: Vec<Choice<'_>> = Vec::new();
    for alternative in alternatives {
        let names = strings(&alternative["enum"]).chain(alternative["const"].as_str());
        choices.extend(names.map(|name| Choice {
            name,
            bare: true,
            details: None,
        }));
        let tagged = schema["oneOf"]
            .is_array()
            .then(|| alternative["properties"].as_object())
            .flatten();
        choices.extend(tagged.into_iter().flatten().map(|(name, details)| Choice {
            name,
            bare: false,
            details: Some(details),
        }));
    }
    // A name that stands alone as well as before details is one choice.
    let bare: Vec<&str> = choices
        .iter()
        .filter(|choice| choice.bare)
        .map(|choice| choice.name)
        .collect();
    let twice: Vec<&str> = choices
        .iter()
        .filter(|choice| !choice.bare && bare.contains(&choice.name))
        .map(|choice| choice.name)
        .collect();
    choices.retain(|choice| !(choice.bare && twice.contains(&choice.name)));
    choices
        .iter_mut()
        .filter(|choice| twice.contains(&choice.name))
        .for_each(|choice| choice.bare = true);
    choices
}

fn missing(key: &str, property: &Value, span: Range<usize>, name: &str) -> Problem {
    let problem = match property["type"] == "array" {
        true => Problem::at(span, format!("the {name} has no [[{key}]]")),
        false => Problem::at(span, format!("`{key}` is missing")).label(format!("the {name} needs it")),
    };
    match property["description"].as_str() {
        Some(about) => problem.help(format!("`{key}`: {}", about.replace('\n', " "))),
        None => problem,
    }
}

/// How a choice with details is written, with the keys that it needs.
fn example(choice: &Choice<'_>) -> String {
    let keys = choice
        .details
        .map(|details| strings(&details["required"]).map(|key| format!("{key} = …")));
    let keys: Vec<_> = keys.into_iter().flatten().collect();
    format!("{{ {} = {{ {} }} }}", choice.name, keys.join(", "))
}

/// What a schema demands, for people.
fn expected(schema: &Value, noun: &str) -> String {
    match schema["type"].as_str() {
        Some("string") if noun == "length of time" => "a length of time such as \"800ms\"".to_owned(),
        Some("object") => match strings(&schema["required"]).collect::<Vec<_>>().as_slice() {
            [] => "a table".to_owned(),
            keys => format!("{{ {} = … }}", keys.join(" = …, ")),
        },
        Some("array") => "a list".to_owned(),
        Some(name) => with_article(name),
        None => "something else".to_owned(),
    }
}

/// A noun with its article.
pub(super) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// Whether a value has the type that a schema names.
fn is_type(schema: &Value, node: &Node<'_>) -> bool {
    let name = match node.get_ref().type_str() {
        "table" => "object",
        name => name,
    };
    schema["type"].as_str().is_none_or(|wanted| wanted == name)
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
