//! Makes many runs on all cores, and hands over what comes of them in order, whoever was faster.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::INTERRUPTED;

/// How often someone pressed Ctrl-C. From the first time on, what runs comes to its end and nothing new begins.
static PRESSED: AtomicU64 = AtomicU64::new(0);

/// Whoever presses it so often means it, and a run may hang. Two are no sign: a wrapper may pass one on that we got
/// ourselves.
const PRESSED_IN_EARNEST: u64 = 3;

/// So many results may wait for one that is slower.
const AHEAD: usize = 256;

/// Makes runs `0..count`, and takes note of each in order. Says whether all were made.
///
/// What was finished when someone pressed Ctrl-C is noted, too, though there may be gaps. Pressing it three times ends
/// the program at once.
///
/// # Errors
/// The handler of Ctrl-C cannot be installed.
pub(crate) fn all<T: Send>(
    count: u64,
    make: impl Fn(u64) -> T + Sync,
    mut note: impl FnMut(T) -> bool,
) -> io::Result<bool> {
    ctrlc::set_handler(|| {
        if PRESSED_IN_EARNEST <= PRESSED.fetch_add(1, Ordering::Relaxed) + 1 {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .map_err(io::Error::other)?;
    let progress = progress(count);
    let next = AtomicU64::new(0);
    let (send, receive) = mpsc::sync_channel(AHEAD);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (mut noted, mut wrong) = (0, 0);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (send, next, make) = (send.clone(), &next, &make);
            scope.spawn(move || {
                while PRESSED.load(Ordering::Relaxed) == 0 {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if count <= index || send.send((index, make(index))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut say = |made| {
            noted += 1;
            wrong += u64::from(!note(made));
            if wrong != 0 {
                progress.set_message(format!("{wrong} not as expected"));
            }
            progress.inc(1);
        };
        let mut due = 0;
        for (index, made) in receive {
            early.insert(index, made);
            while let Some(made) = early.remove(&due) {
                say(made);
                due += 1;
            }
        }
        early.into_values().for_each(say);
    });
    progress.finish_and_clear();
    Ok(noted == count)
}

/// On a terminal only; indicatif keeps quiet elsewhere.
fn progress(count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} runs, {rate}/s, {eta} to go  {msg}");
    let bar = ProgressBar::new(count);
    match style {
        Ok(style) => bar.with_style(style.with_key(
            "rate",
            |state: &ProgressState, to: &mut dyn fmt::Write| {
                // A progress bar that cannot be drawn is no reason to stop.
                write!(to, "{:.0}", state.per_sec()).ok();
            },
        )),
        Err(_) => bar,
    }
}
