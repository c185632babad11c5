//! The stage of a run: the history as it is written, and the script that waits for its moments.
//!
//! A world tells the stage what becomes true, in order, and asks after each fact which steps are due. It carries them
//! out at once, before anything else happens, so that a fault takes effect at exactly the moment that its anchor names.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use unplug_reconnect::id::{ConnId, Purpose, SessionId, SessionNumber};
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;

use crate::fault::Dir;
use crate::history::{Entry, Event, Header, History};
use crate::plan::{Anchor, Edge, Plan, StepPlan, Trigger};

/// The index of the script among the hosts of a plan.
pub(crate) const SCRIPT: usize = 0;

/// One side of one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) conn: Option<ConnId>,
    pub(crate) client: usize,
    pub(crate) method: &'a str,
    pub(crate) dir: Dir,
    pub(crate) edge: Edge,
}

/// A step that is to fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) step: usize,
    pub(crate) at: Time,
    /// The connection of its anchor.
    pub(crate) conn: Option<ConnId>,
}

/// The short names of what is long or secret on the wire.
#[derive(Debug, Default)]
pub(crate) struct Names {
    sessions: BTreeMap<SessionId, SessionNumber>,
}

impl Names {
    /// The session's number in this history.
    pub(crate) fn session(&mut self, session: &SessionId) -> SessionNumber {
        if let Some(number) = self.sessions.get(session) {
            return *number;
        }
        let number = SessionNumber::new(self.sessions.len() as u64 + 1);
        self.sessions.insert(session.clone(), number);
        number
    }
}

/// History and script of one run.
pub(crate) struct Stage {
    header: Header,
    entries: Vec<Entry>,
    pub(crate) names: Names,
    steps: Arc<[StepPlan]>,
    /// By step: how often its trigger was seen.
    seen: Vec<u32>,
    /// By step: whether it has fired.
    fired: Vec<bool>,
    /// The steps that wait for something else than a time. Short, so that most facts cost nothing.
    waiting: Vec<usize>,
    due: VecDeque<Due>,
}

impl Stage {
    pub(crate) fn new(plan: &Plan, world: &str, seed: Seed) -> Self {
        let mut stage = Self {
            header: plan.header(world, seed),
            entries: Vec::with_capacity(256 + 16 * plan.steps.len()),
            names: Names::default(),
            steps: Arc::clone(&plan.steps),
            seen: vec![0; plan.steps.len()],
            fired: vec![false; plan.steps.len()],
            waiting: Vec::new(),
            due: VecDeque::new(),
        };
        for (step, plan) in plan.steps.iter().enumerate() {
            if let Trigger::At(at) = plan.trigger {
                stage.due.push_back(Due { step, at, conn: None });
            } else {
                stage.waiting.push(step);
            }
        }
        stage
    }

    /// Writes down a fact.
    pub(crate) fn record(&mut self, now: Time, who: usize, event: Event) {
        if let Event::State { to, .. } = &event {
            self.on_state(now, who, to);
        } else if let Event::Settled { call, by, .. } = &event {
            let conn = by.as_ref().map(|asked| asked.conn);
            let (method, dir) = (&*call.method, Dir::C2s);
            self.moment(
                now,
                Moment {
                    conn,
                    client: who,
                    method,
                    dir,
                    edge: Edge::Settled,
                },
            );
        } else if let Event::Applied { conn, method, .. } = &event {
            // Clients stand right behind the script.
            let client = SCRIPT + 1 + conn.client() as usize;
            self.moment(
                now,
                Moment {
                    conn: Some(*conn),
                    client,
                    method,
                    dir: Dir::C2s,
                    edge: Edge::Applied,
                },
            );
        }
        self.entries.push(Entry { t: now, who, event });
    }

    /// Notes one side of one message.
    pub(crate) fn moment(&mut self, now: Time, moment: Moment<'_>) {
        self.see(now, moment.conn, |trigger| match trigger {
            Trigger::Anchor(anchor) if anchor.fits(moment) => Some(anchor.nth),
            Trigger::Anchor(_) | Trigger::At(_) | Trigger::State { .. } | Trigger::Step(_) => None,
        });
    }

    fn on_state(&mut self, now: Time, who: usize, to: &str) {
        self.see(now, None, |trigger| match trigger {
            Trigger::State { client, state, nth }
                if client.is_none_or(|client| client == who) && *state == to =>
            {
                Some(*nth)
            }
            Trigger::State { .. } | Trigger::At(_) | Trigger::Anchor(_) | Trigger::Step(_) => None,
        });
    }

    /// Something that steps may wait for: the n-th time it is seen, they are due.
    fn see(&mut self, now: Time, conn: Option<ConnId>, nth: impl Fn(&Trigger) -> Option<u32>) {
        let Self {
            steps,
            seen,
            waiting,
            due,
            ..
        } = self;
        waiting.retain(|&step| {
            let plan = &steps[step];
            let Some(nth) = nth(&plan.trigger) else {
                return true;
            };
            seen[step] += 1;
            if seen[step] < nth {
                return true;
            }
            due.push_back(Due {
                step,
                at: now + plan.after,
                conn,
            });
            false
        });
    }

    /// The next step that is to fire, now or later: the world keeps what is later.
    pub(crate) fn take_due(&mut self) -> Option<Due> {
        self.due.pop_front()
    }

    /// The step fires.
    pub(crate) fn fired(&mut self, step: usize, now: Time) {
        self.fired[step] = true;
        self.see(now, None, |trigger| {
            matches!(trigger, Trigger::Step(of) if *of == step).then_some(1)
        });
    }

    /// The finished history, and the indices of the steps that never fired.
    pub(crate) fn finish(self) -> (History, Vec<usize>) {
        let unfired = self
            .fired
            .iter()
            .enumerate()
            .filter(|(_, fired)| !**fired)
            .map(|(step, _)| step);
        (
            History {
                header: self.header,
                entries: self.entries,
            },
            unfired.collect(),
        )
    }
}

impl Anchor {
    fn fits(&self, moment: Moment<'_>) -> bool {
        let generation = |conn: ConnId| {
            // A script counts the connections of its client's session; what it fetches credentials on has its own
            // method and is counted with it.
            let counted = conn.purpose() == Purpose::Session || moment.method == "registry/connect";
            self.generation
                .is_none_or(|generation| counted && conn.generation() == generation)
        };
        self.edge == moment.edge
            && self.dir == moment.dir
            && self.method == moment.method
            && self.client.is_none_or(|client| client == moment.client)
            && moment.conn.map_or(self.generation.is_none(), generation)
    }
}
