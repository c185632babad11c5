//! The JSON Schema of scenario files: for editors, and the shape that [`super::parse`] holds a file to.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use serde_json::Value;

use super::Scenario;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    SchemaSettings::default()
        .with_transform(without_null)
        .into_generator()
        .into_root_schema_for::<Scenario>()
        .to_value()
});

/// The JSON Schema of scenario files.
pub fn schema() -> Value {
    SCHEMA.clone()
}

/// The same, without a copy.
pub(super) fn shared() -> &'static Value {
    &SCHEMA
}

/// TOML has no null: a value that may be missing is a missing key.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            only.into_iter().for_each(|(key, value)| {
                schema.insert(key, value);
            });
        }
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    transform_subschemas(&mut without_null, schema);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/scenario.json");

    #[test]
    fn the_file_for_editors_is_current() {
        let current = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(FILE, &current).unwrap();
        }
        let kept = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(
            kept == current,
            "{FILE} is not what the types say; write it anew with `UPDATE=1 cargo test -p unplug --lib schema`"
        );
    }

    #[test]
    fn it_knows_no_null() {
        assert!(!schema().to_string().contains("null"));
    }
}
