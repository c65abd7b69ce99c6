//! Rules that show in the text of files.

use super::rules::Rules;
use crate::process::Result;
use crate::project;
use std::path::Path;

/// A file that git holds.
struct File<'a> {
    /// Relative to the repository.
    name: &'a str,
    text: &'a str,
}

/// Parts of names of package registries and their download servers, cut in two so that this file does not hold them.
const REGISTRIES: &[(&str, &str)] = &[
    ("crates", ".io"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("deb", ".debian.org"),
    ("yarnpkg", ".com"),
    ("snapshot", ".debian.org"),
    ("security", ".debian.org"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("jsdelivr", ".net"),
    ("unpkg", ".com"),
    ("archive", ".ubuntu.com"),
];

/// Starts of absolute paths of development machines, cut likewise.
const MACHINE_PATHS: &[(&str, &str)] =
    &[("/work", "/"), ("/home", "/runner"), ("/root", "/.cargo"), ("/root", "/.rustup")];

pub(super) fn check(rules: &Rules) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let files = project::files()?;
    for path in &files {
        let Ok(text) = std::fs::read_to_string(project::root().join(path)) else { continue };
        let name = path.to_string_lossy();
        check_file(&File { name: &name, text: &text }, rules, &mut found);
    }
    for layer in rules.layers.keys() {
        let exists = |name: &str| files.iter().any(|path| path == &Path::new(layer).join(name));
        if !exists("Cargo.toml") {
            continue;
        }
        if !exists("README.md") {
            found.push(format!("{layer}: no README.md"));
        }
        let root = ["src/lib.rs", "src/main.rs"].into_iter().find(|name| exists(name));
        let text = root.and_then(|name| std::fs::read_to_string(project::root().join(layer).join(name)).ok());
        let forbids = text.is_some_and(|text| text.contains("#![forbid(unsafe_code)]"));
        if !forbids && !rules.unsafe_in.contains(layer) {
            found.push(format!("{layer}: no #![forbid(unsafe_code)] at its root"));
        }
    }
    Ok(found)
}

fn check_file(file: &File<'_>, rules: &Rules, found: &mut Vec<String>) {
    let mut report = |line: usize, what: &str| found.push(format!("{}:{line}: {what}", file.name));
    let generated = file.name.ends_with("package-lock.json") || file.name == "Cargo.lock";
    for (number, line) in file.text.lines().enumerate() {
        let number = number + 1;
        // Cargo writes the registry into its lock file in a fixed form that names no server we choose.
        if file.name != "Cargo.lock" {
            for (front, back) in REGISTRIES {
                if line.contains(&format!("{front}{back}")) {
                    report(number, "names a package registry");
                }
            }
        }
        for (front, back) in MACHINE_PATHS {
            // As the start of a path, not inside of one.
            let starts =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-".contains(c));
            if line.match_indices(&format!("{front}{back}")).any(|(at, _)| starts(at)) {
                report(number, "names a path of one machine");
            }
        }
        if !generated && line.trim_end() != line && !file.name.ends_with(".md") {
            report(number, "white space at the end");
        }
    }
    let lines = file.text.lines().count();
    if Path::new(file.name)
        .extension()
        .is_some_and(|extension| ["rs", "js", "mjs", "ts", "css"].iter().any(|kind| extension == *kind))
        && lines > rules.max_lines
        && !file.text.contains(&format!("tidy{} long because", ":"))
    {
        report(
            lines,
            &format!("longer than {} lines; split it, or say `tidy{} long because …`", rules.max_lines, ":"),
        );
    }
    if file.name.ends_with("utils.rs") {
        report(1, "a name that says nothing");
    }
    if file.name.ends_with(".rs") {
        check_rust(file, rules, found);
    }
}

fn check_rust(file: &File<'_>, rules: &Rules, found: &mut Vec<String>) {
    let crate_name = file.name.split('/').next().unwrap_or_default();
    let library = file.name.contains("/src/") && !file.name.contains("/src/bin/");
    let below_hosts = library && !rules.hosts.iter().any(|host| host == crate_name);
    let is = |list: &[String]| list.iter().any(|name| name == crate_name);
    let mut in_tests = false;
    for (number, line) in file.text.lines().enumerate() {
        let mut report = |what: String| found.push(format!("{}:{}: {what}", file.name, number + 1));
        let code = line.split("//").next().unwrap_or_default();
        // By convention the test module stands last.
        in_tests |= code.contains("#[cfg(test)]");
        if code.trim_start().starts_with(&format!("#[{}", "ignore")) {
            report("an ignored test; assert what happens today with a FIXME".into());
        }
        if code.contains(&format!("{}!(", "todo")) || code.contains(&format!("{}!(", "unimplemented")) {
            report("unfinished code".into());
        }
        if code.contains("target_arch = \"wasm32\"") && !is(&rules.target_cfg_in) && crate_name != "xtask" {
            report("looks at the target; hosts differ through their traits".into());
        }
        if code.contains("unsafe {") && !is(&rules.unsafe_in) && crate_name != "xtask" {
            report("unsafe code".into());
        }
        if below_hosts && !in_tests {
            for word in rules.no_host.iter().filter(|word| code.contains(word.as_str())) {
                report(format!("`{word}` belongs to a host"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::Rules;
    use super::{File, check_file};

    fn findings(name: &str, text: &str) -> Vec<String> {
        let rules = Rules {
            max_lines: 5,
            hosts: vec!["host".into()],
            no_host: vec!["std::fs".into()],
            ..Rules::default()
        };
        let mut found = Vec::new();
        check_file(&File { name, text }, &rules, &mut found);
        found
    }

    #[test]
    fn each_rule_finds_its_offence() {
        let long = "let x;\n".repeat(6);
        let cases: &[(&str, &str, usize)] = &[
            ("low/src/lib.rs", "fn main() {}\n", 0),
            ("low/src/lib.rs", &long, 1),
            ("low/src/lib.rs", &format!("// tidy{} long because of the table\n{long}", ":"), 0),
            ("low/src/lib.rs", "use std::fs;\n", 1),
            ("low/src/lib.rs", "// std::fs in words\n", 0),
            ("low/src/lib.rs", "#[cfg(test)]\nmod tests { use std::fs; }\n", 0),
            ("low/src/bin/x/main.rs", "use std::fs;\n", 0),
            ("host/src/lib.rs", "use std::fs;\n", 0),
            ("low/src/utils.rs", "", 1),
            ("low/src/lib.rs", &format!("    #[{}]\n", "ignore"), 1),
            ("low/src/lib.rs", &format!("{}!()\n", "todo"), 1),
            ("low/src/lib.rs", "x  \n", 1),
            ("notes.md", &format!("see crates{}\n", ".io"), 1),
            ("notes.md", &format!("in {}/main\n", "/work"), 1),
            ("notes.md", &format!("in /tmp{}/main\n", "/work"), 0),
        ];
        for (name, text, count) in cases {
            assert_eq!(findings(name, text).len(), *count, "{name}: {text}");
        }
    }
}
