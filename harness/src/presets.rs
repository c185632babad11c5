//! The policies that are built in, and the names that a scenario may use.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use include_dir::{Dir, include_dir};
use strum::VariantArray as _;
use unplug_mocks::exec::{Bug, Preset};
use unplug_reconnect::policy::Policy;

use crate::checkers;
use crate::client_bug::ClientBug;
use crate::scenario::Names;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../scenarios/policies");

static POLICIES: LazyLock<BTreeMap<&'static str, Arc<Policy>>> = LazyLock::new(|| {
    FILES
        .files()
        .filter(|file| file.path().extension().is_some_and(|ending| ending == "toml"))
        .filter_map(|file| {
            let name = file.path().file_stem()?.to_str()?;
            // Built in, and read by a test: a mistake in one never leaves this repository.
            let policy =
                read(file.contents_utf8()?).unwrap_or_else(|why| panic!("policies/{name}.toml: {why}"));
            Some((name, Arc::new(policy)))
        })
        .collect()
});

fn read(text: &str) -> Result<Policy, String> {
    let policy: Policy = toml::from_str(text).map_err(|error| error.to_string())?;
    policy.check()?;
    Ok(policy)
}

/// The built-in policy with this name.
pub fn policy(name: &str) -> Option<Arc<Policy>> {
    POLICIES.get(name).cloned()
}

/// The names of the built-in policies.
pub fn policies() -> impl Iterator<Item = &'static str> {
    POLICIES.keys().copied()
}

/// Everything that a scenario may name and that is defined elsewhere.
pub fn names() -> Names<'static> {
    static POLICY_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| policies().collect());
    static BUGS: LazyLock<Vec<String>> = LazyLock::new(|| Bug::VARIANTS.iter().map(Bug::to_string).collect());
    static BUG_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| BUGS.iter().map(String::as_str).collect());
    static CLIENT_BUGS: LazyLock<Vec<String>> =
        LazyLock::new(|| ClientBug::VARIANTS.iter().map(ClientBug::to_string).collect());
    static CLIENT_BUG_NAMES: LazyLock<Vec<&str>> =
        LazyLock::new(|| CLIENT_BUGS.iter().map(String::as_str).collect());
    static CHECKERS: LazyLock<Vec<&str>> =
        LazyLock::new(|| checkers::ALL.iter().map(|checker| checker.name).collect());
    Names {
        policies: &POLICY_NAMES,
        versions: &Preset::NAMES,
        bugs: &BUG_NAMES,
        client_bugs: &CLIENT_BUG_NAMES,
        checkers: &CHECKERS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_policy_is_read() {
        let names: Vec<_> = policies().collect();
        assert_eq!(
            names,
            [
                "broken-hammer",
                "broken-impatient",
                "broken-replayer",
                "codex-0.134",
                "codex-0.140",
                "codex-0.142",
                "codex-0.169",
                "codex-23395",
                "recommended",
                "tight"
            ]
        );
    }
}
