//! Where scenarios come from: the library that is built in, files, and directories.

use std::borrow::Cow;
use std::fs;
use std::path::{Component, Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

use super::parse::{parse, read};
use super::problem::{Problem, Refused, nearest};
use super::{Names, Scenario};

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../scenarios");

/// The folder of policies, which lies among the scenarios.
const POLICIES: &str = "policies";

/// A scenario file that was not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What people call it: its path under `scenarios/` without the ending, such as `exec/wifi_blip`.
    pub name: String,
    /// Its path, for messages.
    pub path: String,
    /// Its bytes.
    pub text: Cow<'static, [u8]>,
}

impl Source {
    /// Reads the scenario.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(&self, names: &Names<'_>) -> Result<Scenario, Refused> {
        parse(&self.path, &self.text, names)
    }
}

/// The scenarios that are built in, by name.
pub fn built_in() -> Vec<Source> {
    let mut sources = Vec::new();
    collect(&BUILT_IN, &mut sources);
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources
}

fn collect(dir: &'static Dir<'_>, sources: &mut Vec<Source>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) if dir.path().ends_with(POLICIES) => {}
            DirEntry::Dir(dir) => collect(dir, sources),
            DirEntry::File(file) if is_scenario(file.path()) => sources.push(Source {
                name: slashed(&file.path().with_extension("")),
                path: format!("scenarios/{}", slashed(file.path())),
                text: file.contents().into(),
            }),
            DirEntry::File(_) => {}
        }
    }
}

/// The scenarios that someone asks for: files, directories, and parts of the names of built-in ones. All built-in ones
/// if nothing is asked for.
///
/// # Errors
/// Says which of the words selects nothing, or which file cannot be read. Something is always selected.
pub fn select(args: &[String]) -> Result<Vec<Source>, Refused> {
    let built_in = built_in();
    if args.is_empty() && built_in.is_empty() {
        return Err(Refused::whole(Problem::new("no scenario is built in")));
    }
    if args.is_empty() {
        return Ok(built_in);
    }
    let mut selected: Vec<Source> = Vec::new();
    for arg in args {
        for source in named(arg, &built_in)? {
            if !selected
                .iter()
                .any(|other| (&other.name, &other.text) == (&source.name, &source.text))
            {
                selected.push(source);
            }
        }
    }
    Ok(selected)
}

/// What one word selects.
fn named(arg: &str, built_in: &[Source]) -> Result<Vec<Source>, Refused> {
    let path = Path::new(arg);
    if path.is_dir() {
        let files = below(path)?;
        if files.is_empty() {
            let problem = Problem::new(format!("there is no scenario in `{arg}`"));
            return Err(Refused::whole(
                problem.help("scenarios are *.toml files outside `policies`"),
            ));
        }
        return files.iter().map(|file| on_disk(file)).collect();
    }
    if path.exists() {
        return Ok(vec![on_disk(path)?]);
    }
    let found: Vec<Source> = built_in
        .iter()
        .filter(|source| source.name.contains(arg))
        .cloned()
        .collect();
    if found.is_empty() {
        return Err(Refused::whole(nothing(arg, built_in)));
    }
    Ok(found)
}

fn nothing(arg: &str, built_in: &[Source]) -> Problem {
    let names: Vec<&str> = built_in.iter().map(|source| source.name.as_str()).collect();
    // People leave out the folder, and add the ending.
    let wanted = arg.trim_end_matches(".toml");
    let short: Vec<&str> = names
        .iter()
        .map(|name| name.rsplit('/').next().unwrap_or(name))
        .collect();
    let near = nearest(wanted, &names).or_else(|| nearest(wanted, &short));
    let problem = Problem::new(format!(
        "`{arg}` is no file, and no built-in scenario's name contains it"
    ));
    match (near, names.as_slice()) {
        (Some(near), _) => problem.help(format!("did you mean `{near}`?")),
        (None, []) => problem.help("no scenario is built in"),
        (None, names) => problem.help(format!("built in: {}", names.join(", "))),
    }
}

/// The scenario files in a directory and in those below it, in order.
fn below(dir: &Path) -> Result<Vec<PathBuf>, Refused> {
    let unreadable =
        |error| Refused::whole(Problem::new(format!("cannot read `{}`: {error}", dir.display())));
    let mut entries: Vec<_> = fs::read_dir(dir)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::path);
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.path();
        // Of a link to a directory this says that it is none, so there is no going in circles.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            if !path.ends_with(POLICIES) {
                files.extend(below(&path)?);
            }
        } else if is_scenario(&path) {
            files.push(path);
        }
    }
    Ok(files)
}

fn on_disk(path: &Path) -> Result<Source, Refused> {
    Ok(Source {
        name: name_of(path),
        path: path.display().to_string(),
        text: read(path)?.into(),
    })
}

/// The path under the nearest folder `scenarios` around the file, or else the name of the file.
fn name_of(path: &Path) -> String {
    let absolute = std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .with_extension("");
    let parts: Vec<Component<'_>> = absolute.components().collect();
    let folder = parts.iter().rposition(|part| part.as_os_str() == "scenarios");
    let below = folder.map_or_else(|| parts.len().saturating_sub(1), |folder| folder + 1);
    slashed(&parts[below..].iter().collect::<PathBuf>())
}

fn is_scenario(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "toml")
}

fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> Source {
        Source {
            name: name.to_owned(),
            path: format!("scenarios/{name}.toml"),
            text: Cow::Borrowed(b""),
        }
    }

    #[track_caller]
    fn names(selected: Result<Vec<Source>, Refused>) -> Vec<String> {
        selected.unwrap().into_iter().map(|source| source.name).collect()
    }

    #[test]
    fn a_word_selects_the_names_that_contain_it() {
        let built_in = [
            source("exec/wifi_blip"),
            source("exec/wifi_stall"),
            source("exec/lease_lost"),
        ];
        assert_eq!(
            names(named("wifi", &built_in)),
            ["exec/wifi_blip", "exec/wifi_stall"]
        );
        assert_eq!(names(named("lease_lost", &built_in)), ["exec/lease_lost"]);
    }

    #[test]
    fn a_word_that_selects_nothing_is_an_error_with_near_names() {
        let built_in = [source("exec/wifi_blip"), source("exec/lease_lost")];
        let error = named("wfi_blip.toml", &built_in).unwrap_err().to_string();
        assert_eq!(
            error,
            "  × `wfi_blip.toml` is no file, and no built-in scenario's name contains it\n  help: did you mean `wifi_blip`?\n"
        );
        let error = named("banana", &built_in).unwrap_err().to_string();
        assert!(
            error.contains("built in: exec/wifi_blip, exec/lease_lost"),
            "{error}"
        );
    }

    #[test]
    fn a_directory_selects_what_is_below_it_in_order() {
        let root = tempfile::tempdir().unwrap();
        let scenarios = root.path().join("scenarios");
        for file in [
            "exec/b.toml",
            "exec/a.toml",
            "exec/a.snap",
            "policies/p.toml",
            "top.toml",
        ] {
            let path = scenarios.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let scenarios = scenarios.display().to_string();
        let all = ["exec/a", "exec/b", "top"];
        assert_eq!(names(select(std::slice::from_ref(&scenarios))), all);
        let twice = [scenarios.clone(), format!("{scenarios}/exec/a.toml")];
        assert_eq!(names(select(&twice)), all);
    }

    #[test]
    fn an_empty_directory_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().display().to_string();
        let error = select(std::slice::from_ref(&path)).unwrap_err().to_string();
        assert!(
            error.contains(&format!("there is no scenario in `{path}`")),
            "{error}"
        );
    }

    #[test]
    fn a_file_outside_of_scenarios_is_called_by_its_own_name() {
        assert_eq!(name_of(Path::new("/tmp/x/blip.toml")), "blip");
        assert_eq!(name_of(Path::new("/tmp/scenarios/exec/blip.toml")), "exec/blip");
    }

    #[test]
    fn a_huge_file_is_refused_unread() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("huge.toml");
        fs::File::create(&path).unwrap().set_len(100_000_000).unwrap();
        let error = super::super::load(&path, &Names::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("is too large for a scenario: 100000000 bytes"),
            "{error}"
        );
        assert!(
            error.contains("help: the largest scenario file is 1 MiB"),
            "{error}"
        );
    }
}
