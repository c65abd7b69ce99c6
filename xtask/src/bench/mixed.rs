//! `xtask bench --mixed`: a compiler, interpreters and shells by turns in one machine, and how much memory its host has meanwhile.

use super::{shell, work};
use crate::process::{Context, Result, show};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A round, which ends with what fails. The shell's own work is two loops, one of them with processes.
const ROUND: &str = "python3 /bench/objects.py && g++ -O1 -c -o /tmp/store.o /bench/store.cpp && perl /bench/words.pl && node /bench/json.js &&
for j in $(seq 200); do /bin/true || exit 1; done && x=0 && for j in $(seq 20000); do x=$((x + j)); done";
/// Between two looks at the host's memory.
const EVERY: Duration = Duration::from_secs(5);
/// Lines of the table.
const PARTS: u64 = 12;
/// Counters told at the end, where the engine has them.
const COUNTERS: [&str; 8] = [
    "instructions",
    "jit_regions",
    "jit_modules",
    "jit_module_bytes",
    "jit_kept_modules",
    "jit_kept_bytes",
    "jit_clears",
    "memory_in_use",
];

/// Runs for so many minutes.
pub(super) fn main(
    minutes: u64,
    (host, engine): (&str, &str),
    image: &Path,
    (folder, tree): (&Path, &Path),
) -> Result<ExitCode> {
    work::prepare(folder, 32, Some(tree), |name| name == "python objects")?;
    let stats = folder.join("mixed.json");
    let mut command = shell(host, engine, image, folder, &["--stats".as_ref(), stats.as_os_str()])?;
    let seconds = 60 * minutes;
    command.arg(format!(
        "while [ $SECONDS -lt {seconds} ]; do ( {ROUND} ) > /dev/null || exit 1; echo $SECONDS; done"
    ));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context(|| show(&command))?;
    let (pid, out) = (child.id(), child.stdout.take().ok_or("no output")?);
    let (begin, mut looks) = (Instant::now(), Vec::new());
    let (rounds, status) = thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let rounds =
                BufReader::new(out).lines().map_while(|line| line.ok()).filter(|line| !line.is_empty());
            (rounds.count(), child.wait())
        });
        while !waiting.is_finished() {
            looks.push((begin.elapsed(), largest(pid)));
            thread::park_timeout(EVERY);
        }
        waiting.join().map_err(|_| "the thread that waits has panicked")
    })?;
    if !status?.success() {
        return Err(format!("`{}` failed", show(&command)).into());
    }
    println!(
        "{rounds} rounds in {minutes} minutes, {engine} on {host}\n\n| minutes | MB of the largest process |\n|---|---|"
    );
    let mut parts: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (at, memory) in looks {
        parts.entry((at.as_secs() * PARTS / seconds).min(PARTS - 1)).or_default().push(memory);
    }
    for (part, of) in parts {
        let minute = |part: u64| part as f64 * minutes as f64 / PARTS as f64;
        let (low, high) = (of.iter().min().unwrap_or(&0), of.iter().max().unwrap_or(&0));
        println!("| {:.1} to {:.1} | {low} to {high} |", minute(part), minute(part + 1));
    }
    let stats: Value =
        serde_json::from_slice(&std::fs::read(&stats)?).context(|| stats.display().to_string())?;
    for name in COUNTERS {
        if let Some(value) = stats.get(name) {
            println!("{name} {value}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Of a process and all that come from it, the memory of the largest, in MB: that of a browser is the page's.
fn largest(pid: u32) -> u64 {
    let mut parents: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for other in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(parent) = field(other, "PPid:") {
            parents.entry(parent as u32).or_default().push(other);
        }
    }
    let (mut open, mut most) = (vec![pid], 0);
    while let Some(pid) = open.pop() {
        most = most.max(field(pid, "VmRSS:").unwrap_or(0) / 1024);
        open.extend(parents.remove(&pid).unwrap_or_default());
    }
    most
}

/// A number of `/proc/PID/status` (proc_pid_status(5)).
fn field(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
