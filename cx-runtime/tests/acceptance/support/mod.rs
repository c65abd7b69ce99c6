//! What the suites share: images ([`images`]), both ways of running a program ([`native`], [`engine`]), the case
//! files ([`cases`]), the programs compiled for the guest ([`guest`]) and the verdict ([`tally`]).

pub(crate) mod cases;
pub(crate) mod engine;
pub(crate) mod guest;
pub(crate) mod images;
pub(crate) mod native;
pub(crate) mod outcome;
pub(crate) mod tally;

use std::path::PathBuf;
use std::time::Duration;

/// One run of a program, on either side.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) image: images::Image,
    /// Files put at absolute places before the program starts.
    pub(crate) files: Vec<(PathBuf, String)>,
    pub(crate) command: Vec<String>,
    /// `--cpu` of the engine; the usual processor, or that of `CX_CPU`, where none is named.
    pub(crate) cpu: Option<&'static str>,
    pub(crate) limit: Duration,
}

/// What the program is told about where it runs: both sides the same.
pub(crate) const ENVIRONMENT: [(&str, &str); 5] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("TERM", "xterm"),
    ("LANG", "C.UTF-8"),
    ("USER", "root"),
];

/// `tests/NAME` of this crate.
pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Whether a case was asked for with `CX_CASE`; all are where it is not set.
pub(crate) fn wanted(name: &str) -> bool {
    std::env::var("CX_CASE").map_or(true, |text| name.contains(&text))
}

/// Whether only some cases run, and their output is of interest.
pub(crate) fn verbose() -> bool {
    std::env::var_os("CX_CASE").is_some()
}
