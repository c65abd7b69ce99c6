//! The command line of `cx run`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use x86_cpu::Level;

pub(crate) const HELP: &str = "usage: cx run [OPTIONS] [--] PROGRAM ARGUMENTS…
Runs an i386 or x86-64 Linux program on a machine of its own. Its standard streams are ours and its exit status is
ours: 128 + N where signal N ended it, 127 where it was not found, 126 where it could not be run, 125 where the machine
could not be made. Our own messages go to standard error and begin with `cx:`. The machine ends with the program.

  --image FILE|URL  ext2 image as the root; what is written to it is dropped at the end
  --root DIR        a copy of this directory as the root (needs mke2fs); what is written is dropped at the end
  --overlay FILE    keep what is written to the image in this file
  --write           write into the image file itself
  --mount SRC:DST   a copy of a file or directory of ours at DST; may be repeated
  --env NAME=VALUE  added to the environment (PATH, HOME, TERM, LANG, USER); may be repeated
  --cwd DIR         working directory (default: / )
  --uid N --gid N   user and group (default 0)
  --tty             standard input and output are a terminal in the guest
  --memory MIB      memory of the machine (default 1024)
  --strace          print system calls on standard error
  --stats FILE      write counters as JSON at the end
  --engine NAME     interp; jit runs in Node.js and browsers only
  --cpu LEVEL       what the processor offers: x86-64 (SSE3, default), x86-64-v2, x86-64-v3 (AVX2) or full
A PROGRAM without a slash is searched for in the guest's PATH.";

/// Where the root comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RootOption {
    Image(String),
    Directory(PathBuf),
    /// An empty tmpfs, filled by `--mount`.
    Nothing,
}

/// What to copy where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountOption {
    pub(crate) source: PathBuf,
    pub(crate) target: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) root: RootOption,
    pub(crate) overlay: Option<PathBuf>,
    pub(crate) write: bool,
    pub(crate) mounts: Vec<MountOption>,
    /// `NAME=VALUE`s, each name once.
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) cwd: Vec<u8>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) tty: bool,
    pub(crate) memory_mib: u64,
    pub(crate) strace: bool,
    pub(crate) stats: Option<PathBuf>,
    pub(crate) cpu: Level,
    pub(crate) program: Vec<u8>,
    pub(crate) arguments: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Help,
    Run(Box<Options>),
}

const ENVIRONMENT: [&str; 5] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "TERM=xterm",
    "LANG=C.UTF-8",
    "USER=root",
];

pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Parsed, String> {
    let mut words = arguments.into_iter();
    match words.next().as_deref().and_then(|word| word.to_str()) {
        Some("run") => {}
        Some("--help" | "-h" | "help") => return Ok(Parsed::Help),
        Some(other) => return Err(format!("there is no command `{other}`")),
        None => return Err("a command is missing".into()),
    }
    let mut options = Options {
        root: RootOption::Nothing,
        overlay: None,
        write: false,
        mounts: Vec::new(),
        env: ENVIRONMENT.iter().map(|text| text.as_bytes().to_vec()).collect(),
        cwd: b"/".to_vec(),
        uid: 0,
        gid: 0,
        tty: false,
        memory_mib: 1024,
        strace: false,
        stats: None,
        cpu: Level::default(),
        program: Vec::new(),
        arguments: Vec::new(),
    };
    let mut roots = 0;
    let mut program = None;
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if !bytes.starts_with(b"--") {
            program = Some(word);
            break;
        }
        if bytes == b"--" {
            program = words.next();
            break;
        }
        let text = word.to_str().ok_or("an option is not UTF-8")?;
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (text, None),
        };
        if let Some(flag) = match name {
            "--help" => return Ok(Parsed::Help),
            "--write" => Some(&mut options.write),
            "--tty" => Some(&mut options.tty),
            "--strace" => Some(&mut options.strace),
            _ => None,
        } {
            if attached.is_some() {
                return Err(format!("{name} takes no value"));
            }
            *flag = true;
            continue;
        }
        let known = [
            "--image",
            "--root",
            "--overlay",
            "--mount",
            "--env",
            "--cwd",
            "--uid",
            "--gid",
            "--memory",
            "--stats",
            "--engine",
            "--cpu",
        ];
        if !known.contains(&name) {
            return Err(format!("unknown option {name}"));
        }
        let value = attached.or_else(|| words.next()).ok_or_else(|| format!("{name} needs a value"))?;
        let number = || {
            let number = value.to_str().and_then(|text| text.parse::<u32>().ok());
            number.ok_or_else(|| format!("{name} needs a number, not `{}`", value.to_string_lossy()))
        };
        match name {
            "--image" => {
                roots += 1;
                options.root =
                    RootOption::Image(value.into_string().map_err(|_| "the image's name is not UTF-8")?);
            }
            "--root" => {
                roots += 1;
                options.root = RootOption::Directory(PathBuf::from(value));
            }
            "--overlay" => options.overlay = Some(PathBuf::from(value)),
            "--mount" => options.mounts.push(mount(&value)?),
            "--env" => set_environment(&mut options.env, value.into_vec())?,
            "--cwd" => options.cwd = value.into_vec(),
            "--uid" => options.uid = number()?,
            "--gid" => options.gid = number()?,
            "--memory" => options.memory_mib = u64::from(number()?.max(16)),
            "--stats" => options.stats = Some(PathBuf::from(value)),
            "--cpu" => {
                options.cpu = value.to_str().and_then(Level::named).ok_or_else(|| {
                    let names = Level::ALL.map(Level::name).join(", ");
                    format!("there is no level `{}`; there are {names}", value.to_string_lossy())
                })?;
            }
            _ => match value.to_str() {
                Some("interp") => {}
                Some("jit") => {
                    let message = "the translator makes WebAssembly, which this host does not run: use --host node, or --engine interp";
                    return Err(message.into());
                }
                _ => return Err(format!("there is no engine `{}`", value.to_string_lossy())),
            },
        }
    }
    if roots > 1 {
        return Err("give one --image or one --root".into());
    }
    if options.write && options.overlay.is_some() {
        return Err("--write and --overlay exclude each other".into());
    }
    options.program = program.ok_or("a program is missing")?.into_vec();
    options.arguments = words.map(OsString::into_vec).collect();
    Ok(Parsed::Run(Box::new(options)))
}

fn mount(value: &OsString) -> Result<MountOption, String> {
    // The last colon: host paths may hold some.
    let bytes = value.as_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b':');
    let split = at.map(|at| (&bytes[..at], &bytes[at + 1..]));
    let Some((source, target)) =
        split.filter(|(source, target)| !source.is_empty() && target.starts_with(b"/"))
    else {
        return Err(format!("--mount needs SRC:DST with an absolute DST, not `{}`", value.to_string_lossy()));
    };
    Ok(MountOption { source: PathBuf::from(OsString::from_vec(source.to_vec())), target: target.to_vec() })
}

fn set_environment(env: &mut Vec<Vec<u8>>, entry: Vec<u8>) -> Result<(), String> {
    let at = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
    let at =
        at.ok_or_else(|| format!("--env needs NAME=VALUE, not `{}`", String::from_utf8_lossy(&entry)))?;
    env.retain(|known| !known.starts_with(&entry[..=at]));
    env.push(entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Options, Parsed, RootOption, parse};

    fn options(line: &str) -> Result<Options, String> {
        match parse(line.split_whitespace().map(Into::into).collect())? {
            Parsed::Run(options) => Ok(*options),
            Parsed::Help => Err("help".into()),
        }
    }

    #[test]
    fn everything_at_once() {
        let line = "run --image a.ext2 --mount /a:b:/c --env TERM=dumb --env=A=B=C --cwd /x --uid 5 --strace \
                    --memory=64 -- prog --tty -- y";
        let given = options(line).unwrap();
        assert_eq!(given.root, RootOption::Image("a.ext2".into()));
        assert_eq!(given.mounts[0].source.to_str(), Some("/a:b"));
        assert_eq!(given.mounts[0].target, b"/c");
        let env: Vec<_> = given.env.iter().map(|entry| String::from_utf8_lossy(entry)).collect();
        assert_eq!(env.iter().filter(|entry| entry.starts_with("TERM=")).collect::<Vec<_>>(), ["TERM=dumb"]);
        assert!(env.contains(&"A=B=C".into()) && env.contains(&"HOME=/root".into()));
        assert_eq!((given.uid, given.memory_mib, given.strace, given.tty), (5, 64, true, false));
        assert_eq!(given.program, b"prog");
        assert_eq!(given.arguments, [b"--tty".to_vec(), b"--".to_vec(), b"y".to_vec()]);
    }

    #[test]
    fn the_two_dashes_may_be_missing() {
        let given = options("run --tty ls -l --uid 3").unwrap();
        assert_eq!((given.program.as_slice(), given.arguments.len(), given.uid), (b"ls".as_slice(), 3, 0));
    }

    #[test]
    fn mistakes_are_told() {
        for line in [
            "",
            "walk",
            "run",
            "run --",
            "run --image",
            "run --uid x -- a",
            "run --nothing -- a",
            "run --mount a -- a",
            "run --mount a:b -- a",
            "run --env A -- a",
            "run --image a --root b -- a",
            "run --engine jit -- a",
            "run --write --overlay x -- a",
            "run --tty=yes -- a",
        ] {
            assert!(options(line).is_err(), "{line}");
        }
    }
}
