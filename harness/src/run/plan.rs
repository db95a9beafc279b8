//! Which runs there are, and in which order.

use std::path::PathBuf;
use std::time::Duration;

use crate::capture;
use crate::config::{
    DEFAULT_STACKS, Options, Pairing, PathKind, RunConfig, ScenarioKind, StackKind, connections_shown,
};
use crate::measure::statistics::SplitMix64;

/// One column of a comparison: a stack on a path with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) stack: Pairing,
    pub(crate) config: RunConfig,
    /// Why it need not be tried.
    pub(crate) unsupported: Option<String>,
}

impl Subject {
    fn new(
        scenario: ScenarioKind,
        stack: Pairing,
        path: PathKind,
        connections: u32,
        asked: &Options,
    ) -> Self {
        Self {
            stack,
            config: RunConfig::effective(scenario, stack.client, path, connections, asked),
            unsupported: misfit(scenario, stack, path),
        }
    }

    /// The parameters of one run: each has a seed of its own, the same for every stack.
    pub(crate) fn config_of_run(&self, run: usize) -> RunConfig {
        RunConfig {
            seed: self.config.seed.wrapping_add(run as u64),
            ..self.config.clone()
        }
    }
}

/// Why the stacks cannot do that there; `None` when they can.
fn misfit(scenario: ScenarioKind, stack: Pairing, path: PathKind) -> Option<String> {
    if scenario == ScenarioKind::Packets && stack != Pairing::FOR_PACKETS {
        return Some(format!(
            "packets go from the kernel to an engine and back, not from {} to {}: leave --stack away, or ask for --client kernel \
             --server engine",
            stack.client, stack.server
        ));
    }
    if scenario == ScenarioKind::SynFlood && !can_be_flooded(stack, path) {
        return Some(format!(
            "syn-flood floods an engine over memory, and engines and the kernel over veth, where the flood reaches nobody else, and not {stack} \
             over {path}: ask for --path veth, or for --stack engine --path memory"
        ));
    }
    stack.misfit(path)
}

/// Whether a flood can be let loose on the server, so that it meets nobody else.
fn can_be_flooded(stack: Pairing, path: PathKind) -> bool {
    path == PathKind::Veth || (stack, path) == (Pairing::FLOODED, PathKind::Memory)
}

/// The path of a column for which none was asked: stacks that are flooded beside each other are flooded alike.
fn usual_path(scenario: ScenarioKind, stacks: &[Pairing], stack: Pairing) -> PathKind {
    if scenario == ScenarioKind::SynFlood && stacks.iter().any(|stack| *stack != Pairing::FLOODED) {
        return PathKind::Veth;
    }
    stack.usual_path()
}

/// Everything that makes up one document: a scenario on some stacks, several times.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What a scenario file calls it, else the scenario: names the place of the document.
    pub(crate) name: String,
    pub(crate) scenario: ScenarioKind,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) runs: u32,
    /// The path that was asked for; `None` when each stack takes its own.
    pub(crate) path: Option<PathKind>,
    /// The directory that gets the arrivals of each run one by one; of `reorder`.
    pub(crate) sequences: Option<PathBuf>,
    /// The directory that gets what the wire did to each packet of each run.
    pub(crate) link_log: Option<PathBuf>,
    /// The directory that gets packets of each run, and how many.
    pub(crate) capture: Option<capture::Wanted>,
}

impl Plan {
    /// A scenario with what the command line asked for.
    pub(crate) fn new(scenario: ScenarioKind, asked: &Options) -> Self {
        let stacks = unique(pairings(scenario, asked));
        let columns = stacks.iter().map(|&stack| {
            let path = asked.path.unwrap_or(usual_path(scenario, &stacks, stack));
            (stack, path)
        });
        Self {
            path: asked.path,
            ..Self::with_columns(scenario, columns, asked)
        }
    }

    /// The same by another name.
    pub(crate) fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    fn with_columns(
        scenario: ScenarioKind,
        columns: impl Iterator<Item = (Pairing, PathKind)>,
        asked: &Options,
    ) -> Self {
        let subjects = columns.flat_map(|(stack, path)| {
            let numbers = connections_shown(scenario, stack.client, asked).into_iter();
            numbers.map(move |connections| Subject::new(scenario, stack, path, connections, asked))
        });
        Self {
            name: scenario.to_string(),
            scenario,
            subjects: subjects.collect(),
            runs: asked.runs.unwrap_or(3),
            path: None,
            sequences: None,
            link_log: asked.link.link_log.clone(),
            capture: None,
        }
    }

    /// Where a run of a subject writes its arrivals: the file's name up to its ending.
    pub(super) fn sequence(&self, subject: &Subject, run: usize) -> Option<PathBuf> {
        let name = format!("sequence-{}", Self::place(subject, run));
        self.sequences.as_ref().map(|directory| directory.join(name))
    }

    /// Where a run of a subject writes what the wire did.
    pub(super) fn wire_log(&self, subject: &Subject, run: usize) -> Option<PathBuf> {
        let name = format!("{}-{}.csv", self.name, Self::place(subject, run));
        self.link_log.as_ref().map(|directory| directory.join(name))
    }

    /// Where a run of a subject writes its packets, which in memory pass no device.
    pub(super) fn packets(&self, subject: &Subject, run: usize) -> Option<capture::Wanted> {
        let wanted = self.capture.as_ref()?;
        let name = format!("capture-{}.pcapng", Self::place(subject, run));
        (subject.config.path != PathKind::Memory).then(|| capture::Wanted {
            file: wanted.file.join(name),
            packets: wanted.packets,
        })
    }

    /// What tells a run of a subject from all others of a plan, as a part of a file's name.
    fn place(subject: &Subject, run: usize) -> String {
        let RunConfig {
            path,
            placement,
            connections,
            ..
        } = &subject.config;
        let stack = subject.stack.to_string().replace('/', "-to-");
        format!("{stack}-{path}-{placement}-{connections}-run{}", run + 1)
    }

    /// Run index and subject index of every replicate. In each two runs the subjects come in one order and then backwards (ABBA), so
    /// that a machine that slowly changes treats all alike; which order that is changes with the runs, by the seed.
    pub(crate) fn order(&self) -> Vec<(usize, usize)> {
        let seed = self.subjects.first().map_or(0, |subject| subject.config.seed);
        let mut random = SplitMix64::new(seed);
        let mut order: Vec<usize> = (0..self.subjects.len()).collect();
        let mut replicates = Vec::new();
        for run in 0..self.runs as usize {
            if run.is_multiple_of(2) {
                shuffle(&mut order, &mut random);
            } else {
                order.reverse();
            }
            replicates.extend(order.iter().map(|&at| (run, at)));
        }
        replicates
    }
}

/// Fisher and Yates: every order with the same chance.
fn shuffle(order: &mut [usize], random: &mut SplitMix64) {
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last + 1));
    }
}

/// The columns that were asked for: every client with every server, or stacks that meet themselves.
fn pairings(scenario: ScenarioKind, asked: &Options) -> Vec<Pairing> {
    let pairs = asked.clients.iter().flat_map(|&client| {
        let servers = asked.servers.iter();
        servers.map(move |&server| Pairing { client, server })
    });
    match (asked.clients.is_empty(), asked.stacks.is_empty()) {
        (false, _) => pairs.collect(),
        (true, false) => asked.stacks.iter().copied().map(Pairing::of).collect(),
        (true, true) if scenario == ScenarioKind::Packets => vec![Pairing::FOR_PACKETS],
        (true, true) if scenario == ScenarioKind::SynFlood => flooded(asked.path),
        (true, true) => DEFAULT_STACKS.map(Pairing::of).to_vec(),
    }
}

/// Who is flooded unless somebody else is named.
fn flooded(path: Option<PathKind>) -> Vec<Pairing> {
    let mut stacks = vec![Pairing::FLOODED];
    if path == Some(PathKind::Veth) {
        stacks.push(Pairing::of(StackKind::KernelTuned));
    }
    stacks
}

fn unique(pairings: Vec<Pairing>) -> Vec<Pairing> {
    let mut seen = Vec::new();
    for pairing in pairings {
        if !seen.contains(&pairing) {
            seen.push(pairing);
        }
    }
    seen
}

/// The comparison that is made when no verb is given. About fifty runs that end, with what surrounds them, within 90 s.
pub(crate) fn quick() -> Vec<Plan> {
    const COLUMNS: [(StackKind, PathKind); 4] = [
        (StackKind::Engine, PathKind::Memory),
        (StackKind::Engine, PathKind::Loopback),
        (StackKind::KernelTuned, PathKind::Loopback),
        (StackKind::Smoltcp, PathKind::Memory),
    ];
    let asked = Options {
        duration: Some(Duration::from_millis(800)),
        ..Options::default()
    };
    let scenarios = [
        ScenarioKind::Crr,
        ScenarioKind::Rr,
        ScenarioKind::Stream,
        ScenarioKind::Udp,
    ];
    scenarios
        .into_iter()
        .map(|scenario| {
            let columns = COLUMNS.map(|(stack, path)| (Pairing::of(stack), path));
            Plan::with_columns(scenario, columns.into_iter(), &asked)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(stacks: &[StackKind]) -> Options {
        Options {
            stacks: stacks.to_vec(),
            runs: Some(2),
            ..Options::default()
        }
    }

    #[test]
    fn stacks_take_turns_forwards_and_backwards_in_an_order_of_the_seed() {
        let mut asked = asked(&[StackKind::Engine, StackKind::Kernel, StackKind::Null]);
        asked.runs = Some(40);
        let order = Plan::new(ScenarioKind::Stream, &asked).order();
        let mut firsts = Vec::new();
        for (block, runs) in order.chunks(6).enumerate() {
            let subjects: Vec<usize> = runs.iter().map(|&(_, at)| at).collect();
            let mut back = subjects[3..].to_vec();
            back.reverse();
            assert_eq!(
                subjects[..3],
                back,
                "run {} forwards, the next backwards",
                2 * block
            );
            assert!(
                runs.iter()
                    .enumerate()
                    .all(|(at, &(run, _))| run == 2 * block + at / 3)
            );
            firsts.push(subjects[0]);
        }
        assert!(
            (0..3).all(|at| firsts.contains(&at)),
            "nobody is always in the middle"
        );
        assert_eq!(
            Plan::new(ScenarioKind::Stream, &asked).order(),
            order,
            "the seed decides"
        );
        asked.seed = Some(2);
        assert_ne!(Plan::new(ScenarioKind::Stream, &asked).order(), order);
    }

    #[test]
    fn a_stack_named_twice_runs_once() {
        let plan = Plan::new(
            ScenarioKind::Udp,
            &asked(&[StackKind::Null, StackKind::Engine, StackKind::Null]),
        );
        let stacks: Vec<_> = plan.subjects.iter().map(|subject| subject.stack).collect();
        assert_eq!(stacks, [StackKind::Null, StackKind::Engine].map(Pairing::of));
    }

    #[test]
    fn packets_go_from_the_kernel_to_an_engine_unless_they_cannot() {
        let usual = Plan::new(ScenarioKind::Packets, &Options::default());
        let [subject] = &usual.subjects[..] else {
            panic!("one column: {:?}", usual.subjects)
        };
        assert_eq!(subject.stack.to_string(), "kernel/engine");
        assert_eq!(
            (subject.config.path, &subject.unsupported),
            (PathKind::Veth, &None)
        );
        let plan = Plan::new(ScenarioKind::Packets, &asked(&[StackKind::Smoltcp]));
        let reason = plan.subjects[0].unsupported.as_deref();
        assert!(reason.is_some_and(|reason| reason.contains("--client kernel --server engine")));
    }

    #[test]
    fn an_engine_is_flooded_in_memory_and_who_is_beside_the_kernel_over_veth() {
        let usual = Plan::new(ScenarioKind::SynFlood, &Options::default());
        let [subject] = &usual.subjects[..] else {
            panic!("one column: {:?}", usual.subjects)
        };
        assert_eq!(subject.unsupported, None);
        assert_eq!(subject.config.flood, Some(100_000));
        let beside = Plan::new(
            ScenarioKind::SynFlood,
            &asked(&[StackKind::Engine, StackKind::Kernel, StackKind::Smoltcp]),
        );
        for subject in &beside.subjects {
            assert_eq!(subject.config.path, PathKind::Veth);
            let alien = subject.stack == Pairing::of(StackKind::Smoltcp);
            assert_eq!(subject.unsupported.is_some(), alien, "{:?}", subject.unsupported);
        }
        let elsewhere = Options {
            path: Some(PathKind::Loopback),
            ..asked(&[StackKind::Engine])
        };
        let elsewhere = Plan::new(ScenarioKind::SynFlood, &elsewhere);
        let reason = elsewhere.subjects[0].unsupported.as_deref().expect("no loopback");
        assert!(reason.contains("--stack engine --path memory"), "{reason}");
    }

    #[test]
    fn every_client_meets_every_server() {
        let both = vec![StackKind::Kernel, StackKind::Engine];
        let options = Options {
            clients: both.clone(),
            servers: both,
            ..Options::default()
        };
        let plan = Plan::new(ScenarioKind::Rr, &options);
        let columns: Vec<String> = plan
            .subjects
            .iter()
            .map(|subject| subject.stack.to_string())
            .collect();
        assert_eq!(columns, ["kernel", "kernel/engine", "engine/kernel", "engine"]);
        assert_eq!(plan.subjects[1].config.path, PathKind::Veth);
    }

    #[test]
    fn a_path_that_a_stack_has_not_is_unsupported_and_says_which_it_has() {
        let options = Options {
            path: Some(PathKind::Loopback),
            ..asked(&[StackKind::Engine, StackKind::Smoltcp])
        };
        let plan = Plan::new(ScenarioKind::Rr, &options);
        assert_eq!(plan.subjects[0].unsupported, None);
        let reason = plan.subjects[1]
            .unsupported
            .as_deref()
            .expect("smoltcp has no loopback");
        assert_eq!(reason, "smoltcp does not run over loopback; it does over memory");
    }

    #[test]
    fn runs_differ_in_their_seed_alone() {
        let plan = Plan::new(
            ScenarioKind::Reorder,
            &Options {
                seed: Some(40),
                ..Options::default()
            },
        );
        let (engine, other) = (&plan.subjects[0], &plan.subjects[1]);
        assert_eq!(engine.config_of_run(2).seed, 42);
        assert_eq!(other.config_of_run(2).seed, 42);
    }

    #[test]
    fn the_quick_comparison_leaves_a_third_of_its_time_for_what_surrounds_the_runs() {
        let plans = quick();
        let measured: Duration = plans
            .iter()
            .flat_map(|plan| {
                plan.subjects
                    .iter()
                    .map(|subject| subject.config.duration * plan.runs)
            })
            .sum();
        assert!(measured <= Duration::from_secs(60), "{measured:?}");
        assert!(
            plans
                .iter()
                .all(|plan| plan.subjects.iter().all(|subject| subject.unsupported.is_none()))
        );
    }
}
