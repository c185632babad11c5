//! What is wrong with a scenario file, and where.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, NamedSource, SourceCode,
    SourceSpan, SpanContents,
};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// The bytes of the file to which it points, if it points into the file.
    pub span: Option<Range<usize>>,
    /// What is said beside these bytes.
    pub label: Option<String>,
    /// What would be right.
    pub help: Option<String>,
}

impl Problem {
    /// The most characters of a message: it may quote a file that is not meant to be read.
    const LONGEST: usize = 400;

    /// A problem with the file as a whole.
    pub(super) fn new(message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((cut, _)) = message.char_indices().nth(Self::LONGEST) {
            message.truncate(cut);
            message.push('…');
        }
        Self {
            message,
            span: None,
            label: None,
            help: None,
        }
    }

    /// A problem at a place in the file.
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            ..Self::new(message)
        }
    }

    /// A word that is none of the choices.
    pub(super) fn unknown(span: Range<usize>, noun: &str, word: &str, choices: &[&str]) -> Self {
        let problem = Self::at(span, format!("unknown {noun} `{word}`"));
        let problem = match nearest(word, choices) {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None => problem,
        };
        match choices {
            [] => problem.help(format!("there is no {noun} to choose from")),
            [only] => problem.help(format!("the only {noun} here is {only}")),
            choices => problem.help(format!("one of {}", choices.join(", "))),
        }
    }

    /// Says something beside the place.
    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            ..self
        }
    }

    /// Says what would be right.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

/// The choice that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, choices: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |choice: &str| strsim::osa_distance(&word, &choice.to_lowercase());
    let nearest = choices.iter().copied().min_by_key(|choice| distance(choice))?;
    let close = word.chars().count().max(nearest.chars().count()).div_ceil(3);
    (distance(nearest) <= close).then_some(nearest)
}

/// A file, or a choice of files, that cannot be run, with everything that is wrong with it.
///
/// Prints as people read it on a terminal, without colours. Nobody decides by it: whatever is wrong, nothing runs.
#[derive(Debug)]
pub struct Refused {
    file: NamedSource<String>,
    problems: Vec<Problem>,
}

impl Refused {
    /// The most that is shown: after that many, the first ones are to be mended first.
    const SHOWN: usize = 20;

    /// The problems of the file with this path and text, in the order of the file.
    pub(super) fn new(path: &str, text: String, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
        problems.dedup();
        Self {
            file: NamedSource::new(path, text),
            problems,
        }
    }

    /// A problem that points into no file.
    pub(super) fn whole(problem: Problem) -> Self {
        Self::new("", String::new(), vec![problem])
    }

    /// The path of the file; empty if the problem is no file's.
    pub fn path(&self) -> &str {
        self.file.name()
    }

    /// What is wrong, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The line and the column of a problem, both from 1.
    pub fn place(&self, problem: &Problem) -> Option<(usize, usize)> {
        let before = self.file.inner().get(..problem.span.as_ref()?.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&char| char != '\n').count() + 1;
        Some((line, column))
    }

    /// For people: each problem with its place, the place underlined, and the choices.
    pub fn render(&self, colours: bool) -> String {
        let theme = if colours {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_context_lines(Lines::CONTEXT)
            .with_width(110);
        let mut text = String::new();
        for problem in self.problems.iter().take(Self::SHOWN) {
            let view = View {
                file: Lines(&self.file),
                place: self.place(problem),
                problem,
            };
            handler
                .render_report(&mut text, &view)
                .unwrap_or_else(|_| text.push_str(&problem.message));
            text.truncate(text.trim_end().len());
            text.push_str("\n\n");
        }
        if let Some(more @ 1..) = self.problems.len().checked_sub(Self::SHOWN) {
            text.push_str(&format!("  and {more} more\n\n"));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Error for Refused {}

/// A problem with its file: what miette draws.
#[derive(Debug)]
struct View<'a> {
    file: Lines<'a>,
    place: Option<(usize, usize)>,
    problem: &'a Problem,
}

/// A file of which whole lines are shown. (miette's own context of no lines is the place alone, and its next larger
/// one shows the neighbours too.)
#[derive(Debug)]
struct Lines<'a>(&'a NamedSource<String>);

impl Lines<'_> {
    /// What to ask miette for, so that it shows the lines to which a problem points and no others.
    const CONTEXT: usize = 1;

    /// The whole lines around a place.
    fn around(&self, start: usize, end: usize) -> Range<usize> {
        let text = self.0.inner();
        let before = text.get(..start).and_then(|text| text.rfind('\n'));
        let after = text.get(end..).and_then(|text| text.find('\n'));
        before.map_or(0, |newline| newline + 1)..after.map_or(text.len(), |length| end + length)
    }
}

impl SourceCode for Lines<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        if before < Self::CONTEXT {
            return self.0.read_span(span, before, after);
        }
        let lines = self.around(span.offset(), span.offset() + span.len());
        self.0.read_span(&lines.into(), 0, 0)
    }
}

impl View<'_> {
    /// Lines of which nobody would find the place are named and not shown.
    const SHOWN: usize = 1000;

    fn is_shown(&self) -> bool {
        let span = self.problem.span.as_ref();
        span.is_some_and(|span| self.file.around(span.start, span.end).len() <= Self::SHOWN)
    }
}

impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place.filter(|_| !self.is_shown()) {
            write!(f, "{}:{line}:{column}: ", self.file.0.name())?;
        }
        f.write_str(&self.problem.message)
    }
}

impl Error for View<'_> {}

impl Diagnostic for View<'_> {
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.is_shown().then_some(&self.file as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.problem.span.clone()?;
        let label = LabeledSpan::new_with_span(self.problem.label.clone(), span);
        Some(Box::new(std::iter::once(label)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        assert_eq!(nearest("partion", &["partition", "reset"]), Some("partition"));
        assert_eq!(
            nearest("Codex-0.145", &["codex-0.134", "codex-0.142"]),
            Some("codex-0.142")
        );
        assert_eq!(nearest("banana", &["partition", "reset"]), None);
        assert_eq!(nearest("banana", &[]), None);
    }
}
