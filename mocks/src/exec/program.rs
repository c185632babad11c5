//! The programs that a process can run. A [`Script`] with exactly the same argv comes first; otherwise `argv[0]` is one
//! of these, and anything else is no such file:
//!
//! | argv | what it does |
//! |---|---|
//! | `cat` | copies each write from stdin to stdout, one chunk each |
//! | `echo` | line-buffered: says each whole line of stdin back, one chunk each |
//! | `count [to] [every_ms]` | prints `1\n`, `2\n`, … every 100 ms; after `to`, if given, leaves with 0; swallows stdin |
//! | `flood [chunks] [bytes] [every_ms]` | prints numbered chunks, 256 of 4096 bytes every 1 ms; then stays |
//! | `exit [code] [after_ms]` | leaves, with 0 and at once |
//! | `sleep [seconds]` | leaves with 0 after so long, or never |
//!
//! `cat` and `echo` leave with 0 at the end of input: at once if they have no stdin. An interrupt kills every program
//! but a script that says what it does then. An argument that makes no sense fails the start.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Chunk, Stream};

use super::script::{Script, StepAct, When};

/// The operating system's text for an unknown program, and for a directory that does not exist (sheet 2.5).
pub(super) const NO_SUCH_FILE: &str = "No such file or directory (os error 2)";
/// The operating system's text for arguments that make no sense.
const INVALID_ARGUMENT: &str = "Invalid argument (os error 22)";

/// The longest line that `echo` waits for the end of.
const LINE_MAX: usize = 65_536;
/// The largest chunk that `flood` prints.
const CHUNK_MAX: u64 = 1 << 24;
/// How many chunks a program that was not looked after in time catches up on: what a pipe holds for its reader.
const CATCH_UP_MAX: u32 = 64;

/// What a program does when its moment has come.
#[derive(Debug)]
pub(super) enum Act {
    /// Writes.
    Print(Stream, Chunk),
    /// Leaves.
    Exit(i32),
    /// Nothing that can be seen.
    Nothing,
}

/// A running program.
#[derive(Debug)]
pub(super) struct Program {
    due: Option<Time>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Cat,
    Echo {
        line: Vec<u8>,
    },
    Count {
        next: u64,
        to: Option<u64>,
        every: Duration,
    },
    Flood {
        next: u64,
        chunks: u64,
        bytes: usize,
        every: Duration,
    },
    Leave {
        code: i32,
    },
    Scripted(Scripted),
}

#[derive(Debug)]
struct Scripted {
    script: Arc<Script>,
    /// The steps to come, by time: when, which, and how often still.
    plan: VecDeque<(Time, usize, u32)>,
    copying: bool,
    has_stdin: bool,
    /// What was written before the copying began.
    backlog: VecDeque<Chunk>,
}

impl Program {
    /// Runs the program that `argv` names.
    ///
    /// # Errors
    /// The operating system's text, if there is no such program or its arguments make no sense.
    pub(super) fn spawn(
        argv: &[String],
        scripts: &[Arc<Script>],
        has_stdin: bool,
        now: Time,
    ) -> Result<Self, &'static str> {
        if let Some(script) = scripts.iter().find(|script| script.argv == argv) {
            return Ok(Self::scripted(Arc::clone(script), has_stdin, now));
        }
        let [name, args @ ..] = argv else {
            return Err(NO_SUCH_FILE);
        };
        let (due, kind) = match (name.as_str(), args) {
            ("cat" | "echo", []) if !has_stdin => (Some(now), Kind::Leave { code: 0 }),
            ("cat", []) => (None, Kind::Cat),
            ("echo", []) => (None, Kind::Echo { line: Vec::new() }),
            ("count", [] | [_] | [_, _]) => {
                let to = optional(args, 0)?;
                let every = interval(optional(args, 1)?.unwrap_or(100))?;
                (Some(now + every), Kind::Count { next: 1, to, every })
            }
            ("flood", [] | [_] | [_, _] | [_, _, _]) => {
                let chunks = optional(args, 0)?.unwrap_or(256);
                let bytes = optional(args, 1)?.unwrap_or(4096);
                let every = interval(optional(args, 2)?.unwrap_or(1))?;
                if bytes == 0 || CHUNK_MAX < bytes {
                    return Err(INVALID_ARGUMENT);
                }
                let bytes = usize::try_from(bytes).map_err(|_| INVALID_ARGUMENT)?;
                let due = (0 < chunks).then(|| now + every);
                (
                    due,
                    Kind::Flood {
                        next: 1,
                        chunks,
                        bytes,
                        every,
                    },
                )
            }
            ("exit", [] | [_] | [_, _]) => {
                let code = optional(args, 0)?.unwrap_or(0);
                let after = Duration::from_millis(optional(args, 1)?.unwrap_or(0));
                (Some(now + after), Kind::Leave { code })
            }
            ("sleep", [] | [_]) => {
                let length = optional(args, 0)?.map(Duration::from_secs);
                (length.map(|length| now + length), Kind::Leave { code: 0 })
            }
            ("cat" | "echo" | "count" | "flood" | "exit" | "sleep", _) => return Err(INVALID_ARGUMENT),
            _ => return Err(NO_SUCH_FILE),
        };
        Ok(Self { due, kind })
    }

    fn scripted(script: Arc<Script>, has_stdin: bool, now: Time) -> Self {
        let mut scripted = Scripted {
            script,
            plan: VecDeque::new(),
            copying: false,
            has_stdin,
            backlog: VecDeque::new(),
        };
        scripted.plan(|when| match when {
            When::At(after) => Some(now + after),
            When::Interrupted(_) => None,
        });
        Self {
            due: scripted.due(),
            kind: Kind::Scripted(scripted),
        }
    }

    /// When it acts next of its own accord.
    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }

    /// Whether its next act writes, and so has to wait while nobody reads its pipes.
    pub(super) fn is_about_to_print(&self) -> bool {
        match &self.kind {
            Kind::Cat | Kind::Echo { .. } | Kind::Leave { .. } => false,
            Kind::Count { next, to, .. } => to.is_none_or(|to| *next <= to),
            Kind::Flood { .. } => true,
            Kind::Scripted(scripted) => match scripted.act() {
                Some(StepAct::Print { .. }) => true,
                Some(StepAct::Copy) => !scripted.backlog.is_empty(),
                Some(StepAct::Exit(_)) | None => false,
            },
        }
    }

    /// Was blocked on a pipe until now: everything that is still to come happens so much later.
    pub(super) fn delay_to(&mut self, now: Time) {
        let Some(due) = self.due.filter(|due| *due < now) else {
            return;
        };
        if let Kind::Scripted(scripted) = &mut self.kind {
            for (at, ..) in &mut scripted.plan {
                *at = *at + now.since(due);
            }
        }
        self.due = Some(now);
    }

    /// Does what is due.
    pub(super) fn act(&mut self, now: Time) -> Act {
        let Some(due) = self.due.filter(|due| *due <= now) else {
            return Act::Nothing;
        };
        match &mut self.kind {
            Kind::Cat | Kind::Echo { .. } => Act::Nothing,
            Kind::Leave { code } => Act::Exit(*code),
            Kind::Count { next, to, every } => {
                if to.is_some_and(|to| to < *next) {
                    return Act::Exit(0);
                }
                let text = format!("{next}\n");
                *next += 1;
                self.due = Some(after(due, *every, now));
                Act::Print(Stream::Stdout, Chunk::from(text.as_str()))
            }
            Kind::Flood {
                next,
                chunks,
                bytes,
                every,
            } => {
                let chunk = numbered(*next, *bytes);
                *next += 1;
                self.due = (*next <= *chunks).then(|| after(due, *every, now));
                Act::Print(Stream::Stdout, chunk)
            }
            Kind::Scripted(scripted) => {
                let act = scripted.step();
                self.due = scripted.due();
                act
            }
        }
    }

    /// Reads one write from its stdin and pushes what it says at once.
    pub(super) fn read(&mut self, chunk: &Chunk, says: &mut Vec<Chunk>) {
        match &mut self.kind {
            Kind::Cat => says.push(chunk.clone()),
            Kind::Echo { line } => {
                for part in chunk.bytes().split_inclusive(|byte| *byte == b'\n') {
                    line.extend_from_slice(part);
                    if part.ends_with(b"\n") || LINE_MAX <= line.len() {
                        says.push(Chunk::from(line.as_slice()));
                        line.clear();
                    }
                }
            }
            Kind::Scripted(scripted) if scripted.copying => says.push(chunk.clone()),
            Kind::Scripted(scripted) => scripted.backlog.push_back(chunk.clone()),
            Kind::Count { .. } | Kind::Flood { .. } | Kind::Leave { .. } => {}
        }
    }

    /// Is interrupted. False if that kills it.
    pub(super) fn interrupt(&mut self, now: Time) -> bool {
        match &mut self.kind {
            Kind::Scripted(scripted) => {
                let caught = scripted.plan(|when| match when {
                    When::At(_) => None,
                    When::Interrupted(after) => Some(now + after),
                });
                self.due = scripted.due();
                caught
            }
            Kind::Cat | Kind::Echo { .. } | Kind::Count { .. } | Kind::Flood { .. } | Kind::Leave { .. } => {
                false
            }
        }
    }
}

impl Scripted {
    /// Adds the steps for which `moment` knows one; says whether there were any. Steps of one moment keep their order.
    fn plan(&mut self, moment: impl Fn(When) -> Option<Time>) -> bool {
        let mut any = false;
        for (index, step) in self.script.does.iter().enumerate() {
            let Some(at) = moment(step.when) else { continue };
            any = true;
            let times = match &step.act {
                StepAct::Print { times, .. } => *times,
                StepAct::Exit(_) | StepAct::Copy => 1,
            };
            let place = self.plan.partition_point(|(other, ..)| *other <= at);
            if 0 < times {
                self.plan.insert(place, (at, index, times));
            }
        }
        any
    }

    fn due(&self) -> Option<Time> {
        self.plan.front().map(|(at, ..)| *at)
    }

    fn act(&self) -> Option<&StepAct> {
        self.plan
            .front()
            .map(|(_, index, _)| &self.script.does[*index].act)
    }

    fn step(&mut self) -> Act {
        let Some((_, index, left)) = self.plan.front_mut() else {
            return Act::Nothing;
        };
        match &self.script.does[*index].act {
            StepAct::Print { stream, text, .. } => {
                let act = Act::Print(*stream, Chunk::from(text.as_str()));
                *left -= 1;
                if *left == 0 {
                    self.plan.pop_front();
                }
                act
            }
            StepAct::Exit(code) => Act::Exit(*code),
            StepAct::Copy if !self.has_stdin => Act::Exit(0),
            StepAct::Copy => match self.backlog.pop_front() {
                Some(chunk) => Act::Print(Stream::Stdout, chunk),
                None => {
                    self.copying = true;
                    self.plan.pop_front();
                    Act::Nothing
                }
            },
        }
    }
}

/// The moment after `due`. A program that is far behind gives up what no pipe would have kept for its reader.
fn after(due: Time, every: Duration, now: Time) -> Time {
    let next = due + every;
    if every.saturating_mul(CATCH_UP_MAX) < now.since(next) {
        now
    } else {
        next
    }
}

/// A chunk of that many bytes that begins with its number, so that no two are alike while there is room to tell.
fn numbered(n: u64, bytes: usize) -> Chunk {
    let mut chunk = n.to_string().into_bytes();
    chunk.resize(bytes, b'.');
    if let Some(last) = chunk.last_mut() {
        *last = b'\n';
    }
    Chunk::from(chunk)
}

/// The argument at that place, if there is one.
fn optional<T: FromStr>(args: &[String], place: usize) -> Result<Option<T>, &'static str> {
    args.get(place)
        .map(|text| text.parse().map_err(|_| INVALID_ARGUMENT))
        .transpose()
}

/// A pace. Nothing can be done without an end in one moment.
fn interval(millis: u64) -> Result<Duration, &'static str> {
    if millis == 0 {
        return Err(INVALID_ARGUMENT);
    }
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn(argv: &str) -> Result<Program, &'static str> {
        let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
        Program::spawn(&argv, &[], true, Time::ZERO)
    }

    #[test]
    fn arguments_that_make_no_sense_fail_the_start() {
        for bad in [
            "count x",
            "count 1 0",
            "flood -1",
            "flood 1 0",
            "flood 1 99999999",
            "exit x",
            "sleep 1 2",
            "cat x",
        ] {
            assert_eq!(spawn(bad).unwrap_err(), INVALID_ARGUMENT, "{bad}");
        }
        assert_eq!(spawn("nosuch").unwrap_err(), NO_SUCH_FILE);
        assert_eq!(
            Program::spawn(&[], &[], true, Time::ZERO).unwrap_err(),
            NO_SUCH_FILE
        );
    }

    #[test]
    fn echo_waits_for_whole_lines() {
        let mut echo = spawn("echo").unwrap();
        let mut says = Vec::new();
        echo.read(&Chunk::from("a\nb\nc"), &mut says);
        echo.read(&Chunk::from("d\n"), &mut says);
        assert_eq!(says, ["a\n", "b\n", "cd\n"].map(Chunk::from));
    }

    #[test]
    fn who_is_far_behind_catches_up_on_what_a_pipe_holds() {
        let mut count = spawn("count").unwrap();
        let now = Time::from_millis(3_600_000);
        let mut printed = 0;
        while count.due().is_some_and(|due| due <= now) {
            assert!(matches!(count.act(now), Act::Print(..)));
            printed += 1;
        }
        assert_eq!(printed, 2, "the one that was due and the one of now");
        let now = Time::from_millis(3_600_000 + 450);
        let mut printed = 0;
        while count.due().is_some_and(|due| due <= now) {
            assert!(matches!(count.act(now), Act::Print(..)));
            printed += 1;
        }
        assert_eq!(printed, 4);
    }

    fn script(does: &str, has_stdin: bool) -> Program {
        let script = serde_json::from_str(&format!(r#"{{"argv":["x"],"does":{does}}}"#)).unwrap();
        Program::spawn(&["x".to_owned()], &[Arc::new(script)], has_stdin, Time::ZERO).unwrap()
    }

    #[test]
    fn a_script_copies_what_came_before_it_listened_and_leaves_without_stdin() {
        let does = r#"[{"at_ms":200,"copy":"stdin"}]"#;
        let now = Time::from_millis(200);
        assert!(matches!(script(does, false).act(now), Act::Exit(0)));
        let mut cat = script(does, true);
        let mut says = Vec::new();
        cat.read(&Chunk::from("early"), &mut says);
        assert!(says.is_empty());
        assert!(matches!(cat.act(now), Act::Print(Stream::Stdout, chunk) if chunk == Chunk::from("early")));
        assert!(matches!(cat.act(now), Act::Nothing));
        cat.read(&Chunk::from("late"), &mut says);
        assert_eq!((says.len(), cat.due()), (1, None));
    }

    #[test]
    fn a_blocked_script_goes_on_as_much_later() {
        let mut blocked = script(r#"[{"at_ms":100,"stdout":"a"},{"at_ms":300,"exit":3}]"#, true);
        blocked.delay_to(Time::from_millis(600));
        assert!(matches!(blocked.act(Time::from_millis(600)), Act::Print(..)));
        assert_eq!(blocked.due(), Some(Time::from_millis(800)));
        assert!(matches!(blocked.act(Time::from_millis(800)), Act::Exit(3)));
    }
}
