//! Dependencies against `layers.toml`.

use super::rules::Rules;
use crate::process::Result;
use crate::project;
use serde_json::Value;

/// A crate as `cargo metadata` shows it.
#[derive(Debug)]
struct Package {
    name: String,
    /// Normal dependencies: name, and whether it is a crate of the workspace.
    dependencies: Vec<(String, bool)>,
}

pub(super) fn check(rules: &Rules) -> Result<Vec<String>> {
    Ok(compare(&packages(&project::metadata()?), rules))
}

fn packages(metadata: &Value) -> Vec<Package> {
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let package = |package: &Value| {
        // `kind` is null for normal dependencies; `source` is null for paths.
        let normal = |dependency: &&Value| dependency.get("kind").is_none_or(Value::is_null);
        let all = list(package, "dependencies");
        let dependencies = all.iter().filter(normal);
        let dependencies = dependencies.map(|dependency| {
            let local = dependency.get("source").is_none_or(Value::is_null);
            (text(dependency, "name"), local)
        });
        Package { name: text(package, "name"), dependencies: dependencies.collect() }
    };
    list(metadata, "packages").iter().map(package).collect()
}

fn compare(packages: &[Package], rules: &Rules) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let name = &package.name;
        let Some(layer) = rules.layers.get(name) else {
            found.push(format!("{name}: the crate has no layer in xtask/layers.toml"));
            continue;
        };
        for (dependency, local) in &package.dependencies {
            let allowed = if *local { &layer.depends } else { &layer.outside };
            if !allowed.contains(dependency) {
                found.push(format!("{name}: may not depend on {dependency} (xtask/layers.toml)"));
            }
        }
    }
    // The table itself must have no circle, or "downward" means nothing.
    for start in rules.layers.keys() {
        let mut seen: Vec<&String> = Vec::new();
        let mut next: Vec<&String> = vec![start];
        while let Some(name) = next.pop() {
            let below = rules.layers.get(name).map(|layer| layer.depends.as_slice()).unwrap_or_default();
            if below.contains(start) {
                found.push(format!("xtask/layers.toml: {start} depends on itself through {name}"));
            }
            next.extend(below.iter().filter(|below| !seen.contains(below)));
            seen.extend(below);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::rules::{Layer, Rules};
    use super::{Package, compare, packages};

    fn rules(layers: &[(&str, &[&str], &[&str])]) -> Rules {
        let own = |list: &[&str]| list.iter().map(|name| (*name).to_string()).collect();
        let layer = |(name, depends, outside): &(&str, &[&str], &[&str])| {
            ((*name).to_string(), Layer { depends: own(depends), outside: own(outside) })
        };
        Rules { layers: layers.iter().map(layer).collect(), ..Rules::default() }
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_found() {
        let rules = rules(&[("low", &[], &["x"]), ("high", &["low"], &[])]);
        let package = |name: &str, dependencies: &[(&str, bool)]| Package {
            name: name.into(),
            dependencies: dependencies.iter().map(|(name, local)| ((*name).to_string(), *local)).collect(),
        };
        assert!(
            compare(&[package("low", &[("x", false)]), package("high", &[("low", true)])], &rules).is_empty()
        );
        assert_eq!(compare(&[package("low", &[("high", true)])], &rules).len(), 1);
        assert_eq!(compare(&[package("high", &[("x", false)])], &rules).len(), 1);
        assert_eq!(compare(&[package("new", &[])], &rules).len(), 1);
    }

    #[test]
    fn a_circle_in_the_table_is_found() {
        assert!(!compare(&[], &rules(&[("a", &["b"], &[]), ("b", &["a"], &[])])).is_empty());
    }

    #[test]
    fn development_dependencies_do_not_count() {
        let text = r#"{"packages":[{"name":"a","dependencies":[
            {"name":"b","kind":null,"source":null},{"name":"c","kind":"dev","source":null},
            {"name":"d","kind":null,"source":"registry+x"}]}]}"#;
        let found = packages(&serde_json::from_str(text).unwrap());
        assert_eq!(found[0].dependencies, [("b".to_string(), true), ("d".to_string(), false)]);
    }
}
