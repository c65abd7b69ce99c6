//! `layers.toml`, in the small part of TOML that it uses.

use crate::process::{Context, Result};
use crate::project;
use std::collections::BTreeMap;

/// What one crate may depend on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    /// Crates of the workspace.
    pub(crate) depends: Vec<String>,
    /// Others.
    pub(crate) outside: Vec<String>,
}

/// The file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) layers: BTreeMap<String, Layer>,
    pub(crate) unsafe_in: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) no_host: Vec<String>,
    pub(crate) target_cfg_in: Vec<String>,
    pub(crate) max_lines: usize,
}

impl Rules {
    pub(crate) fn read() -> Result<Rules> {
        let file = project::root().join("xtask/layers.toml");
        let text = std::fs::read_to_string(&file).context(|| file.display().to_string())?;
        Rules::parse(&text)
    }

    fn parse(text: &str) -> Result<Rules> {
        let mut rules = Rules::default();
        let mut section = String::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || format!("layers.toml:{}: `{line}` is not understood", number + 1);
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_string();
                if let Some(name) = section.strip_prefix("layer.") {
                    rules.layers.insert(name.to_string(), Layer::default());
                }
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(bad)?;
            let (key, value) = (key.trim(), value.trim());
            let list = || -> Option<Vec<String>> {
                let items = value.strip_prefix('[')?.strip_suffix(']')?.split(',');
                let items = items.map(str::trim).filter(|item| !item.is_empty());
                items.map(|item| Some(item.strip_prefix('"')?.strip_suffix('"')?.to_string())).collect()
            };
            if let Some(layer) = section.strip_prefix("layer.").and_then(|name| rules.layers.get_mut(name)) {
                match key {
                    "depends" => layer.depends = list().ok_or_else(bad)?,
                    "outside" => layer.outside = list().ok_or_else(bad)?,
                    _ => return Err(bad().into()),
                }
                continue;
            }
            match key {
                "unsafe_in" => rules.unsafe_in = list().ok_or_else(bad)?,
                "hosts" => rules.hosts = list().ok_or_else(bad)?,
                "no_host" => rules.no_host = list().ok_or_else(bad)?,
                "target_cfg_in" => rules.target_cfg_in = list().ok_or_else(bad)?,
                "max_lines" => rules.max_lines = value.parse().map_err(|_| bad())?,
                _ => return Err(bad().into()),
            }
        }
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;

    #[test]
    fn the_subset_is_read_and_nothing_else() {
        let text = "# a\n[layer.a]\ndepends = [\"b\", \"c\"]\noutside = []\n[rules]\nmax_lines = 7\nhosts = [\"a\"]\n";
        let rules = Rules::parse(text).unwrap();
        assert_eq!(rules.layers["a"].depends, ["b", "c"]);
        assert_eq!((rules.max_lines, rules.hosts.len()), (7, 1));
        for bad in ["[rules]\nmax_lines = x", "[layer.a]\ndepends = b", "[rules]\nwhat = 1", "loose"] {
            assert!(Rules::parse(bad).is_err(), "{bad}");
        }
    }
}
