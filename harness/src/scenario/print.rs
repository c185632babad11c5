//! From a scenario back to a file.

use serde::Serialize;
use toml::de::{DeTable, DeValue};
use toml::ser::ValueSerializer;

use super::Scenario;

impl Scenario {
    /// The scenario as a file, ready to be saved: it reads back as the same scenario.
    pub fn to_toml(&self) -> String {
        // Serde gives one long line in the order of the types' fields; reading it back tells tables from values.
        let mut line = String::new();
        self.serialize(ValueSerializer::new(&mut line))
            .expect("TOML can say what a scenario says");
        let document = format!("scenario = {line}");
        let table = DeTable::parse(&document)
            .expect("toml reads what it wrote")
            .into_inner();
        let scenario = table
            .get("scenario")
            .and_then(|scenario| scenario.get_ref().as_table());
        layout(scenario.expect("a scenario is a table"))
    }
}

/// The tables of a file, each under its header.
fn layout(scenario: &DeTable<'_>) -> String {
    let (mut head, mut tables) = (String::new(), String::new());
    for (key, value) in in_order(scenario) {
        let items = value.as_array().map_or(&[][..], |items| items);
        if let Some(table) = value.as_table() {
            tables.push_str(&format!("\n[{key}]\n{}", lines(table)));
        } else if items.iter().any(|item| item.get_ref().is_table()) {
            for table in items.iter().filter_map(|item| item.get_ref().as_table()) {
                tables.push_str(&format!("\n[[{key}]]\n{}", lines(table)));
            }
        } else {
            head.push_str(&format!("{key} = {}\n", inline(value)));
        }
    }
    head + &tables
}

fn lines(table: &DeTable<'_>) -> String {
    let entries = in_order(table).into_iter();
    entries
        .map(|(key, value)| format!("{key} = {}\n", inline(value)))
        .collect()
}

/// A value on one line. (toml itself would break a text at its line ends.)
fn inline(value: &DeValue<'_>) -> String {
    if let Some(text) = value.as_str() {
        // TOML has JSON's escapes, and demands one more.
        return serde_json::Value::from(text)
            .to_string()
            .replace('\u{7f}', "\\u007f");
    }
    if let Some(table) = value.as_table() {
        let entries = in_order(table).into_iter();
        let entries: Vec<_> = entries
            .map(|(key, value)| format!("{key} = {}", inline(value)))
            .collect();
        return format!("{{ {} }}", entries.join(", "));
    }
    if let Some(items) = value.as_array() {
        let items: Vec<_> = items.iter().map(|item| inline(item.get_ref())).collect();
        return format!("[{}]", items.join(", "));
    }
    value.as_integer().map_or_else(String::new, ToString::to_string)
}

/// The entries of a table in the order in which they were written.
fn in_order<'t, 'd>(table: &'t DeTable<'d>) -> Vec<(&'t str, &'t DeValue<'d>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
        .into_iter()
        .map(|(key, value)| (key.get_ref().as_ref(), value.get_ref()))
        .collect()
}
