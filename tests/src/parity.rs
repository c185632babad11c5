//! Do two worlds tell the same story?

use std::collections::BTreeMap;
use std::time::Duration;

use unplug::history::{Event, History};

/// How far apart the same event may be in two worlds. The turmoil world moves in ticks and counts them once a hop.
pub const TOLERANCE: Duration = Duration::from_millis(150);

/// Compares what happened to each host, in order.
///
/// Only the order within a host is compared: between hosts, what happens within one tick has no order in the turmoil
/// world.
///
/// # Errors
/// Says where the stories part, with what was expected there and what came.
pub fn compare(fast: &History, turmoil: &History) -> Result<(), String> {
    let (fast, turmoil) = (stories(fast), stories(turmoil));
    for (host, story) in &fast {
        let other = turmoil.get(host).map_or(&[][..], Vec::as_slice);
        for (index, (at, event)) in story.iter().enumerate() {
            let Some((other_at, other_event)) = other.get(index) else {
                return Err(format!(
                    "{host}: in turmoil nothing comes after event {index}; in fast {event:?}"
                ));
            };
            if event != other_event {
                return Err(format!(
                    "{host}: event {index} differs\n  fast    {at} {event:?}\n  turmoil {other_at} {other_event:?}"
                ));
            }
            if TOLERANCE < at.since(*other_at).max(other_at.since(*at)) {
                return Err(format!(
                    "{host}: event {index} at {at} in fast, at {other_at} in turmoil: {event:?}"
                ));
            }
        }
        if story.len() < other.len() {
            return Err(format!(
                "{host}: in turmoil {:?} comes after the end of fast",
                other[story.len()]
            ));
        }
    }
    Ok(())
}

type Story<'a> = Vec<(unplug_reconnect::time::Time, &'a Event)>;

fn stories(history: &History) -> BTreeMap<&str, Story<'_>> {
    let mut stories: BTreeMap<&str, Story<'_>> = BTreeMap::new();
    for entry in &history.entries {
        if !matches!(entry.event, Event::HighWater { .. }) {
            stories
                .entry(history.name(entry.who))
                .or_default()
                .push((entry.t, &entry.event));
        }
    }
    stories
}
