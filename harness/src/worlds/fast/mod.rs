//! The fast world: hosts, links and timers on one event heap that jumps to the next thing that happens.
//!
//! Silence costs nothing here, so seeds go by the million. Frames travel whole, as the values that they are: what only
//! bytes show (framing, half frames, partial reads) is for the turmoil world.

mod queue;
mod size;

use std::rc::Rc;

use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;

use super::net::{Carrier, Class, Ev, Load, Net, Opened, Over, Parcel};
use crate::fault::{Dir, Side};
use crate::plan::Plan;
use crate::worlds::Run;
use queue::Queue;
use size::size;

/// The name of this world in histories and on the command line.
pub const NAME: &str = "fast";

/// A run that does more than this is stopped: no script means to.
const EVENTS_MAX: u64 = 20_000_000;

/// Runs a plan to its end.
pub fn run(plan: &Plan, seed: Seed) -> Run {
    let heap = Heap { queue: Queue::new() };
    let mut net = Net::new(Rc::new(plan.clone()), seed, heap);
    let mut runaway = None;
    while let Some((at, event)) = net.carrier.queue.pop(plan.until) {
        net.now = at;
        net.step(event);
        let pushed = net.carrier.queue.pushed();
        if EVENTS_MAX < pushed {
            runaway = Some(pushed);
            break;
        }
    }
    net.finish(runaway)
}

/// Carries everything as the value that it is: nothing is packed, and what arrives is understood at once.
struct Heap {
    queue: Queue<Ev>,
}

impl Carrier for Heap {
    const NAME: &'static str = NAME;
    type Line = ();
    type Packed = ();
    type Tag = ();

    fn schedule(&mut self, at: Time, class: Class, _: Option<usize>, event: Ev) {
        self.queue.push(at, class, event);
    }

    fn pack(load: &Load, _: Dir) -> ((), usize) {
        ((), size(load))
    }

    fn hand_over(net: &mut Net<Self>, conn: usize, dir: Dir, parcel: Parcel<Self>) -> Opened {
        net.deliver(conn, dir, parcel.load);
        Opened::Done
    }

    fn is_sent(_: &Parcel<Self>) -> bool {
        true
    }

    fn send((): &mut (), _: Dir, _: u64, (): ()) {}
    fn forgo((): &mut (), _: Dir, (): ()) {}
    fn clear((): &mut (), _: Dir) {}
    fn connect(_: &mut Net<Self>, _: usize) {}
    fn established((): &mut ()) {}
    fn admit_half((): &mut (), _: Dir, _: &Parcel<Self>) {}
    fn admit_torn((): &mut (), _: Dir, _: &Parcel<Self>, _: u64) {}
    fn left((): &mut (), _: Side) {}
    fn broken((): &mut (), _: Side, _: Over) {}
    fn crash(&mut self, _: usize) {}
    fn restart(&mut self, _: usize) {}
}
