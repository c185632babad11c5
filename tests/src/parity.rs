//! Do two worlds tell the same story?

use unplug::history::{Entry, Event, History};

/// Compares two histories event by event: the same events in the same order, at the same times.
///
/// The tolerance is zero. The turmoil world moves its bytes in ticks, but hands each one to its host at the time at
/// which it logically arrives, and hosts take turns in the order of these times. What may differ by nature (a bandwidth
/// or a slow reader counts bytes, which the fast world only estimates) shows as a difference here, and then belongs into
/// a test of its own.
///
/// # Errors
/// Says where the stories part, with what was expected there and what came.
pub fn compare(fast: &History, turmoil: &History) -> Result<(), String> {
    let (mut expected, mut came) = (story(fast), story(turmoil));
    for index in 0.. {
        let (expected, came) = (expected.next(), came.next());
        if expected != came {
            let tell = |history: &History, entry: Option<&Entry>| match entry {
                Some(Entry { t, who, event }) => format!("{t} {} {event:?}", history.name(*who)),
                None => "the end".to_owned(),
            };
            let (expected, came) = (tell(fast, expected), tell(turmoil, came));
            return Err(format!(
                "event {index} differs\n  fast    {expected}\n  turmoil {came}"
            ));
        }
        if expected.is_none() {
            break;
        }
    }
    Ok(())
}

fn story(history: &History) -> impl Iterator<Item = &Entry> {
    // How much piled up is measured where a world keeps it.
    history
        .entries
        .iter()
        .filter(|entry| !matches!(entry.event, Event::HighWater { .. }))
}
