//! Adjustments that make a fresh Debian tree a machine's root.

use crate::process::{Context, Result};
use std::fs;
use std::path::Path;

/// Raised when what this file does changes: images of older versions are made anew.
pub(super) const VERSION: u32 = 4;

/// Files written into every image: path, content.
const FILES: &[(&str, &str)] = &[
    // Without it nothing resolves `localhost`.
    ("etc/hosts", "127.0.0.1\tlocalhost cx\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
    ("etc/hostname", "cx\n"),
    ("etc/resolv.conf", "# Written when the machine joins a network.\n"),
    ("etc/fstab", "/dev/vda / ext2 defaults 0 1\n"),
    ("root/.bashrc", BASHRC),
    ("root/.profile", "[ -n \"$BASH\" ] && [ -f ~/.bashrc ] && . ~/.bashrc\n"),
];

const BASHRC: &str = r#"# Interactive shells only.
case $- in *i*) ;; *) return ;; esac
HISTCONTROL=ignoreboth
HISTSIZE=1000
shopt -s histappend checkwinsize
case "$TERM" in
    xterm*|screen*|tmux*|linux|*color*)
        PS1='\[\e[1;32m\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '
        alias ls='ls --color=auto' grep='grep --color=auto' ;;
    *) PS1='\u@\h:\w\$ ' ;;
esac
alias ll='ls -la'
# The programmable completions are large: they are read at the first Tab after a command's name.
__load_completions() {
    complete -r -D
    unset -f __load_completions
    . /usr/share/bash-completion/bash_completion 2> /dev/null && return 124
}
complete -D -F __load_completions -o bashdefault -o default
"#;

/// Writes [`FILES`], removes `remove` (directories stay, empty).
pub(super) fn adjust(tree: &Path, remove: &[&str]) -> Result {
    for name in remove {
        empty(&tree.join(name)).context(|| format!("removing {name}"))?;
    }
    for (name, content) in FILES {
        let file = tree.join(name);
        // It may be a link into the building machine's run directory.
        let _ = fs::remove_file(&file);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, content).context(|| format!("writing {name}"))?;
    }
    for folder in ["proc", "sys", "dev", "run", "tmp", "mnt", "root", "var/log", "var/lib/dpkg/updates"] {
        fs::create_dir_all(tree.join(folder))?;
    }
    let mtab = tree.join("etc/mtab");
    if fs::symlink_metadata(&mtab).is_err() {
        std::os::unix::fs::symlink("../proc/self/mounts", mtab)?;
    }
    // What bash knows already costs a process, and a megabyte over the network, to ask.
    let profile = tree.join("etc/profile");
    if let Ok(text) = fs::read_to_string(&profile) {
        fs::write(&profile, text.replace("\"$(id -u)\"", "\"${EUID:-$(id -u)}\""))?;
    }
    let _ = fs::remove_file(tree.join("etc/profile.d/bash_completion.sh"));
    // The shell of root, whatever the suite's default.
    let passwd = tree.join("etc/passwd");
    if let Ok(text) = fs::read_to_string(&passwd) {
        let lines = text.lines().map(|line| match line.strip_prefix("root:") {
            Some(rest) => {
                format!("root:{}:/bin/bash\n", rest.rsplit_once(':').map_or(rest, |(front, _)| front))
            }
            None => format!("{line}\n"),
        });
        fs::write(&passwd, lines.collect::<String>())?;
    }
    Ok(())
}

/// Removes what a directory holds, if it is one.
fn empty(folder: &Path) -> std::io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
