//! The stage of a run: the history as it is written, and the script that waits for its moments.
//!
//! A world tells the stage what becomes true, in order, and asks after each fact which steps are due. It carries them
//! out at once, before anything else happens, so that a fault takes effect at exactly the moment that its anchor names.

use std::collections::{BTreeMap, VecDeque};

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

/// A step and how often its trigger was seen.
struct Pending {
    plan: StepPlan,
    seen: u32,
    state: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Due,
    Fired,
}

/// History and script of one run.
pub(crate) struct Stage {
    header: Header,
    entries: Vec<Entry>,
    pub(crate) names: Names,
    steps: Vec<Pending>,
    /// Whether any step waits for an anchor: most runs ask for nothing most of the time.
    anchored: bool,
    due: VecDeque<Due>,
}

impl Stage {
    pub(crate) fn new(plan: &Plan, world: &str, seed: Seed) -> Self {
        let pending = |step: &StepPlan| Pending {
            plan: step.clone(),
            seen: 0,
            state: Progress::Waiting,
        };
        let mut stage = Self {
            header: plan.header(world, seed),
            entries: Vec::with_capacity(256),
            names: Names::default(),
            steps: plan.steps.iter().map(pending).collect(),
            anchored: true,
            due: VecDeque::new(),
        };
        for step in 0..stage.steps.len() {
            if let Trigger::At(at) = stage.steps[step].plan.trigger {
                stage.steps[step].state = Progress::Due;
                stage.due.push_back(Due { step, at, conn: None });
            }
        }
        stage.note_anchors();
        stage
    }

    /// Writes down a fact.
    pub(crate) fn record(&mut self, now: Time, who: usize, event: Event) {
        match &event {
            Event::State { to, .. } => self.on_state(now, who, to),
            Event::Settled { call, by, .. } => {
                let conn = by.as_ref().map(|asked| asked.conn);
                self.moment(
                    now,
                    Moment {
                        conn,
                        client: who,
                        method: &call.method,
                        dir: Dir::C2s,
                        edge: Edge::Settled,
                    },
                );
            }
            Event::Applied { conn, method, .. } => {
                // Clients stand right behind the script.
                let client = SCRIPT + 1 + conn.client() as usize;
                let conn = Some(*conn);
                self.moment(
                    now,
                    Moment {
                        conn,
                        client,
                        method,
                        dir: Dir::C2s,
                        edge: Edge::Applied,
                    },
                );
            }
            _ => {}
        }
        self.entries.push(Entry { t: now, who, event });
    }

    /// Notes one side of one message.
    pub(crate) fn moment(&mut self, now: Time, moment: Moment<'_>) {
        if !self.anchored {
            return;
        }
        for step in 0..self.steps.len() {
            let Pending {
                plan,
                state: Progress::Waiting,
                ..
            } = &self.steps[step]
            else {
                continue;
            };
            let Trigger::Anchor(anchor) = &plan.trigger else {
                continue;
            };
            if anchor.fits(moment) {
                let nth = anchor.nth;
                self.count(step, nth, now, moment.conn);
            }
        }
    }

    fn on_state(&mut self, now: Time, who: usize, to: &str) {
        for step in 0..self.steps.len() {
            let Pending {
                plan,
                state: Progress::Waiting,
                ..
            } = &self.steps[step]
            else {
                continue;
            };
            let Trigger::State { client, state, nth } = &plan.trigger else {
                continue;
            };
            if client.is_none_or(|client| client == who) && *state == to {
                let nth = *nth;
                self.count(step, nth, now, None);
            }
        }
    }

    fn count(&mut self, step: usize, nth: u32, now: Time, conn: Option<ConnId>) {
        let pending = &mut self.steps[step];
        pending.seen += 1;
        if pending.seen == nth {
            pending.state = Progress::Due;
            self.due.push_back(Due {
                step,
                at: now + pending.plan.after,
                conn,
            });
            self.note_anchors();
        }
    }

    fn note_anchors(&mut self) {
        self.anchored = self
            .steps
            .iter()
            .any(|step| step.state == Progress::Waiting && matches!(step.plan.trigger, Trigger::Anchor(_)));
    }

    /// The next step that is to fire, now or later: the world keeps what is later.
    pub(crate) fn take_due(&mut self) -> Option<Due> {
        self.due.pop_front()
    }

    /// The step fires.
    pub(crate) fn fired(&mut self, step: usize, now: Time) {
        self.steps[step].state = Progress::Fired;
        for other in 0..self.steps.len() {
            let pending = &mut self.steps[other];
            if pending.state == Progress::Waiting
                && matches!(pending.plan.trigger, Trigger::Step(of) if of == step)
            {
                pending.state = Progress::Due;
                self.due.push_back(Due {
                    step: other,
                    at: now + pending.plan.after,
                    conn: None,
                });
            }
        }
    }

    /// The finished history, and the indices of the steps that never fired.
    pub(crate) fn finish(self) -> (History, Vec<usize>) {
        let unfired = self
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.state != Progress::Fired)
            .map(|(index, _)| index);
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
