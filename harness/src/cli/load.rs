//! From words on the command line to scenarios that can be run, or to everything that is wrong with them.

use std::io::{self, IsTerminal as _};

use miette::{GraphicalReportHandler, GraphicalTheme, MietteDiagnostic};
use unplug::presets;
use unplug::report::Job;
use unplug::report::json::{self, ErrorDocument};
use unplug::scenario::library::{self, Source};
use unplug::scenario::{Refused, Variant};
use unplug_reconnect::seed::Seed;

use super::args::{Format, Subject};
use super::{USAGE, out};

/// A scenario with its cases.
pub(crate) struct Loaded {
    pub(crate) source: Source,
    pub(crate) variants: Vec<Variant>,
}

/// Why nothing runs.
pub(crate) enum Refusal {
    /// Something is wrong with files, or a word selects none.
    Scenarios(Vec<Refused>),
    /// What is asked for does not fit the scenario.
    Misfit(Misfit),
}

/// A mistake in the arguments that only shows once the scenario is known.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) message: String,
    pub(crate) help: String,
}

impl From<Misfit> for Refusal {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

/// Reads everything that is asked for.
///
/// # Errors
/// Everything that is wrong with any of it.
pub(crate) fn all(words: &[String]) -> Result<Vec<Loaded>, Refusal> {
    let (sources, mut refused) = select(words);
    let names = presets::names();
    let mut loaded = Vec::new();
    for source in sources {
        match source.parse(&names) {
            Ok(scenario) => loaded.push(Loaded {
                source,
                variants: scenario.variants(),
            }),
            Err(problems) => refused.push(problems),
        }
    }
    if refused.is_empty() {
        Ok(loaded)
    } else {
        Err(Refusal::Scenarios(refused))
    }
}

/// What the words select, and what is wrong with those that select nothing.
fn select(words: &[String]) -> (Vec<Source>, Vec<Refused>) {
    let mut refused = Vec::new();
    let mut fine = Vec::new();
    for word in words {
        match library::select(std::slice::from_ref(word)) {
            Ok(_) => fine.push(word.clone()),
            Err(problems) => refused.push(problems),
        }
    }
    if fine.is_empty() && !refused.is_empty() {
        return (Vec::new(), refused);
    }
    // All at once, so that what two words select is there once.
    match library::select(&fine) {
        Ok(sources) => (sources, refused),
        Err(problems) => (Vec::new(), vec![problems]),
    }
}

/// The one scenario that a word names.
///
/// # Errors
/// What is wrong with it, or that it is several.
pub(crate) fn one(word: &str) -> Result<Loaded, Refusal> {
    let mut loaded = all(&[word.to_owned()])?;
    if let Some(exact) = loaded.iter().position(|loaded| loaded.source.name == word) {
        return Ok(loaded.swap_remove(exact));
    }
    match loaded.pop() {
        Some(only) if loaded.is_empty() => Ok(only),
        last => {
            let names: Vec<_> = loaded
                .iter()
                .chain(&last)
                .map(|loaded| loaded.source.name.as_str())
                .collect();
            let message = format!("`{word}` names {} scenarios, and one is needed", names.len());
            Err(Misfit {
                message,
                help: format!("one of {}", names.join(", ")),
            }
            .into())
        }
    }
}

impl Loaded {
    /// The run that is asked for.
    ///
    /// # Errors
    /// There is no such case.
    pub(crate) fn job(&self, subject: &Subject) -> Result<Job<'_>, Refusal> {
        let case = subject.case.as_deref().unwrap_or_default();
        let variant = self
            .variants
            .iter()
            .find(|variant| variant.case == case)
            .ok_or_else(|| {
                let cases: Vec<_> = self
                    .variants
                    .iter()
                    .map(|variant| variant.case.as_str())
                    .collect();
                let cases = cases
                    .into_iter()
                    .filter(|case| !case.is_empty())
                    .collect::<Vec<_>>()
                    .join(", ");
                let help = match cases.as_str() {
                    "" => "it has none: leave out `--case`".to_owned(),
                    cases => format!("one of {cases}; or leave out `--case` for the script as it stands"),
                };
                Misfit {
                    message: format!("`{}` has no case `{case}`", self.source.name),
                    help,
                }
            })?;
        Ok(Job {
            source: &self.source,
            variant,
            world: subject.world,
            seed: Seed(subject.seed),
        })
    }
}

impl Refusal {
    /// For people on stderr, for programs on stdout.
    ///
    /// # Errors
    /// Those of stdout.
    pub(crate) fn print(&self, format: Format) -> io::Result<()> {
        if format == Format::Json {
            let errors = match self {
                Self::Scenarios(refused) => refused.iter().flat_map(json::problems).collect(),
                Self::Misfit(Misfit { message, help }) => {
                    let (message, help) = (message.clone(), Some(help.clone()));
                    vec![json::Problem {
                        message,
                        help,
                        ..json::Problem::default()
                    }]
                }
            };
            return out::json(&ErrorDocument {
                schema: json::SCHEMA,
                errors,
                exit_code: USAGE,
            });
        }
        let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        match self {
            Self::Scenarios(refused) => {
                let texts: Vec<_> = refused.iter().map(|refused| refused.render(colours)).collect();
                eprint!("{}", texts.join("\n"));
            }
            Self::Misfit(misfit) => eprint!("{}", misfit.render(colours)),
        }
        Ok(())
    }
}

impl Misfit {
    fn render(&self, colours: bool) -> String {
        let theme = if colours {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let problem = MietteDiagnostic::new(&self.message).with_help(&self.help);
        let mut text = String::new();
        match GraphicalReportHandler::new_themed(theme).render_report(&mut text, &problem) {
            Ok(()) => text,
            Err(_) => format!("{}\n", self.message),
        }
    }
}
