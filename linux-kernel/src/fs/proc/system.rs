//! Files of `/proc` about the machine: processor, memory, time, load, devices, network.

use super::{RELEASE, VERSION, ticks};
use crate::file::Result;
use crate::fs::synthetic::{Content, Tree};
use crate::kernel::Kernel;
use crate::mm::Mm;
use crate::task::{Process, Usage};
use async_trait::async_trait;
use linux_abi::Errno;
use std::cell::Cell;
use std::fmt::Write;
use std::rc::{Rc, Weak};
use x86_cpu::Cpuid;

/// A text made from the kernel's state.
struct FromKernel {
    kernel: Weak<Kernel>,
    make: fn(&Kernel) -> String,
}

#[async_trait(?Send)]
impl Content for FromKernel {
    async fn text(&self) -> Result<Vec<u8>> {
        let kernel = self.kernel.upgrade().ok_or(Errno::EIO)?;
        Ok((self.make)(&kernel).into_bytes())
    }

    async fn store(&self, _data: &[u8]) -> Result<()> {
        // Unlike the files of processes, which refuse with `EINVAL`.
        Err(Errno::EIO)
    }
}

type Make = fn(&Kernel) -> String;

const COMPUTED: &[(&str, Make)] = &[
    ("cpuinfo", |kernel| cpuinfo(&kernel.cpuid)),
    ("meminfo", meminfo),
    ("stat", stat),
    ("uptime", uptime),
    ("vmstat", vmstat),
    ("filesystems", filesystems),
    ("version", |_| format!("Linux version {RELEASE} (cx) (rustc) {VERSION}\n")),
    ("interrupts", |_| "           CPU0       \n".into()),
    ("softirqs", |_| "                    CPU0       \n".into()),
];

const CONSTANT: &[(&str, &str)] = &[
    ("cmdline", "root=/dev/root rw console=tty1\n"),
    ("devices", DEVICES),
    ("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    ("partitions", "major minor  #blocks  name\n\n"),
    ("diskstats", ""),
    ("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"),
    ("modules", ""),
    ("misc", ""),
    ("locks", ""),
    ("mtrr", ""),
    ("consoles", "tty1                 -WU (EC p  )    4:1\n"),
    ("execdomains", "0-0\tLinux           \t[kernel]\n"),
    ("buddyinfo", ""),
    ("zoneinfo", ""),
    ("tty/drivers", DRIVERS),
    ("tty/ldiscs", "n_tty       0\n"),
    ("sysvipc/shm", SYSV_SHM),
    ("sysvipc/sem", "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"),
    ("sysvipc/msg", SYSV_MSG),
];

const DEVICES: &str = "\
Character devices:
  1 mem
  4 /dev/vc/0
  4 tty
  5 /dev/tty
  5 /dev/console
  5 /dev/ptmx
128 ptm
136 pts

Block devices:
";

/// proc_tty(5): name, node, major, minors, kind. `ps` finds the names of terminals by it.
const DRIVERS: &str = "\
/dev/tty             /dev/tty        5       0 system:/dev/tty
/dev/console         /dev/console    5       1 system:console
/dev/ptmx            /dev/ptmx       5       2 system
/dev/vc/0            /dev/vc/0       4       0 system:vtmaster
pty_slave            /dev/pts      136 0-1048575 pty:slave
pty_master           /dev/ptm      128 0-1048575 pty:master
unknown              /dev/tty        4 1-63 console
";

const SYSV_SHM: &str = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      \
                        atime      dtime      ctime                   rss                  swap\n";
const SYSV_MSG: &str = "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      \
                        stime      rtime      ctime\n";

/// Puts the files about the machine into the tree.
pub(super) fn add(tree: &Tree, kernel: &Rc<Kernel>) {
    let kernel = Rc::downgrade(kernel);
    for (path, make) in COMPUTED {
        tree.file(path, 0o444, Rc::new(FromKernel { kernel: kernel.clone(), make: *make }));
    }
    for (path, text) in CONSTANT {
        tree.constant(path, text);
    }
    let load = LoadAverage { kernel, sampled: Cell::new(0), averages: Cell::default() };
    tree.file("loadavg", 0o444, Rc::new(load));
    tree.directory("bus");
    tree.directory("driver");
    tree.directory("fs");
    tree.directory("tty/driver");
}

/// `/proc/net`: tables of headings, and the loopback device. Sockets are not listed.
#[rustfmt::skip]
const NET: &[(&str, &str)] = &[
    ("dev", "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
             lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n"),
    ("tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n"),
    ("tcp6", "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"),
    ("udp", "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            \n"),
    ("udp6", "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"),
    ("udplite", "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            \n"),
    ("udplite6", "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"),
    ("raw", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"),
    ("raw6", "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"),
    ("unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"),
    ("packet", "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
    ("netlink", "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"),
    ("route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n"),
    ("ipv6_route", ""),
    ("arp", "IP address       HW type     Flags       HW address            Mask     Device\n"),
    ("if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n"),
    ("dev_mcast", ""),
    ("igmp", "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"),
    ("wireless", "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n \
                  face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n"),
    ("sockstat", "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n"),
];

/// Fills the directory that each process shows as `net`.
pub(super) fn add_net(tree: &Tree) {
    for (name, text) in NET {
        tree.constant(name, text);
    }
}

/// Bits of CPUID by the names that Linux gives them, in its order (asm/cpufeatures.h).
fn flag_names(cpuid: &Cpuid) -> String {
    #[rustfmt::skip]
    const BASIC: &[(u32, &str)] = &[
        (0, "fpu"), (1, "vme"), (2, "de"), (3, "pse"), (4, "tsc"), (5, "msr"), (6, "pae"), (7, "mce"), (8, "cx8"),
        (9, "apic"), (11, "sep"), (12, "mtrr"), (13, "pge"), (14, "mca"), (15, "cmov"), (16, "pat"), (17, "pse36"),
        (19, "clflush"), (23, "mmx"), (24, "fxsr"), (25, "sse"), (26, "sse2"), (27, "ss"), (28, "ht"),
    ];
    const EXTENDED: &[(u32, &str)] = &[(11, "syscall"), (20, "nx"), (27, "rdtscp"), (29, "lm")];
    #[rustfmt::skip]
    const BASIC_C: &[(u32, &str)] = &[
        (0, "pni"), (1, "pclmulqdq"), (3, "monitor"), (9, "ssse3"), (12, "fma"), (13, "cx16"), (19, "sse4_1"),
        (20, "sse4_2"), (22, "movbe"), (23, "popcnt"), (25, "aes"), (26, "xsave"), (28, "avx"), (29, "f16c"),
        (30, "rdrand"), (31, "hypervisor"),
    ];
    const EXTENDED_C: &[(u32, &str)] = &[(0, "lahf_lm"), (5, "abm"), (8, "3dnowprefetch")];
    #[rustfmt::skip]
    const STRUCTURED: &[(u32, &str)] = &[
        (0, "fsgsbase"), (3, "bmi1"), (5, "avx2"), (8, "bmi2"), (18, "rdseed"), (19, "adx"), (23, "clflushopt"),
        (24, "clwb"), (29, "sha_ni"),
    ];
    const XSAVE: &[(u32, &str)] = &[(0, "xsaveopt"), (1, "xsavec"), (2, "xgetbv1")];
    const STRUCTURED_C: &[(u32, &str)] = &[(8, "gfni"), (9, "vaes"), (10, "vpclmulqdq"), (22, "rdpid")];
    let words = [
        (cpuid.features_edx, BASIC),
        (cpuid.extended_edx, EXTENDED),
        (cpuid.features_ecx, BASIC_C),
        (cpuid.extended_ecx, EXTENDED_C),
        (cpuid.structured_ebx, STRUCTURED),
        (cpuid.xsave_eax, XSAVE),
        (cpuid.structured_ecx, STRUCTURED_C),
    ];
    let on = |(word, names): (u32, &'static [(u32, &'static str)])| {
        names.iter().filter(move |(bit, _)| word >> bit & 1 != 0).map(|(_, name)| *name)
    };
    words.into_iter().flat_map(on).collect::<Vec<_>>().join(" ")
}

/// `/proc/cpuinfo`: what CPUID tells programs.
fn cpuinfo(cpuid: &Cpuid) -> String {
    let signature = cpuid.signature;
    let family = (signature >> 8 & 15) + if signature >> 8 & 15 == 15 { signature >> 20 & 255 } else { 0 };
    let model = signature >> 4 & 15 | (signature >> 16 & 15) << 4;
    let brand: Vec<u8> = cpuid.brand.iter().copied().take_while(|byte| *byte != 0).collect();
    let brand = String::from_utf8_lossy(&brand);
    let long_mode = cpuid.extended_edx >> 29 & 1 != 0;
    let flags = flag_names(cpuid);
    let mut s = String::new();
    #[rustfmt::skip]
    let rows: &[(&str, &str)] = &[
        ("processor\t", "0"), ("vendor_id\t", "GenuineIntel"), ("cpu family\t", &family.to_string()),
        ("model\t\t", &model.to_string()), ("model name\t", brand.trim()), ("stepping\t", &(signature & 15).to_string()),
        ("cpu MHz\t\t", "1000.000"), ("cache size\t", "2048 KB"), ("physical id\t", "0"), ("siblings\t", "1"),
        ("core id\t\t", "0"), ("cpu cores\t", "1"), ("apicid\t\t", "0"), ("initial apicid\t", "0"), ("fpu\t\t", "yes"),
        ("fpu_exception\t", "yes"), ("cpuid level\t", &cpuid.query(0, 0)[0].to_string()), ("wp\t\t", "yes"), ("flags\t\t", &flags), ("bugs\t\t", ""),
        ("bogomips\t", "2000.00"), ("clflush size\t", "64"), ("cache_alignment\t", "64"),
        ("address sizes\t", if long_mode { "36 bits physical, 48 bits virtual" } else { "36 bits physical, 32 bits virtual" }),
    ];
    for (name, value) in rows {
        let _ = writeln!(s, "{name}: {value}");
    }
    s.push_str("power management:\n\n");
    s
}

/// The memories of all processes, each once.
fn memories(kernel: &Kernel) -> Vec<Rc<Mm>> {
    let mut all: Vec<Rc<Mm>> = Vec::new();
    for mm in kernel.processes().iter().filter_map(|process| process.any_thread()).map(|task| task.mm()) {
        if !all.iter().any(|known| Rc::ptr_eq(known, &mm)) {
            all.push(mm);
        }
    }
    all
}

/// `/proc/meminfo`. Frames in use that no program has mapped are the page cache.
fn meminfo(kernel: &Kernel) -> String {
    let kib = |pages: usize| pages as u64 * 4;
    let stats = kernel.pool.stats();
    let mapped = memories(kernel).iter().map(|mm| mm.space.resident_pages()).sum::<usize>().min(stats.in_use);
    let committed: u64 = memories(kernel).iter().map(|mm| mm.space.mapped_bytes() >> 10).sum();
    let (total, free) = (kib(stats.limit), kib(stats.limit.saturating_sub(stats.in_use)));
    let (programs, cached) = (kib(mapped), kib(stats.in_use - mapped));
    #[rustfmt::skip]
    let rows = [
        ("MemTotal", total), ("MemFree", free), ("MemAvailable", free + cached), ("Buffers", 0), ("Cached", cached),
        ("SwapCached", 0), ("Active", programs), ("Inactive", cached), ("Active(anon)", programs),
        ("Inactive(anon)", 0), ("Active(file)", 0), ("Inactive(file)", cached), ("Unevictable", 0), ("Mlocked", 0),
        ("SwapTotal", 0), ("SwapFree", 0), ("Dirty", 0), ("Writeback", 0), ("AnonPages", programs), ("Mapped", 0),
        ("Shmem", 0), ("KReclaimable", 0), ("Slab", 0), ("SReclaimable", 0), ("SUnreclaim", 0), ("KernelStack", 0),
        ("PageTables", programs >> 9), ("NFS_Unstable", 0), ("Bounce", 0), ("WritebackTmp", 0),
        ("CommitLimit", total / 2), ("Committed_AS", committed), ("VmallocTotal", 34_359_738_367),
        ("VmallocUsed", 0), ("VmallocChunk", 0), ("Percpu", 0), ("AnonHugePages", 0), ("ShmemHugePages", 0),
        ("ShmemPmdMapped", 0),
    ];
    let mut s = String::new();
    for (name, value) in rows {
        let _ = writeln!(s, "{:<16}{value:>8} kB", format!("{name}:"));
    }
    s.push_str("HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n");
    s.push_str("Hugepagesize:       2048 kB\nHugetlb:               0 kB\nDirectMap4k:           0 kB\n");
    s
}

/// Consumption of everything that ran and is not forgotten.
fn total_usage(kernel: &Kernel) -> Usage {
    let mut total = Usage::default();
    for process in kernel.processes() {
        total.add(&process.usage());
        total.add(&process.usage_children.get());
    }
    total
}

fn is_running(process: &Process) -> bool {
    !process.stopped.get() && process.threads.borrow().iter().any(|task| !task.sleeping.get())
}

/// `/proc/stat`.
fn stat(kernel: &Kernel) -> String {
    let usage = total_usage(kernel);
    let (user, system) = (ticks(usage.user), ticks(usage.system));
    let idle = ticks(kernel.clock.monotonic().0).saturating_sub(user + system);
    let times = format!("{user} 0 {system} {idle} 0 0 0 0 0 0");
    let processes = kernel.processes();
    let running = processes.iter().filter(|process| is_running(process)).count();
    let newest = processes.last().map_or(0, |process| process.pid);
    let switches = usage.voluntary_switches + usage.involuntary_switches;
    format!(
        "cpu  {times}\ncpu0 {times}\nintr 0\nctxt {switches}\nbtime {}\nprocesses {newest}\n\
         procs_running {}\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
        kernel.boot_time(),
        running.max(1),
    )
}

/// `/proc/uptime`: since boot, and idle.
fn uptime(kernel: &Kernel) -> String {
    let usage = total_usage(kernel);
    let up = kernel.clock.monotonic().0;
    let idle = up.saturating_sub(usage.user + usage.system);
    let show = |time: u64| format!("{}.{:02}", ticks(time) / 100, ticks(time) % 100);
    format!("{} {}\n", show(up), show(idle))
}

/// `/proc/vmstat`, what we have of it and vmstat(8) reads.
fn vmstat(kernel: &Kernel) -> String {
    let stats = kernel.pool.stats();
    let usage = total_usage(kernel);
    #[rustfmt::skip]
    let rows = [
        ("nr_free_pages", stats.limit.saturating_sub(stats.in_use) as u64), ("nr_dirty", 0), ("nr_writeback", 0),
        ("nr_page_table_pages", 0), ("nr_mapped", 0), ("nr_slab_reclaimable", 0), ("pgpgin", 0), ("pgpgout", 0),
        ("pswpin", 0), ("pswpout", 0), ("pgalloc_normal", 0), ("pgfree", 0),
        ("pgfault", usage.minor_faults + usage.major_faults), ("pgmajfault", usage.major_faults), ("oom_kill", 0),
    ];
    rows.map(|(name, value)| format!("{name} {value}\n")).concat()
}

/// `/proc/filesystems`: those we know, and any other that is mounted.
fn filesystems(kernel: &Kernel) -> String {
    const WITHOUT_DEVICE: [&str; 8] =
        ["sysfs", "tmpfs", "proc", "devtmpfs", "devpts", "sockfs", "pipefs", "anon_inodefs"];
    let mut s = String::new();
    WITHOUT_DEVICE.iter().for_each(|name| _ = writeln!(s, "nodev\t{name}"));
    let mut others = vec!["ext2"];
    for mount in kernel.namespace.mounts() {
        let name = mount.fs.type_name();
        if !WITHOUT_DEVICE.contains(&name) && !others.contains(&name) {
            others.push(name);
        }
    }
    others.iter().for_each(|name| _ = writeln!(s, "\t{name}"));
    s
}

/// `/proc/loadavg`. Nothing samples the load while nobody looks: each look is a sample, and the averages move towards
/// it by the time since the last.
struct LoadAverage {
    kernel: Weak<Kernel>,
    sampled: Cell<u64>,
    averages: Cell<[f64; 3]>,
}

#[async_trait(?Send)]
impl Content for LoadAverage {
    async fn text(&self) -> Result<Vec<u8>> {
        const MINUTES: [f64; 3] = [1.0, 5.0, 15.0];
        let kernel = self.kernel.upgrade().ok_or(Errno::EIO)?;
        let processes = kernel.processes();
        let threads: usize = processes.iter().map(|process| process.threads.borrow().len()).sum();
        // Who looks does not count.
        let running = processes.iter().filter(|process| is_running(process)).count();
        let now = kernel.clock.monotonic().0;
        let passed = now.saturating_sub(self.sampled.replace(now)) as f64 / 60e9;
        let mut averages = self.averages.get();
        for (average, minutes) in averages.iter_mut().zip(MINUTES) {
            let keep = (-passed / minutes).exp();
            *average = *average * keep + running.saturating_sub(1) as f64 * (1.0 - keep);
        }
        self.averages.set(averages);
        let newest = processes.last().map_or(0, |process| process.pid);
        let [one, five, fifteen] = averages;
        Ok(format!("{one:.2} {five:.2} {fifteen:.2} {}/{threads} {newest}\n", running.max(1)).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpuinfo_shows_what_cpuid_has() {
        let text = cpuinfo(&Cpuid::default());
        for line in ["model name\t: cx virtual CPU", "cpu family\t: 6", "model\t\t: 14"] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
        let flags = text.lines().find(|line| line.starts_with("flags")).expect("flags");
        assert_eq!(
            flags,
            "flags\t\t: fpu tsc cx8 cmov clflush mmx fxsr sse sse2 syscall nx lm pni cx16 hypervisor lahf_lm"
        );
        assert!(text.ends_with("power management:\n\n"));
    }

    #[test]
    fn tables_keep_their_columns() {
        let width = |text: &str| text.trim_end_matches('\n').len();
        assert_eq!(width(SYSV_SHM), 169);
        assert_eq!(width(SYSV_MSG), 119);
    }
}
