//! Which policy someone means: a built-in one, or a file of one's own.

use std::path::Path;
use std::sync::Arc;

use unplug_reconnect::policy::Policy;

use super::parse::{not_text, read};
use super::problem::{Problem, Refused, nearest};
use crate::presets;

/// The policy that a word names: the name of a built-in one, or the path of a TOML file.
///
/// # Errors
/// There is no such policy, or everything that is wrong with the file.
pub fn policy(word: &str) -> Result<Arc<Policy>, Refused> {
    if let Some(policy) = presets::policy(word) {
        return Ok(policy);
    }
    let path = Path::new(word);
    if !path.is_file() {
        return Err(Refused::whole(unknown(word)));
    }
    let bytes = read(path)?;
    let text = str::from_utf8(&bytes).map_err(|error| not_text(word, &bytes, error.valid_up_to()))?;
    let help = "a policy has the keys of those in scenarios/policies, for example recommended.toml";
    let refused = |problem: Problem| Refused::new(word, text.to_owned(), vec![problem]);
    let policy: Policy = toml::from_str(text).map_err(|error| {
        let problem = Problem {
            span: error.span(),
            ..Problem::new(error.message())
        };
        refused(problem.help(help))
    })?;
    policy
        .check()
        .map_err(|why| refused(Problem::new(format!("in `{word}`: {why}"))))?;
    Ok(Arc::new(policy))
}

fn unknown(word: &str) -> Problem {
    let names: Vec<&str> = presets::policies().collect();
    let problem = Problem::new(format!(
        "`{word}` is no file, and no built-in policy is called so"
    ));
    let choices = format!("one of {}", names.join(", "));
    match nearest(word, &names) {
        Some(near) => problem.help(format!("did you mean `{near}`? {choices}")),
        None => problem.help(choices),
    }
}
