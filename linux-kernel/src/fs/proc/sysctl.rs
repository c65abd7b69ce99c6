//! `/proc/sys`: settings of the kernel (proc_sys(5)). Those that programs may write keep what was written.

use super::{RELEASE, VERSION};
use crate::file::Result;
use crate::fs::synthetic::{Content, Tree};
use crate::kernel::Kernel;
use crate::tty::pty::PTY_MAX;
use async_trait::async_trait;
use linux_abi::Errno;
use linux_abi::capability::CAP_LAST_CAP;
use linux_abi::limits::{MAX_MAP_COUNT, NGROUPS_MAX, PIPE_MAX_SIZE};
use std::cell::RefCell;
use std::rc::{Rc, Weak};

/// What a setting takes.
#[derive(Clone, Copy)]
enum Takes {
    /// Numbers.
    Numbers,
    /// Any line.
    Text,
    /// Nothing: it is as it is.
    Nothing,
}

#[rustfmt::skip]
const SETTINGS: &[(&str, Takes, &str)] = &[
    ("fs/file-max", Takes::Numbers, "9223372036854775807"),
    ("fs/file-nr", Takes::Nothing, "0\t0\t9223372036854775807"),
    ("fs/inode-nr", Takes::Nothing, "0\t0"),
    ("fs/nr_open", Takes::Numbers, "1048576"),
    ("fs/aio-max-nr", Takes::Numbers, "65536"),
    ("fs/aio-nr", Takes::Nothing, "0"),
    ("fs/epoll/max_user_watches", Takes::Numbers, "1000000"),
    ("fs/inotify/max_queued_events", Takes::Numbers, "16384"),
    ("fs/inotify/max_user_instances", Takes::Numbers, "128"),
    ("fs/inotify/max_user_watches", Takes::Numbers, "65536"),
    ("fs/lease-break-time", Takes::Numbers, "45"),
    ("fs/leases-enable", Takes::Numbers, "1"),
    ("fs/mqueue/msg_max", Takes::Numbers, "10"),
    ("fs/overflowgid", Takes::Numbers, "65534"),
    ("fs/overflowuid", Takes::Numbers, "65534"),
    ("fs/pipe-user-pages-hard", Takes::Numbers, "0"),
    ("fs/pipe-user-pages-soft", Takes::Numbers, "16384"),
    ("fs/protected_hardlinks", Takes::Nothing, "1"),
    ("fs/protected_symlinks", Takes::Numbers, "0"),
    ("fs/suid_dumpable", Takes::Numbers, "0"),
    ("kernel/core_pattern", Takes::Text, "core"),
    ("kernel/core_uses_pid", Takes::Numbers, "0"),
    ("kernel/ctrl-alt-del", Takes::Numbers, "0"),
    ("kernel/dmesg_restrict", Takes::Numbers, "0"),
    ("kernel/domainname", Takes::Text, "(none)"),
    ("kernel/hung_task_timeout_secs", Takes::Numbers, "0"),
    ("kernel/kptr_restrict", Takes::Numbers, "1"),
    ("kernel/modules_disabled", Takes::Numbers, "1"),
    ("kernel/msgmax", Takes::Numbers, "8192"),
    ("kernel/msgmnb", Takes::Numbers, "16384"),
    ("kernel/msgmni", Takes::Numbers, "32000"),
    ("kernel/ostype", Takes::Nothing, "Linux"),
    ("kernel/osrelease", Takes::Nothing, RELEASE),
    ("kernel/version", Takes::Nothing, VERSION),
    ("kernel/overflowgid", Takes::Numbers, "65534"),
    ("kernel/overflowuid", Takes::Numbers, "65534"),
    ("kernel/panic", Takes::Numbers, "0"),
    ("kernel/panic_on_oops", Takes::Numbers, "0"),
    ("kernel/perf_event_paranoid", Takes::Numbers, "3"),
    ("kernel/printk", Takes::Numbers, "7\t4\t1\t7"),
    ("kernel/pty/nr", Takes::Nothing, "0"),
    ("kernel/pty/reserve", Takes::Numbers, "1024"),
    ("kernel/random/entropy_avail", Takes::Nothing, "256"),
    ("kernel/random/poolsize", Takes::Nothing, "256"),
    ("kernel/randomize_va_space", Takes::Numbers, "2"),
    ("kernel/sched_child_runs_first", Takes::Numbers, "0"),
    ("kernel/sched_rr_timeslice_ms", Takes::Numbers, "100"),
    ("kernel/sched_rt_period_us", Takes::Numbers, "1000000"),
    ("kernel/sched_rt_runtime_us", Takes::Numbers, "950000"),
    ("kernel/seccomp/actions_avail", Takes::Nothing, ""),
    ("kernel/sem", Takes::Numbers, "32000\t1024000000\t500\t32000"),
    ("kernel/shmall", Takes::Numbers, "18446744073692774399"),
    ("kernel/shmmax", Takes::Numbers, "18446744073692774399"),
    ("kernel/shmmni", Takes::Numbers, "4096"),
    ("kernel/shm_rmid_forced", Takes::Numbers, "0"),
    ("kernel/sysrq", Takes::Numbers, "0"),
    ("kernel/tainted", Takes::Nothing, "0"),
    ("kernel/threads-max", Takes::Numbers, "62000"),
    ("kernel/unprivileged_bpf_disabled", Takes::Nothing, "2"),
    ("kernel/yama/ptrace_scope", Takes::Numbers, "0"),
    ("net/core/netdev_max_backlog", Takes::Numbers, "1000"),
    ("net/core/optmem_max", Takes::Numbers, "20480"),
    ("net/core/rmem_default", Takes::Numbers, "212992"),
    ("net/core/rmem_max", Takes::Numbers, "212992"),
    ("net/core/somaxconn", Takes::Numbers, "4096"),
    ("net/core/wmem_default", Takes::Numbers, "212992"),
    ("net/core/wmem_max", Takes::Numbers, "212992"),
    ("net/ipv4/conf/all/forwarding", Takes::Numbers, "0"),
    ("net/ipv4/icmp_echo_ignore_all", Takes::Numbers, "0"),
    ("net/ipv4/ip_default_ttl", Takes::Numbers, "64"),
    ("net/ipv4/ip_forward", Takes::Numbers, "0"),
    ("net/ipv4/ip_local_port_range", Takes::Numbers, "32768\t60999"),
    ("net/ipv4/ip_unprivileged_port_start", Takes::Numbers, "1024"),
    ("net/ipv4/ping_group_range", Takes::Numbers, "1\t0"),
    ("net/ipv4/tcp_congestion_control", Takes::Text, "reno"),
    ("net/ipv4/tcp_available_congestion_control", Takes::Nothing, "reno"),
    ("net/ipv4/tcp_fastopen", Takes::Numbers, "1"),
    ("net/ipv4/tcp_fin_timeout", Takes::Numbers, "60"),
    ("net/ipv4/tcp_keepalive_intvl", Takes::Numbers, "75"),
    ("net/ipv4/tcp_keepalive_probes", Takes::Numbers, "9"),
    ("net/ipv4/tcp_keepalive_time", Takes::Numbers, "7200"),
    ("net/ipv4/tcp_max_syn_backlog", Takes::Numbers, "4096"),
    ("net/ipv4/tcp_rmem", Takes::Numbers, "4096\t131072\t6291456"),
    ("net/ipv4/tcp_sack", Takes::Numbers, "1"),
    ("net/ipv4/tcp_timestamps", Takes::Numbers, "1"),
    ("net/ipv4/tcp_window_scaling", Takes::Numbers, "1"),
    ("net/ipv4/tcp_wmem", Takes::Numbers, "4096\t16384\t4194304"),
    ("net/ipv6/conf/all/disable_ipv6", Takes::Numbers, "0"),
    ("net/ipv6/conf/lo/disable_ipv6", Takes::Numbers, "0"),
    ("net/unix/max_dgram_qlen", Takes::Numbers, "512"),
    ("vm/dirty_background_ratio", Takes::Numbers, "10"),
    ("vm/dirty_ratio", Takes::Numbers, "20"),
    ("vm/drop_caches", Takes::Numbers, "0"),
    ("vm/min_free_kbytes", Takes::Numbers, "4096"),
    ("vm/mmap_min_addr", Takes::Numbers, "65536"),
    ("vm/nr_hugepages", Takes::Numbers, "0"),
    ("vm/oom_kill_allocating_task", Takes::Numbers, "0"),
    ("vm/overcommit_kbytes", Takes::Numbers, "0"),
    ("vm/overcommit_memory", Takes::Numbers, "0"),
    ("vm/overcommit_ratio", Takes::Numbers, "50"),
    ("vm/panic_on_oom", Takes::Numbers, "0"),
    ("vm/swappiness", Takes::Numbers, "60"),
    ("vm/vfs_cache_pressure", Takes::Numbers, "100"),
];

/// Puts `/proc/sys` into the tree.
pub(super) fn add(tree: &Tree, kernel: &Rc<Kernel>) {
    let limits = [
        ("fs/pipe-max-size", PIPE_MAX_SIZE.to_string()),
        ("kernel/cap_last_cap", CAP_LAST_CAP.to_string()),
        ("kernel/ngroups_max", NGROUPS_MAX.to_string()),
        ("kernel/pid_max", super::PID_MAX.to_string()),
        ("kernel/pty/max", PTY_MAX.to_string()),
        ("kernel/random/boot_id", uuid(kernel)),
        ("vm/max_map_count", MAX_MAP_COUNT.to_string()),
    ];
    for (path, takes, value) in SETTINGS {
        add_setting(tree, path, *takes, value);
    }
    for (path, value) in limits {
        let fixed =
            path.ends_with("cap_last_cap") || path.ends_with("ngroups_max") || path.ends_with("boot_id");
        add_setting(tree, path, if fixed { Takes::Nothing } else { Takes::Numbers }, &value);
    }
    tree.file("sys/kernel/hostname", 0o644, Rc::new(Hostname(Rc::downgrade(kernel))));
    tree.file("sys/kernel/random/uuid", 0o444, Rc::new(Uuid(Rc::downgrade(kernel))));
    tree.directory("sys/debug");
    tree.directory("sys/dev");
}

fn add_setting(tree: &Tree, path: &str, takes: Takes, value: &str) {
    let permissions = if matches!(takes, Takes::Nothing) { 0o444 } else { 0o644 };
    let text = if value.is_empty() { Vec::new() } else { format!("{value}\n").into_bytes() };
    tree.file(&format!("sys/{path}"), permissions, Rc::new(Setting { takes, text: RefCell::new(text) }));
}

struct Setting {
    takes: Takes,
    text: RefCell<Vec<u8>>,
}

/// Whether a line consists of as many numbers as the setting has.
fn fits(takes: Takes, old: &[u8], new: &str) -> bool {
    match takes {
        Takes::Nothing => false,
        Takes::Text => new.len() < 256,
        Takes::Numbers => {
            let count =
                old.split(|byte| byte.is_ascii_whitespace()).filter(|field| !field.is_empty()).count();
            let mut fields = 0;
            let numbers =
                new.split_ascii_whitespace().inspect(|_| fields += 1).all(|n| n.parse::<i128>().is_ok());
            numbers && fields >= 1 && fields <= count.max(1)
        }
    }
}

#[async_trait(?Send)]
impl Content for Setting {
    async fn text(&self) -> Result<Vec<u8>> {
        Ok(self.text.borrow().clone())
    }

    async fn store(&self, data: &[u8]) -> Result<()> {
        let new = std::str::from_utf8(data).map_err(|_| Errno::EINVAL)?.trim_end_matches(['\n', '\0']);
        let mut text = self.text.borrow_mut();
        if !fits(self.takes, &text, new) {
            return Err(Errno::EINVAL);
        }
        *text = match self.takes {
            Takes::Numbers => format!("{}\n", new.split_ascii_whitespace().collect::<Vec<_>>().join("\t")),
            _ => format!("{new}\n"),
        }
        .into_bytes();
        Ok(())
    }

    fn pollable(&self) -> bool {
        true
    }
}

struct Hostname(Weak<Kernel>);

#[async_trait(?Send)]
impl Content for Hostname {
    async fn text(&self) -> Result<Vec<u8>> {
        let kernel = self.0.upgrade().ok_or(Errno::EIO)?;
        let mut name = kernel.hostname.borrow().clone();
        name.push(b'\n');
        Ok(name)
    }

    async fn store(&self, data: &[u8]) -> Result<()> {
        let kernel = self.0.upgrade().ok_or(Errno::EIO)?;
        let end = data.iter().position(|byte| matches!(byte, 0 | b'\n')).unwrap_or(data.len());
        let end = end.min(linux_abi::utsname::__NEW_UTS_LEN);
        *kernel.hostname.borrow_mut() = data.get(..end).unwrap_or_default().to_vec();
        Ok(())
    }

    fn pollable(&self) -> bool {
        true
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid(kernel: &Kernel) -> String {
    let mut bytes = [0; 16];
    kernel.entropy(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76 | 3 << 62) | 4 << 76 | 2 << 62;
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_string();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

struct Uuid(Weak<Kernel>);

#[async_trait(?Send)]
impl Content for Uuid {
    async fn text(&self) -> Result<Vec<u8>> {
        let kernel = self.0.upgrade().ok_or(Errno::EIO)?;
        Ok(format!("{}\n", uuid(&kernel)).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_take_what_they_hold() {
        let cases = [
            (Takes::Numbers, "7\t4\t1\t7\n", "3", true),
            (Takes::Numbers, "7\t4\t1\t7\n", "3 4 1 7", true),
            (Takes::Numbers, "7\t4\t1\t7\n", "3 4 1 7 9", false),
            (Takes::Numbers, "0\n", "-1", true),
            (Takes::Numbers, "0\n", "yes", false),
            (Takes::Numbers, "0\n", "", false),
            (Takes::Text, "core\n", "|/bin/handler %p", true),
            (Takes::Nothing, "Linux\n", "1", false),
        ];
        for (takes, old, new, expected) in cases {
            assert_eq!(fits(takes, old.as_bytes(), new), expected, "{old:?} <- {new:?}");
        }
    }
}
