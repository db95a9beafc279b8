//! The stacks at the two ends of a path.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{PathKind, StackKind};

/// Which stack connects and which one answers. Shown as one name when they are the same, else as `client/server`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Pairing {
    pub(crate) client: StackKind,
    pub(crate) server: StackKind,
}

impl Pairing {
    /// Who sends the packets of `packets`, and who sends them back.
    pub(crate) const FOR_PACKETS: Self = Self {
        client: StackKind::Kernel,
        server: StackKind::Engine,
    };

    /// Who is flooded by `syn-flood`.
    pub(crate) const FLOODED: Self = Self {
        client: StackKind::Engine,
        server: StackKind::Engine,
    };

    /// The same stack at both ends.
    pub(crate) fn of(stack: StackKind) -> Self {
        Self {
            client: stack,
            server: stack,
        }
    }

    /// The stack of both ends; `None` when they differ.
    pub(crate) fn single(self) -> Option<StackKind> {
        (self.client == self.server).then_some(self.client)
    }

    /// Whether an end is the kernel's, so that the cost of system calls is in the figures and some counters are not.
    pub(crate) fn has_kernel(self) -> bool {
        self.client.is_kernel() || self.server.is_kernel()
    }

    /// The path that is taken unless another is asked for.
    pub(crate) fn usual_path(self) -> PathKind {
        self.single().map_or(PathKind::Veth, |stack| stack.paths()[0])
    }

    /// Why the two do not meet on `path`; `None` when they do.
    pub(crate) fn misfit(self, path: PathKind) -> Option<String> {
        match path {
            PathKind::Memory | PathKind::Loopback => self.misfit_in_one_host(path),
            PathKind::Veth | PathKind::Bridge | PathKind::Wire => [self.client, self.server]
                .into_iter()
                .find(|stack| !stack.paths().contains(&path))
                .map(|stack| does_not_run(stack, path)),
            PathKind::Tap | PathKind::Tun => {
                let meets = self.has_kernel() && [self.client, self.server].contains(&StackKind::Engine);
                (!meets).then(|| {
                    format!(
                        "a {path} device joins the engine and the kernel, not {} and {}: ask for --path bridge, on which every \
                         stack meets every other, or for --client kernel --server engine or the other way round",
                        self.client, self.server
                    )
                })
            }
        }
    }

    fn misfit_in_one_host(self, path: PathKind) -> Option<String> {
        match self.single() {
            Some(stack) if stack.paths().contains(&path) => None,
            Some(stack) => Some(does_not_run(stack, path)),
            None => Some(format!(
                "{} and {} do not meet over {path}; they do over veth and bridge",
                self.client, self.server
            )),
        }
    }
}

fn does_not_run(stack: StackKind, path: PathKind) -> String {
    let paths: Vec<String> = stack.paths().iter().map(ToString::to_string).collect();
    format!(
        "{stack} does not run over {path}; it does over {}",
        paths.join(" and ")
    )
}

impl fmt::Display for Pairing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(stack) => stack.fmt(formatter),
            None => formatter.pad(&format!("{}/{}", self.client, self.server)),
        }
    }
}

impl FromStr for Pairing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (client, server) = text.split_once('/').unwrap_or((text, text));
        Ok(Self {
            client: StackKind::from_str(client, false)?,
            server: StackKind::from_str(server, false)?,
        })
    }
}

impl Serialize for Pairing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pairing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Pairing {
    fn schema_name() -> Cow<'static, str> {
        "Pairing".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<String> = StackKind::value_variants()
            .iter()
            .map(ToString::to_string)
            .collect();
        let one = names.join("|");
        schemars::json_schema!({
            "description": "A stack; `client/server` where the stacks of the two ends differ.",
            "type": "string",
            "pattern": format!("^({one})(/({one}))?$")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: Pairing = Pairing {
        client: StackKind::KernelTuned,
        server: StackKind::Engine,
    };

    #[test]
    fn one_name_stands_for_two_alike() {
        for pairing in [Pairing::of(StackKind::Smoltcp), MIXED] {
            assert_eq!(pairing.to_string().parse(), Ok(pairing));
        }
        assert_eq!(Pairing::of(StackKind::Smoltcp).to_string(), "smoltcp");
        assert_eq!(MIXED.to_string(), "kernel-tuned/engine");
        assert!("engine/lwip".parse::<Pairing>().is_err());
    }

    #[test]
    fn stacks_that_do_not_meet_say_where_they_would() {
        assert_eq!(MIXED.misfit(PathKind::Veth), None);
        assert_eq!(MIXED.misfit(PathKind::Tun), None);
        for pairing in [
            MIXED,
            Pairing::of(StackKind::Engine),
            Pairing::of(StackKind::KernelUring),
        ] {
            assert_eq!(pairing.misfit(PathKind::Bridge), None, "{pairing}");
        }
        let in_memory = MIXED.misfit(PathKind::Memory).expect("two programs' stacks");
        assert!(in_memory.ends_with("they do over veth and bridge"), "{in_memory}");
        let alone = Pairing::of(StackKind::Engine)
            .misfit(PathKind::Tap)
            .expect("no kernel");
        for way_out in ["--client kernel --server engine", "--path bridge"] {
            assert!(alone.contains(way_out), "{alone}");
        }
        assert_eq!(
            Pairing::of(StackKind::Smoltcp)
                .misfit(PathKind::Loopback)
                .as_deref(),
            Some("smoltcp does not run over loopback; it does over memory")
        );
    }
}
