//! Sets of packages.

use crate::process::Result;

/// A set of packages and what is left out of the tree.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) what: &'static str,
    /// mmdebstrap's variant: `custom` installs the list and nothing else.
    pub(crate) variant: &'static str,
    pub(crate) packages: &'static [&'static [&'static str]],
    /// Paths removed at the end, relative to the root.
    pub(crate) remove: &'static [&'static str],
    /// Free space in the image.
    pub(crate) room_mib: u64,
}

/// Just enough for a shell. `usr-is-merged` with mmdebstrap's hook gives a merged /usr without all of perl;
/// perl-base runs the packages' configuration scripts.
const BASE: &[&str] = &[
    "usr-is-merged",
    "perl-base",
    "bash",
    "dash",
    "coreutils",
    "libc-bin",
    "base-passwd",
    "base-files",
    "login",
    "passwd",
    "grep",
    "sed",
    "gawk",
    "findutils",
    "diffutils",
    "gzip",
    "tar",
    "ncurses-base",
    "ncurses-bin",
    "hostname",
    "debianutils",
    "libc6",
    "dpkg",
    "netbase",
];

/// What somebody at a prompt expects.
const INTERACTIVE: &[&str] = &[
    "busybox-static",
    "less",
    "procps",
    "util-linux",
    "vim-tiny",
    "nano",
    "python3",
    "bash-completion",
    "file",
    "bsdextrautils",
    "mount",
];

const DEVELOPMENT: &[&str] = &[
    "gcc",
    "libc6-dev",
    "make",
    "git",
    "perl",
    "sqlite3",
    "xz-utils",
    "bzip2",
    "zip",
    "unzip",
    "patch",
    "bc",
    "strace",
    "libcap2-bin",
    "attr",
    "acl",
    "psmisc",
    "lsof",
    "time",
];

const LANGUAGES: &[&str] = &[
    "g++",
    "gdb",
    "nodejs",
    "ruby",
    "lua5.4",
    "tcl",
    "php-cli",
    "cmake",
    "ninja-build",
    "vim",
    "tmux",
    "screen",
    "htop",
    "curl",
    "openssh-client",
    "netcat-openbsd",
    "socat",
    "iproute2",
    "ca-certificates",
    "man-db",
    "libpython3-dev",
    "python3-pip",
    "jq",
    "zsh",
    "tcc",
];

/// What exercises the processor: a just-in-time compiler, hand-written vector code, a program of Go (static, with a
/// scheduler and an address space of its own), and Python's own tests.
const PROCESSOR: &[&str] =
    &["nodejs", "openssl", "gosu", "?name(^libpython3[.][0-9]+-testsuite$)", "python3-gmpy2"];

/// What `xtask bench` times beside what is in dev.
const BENCH: &[&str] = &["g++", "nodejs", "lua5.4"];

const CACHES: &[&str] =
    &["var/cache/apt", "var/lib/apt/lists", "var/cache/debconf", "var/log", "var/cache/ldconfig"];

/// Beyond [`CACHES`], data that only rare programs read.
const CACHES_AND_DATA: &[&str] = &[
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/cache/debconf",
    "var/log",
    "var/cache/ldconfig",
    "usr/lib/i386-linux-gnu/gconv",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/share/i18n",
    "usr/share/zoneinfo",
    "usr/share/bug",
    "usr/share/menu",
];

const PRESETS: &[Preset] = &[
    Preset {
        name: "tiny",
        what: "bash, coreutils, grep, sed, awk, find, tar",
        variant: "custom",
        packages: &[BASE],
        remove: CACHES_AND_DATA,
        room_mib: 48,
    },
    Preset {
        name: "mini",
        what: "a shell with editors and Python",
        variant: "custom",
        packages: &[BASE, INTERACTIVE],
        remove: CACHES_AND_DATA,
        room_mib: 128,
    },
    Preset {
        name: "dev",
        what: "C compiler, make, git, Perl, Python, SQLite",
        variant: "minbase",
        packages: &[&["usr-is-merged"], INTERACTIVE, DEVELOPMENT],
        remove: CACHES,
        room_mib: 384,
    },
    Preset {
        name: "processor",
        what: "dev, and what exercises the processor: Node.js, OpenSSL, a Go program, Python's own tests",
        variant: "minbase",
        packages: &[&["usr-is-merged"], INTERACTIVE, DEVELOPMENT, PROCESSOR],
        remove: CACHES,
        room_mib: 384,
    },
    Preset {
        name: "bench",
        what: "dev, and what `cargo xtask bench` times: g++, Node.js, Lua",
        variant: "minbase",
        packages: &[&["usr-is-merged"], INTERACTIVE, DEVELOPMENT, BENCH],
        remove: CACHES,
        room_mib: 384,
    },
    Preset {
        name: "large",
        what: "languages, debuggers and network tools",
        variant: "minbase",
        packages: &[&["usr-is-merged"], INTERACTIVE, DEVELOPMENT, LANGUAGES],
        remove: CACHES,
        room_mib: 512,
    },
];

pub(crate) fn find(name: &str) -> Result<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
        let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        format!("there is no preset `{name}`; there are {}", known.join(", ")).into()
    })
}
