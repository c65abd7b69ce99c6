//! Shell scripts on Debian images, natively and on the engine.

use crate::support::{cases, data, images};
use std::collections::BTreeSet;
use std::fs;

#[test]
fn bash() {
    cases::check("bash.txt");
}

#[test]
fn coreutils() {
    cases::check("coreutils.txt");
}

#[test]
fn text_and_archives() {
    cases::check("text.txt");
}

#[test]
fn python() {
    cases::check("python.txt");
}

#[test]
fn languages_and_tools() {
    cases::check("tools.txt");
}

#[test]
fn files_and_processes() {
    cases::check("system.txt");
}

#[test]
fn debian_13() {
    cases::check("trixie.txt");
}

#[test]
fn debian_64() {
    cases::check("amd64.txt");
}

/// Every program of Debian's coreutils is the name of a case (`NAME` or `NAME: what`), or is left out with a reason
/// in `coreutils.skipped`.
#[test]
fn every_program_of_coreutils_has_a_case() {
    let list = images::named("tiny").tree.join("var/lib/dpkg/info/coreutils.list");
    let list = fs::read_to_string(&list).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    let folders = ["/bin/", "/usr/bin/", "/usr/sbin/"];
    let programs =
        list.lines().filter_map(|line| folders.iter().find_map(|folder| line.strip_prefix(folder)));
    let skipped =
        fs::read_to_string(data("cases").join("coreutils.skipped")).expect("the list of what is left out");
    let skipped = skipped.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name.to_string());
    let named = cases::read("coreutils.txt").into_iter().map(|case| case.name);
    let named = named.map(|name| name.split(':').next().unwrap_or_default().to_string());
    let covered: BTreeSet<String> = named.chain(skipped).collect();
    let missing: Vec<&str> = programs.filter(|name| !covered.contains(*name)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
