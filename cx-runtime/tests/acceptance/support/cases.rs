//! Case files: shell scripts, several to a file.
//!
//! Lines before the first case are for the file: `@ image NAME` says where its cases run, the rest is for people. A
//! case begins with `### NAME`; then lines `@ KEY VALUE`, then the script, which bash runs in an empty directory:
//!
//! * `@ image NAME`: this case runs elsewhere;
//! * `@ file NAME`: `tests/cases/NAME` is put into `/case`;
//! * `@ needs mounts`: left out where the machine gives the native side no /proc and /dev;
//! * `@ seconds N`: the time limit, 60 by default;
//! * `@ differs REASON`: known to differ today; the case fails when it no longer does.

use super::images;
use super::native::{self, Sandbox};
use super::outcome::Outcome;
use super::tally::Tally;
use super::{Job, data, wanted};
use std::fs;
use std::path::Path;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    image: String,
    files: Vec<String>,
    needs_mounts: bool,
    limit: Duration,
    differs: Option<String>,
    script: String,
}

/// The cases of `tests/cases/NAME`.
pub(crate) fn read(name: &str) -> Vec<Case> {
    let path = data("cases").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut default_image = String::from("tiny");
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("### ") {
            cases.push(Case {
                name: name.to_string(),
                image: default_image.clone(),
                files: Vec::new(),
                needs_mounts: false,
                limit: Duration::from_secs(60),
                differs: None,
                script: String::new(),
            });
            continue;
        }
        let directive = line.strip_prefix("@ ").and_then(|line| line.split_once(' '));
        let wrong = || -> ! { panic!("{name}:{}: `{line}` is not understood", number + 1) };
        match (cases.last_mut(), directive) {
            (None, Some(("image", value))) => default_image = value.to_string(),
            (None, Some(_)) => wrong(),
            (None, None) => {}
            (Some(case), Some((key, value))) if case.script.is_empty() => match (key, value) {
                ("image", name) => case.image = name.to_string(),
                ("file", name) => case.files.push(name.to_string()),
                ("needs", "mounts") => case.needs_mounts = true,
                ("differs", reason) => case.differs = Some(reason.to_string()),
                ("seconds", number) => match number.parse() {
                    Ok(seconds) => case.limit = Duration::from_secs(seconds),
                    Err(_) => wrong(),
                },
                _ => wrong(),
            },
            (Some(case), _) => {
                case.script.push_str(line);
                case.script.push('\n');
            }
        }
    }
    assert!(!cases.is_empty(), "{name} holds no cases");
    cases
}

impl Case {
    fn job(&self) -> Job {
        let folder = data("cases");
        let base = |name: &str| name.rsplit('/').next().unwrap_or_default().to_string();
        let files =
            self.files.iter().map(|name| (folder.join(name), format!("/case/{}", base(name)))).collect();
        // An empty directory of the image's own file system, whatever /tmp is.
        let script = format!("mkdir /tmp/work && cd /tmp/work || exit 99\n{}", self.script);
        let command = vec!["/bin/bash".into(), "-c".into(), script, "case".into()];
        Job { image: images::named(&self.image), files, command, cpu: None, limit: self.limit }
    }

    /// Runs the case on both sides and counts it.
    fn check(&self, tally: &mut Tally) {
        if self.needs_mounts && native::sandbox() == Sandbox::Copy {
            eprintln!("left out, mounts are refused here: {}", self.name);
            return;
        }
        if images::is_left_out(&self.image) {
            eprintln!("left out, there is no {} just now: {}", self.image, self.name);
            return;
        }
        tally.case(&self.name, &self.job(), |native, engine| {
            // A case that says nothing on the real machine tests nothing.
            if native.stdout.is_empty() {
                return Some(format!("  says nothing natively: {}", native.show()));
            }
            match (Outcome::difference(native, engine), &self.differs) {
                (Some(difference), None) => Some(difference),
                (None, Some(reason)) => Some(format!("  no longer differs; it was marked `{reason}`\n")),
                _ => None,
            }
        });
    }
}

/// Runs every case of the list and fails with all that differ.
pub(crate) fn check(file: &str) {
    assert!(Path::new("/proc/self").exists() && is_root(), "the native side needs root, for chroot");
    let mut tally = Tally::new(file);
    for case in read(file).iter().filter(|case| wanted(&case.name)) {
        case.check(&mut tally);
    }
    tally.finish();
}

/// By the owner of our own directory in /proc: the standard library has no geteuid.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}
