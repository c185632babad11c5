//! Why a step never fired: the moments that are like the one it waits for, and how often they came.

use std::collections::BTreeMap;

use toml::de::DeTable;
use unplug_reconnect::id::ConnId;

use super::{Finished, screen};
use crate::history::{Dir, Event, History, Kind};
use crate::scenario::{Anchor, Edge, Method, Reaches, Scenario, Step, Trigger, When};
use crate::stage::SCRIPT;

/// What is said about a step that never fired.
#[derive(Clone, Debug)]
pub(super) struct Unfired {
    /// Its number, from 1.
    pub(super) step: usize,
    /// The line of the file in which it begins, from 1.
    pub(super) line: Option<usize>,
    /// In a sentence.
    pub(super) why: String,
}

/// The steps that never fired.
pub(super) fn unfired(finished: &Finished<'_>) -> Vec<Unfired> {
    let (job, run) = (&finished.job, &finished.judged.run);
    let lines = lines(&job.source.text);
    let scenario = &job.variant.scenario;
    let unfired = run.stale.iter().filter_map(|&index| {
        let why = why(scenario, scenario.steps.get(index)?, &run.stale, &run.history);
        Some(Unfired {
            step: index + 1,
            line: lines.get(index).copied(),
            why,
        })
    });
    unfired.collect()
}

/// The same, for a screen.
pub(super) fn told(finished: &Finished<'_>) -> Vec<String> {
    let mut told = Vec::new();
    for Unfired { step, line, why } in unfired(finished) {
        let place = line
            .map(|line| format!(" ({}:{line})", finished.job.source.path))
            .unwrap_or_default();
        told.push(format!("step {step}{place} never fired: {why}"));
        let steps = &finished.job.variant.scenario.steps;
        told.extend(screen::toml(
            &finished.job.variant.scenario,
            &steps[step - 1..step],
        ));
    }
    told
}

/// The line in which each step begins.
fn lines(text: &[u8]) -> Vec<usize> {
    let text = String::from_utf8_lossy(text);
    let Ok(document) = DeTable::parse(&text) else {
        return Vec::new();
    };
    let steps = document
        .get_ref()
        .get("step")
        .and_then(|steps| steps.get_ref().as_array());
    let starts = steps
        .into_iter()
        .flat_map(|steps| steps.iter().map(|step| step.span().start));
    starts
        .map(|start| text[..start].matches('\n').count() + 1)
        .collect()
}

fn why(scenario: &Scenario, step: &Step, stale: &[usize], history: &History) -> String {
    let client = scenario.watched_by(step);
    let client = client.and_then(|name| scenario.clients.iter().position(|client| client.name == name));
    match &step.trigger {
        Trigger::At(_) => "the run was over before its time came".to_owned(),
        Trigger::When(When::Step(other), _) => {
            let fired = |(index, step): (usize, &Step)| {
                step.name.as_ref() == Some(&other.step) && !stale.contains(&index)
            };
            if scenario.steps.iter().enumerate().any(fired) {
                format!(
                    "step `{}` fired, but the run was over before this one was due",
                    other.step
                )
            } else {
                format!("step `{}`, after which it comes, never fired either", other.step)
            }
        }
        Trigger::When(When::State(reaches), _) => state(reaches, client, history),
        Trigger::When(When::Anchor(anchor), _) => moment(anchor, client, history),
    }
}

fn state(reaches: &Reaches, client: Option<usize>, history: &History) -> String {
    let wanted = reaches.state.to_string();
    let times = history.entries.iter().filter(|entry| {
        client.is_none_or(|client| client + SCRIPT + 1 == entry.who)
            && matches!(&entry.event, Event::State { to, .. } if *to == wanted)
    });
    match (times.count(), reaches.nth) {
        (times, nth) if nth as usize <= times => too_late(),
        (0, _) => format!("state `{wanted}` was never reached"),
        (times, nth) => format!("state `{wanted}` was reached {}, nth = {nth}", often(times)),
    }
}

fn moment(anchor: &Anchor, client: Option<usize>, history: &History) -> String {
    let Anchor {
        conn,
        method,
        dir,
        nth,
        edge,
        ..
    } = anchor;
    let moments = moments(history, client, *conn, *method, *dir);
    let times = moments.get(edge).copied().unwrap_or_default();
    if *nth as usize <= times {
        return too_late();
    }
    let on = conn
        .map(|conn| format!(" on connection {conn}"))
        .unwrap_or_default();
    let sentence = match times {
        0 => format!("{method} {dir} {edge}{on} never happened"),
        times => format!("{method} {dir} {edge}{on} happened {}, nth = {nth}", often(times)),
    };
    let mut others: Vec<_> = moments
        .iter()
        .filter(|(other, _)| *other != edge)
        .map(|(edge, n)| tally(*edge, *n))
        .collect();
    let back = match dir {
        Dir::C2s => Dir::S2c,
        Dir::S2c => Dir::C2s,
    };
    if moments.is_empty() {
        let other_way = self::moments(history, client, *conn, *method, back);
        others.extend(
            other_way
                .iter()
                .map(|(edge, n)| format!("{back} {}", tally(*edge, *n))),
        );
    }
    match (others.is_empty(), conn) {
        (false, _) => format!("{sentence} ({})", others.join(", ")),
        (true, Some(_)) => {
            let anywhere = self::moments(history, client, None, *method, *dir);
            let times = anywhere.get(edge).copied().unwrap_or_default();
            format!("{sentence} (on any connection {})", often(times))
        }
        (true, None) => sentence,
    }
}

/// How often each side of such a frame came, as far as a history tells: of halves it only tells those that became
/// whole.
fn moments(
    history: &History,
    client: Option<usize>,
    generation: Option<u32>,
    method: Method,
    dir: Dir,
) -> BTreeMap<Edge, usize> {
    let mut moments = BTreeMap::new();
    for entry in &history.entries {
        let Some((conn, edges)) = edges(&entry.event, method.into(), dir) else {
            continue;
        };
        let whose = conn.map_or(entry.who.wrapping_sub(SCRIPT + 1), |conn| conn.client() as usize);
        let fits = client.is_none_or(|client| client == whose)
            && generation.is_none_or(|generation| conn.is_some_and(|conn| conn.generation() == generation));
        if fits {
            edges
                .iter()
                .for_each(|edge| *moments.entry(*edge).or_default() += 1);
        }
    }
    moments
}

/// The sides of such a frame that an event tells of, and the connection.
fn edges(event: &Event, method: &str, dir: Dir) -> Option<(Option<ConnId>, &'static [Edge])> {
    let to_server = dir == Dir::C2s;
    if let Event::Sent {
        conn,
        dir: way,
        frame,
    } = event
        && frame.method == method
    {
        let is_answer = matches!(frame.kind, Kind::Response | Kind::Error);
        let edges: &[Edge] = match *way == dir {
            true => &[Edge::Sent],
            false if to_server && is_answer => &[Edge::Answered],
            false => &[],
        };
        return Some((Some(*conn), edges));
    }
    if let Event::Delivered {
        conn,
        dir: way,
        frame,
    } = event
        && (&*frame.method, *way) == (method, dir)
    {
        // Servers say themselves when they have acted.
        let edges: &[Edge] = match dir {
            Dir::C2s => &[Edge::Half, Edge::Delivered],
            Dir::S2c => &[Edge::Half, Edge::Delivered, Edge::Applied],
        };
        return Some((Some(*conn), edges));
    }
    if let Event::Applied { conn, method: of, .. } = event {
        return (to_server && of == method).then_some((Some(*conn), &[Edge::Applied]));
    }
    if let Event::Settled { call, by, .. } = event {
        let conn = by.as_ref().map(|asked| asked.conn);
        return (to_server && call.method == method).then_some((conn, &[Edge::Settled]));
    }
    let is_upgrade = to_server && method == "upgrade";
    if let Event::Accepted { conn, .. } | Event::TurnedAway { conn, .. } = event {
        return is_upgrade.then_some((Some(*conn), &[Edge::Delivered, Edge::Applied, Edge::Answered]));
    }
    if let Event::Dialed { conn } = event {
        return is_upgrade.then_some((Some(*conn), &[Edge::Settled]));
    }
    None
}

fn too_late() -> String {
    "its moment came, but the run was over before it was due".to_owned()
}

fn tally(edge: Edge, times: usize) -> String {
    format!("{edge} {}", often(times))
}

fn often(times: usize) -> String {
    match times {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        times => format!("{times} times"),
    }
}
